/**
 * Why something was refused or abandoned. The first six are codes of the server's ERROR frames.
 *
 * | code | meaning |
 * |---|---|
 * | `auth` | no token, or one that the server does not accept |
 * | `expired` | the token has expired, and so had the one before |
 * | `forbidden` | the user may not subscribe or send to this destination |
 * | `protocol` | the server does not understand a frame |
 * | `too-large` | a frame is too large |
 * | `limit` | a limit of the session is exceeded |
 * | `kicked` | an operator or a back end closed the session |
 * | `not-served` | no rule of the project serves the destination |
 * | `id-in-use` | the id of the subscription belongs to another destination |
 * | `token` | the function `token` failed, or took too long |
 * | `endpoints` | no registry said which node to connect to |
 * | `connection` | the server could not be reached, or did not say CONNECTED in time |
 * | `full` | too many publishes wait for the server |
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
