import { StentorClient } from '../client.js'
import { StentorError } from '../errors.js'
import type { Options } from '../options.js'
import type { Subscription } from '../subscription.js'
import { within } from '../waits.js'
import { Tab } from './tab.js'
import { plain, type FromTab, type FromWorker, type Plain } from './words.js'

/** How long one tab may take to fetch a token before another one is asked. */
const tokenTime = 10_000

/** One subscription of the connection, for all tabs that subscribed to its destination without a position. */
interface Shared {
  subscription: Subscription
  members: Map<Tab, Set<string>>
}

/** The worker's part: one client for all of its tabs, while there are any. @internal */
export class Hub {
  #client?: StentorClient
  #tabs = new Set<Tab>()
  #shared = new Map<string, Shared>()

  constructor(
    private readonly make: (options: Options) => StentorClient,
    /** Calls `gone` when a tab has released its lock: it was closed, or has died. */
    private readonly released: (lock: string, gone: () => void) => void,
  ) {}

  get tabs(): number {
    return this.#tabs.size
  }

  take(tab: Tab, message: FromTab): void {
    if (message.t === 'hello') return this.#hello(tab, message.options, message.lock)
    if (!this.#tabs.has(tab)) return
    switch (message.t) {
      case 'subscribe':
        return this.#subscribe(tab, message)
      case 'unsubscribe':
        tab.leave.get(message.id)?.()
        tab.leave.delete(message.id)
        return
      case 'publish':
        return this.#publish(tab, message)
      case 'token':
        return tab.answered(message)
      case 'took':
        return tab.took(message.size)
      case 'caughtUp':
        return tab.caughtUp()
      case 'connect':
        return this.#client?.connect()
      case 'bye':
        return this.#gone(tab)
    }
  }

  #hello(tab: Tab, options: Plain, lock: string): void {
    this.#tabs.add(tab)
    this.released(lock, () => this.#gone(tab))
    if (!this.#client) {
      const client = this.make({ ...options, token: () => this.#token() })
      this.#client = client
      client.on('state', (state) => client === this.#client && this.#all(told(state)))
      client.on('error', (e) => e.destination || (client === this.#client && this.#all({ t: 'error', error: plain(e) })))
    }
    tab.say(told(this.#client.state))
  }

  #gone(tab: Tab): void {
    if (!this.#tabs.delete(tab)) return
    tab.gone()
    if (this.#tabs.size) return
    void this.#client?.close()
    this.#client = undefined
    this.#shared.clear()
  }

  // The newest tab is the most likely to be awake; a frozen one does not answer.
  async #token(): Promise<string | undefined> {
    let trouble: unknown = new Error('there is no tab')
    for (const tab of [...this.#tabs].reverse()) {
      try {
        return await within(tokenTime, new AbortController().signal, () => tab.token())
      } catch (e) {
        trouble = e
      }
    }
    throw trouble
  }

  // A tab with a position gets a subscription of its own: the other tabs have already received what it missed.
  #subscribe(tab: Tab, { id, destination, after, headers }: FromTab & { t: 'subscribe' }): void {
    if (after || headers) {
      const s = this.#client!.subscribe(destination, (m) => tab.message(id, m.headers, m.bytes), {
        after,
        headers,
        onReady: () => tab.say({ t: 'ready', id, position: s.position }),
        onGap: (gap) => tab.say({ t: 'gap', id, gap }),
        onError: (e) => tab.refused(id, e),
      })
      tab.leave.set(id, () => s.unsubscribe())
      return
    }
    const shared = this.#shared.get(destination) ?? this.#share(destination)
    const ids = shared.members.get(tab) ?? new Set()
    shared.members.set(tab, ids.add(id))
    tab.leave.set(id, () => {
      ids.delete(id)
      if (!ids.size) shared.members.delete(tab)
      if (shared.members.size || this.#shared.get(destination) !== shared) return
      this.#shared.delete(destination)
      shared.subscription.unsubscribe()
    })
    if (shared.subscription.active) tab.say({ t: 'ready', id, position: shared.subscription.position })
  }

  #share(destination: string): Shared {
    const members: Shared['members'] = new Map()
    const each = (act: (tab: Tab, id: string) => void) => {
      for (const [tab, ids] of [...members]) for (const id of [...ids]) act(tab, id)
    }
    const subscription = this.#client!.subscribe(destination, (m) => each((tab, id) => tab.message(id, m.headers, m.bytes)), {
      onReady: () => each((tab, id) => tab.say({ t: 'ready', id, position: subscription.position })),
      onGap: (gap) => each((tab, id) => tab.say({ t: 'gap', id, gap })),
      onError: (e) => {
        this.#shared.delete(destination)
        each((tab, id) => tab.refused(id, e))
      },
    })
    const shared = { subscription, members }
    this.#shared.set(destination, shared)
    return shared
  }

  #publish(tab: Tab, { n, destination, body, options }: FromTab & { t: 'publish' }): void {
    this.#client!.publish(destination, body, options).then(
      () => tab.say({ t: 'published', n }),
      (e: StentorError) => tab.say({ t: 'published', n, error: plain(e) }),
    )
  }

  #all(message: FromWorker): void {
    for (const tab of this.#tabs) tab.say(message)
  }
}

/** A state without its Error, which would lose its code in postMessage. */
function told(state: StentorClient['state']): FromWorker {
  if (state.name !== 'refused') return { t: 'state', state }
  const { error, ...others } = state
  return { t: 'state', state: { ...others, error: undefined as never }, refused: plain(error) }
}
