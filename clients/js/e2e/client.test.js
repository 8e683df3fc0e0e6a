// The packed library against real nodes: each test has a node of its own.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import test, { after, describe } from 'node:test'
import { Node, Way, config, token, until } from './node.js'
import { StentorClient, WebSocket } from './packed.js'

const unhandled = []
process.on('unhandledRejection', (e) => unhandled.push(e))
after(() => assert.deepEqual(unhandled, []))

/** A client that is closed with the test, and what it reported. */
function client(t, options) {
  const c = new StentorClient({ project: 'shop', token: async () => token('ann'), WebSocket, minDelay: 100, maxDelay: 1000, ...options })
  const seen = { states: [], errors: [], messages: [], gaps: [] }
  c.on('state', (s) => seen.states.push(s.name))
  c.on('error', (e) => seen.errors.push(`${e.code} ${e.destination ?? ''}`.trim()))
  t.after(() => c.close())
  const follow = (destination, options) =>
    c.subscribe(destination, (m) => void seen.messages.push(m.body), { onGap: (g) => seen.gaps.push(g.reason), ...options })
  return { c, seen, follow }
}

async function start(t, text) {
  const node = await Node.start(text)
  t.after(() => node.end())
  return node
}

test('subscribe, publish, unsubscribe, close', async (t) => {
  const node = await start(t)
  const { c, seen, follow } = client(t, { urls: node.clients })
  const s = follow('/topic/shop/sent/x')
  follow('/user/queue/orders')
  await until('both are there', () => c.state.name === 'connected' && s.active)
  assert.equal(c.state.user, 'ann')
  await c.publish('/topic/shop/sent/x', { n: 1 })
  await node.push({ user: 'ann', destination: '/queue/orders', payload: 'order' })
  await until('both came', () => seen.messages.length === 2)
  assert.deepEqual(seen.messages.sort(), ['order', '{"n":1}'])
  s.unsubscribe()
  await c.publish('/topic/shop/sent/x', 'nobody')
  await c.close()
  await until('its session is gone', async () => !(await node.sessions()).length)
  assert.deepEqual(seen.messages.length, 2)
})

test('a node with compression', async (t) => {
  const node = await start(t, config({ endpoint: ', compression: true' }))
  const way = await Way.open(node)
  t.after(() => way.close())
  const { c, seen, follow } = client(t, { urls: way.url })
  const s = follow('/topic/shop/sent/x')
  await until('it is subscribed', () => s.active)
  assert.deepEqual((await node.sessions()).map((s) => s.transport), ['websocket+deflate'])
  const bodies = [10, 200, 20_000].map((n) => 'grüße 世界 '.repeat(n))
  const push = (payload) => node.push({ topic: '/topic/shop/sent/x', payload })
  for (const body of bodies) await push(body)
  for (const n of [2, 20_000]) await c.publish('/topic/shop/sent/x', bodies[bodies.push('x'.repeat(n)) - 1])
  await until('all came', () => seen.messages.length === bodies.length)
  way.refusing = true
  way.cut()
  await until('it is away', () => !s.active)
  await push(bodies[bodies.push('while it is away '.repeat(1000)) - 1])
  way.refusing = false
  await until('the missed one came', () => seen.messages.length === bodies.length)
  assert.deepEqual(seen.messages, bodies)
  assert.deepEqual(seen.gaps, [])
})

test('what was missed comes, once, also before the first message', async (t) => {
  const node = await start(t)
  const way = await Way.open(node)
  t.after(() => way.close())
  const { seen, follow } = client(t, { urls: way.url })
  const s = follow('/topic/shop/all')
  await until('it is subscribed', () => s.active)
  for (let round = 0; round < 3; round++) {
    way.refusing = true
    way.cut()
    await until('it is away', () => !s.active) // and stays so: it is refused
    await node.push({ topic: 'all', payload: `${round}a` })
    way.refusing = false
    await until('it came', () => seen.messages.length === 2 * round + 1)
    await node.push({ topic: 'all', payload: `${round}b` })
    await until('it came', () => seen.messages.length === 2 * round + 2)
  }
  assert.deepEqual(seen.messages, ['0a', '0b', '1a', '1b', '2a', '2b'])
  assert.deepEqual([seen.gaps, seen.errors], [[], []])
})

test('a node that is killed, and begins anew: a gap, then all', async (t) => {
  const node = await start(t)
  const { seen, follow } = client(t, { urls: node.clients })
  const s = follow('/topic/shop/all')
  await until('it is subscribed', () => s.active)
  await node.stop('SIGKILL')
  await until('it is lost', () => !s.active)
  await node.start()
  await until('it is back', () => s.active)
  await node.push({ topic: 'all', payload: 'new' })
  await until('it came', () => seen.messages.length === 1)
  assert.deepEqual(seen.gaps, ['lost'])
})

test('of two nodes, one leaves: the other', async (t) => {
  const nodes = [await start(t), await start(t)]
  const { c } = client(t, { urls: nodes.map((n) => n.clients), minDelay: 500 })
  await until('it is connected', () => c.state.name === 'connected')
  const first = c.state.url
  await nodes.find((n) => n.clients === first).stop()
  await until('it is at the other', () => c.state.name === 'connected' && c.state.url !== first)
})

test('forbidden ends that subscription alone', async (t) => {
  const node = await start(t)
  const { seen, follow } = client(t, { urls: node.clients })
  const good = follow('/topic/shop/all')
  const bad = follow('/topic/other/all')
  await until('it is refused', () => bad.ended)
  await until('the other is back', () => good.active)
  assert.deepEqual(seen.errors, ['forbidden /topic/other/all'])
})

test('a SEND that is denied fails alone, and a large one too', async (t) => {
  const node = await start(t)
  const { c } = client(t, { urls: node.clients })
  await assert.rejects(c.publish('/topic/shop/denied/x', '1'), { code: 'forbidden', destination: '/topic/shop/denied/x' })
  await assert.rejects(c.publish('/topic/shop/sent/x', 'x'.repeat(100_000)), { code: 'too-large' })
  await c.publish('/topic/shop/sent/x', '2')
})

test('what was published and not answered goes again, and comes once', async (t) => {
  const node = await start(t)
  const way = await Way.open(node)
  t.after(() => way.close())
  const other = client(t, { urls: node.clients, token: token('bob') })
  const s = other.follow('/topic/shop/sent/x')
  const { c } = client(t, { urls: way.url })
  await until('both are there', () => s.active && c.state.name === 'connected')
  way.deafen()
  const all = Promise.all([1, 2, 3].map((n) => c.publish('/topic/shop/sent/x', String(n))))
  await until('they came', () => other.seen.messages.length === 3)
  way.cut()
  await all
  await c.publish('/topic/shop/sent/x', 'end')
  await until('it came', () => other.seen.messages.includes('end'))
  assert.deepEqual(other.seen.messages, ['1', '2', '3', 'end'])
})

test('a wrong token ends it, and says so; a login begins anew', async (t) => {
  const node = await start(t)
  let mine = 'nonsense'
  const { c, seen } = client(t, { urls: node.clients, token: () => mine })
  await until('it is refused', () => c.state.name === 'refused')
  assert.deepEqual([c.state.code, seen.errors], ['auth', ['auth']])
  mine = token('ann')
  c.connect()
  await until('it is connected', () => c.state.name === 'connected')
})

test('an expired token: once with a fresh one', async (t) => {
  const node = await start(t)
  let asked = 0
  const { c } = client(t, { urls: node.clients, token: () => token('ann', asked++ ? 100 : -100) })
  await until('it is connected', () => c.state.name === 'connected')
  assert.equal(asked, 2)

  const old = client(t, { urls: node.clients, token: () => (asked++, token('ann', -100)) })
  await until('it is refused', () => old.c.state.name === 'refused')
  assert.deepEqual([old.c.state.code, asked], ['expired', 4])
})

// Side by side, since they wait for clocks.
describe('tokens that end', { concurrency: true }, () => {
  test('the end of a token: a fresh one goes over the same connection', async (t) => {
    const node = await start(t, config({ project: 'token_expiry: close' }))
    const asked = []
    const { c, seen, follow } = client(t, { urls: node.clients, token: () => token('ann', asked.push(Date.now()) === 1 ? 8 : 3600) })
    const s = follow('/topic/shop/all')
    await until('it is subscribed', () => s.active)
    const [{ id }] = await node.sessions()
    await until('the first token has ended', () => asked.length > 1 && Date.now() > asked[0] + 9_000)
    await node.push({ topic: 'all', payload: 'on' })
    await until('it came', () => seen.messages.length === 1)
    assert.deepEqual([seen.gaps, seen.errors, c.state.name, (await node.sessions()).map((s) => s.id)], [[], [], 'connected', [id]])
  })

  test('the end of a token that is not renewed ends the session, and a fresh one begins the next', async (t) => {
    const node = await start(t, config({ project: 'token_expiry: close' }))
    let asked = 0
    // It cannot be fetched while the connection is up: only the next connection has another one.
    const { c, seen, follow } = client(t, {
      urls: node.clients,
      token: () => {
        asked++
        if (c?.state.name === 'connected') throw new Error('away')
        return token('ann', asked === 1 ? 5 : 3600)
      },
    })
    const s = follow('/topic/shop/all')
    await until('it was closed', () => seen.states.filter((s) => s === 'connected').length === 2)
    await until('it is back', () => s.active)
    await node.push({ topic: 'all', payload: 'on' })
    await until('it came', () => seen.messages.length === 1)
    assert.deepEqual([seen.gaps, [...new Set(seen.errors)], c.state.name], [[], ['token'], 'connected'])
  })

  test('a fresh token that allows less ends what it does not allow, alone', async (t) => {
    const node = await start(t, config({ project: 'token_expiry: close' }).replace('send:', 'subscribe: ["/topic/{project}/{user}/**", "/topic/{project}/all"]\n    send:'))
    let user = 'ann'
    const { c, seen, follow } = client(t, { urls: node.clients, token: () => token(user, 10) })
    const [own, all] = [follow('/topic/shop/ann/x'), follow('/topic/shop/all')]
    await until('both are subscribed', () => own.active && all.active)
    user = 'bob'
    await until('it is refused', () => own.ended)
    await until('the other is back', () => all.active && c.state.user === 'bob')
    assert.deepEqual(seen.errors, ['forbidden /topic/shop/ann/x'])
  })
})

test('a kick ends it', async (t) => {
  const node = await start(t)
  const { c } = client(t, { urls: node.clients })
  await until('it is connected', () => c.state.name === 'connected')
  await node.call('DELETE', '/v1/projects/shop/users/ann/sessions')
  await until('it is refused', () => c.state.name === 'refused')
  assert.equal(c.state.code, 'kicked')
})

test('a registry says where, and is asked again after a loss', async (t) => {
  const nodes = [await start(t), await start(t)]
  let left = nodes.map((n) => n.clients)
  const registry = createServer((_, answer) => {
    answer.writeHead(left.length ? 200 : 503, { 'content-type': 'application/json' })
    answer.end(JSON.stringify({ endpoints: left, ttl_ms: 0, spread_ms: 50 }))
  })
  await new Promise((resolve) => registry.listen(0, '127.0.0.1', resolve))
  t.after(() => registry.close())
  const { c } = client(t, { endpoints: `http://127.0.0.1:${registry.address().port}/v1/endpoints` })
  await until('it is connected', () => c.state.name === 'connected')
  assert.equal(c.state.url, nodes[0].clients)
  left = [nodes[1].clients]
  await nodes[0].stop()
  await until('it is at the other', () => c.state.name === 'connected' && c.state.url === nodes[1].clients)
})

test('CommonJS has the same', () => {
  const require = createRequire(new URL('../node_modules/.packed/x.js', import.meta.url))
  assert.equal(typeof require('@stentor/client').StentorClient, 'function')
})
