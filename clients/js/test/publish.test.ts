import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeServer, leftovers, pass, start } from './fake.js'

let server: FakeServer

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  server = new FakeServer()
})

afterEach(async () => {
  expect(await leftovers()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('waits for the receipt', async () => {
  const { client } = start(server)
  const done = vi.fn()
  void client.publish('/app/x', { room: 7 }).then(done)
  void client.publish('/app/y', 'text', { headers: { kind: 'k' } })
  void client.publish('/app/z', new Uint8Array([1, 2]))
  expect(done).not.toHaveBeenCalled()
  await pass(10)
  expect(done).toHaveBeenCalled()
  const [x, y, z] = server.socket.sent('SEND')
  expect(x).toMatchObject({ body: '{"room":7}', headers: { destination: '/app/x', 'content-type': 'application/json' } })
  expect(y).toMatchObject({ body: 'text', headers: { kind: 'k' } })
  expect(y.headers['content-type']).toBeUndefined()
  expect(z.body).toBe('\u0001\u0002')
  expect(new Set([x, y, z].map((f) => f.headers['stentor-id'])).size).toBe(3)
})

test('what was not answered goes again, in order, under its id', async () => {
  server.takes = (f) => f.body !== '2'
  const { client } = start(server)
  await pass(10)
  const results = ['1', '2', '3'].map((body) => client.publish('/app/x', body))
  await pass(1)
  const first = server.socket.sent('SEND')
  server.takes = () => true
  server.socket.end()
  await pass(2_000)
  await Promise.all(results)
  expect(server.socket.sent('SEND').map((f) => f.headers['stentor-id'])).toEqual([first[1].headers['stentor-id']])
})

test('bounded in number, size and age', async () => {
  server.takes = () => false
  const { client } = start(server, { maxPublishes: 2, maxPublishBytes: 10, publishTimeout: 5_000 })
  await expect(client.publish('/app/x', '12345678901')).rejects.toMatchObject({ code: 'full' })
  const old = expect(client.publish('/app/x', '1')).rejects.toMatchObject({ code: 'timeout', destination: '/app/x' })
  const second = expect(client.publish('/app/x', '2')).rejects.toMatchObject({ code: 'timeout' })
  await expect(client.publish('/app/x', '3')).rejects.toMatchObject({ code: 'full' })
  await pass(5_001)
  await old
  await second
  server.takes = () => true
  void client.publish('/app/x', '4')
  await pass(10)
})

test('a forbidden one fails alone', async () => {
  const { client } = start(server)
  await pass(6_000)
  server.takes = (f) => {
    if (f.headers.destination === '/app/no') server.socket.put('ERROR', { code: 'forbidden', message: 'no', 'receipt-id': f.headers.receipt })
    return f.headers.destination !== '/app/no'
  }
  const bad = expect(client.publish('/app/no', '1')).rejects.toMatchObject({ code: 'forbidden', destination: '/app/no' })
  const good = client.publish('/app/yes', '2')
  await pass(600)
  await bad
  await good
  expect(server.sockets.length).toBe(2)
})

test('the one that is too large fails, not those beside it', async () => {
  server.takes = () => false
  const { client } = start(server)
  await pass(10)
  const good = client.publish('/app/x', 'small')
  const bad = expect(client.publish('/app/x', 'x'.repeat(500))).rejects.toMatchObject({ code: 'too-large' })
  await pass(1)
  server.takes = () => true
  server.socket.end(1009)
  await pass(2_000)
  await bad
  await good
})

test('paced, and so many at once as the server reads', async () => {
  const { client } = start(server, { publishRate: 50 })
  await pass(10)
  server.takes = () => false
  const all = Promise.all(Array.from({ length: 120 }, (_, i) => client.publish('/app/x', `${i}`)))
  await pass(5_000)
  expect(server.socket.sent('SEND').length).toBe(32)
  server.takes = () => true
  server.socket.end()
  await pass(1_000)
  const now = server.socket.sent('SEND').length
  expect(now).toBeGreaterThanOrEqual(50)
  expect(now).toBeLessThanOrEqual(100)
  await pass(2_000)
  await all
  expect(server.socket.sent('SEND').map((f) => Number(f.body))).toEqual(Array.from({ length: 120 }, (_, i) => i))
})

test('close answers what was sent, and rejects the rest', async () => {
  const { client } = start(server)
  await pass(10)
  const sent = client.publish('/app/x', '1')
  void client.close()
  await pass(10)
  await sent
  const other = start(server).client
  const never = expect(other.publish('/app/x', '1')).rejects.toMatchObject({ code: 'closed' })
  await other.close()
  await never
})
