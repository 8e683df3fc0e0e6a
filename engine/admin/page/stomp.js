// A STOMP 1.2 client over WebSocket: heart-beats, receipts, and a reconnect that resumes each subscription where it
// stood. It knows nothing of the page.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const BEAT = 10_000; // ms between heart-beats, offered both ways
const PATIENCE = 3; // so many silent intervals mean that the connection is dead
const CONNECT_TIME = 15_000; // ms until CONNECTED must be there
const FIRST_DELAY = 1_000; // ms before the first reconnect; doubles up to MAX_DELAY
const MAX_DELAY = 30_000;

const escapes = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", ":": "\\c" };
const unescapes = { "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\c": ":" };
const escape = (s) => s.replace(/[\\\n\r:]/g, (c) => escapes[c]);
const unescape = (s) => s.replace(/\\[\\nrc]/g, (c) => unescapes[c]);

// encode writes one frame. Headers of CONNECT are not escaped.
export function encode(command, headers, body = "") {
  const plain = command === "CONNECT" ? String : (s) => escape(String(s));
  let text = command + "\n";
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && value !== "") text += plain(name) + ":" + plain(value) + "\n";
  }
  if (body) text += "content-length:" + encoder.encode(body).length + "\n";
  return text + "\n" + body + "\0";
}

// decode reads the frames of one WebSocket message; heart-beats are none.
export function decode(data) {
  const bytes = typeof data === "string" ? encoder.encode(data) : new Uint8Array(data);
  const frames = [];
  let at = 0;
  const line = () => {
    let end = bytes.indexOf(10, at);
    if (end < 0) throw new Error("a frame ended within its header");
    const from = at;
    at = end + 1;
    if (end > from && bytes[end - 1] === 13) end--;
    return decoder.decode(bytes.subarray(from, end));
  };
  while (at < bytes.length) {
    if (bytes[at] === 10 || bytes[at] === 13 || bytes[at] === 0) {
      at++;
      continue;
    }
    const command = line();
    const plain = command === "CONNECTED" ? (s) => s : unescape;
    const headers = {};
    for (let text = line(); text !== ""; text = line()) {
      const colon = text.indexOf(":");
      if (colon < 0) throw new Error("a header without a colon");
      const name = plain(text.slice(0, colon));
      if (!(name in headers)) headers[name] = plain(text.slice(colon + 1));
    }
    let end = "content-length" in headers ? at + Number(headers["content-length"]) : bytes.indexOf(0, at);
    if (!(end >= at && end <= bytes.length)) throw new Error("a frame ended within its body");
    frames.push({ command, headers, body: bytes.subarray(at, end) });
    at = end + 1;
  }
  return frames;
}

const place = (offset) => (offset === "x" ? -1 : Number(offset));

// A Track knows, for each partition of the bus, the newest position that a subscription has: text epoch-partition-offset,
// whose offset is decimal, or x while there is none.
class Track {
  #newest = new Map();

  advance(positions) {
    for (const text of (positions || "").split(",")) {
      const [epoch, partition, offset] = text.split("-");
      if (offset === undefined) continue;
      const old = this.#newest.get(partition);
      if (!old || old.epoch !== epoch || place(offset) > place(old.offset)) {
        this.#newest.set(partition, { epoch, offset });
      }
    }
  }

  reset(positions) {
    this.#newest.clear();
    this.advance(positions);
  }

  toString() {
    return [...this.#newest].map(([p, { epoch, offset }]) => `${epoch}-${p}-${offset}`).join(",");
  }
}

// A Client keeps one connection until close() or an ERROR of the server. `on` has its callbacks:
//   state(name, detail)        idle | connecting | connected | waiting | failed
//   message(subscription, headers, bytes)
//   refused(subscription, why)  it is forbidden and was removed; the others go on over a new connection
//   subscribed(subscription)   its receipt came; subscription.resumed is true, false, or undefined the first time
export class Client {
  subscriptions = new Map(); // by id
  #on;
  #url = "";
  #connect = {};
  #socket = null;
  #ready = false;
  #receipts = new Map();
  #nextID = 0;
  #failures = 0;
  #timers = { connect: 0, beat: 0, watch: 0, retry: 0 };
  #heard = 0;

  constructor(on) {
    this.#on = on;
  }

  // open connects to url with these CONNECT headers, and again whenever the connection is lost. Subscriptions of a
  // connection to the same place before it resume.
  open(url, headers) {
    this.#drop();
    if (url !== this.#url || headers.projectId !== this.#connect.projectId) {
      for (const s of this.subscriptions.values()) s.track.reset();
    }
    this.#url = url;
    this.#connect = headers;
    this.#failures = 0;
    this.#dial();
  }

  // close ends the connection until the next open.
  close() {
    const socket = this.#ready ? this.#socket : null;
    if (socket) socket.send(encode("DISCONNECT", {}));
    this.#drop();
    this.#on.state("idle");
  }

  // retry does now what would be done after the wait.
  retry() {
    clearTimeout(this.#timers.retry);
    this.#dial();
  }

  // subscribe adds a subscription, now or as soon as there is a connection.
  subscribe(destination) {
    const subscription = { id: "sub-" + this.#nextID++, destination, track: new Track(), live: false, resumed: undefined };
    this.subscriptions.set(subscription.id, subscription);
    if (this.#ready) this.#subscribe(subscription);
    return subscription;
  }

  unsubscribe(subscription) {
    this.subscriptions.delete(subscription.id);
    if (this.#ready) this.#socket.send(encode("UNSUBSCRIBE", { id: subscription.id }));
  }

  // send sends to the server and resolves with the headers of its receipt.
  send(destination, headers, body) {
    return this.#request("SEND", { destination, ...headers }, body);
  }

  #request(command, headers, body, subscription) {
    if (!this.#ready) return Promise.reject(new Error("there is no connection"));
    const receipt = "r-" + this.#nextID++;
    return new Promise((resolve, reject) => {
      this.#receipts.set(receipt, { resolve, reject, subscription });
      this.#socket.send(encode(command, { ...headers, receipt }, body));
    });
  }

  #subscribe(subscription) {
    const last = String(subscription.track);
    this.#request("SUBSCRIBE", { id: subscription.id, destination: subscription.destination, ack: "auto", "last-message-id": last }, "", subscription)
      .then((headers) => {
        subscription.live = true;
        if (last === "") {
          // Messages may have come before the receipt: both count.
          subscription.track.advance(headers.position);
          subscription.resumed = undefined;
        } else {
          // What is replayed is yet to come, so the track stays where it is. Without a resume there is a gap.
          subscription.resumed = headers.resumed !== "false";
          if (!subscription.resumed) subscription.track.reset(headers.position);
        }
        this.#on.subscribed(subscription);
      })
      .catch(() => {}); // the connection went: the next one subscribes again
  }

  #dial() {
    this.#drop();
    this.#on.state("connecting", { url: this.#url });
    let socket;
    try {
      socket = new WebSocket(this.#url, ["v12.stomp"]);
    } catch (e) {
      this.#on.state("failed", { message: "This is no WebSocket address: " + e.message });
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const mine = (f) => (event) => {
      if (this.#socket === socket) f(event);
    };
    socket.onopen = mine(() => {
      socket.send(
        encode("CONNECT", { "accept-version": "1.2", host: new URL(this.#url).host, "heart-beat": `${BEAT},${BEAT}`, ...this.#connect }),
      );
    });
    socket.onmessage = mine((event) => {
      this.#heard = performance.now();
      try {
        for (const frame of decode(event.data)) this.#take(frame);
      } catch (e) {
        this.#lose(`The server sent what is no STOMP frame (${e.message})`);
      }
    });
    socket.onclose = mine((event) => this.#lose(reason(event)));
    this.#timers.connect = setTimeout(() => this.#lose("No CONNECTED within 15 s"), CONNECT_TIME);
  }

  #take({ command, headers, body }) {
    switch (command) {
      case "CONNECTED":
        clearTimeout(this.#timers.connect);
        this.#ready = true;
        this.#failures = 0;
        this.#beat(headers["heart-beat"]);
        this.#on.state("connected", headers);
        for (const s of this.subscriptions.values()) this.#subscribe(s);
        break;
      case "MESSAGE": {
        const subscription = this.subscriptions.get(headers.subscription);
        if (!subscription) break; // it was unsubscribed a moment ago
        subscription.track.advance(headers["message-id"]);
        this.#on.message(subscription, headers, body);
        break;
      }
      case "RECEIPT": {
        const waiting = this.#receipts.get(headers["receipt-id"]);
        this.#receipts.delete(headers["receipt-id"]);
        waiting?.resolve(headers);
        break;
      }
      case "ERROR": {
        // The server's word on what this client did: doing it again would not help.
        const failed = this.#receipts.get(headers["receipt-id"]);
        const text = headers.message || decoder.decode(body) || "The server sent an ERROR";
        this.#receipts.delete(headers["receipt-id"]);
        failed?.reject(new Error(text));
        this.#drop();
        if (headers.code === "forbidden" && failed?.subscription) {
          // The session ended for this one subscription. Without it the others can go on.
          this.subscriptions.delete(failed.subscription.id);
          this.#on.refused(failed.subscription, text);
          this.#dial();
          break;
        }
        this.#on.state("failed", { message: text, code: headers.code, body: decoder.decode(body) });
      }
    }
  }

  #beat(header = "0,0") {
    const [sends, wants] = header.split(",").map(Number);
    const socket = this.#socket;
    if (wants) this.#timers.beat = setInterval(() => socket.send("\n"), Math.max(wants, BEAT));
    if (sends) {
      const most = PATIENCE * Math.max(sends, BEAT);
      this.#timers.watch = setInterval(() => {
        if (performance.now() - this.#heard > most) this.#lose("The server has been silent for too long");
      }, BEAT);
    }
  }

  // lose ends a connection that is to come back.
  #lose(why) {
    this.#drop();
    const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
    this.#timers.retry = setTimeout(() => this.#dial(), delay);
    this.#on.state("waiting", { why, until: performance.now() + delay });
  }

  #drop() {
    for (const t of Object.values(this.#timers)) clearTimeout(t); // also ends intervals
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    if (socket) socket.close();
    for (const s of this.subscriptions.values()) s.live = false;
    const waiting = [...this.#receipts.values()];
    this.#receipts.clear();
    for (const { reject } of waiting) reject(new Error("the connection was lost"));
  }
}

const closes = {
  1001: "the server is going away",
  1002: "protocol error",
  1006: "it could not be reached, or the connection broke",
  1008: "policy",
  1009: "a message was too large",
  1011: "the server failed",
  1012: "the server restarts",
  1013: "the server asks to try later",
};

function reason({ code, reason }) {
  return `Closed with ${code}: ${reason || closes[code] || "no reason given"}`;
}
