import { plain, type FromTab, type FromWorker } from './words.js'
import type { StentorError } from '../errors.js'

/** So many bytes may be on their way to a tab that does not read them, because it is frozen, say. */
const mostBytes = 8 << 20
/** What a message costs beside its body. */
const overhead = 512

/** The part of a port that is used: tests have their own. @internal */
export interface Port {
  postMessage(message: FromWorker): void
  close(): void
}

/** A tab as the worker sees it. @internal */
export class Tab {
  /** How each of its subscriptions ends. */
  readonly leave = new Map<string, () => void>()
  #asked = new Map<number, (answer: FromTab & { t: 'token' }) => void>()
  #count = 0
  #unread = 0
  #behind = false

  constructor(private readonly port: Port) {}

  say(message: FromWorker): void {
    this.port.postMessage(message)
  }

  /** Hands on a message, unless the tab has too many that it did not read. Then it is unsubscribed: it knows where it stands. */
  message(id: string, headers: Readonly<Record<string, string>>, body: Uint8Array): void {
    if (this.#behind) return
    const size = body.length + overhead
    this.#unread += size
    if (this.#unread > mostBytes) {
      this.#behind = true
      this.leaveAll()
      this.say({ t: 'behind' })
      return
    }
    // The worker's subscription tells of gaps; the tab's need not find them again.
    const { resumed: _resumed, dropped: _dropped, ...others } = headers
    this.say({ t: 'message', id, headers: others, body, size })
  }

  took(size: number): void {
    this.#unread = Math.max(0, this.#unread - size)
  }

  caughtUp(): void {
    this.#behind = false
    this.#unread = 0
  }

  /** Asks for a token. */
  token(): Promise<string | undefined> {
    const n = ++this.#count
    return new Promise((resolve, reject) => {
      this.#asked.set(n, ({ token, failed }) => (failed === undefined ? resolve(token) : reject(new Error(failed))))
      this.say({ t: 'token', n })
    })
  }

  answered(answer: FromTab & { t: 'token' }): void {
    this.#asked.get(answer.n)?.(answer)
    this.#asked.delete(answer.n)
  }

  refused(id: string, error: StentorError): void {
    this.leave.delete(id)
    this.say({ t: 'refused', id, error: plain(error) })
  }

  leaveAll(): void {
    for (const leave of [...this.leave.values()]) leave()
    this.leave.clear()
  }

  /** It is gone, and answers nothing any more. */
  gone(): void {
    this.leaveAll()
    for (const answer of this.#asked.values()) answer({ t: 'token', n: 0, failed: 'the tab is gone' })
    this.#asked.clear()
    this.port.close()
  }
}
