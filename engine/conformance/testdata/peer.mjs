// Talks to the echo server at argv[2] with the WebSocket of Node itself.
const compression = process.argv[3] === 'true'
// Node inflates 4 MiB at most.
const sizes = [0, 1, 125, 126, 65535, 65536, 1 << 20, ...(compression ? [] : [(16 << 20) - 7])]
const sent = []
for (const size of sizes) {
  sent.push('é'.repeat(size >> 1), new Uint8Array(size).map((_, i) => i * 31))
}
sent.push('κόσμε 😀', '\u0000')

const ws = new WebSocket(process.argv[2])
ws.binaryType = 'arraybuffer'
let next = 0
const fail = (text) => {
  console.error(text)
  process.exit(1)
}
const send = () => (next < sent.length ? ws.send(sent[next]) : ws.close(3001, 'bye'))
ws.onopen = send
ws.onmessage = ({ data }) => {
  const want = sent[next++]
  const same = typeof want === 'string' ? data === want : Buffer.from(want).equals(Buffer.from(data))
  if (!same) fail(`message ${next - 1} came back otherwise`)
  send()
}
ws.onerror = (e) => fail(`error: ${e.message ?? e.type}`)
ws.onclose = (e) => {
  if (!e.wasClean || e.code !== 3001 || ws.protocol !== '' || (ws.extensions !== '') !== compression) fail(`closed with ${e.code}, clean ${e.wasClean}, protocol ${ws.protocol}, extensions ${ws.extensions}`)
  console.log(`${next} messages`)
}
