import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeServer, leftovers, pass, start } from './fake.js'

let server: FakeServer

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.999)
  server = new FakeServer()
})

afterEach(async () => {
  expect(await leftovers()).toBe(0) // no timer
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('connects with project and token', async () => {
  const { states } = start(server, { token: async () => 'fresh' })
  await pass(10)
  expect(server.socket.sent('CONNECT')[0].headers).toMatchObject({ projectId: 'shop', token: 'fresh', 'accept-version': expect.any(String) })
  expect(states.map((s) => s.name)).toEqual(['connected'])
  expect(states[0]).toMatchObject({ url: 'ws://a/ws', session: 's', user: 'ann' })
})

test('a token for each attempt; waits double, and begin anew after a connection that held', async () => {
  let tokens = 0
  const { states } = start(server, { token: () => `t${++tokens}` })
  await pass(10)
  const waits = () => states.flatMap((s) => (s.name === 'waiting' ? [Math.round(s.ms)] : []))
  for (const wait of [999, 1998, 3996]) {
    server.socket.end()
    await pass(wait + 10)
  }
  expect(waits()).toEqual([999, 1998, 3996])
  await pass(5_000)
  server.socket.end()
  await pass(1_010)
  expect(waits().at(-1)).toBe(999)
  expect(tokens).toBe(5)
  expect(server.sockets.map((s) => s.sent('CONNECT')[0].headers.token)).toEqual(['t1', 't2', 't3', 't4', 't5'])
})

test('the next address after a loss', async () => {
  start(server, { urls: ['ws://a/ws', 'ws://b/ws'] })
  await pass(10)
  for (let i = 0; i < 4; i++) {
    await pass(6_000)
    server.socket.end()
    await pass(1_010)
  }
  const urls = server.urls
  for (let i = 1; i < urls.length; i++) expect(urls[i]).not.toBe(urls[i - 1])
})

test('waits as long as the server asks', async () => {
  const { last } = start(server)
  await pass(10)
  server.socket.end(1012, 'retry=7300 the node is leaving')
  await pass(1)
  expect(last()).toMatchObject({ name: 'waiting', ms: 7300 })
  await pass(7_290)
  expect(server.sockets.length).toBe(1)
  await pass(20)
  expect(server.sockets.length).toBe(2)
})

test('a server that does not answer is given up', async () => {
  server.accept = () => {}
  start(server, { urls: ['ws://a/ws', 'ws://b/ws'] })
  await pass(10_001)
  expect(server.sockets[0].readyState).toBe(3)
  await pass(1_010)
  expect(new Set(server.urls).size).toBe(2)
})

test('a token that cannot be had is reported, and asked for again', async () => {
  let fail = true
  const { errors, last } = start(server, {
    token: async () => {
      if (fail) throw new Error('offline')
      return 't'
    },
  })
  await pass(100)
  expect(errors).toEqual(['token'])
  expect(last().name).toBe('waiting')
  fail = false
  await pass(1_000)
  expect(last().name).toBe('connected')
})

test('a token that never comes is given up', async () => {
  const { errors } = start(server, { token: () => new Promise<string>(() => {}) })
  await pass(30_001)
  expect(errors).toEqual(['token'])
})

test('an address that is none is no unhandled rejection', async () => {
  const { last } = start(server, {
    WebSocket: class {
      constructor() {
        throw new SyntaxError('bad address')
      }
    } as never,
  })
  await pass(10)
  expect(last()).toMatchObject({ name: 'waiting', why: expect.stringContaining('bad address') })
})

test('the network is back: a connection from before is replaced, a wait cut short', async () => {
  const page = new EventTarget()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  const { last } = start(server)
  await pass(10)
  page.dispatchEvent(new Event('offline'))
  await pass(10)
  expect(last().name).toBe('connected')
  page.dispatchEvent(new Event('online'))
  await pass(600)
  expect(server.sockets.length).toBe(2)
  server.accept = (s) => s.end()
  for (let i = 0; i < 6; i++) {
    server.socket.end()
    await pass(20_000)
  }
  server.accept = (s) => s.open()
  const before = server.sockets.length
  page.dispatchEvent(new Event('online'))
  await pass(600)
  expect(server.sockets.length).toBe(before + 1)
  vi.unstubAllGlobals()
})

test('a hidden page has no connection; it is back when the page shows', async () => {
  const page = new EventTarget()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  const { last } = start(server)
  await pass(10)
  page.dispatchEvent(new Event('pagehide'))
  await pass(100_000)
  expect(server.sockets.map((s) => s.readyState)).toEqual([3])
  expect(last()).toMatchObject({ name: 'waiting', ms: Infinity })
  page.dispatchEvent(new Event('pageshow'))
  await pass(10)
  expect(last().name).toBe('connected')
  vi.unstubAllGlobals()
})

test('after a sleep a dead connection is found, and a live one kept', async () => {
  start(server)
  await pass(10)
  const clock = vi.getMockedSystemTime()!.getTime()
  vi.setSystemTime(clock + 60_000)
  await pass(9_000)
  expect(server.socket.sent('UNSUBSCRIBE').length).toBe(1)
  expect(server.sockets.length).toBe(1)
  server.answer = () => {}
  vi.setSystemTime(clock + 200_000)
  await pass(9_500)
  expect(server.sockets.length).toBe(2)
})

test('close sends DISCONNECT, and ends all', async () => {
  const { client, last } = start(server)
  await pass(10)
  void client.close()
  await pass(10)
  expect(server.socket.sent('DISCONNECT').length).toBe(1)
  expect(last().name).toBe('closed')
  expect(() => client.connect()).toThrow('closed')
  await pass(100_000)
  expect(server.sockets.length).toBe(1)
})
