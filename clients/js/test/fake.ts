// A server in memory: WebSockets that speak as much STOMP as the client needs, under the fake clock of vitest.
import { vi } from 'vitest'
import { StentorClient, type Options, type State } from '../src/index.js'

export interface Frame {
  command: string
  headers: Record<string, string>
  body: string
}

export class FakeSocket {
  onopen?: () => void
  onmessage?: (e: { data: string }) => void
  onclose?: (e: { code: number; reason: string }) => void
  onerror?: () => void
  readyState = 0
  frames: Frame[] = []
  binaryType = ''

  constructor(
    readonly url: string,
    readonly server: FakeServer,
  ) {}

  open() {
    this.readyState = 1
    this.onopen?.()
  }

  send(data: string | Uint8Array) {
    if (this.readyState !== 1) throw new Error('not open') // as the WebSocket of Node's ws does
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
    if (text === '\n') return
    const end = text.indexOf('\n\n')
    const [command, ...lines] = text.slice(0, end).split('\n')
    const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).replaceAll('\\c', ':')]))
    const frame = { command, headers, body: text.slice(end + 2, -1) }
    this.frames.push(frame)
    this.server.answer(this, frame)
  }

  put(command: string, headers: Record<string, string>, body = '') {
    const text = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
    this.onmessage?.({ data: `${command}\n${text.join('')}\n${body}\0` })
  }

  /** The server, or the network, ends it. */
  end(code = 1006, reason = '') {
    if (this.readyState === 3) return
    this.readyState = 3
    this.onclose?.({ code, reason })
  }

  close() {
    this.end(1000)
  }

  sent(command: string) {
    return this.frames.filter((f) => f.command === command)
  }
}

export class FakeServer {
  sockets: FakeSocket[] = []
  /** What becomes of a new socket: by default it opens. */
  accept = (s: FakeSocket) => s.open()
  /** The headers of the RECEIPT of a SUBSCRIBE; undefined for none. */
  subscribed = (_f: Frame): Record<string, string> | undefined => ({ position: 'e-0-x' })
  /** Whether a SEND is answered. */
  takes = (_f: Frame) => true
  connect = (s: FakeSocket, _f: Frame) => s.put('CONNECTED', { version: '1.2', 'heart-beat': '0,0', session: 's', 'user-name': 'ann', ...this.expires })
  /** The end of a token, for a server that renews it. */
  expires?: { 'token-expires-in': string }
  /** The headers of the RECEIPT of a renewal; undefined for none. */
  renewed = (_f: Frame): Record<string, string> | undefined => ({ renewed: 'true', ...this.expires })

  get socket() {
    return this.sockets[this.sockets.length - 1]
  }

  get urls() {
    return this.sockets.map((s) => s.url)
  }

  answer(s: FakeSocket, f: Frame) {
    queueMicrotask(() => {
      if (s.readyState !== 1) return
      if (f.command === 'CONNECT') return this.connect(s, f)
      const receipt = f.headers.receipt
      if (!receipt) return
      const renewal = f.command === 'SEND' && f.headers.destination === '/stentor/token'
      const more = renewal ? this.renewed(f) : f.command === 'SUBSCRIBE' ? this.subscribed(f) : f.command === 'SEND' && !this.takes(f) ? undefined : {}
      if (more && s.readyState === 1) s.put('RECEIPT', { 'receipt-id': receipt, ...more })
    })
  }

  message(id: string, more: Record<string, string> = {}, body = '{}') {
    const subscribe = this.socket.sent('SUBSCRIBE').at(-1)!
    this.socket.put('MESSAGE', { subscription: subscribe.headers.id, 'message-id': id, destination: subscribe.headers.destination, ...more }, body)
  }
}

/** A client of a server in memory, with what it reports. */
export function start(server: FakeServer, options: Partial<Options> = {}) {
  const client = new StentorClient({
    urls: 'ws://a/ws',
    project: 'shop',
    token: 't',
    WebSocket: class {
      constructor(url: string) {
        const s = new FakeSocket(url, server)
        server.sockets.push(s)
        setTimeout(() => s.readyState === 0 && server.accept(s), 1)
        return s as never
      }
    },
    ...options,
  })
  const states: State[] = []
  const errors: string[] = []
  client.on('state', (s) => states.push(s))
  client.on('error', (e) => errors.push(e.destination ? `${e.code} ${e.destination}` : e.code))
  clients.push(client)
  return { client, states, errors, last: () => states[states.length - 1] }
}

const clients: StentorClient[] = []

/** Lets so many ms go by. */
export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** Closes all clients, and says how many timers are left. */
export async function leftovers() {
  const closing = clients.splice(0).map((c) => c.close())
  await pass(2_000)
  await Promise.all(closing)
  return vi.getTimerCount()
}
