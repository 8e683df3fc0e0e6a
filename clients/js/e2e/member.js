// A client of the model, which keeps what it got.
import { token } from './node.js'
import { StentorClient, WebSocket } from './packed.js'

/** Follows what is pushed to all and to its user. Its tokens end soon. */
export function member({ user, urls, chance, now = Date.now }) {
  const got = { shared: [], own: [], gaps: [], errors: [], connects: 0 }
  const c = new StentorClient({
    urls,
    project: 'shop',
    WebSocket,
    token: () => token(user, 4 + Math.floor(chance() * 12), now()),
    minDelay: 20,
    maxDelay: 300,
    connectTimeout: 2_000,
  })
  const note = (list) => (m) => void list.push(Number(m.body))
  const options = { onGap: (g) => got.gaps.push(g) }
  const subscriptions = [c.subscribe('/topic/shop/all', note(got.shared), options), c.subscribe('/user/queue/own', note(got.own), options)]
  c.on('error', (e) => e.code !== 'kicked' && got.errors.push(`${e.code} ${e.message}`))
  c.on('state', (s) => {
    if (s.name === 'connected') got.connects++
    if (s.code === 'kicked') setTimeout(() => c.state.name === 'refused' && c.connect(), chance() * 300)
  })
  const ready = () => subscriptions.every((s) => s.position)
  const count = () => Math.min(got.shared.length, got.own.length)
  return { c, user, got, ready, count }
}
