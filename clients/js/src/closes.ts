import { StentorError } from './errors.js'

/** An ERROR frame of the server. @internal */
export interface ServerError {
  code: string
  text: string
  /** The receipt that the refused frame requested. */
  receipt?: string
}

/** How a connection ended. @internal */
export interface Ended {
  /** The WebSocket close code; 1006 without a close frame. */
  code: number
  reason: string
  error?: ServerError
  /** Whether the server had said CONNECTED. */
  connected: boolean
}

/** What to do after a close. @internal */
export type Verdict =
  | { what: 'retry'; /** ms that the server asked to wait */ after?: number }
  | { what: 'renew' } // with a fresh token
  | { what: 'stop'; error: StentorError }

const longestRetry = 600_000

/** Decides what to do after the end of a connection. The caller, who knows the frames, handles errors about one frame. @internal */
export function judge({ code, reason, error }: Ended): Verdict {
  if (error?.code === 'auth') return { what: 'stop', error: new StentorError('auth', error.text) }
  if (error?.code === 'expired') return { what: 'renew' }
  if (!error && code === 1008) {
    if (/token/.test(reason) && /expired/.test(reason)) return { what: 'renew' }
    return { what: 'stop', error: new StentorError('kicked', reason || 'the server closed the session') }
  }
  const asked = /^retry=(\d{1,9})/.exec(reason)
  if (asked) return { what: 'retry', after: Math.min(Number(asked[1]), longestRetry) }
  return { what: 'retry' }
}

const meanings: Record<number, string> = {
  1001: 'the server is going away',
  1002: 'the server heard nothing for too long',
  1006: 'the connection broke, or the server could not be reached',
  1009: 'a frame was too large',
  1012: 'the server restarts',
  1013: 'the server is overloaded',
}

/** Describes how a connection ended, as text. @internal */
export const explain = ({ code, reason, error }: Ended): string => error?.text || reason || meanings[code] || `closed with ${code}`
