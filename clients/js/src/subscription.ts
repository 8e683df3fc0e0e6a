import type { IMessage } from '@stomp/stompjs'
import { StentorError } from './errors.js'
import { Positions } from './positions.js'

/** One message that the server pushed. */
export interface Message {
  /** The actual destination, even if the subscription is a pattern. */
  readonly destination: string
  /** The position on the server's bus, `message-id`. */
  readonly id: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly bytes: Uint8Array
  /** The body, parsed as JSON. */
  json<T = unknown>(): T
  /** Acknowledges it, for a subscription with `ack`. */
  ack(): void
}

/** Messages may be missing: fetch the state again. */
export interface Gap {
  destination: string
  /**
   * `lost`: the server no longer has everything since the last position. `dropped`: this client read too slowly, and the
   * server dropped `count` messages. `unknown`: the connection was lost before the server said where the subscription began.
   */
  reason: 'lost' | 'dropped' | 'unknown'
  /** How many messages are missing, if the server knows. */
  count?: number
}

/** Options of one subscription. */
export interface SubscribeOptions {
  /** Messages may be missing. Called before the next message. */
  onGap?: (gap: Gap) => void
  /** The server refused this subscription, which has ended; the others continue. */
  onError?: (error: StentorError) => void
  /** The server has the subscription: the first time, and after each reconnect. */
  onReady?: () => void
  /** Begins after this position, the `id` of a message. */
  after?: string
  /** STOMP's `ack`, if the project has an `ack_window`. */
  ack?: 'auto' | 'client' | 'client-individual'
  /** Additional headers of SUBSCRIBE. */
  headers?: Record<string, string>
}

/** One subscription, over all connections. */
export class Subscription {
  /** @internal */ readonly positions: Positions
  /** Whether the server has it now. */
  active = false
  /** Whether it has ended: unsubscribed, or refused. */
  ended = false

  #asked = false // SUBSCRIBE was sent before: the server may have it
  #unknown = false // an earlier connection may have had it, and was lost before its position was known
  #told = false // a gap was reported, which the next message will report again

  /** @internal */
  constructor(
    /** @internal */ readonly id: string,
    readonly destination: string,
    private readonly receive: (m: Message, s: Subscription) => unknown,
    private readonly options: SubscribeOptions,
    private readonly remove: (s: Subscription) => void,
    private readonly guard: (act: () => unknown) => void,
    saved?: string,
  ) {
    this.positions = new Positions(options.after ?? saved)
  }

  /** Its current position, as a value for `after`. */
  get position(): string {
    return String(this.positions)
  }

  /** Ends it. No callback runs any more. */
  unsubscribe(): void {
    if (this.ended) return
    this.end()
    this.remove(this)
  }

  /** @internal */
  end(): void {
    this.ended = true
    this.active = false
  }

  /** The headers of a SUBSCRIBE sent now. @internal */
  request(): Record<string, string> {
    const { ack = 'auto', headers } = this.options
    const last = String(this.positions)
    return { ...headers, id: this.id, ack, ...(last && { 'last-message-id': last }) }
  }

  /** SUBSCRIBE was sent. @internal */
  sent(): void {
    this.#told = false
    this.#unknown = this.#asked && !this.positions.known
    this.#asked = true
  }

  /** @internal */
  receipt(headers: Record<string, string>): void {
    if (this.ended) return
    if (headers.resumed === 'false') {
      this.positions.reset(headers.position)
      this.#told = true
      this.gap({ reason: 'lost' })
    } else {
      this.positions.merge(headers.position)
      if (this.#unknown) this.gap({ reason: 'unknown' })
    }
    this.#unknown = false
    this.active = true
    this.guard(() => this.options.onReady?.())
  }

  /** @internal */
  message(m: Pick<IMessage, 'headers' | 'body' | 'binaryBody' | 'ack'>): void {
    if (this.ended) return
    const { headers } = m
    this.positions.merge(headers['message-id'])
    if (headers.resumed === 'false' && !this.#told) this.gap({ reason: 'lost' })
    this.#told = false
    if (headers.dropped) this.gap({ reason: 'dropped', count: Number(headers.dropped) })
    if (this.ended) return
    this.guard(() => this.receive(read(m), this))
  }

  /** @internal */
  refused(error: StentorError): void {
    if (this.ended) return
    this.end()
    this.guard(() => this.options.onError?.(error))
  }

  /** @internal */
  gap(gap: Omit<Gap, 'destination'>): void {
    this.guard(() => this.options.onGap?.({ destination: this.destination, ...gap }))
  }
}

function read(m: Pick<IMessage, 'headers' | 'body' | 'binaryBody' | 'ack'>): Message {
  return {
    destination: m.headers.destination,
    id: m.headers['message-id'],
    headers: m.headers,
    get body() {
      return m.body
    },
    get bytes() {
      return m.binaryBody
    },
    json: () => JSON.parse(m.body),
    ack: () => {
      try {
        m.ack()
      } catch {
        // The connection is gone, and with it everything that waited for this acknowledgement.
      }
    },
  }
}
