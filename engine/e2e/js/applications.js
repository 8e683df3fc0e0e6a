// Applications as people write them, that come back by themselves. Arguments: the URL, and milliseconds that stand for
// the 30 seconds of the owner's code. A command makes one: {"client": name, "do": "owner" | "modern" | "resuming", ...}.
import WebSocket from "ws";
import SockJS from "sockjs-client";
import { Client } from "@stomp/stompjs";
import stomp2 from "stompjs/lib/stomp.js";
import { emit, commands } from "./lines.js";

const [url, wait] = process.argv.slice(2);

stomp2.Stomp.setInterval = (interval, f) => setInterval(f, interval);
stomp2.Stomp.clearInterval = (id) => clearInterval(id);

// A Watch counts what an application has under way: sockets that are not closed, and timers that will open one.
class Watch {
  numbers = { sockets: 0, timers: 0, most: 0, connects: 0, errors: 0 };

  constructor(name, command) {
    this.report = (event) => emit({ client: name, ...event });
    this.command = command;
  }

  #count(what, n) {
    this.numbers[what] += n;
    this.numbers.most = Math.max(this.numbers.most, this.numbers.sockets + this.numbers.timers);
  }

  // sockjs is a connection by sockjs-client to the next of several URLs.
  sockjs() {
    const { urls, sockjs: transports } = this.command;
    const s = new SockJS(urls[this.numbers.connects++ % urls.length], null, { transports, timeout: 20_000 });
    this.#count("sockets", 1);
    s.addEventListener("close", ({ code }) => {
      this.#count("sockets", -1);
      this.report({ event: "close", code });
    });
    return s;
  }

  socket() {
    if (this.command.sockjs) return this.sockjs();
    const ws = new WebSocket(url, ["v10.stomp", "v11.stomp", "v12.stomp"]);
    this.ws = ws;
    this.numbers.connects++;
    this.#count("sockets", 1);
    let opened = false;
    ws.on("open", () => (opened = true));
    ws.on("close", (code) => {
      this.#count("sockets", -1);
      if (opened) this.report({ event: "close", code });
    });
    ws.on("error", () => {}); // the close follows
    return ws;
  }

  timer(f, ms) {
    this.#count("timers", 1);
    setTimeout(() => {
      this.#count("timers", -1);
      f();
    }, ms);
  }

  count() {
    this.report({ event: "count", numbers: this.numbers });
  }
}

// owner is an application around the owner's reconnect code, which stands here as it is published, with the time as a
// parameter.
function owner(name, command) {
  const { token, destination } = command;
  const watch = new Watch(name, command);
  const setTimeout = (f, ms) => watch.timer(f, ms);
  const console = { log: () => {} };
  const INVALID_TOKEN = "INVALID_TOKEN";
  let _breakReason = null;
  const _setBreakReason = (reason) => (_breakReason = reason);
  const setConnected = (connected) => watch.report({ event: connected ? "connected" : "disconnected" });

  function connect() {
    const client = stomp2.Stomp.over(watch.socket());
    client.debug = null;
    client.connect({ token, projectId: "shop" }, () => {
      setConnected(true);
      client.subscribe(destination, (frame) => watch.report({ event: "message", body: frame.body }));
    }, errorCallback);
  }

  function errorCallback(error) {

      setConnected(false);

      if (_breakReason === INVALID_TOKEN) {
          // error callback will be called twice, that's why we record _breakReason with first call
          // we should just leave the callback if _breakReason from last call exist and match invalid_token
          return
      }
      // quit here since token is checked as invalid by server
      // no need to re-connect with same arguments
      if (
          error &&
          error.headers &&
          error.headers.message &&
          error.headers.message.includes('Failed to send message')
      ) {
          _setBreakReason(INVALID_TOKEN)
          return
      }
      reconnect()
  }
  function reconnect() {
      console.log("30s retrying connect")
      setTimeout(() => {
          connect();
      }, Number(wait))
  }

  connect();
  return watch;
}

// modern is an application on @stomp/stompjs that gives up at the first ERROR.
function modern(name, command) {
  const { token, destination } = command;
  const watch = new Watch(name, command);
  const client = new Client({
    webSocketFactory: () => watch.socket(),
    connectHeaders: { token, projectId: "shop" },
    reconnectDelay: Number(wait),
    onConnect: () => {
      watch.report({ event: "connected" });
      client.subscribe(destination, (m) => watch.report({ event: "message", body: m.body }));
    },
    onStompError: () => {
      watch.numbers.errors++;
      client.deactivate();
    },
  });
  client.activate();
  return watch;
}

// resuming is an application on @stomp/stompjs that asks for what it missed. It breaks its own connection after every
// so many messages.
function resuming(name, command) {
  const { token, destination, breakAfter, project: projectId = "shop" } = command;
  const watch = new Watch(name, command);
  const bodies = [];
  let last;
  let left = breakAfter;
  const resumed = [];
  const client = new Client({
    webSocketFactory: () => watch.socket(),
    connectHeaders: token ? { token, projectId } : { projectId },
    reconnectDelay: Number(wait),
    onConnect: () => {
      client.watchForReceipt("subscribed", ({ headers }) => {
        if (last) resumed.push(headers.resumed);
        else last = headers.position; // nothing has come yet: from here on
        watch.report({ event: "subscribed" });
      });
      const headers = { id: "s", receipt: "subscribed" };
      if (last) headers["last-message-id"] = last;
      client.subscribe(destination, (m) => {
        last = m.headers["message-id"];
        bodies.push(m.body);
        watch.report({ event: "message", body: m.body });
        if (--left === 0) {
          left = breakAfter;
          watch.ws.terminate();
        }
      }, headers);
    },
    onStompError: () => watch.numbers.errors++,
  });
  client.activate();
  watch.result = () => {
    watch.report({ event: "bodies", texts: bodies });
    watch.report({ event: "resumed", texts: resumed });
  };
  return watch;
}

const kinds = { owner, modern, resuming };
const applications = new Map();

commands((command) => {
  const { client: name, do: what } = command;
  if (kinds[what]) applications.set(name, kinds[what](name, command));
  else applications.get(name)[what]();
});
