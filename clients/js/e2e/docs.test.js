// What the pages show runs as it stands, with the addresses of a node of the test's own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { blocks, here, home, readme } from './docs.js'
import { Node, token, until } from './node.js'
import { WebSocket } from './packed.js'

async function start(t) {
  const node = await Node.start()
  t.after(() => node.end())
  return node
}

/** Runs text as a module in a folder with packages, and returns what it exports. */
async function run(t, folder, text) {
  const file = `${folder}/docs-${process.pid}-${Math.random()}.mjs`
  writeFileSync(file, text)
  t.after(() => rmSync(file))
  return import(file)
}

function replaced(text, from, to) {
  assert.ok(text.includes(from), `the example has no ${from}`)
  return text.replace(from, to)
}

test('the example of the README', async (t) => {
  const node = await start(t)
  const registry = createServer((request, answer) => answer.end(request.url === '/token' ? token('ann') : JSON.stringify({ endpoints: [node.clients], ttl_ms: 1000, spread_ms: 0 })))
  await new Promise((resolve) => registry.listen(0, '127.0.0.1', resolve))
  t.after(() => registry.close())
  const at = `http://127.0.0.1:${registry.address().port}`
  const shown = []
  const states = []
  Object.assign(globalThis, { WebSocket, show: (o) => shown.push(o), badge: (s) => states.push(s), reload: () => shown.push('gap') })
  let text = blocks(readme, 'js')[0]
  text = replaced(text, 'https://push.example.com/v1/endpoints', `${at}/v1/endpoints`)
  text = replaced(text, "'/token'", `'${at}/token'`)
  text = replaced(text, '/topic/shop/chat/7', '/topic/shop/sent/7')
  const { push } = await run(t, home, `${text}\nexport { push }`)
  t.after(() => push.close())
  await node.push({ user: 'ann', destination: '/queue/orders', payload: { order: 7 } })
  await until('it is shown', () => shown.length > 0)
  assert.deepEqual([shown, states], [[{ order: 7 }], ['connected']])
})

test('the worker of the examples', async (t) => {
  const node = await start(t)
  mkdirSync(`${home}/examples`, { recursive: true })
  writeFileSync(`${home}/examples/node.js`, readFileSync(`${here}examples/node.js`))
  const worker = spawn(process.execPath, [`${home}/examples/node.js`, node.clients, 'shop', '/topic/shop/all'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said = []
  createInterface({ input: worker.stdout }).on('line', (line) => said.push(JSON.parse(line)))
  const gone = once(worker, 'exit')
  await until('it is subscribed', () => said.some((s) => s.subscribed))
  const { position } = await node.push({ topic: 'all', payload: 'hello' })
  await until('it came', () => said.some((s) => s.id === position && s.body === 'hello'))
  worker.kill('SIGTERM')
  assert.deepEqual(await gone, [0, null]) // nothing is left that keeps it
  assert.equal(said.at(-1).state, 'closed')
})

test('every example of docs/clients.md', async (t) => {
  const packages = `${here}../../engine/e2e/js`
  const examples = blocks(`${here}../../docs/clients.md`, 'js')
  assert.ok(examples.length >= 2)
  for (const [i, example] of examples.entries()) {
    await t.test(`number ${i + 1}`, async (t) => {
      const node = await start(t)
      const shown = []
      globalThis.show = (o) => shown.push(o)
      globalThis.freshToken = async () => token('ann')
      globalThis.WebSocket = WebSocket
      const old = example.includes('Stomp.') ? "import stomp from 'stompjs/lib/stomp.js'\nconst { Stomp } = stomp\nStomp.setInterval = (ms, f) => setInterval(f, ms)\nStomp.clearInterval = clearInterval\n" : ''
      const { client } = await run(t, packages, `${old}${replaced(example, 'wss://push.example.com/ws', node.clients)}\nexport { client }`)
      const push = (n) => node.push({ user: 'ann', destination: '/queue/orders', payload: { order: n } })
      const subscribed = () => node.sessions().then((all) => all.some((s) => s.subscriptions?.length))
      await until('it is subscribed', subscribed)
      await push(1)
      await until('it is shown', () => shown.length === 1)
      await node.call('DELETE', '/v1/projects/shop/users/ann/sessions')
      await push(2) // while it is away
      await until('it came back, and has it', () => shown.length === 2)
      await push(3)
      await until('it is shown', () => shown.length === 3)
      assert.deepEqual(shown, [1, 2, 3].map((order) => ({ order })))
      globalThis.freshToken = () => new Promise(() => {})
      await (client.deactivate?.() ?? new Promise((resolve) => client.disconnect(resolve)))
    })
  }
})
