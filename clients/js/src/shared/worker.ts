// The script of the SharedWorker: a file of its own, with everything in it.
import { StentorClient } from '../client.js'
import { Hub } from './hub.js'
import { Tab } from './tab.js'

const hub = new Hub(
  (options) => new StentorClient(options),
  (lock, gone) => void navigator.locks.request(lock, gone),
)

globalThis.addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0]
  const tab = new Tab(port)
  port.onmessage = (e) => hub.take(tab, e.data)
})
