// Two hundred applications, each with sixty things that go wrong at random: afterwards all is as if nothing had been, or was
// said to be otherwise. STENTOR_SEED replays one.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StentorError, type StentorClient, type Subscription } from '../src/index.js'
import { FakeServer, leftovers, pass, start, type FakeSocket, type Frame } from './fake.js'

function random(state: number) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A server that numbers the messages of each destination, resumes from any of them, and fails at random. */
class Chaos extends FakeServer {
  healthy = false
  #last = new Map<string, number>()
  #live = new Map<FakeSocket, Map<string, string>>()
  had = new Map<string, number>() // publishes by their id

  constructor(readonly chance: () => number) {
    super()
    this.expires = { 'token-expires-in': '30' }
    this.accept = (s) => {
      const dice = this.healthy ? 1 : this.chance()
      if (dice < 0.1) s.end()
      else if (dice > 0.15) s.open() // between them it does not answer
    }
  }

  last(destination: string) {
    return this.#last.get(destination) ?? -1
  }

  push(destination: string) {
    const n = this.last(destination) + 1
    this.#last.set(destination, n)
    for (const [s, all] of this.#live) for (const [id, d] of all) if (d === destination) this.#deliver(s, id, d, n)
  }

  #deliver(s: FakeSocket, subscription: string, destination: string, n: number) {
    if (s.readyState === 1) s.put('MESSAGE', { subscription, destination, 'message-id': `e-0-${n}` }, String(n))
  }

  fail(s: FakeSocket, receipt?: string) {
    const pick = <T>(...all: T[]) => all[Math.floor(this.chance() * all.length)]
    const dice = this.chance()
    if (dice < 0.4) s.end(pick(1000, 1001, 1002, 1006, 1008, 1009, 1011, 1012, 1013, 4000), pick('', 'retry=200 bye', 'retry=x', 'the token has expired', 'kicked'))
    else if (dice < 0.7) {
      s.put('ERROR', { code: pick('auth', 'expired', 'forbidden', 'protocol', 'too-large', 'limit', 'new'), message: 'no', ...(receipt && this.chance() < 0.7 && { 'receipt-id': receipt }) })
      s.end(1002)
    } else if (dice < 0.8) s.send = () => { throw new Error('closing') } // prettier-ignore
    else if (dice < 0.9) s.put(pick('MESSAGE', 'RECEIPT', 'NONSENSE'), { subscription: 's99', 'receipt-id': 'r999', 'message-id': 'x-y-z', destination: '/' })
    // else it does not answer
  }

  override answer(s: FakeSocket, f: Frame) {
    queueMicrotask(() => {
      if (s.readyState !== 1) return
      if (!this.healthy && this.chance() < 0.12) return this.fail(s, f.headers.receipt)
      const { receipt, destination, id } = f.headers
      const mine = this.#live.get(s) ?? new Map<string, string>()
      this.#live.set(s, mine)
      if (f.command === 'CONNECT') return this.connect(s, f)
      if (f.command === 'UNSUBSCRIBE') mine.delete(id)
      if (f.command === 'SUBSCRIBE') {
        mine.set(id, destination)
        const after = f.headers['last-message-id']
        const from = after ? Number(after.split('-')[2].replace('x', '-1')) : this.last(destination)
        s.put('RECEIPT', { 'receipt-id': receipt, position: `e-0-${from < 0 ? 'x' : from}`, ...(after && { resumed: 'true' }) })
        for (let n = from + 1; n <= this.last(destination) && mine.has(id); n++) this.#deliver(s, id, destination, n)
        return
      }
      if (f.command === 'SEND' && destination !== '/stentor/token') {
        const name = f.headers['stentor-id']
        this.had.set(name, (this.had.get(name) ?? 0) + 1)
      }
      if (receipt) s.put('RECEIPT', { 'receipt-id': receipt, ...(destination === '/stentor/token' && this.renewed(f)) })
      if (f.command === 'DISCONNECT') s.end(1000)
    })
  }
}

const unhandled: unknown[] = []
const note = (e: unknown) => unhandled.push(e)
let page: EventTarget

beforeEach(() => {
  vi.useFakeTimers()
  page = new EventTarget()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  process.on('unhandledRejection', note)
})

afterEach(() => {
  process.off('unhandledRejection', note)
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

async function application(seed: number) {
  const chance = random(seed)
  vi.spyOn(Math, 'random').mockImplementation(chance)
  const server = new Chaos(chance)
  const happens = (name: string) => page.dispatchEvent(new Event(name))
  const { client } = start(server, {
    urls: ['ws://a/ws', 'ws://b/ws'],
    token: async () => {
      if (!server.healthy && chance() < 0.1) throw new Error('away')
      return 't'
    },
    publishTimeout: 20_000,
  })
  const wrong: unknown[] = []
  client.on('error', (e) => e instanceof StentorError || wrong.push(e))
  client.on('state', (s) => {
    if (s.name === 'refused') setTimeout(() => client.state.name === 'refused' && client.connect(), 1_000)
  })

  const destinations = ['/topic/a', '/topic/b', '/user/queue/c']
  const all: { s: Subscription; got: (number | 'gap')[] }[] = []
  const follow = (c: StentorClient, destination: string) => {
    const got: (number | 'gap')[] = []
    all.push({ s: c.subscribe(destination, (m) => void got.push(Number(m.body)), { onGap: () => got.push('gap') }), got })
  }
  const published: { at: number; result?: unknown; over: Promise<unknown> }[] = []
  const pick = <T>(list: T[]) => list[Math.floor(chance() * list.length)]
  for (const d of destinations) follow(client, d)
  for (let i = 0; i < 60; i++) {
    const dice = chance()
    if (dice < 0.35) server.push(pick(destinations))
    else if (dice < 0.5) {
      const one: (typeof published)[0] = { at: Date.now(), over: client.publish('/app/x', String(i)).then(() => 'sent', (e) => (e instanceof StentorError ? e.code : wrong.push(e))) }
      published.push(one)
      void one.over.then((result) => (one.result = result))
    }
    else if (dice < 0.55) follow(client, pick(destinations))
    else if (dice < 0.6) pick(all).s.unsubscribe()
    else if (dice < 0.7 && server.socket) server.fail(server.socket)
    else if (dice < 0.75) happens(pick(['offline', 'online', 'pagehide', 'pageshow']))
    else if (dice < 0.8) vi.setSystemTime(Date.now() + 60_000 * chance())
    else await pass(chance() * 4_000)
  }
  server.healthy = true
  await pass(1) // for what was already on its way
  const young = published.filter((p) => !p.result && p.at > Date.now() - 5_000)
  for (const s of server.sockets) s.end() // what was not answered: heart-beats find that out
  happens('pageshow')
  happens('online')
  if (client.state.name === 'refused') client.connect()
  await pass(130_000)
  for (const d of destinations) server.push(d)
  await pass(10)
  expect(client.state.name).toBe('connected')
  for (const { s, got } of all) {
    expect(s.active).toBe(!s.ended)
    const since = got.slice(got.lastIndexOf('gap') + 1) as number[]
    expect(since, s.destination).toEqual(since.map((_, i) => since[0] + i))
    const numbers = got.filter((n) => n !== 'gap')
    expect(new Set(numbers).size, 'none twice').toBe(numbers.length)
    if (!s.ended) expect(since.at(-1)).toBe(server.last(s.destination))
  }
  await client.publish('/app/x', 'end')
  await Promise.all(published.map((p) => p.over))
  if (young.length) expect(new Set(young.map((p) => p.result))).toEqual(new Set(['sent']))
  expect([wrong, unhandled]).toEqual([[], []])
  expect(await leftovers()).toBe(0)
}

const seeds = process.env.STENTOR_SEED ? [Number(process.env.STENTOR_SEED)] : Array.from({ length: 200 }, (_, i) => i)

test(`${seeds.length} applications`, async () => {
  for (const seed of seeds) {
    try {
      await application(seed)
    } catch (e) {
      throw new Error(`STENTOR_SEED=${seed}`, { cause: e })
    }
  }
})
