import { Backoff } from './backoff.js'
import { explain, judge, type Ended } from './closes.js'
import { Connection } from './connection.js'
import { Endpoints } from './endpoints.js'
import { Emitter } from './emitter.js'
import { StentorError, type ErrorCode } from './errors.js'
import { settings, type Options, type Settings } from './options.js'
import { Outbox, type PublishOptions } from './outbox.js'
import { Saved } from './saved.js'
import { Subscription, type Message, type SubscribeOptions } from './subscription.js'
import { watch } from './surroundings.js'
import { Wait, within } from './waits.js'

/** What a client is doing. */
export type State =
  | { name: 'connecting' }
  | { name: 'connected'; url: string; /** as the server names them */ session?: string; user?: string }
  | { name: 'waiting'; /** until the next attempt; Infinity while the page is hidden for good */ ms: number; why: string }
  /** The server refused this client. {@link StentorClient.connect} tries again, for example after a login. */
  | { name: 'refused'; code: ErrorCode; error: StentorError }
  | { name: 'closed' }

/** The events of a client. */
export interface Events {
  state: State
  /** Errors other than a lost connection: refused subscriptions, tokens that cannot be fetched, callbacks that throw. */
  error: StentorError
}

const soon = 500 // ms over which clients spread when the same network is back
const changed = 'the network changed'
const renewal = 5_000 // ms between two attempts to renew a token, at least

/** A client of a Stentor server. It connects at once, and stays connected until it is closed or refused. */
export class StentorClient {
  #s: Settings
  #events = new Emitter<State>({ name: 'connecting' })
  #subscriptions = new Map<string, Subscription>()
  #count = 0
  #outbox: Outbox
  #endpoints: Endpoints
  #backoff: Backoff
  #saved: Saved
  #wait = new Wait()

  #running?: AbortController
  #stage?: AbortController // of what an attempt asks for before it connects
  #closing?: Promise<void>
  #connection?: Connection
  #asked = new Map<string, Subscription | undefined>() // what SUBSCRIBE of this connection is about, or none for a renewal, by receipt
  #renewed = false // the token was fetched because the one before had expired
  #hidden = false
  #offline = false
  #hurry = false

  constructor(options: Options) {
    this.#s = settings(options)
    this.#outbox = new Outbox(this.#s)
    this.#endpoints = new Endpoints(this.#s)
    this.#backoff = new Backoff(Math.max(1, this.#s.minDelay), this.#s.maxDelay)
    this.#saved = new Saved(options.resumeKey)
    this.connect()
  }

  get state(): State {
    return this.#events.state
  }

  /** Calls `listener` at each event from now on. Call the returned function to stop. */
  on<E extends keyof Events>(event: E, listener: (value: Events[E]) => void): () => void {
    return this.#events.on(event, listener)
  }

  /**
   * Subscribes, over all connections from now on. After each reconnect the server sends what was missed. If it cannot, `onGap`
   * says so.
   */
  subscribe(destination: string, receive: (m: Message, s: Subscription) => unknown, options: SubscribeOptions = {}): Subscription {
    this.#check()
    const remove = (s: Subscription) => {
      this.#subscriptions.delete(s.id)
      if (this.#connection?.connected) this.#connection.unsubscribe(s.id)
    }
    const s = new Subscription(`s${this.#count++}`, destination, receive, options, remove, (act) => this.#events.guard(act), this.#saved.take(destination))
    this.#subscriptions.set(s.id, s)
    if (this.#connection?.connected) this.#subscribe(this.#connection, s)
    return s
  }

  /**
   * Publishes, and resolves when the server has acknowledged it. Without an acknowledgement it is sent again after a reconnect,
   * under the same id, so that subscribers get it once. Strings and bytes are sent as they are, everything else as JSON.
   */
  publish(destination: string, content: unknown, options?: PublishOptions): Promise<void> {
    const state = this.#events.state
    if (state.name === 'closed' || state.name === 'refused') {
      return Promise.reject(new StentorError(state.name === 'closed' ? 'closed' : state.code, `the client is ${state.name}`, destination))
    }
    return this.#outbox.publish(destination, content, options)
  }

  /** Connects again after the server refused this client. In any other state it changes nothing. */
  connect(): void {
    this.#check()
    if (this.#running) return
    this.#running = new AbortController()
    this.#renewed = false
    void this.#run(this.#running.signal)
  }

  /** Ends the client: the connection once what was sent is answered, and everything else. No timer or listener is left. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#saved.write(this.#subscriptions.values())
    const connection = this.#connection
    this.#halt({ name: 'closed' })
    for (const s of this.#subscriptions.values()) s.end()
    await connection?.leave(1_000)
    this.#outbox.clear('closed', 'the client was closed')
  }

  #check(): void {
    if (this.#events.state.name === 'closed') throw new StentorError('closed', 'the client is closed')
  }

  // The only place that starts attempts. The caller that aborts it sets the state.
  async #run(signal: AbortSignal): Promise<void> {
    const deaf = watch({
      online: () => this.#online(),
      offline: () => (this.#offline = true),
      woke: () => this.#woke(),
      hide: () => this.#hide(),
      show: () => this.#show(),
    })
    signal.addEventListener('abort', deaf)
    while (!signal.aborted) {
      const pause = await this.#attempt(signal)
      if (!signal.aborted && pause) await this.#pause(pause.ms, pause.why)
    }
  }

  async #pause(ms: number, why: string): Promise<void> {
    const over = this.#wait.start(ms) // first: who hears of it may close the client
    this.#events.set({ name: 'waiting', ms, why })
    await over
  }

  // One attempt to connect, and the connection's life. Returns how long to wait afterwards. It never rejects.
  async #attempt(signal: AbortSignal): Promise<{ ms: number; why: string } | undefined> {
    if (this.#hidden) return { ms: Infinity, why: 'the page is hidden' }
    this.#hurry = false
    this.#stage = new AbortController()
    const begun = this.#stage.signal
    this.#events.set({ name: 'connecting' })
    if (signal.aborted) return
    let url: string
    let token: string | undefined
    let stage: ErrorCode = 'endpoints'
    try {
      const choice = await this.#endpoints.next(begun)
      url = choice.url
      if (choice.wait > 0) {
        await this.#pause(choice.wait, 'many come at once')
        if (signal.aborted || this.#hidden) return
        this.#events.set({ name: 'connecting' })
      }
      stage = 'token'
      token = await this.#token(begun)
    } catch (e) {
      if (signal.aborted) return
      if (this.#hurry) return { ms: Math.random() * soon, why: changed }
      return { ms: this.#backoff.next(), why: this.#report(stage, e).message }
    }
    if (signal.aborted || this.#hidden) return
    const headers = { ...(this.#s.project && { projectId: this.#s.project }), ...(token && { token }), ...this.#s.headers }
    this.#asked.clear()
    this.#offline = false
    const connection = new Connection(url, headers, this.#s, (c, answer) => this.#connected(c, answer, signal))
    this.#connection = connection
    const ended = await connection.ended
    this.#connection = undefined
    for (const s of this.#subscriptions.values()) s.active = false
    if (signal.aborted) return
    const ms = this.#after(connection, ended)
    this.#outbox.pause()
    return { ms, why: explain(ended) }
  }

  async #token(signal: AbortSignal): Promise<string | undefined> {
    const { token, tokenTimeout } = this.#s
    return typeof token === 'function' ? within(tokenTimeout, signal, token) : token
  }

  #report(code: ErrorCode, e: unknown): StentorError {
    const error = e instanceof StentorError ? e : new StentorError(code, `${code}: ${e}`, undefined, e)
    this.#events.report(error)
    return error
  }

  #connected(connection: Connection, headers: Record<string, string>, signal: AbortSignal): void {
    this.#endpoints.held()
    this.#keep(connection, headers, signal)
    this.#events.set({ name: 'connected', url: connection.url, session: headers.session, user: headers['user-name'] })
    if (signal.aborted) return // who heard of it has closed the client
    for (const s of [...this.#subscriptions.values()]) this.#subscribe(connection, s)
    this.#outbox.begin(connection)
  }

  // Renews the token of an open connection before its end, of which the server speaks only if it knows how to renew it. Half
  // of what is left, or more than a minute, is for what goes wrong.
  #keep(connection: Connection, headers: Record<string, string>, signal: AbortSignal, before = 0): void {
    const end = Date.now() + Number(headers['token-expires-in']) * 1_000
    if (!(end > 0) || typeof this.#s.token !== 'function') return
    const again = (soonest: number) => {
      const left = end - Date.now()
      if (left > 0) connection.after(Math.max(soonest * (1 + Math.random()), left - Math.min(left / 2, 60_000 + Math.random() * 30_000)), () => void renew())
    }
    const renew = async () => {
      try {
        const token = await this.#token(signal)
        if (!token || this.#connection !== connection) return
        const receipt = connection.publish('/stentor/token', { token }, undefined, (answer) => {
          this.#asked.delete(receipt)
          if (answer.renewed === 'true') this.#keep(connection, answer, signal, end)
          else if (answer.renewed) again(renewal)
        })
        this.#asked.set(receipt, undefined)
      } catch (e) {
        if (signal.aborted) return
        this.#report('token', e)
        again(renewal)
      }
    }
    again(end > before + 1_500 ? 0 : renewal) // the application may give the same token again
  }

  #subscribe(connection: Connection, s: Subscription): void {
    s.sent()
    const receipt = connection.subscribe(
      s.destination,
      s.request(),
      (m) => s.message(m),
      (headers) => {
        this.#asked.delete(receipt)
        if (headers.subscribed === 'false') this.#refuse(s, (headers.reason ?? 'not-served') as ErrorCode, 'the server does not serve this')
        else s.receipt(headers)
      },
    )
    this.#asked.set(receipt, s)
  }

  #refuse(s: Subscription, code: ErrorCode, text: string): void {
    if (s.ended) return
    this.#subscriptions.delete(s.id)
    const error = new StentorError(code, text, s.destination)
    s.refused(error)
    this.#events.report(error)
  }

  // Handles the end of a connection, and returns how long to wait.
  #after(connection: Connection, ended: Ended): number {
    this.#endpoints.lost(connection.url)
    const held = ended.connected && Date.now() - connection.since >= this.#s.holdTime
    if (held) this.#backoff.reset()
    if (ended.connected) this.#renewed = false
    if (this.#hidden) return 0
    if (this.#hurry) return Math.random() * soon
    const verdict = judge(ended)
    if (verdict.what === 'stop') return this.#stop(verdict.error)
    if (verdict.what === 'renew') {
      if (this.#renewed) return this.#stop(new StentorError('expired', explain(ended)))
      this.#renewed = true
      return held || !ended.connected ? 0 : this.#backoff.next()
    }
    if (this.#blame(ended, held)) return 0
    return verdict.after ?? this.#backoff.next()
  }

  // An ERROR is about one frame. Drops what sent that frame, so that the rest can go on. Returns whether to reconnect at once:
  // a subscription is refused once, but an application may publish what is forbidden again and again.
  #blame({ code, error }: Ended, held: boolean): boolean {
    const receipt = error?.receipt ?? ''
    if (error && this.#asked.has(receipt)) {
      const s = this.#asked.get(receipt)
      if (!s) return held // the next connection has the fresh token, and hears what it forbids
      this.#refuse(s, error.code as ErrorCode, error.text)
      return true
    }
    if (error && this.#outbox.refuse(receipt, error.code as ErrorCode, error.text)) return held
    if (error?.code === 'too-large' || code === 1009) this.#outbox.refuseLargest(error?.text ?? 'the message is too large')
    else if (error) this.#events.report(new StentorError(error.code as ErrorCode, error.text))
    return false
  }

  #stop(error: StentorError): number {
    this.#outbox.clear(error.code, error.message)
    this.#halt({ name: 'refused', code: error.code, error })
    this.#events.report(error)
    return 0
  }

  #halt(state: State): void {
    this.#running?.abort()
    this.#stage?.abort()
    this.#running = undefined
    this.#wait.end()
    this.#events.set(state)
  }

  #online(): void {
    const lost = this.#offline
    this.#offline = false
    this.#backoff.reset()
    if (lost) this.#restart()
    if (!this.#hidden) this.#wait.shorten(Math.random() * soon)
  }

  #woke(): void {
    this.#backoff.reset()
    if (this.#connection?.connected) this.#connection.probe(3_000)
    else this.#restart()
    if (!this.#hidden) this.#wait.shorten(Math.random() * soon)
  }

  // What began over a network that is gone would wait for its time limit.
  #restart(): void {
    this.#hurry = true
    this.#stage?.abort()
    this.#connection?.drop(changed)
  }

  // A page with an open connection cannot go into the back-forward cache.
  #hide(): void {
    this.#saved.write(this.#subscriptions.values())
    this.#hidden = true
    this.#connection?.drop('the page is hidden')
    this.#wait.shorten(Infinity)
  }

  #show(): void {
    if (!this.#hidden) return
    this.#hidden = false
    this.#backoff.reset()
    this.#wait.end()
  }
}
