/**
 * Why something was refused or given up. The first six are codes of the server's ERROR frames.
 *
 * | code | meaning |
 * |---|---|
 * | `auth` | no token, or one that the server does not accept |
 * | `expired` | the token has expired, and so had the one before |
 * | `forbidden` | this destination is not the user's to subscribe or send to |
 * | `protocol` | a frame that the server does not understand |
 * | `too-large` | a frame that is too large |
 * | `limit` | a limit of the session |
 * | `kicked` | an operator or a back end closed the session |
 * | `not-served` | no rule of the project serves the destination |
 * | `id-in-use` | the id of the subscription belongs to another destination |
 * | `token` | the function `token` failed, or took too long |
 * | `endpoints` | no registry said which node to connect to |
 * | `connection` | the server could not be reached, or did not say CONNECTED in time |
 * | `full` | more publishes wait than may |
 * | `timeout` | a publish was not acknowledged in time |
 * | `closed` | the client was closed |
 * | `handler` | a callback of the application threw |
 */
export type ErrorCode =
  | 'auth'
  | 'expired'
  | 'forbidden'
  | 'protocol'
  | 'too-large'
  | 'limit'
  | 'kicked'
  | 'not-served'
  | 'id-in-use'
  | 'token'
  | 'endpoints'
  | 'connection'
  | 'full'
  | 'timeout'
  | 'closed'
  | 'handler'

/** Every error that this library reports or rejects with. */
export class StentorError extends Error {
  override readonly name = 'StentorError'

  constructor(
    readonly code: ErrorCode,
    message: string,
    /** What it is about, if it is one subscription or one publish. */
    readonly destination?: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
  }
}
