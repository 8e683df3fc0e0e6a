// The client libraries behind one interface: each class makes a client of its library that reports what happens to it
// with report(event) and has the methods that the Go tests call.
import WebSocket from "ws";
import SockJS from "sockjs-client";
import { Client, Versions } from "@stomp/stompjs";
import stomp2 from "stompjs/lib/stomp.js";
import webstompModule from "webstomp-client";

const webstomp = webstompModule.default ?? webstompModule;

// What stompjs 2.3.3 takes from the browser's window.
stomp2.Stomp.setInterval = (interval, f) => setInterval(f, interval);
stomp2.Stomp.clearInterval = (id) => clearInterval(id);

// socket opens a WebSocket, or what o.sockjs says in its place, and reports what no library passes on: the subprotocol and how it
// was closed.
export function socket(report, o, protocols) {
  const { url } = o;
  if (o.sockjs) return sockjs(report, o);
  const ws = new WebSocket(url, protocols);
  ws.on("open", () => report({ event: "open", protocol: ws.protocol }));
  ws.on("close", (code, reason) => report({ event: "close", code, reason: reason.toString() }));
  ws.on("error", (e) => report({ event: "socket-error", reason: e.message }));
  ws.on("ping", () => report({ event: "ping" }));
  return ws;
}

// patience is for one that loads the machine with tests: sockjs-client gives a transport up after about twice its round trip.
const patience = 20_000;

// sockjs opens a connection by the transports that o.sockjs names.
export function sockjs(report, o) {
  const s = new SockJS(o.url, null, { transports: o.sockjs, timeout: o.timeout ?? patience });
  s.addEventListener("open", () => report({ event: "open", protocol: "", texts: [s.transport] }));
  s.addEventListener("close", ({ code, reason }) => report({ event: "close", code, reason }));
  s.addEventListener("heartbeat", () => report({ event: "ping" }));
  return s;
}

const frameEvent = (event, frame) => ({ event, headers: frame.headers, body: frame.body });

// key names a message among those of one client: the same may come on several subscriptions.
const key = (headers) => `${headers.subscription}/${headers["message-id"]}`;

// latin1 is the bytes of a text whose characters are bytes.
const latin1 = (s) => Buffer.from(s, "latin1").toString("base64");

// Modern is @stomp/stompjs.
export class Modern {
  #client;
  #report;
  #messages = new Map();
  #subscriptions = new Map();
  #transactions = new Map();
  #options;

  constructor(report, o) {
    this.#report = report;
    this.#options = o;
    const versions = new Versions(o.versions ?? ["1.2", "1.1", "1.0"]);
    this.#client = new Client({
      webSocketFactory: () => socket(report, o, versions.protocolVersions()),
      stompVersions: versions,
      connectHeaders: o.headers ?? {},
      reconnectDelay: o.reconnect ?? 0,
      heartbeatOutgoing: o.heartbeat ?? 0,
      heartbeatIncoming: o.heartbeat ?? 0,
      forceBinaryWSFrames: o.binary ?? false,
      splitLargeFrames: true,
      onConnect: (frame) => report(frameEvent("connected", frame)),
      onStompError: (frame) => report(frameEvent("error", frame)),
      onDisconnect: () => report({ event: "disconnected" }),
      onHeartbeatReceived: () => report({ event: "beat" }),
      onUnhandledMessage: (m) => report(frameEvent("unhandled", m)),
    });
  }

  connect() {
    this.#client.activate();
  }

  #watch(headers) {
    if (headers?.receipt) {
      this.#client.watchForReceipt(headers.receipt, (frame) => this.#report({ event: "receipt", id: headers.receipt, headers: frame.headers }));
    }
  }

  subscribe({ id, destination, headers }) {
    this.#watch(headers);
    const arrived = (m) => {
      this.#messages.set(key(m.headers), m);
      this.#report({ ...frameEvent("message", m), base64: Buffer.from(m.binaryBody).toString("base64"), binary: m.isBinaryBody });
    };
    this.#subscriptions.set(id, this.#client.subscribe(destination, arrived, { id, ...headers }));
  }

  unsubscribe({ id, headers }) {
    this.#watch(headers);
    this.#subscriptions.get(id).unsubscribe(headers);
  }

  send({ destination, headers, body, base64 }) {
    this.#watch(headers);
    const content = base64 === undefined ? { body } : { binaryBody: new Uint8Array(Buffer.from(base64, "base64")) };
    this.#client.publish({ destination, headers, ...content });
  }

  begin({ id }) {
    this.#transactions.set(id, this.#client.begin(id));
  }

  commit({ id }) {
    this.#transactions.get(id).commit();
  }

  abort({ id }) {
    this.#transactions.get(id).abort();
  }

  ack({ id }) {
    this.#messages.get(id).ack();
  }

  nack({ id }) {
    this.#messages.get(id).nack();
  }

  async disconnect() {
    await this.#client.deactivate();
    this.#report({ event: "done" });
  }
}

// Old is what stompjs 2.3.3 and webstomp-client have in common.
class Old {
  client;
  report;
  options;
  #frames = new Map();
  #transactions = new Map();

  constructor(report, o) {
    this.report = report;
    this.options = o;
  }

  // listen connects a client of the library whose WebSocket is made.
  listen(headers) {
    const { client, report } = this;
    client.onreceipt = (frame) => report({ event: "receipt", id: frame.headers["receipt-id"], headers: frame.headers });
    client.connect(
      headers,
      (frame) => report(frameEvent("connected", frame)),
      (e) => e?.command === "ERROR" && report(frameEvent("error", e)),
    );
  }

  arrived(frame) {
    this.#frames.set(key(frame.headers), frame);
    this.report({ ...frameEvent("message", frame), base64: latin1(frame.body) });
  }

  begin({ id }) {
    this.#transactions.set(id, this.client.begin(id));
  }

  commit({ id }) {
    this.#transactions.get(id).commit();
  }

  abort({ id }) {
    this.#transactions.get(id).abort();
  }

  ack({ id }) {
    this.#frames.get(id).ack();
  }

  nack({ id }) {
    this.#frames.get(id).nack();
  }

  subscribe({ id, destination, headers }) {
    this.client.subscribe(destination, (frame) => this.arrived(frame), { id, ...headers });
  }

  disconnect() {
    this.client.disconnect(() => this.report({ event: "done" }), {});
  }
}

// Classic is stompjs 2.3.3.
export class Classic extends Old {
  connect() {
    const o = this.options;
    this.client = stomp2.Stomp.over(socket(this.report, o, o.protocols ?? ["v10.stomp", "v11.stomp"]));
    this.client.heartbeat = { outgoing: o.heartbeat ?? 0, incoming: o.heartbeat ?? 0 };
    this.client.debug = (text) => text === "<<< PONG" && this.report({ event: "beat" });
    const headers = { ...o.headers };
    if (o.versions) {
      // The library writes the versions it knows; a header that cannot be written keeps those of the test.
      Object.defineProperty(headers, "accept-version", { value: o.versions.join(","), enumerable: true, writable: false });
    }
    this.listen(headers);
  }

  unsubscribe({ id }) {
    this.client.unsubscribe(id);
  }

  send({ destination, headers, body }) {
    this.client.send(destination, { ...headers }, body);
  }
}

// Webstomp is webstomp-client.
export class Webstomp extends Old {
  connect() {
    const o = this.options;
    const protocols = o.protocols ?? webstomp.VERSIONS.supportedProtocols();
    const heartbeat = o.heartbeat ? { outgoing: o.heartbeat, incoming: o.heartbeat } : false;
    this.client = webstomp.over(socket(this.report, o, protocols), { protocols, heartbeat, binary: o.binary ?? false, debug: true });
    this.client.debug = (text) => text === "<<< PONG" && this.report({ event: "beat" });
    this.listen({ ...o.headers });
  }

  unsubscribe({ id, headers }) {
    this.client.unsubscribe(id, headers);
  }

  send({ destination, headers, body }) {
    this.client.send(destination, body, headers);
  }
}
