import type { Events, State } from '../client.js'
import { StentorClient } from '../client.js'
import { Emitter } from '../emitter.js'
import { StentorError } from '../errors.js'
import { list, type Options } from '../options.js'
import type { PublishOptions } from '../outbox.js'
import { Subscription, type Message, type SubscribeOptions } from '../subscription.js'
import { within } from '../waits.js'
import { revived, type FromTab, type FromWorker, type Plain } from './words.js'

declare const VERSION: string

/** What every client can do, whether its connection is the tab's own or shared. */
export type PushClient = Pick<StentorClient, 'state' | 'on' | 'subscribe' | 'publish' | 'connect' | 'close'>

/** Options of {@link openShared}. */
export interface SharedOptions extends Omit<Options, 'WebSocket' | 'fetch' | 'stomp' | 'resumeKey'> {
  /** The URL at which this origin serves `dist/worker.js`. */
  workerUrl: string | URL
  /**
   * Who the user is. Tabs with different identities have different connections: otherwise, after a login as another user in
   * another tab, one user could receive the other's messages. Empty for pages without users.
   */
  identity: string
}

/**
 * A client that shares its connection with all tabs of this origin that have the same options. If the browser has no
 * SharedWorker or no Web Locks, the tab has a connection of its own.
 */
export function openShared(options: SharedOptions): PushClient {
  if (typeof SharedWorker === 'function' && typeof navigator === 'object' && navigator.locks) {
    try {
      return new SharedClient(options)
    } catch (e) {
      // A frame of another site may have none, for example.
      if (!(e instanceof DOMException)) throw e
    }
  }
  return new StentorClient(options)
}

const tookAfter = 64 << 10 // bytes
const tryAgain = 5_000 // ms

/** The tab's side of a shared connection. @internal */
export class SharedClient implements PushClient {
  #events = new Emitter<State>({ name: 'connecting' })
  #subscriptions = new Map<string, Subscription>()
  #headers = new Map<string, Record<string, string> | undefined>()
  #publishes = new Map<number, { resolve: () => void; reject: (e: StentorError) => void; destination: string }>()
  #queue: FromTab[] | undefined = [] // until the lock is held
  #port?: MessagePort
  #release?: () => void
  #count = 0
  #took = 0
  #life = new AbortController()
  #visit = new AbortController() // of one worker

  constructor(private readonly options: SharedOptions) {
    if (![options.urls, options.endpoints].flatMap(list).length) throw new TypeError('openShared: urls or endpoints is required')
    this.#open()
    const { signal } = this.#life
    addEventListener('pagehide', () => this.#leave(), { signal })
    addEventListener('pageshow', () => !this.#port && this.#open(), { signal })
  }

  get state(): State {
    return this.#events.state
  }

  on<E extends keyof Events>(event: E, listener: (value: Events[E]) => void): () => void {
    return this.#events.on(event, listener)
  }

  subscribe(destination: string, receive: (m: Message, s: Subscription) => unknown, options: SubscribeOptions = {}): Subscription {
    if (this.#events.state.name === 'closed') throw new StentorError('closed', 'the client is closed')
    if (options.ack && options.ack !== 'auto') throw new TypeError('a shared connection has no ack')
    const remove = (s: Subscription) => {
      this.#subscriptions.delete(s.id)
      this.#headers.delete(s.id)
      this.#say({ t: 'unsubscribe', id: s.id })
    }
    const s = new Subscription(`t${++this.#count}`, destination, receive, options, remove, (act) => this.#events.guard(act))
    this.#subscriptions.set(s.id, s)
    this.#headers.set(s.id, options.headers)
    this.#subscribe(s)
    return s
  }

  publish(destination: string, content: unknown, options: PublishOptions = {}): Promise<void> {
    const { name } = this.#events.state
    if (name === 'closed') return Promise.reject(new StentorError('closed', 'the client is closed', destination))
    if (!this.#port) return Promise.reject(new StentorError('connection', 'there is no worker now', destination))
    const asIs = typeof content === 'string' || content instanceof Uint8Array
    const body = asIs ? content : (JSON.stringify(content) ?? '')
    const contentType = options.contentType ?? (asIs ? undefined : 'application/json')
    const n = ++this.#count
    return new Promise((resolve, reject) => {
      this.#publishes.set(n, { resolve, reject, destination })
      this.#say({ t: 'publish', n, destination, body, options: { headers: options.headers, contentType } })
    })
  }

  connect(): void {
    this.#say({ t: 'connect' })
  }

  async close(): Promise<void> {
    if (this.#events.state.name === 'closed') return
    this.#life.abort()
    this.#leave()
    for (const s of this.#subscriptions.values()) s.end()
    this.#events.set({ name: 'closed' })
  }

  // The worker sees by the lock that this tab is alive: it gets the hello once the lock is held.
  #open(): void {
    const { workerUrl, identity, token: _token, ...options } = this.options
    const name = ['stentor', VERSION, list(options.endpoints), list(options.urls), options.project, identity, JSON.stringify(options.headers ?? {})].join('|')
    const worker = new SharedWorker(workerUrl, { name })
    const port = worker.port
    this.#port = port
    this.#queue = []
    worker.onerror = () => port === this.#port && this.#failed(`the worker ${workerUrl} does not run`)
    port.onmessage = (e) => port === this.#port && this.#take(e.data)
    const lock = `stentor-tab-${crypto.randomUUID()}`
    void navigator.locks.request(lock, () => {
      if (port !== this.#port) return
      const waiting = this.#queue ?? []
      this.#queue = undefined
      this.#say({ t: 'hello', options: options as Plain, lock })
      for (const s of this.#subscriptions.values()) this.#subscribe(s)
      for (const message of waiting) this.#say(message)
      return new Promise<void>((resolve) => (this.#release = resolve))
    })
  }

  // The script could not be loaded: it may be there later.
  #failed(why: string): void {
    this.#leave()
    this.#events.report(new StentorError('connection', why))
    if (this.#life.signal.aborted) return
    this.#events.set({ name: 'waiting', ms: tryAgain, why })
    const timer = setTimeout(() => !this.#port && this.#open(), tryAgain)
    this.#life.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }

  // The lock is free once the worker has died, by a crash or for lack of memory: this tab then starts another one.
  #mourn(lock: string): void {
    const { signal } = this.#visit
    navigator.locks
      .request(lock, { signal }, () => {
        if (signal.aborted) return
        this.#leave()
        this.#open()
      })
      .catch(() => {}) // left before
  }

  // Also before the back-forward cache, from which the tab returns with its positions.
  #leave(): void {
    this.#say({ t: 'bye' })
    this.#visit.abort()
    this.#visit = new AbortController()
    this.#port?.close()
    this.#port = undefined
    this.#release?.()
    this.#release = undefined
    for (const { reject, destination } of this.#publishes.values()) reject(new StentorError('closed', 'the page, or its worker, was gone before the server had it', destination))
    this.#publishes.clear()
    for (const s of this.#subscriptions.values()) s.active = false
  }

  #say(message: FromTab): void {
    if (this.#queue) this.#queue.push(message)
    else this.#port?.postMessage(message)
  }

  // While messages are queued nothing is sent: #open subscribes all after the hello.
  #subscribe(s: Subscription): void {
    if (this.#queue) return
    s.sent()
    this.#say({ t: 'subscribe', id: s.id, destination: s.destination, after: s.position, headers: this.#headers.get(s.id) })
  }

  #take(message: FromWorker): void {
    switch (message.t) {
      case 'state':
        return this.#told(message.refused ? { name: 'refused', code: message.refused.code, error: revived(message.refused) } : message.state)
      case 'welcome':
        return this.#mourn(message.lock)
      case 'error':
        return this.#events.report(revived(message.error))
      case 'token':
        return void this.#token(message.n)
      case 'ready':
        return this.#subscriptions.get(message.id)?.receipt({ position: message.position })
      case 'message':
        return this.#message(message)
      case 'gap':
        return this.#subscriptions.get(message.id)?.gap(message.gap)
      case 'refused':
        return this.#refused(message.id, revived(message.error))
      case 'published': {
        const waiting = this.#publishes.get(message.n)
        this.#publishes.delete(message.n)
        return message.error ? waiting?.reject(revived(message.error)) : waiting?.resolve()
      }
      case 'behind':
        this.#say({ t: 'caughtUp' })
        this.#took = 0
        for (const s of this.#subscriptions.values()) this.#subscribe(s)
    }
  }

  #message({ id, headers, body, size }: FromWorker & { t: 'message' }): void {
    this.#took += size
    if (this.#took >= tookAfter) {
      this.#say({ t: 'took', size: this.#took })
      this.#took = 0
    }
    this.#subscriptions.get(id)?.message({ headers, binaryBody: body, body: new TextDecoder().decode(body), ack() {} })
  }

  #refused(id: string, error: StentorError): void {
    const s = this.#subscriptions.get(id)
    this.#subscriptions.delete(id)
    s?.refused(error)
    this.#events.report(error)
  }

  async #token(n: number): Promise<void> {
    const { token } = this.options
    try {
      const given = typeof token === 'function' ? await within(60_000, this.#life.signal, token) : token
      this.#say({ t: 'token', n, token: given })
    } catch (e) {
      this.#say({ t: 'token', n, failed: String(e) })
    }
  }

  #told(state: State): void {
    if (state.name !== 'connected') for (const s of this.#subscriptions.values()) s.active = false
    this.#events.set(state)
  }
}
