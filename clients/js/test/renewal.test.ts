import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeServer, leftovers, pass, start } from './fake.js'

let server: FakeServer
let tokens: number

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  server = new FakeServer()
  server.expires = { 'token-expires-in': '600' }
  tokens = 0
})

afterEach(async () => {
  expect(await leftovers()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const begin = async (more = {}) => {
  const all = start(server, { token: async () => `t${++tokens}`, ...more })
  await pass(10)
  return all
}
const renewals = () => server.sockets.flatMap((s) => s.sent('SEND')).map((f) => f.headers.token)
const fail = (code: string) =>
  (server.renewed = (f) => {
    server.socket.put('ERROR', { code, message: 'no', 'receipt-id': f.headers.receipt })
    return undefined
  })

test('a fresh token goes out before the end, again and again, over the same connection', async () => {
  const { errors, last } = await begin()
  await pass(524_900)
  expect(renewals()).toEqual([])
  await pass(200)
  expect(renewals()).toEqual(['t2'])
  expect(server.socket.sent('SEND')[0]).toMatchObject({ headers: { destination: '/stentor/token', receipt: expect.any(String) }, body: '' })
  await pass(525_100)
  expect(renewals()).toEqual(['t2', 't3'])
  expect([server.sockets.length, errors, last().name]).toEqual([1, [], 'connected'])
})

test('a token of a short life is renewed after half of it', async () => {
  server.expires = { 'token-expires-in': '20' }
  await begin()
  await pass(9_900)
  expect(renewals()).toEqual([])
  await pass(200)
  expect(renewals()).toEqual(['t2'])
})

test('never to a server that says nothing of it, nor a token that is always the same', async () => {
  await begin({ token: 'fixed' })
  server.expires = undefined
  await begin()
  for (const value of ['x', '-5', '0', '']) {
    server.expires = { 'token-expires-in': value }
    await begin()
  }
  await pass(3_600_000)
  expect(renewals()).toEqual([])
})

test('never over a server that ignores it, or when there is no token any more', async () => {
  server.renewed = () => ({})
  await begin()
  await pass(3_600_000)
  expect(renewals()).toEqual(['t2'])
  server.renewed = () => ({ renewed: 'true' }) // a token without an end
  await begin()
  await pass(3_600_000)
  expect(renewals().length).toBe(2)
  let first = true
  await begin({ token: () => (first ? ((first = false), 't') : undefined) })
  await pass(3_600_000)
  expect(renewals().length).toBe(2)
})

test('an end in a month is not at once', async () => {
  server.expires = { 'token-expires-in': String(40 * 86_400) }
  await begin()
  await pass(86_400_000)
  expect(renewals()).toEqual([])
})

test('what cannot be verified now is tried again, not sooner than in 5 s', async () => {
  server.expires = { 'token-expires-in': '20' }
  server.renewed = () => ({ renewed: 'false', reason: 'unavailable' })
  const { errors } = await begin()
  await pass(10_100)
  expect(renewals().length).toBe(1)
  await pass(4_900)
  expect(renewals().length).toBe(1)
  server.renewed = () => ({ renewed: 'true', 'token-expires-in': '600' })
  await pass(3_000)
  expect(renewals().length).toBe(2)
  expect([server.sockets.length, errors]).toEqual([1, []])
})

test('the same token again: not sooner than in 5 s', async () => {
  let left = 20
  server.expires = { 'token-expires-in': '20' }
  server.renewed = () => ({ renewed: 'true', 'token-expires-in': String((left = Math.max(1, left - 14))) })
  await begin({ token: () => 'same' })
  await pass(14_900)
  expect(renewals().length).toBe(1)
})

test('a token that cannot be fetched is reported, and fetched again', async () => {
  server.expires = { 'token-expires-in': '60' }
  let fails = 0
  const { errors } = await begin({
    token: async () => {
      if (tokens++ && fails++ < 2) throw new Error('offline')
      return `t${tokens}`
    },
  })
  await pass(59_000)
  expect([errors, renewals().length, server.sockets.length]).toEqual([['token', 'token'], 1, 1])
})

test('forbidden: the next connection has the fresh token, and hears what it forbids', async () => {
  const { client, errors, states } = await begin()
  client.subscribe('/topic/all', () => {})
  await pass(524_000)
  fail('forbidden')
  await pass(2_000)
  expect(server.sockets.map((s) => s.sent('CONNECT')[0].headers.token)).toEqual(['t1', 't3'])
  expect([errors, server.socket.sent('SUBSCRIBE').length]).toEqual([[], 1])
  expect(states.filter((s) => s.name === 'waiting' && s.ms > 0)).toEqual([])
})

test('expired: once more with a fresh token; auth: the end', async () => {
  const { last, errors } = await begin()
  fail('expired')
  await pass(526_000)
  expect([server.sockets.length, last().name]).toEqual([2, 'connected'])
  fail('auth')
  await pass(526_000)
  expect([server.sockets.length, last()]).toMatchObject([2, { name: 'refused', code: 'auth' }])
  expect(errors).toEqual(['auth'])
})

test('a connection that ends meanwhile takes its renewal with it', async () => {
  let give: (token: string) => void = () => {}
  await begin({ token: () => (tokens++ === 1 ? new Promise<string>((resolve) => (give = resolve)) : `t${tokens}`) })
  await pass(526_000)
  server.socket.end()
  await pass(2_000)
  give('late')
  await pass(10)
  expect([server.sockets.length, renewals()]).toEqual([2, []])
  await pass(526_000)
  expect(renewals().length).toBe(1)
})
