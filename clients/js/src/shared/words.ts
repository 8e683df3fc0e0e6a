import type { State } from '../client.js'
import type { ErrorCode } from '../errors.js'
import { StentorError } from '../errors.js'
import type { Options } from '../options.js'
import type { PublishOptions } from '../outbox.js'
import type { Gap } from '../subscription.js'

/** Options that can be sent to a worker: functions stay in the tabs. @internal */
export type Plain = Omit<Options, 'token' | 'WebSocket' | 'fetch' | 'stomp' | 'resumeKey'>

/** An error in the form for postMessage, which does not keep classes. @internal */
export interface PlainError {
  code: ErrorCode
  text: string
  destination?: string
}

/** The messages of a tab. @internal */
export type FromTab =
  | { t: 'hello'; options: Plain; lock: string }
  | { t: 'subscribe'; id: string; destination: string; after: string; headers?: Record<string, string> }
  | { t: 'unsubscribe'; id: string }
  | { t: 'publish'; n: number; destination: string; body: string | Uint8Array; options: PublishOptions }
  | { t: 'token'; n: number; token?: string; failed?: string }
  | { t: 'took'; size: number }
  | { t: 'caughtUp' }
  | { t: 'connect' }
  | { t: 'bye' }

/** The messages of the worker. @internal */
export type FromWorker =
  | { t: 'welcome'; lock: string }
  | { t: 'state'; state: State; refused?: PlainError }
  | { t: 'error'; error: PlainError }
  | { t: 'token'; n: number }
  | { t: 'ready'; id: string; position: string }
  | { t: 'message'; id: string; headers: Record<string, string>; body: Uint8Array; size: number }
  | { t: 'gap'; id: string; gap: Gap }
  | { t: 'refused'; id: string; error: PlainError }
  | { t: 'published'; n: number; error?: PlainError }
  /** The tab reads too slowly: it was unsubscribed from everything, and has to subscribe again from its positions. */
  | { t: 'behind' }

/** @internal */
export const plain = ({ code, message, destination }: StentorError): PlainError => ({ code, text: message, destination })

/** @internal */
export const revived = ({ code, text, destination }: PlainError): StentorError => new StentorError(code, text, destination)
