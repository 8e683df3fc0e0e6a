/**
 * One connection for all tabs.
 *
 * @packageDocumentation
 */
export { openShared, type PushClient, type SharedOptions } from './shared/client.js'
