// Pages with sockjs-client in Chromium. Arguments: the browser's program, and the address of a node. {"client": name, "do":
// "connect", page, library, transport, url, headers, destination} opens that page and a client in it, over a WebSocket where it names no
// transport, {"do": "close"} closes it.
import { readFile } from "node:fs/promises";
import { open } from "./browser.js";
import { emit, commands } from "./lines.js";

const [executablePath, address] = process.argv.slice(2);
const { page: first } = await open({ executablePath, address });
const context = first.context();
const modules = new URL("./node_modules/", import.meta.url);
const scripts = await Promise.all(
  ["sockjs-client/dist/sockjs.min.js", "@stomp/stompjs/bundles/stomp.umd.min.js", "stompjs/lib/stomp.min.js"].map((f) => readFile(new URL(f, modules), "utf8")),
);
const [sockjs, modern, classic] = scripts;
const pages = new Map();

// client runs in the page. Both libraries call themselves Stomp, or StompJs.
function client({ library, transport, url, headers, destination }) {
  const report = (event) => window.report(event);
  const socket = () => {
    const s = transport ? new SockJS(url, null, { transports: transport, timeout: 20_000 }) : new WebSocket(url, ["v12.stomp", "v11.stomp"]);
    s.addEventListener("open", () => report({ event: "open", texts: [s.transport ?? s.extensions] }));
    s.addEventListener("close", ({ code, reason }) => report({ event: "close", code, reason }));
    return s;
  };
  const message = (m) => report({ event: "message", headers: m.headers, body: m.body });
  const subscribe = (c, headers) => {
    c.subscribe(destination, message, { id: "s" });
    report({ event: "connected", headers });
  };
  if (library === "stompjs") {
    const c = Stomp.over(socket());
    c.debug = null;
    c.heartbeat = { outgoing: 0, incoming: 0 };
    c.connect(headers, (frame) => subscribe(c, frame.headers), () => {});
    window.send = (body) => c.send(destination, {}, body);
    return;
  }
  const c = new StompJs.Client({ webSocketFactory: socket, connectHeaders: headers, reconnectDelay: 0, heartbeatIncoming: 0, heartbeatOutgoing: 0, onConnect: (frame) => subscribe(c, frame.headers) });
  window.send = (body) => c.publish({ destination, body });
  c.activate();
}

const steps = {
  async connect(command) {
    const page = await context.newPage();
    pages.set(command.client, page);
    page.on("pageerror", (e) => emit({ client: command.client, event: "trouble", reason: String(e) }));
    await page.exposeFunction("report", (event) => emit({ client: command.client, ...event }));
    await page.goto(command.page);
    await page.evaluate(sockjs);
    await page.evaluate(command.library === "stompjs" ? classic : modern);
    await page.evaluate(client, command);
  },
  async send({ client: name, body }) {
    await pages.get(name).evaluate((body) => window.send(body), body);
  },
  async close({ client: name }) {
    await pages.get(name).close();
    emit({ client: name, event: "closed" });
  },
  async end() {
    await context.browser().close();
    emit({ client: "page", event: "end" });
  },
};

commands((command) => steps[command.do](command));
