// Random drops, refusals, silence and ends of tokens, while a back end pushes: every client gets every message that is its
// own, once and in order. STENTOR_MESSAGES says how many messages are delivered in all, STENTOR_SEED replays the choices.
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { Node, Way, config, token, until } from './node.js'
import { StentorClient, WebSocket } from './packed.js'

const total = Number(process.env.STENTOR_MESSAGES ?? 100_000)
const seed = Number(process.env.STENTOR_SEED ?? Math.floor(Math.random() * 2 ** 31))
const clients = 20

const unhandled = []
process.on('unhandledRejection', (e) => unhandled.push(e))
after(() => assert.deepEqual(unhandled, []))

// mulberry32
function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

test(`${total} messages, seed ${seed}`, { timeout: 240_000 }, async (t) => {
  const chance = random(seed)
  const node = await Node.start(config({ project: 'token_expiry: close' }))
  t.after(() => node.end())
  const ways = [await Way.open(node), await Way.open(node), await Way.open(node)]
  t.after(() => Promise.all(ways.map((w) => w.close())))

  let connects = 0
  const all = Array.from({ length: clients }, (_, i) => {
    const user = `u${i}`
    const got = { shared: [], own: [], gaps: [], errors: [] }
    const c = new StentorClient({
      urls: ways.map((w) => w.url),
      project: 'shop',
      WebSocket,
      token: () => token(user, 2 + Math.floor(chance() * 10)),
      minDelay: 20,
      maxDelay: 300,
      connectTimeout: 2_000,
    })
    const note = (list) => (m) => void list.push(Number(m.body))
    const options = { onGap: (g) => got.gaps.push(g) }
    const subscriptions = [c.subscribe('/topic/shop/all', note(got.shared), options), c.subscribe('/user/queue/own', note(got.own), options)]
    c.on('error', (e) => got.errors.push(`${e.code} ${e.message}`))
    c.on('state', (s) => s.name === 'connected' && connects++)
    t.after(() => c.close())
    return { c, user, got, subscriptions }
  })
  await until('all are subscribed', () => all.every((a) => a.subscriptions.every((s) => s.position)))

  // What the clients publish meanwhile is seen by one whose own way is good.
  const seen = new Map(all.map(({ user }) => [user, []]))
  const observer = new StentorClient({ urls: node.clients, project: 'shop', WebSocket, token: () => token('observer') })
  t.after(() => observer.close())
  const note = (m) => void seen.get(m.headers.from).push(Number(m.body))
  const watched = observer.subscribe('/topic/shop/sent/model', note)
  await until('the observer is there', () => watched.active)

  let over = false
  const published = all.map(async ({ c, user }) => {
    const waiting = []
    while (!over) {
      waiting.push(c.publish('/topic/shop/sent/model', String(waiting.length), { headers: { from: user } }))
      await pause(chance() * 200)
    }
    await Promise.all(waiting)
    return waiting.length
  })
  const chaos = (async () => {
    while (!over) {
      await pause(20 + chance() * 150)
      const way = ways[Math.floor(chance() * ways.length)]
      const dice = chance()
      if (dice < 0.6) way.cut(chance())
      else if (dice < 0.8) way.refusing = !way.refusing
      else way.silence(chance() * 0.5, 50 + chance() * 500)
    }
    for (const way of ways) way.refusing = false
  })()

  // Each round is a message to all, and one to each user.
  const rounds = Math.ceil(total / clients / 2)
  for (let n = 0; n < rounds; ) {
    const pushes = []
    for (const end = Math.min(rounds, n + 20); n < end; n++) {
      pushes.push({ topic: 'all', payload: String(n) })
      for (const { user } of all) pushes.push({ user, destination: '/queue/own', payload: String(n) })
    }
    await node.batch(pushes)
    await pause(chance() * 300)
  }
  over = true
  await chaos
  const want = Array.from({ length: rounds }, (_, n) => n)
  await until('all have all', () => all.every((a) => a.got.shared.length >= rounds && a.got.own.length >= rounds)).catch((e) => t.diagnostic(String(e)))
  for (const { user, got } of all) {
    assert.deepEqual(got.gaps, [], `${user}: gaps`)
    assert.deepEqual(got.errors, [], `${user}: errors`)
    assert.deepEqual(got.shared, want, `${user}: the messages to all`)
    assert.deepEqual(got.own, want, `${user}: its own messages`)
  }
  const counts = await Promise.all(published)
  await pause(100) // for one too many
  all.forEach(({ user }, i) => assert.deepEqual(seen.get(user), Array.from({ length: counts[i] }, (_, n) => n), `${user}: what it published`))
  const sum = counts.reduce((a, b) => a + b)
  t.diagnostic(`${sum} messages published: 0 lost, 0 repeated`)
  t.diagnostic(`${2 * rounds * clients} messages over ${connects} connections: 0 lost, 0 repeated`)
  assert.ok(connects > 2 * clients, 'too little went wrong')
})
