import type { StompConfig } from '@stomp/stompjs'

/** Options of a {@link StentorClient}. One of `urls` and `endpoints` is required. */
export interface Options {
  /** Address of a node or of a load balancer, or several, which are tried in turn: `wss://push.example.com/ws`. */
  urls?: string | string[]
  /** Address of a registry, or several. It says which node to connect to: `https://push.example.com/v1/endpoints`. */
  endpoints?: string | string[]
  /** The project, if neither the endpoint's path nor the token names it. */
  project?: string
  /**
   * The token, or a function that fetches one. It is called before each attempt to connect, and again
   * before the token's end if the server renews tokens.
   */
  token?: string | (() => string | undefined | Promise<string | undefined>)
  /** Additional headers of CONNECT. */
  headers?: Record<string, string>

  /**
   * Resumes after a reload of the page: positions are kept in `sessionStorage` under this name, for this tab only. Include
   * the user in the name, since users have positions of their own.
   */
  resumeKey?: string

  /** The longest wait between two attempts, in ms. Default: 30,000. The bound begins at `minDelay`, and doubles with each attempt. */
  maxDelay?: number
  /** The longest wait before the first attempt after a connection was lost, in ms. Default: 1,000. */
  minDelay?: number
  /** How long a connection has to hold to reset the waits to `minDelay`, in ms. Default: 5,000. */
  holdTime?: number
  /** How long a registry or a node may take to answer, in ms. Default: 10,000. */
  connectTimeout?: number
  /** How long `token` may take, in ms. Default: 30,000. */
  tokenTimeout?: number

  /** How long a publish may wait for its receipt, reconnects included, in ms. Default: 60,000. */
  publishTimeout?: number
  /** How many publishes may wait. Default: 1,000. */
  maxPublishes?: number
  /** How many bytes of publishes may wait. Default: 1 MiB. */
  maxPublishBytes?: number
  /** How many publishes may be sent per second. Default: 100, half of what a server allows a session by default. */
  publishRate?: number

  /** The constructor of WebSockets. Default: the global one, which Node has from version 22 on. */
  WebSocket?: new (url: string, protocols: string[]) => unknown
  /** The function that asks registries. Default: the global `fetch`. */
  fetch?: typeof fetch
  /** Additional settings of stompjs, for example `heartbeatStrategy` or `debug`. */
  stomp?: Pick<StompConfig, 'debug' | 'logRawCommunication' | 'heartbeatIncoming' | 'heartbeatOutgoing' | 'heartbeatStrategy'>
}

/** Options with their defaults filled in. @internal */
export type Settings = Options & Required<Pick<Options, keyof typeof defaults>>

/** @internal */
export const defaults = {
  maxDelay: 30_000,
  minDelay: 1_000,
  holdTime: 5_000,
  connectTimeout: 10_000,
  tokenTimeout: 30_000,
  publishTimeout: 60_000,
  maxPublishes: 1_000,
  maxPublishBytes: 1 << 20,
  publishRate: 100,
}

/** @internal */
export function settings(options: Options): Settings {
  if (!list(options.urls).length && !list(options.endpoints).length) throw new TypeError('StentorClient: urls or endpoints is required')
  if (!options.WebSocket && !globalThis.WebSocket) throw new TypeError('StentorClient: there is no global WebSocket, the option WebSocket is required')
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  return { ...defaults, ...given }
}

/** @internal */
export const list = (one: string | string[] | undefined): string[] => (one === undefined ? [] : typeof one === 'string' ? [one] : one)
