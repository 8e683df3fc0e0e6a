import type { Connection } from './connection.js'
import { StentorError, type ErrorCode } from './errors.js'
import type { Settings } from './options.js'

/** Options of one publish. */
export interface PublishOptions {
  /** Additional headers of SEND. */
  headers?: Record<string, string>
  /** Default: `application/json` for content that is neither a string nor bytes. */
  contentType?: string
}

interface Letter {
  destination: string
  headers: Record<string, string>
  body: string | Uint8Array
  size: number
  timer: ReturnType<typeof setTimeout>
  sent: boolean // over the current connection
  receipt?: string
  resolve: () => void
  reject: (e: StentorError) => void
}

/** How many publishes may await their receipts; the server stops reading at 64. */
const window = 32

/**
 * The publishes that were not acknowledged yet. They are sent again over the next connection, in order and under the same ids,
 * by which the server recognises those that it already has.
 *
 * @internal
 */
export class Outbox {
  #letters = new Set<Letter>()
  #bytes = 0
  #connection?: Connection
  #name = token()
  #count = 0
  #allowed: number
  #counted = Date.now()
  #pace?: ReturnType<typeof setTimeout>

  constructor(private readonly s: Settings) {
    this.#allowed = s.publishRate
  }

  publish(destination: string, content: unknown, { headers, contentType }: PublishOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const plain = typeof content === 'string' || content instanceof Uint8Array
      const body = content instanceof Uint8Array ? content.slice() : plain ? content : (JSON.stringify(content) ?? '')
      const size = typeof body === 'string' ? new TextEncoder().encode(body).length : body.length
      if (this.#letters.size >= this.s.maxPublishes || this.#bytes + size > this.s.maxPublishBytes) {
        return reject(new StentorError('full', 'too many publishes wait for the server', destination))
      }
      const type = contentType ?? (plain ? undefined : 'application/json')
      const letter: Letter = {
        destination,
        headers: { ...headers, ...(type && { 'content-type': type }), 'stentor-id': `${this.#name}-${++this.#count}` },
        body,
        size,
        timer: setTimeout(() => {
          this.#fail(letter, 'timeout', 'the server did not acknowledge it in time')
          this.#send() // those that waited behind it
        }, this.s.publishTimeout),
        sent: false,
        resolve,
        reject,
      }
      this.#letters.add(letter)
      this.#bytes += size
      this.#send()
    })
  }

  /** Sends what waits, and later publishes, over a new connection. */
  begin(connection: Connection): void {
    this.#connection = connection
    for (const letter of this.#letters) letter.sent = false
    this.#send()
  }

  /** The connection is gone. */
  pause(): void {
    this.#connection = undefined
    clearTimeout(this.#pace)
    this.#pace = undefined
    for (const letter of this.#letters) letter.receipt = undefined
  }

  /** Fails the publish with this receipt. Returns its error, if there is one. */
  refuse(receipt: string, code: ErrorCode, text: string): StentorError | undefined {
    for (const letter of this.#letters) if (letter.receipt === receipt) return this.#fail(letter, code, text)
    return undefined
  }

  /** The server ended the connection because of a frame that is too large, without saying which: it must be the largest. */
  refuseLargest(text: string): StentorError | undefined {
    let largest: Letter | undefined
    for (const letter of this.#letters) if (letter.receipt && letter.size > (largest?.size ?? -1)) largest = letter
    return largest && this.#fail(largest, 'too-large', text)
  }

  /** Fails all of them. */
  clear(code: ErrorCode, text: string): void {
    this.pause()
    for (const letter of this.#letters) this.#fail(letter, code, text)
  }

  #send(): void {
    const connection = this.#connection
    if (!connection || this.#pace) return
    let waiting = 0
    for (const letter of this.#letters) {
      if (waiting >= window) return
      waiting++
      if (letter.sent) continue
      const wait = this.#toll()
      if (wait > 0) {
        this.#pace = setTimeout(() => {
          this.#pace = undefined
          this.#send()
        }, wait)
        return
      }
      letter.sent = true
      letter.receipt = connection.publish(letter.destination, letter.headers, letter.body, () => {
        this.#remove(letter)
        letter.resolve()
        this.#send()
      })
      if (this.#connection !== connection) return
    }
  }

  // A token bucket. Returns 0 if a publish may go now, else how many ms it has to wait.
  #toll(): number {
    const now = Date.now()
    const rate = this.s.publishRate
    this.#allowed = Math.min(rate, this.#allowed + (Math.max(0, now - this.#counted) * rate) / 1000)
    this.#counted = now
    if (this.#allowed < 1) return Math.ceil(((1 - this.#allowed) * 1000) / rate)
    this.#allowed--
    return 0
  }

  #fail(letter: Letter, code: ErrorCode, text: string): StentorError {
    this.#remove(letter)
    const error = new StentorError(code, text, letter.destination)
    letter.reject(error)
    return error
  }

  #remove(letter: Letter): void {
    if (!this.#letters.delete(letter)) return
    clearTimeout(letter.timer)
    this.#bytes -= letter.size
  }
}

/** 96 random bits: no other client of the user has the same. */
function token(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}
