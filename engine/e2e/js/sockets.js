// WebSockets of the package ws, driven by the Go test, see compression_test.go.
import WebSocket from "ws";
import { emit, commands } from "./lines.js";

const sockets = new Map();

// open connects with an offer of the package's own, or with what serverWindow and noTakeover say. Everything is compressed that
// may be.
function open({ client, url, agent, serverWindow, noTakeover }) {
  const perMessageDeflate = { threshold: 0 };
  if (serverWindow) perMessageDeflate.serverMaxWindowBits = serverWindow;
  if (noTakeover) Object.assign(perMessageDeflate, { serverNoContextTakeover: true, clientNoContextTakeover: true });
  const ws = new WebSocket(url, ["v12.stomp"], { perMessageDeflate, headers: agent ? { "User-Agent": agent } : {} });
  sockets.set(client, ws);
  let answer = "";
  ws.on("upgrade", (r) => (answer = r.headers["sec-websocket-extensions"] ?? ""));
  ws.on("open", () => emit({ client, event: "open", protocol: ws.protocol, reason: answer }));
  ws.on("message", (data, binary) => emit({ client, event: "message", binary, base64: data.toString("base64") }));
  ws.on("error", (e) => emit({ client, event: "error", reason: e.message }));
  ws.on("close", (code, reason) => emit({ client, event: "close", code, reason: reason.toString() }));
}

function send({ client, base64, binary, fragments = 1 }) {
  const content = Buffer.from(base64 ?? "", "base64");
  const size = Math.ceil(content.length / fragments);
  for (let i = 0; i < fragments; i++) {
    sockets.get(client).send(content.subarray(i * size, (i + 1) * size), { binary, compress: true, fin: i === fragments - 1 });
  }
}

const steps = {
  open,
  send,
  pause({ client }) {
    sockets.get(client).pause();
    emit({ client, event: "paused" });
  },
  "go on": ({ client }) => sockets.get(client).resume(),
  drop: ({ client }) => sockets.get(client).terminate(),
  close: ({ client }) => sockets.get(client).close(),
};

commands((command) => steps[command.do](command));
