// What applications and networks do that nobody plans for.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeServer, leftovers, pass, start } from './fake.js'

let server: FakeServer
let page: EventTarget

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  server = new FakeServer()
  page = new EventTarget()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
})

afterEach(async () => {
  expect(await leftovers()).toBe(0)
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const happens = (name: string) => page.dispatchEvent(new Event(name))

for (const name of ['connecting', 'connected', 'waiting'] as const) {
  test(`closed by who hears of ${name}: no timer, no frame, no request afterwards`, async () => {
    let asked = 0
    const { client } = start(server, {
      urls: undefined,
      endpoints: 'https://r/v1/endpoints',
      fetch: (async (_: string, { signal }: RequestInit) => {
        asked++
        if (asked > 1) await new Promise((_, reject) => signal!.addEventListener('abort', reject))
        return { ok: true, json: async () => ({ endpoints: ['wss://a/ws'] }) }
      }) as never,
    })
    client.subscribe('/topic/all', () => {})
    client.on('state', (s) => {
      if (s.name === name) void client.close()
    })
    await pass(10)
    if (name !== 'connected') {
      server.socket.end(1012, 'retry=400000')
      await pass(name === 'connecting' ? 400_010 : 10)
    }
    await pass(100)
    expect(vi.getTimerCount()).toBe(0)
    expect(server.sockets.length).toBe(1)
    expect(asked).toBe(1)
    const { frames } = server.socket
    const end = frames.findIndex((f) => f.command === 'DISCONNECT')
    if (name === 'connected') expect(frames.slice(end + 1)).toEqual([])
  })
}

test('a login out of the refusal: what is published then is kept', async () => {
  server.connect = (s) => s.put('ERROR', { code: 'auth', message: 'no' })
  const { client, states } = start(server)
  let published: Promise<void> | undefined
  client.on('state', (s) => {
    if (s.name !== 'refused' || published) return
    server.connect = FakeServer.prototype.connect ?? ((s) => s.put('CONNECTED', { version: '1.2', 'heart-beat': '0,0' }))
    client.connect()
    published = client.publish('/app/x', '1')
  })
  await pass(100)
  await published
  expect(states.map((s) => s.name).at(-1)).toBe('connected')
})

test('every close() ends when all has ended', async () => {
  const { client } = start(server)
  await pass(10)
  server.answer = () => {} // DISCONNECT is not answered
  let done = 0
  for (let i = 0; i < 2; i++) void client.close().then(() => done++)
  await pass(500)
  expect(done).toBe(0)
  await pass(600)
  expect(done).toBe(2)
})

test('a refusal of what was unsubscribed meanwhile is nobody’s error', async () => {
  server.subscribed = () => undefined
  const { client, errors } = start(server)
  await pass(6_000)
  const one = client.subscribe('/topic/no', () => {})
  await pass(1)
  const { receipt } = server.socket.sent('SUBSCRIBE')[0].headers
  one.unsubscribe()
  server.socket.put('ERROR', { code: 'forbidden', message: 'no', 'receipt-id': receipt })
  await pass(100)
  expect([server.sockets.length, errors]).toEqual([2, []])
})

test('subscribing while the connection breaks throws nothing', async () => {
  const { client } = start(server)
  await pass(10)
  server.socket.send = () => {
    throw new Error('closing')
  }
  client.subscribe('/topic/a', () => {})
  client.subscribe('/topic/b', () => {})
  void client.publish('/app/x', '1').catch(() => {})
  await pass(2_000)
  expect(server.socket.sent('SUBSCRIBE').map((f) => f.headers.destination)).toEqual(['/topic/a', '/topic/b'])
  expect(server.socket.sent('SEND').length).toBe(1)
})

test('publishes that waited behind some that timed out go on', async () => {
  server.takes = () => false
  const { client } = start(server, { publishTimeout: 5_000 })
  await pass(10)
  const lost = Array.from({ length: 32 }, (_, i) => client.publish('/app/x', `${i}`).catch((e) => e.code))
  await pass(2_000)
  const next = client.publish('/app/x', 'next')
  server.takes = (f) => f.body === 'next'
  await pass(3_100)
  await next
  expect(new Set(await Promise.all(lost))).toEqual(new Set(['timeout']))
})

test('bytes are those of the moment of the publish', async () => {
  const { client } = start(server)
  const bytes = new Uint8Array([65])
  const sent = client.publish('/app/x', bytes)
  bytes[0] = 66
  await pass(10)
  await sent
  expect(server.socket.sent('SEND')[0].body).toBe('A')
})

test('no wait at all is one of a moment: a dead server is not asked all the time', async () => {
  server.accept = (s) => s.end()
  start(server, { minDelay: 0 })
  await pass(60_000)
  expect(server.sockets.length).toBeLessThan(30)
})

test('what hangs when the network changes begins anew: registry, token, connection', async () => {
  const hang = () => new Promise<never>(() => {})
  const stages = {
    registry: { urls: undefined, endpoints: 'https://r/v1/endpoints', fetch: (async (_: string, { signal }: RequestInit) => (tries++ ? { ok: true, json: async () => ({ endpoints: ['wss://a/ws'] }) } : new Promise((_, reject) => signal!.addEventListener('abort', reject)))) as never },
    token: { token: () => (tries++ ? 't' : hang()) },
    connection: {},
  }
  let tries = 0
  for (const [name, options] of Object.entries(stages)) {
    tries = 0
    let first = true
    server.accept = (s) => {
      if (name !== 'connection' || !first) s.open()
      first = false
    }
    const { last, errors } = start(server, options)
    await pass(100)
    happens('offline')
    happens('online')
    await pass(600)
    expect([name, last()?.name, errors]).toEqual([name, 'connected', []])
  }
})

test('after a sleep an attempt from before begins anew', async () => {
  server.accept = () => {}
  const { last } = start(server)
  await pass(100)
  server.accept = (s) => s.open()
  vi.setSystemTime(vi.getMockedSystemTime()!.getTime() + 60_000)
  await pass(5_600)
  expect(last().name).toBe('connected')
})

test('a connection that fell silent says so', async () => {
  server.connect = (s) => s.put('CONNECTED', { version: '1.2', 'heart-beat': '10000,10000' })
  const { states } = start(server)
  await pass(60_000)
  expect(states.find((s) => s.name === 'waiting')).toMatchObject({ why: 'the server was silent for too long' })
})

test('a subscription that comes and goes a thousand times leaves nothing', async () => {
  const { client } = start(server)
  await pass(10)
  for (let i = 0; i < 1000; i++) client.subscribe('/topic/all', () => {}).unsubscribe()
  await pass(10)
  server.socket.end()
  await pass(2_000)
  expect(server.socket.sent('SUBSCRIBE')).toEqual([])
})
