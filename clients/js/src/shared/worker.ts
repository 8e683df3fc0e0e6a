// The script of the SharedWorker, bundled into one file with everything.
import { StentorClient } from '../client.js'
import { Hub } from './hub.js'
import { Tab } from './tab.js'

const hub = new Hub(
  (options) => new StentorClient(options),
  (lock, gone) => void navigator.locks.request(lock, gone),
)

// Held as long as the worker lives: its release tells the tabs that the worker has died.
const lock = `stentor-worker-${crypto.randomUUID()}`
const held = new Promise<void>((resolve) => void navigator.locks.request(lock, () => (resolve(), new Promise(() => {}))))

globalThis.addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0]
  const tab = new Tab(port)
  void held.then(() => tab.say({ t: 'welcome', lock }))
  port.onmessage = (e) => hub.take(tab, e.data)
})
