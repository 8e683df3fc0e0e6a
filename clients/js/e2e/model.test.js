// Random drops, refusals, silence, kicks and ends of tokens, tabs that come and go, and a machine that sleeps, while a back end
// pushes: every client gets every message that is its own, once and in order. STENTOR_MESSAGES says how many messages are
// delivered in all, those to tabs not counted, STENTOR_SEED replays the choices.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import test, { after } from 'node:test'
import { Worker } from 'node:worker_threads'
import { member } from './member.js'
import { Node, Way, config, token, until } from './node.js'
import { StentorClient, WebSocket } from './packed.js'
import { pause, random } from './random.js'
import { Tabs } from './tabs.js'

const total = Number(process.env.STENTOR_MESSAGES ?? 100_000)
const seed = Number(process.env.STENTOR_SEED ?? Math.floor(Math.random() * 2 ** 31))
const users = Array.from({ length: 20 }, (_, i) => `u${i}`)
const sleepers = Array.from({ length: 5 }, (_, i) => `s${i}`)

const unhandled = []
process.on('unhandledRejection', (e) => unhandled.push(e))
after(() => assert.deepEqual(unhandled, []))

/** The clients of a machine that sleeps. */
function laptop(t, data) {
  const worker = new Worker(new URL('laptop.js', import.meta.url), { workerData: data })
  let broke
  worker.on('error', (e) => (broke = e))
  t.after(() => worker.terminate())
  const ask = async (question) => {
    worker.postMessage(question)
    const [answer] = await once(worker, 'message')
    if (broke) throw broke
    return answer
  }
  return { ask }
}

test(`${total} messages, seed ${seed}`, { timeout: 400_000 }, async (t) => {
  const chance = random(seed)
  const node = await Node.start(config({ project: 'token_expiry: close' }))
  t.after(() => node.end())
  const ways = [await Way.open(node), await Way.open(node), await Way.open(node)]
  t.after(() => Promise.all(ways.map((w) => w.close())))
  const urls = ways.map((w) => w.url)

  const all = users.map((user) => member({ user, urls, chance }))
  t.after(() => Promise.all(all.map(({ c }) => c.close())))
  const machine = laptop(t, { users: sleepers, urls, seed })
  let pushed = 0
  const tabs = await Tabs.start(t, { user: 'tabs', urls, chance: random(seed + 1), pushed: () => pushed })
  await until('all are subscribed', async () => all.every((a) => a.ready()) && (await machine.ask('how')).ready)

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
      else if (dice < 0.95) way.silence(chance() * 0.5, 50 + chance() * 500)
      else await node.call('DELETE', `/v1/projects/shop/users/${sleepers[Math.floor(chance() * sleepers.length)]}/sessions`)
    }
    for (const way of ways) way.refusing = false
  })()

  // Each round is a message to all, and one to each user.
  const everybody = [...users, ...sleepers, 'tabs']
  const clients = users.length + sleepers.length
  const rounds = Math.ceil(total / clients / 2)
  while (pushed < rounds) {
    const pushes = []
    for (const end = Math.min(rounds, pushed + 20); pushed < end; pushed++) {
      pushes.push({ topic: 'all', payload: String(pushed) })
      for (const user of everybody) pushes.push({ user, destination: '/queue/own', payload: String(pushed) })
    }
    await node.batch(pushes)
    await pause(chance() * 300)
  }
  over = true
  await chaos
  await until('all have all', async () => all.every((a) => a.count() >= rounds) && (await machine.ask('how')).count >= rounds).catch((e) => t.diagnostic(String(e)))
  const inTabs = await tabs.end(rounds)
  const slept = await machine.ask('end')
  const want = Array.from({ length: rounds }, (_, n) => n)
  for (const { user, got } of [...all, ...slept.all]) {
    assert.deepEqual(got.gaps, [], `${user}: gaps`)
    assert.deepEqual(got.errors, [], `${user}: errors`)
    assert.deepEqual(got.shared, want, `${user}: the messages to all`)
    assert.deepEqual(got.own, want, `${user}: its own messages`)
  }
  const counts = await Promise.all(published)
  const observed = () => all.every(({ user }, i) => seen.get(user).length >= counts[i])
  await until('the observer has all', observed).catch((e) => t.diagnostic(String(e))) // a RECEIPT says that the node has it, and no more
  await pause(100) // for one too many
  all.forEach(({ user }, i) => assert.deepEqual(seen.get(user), Array.from({ length: counts[i] }, (_, n) => n), `${user}: what it published`))
  const sum = counts.reduce((a, b) => a + b)
  const connects = [...all, ...slept.all].reduce((n, { got }) => n + got.connects, 0)
  t.diagnostic(`${sum} messages published: 0 lost, 0 repeated`)
  t.diagnostic(`${2 * rounds * clients} messages over ${connects} connections, ${slept.naps} sleeps: 0 lost, 0 repeated`)
  t.diagnostic(`${tabs.opened} tabs, ${tabs.deaths} workers that died; ${inTabs} messages in the tabs that were left: 0 lost, 0 repeated`)
  assert.ok(connects > 2 * clients, 'too little went wrong')
})
