import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeServer, leftovers, pass, start, type Frame } from './fake.js'

let server: FakeServer

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.999)
  server = new FakeServer()
})

afterEach(async () => {
  expect(await leftovers()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const refuseConnect = (code: string) => (server.connect = (s) => s.put('ERROR', { code, message: `it is ${code}` }))

test('auth ends it, and connect begins anew', async () => {
  const normal = server.connect
  refuseConnect('auth')
  const { client, last, errors } = start(server)
  const lost = client.publish('/topic/x', 'y')
  const rejected = expect(lost).rejects.toMatchObject({ code: 'auth' })
  await pass(10)
  await rejected
  expect(last()).toMatchObject({ name: 'refused', code: 'auth', error: { message: 'it is auth' } })
  expect(errors).toEqual(['auth'])
  await pass(100_000)
  expect(server.sockets.length).toBe(1)
  await expect(client.publish('/topic/x', 'y')).rejects.toMatchObject({ code: 'auth' })
  server.connect = normal
  client.connect()
  await pass(10)
  expect(last().name).toBe('connected')
})

test('expired: once with a fresh token', async () => {
  let n = 0
  const normal = server.connect
  server.connect = (s, f) => (f.headers.token === 't2' ? normal(s, f) : s.put('ERROR', { code: 'expired', message: 'old' }))
  const { last } = start(server, { token: () => `t${++n}` })
  await pass(20)
  expect(last().name).toBe('connected')
  await pass(6_000)
  server.socket.end(1008, 'the token has expired')
  await pass(20)
  expect(n).toBe(3)
  expect(last()).toMatchObject({ name: 'refused', code: 'expired' })
})

test('a kick ends it', async () => {
  const { last } = start(server)
  await pass(10)
  server.socket.end(1008, 'kicked: by ann')
  await pass(10)
  expect(last()).toMatchObject({ name: 'refused', code: 'kicked' })
})

const forbid = (destination: string) => {
  server.subscribed = (f: Frame) => {
    if (f.headers.destination !== destination) return { position: 'e-0-x' }
    server.socket.put('ERROR', { code: 'forbidden', message: 'not yours', 'receipt-id': f.headers.receipt })
    return undefined
  }
}

test('forbidden ends that subscription alone', async () => {
  forbid('/topic/staff')
  const { client, errors, last } = start(server)
  const refused = vi.fn()
  const good = client.subscribe('/topic/all', () => {})
  const bad = client.subscribe('/topic/staff', () => {}, { onError: refused })
  await pass(20)
  expect(refused).toHaveBeenCalledWith(expect.objectContaining({ code: 'forbidden', destination: '/topic/staff' }))
  expect(errors).toEqual(['forbidden /topic/staff'])
  expect([good.active, bad.ended, last().name, server.sockets.length]).toEqual([true, true, 'connected', 2])
  expect(server.socket.sent('SUBSCRIBE').length).toBe(1)
})

test('not served: the session goes on', async () => {
  server.subscribed = () => ({ subscribed: 'false', reason: 'not-served' })
  const { client, errors } = start(server)
  const s = client.subscribe('/other', () => {})
  await pass(20)
  expect(s.ended).toBe(true)
  expect(errors).toEqual(['not-served /other'])
  expect(server.sockets.length).toBe(1)
})

test('trouble of the server never ends it', async () => {
  const { last } = start(server)
  for (const code of [1001, 1002, 1006, 1011, 1012, 1013, 4000]) {
    await pass(40_000)
    server.socket.end(code, 'x')
    await pass(1)
    expect(last().name).toBe('waiting')
  }
  await pass(40_000)
  server.socket.put('ERROR', { code: 'limit', message: 'too many frames' })
  await pass(1)
  expect(last().name).toBe('waiting')
})

test('a callback that throws, or rejects, is reported, and harms nobody', async () => {
  const { client, errors } = start(server)
  const seen: string[] = []
  client.subscribe('/topic/all', async (m) => {
    seen.push(m.id)
    throw new Error('async')
  })
  client.on('state', () => {
    throw new Error('sync')
  })
  await pass(10)
  server.message('e-0-0')
  server.message('e-0-1')
  await pass(1)
  expect(seen).toEqual(['e-0-0', 'e-0-1'])
  expect(errors).toEqual(['handler', 'handler', 'handler'])
})

test('wrong options throw', () => {
  expect(() => start(server, { urls: undefined })).toThrow('urls or endpoints')
  vi.stubGlobal('WebSocket', undefined)
  expect(() => start(server, { WebSocket: undefined })).toThrow('WebSocket')
  vi.unstubAllGlobals()
})
