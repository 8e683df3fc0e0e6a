// Three nodes over a real Kafka (KAFKA_BOOTSTRAP), which are killed and told to leave while messages go both ways. Clients
// find them by the nodes' own registries. Every client gets every message once and in order, and so do those that clients
// publish: a node does not know what another one was sent, but by the bus.
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { Node, config, freeAddress, token, until } from '../node.js'
import { StentorClient, WebSocket } from '../packed.js'
import { pause } from '../random.js'

const rounds = Number(process.env.STENTOR_ROUNDS ?? 400)
const clients = 15
const run = `${process.pid}-${Date.now()}`

const unhandled = []
process.on('unhandledRejection', (e) => unhandled.push(e))
after(() => assert.deepEqual(unhandled, []))

async function member(t, n) {
  const client = await freeAddress()
  const node = new Node(
    config({
      project: 'anonymous: true',
      node: `bus: kafka
kafka: {brokers: ["${process.env.KAFKA_BOOTSTRAP}"], topic_prefix: "push-${run}-", in_prefix: "in-${run}-", nodes_topic: "nodes-${run}", partitions: 3}
push: {timeout: 3s}
cluster: {key: "cluster-cluster-cluster-cluster-cluster"}
advertise: {clients: ["ws://${client}/ws"]}`,
    }).replace('id: clients', `id: clients-${n}`).replace('    anonymous: true\n', ''),
  )
  node.client = client
  t.after(() => node.end())
  await node.start()
  return node
}

test('nodes that are killed and leave', { timeout: 300_000 }, async (t) => {
  const nodes = await Promise.all([1, 2, 3].map((n) => member(t, n)))
  const ready = (node) => fetch(`${node.api}/readyz`).then((a) => a.ok, () => false)
  for (const node of nodes) await until('it is ready', () => ready(node))
  const endpoints = nodes.map((node) => `http://${node.client}/v1/endpoints`)

  let connects = 0
  const all = Array.from({ length: clients }, (_, i) => {
    const user = `u${i}`
    const got = { shared: [], own: [], chat: {}, gaps: [], errors: [] }
    const c = new StentorClient({ endpoints, project: 'shop', WebSocket, token: () => token(user), minDelay: 100, maxDelay: 1000 })
    const options = { onGap: (g) => got.gaps.push(g) }
    const note = (list) => (m) => void list.push(Number(m.body))
    const subscriptions = [
      c.subscribe('/topic/shop/all', note(got.shared), options),
      c.subscribe('/user/queue/own', note(got.own), options),
      c.subscribe('/topic/shop/sent/chat', (m) => void (got.chat[m.headers.from] ??= []).push(Number(m.body)), options),
    ]
    c.on('error', (e) => e.code !== 'endpoints' && got.errors.push(`${e.code} ${e.message}`))
    c.on('state', (s) => s.name === 'connected' && connects++)
    t.after(() => c.close())
    return { c, user, got, subscriptions }
  })
  await until('all are subscribed', () => all.every((a) => a.subscriptions.every((s) => s.position)))

  let over = false
  const chaos = (async () => {
    for (let i = 0; !over; i++) {
      const node = nodes[i % nodes.length]
      await pause(1_000)
      await node.stop(i % 2 ? 'SIGTERM' : 'SIGKILL')
      await pause(500)
      await node.start()
      await until('it is ready again', () => ready(node))
    }
  })()

  // A push goes to any node, again under its id until one has it.
  const push = async (body) => {
    for (let i = 0; ; i++) {
      try {
        return await nodes[i % nodes.length].push(body)
      } catch (e) {
        if (i > 200) throw e
        await pause(100)
      }
    }
  }
  const published = []
  for (let n = 0; n < rounds; n++) {
    await push({ topic: 'all', payload: String(n), id: `all-${n}` })
    await Promise.all(all.map(({ user }) => push({ user, destination: '/queue/own', payload: String(n), id: `${user}-${n}` })))
    if (n % 4 === 0) for (const { c, user } of all) published.push(c.publish('/topic/shop/sent/chat', String(n / 4), { headers: { from: user } }))
    await pause(40)
  }
  over = true
  await chaos
  await Promise.all(published)
  const complete = ({ got }) => got.shared.length >= rounds && got.own.length >= rounds && Object.values(got.chat).flat().length >= published.length
  await until('all have all', () => all.every(complete)).catch((e) => t.diagnostic(String(e)))
  await pause(200) // for one too many
  const want = (n) => Array.from({ length: n }, (_, i) => i)
  for (const { user, got } of all) {
    assert.deepEqual([got.gaps, got.errors], [[], []], user)
    assert.deepEqual(got.shared, want(rounds), `${user}: the messages to all`)
    assert.deepEqual(got.own, want(rounds), `${user}: its own messages`)
    for (const { user: from } of all) assert.deepEqual(got.chat[from], want(published.length / clients), `${user}: what ${from} published`)
  }
  t.diagnostic(`${clients * (2 * rounds + published.length)} messages over ${connects} connections: 0 lost, 0 repeated`)
  assert.ok(connects > 2 * clients, 'too little went wrong')
})
