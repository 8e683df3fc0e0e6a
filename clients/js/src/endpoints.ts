import { StentorError } from './errors.js'
import { list, type Settings } from './options.js'

/** An address to try, after a wait in ms. */
export interface Choice {
  url: string
  wait: number
}

const longestSpread = 300_000

/**
 * The addresses to try, in turn: fixed ones, or those of a registry. The one that was lost last is skipped if there are others.
 * When all were tried, the registry is asked again; while none answers, its last answer is used.
 */
export class Endpoints {
  #left: string[] = []
  #known: string[] = []
  #lost = ''
  #fresh = 0 // until when the registry's last answer is valid

  constructor(private readonly s: Settings) {}

  /** The next address. Rejects when no registry answers and none ever did. */
  async next(signal: AbortSignal): Promise<Choice> {
    let spread = 0
    if (!this.#left.length) {
      if (list(this.s.endpoints).length) spread = await this.#ask(signal)
      else this.#known = shuffled(list(this.s.urls))
      this.#left = this.#known.filter((url) => url !== this.#lost)
      if (!this.#left.length) this.#left = [...this.#known]
    }
    return { url: this.#left.shift()!, wait: Math.random() * spread }
  }

  /** A connection to `url` was lost, or could not be made. */
  lost(url: string): void {
    this.#lost = url
  }

  /** A connection is up: after its loss the registry is asked again. */
  held(): void {
    this.#left = []
  }

  /** Asks the registries in turn, and returns over how many ms clients should spread their connections. */
  async #ask(signal: AbortSignal): Promise<number> {
    if (this.#known.length > 1 && Date.now() < this.#fresh) return 0
    let trouble: unknown
    for (const registry of list(this.s.endpoints)) {
      try {
        const answer = await this.#fetch(registry, signal)
        this.#known = addresses(registry, answer.endpoints)
        this.#fresh = Date.now() + (Number(answer.ttl_ms) || 0)
        return Math.min(Number(answer.spread_ms) || 0, longestSpread)
      } catch (e) {
        if (signal.aborted) throw e
        trouble = e
      }
    }
    if (!this.#known.length) this.#known = list(this.s.urls)
    if (!this.#known.length) throw new StentorError('endpoints', `no registry says where to connect: ${trouble}`, undefined, trouble)
    return 0
  }

  async #fetch(registry: string, signal: AbortSignal) {
    const late = new AbortController()
    const stop = () => late.abort()
    const timer = setTimeout(stop, this.s.connectTimeout)
    signal.addEventListener('abort', stop)
    try {
      const ask = this.s.fetch ?? fetch
      const answer = await ask(registry, { signal: late.signal, cache: 'no-store', credentials: 'omit' })
      if (!answer.ok) throw new Error(`${registry} answers ${answer.status}`)
      return (await answer.json()) as { endpoints?: unknown; ttl_ms?: number; spread_ms?: number }
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }
}

/** The WebSocket addresses of an answer. An answer over TLS may not name an address without TLS: the token is sent there. */
function addresses(registry: string, endpoints: unknown): string[] {
  const safe = /^https:/.test(registry) ? /^wss:\/\// : /^wss?:\/\//
  const good = (Array.isArray(endpoints) ? endpoints : []).filter((url): url is string => typeof url === 'string' && safe.test(url))
  if (!good.length) throw new Error(`${registry} names no address`)
  return good.slice(0, 100)
}

function shuffled(urls: string[]): string[] {
  const all = [...urls]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[all[i], all[j]] = [all[j], all[i]]
  }
  return all
}
