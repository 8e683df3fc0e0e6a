// A thousand clients of one process, three nodes, one of which is killed: those that it had are back at the others, and did
// not come all at once.
import assert from 'node:assert/strict'
import test from 'node:test'
import { Node, token, until } from './node.js'
import { StentorClient, WebSocket } from './packed.js'

const clients = 1000

test('a thousand clients lose one node of three', { timeout: 120_000 }, async (t) => {
  const nodes = await Promise.all([1, 2, 3].map(() => Node.start()))
  t.after(() => Promise.all(nodes.map((n) => n.end())))
  const one = token('ann')
  const back = []
  let killed = 0
  const all = Array.from({ length: clients }, () => {
    const first = {} // the first wait, and the first address after it
    class Noted extends WebSocket {
      constructor(url, ...others) {
        super(url, ...others)
        if (killed) first.url ??= url
      }
    }
    const c = new StentorClient({ urls: nodes.map((n) => n.clients), project: 'shop', token: one, WebSocket: Noted, connectTimeout: 60_000 })
    c.on('state', (s) => {
      if (killed && s.name === 'connected') back.push(Date.now() - killed)
      if (killed && s.name === 'waiting') first.wait ??= s.ms
    })
    return { c, first }
  })
  t.after(() => Promise.all(all.map(({ c }) => c.close())))
  const connected = () => all.every(({ c }) => c.state.name === 'connected')
  await until('all are connected', connected)
  const dead = nodes[0].clients
  const orphans = all.filter(({ c }) => c.state.url === dead)
  const lost = orphans.length
  assert.ok(lost > clients / 5 && lost < clients / 2, `${lost} at one of three`)

  killed = Date.now()
  await nodes[0].stop('SIGKILL')
  await until('they are back', () => orphans.every(({ first }) => first.url) && connected())
  assert.ok(orphans.every(({ first }) => first.url !== dead), 'somebody tried the dead node')
  const waits = orphans.map(({ first }) => first.wait)
  const parts = Array.from({ length: 10 }, (_, i) => waits.filter((ms) => ms >= 100 * i && ms < 100 * (i + 1)).length)
  t.diagnostic(`${lost} were lost, all are back after ${Math.max(...back)} ms; they waited, by 100 ms: ${parts}`)
  assert.ok(Math.max(...parts) < lost / 4, 'they came all at once')
})
