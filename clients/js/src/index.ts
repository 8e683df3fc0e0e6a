/**
 * Client of a Stentor push server.
 *
 * @packageDocumentation
 */
export { StentorClient, type Events, type State } from './client.js'
export { StentorError, type ErrorCode } from './errors.js'
export type { Options } from './options.js'
export type { PublishOptions } from './outbox.js'
export { Subscription, type Gap, type Message, type SubscribeOptions } from './subscription.js'
