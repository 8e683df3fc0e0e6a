import { Client, type IFrame, type IMessage } from '@stomp/stompjs'
import type { Ended, ServerError } from './closes.js'
import type { Settings } from './options.js'

type Headers = Record<string, string>
const longestTimer = 2 ** 31 - 1 // ms: one that is longer would end at once

type Socket = NonNullable<ReturnType<NonNullable<Client['webSocketFactory']>>>

/**
 * One connection, from the WebSocket's opening to its end. It has a stompjs client of its own, which never reconnects, so
 * that nothing of an earlier connection can reach a later one.
 *
 * @internal
 */
export class Connection {
  /** Resolves once, whatever happens. */
  readonly ended: Promise<Ended>
  connected = false
  /** When it connected, by Date.now(). */
  since = 0

  #stomp: Client
  #finish!: (e: Ended) => void
  #over = false
  #error?: ServerError
  #socket?: Socket
  #timers = new Set<ReturnType<typeof setTimeout>>()
  #receipts = 0

  constructor(
    readonly url: string,
    headers: Headers,
    private readonly s: Settings,
    onConnect: (c: Connection, headers: Headers) => void,
  ) {
    this.ended = new Promise((resolve) => (this.#finish = resolve))
    this.#stomp = new Client({
      ...s.stomp,
      connectHeaders: headers,
      reconnectDelay: 0,
      discardWebsocketOnCommFailure: true,
      webSocketFactory: () => {
        const socket = this.#socket!
        this.#socket = undefined
        return socket
      },
      onConnect: (frame) => {
        if (this.#over) return
        this.#clear()
        this.connected = true
        this.since = Date.now()
        onConnect(this, frame.headers)
      },
      onStompError: (frame) => this.#failed(frame),
      onHeartbeatLost: () => this.drop('the server was silent for too long'),
      onWebSocketClose: (event?: Partial<CloseEvent>) => this.#end(event?.code ?? 1006, event?.reason ?? ''),
    })
    try {
      this.#socket = this.#open()
      this.after(s.connectTimeout, () => this.drop('no answer in time'))
      this.#stomp.activate()
    } catch (e) {
      this.#end(1006, String(e))
    }
  }

  /** Sends SUBSCRIBE. `receipt` gets the headers of its RECEIPT. Returns the id that an ERROR of the server would name. */
  subscribe(destination: string, headers: Headers, message: (m: IMessage) => void, receipt: (headers: Headers) => void): string {
    return this.#ask(receipt, (id) => this.#stomp.subscribe(destination, (m) => this.#over || message(m), { ...headers, receipt: id }))
  }

  unsubscribe(id: string): void {
    this.#send(() => this.#stomp.unsubscribe(id))
  }

  /** Sends SEND, as subscribe does. */
  publish(destination: string, headers: Headers, body: string | Uint8Array | undefined, receipt: (headers: Headers) => void): string {
    const content = body instanceof Uint8Array ? { binaryBody: body } : { body }
    return this.#ask(receipt, (id) => this.#stomp.publish({ destination, headers: { ...headers, receipt: id }, ...content }))
  }

  /**
   * Drops the connection unless the server answers within `ms`. The question is an UNSUBSCRIBE of an unused id, which changes
   * nothing; its receipt is the answer.
   */
  probe(ms: number): void {
    if (!this.connected || this.#over) return
    const timer = this.after(ms, () => this.drop('no answer after a sleep'))
    this.#ask(
      () => clearTimeout(timer),
      (receipt) => this.#stomp.unsubscribe('probe', { receipt }),
    )
  }

  /** Calls `act` in so many ms, unless the connection ends before. */
  after(ms: number, act: () => void) {
    const timer = setTimeout(act, Math.min(ms, longestTimer))
    this.#timers.add(timer)
    return timer
  }

  /** Ends it now. The server learns of it from the closed socket. */
  drop(reason: string): void {
    if (this.#over) return
    this.#end(1006, reason) // first: the socket has a reason of its own
    this.#socket?.close()
    void this.#stomp.deactivate({ force: true }).catch(() => {})
  }

  /** Ends it with DISCONNECT, once what was sent before is answered, or after `ms`. */
  async leave(ms: number): Promise<void> {
    if (this.#over) return
    if (!this.connected) return this.drop('closed')
    this.after(ms, () => this.drop('closed'))
    void this.#stomp.deactivate().catch(() => {})
    await this.ended
  }

  // Not in the factory: an error there would be an unhandled rejection inside stompjs.
  #open(): Socket {
    const socket = new (this.s.WebSocket ?? (globalThis.WebSocket as never as NonNullable<Settings['WebSocket']>))(this.url, ['v12.stomp']) as Socket & { onerror?: unknown }
    socket.onerror = () => {} // until stompjs sets its own
    return socket
  }

  // Sends a frame that requests a receipt.
  #ask(receipt: (headers: Headers) => void, send: (id: string) => unknown): string {
    const id = `r${++this.#receipts}`
    this.#send(() => {
      this.#stomp.watchForReceipt(id, (frame) => this.#over || receipt(frame.headers))
      send(id)
    })
    return id
  }

  // Over a connection that has ended nothing is sent: its end is on the way to who asked for it. A closing socket throws.
  #send(send: () => unknown): void {
    try {
      if (!this.#over) send()
    } catch (e) {
      this.drop(String(e))
    }
  }

  #failed({ headers, body }: IFrame): void {
    this.#error = { code: headers.code ?? 'protocol', text: headers.message || body, receipt: headers['receipt-id'] }
    this.drop(this.#error.text)
  }

  #end(code: number, reason: string): void {
    if (this.#over) return
    this.#over = true
    this.#clear()
    this.#finish({ code, reason, error: this.#error, connected: this.connected })
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}
