// A worker: shows what comes, as JSON lines, until it is told to stop.
//   node examples/node.js ws://127.0.0.1:8080/ws demo /topic/demo/all
import { StentorClient } from '@stentor/client'
import { WebSocket } from 'ws'

const [urls, project, destination] = process.argv.slice(2)
const say = (line) => console.log(JSON.stringify(line))

const push = new StentorClient({ urls, project, token: process.env.STENTOR_TOKEN, WebSocket })
push.on('error', (e) => say({ error: e.code, text: e.message }))
push.on('state', (s) => say({ state: s.name }))
push.subscribe(destination, (m) => say({ id: m.id, body: m.body }), {
  onReady: () => say({ subscribed: destination }),
  onGap: (gap) => say({ gap: gap.reason }),
})

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => push.close())
