import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Hub } from '../src/shared/hub.js'
import { Tab } from '../src/shared/tab.js'
import type { FromTab, FromWorker } from '../src/shared/words.js'
import { FakeServer, leftovers, pass, start } from './fake.js'

let server: FakeServer
let hub: Hub
const died = new Map<string, () => void>()

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  server = new FakeServer()
  hub = new Hub(
    (options) => start(server, options).client,
    (lock, gone) => void died.set(lock, gone),
  )
})

afterEach(async () => {
  expect(await leftovers()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** A tab that answers tokens, and keeps the rest of what it is told. */
function open(lock: string, token: string | null = `of ${lock}`) {
  const got: FromWorker[] = []
  const port = {
    postMessage(m: FromWorker) {
      if (m.t !== 'token') got.push(m)
      else if (token) queueMicrotask(() => say({ t: 'token', n: m.n, token }))
    },
    close: vi.fn(),
  }
  const tab = new Tab(port)
  const say = (m: FromTab) => hub.take(tab, m)
  say({ t: 'hello', options: { urls: 'ws://a/ws', project: 'shop' }, lock })
  const of = <T extends FromWorker['t']>(t: T) => got.filter((m): m is FromWorker & { t: T } => m.t === t)
  const subscribe = (id: string, after = '') => say({ t: 'subscribe', id, destination: '/topic/all', after })
  return { say, of, subscribe, port }
}

test('one connection and one SUBSCRIBE for two tabs', async () => {
  const [a, b] = [open('a'), open('b')]
  a.subscribe('t1')
  b.subscribe('t1')
  b.subscribe('t2')
  await pass(10)
  server.message('e-0-5', { kind: 'k' }, 'hello')
  expect(server.sockets.length).toBe(1)
  expect(server.socket.sent('CONNECT')[0].headers.token).toBe('of b')
  expect(server.socket.sent('SUBSCRIBE').length).toBe(1)
  expect(a.of('message').map((m) => [m.id, m.headers['message-id'], new TextDecoder().decode(m.body)])).toEqual([['t1', 'e-0-5', 'hello']])
  expect(b.of('message').map((m) => m.id)).toEqual(['t1', 't2'])
  expect(a.of('ready').length).toBe(1)
  const late = open('c')
  late.subscribe('t1')
  expect(late.of('ready')).toEqual([{ t: 'ready', id: 't1', position: 'e-0-5' }])
  expect(late.of('state').at(-1)?.state.name).toBe('connected')
})

test('the last one to leave ends the SUBSCRIBE, the last tab the connection', async () => {
  const [a, b] = [open('a'), open('b')]
  a.subscribe('t1')
  b.subscribe('t1')
  await pass(10)
  a.say({ t: 'unsubscribe', id: 't1' })
  expect(server.socket.sent('UNSUBSCRIBE').length).toBe(0)
  died.get('b')!()
  expect(server.socket.sent('UNSUBSCRIBE').length).toBe(1)
  expect([hub.tabs, b.port.close.mock.calls.length]).toEqual([1, 1])
  a.say({ t: 'bye' })
  await pass(10)
  expect(server.socket.readyState).toBe(3)
  open('d').subscribe('t1')
  await pass(10)
  expect(server.sockets.length).toBe(2)
  expect(server.socket.sent('SUBSCRIBE').length).toBe(1)
})

test('a tab with a position has a SUBSCRIBE of its own', async () => {
  const [a, b] = [open('a'), open('b')]
  a.subscribe('t1')
  b.subscribe('t1', 'e-0-3')
  await pass(10)
  expect(server.socket.sent('SUBSCRIBE').map((f) => f.headers['last-message-id'])).toEqual([undefined, 'e-0-3'])
  server.message('e-0-4')
  expect([a.of('message').length, b.of('message').length]).toEqual([0, 1])
})

test('a frozen tab is bounded, and others are not held up', async () => {
  const [a, b] = [open('a'), open('b')]
  a.subscribe('t1')
  b.subscribe('t1')
  await pass(10)
  const body = 'x'.repeat(1 << 20)
  for (let i = 0; i < 10; i++) {
    server.message(`e-0-${i}`, {}, body)
    for (const m of b.of('message').slice(i)) b.say({ t: 'took', size: m.size })
  }
  expect(b.of('message').length).toBe(10)
  expect(a.of('message').length).toBe(7)
  expect(a.of('behind').length).toBe(1)
  a.say({ t: 'caughtUp' })
  a.subscribe('t1', 'e-0-6')
  await pass(1)
  expect(server.socket.sent('SUBSCRIBE').at(-1)!.headers['last-message-id']).toBe('e-0-6')
})

test('a token is asked of another tab when one does not answer', async () => {
  open('a', 'good')
  open('b', null)
  await pass(9_000)
  expect(server.sockets.length).toBe(0)
  await pass(1_100)
  expect(server.socket.sent('CONNECT')[0].headers.token).toBe('good')
})

test('publishes and refusals find their tab', async () => {
  server.subscribed = () => ({ subscribed: 'false', reason: 'not-served' })
  const [a, b] = [open('a'), open('b')]
  a.subscribe('t1')
  b.say({ t: 'publish', n: 4, destination: '/app/x', body: 'x', options: {} })
  await pass(20)
  expect(a.of('refused')).toMatchObject([{ id: 't1', error: { code: 'not-served', destination: '/topic/all' } }])
  expect([b.of('refused'), b.of('published'), a.of('published')]).toEqual([[], [{ t: 'published', n: 4 }], []])
  a.subscribe('t2')
  await pass(20)
  expect(a.of('refused').length).toBe(2)
})
