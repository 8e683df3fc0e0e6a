// Starts nodes for tests, as processes of their own on free ports, and tells them apart from what breaks on the way.
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const binary = process.env.STENTOR ?? new URL('../../../bin/stentor', import.meta.url).pathname
const secret = 'shop-shop-shop-shop-shop-shop-shop-shop'

export const config = ({ project = '', node = '', endpoint = '' } = {}) => `
node: {id: clients}
default_project: shop
endpoints: [{path: /ws, origins: ["*"]${endpoint}}]
drain: {timeout: 5s, interval: 1ms}
${node}
projects:
  shop:
    anonymous: true
    keys: [{kid: a, alg: HS256, secret: "${secret}"}]
    api_keys: [shop-key]
    send: {"/topic/{project}/sent/**": push, "/topic/{project}/denied/**": deny}
    ${project}
`

/** A token that ends after so many seconds. */
export function token(user, seconds = 3600, now = Date.now()) {
  const part = (o) => Buffer.from(JSON.stringify(o)).toString('base64url')
  const text = `${part({ alg: 'HS256', kid: 'a' })}.${part({ sub: user, exp: Math.floor(now / 1000) + seconds })}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

// What a test that breaks off leaves behind.
const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

const given = new Set()

/** An address on which a node can be started again and again: its port is outside of the range from which the kernel takes the ports of clients. */
export async function freeAddress() {
  for (let left = 1000; left; left--) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (given.has(port)) continue
    given.add(port)
    const server = createServer()
    const free = await new Promise((resolve) => server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)))
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    return `127.0.0.1:${port}`
  }
  throw new Error('no free port')
}

/** A node that serves. `clients` and `api` are its addresses. */
export class Node {
  #dir = mkdtempSync(join(tmpdir(), 'stentor-js-'))
  #process
  client // where it listens for clients
  listen // and for its API

  constructor(text = config()) {
    writeFileSync(join(this.#dir, 'stentor.yaml'), text)
  }

  static async start(text) {
    const node = new Node(text)
    await node.start()
    return node
  }

  async start() {
    this.client ??= await freeAddress()
    this.listen ??= await freeAddress()
    for (let left = 50; ; left--) {
      try {
        return await this.#serve()
      } catch (e) {
        // Another process chose the same port.
        if (!left || !/address already in use/.test(e)) throw e
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    }
  }

  async #serve() {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STENTOR_')))
    const settings = [`listen.client=${this.client}`, `listen.api=${this.listen}`, 'log.format=json'].flatMap((s) => ['--set', s])
    this.#process = spawn(binary, ['serve', '--config', join(this.#dir, 'stentor.yaml'), ...settings], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    const child = this.#process
    running.add(child)
    child.once('exit', () => running.delete(child))
    const log = []
    const lines = createInterface({ input: this.#process.stderr })
    await new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        log.push(line)
        if (log.length > 200) log.shift()
        const said = line.startsWith('{') ? JSON.parse(line) : {}
        if (said.msg !== 'serving') return
        this.clients = said.clients
        this.api = said.api.replace(/\/$/, '')
        resolve()
      })
      this.#process.once('exit', (code) => reject(new Error(`the node ended with ${code}:\n${log.join('\n')}`)))
    })
  }

  /** Ends the process, and returns when it is gone. */
  async stop(signal = 'SIGTERM') {
    if (!this.#process || this.#process.exitCode !== null || this.#process.signalCode) return
    const gone = once(this.#process, 'exit')
    this.#process.kill(signal)
    await gone
  }

  async end() {
    await this.stop()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async call(method, path, body) {
    const answer = await fetch(this.api + path, {
      method,
      headers: { authorization: 'Bearer shop-key', 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text && JSON.parse(text)
  }

  push(push) {
    return this.call('POST', '/v1/projects/shop/push', push)
  }

  async batch(pushes) {
    for (const answer of await this.call('POST', '/v1/projects/shop/push/batch', pushes)) if (answer.status !== 200) throw new Error(JSON.stringify(answer))
  }

  sessions() {
    return this.call('GET', '/v1/projects/shop/sessions?limit=1000').then((page) => page.sessions)
  }
}

/** A way to a node that can be cut, silenced and closed. */
export class Way {
  #server
  #pairs = new Set()
  refusing = false

  constructor(node) {
    this.#server = createServer((from) => {
      from.on('error', () => {})
      if (this.refusing) return from.destroy()
      const [host, port] = node.client.split(':')
      const to = connect(Number(port), host)
      const pair = { from, to }
      this.#pairs.add(pair)
      const end = () => {
        from.destroy()
        to.destroy()
        this.#pairs.delete(pair)
      }
      for (const s of [from, to]) s.on('error', end).on('close', end)
      from.pipe(to).pipe(from)
    })
  }

  static async open(node) {
    const way = new Way(node)
    await new Promise((resolve) => way.#server.listen(0, '127.0.0.1', resolve))
    way.url = `ws://127.0.0.1:${way.#server.address().port}/ws`
    return way
  }

  get count() {
    return this.#pairs.size
  }

  /** Cuts a part of the connections, by reset. */
  cut(part = 1) {
    for (const { from, to } of this.#pairs) {
      if (Math.random() >= part) continue
      from.resetAndDestroy()
      to.resetAndDestroy()
    }
  }

  /** From now on nothing of what the node says arrives. */
  deafen() {
    for (const { from, to } of this.#pairs) to.unpipe(from)
  }

  /** Lets nothing through a part of the connections for so many ms, and cuts them then. */
  silence(part, ms) {
    const chosen = [...this.#pairs].filter(() => Math.random() < part)
    for (const { from, to } of chosen) {
      from.unpipe(to)
      to.unpipe(from)
    }
    setTimeout(() => chosen.forEach(({ from, to }) => (from.destroy(), to.destroy())), ms)
  }

  async close() {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Resolves when `holds` does. What is waited for may be a function, which can tell what there is instead. */
export async function until(what, holds, ms = 60_000) {
  const late = Date.now() + ms
  while (!(await holds())) {
    if (Date.now() > late) throw new Error(`waited in vain until ${typeof what === 'function' ? what() : what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
