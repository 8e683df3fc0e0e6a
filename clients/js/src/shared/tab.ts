import { plain, type FromTab, type FromWorker } from './words.js'
import type { StentorError } from '../errors.js'

/** How many bytes may be sent ahead of what a tab has read, for example while it is frozen. */
const mostBytes = 8 << 20
/** What a message costs in addition to its body. */
const overhead = 512

/** The part of a MessagePort that is used, so that tests can replace it. @internal */
export interface Port {
  postMessage(message: FromWorker): void
  close(): void
}

/** A tab as the worker sees it. @internal */
export class Tab {
  /** Ends each of its subscriptions, by id. */
  readonly leave = new Map<string, () => void>()
  #asked = new Map<number, (answer: FromTab & { t: 'token' }) => void>()
  #count = 0
  #unread = 0
  #behind = false

  constructor(private readonly port: Port) {}

  say(message: FromWorker): void {
    this.port.postMessage(message)
  }

  /** Passes a message on, unless the tab has too many unread. Then it is unsubscribed, and resumes from its positions. */
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
    // The worker reports gaps to the tab, which must not report them again.
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

  /** The tab is gone: ends its subscriptions, and fails its pending tokens. */
  gone(): void {
    this.leaveAll()
    for (const answer of this.#asked.values()) answer({ t: 'token', n: 0, failed: 'the tab is gone' })
    this.#asked.clear()
    this.port.close()
  }
}
