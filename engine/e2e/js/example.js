// Runs the example of docs/clients.md as it stands there. Arguments: the file with its text, and the URL that stands for
// the example's. The example asks for a token ("token") and gets the one of the next command; what it shows is "message".
// {"client": "example", "do": "token", "token": ...} gives it a token.
import { readFileSync, writeFileSync, rmSync } from "node:fs";
import WebSocket from "ws";
import { emit, commands } from "./lines.js";

const [file, url] = process.argv.slice(2);
const published = "wss://push.example.com/ws";

const text = readFileSync(file, "utf8");
if (!text.includes(published)) throw new Error(`the example names no ${published}`);

globalThis.WebSocket = WebSocket;
let give;
globalThis.freshToken = () => {
  const token = new Promise((resolve) => (give = resolve));
  emit({ client: "example", event: "token" });
  return token;
};
globalThis.show = (body) => emit({ client: "example", event: "message", body: JSON.stringify(body) });

// A module of its own, beside the packages that it imports.
const module = new URL(`./node_modules/.example-${process.pid}.js`, import.meta.url);
writeFileSync(module, text.replace(published, url));
try {
  await import(module);
} finally {
  rmSync(module);
}

commands(({ token }) => give(token));
