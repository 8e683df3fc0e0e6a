import { expect, test, vi } from 'vitest'
import { Backoff } from '../src/backoff.js'
import { Endpoints } from '../src/endpoints.js'
import { defaults } from '../src/options.js'

const never = new AbortController().signal
const registry = (answers: unknown[]) => {
  const asked: string[] = []
  const fetch = async (url: string) => {
    asked.push(url)
    const answer = answers.shift()
    if (answer === undefined) throw new Error('unreachable')
    return { ok: typeof answer !== 'number', status: answer, json: async () => answer }
  }
  return { asked, fetch: fetch as never }
}

test('never first the one that was lost, and each once', async () => {
  for (let i = 0; i < 50; i++) {
    const e = new Endpoints({ ...defaults, urls: ['ws://a', 'ws://b', 'ws://c'] })
    const { url } = await e.next(never)
    e.held()
    e.lost(url)
    const tried = [(await e.next(never)).url, (await e.next(never)).url]
    expect(tried).not.toContain(url)
    expect(new Set(tried).size).toBe(2)
  }
})

test('the only one is tried again', async () => {
  const e = new Endpoints({ ...defaults, urls: 'ws://a' })
  e.lost('ws://a')
  expect((await e.next(never)).url).toBe('ws://a')
})

test('the order of the registry, asked again when all were tried and after a loss', async () => {
  const { asked, fetch } = registry([{ endpoints: ['wss://a', 'wss://b'] }, { endpoints: ['wss://a', 'wss://c'], spread_ms: 1000 }])
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const e = new Endpoints({ ...defaults, endpoints: 'https://r', fetch })
  expect(await e.next(never)).toEqual({ url: 'wss://a', wait: 0 })
  e.held()
  e.lost('wss://a')
  expect(await e.next(never)).toEqual({ url: 'wss://c', wait: 500 })
  expect(asked.length).toBe(2)
  vi.restoreAllMocks()
})

test('an answer is used again while it lives', async () => {
  const { asked, fetch } = registry([{ endpoints: ['wss://a', 'wss://b'], ttl_ms: 60_000 }])
  const e = new Endpoints({ ...defaults, endpoints: 'https://r', fetch })
  await e.next(never)
  e.held()
  e.lost('wss://a')
  expect((await e.next(never)).url).toBe('wss://b')
  expect(asked.length).toBe(1)
})

test('a registry that is gone: the next one, then what was known', async () => {
  const { asked, fetch } = registry([503, { endpoints: ['wss://a'] }])
  const e = new Endpoints({ ...defaults, endpoints: ['https://r', 'https://q'], fetch })
  expect((await e.next(never)).url).toBe('wss://a')
  expect((await e.next(never)).url).toBe('wss://a')
  expect(asked).toEqual(['https://r', 'https://q', 'https://r', 'https://q'])
})

test('without any answer it rejects, unless there are fixed addresses', async () => {
  const { fetch } = registry([])
  await expect(new Endpoints({ ...defaults, endpoints: 'https://r', fetch }).next(never)).rejects.toMatchObject({ code: 'endpoints' })
  expect((await new Endpoints({ ...defaults, endpoints: 'https://r', urls: 'wss://f', fetch }).next(never)).url).toBe('wss://f')
})

test('a registry over TLS sends nobody to an address without', async () => {
  const bad = [{ endpoints: ['ws://evil', 'https://x', 7] }, { endpoints: 'wss://a' }, {}]
  for (const answer of bad) {
    const { fetch } = registry([answer])
    await expect(new Endpoints({ ...defaults, endpoints: 'https://r', fetch }).next(never)).rejects.toThrow('names no address')
  }
})

test('full jitter doubles up to the bound, and begins anew', () => {
  const b = new Backoff(1000, 5000, () => 1)
  expect([1, 2, 3, 4, 5].map(() => b.next())).toEqual([1000, 2000, 4000, 5000, 5000])
  b.reset()
  expect(b.next()).toBe(1000)
  expect(new Backoff(1000, 5000, () => 0).next()).toBe(0)
})
