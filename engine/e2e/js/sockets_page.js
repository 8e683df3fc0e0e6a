// WebSockets of pages in Chromium, driven by the Go test, see compression_test.go: each client is a page. Arguments: the browser's
// program, and the address of a page.
import { open as browse } from "./browser.js";
import { emit, commands } from "./lines.js";

const [executablePath, address] = process.argv.slice(2);
const { page: first } = await browse({ executablePath, address });
const browser = first.context().browser();
const pages = new Map();

// connect runs in the page.
function connect(url) {
  const ws = (window.socket = new WebSocket(url, ["v12.stomp"]));
  ws.binaryType = "arraybuffer";
  const base64 = (bytes) => {
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  };
  ws.onopen = () => window.report({ event: "open", protocol: ws.protocol, reason: ws.extensions });
  ws.onclose = ({ code, reason }) => window.report({ event: "close", code, reason });
  ws.onmessage = ({ data }) => {
    const binary = typeof data !== "string";
    window.report({ event: "message", binary, base64: base64(binary ? new Uint8Array(data) : new TextEncoder().encode(data)) });
  };
}

const steps = {
  async open({ client, url, agent }) {
    const context = await browser.newContext({ userAgent: agent, ignoreHTTPSErrors: false });
    const page = await context.newPage();
    const held = {};
    pages.set(client, { page, context, held });
    page.on("dialog", (d) => {
      held.dialog = d; // the page's script stands still until it is dismissed
      emit({ client, event: "paused" });
    });
    await page.exposeFunction("report", (event) => emit({ client, ...event }));
    await page.goto(address);
    await page.evaluate(connect, url);
  },
  async send({ client, base64, binary }) {
    await pages.get(client).page.evaluate(
      ([base64, binary]) => {
        const bytes = Uint8Array.from(atob(base64 ?? ""), (c) => c.charCodeAt(0));
        window.socket.send(binary ? bytes : new TextDecoder().decode(bytes));
      },
      [base64, binary],
    );
  },
  async pause({ client }) {
    await pages.get(client).page.evaluate(() => void setTimeout(() => alert("a page that does nothing")));
  },
  async "go on"({ client }) {
    await pages.get(client).held.dialog.dismiss();
  },
  async drop({ client }) {
    await pages.get(client).context.close();
    emit({ client, event: "close", code: 1006 });
  },
  async close({ client }) {
    await pages.get(client).page.evaluate(() => window.socket.close());
  },
  async end() {
    await browser.close();
    emit({ client: "page", event: "end" });
  },
};

commands((command) => steps[command.do](command));
