import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Gap, Message } from '../src/index.js'
import { FakeServer, leftovers, pass, start } from './fake.js'

let server: FakeServer
let gaps: Gap[]
let seen: string[]

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  server = new FakeServer()
  gaps = []
  seen = []
})

afterEach(async () => {
  expect(await leftovers()).toBe(0)
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const begin = async (more = {}) => {
  const all = start(server, more)
  const s = all.client.subscribe('/topic/all', (m) => void seen.push(m.id), { onGap: (g) => gaps.push(g) })
  await pass(10)
  return { ...all, s }
}
const again = async () => {
  server.socket.end()
  await pass(30_000)
}
const asked = () => server.socket.sent('SUBSCRIBE').map((f) => f.headers['last-message-id'])

test('before the first message: the position of the RECEIPT', async () => {
  server.subscribed = () => ({ position: 'e-0-41,e-1-x' })
  await begin()
  expect(asked()).toEqual([undefined])
  await again()
  expect(asked()).toEqual(['e-0-41,e-1-x'])
  expect(gaps).toEqual([])
})

test('merged: the newest per partition', async () => {
  server.subscribed = () => ({ position: 'e-0-4,e-1-9', resumed: 'true' })
  await begin()
  server.message('e-1-12')
  await again()
  expect(asked()).toEqual(['e-0-4,e-1-12'])
  server.message('e-0-5')
  await again()
  expect(asked()).toEqual(['e-0-5,e-1-12'])
})

test('a gap is told once, and the old positions are forgotten', async () => {
  const { s } = await begin()
  server.message('e-0-7')
  server.subscribed = () => ({ position: 'f-0-2', resumed: 'false' })
  await again()
  server.message('f-0-3', { resumed: 'false' })
  expect(gaps).toEqual([{ destination: '/topic/all', reason: 'lost' }])
  expect(s.position).toBe('f-0-3')
  server.message('f-0-5', { resumed: 'false' })
  expect(gaps.length).toBe(2)
})

test('dropped messages', async () => {
  await begin()
  server.message('e-0-9', { dropped: '8' })
  expect(gaps).toEqual([{ destination: '/topic/all', reason: 'dropped', count: 8 }])
  expect(seen).toEqual(['e-0-9'])
})

test('no position was known: that is a gap too', async () => {
  server.subscribed = () => undefined
  await begin()
  await again()
  expect(gaps).toEqual([])
  server.subscribed = () => ({ position: 'e-0-1' })
  await again()
  expect(gaps).toEqual([{ destination: '/topic/all', reason: 'unknown' }])
  await again()
  expect(gaps.length).toBe(1)
})

test('nothing of an old connection reaches a later one', async () => {
  const { s } = await begin()
  const old = server.socket
  old.end()
  old.put('MESSAGE', { subscription: s.id, 'message-id': 'e-0-3', destination: '/topic/all' })
  expect(seen).toEqual([])
})

test('an ACK goes out, unless its connection is gone', async () => {
  const { client } = start(server)
  const got: Message[] = []
  client.subscribe('/topic/acked', (m) => void got.push(m), { ack: 'client' })
  await pass(10)
  server.message('e-0-0', { ack: 'a1' })
  server.message('e-0-1', { ack: 'a2' })
  got[0].ack()
  const old = server.socket
  expect(old.sent('SUBSCRIBE')[0].headers.ack).toBe('client')
  expect(old.sent('ACK').map((f) => f.headers.id)).toEqual(['a1'])
  await again()
  got[1].ack()
  expect([...old.sent('ACK'), ...server.socket.sent('ACK')].length).toBe(1)
})

test('unsubscribe', async () => {
  const { s } = await begin()
  s.unsubscribe()
  s.unsubscribe()
  expect(server.socket.sent('UNSUBSCRIBE').map((f) => f.headers.id)).toEqual([s.id])
  await again()
  expect(server.socket.sent('SUBSCRIBE')).toEqual([])
})

test('over a reload, once, in this tab', async () => {
  const kept = new Map<string, string>()
  vi.stubGlobal('sessionStorage', {
    getItem: (k: string) => kept.get(k) ?? null,
    setItem: (k: string, v: string) => void kept.set(k, v),
    removeItem: (k: string) => void kept.delete(k),
  })
  const { client } = await begin({ resumeKey: 'ann' })
  server.message('e-0-7')
  void client.close()
  await pass(10)
  expect([...kept.keys()]).toEqual(['stentor:ann'])
  const next = await begin({ resumeKey: 'ann' })
  expect(asked()).toEqual(['e-0-7'])
  next.client.subscribe('/topic/all', () => {})
  expect(asked()).toEqual(['e-0-7', undefined])
  await begin({ resumeKey: 'bob' })
  expect(asked()).toEqual([undefined])
})

test('what it keeps is not trusted', async () => {
  for (const text of ['null', '7', '{', '{"/topic/all":7}', '["x"]']) {
    vi.stubGlobal('sessionStorage', { getItem: () => text, setItem() {}, removeItem() {} })
    await begin({ resumeKey: 'ann' })
    expect(asked()).toEqual([undefined])
  }
})
