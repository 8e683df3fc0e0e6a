// A machine that sleeps and wakes, loses its network, and hides its pages and shows them, while its clients go on: a thread
// has a clock and surroundings of its own.
import { parentPort, workerData } from 'node:worker_threads'
import { member } from './member.js'
import { pause, random } from './random.js'

const { users, urls, seed } = workerData
const chance = random(seed)

const now = Date.now
let slept = 0 // ms by which its clock is ahead of what its timers have seen
Date.now = () => now() + slept
const page = new EventTarget()
globalThis.document = new EventTarget()
for (const verb of ['addEventListener', 'removeEventListener']) globalThis[verb] = page[verb].bind(page)
const happens = (name, target = page) => target.dispatchEvent(new Event(name))

const all = users.map((user) => member({ user, urls, chance, now }))

const asleep = new Int32Array(new SharedArrayBuffer(4))
let over = false
let naps = 0
async function live() {
  while (!all.every((a) => a.ready())) await pause(20) // a connection that is lost before is a gap, rightly
  while (!over) {
    await pause(100 + chance() * 400)
    const dice = chance()
    if (dice < 0.4) {
      Atomics.wait(asleep, 0, 0, 20 + chance() * 200)
      slept += 25_000 + chance() * 60_000
      naps++
      if (chance() < 0.8) happens('visibilitychange', document) // else it finds out by itself
    } else {
      const [away, back] = dice < 0.7 ? ['offline', 'online'] : ['pagehide', 'pageshow']
      happens(away)
      await pause(chance() * 300)
      happens(back)
    }
  }
}
const living = live()

parentPort.on('message', async (question) => {
  if (question === 'end') {
    over = true
    await living
    parentPort.postMessage({ naps, all: all.map(({ user, got }) => ({ user, got })) })
    for (const { c } of all) await c.close()
    parentPort.close()
    return
  }
  parentPort.postMessage({ ready: all.every((a) => a.ready()), count: Math.min(...all.map((a) => a.count())) })
})
