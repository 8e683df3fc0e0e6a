// The page: three forms over a STOMP client and the HTTP API, the messages that arrive, and counts polled from the API.
import { Client } from "./stomp.js";
import { behindUser, fill, guesses, topic } from "./examples.js";

const $ = (id) => document.getElementById(id);

const KEPT = 300; // messages on the page
const SHOWN = 64 * 1024; // characters of a body on the page
const POLL = 2_000; // ms between two looks at the counts
const SELDOM = 5; // polls between two looks at the destinations, which cost a large node more
const HISTORY = 60; // points of a curve
const COLOURS = 8; // of subscriptions, in console.css

// make builds an element: make("li", {class: "x"}, "text", child).
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const number = new Intl.NumberFormat("en");
const rate = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const bytesText = (n) => (n < 1024 ? `${n} B` : n < 1 << 20 ? `${rate.format(n / 1024)} KiB` : `${rate.format(n / (1 << 20))} MiB`);

// ---- Connection

let connection = "idle";
let countdown = 0;

const client = new Client({ state: showState, message: arrived, subscribed: showSubscriptions, refused: showRefused });

function showState(state, detail = {}) {
  connection = state;
  clearInterval(countdown);
  $("status").dataset.state = state;
  $("retry").hidden = state !== "waiting";
  $("connect-button").textContent = state === "idle" || state === "failed" ? "Connect" : "Disconnect";
  $("connect-button").classList.toggle("primary", state === "idle" || state === "failed");
  for (const id of ["ws", "project", "token"]) $(id).readOnly = state !== "idle" && state !== "failed";
  const text = (s) => ($("status-text").textContent = s);
  switch (state) {
    case "idle":
      text("Not connected");
      showAlert("");
      break;
    case "connecting":
      text("Connecting…");
      break;
    case "connected":
      text("Connected" + (detail["user-name"] ? ` as ${detail["user-name"]}` : "") + ` · STOMP ${detail.version || "1.0"}` + (detail.session ? ` · session ${detail.session}` : ""));
      $("status").title = detail.session || "";
      session = detail.session || "";
      user = detail["user-name"] || "";
      showExamples();
      showAlert("");
      break;
    case "waiting": {
      const tick = () => text(`Reconnecting in ${Math.max(0, Math.ceil((detail.until - performance.now()) / 1000))} s`);
      tick();
      countdown = setInterval(tick, 500);
      showAlert(detail.why + ". Subscriptions will resume where they stood.");
      break;
    }
    case "failed":
      text("Refused");
      showAlert(detail.message, detail.code, detail.body);
  }
  showSubscriptions();
}

let session = "";
let user = ""; // of the session, "" for nobody

// showAlert shows trouble in the server's own words, or nothing.
function showAlert(message, code, body) {
  $("alert").dataset.state = connection;
  const parts = [];
  if (message) parts.push(make("strong", {}, message));
  if (code) parts.push(make("code", {}, code));
  if (body && body !== message) parts.push(make("span", {}, body));
  $("alert").replaceChildren(...parts);
  $("alert").hidden = parts.length === 0;
}

// address fills in this page's host where the server left it out, as in ws://:8080/ws.
function address(ws) {
  return ws.replace(/^(wss?:\/\/)(?=[:/])/, (_, scheme) => scheme + location.hostname);
}

$("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  if (connection !== "idle" && connection !== "failed") {
    client.close();
    return;
  }
  client.open(address($("ws").value.trim()), { projectId: $("project").value.trim(), token: $("token").value.trim() });
  $("destination").focus();
});
$("retry").addEventListener("click", () => client.retry());

// ---- Subscriptions

const counts = new Map(); // messages by subscription
let colour = 0;

$("subscribe").addEventListener("submit", (event) => {
  event.preventDefault();
  subscribe($("destination").value.trim());
});

function subscribe(destination) {
  if (!destination) return;
  for (const s of client.subscriptions.values()) {
    if (s.destination === destination) {
      $(s.id)?.focus();
      return;
    }
  }
  $("refused").hidden = true;
  const s = client.subscribe(destination);
  s.colour = colour++ % COLOURS;
  counts.set(s, 0);
  showSubscriptions();
}

function showSubscriptions() {
  stale = true;
  const items = [...client.subscriptions.values()].map((s) => {
    const state = s.live ? (s.resumed === false ? "gap" : "live") : connection === "connected" ? "asked" : "waits";
    const words = { live: s.resumed ? "resumed, nothing missed" : "", gap: "resumed with a gap", asked: "subscribing…", waits: "waits for a connection" }[state];
    return make("li", { class: `subscription c${s.colour} ${state}`, id: s.id, tabindex: "-1" },
      make("span", { class: "name" }, s.destination, make("span", { class: "hint" }, words)),
      make("span", { class: "count", title: "messages received" }, number.format(counts.get(s) ?? 0)),
      make("button", { type: "button", class: "cross", "aria-label": `Unsubscribe from ${s.destination}`, title: "Unsubscribe", onclick: () => {
        client.unsubscribe(s);
        counts.delete(s);
        showSubscriptions();
        $("destination").focus();
      } }, "×"));
  });
  $("subscriptions").replaceChildren(...items);
  showRows();
}

// showRefused says which subscription the server forbade, and why, until the next one is asked for.
function showRefused(s, why) {
  counts.delete(s);
  $("refused").replaceChildren(make("strong", {}, `Refused and removed: ${s.destination}`), make("span", {}, why));
  $("refused").hidden = false;
  showSubscriptions();
}

// examples are the project's own as soon as its rules are known, which takes a key.
let examples = guesses("demo");
let described = null; // {project, key} of them
const offered = new Map(); // what the page put into a field: a person's own text stays

function offer(id, value) {
  if ($(id).value === (offered.get(id) ?? "")) $(id).value = value;
  offered.set(id, value);
}

const projectName = () => $("project").value.trim();

// describe asks for the project's rules when the project or the key is another one than before.
async function describe() {
  const asked = { project: projectName(), key: $("key").value };
  if (described?.project === asked.project && described.key === asked.key) return;
  described = asked;
  examples = guesses(asked.project || "demo");
  if (asked.project && asked.key) {
    const { ok, json } = await call("GET", `/v1/projects/${encodeURIComponent(asked.project)}`);
    if (described !== asked) return; // they changed meanwhile
    if (ok) examples = json.examples;
  }
  showExamples();
}

function showExamples() {
  const all = fill(examples, user);
  const first = all[0] ?? "";
  $("examples").replaceChildren(...all.map((d) =>
    make("button", { type: "button", class: "chip", onclick: () => {
      $("destination").value = d;
      $("destination").focus();
    } }, d)));
  for (const e of document.querySelectorAll("code.first")) e.textContent = first;
  $("destination").placeholder = first;
  $("counts-project").textContent = projectName() ? `project ${projectName()}` : "the project";
  offer("destination", first);
  targetWords.topic[1] = topic(all, projectName());
  targetWords.send[1] = examples.send ?? targetWords.topic[1];
  if (kind === "topic" || kind === "send") {
    $("target").placeholder = targetWords[kind][1];
    offer("target", targetWords[kind][1]);
  }
  offer("user-destination", behindUser(all));
  showCurl();
}
$("project").addEventListener("input", () => {
  described = null;
  examples = guesses(projectName() || "demo");
  showExamples();
});
$("project").addEventListener("change", describe);

// ---- Messages

const strict = new TextDecoder("utf-8", { fatal: true });
let total = 0;
let paused = false;
let waiting = []; // arrived since the list was last drawn
let drawing = false; // it will be, with the next frame of the screen

function arrived(subscription, headers, bytes) {
  total++;
  counts.set(subscription, (counts.get(subscription) ?? 0) + 1);
  waiting.push({ subscription, headers, bytes, time: new Date() });
  if (waiting.length > KEPT) waiting.shift();
  if (!drawing) requestAnimationFrame(showMessages);
  drawing = true;
}

// showMessages runs once a frame of the screen, however many messages arrive.
function showMessages() {
  drawing = false;
  $("received").textContent = total ? `${number.format(total)} received` + (paused ? `, paused` : "") : "";
  for (const s of client.subscriptions.values()) {
    const n = $(s.id)?.querySelector(".count");
    if (n) n.textContent = number.format(counts.get(s) ?? 0);
  }
  if (paused) return;
  const list = $("messages");
  const fresh = waiting.reverse().map(messageItem);
  waiting = [];
  list.prepend(...fresh);
  while (list.children.length > KEPT) list.lastElementChild.remove();
  $("empty").hidden = list.children.length > 0;
}

const clock = (t) => t.toTimeString().slice(0, 8) + "." + String(t.getMilliseconds()).padStart(3, "0");

function messageItem({ subscription, headers, bytes, time }) {
  let body = "";
  let binary = false;
  try {
    body = strict.decode(bytes);
  } catch {
    binary = true;
    body = [...bytes.subarray(0, 512)].map((b) => b.toString(16).padStart(2, "0")).join(" ") + (bytes.length > 512 ? " …" : "");
  }
  const details = make("details", {},
    make("summary", {},
      make("time", { datetime: time.toISOString() }, clock(time)),
      make("span", { class: `tag c${subscription.colour}` }, headers.destination ?? subscription.destination),
      make("span", { class: "preview" }, (binary ? bytesText(bytes.length) + " of binary: " : "") + body.slice(0, 300))));
  // The rest of a message is built when somebody opens it.
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const shown = pretty(body, headers["content-type"]);
    details.append(
      make("table", { class: "headers" }, make("tbody", {}, ...Object.entries(headers).map(([name, value]) =>
        make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value))))),
      make("pre", { tabindex: "0" }, shown.slice(0, SHOWN) + (shown.length > SHOWN ? "\n…" : "")),
      make("p", { class: "hint" }, bytesText(bytes.length)));
  });
  const item = make("li", {}, details);
  item.dataset.text = ((headers.destination ?? "") + " " + body.slice(0, SHOWN)).toLowerCase();
  item.hidden = !matches(item);
  return item;
}

// pretty indents JSON and leaves every token as it came: parsing would round large numbers.
function pretty(body, type) {
  if (!type?.includes("json") || body.length > SHOWN) return body;
  try {
    JSON.parse(body);
  } catch {
    return body;
  }
  let text = "";
  let line = "\n";
  let last = "";
  for (const [token] of body.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const opened = last === "{" || last === "[";
    if (token === "}" || token === "]") {
      line = line.slice(0, -2);
      text += opened ? token : line + token;
    } else {
      text += token === "," || token === ":" || last === "" ? token : last === ":" ? " " + token : line + token;
    }
    if (token === "{" || token === "[") line += "  ";
    last = token;
  }
  return text;
}

const matches = (item) => item.dataset.text.includes($("filter").value.toLowerCase());

$("filter").addEventListener("input", () => {
  for (const item of $("messages").children) item.hidden = !matches(item);
});
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Resume" : "Pause";
  showMessages();
});
$("clear").addEventListener("click", () => {
  waiting = [];
  total = 0;
  $("messages").replaceChildren();
  $("empty").hidden = false;
  for (const s of counts.keys()) counts.set(s, 0);
  showMessages();
});

// ---- Push

const to = () => document.querySelector('input[name="to"]:checked').value;
const targetWords = {
  topic: ["Topic", ""],
  user: ["User", "ann"],
  session: ["Session", "the session's id"],
  send: ["Destination", ""],
};
const targets = {}; // what a person typed for each kind
let kind = "topic";
let devKey = "";

function showTarget() {
  targets[kind] = $("target").value === offered.get("target") ? "" : $("target").value;
  kind = to();
  const [label, placeholder] = targetWords[kind];
  $("target-label").textContent = label;
  $("target").placeholder = placeholder;
  const usual = { session, topic: placeholder, send: placeholder }[kind] ?? "";
  offered.set("target", usual);
  $("target").value = targets[kind] || usual;
  $("behind-user").hidden = kind === "topic" || kind === "send";
  $("key-label").hidden = $("curl-box").hidden = kind === "send";
  $("push-button").textContent = kind === "send" ? "Send" : "Push";
  showCurl();
}

// payloadJSON is the payload as it stands in the request: what is JSON goes byte for byte, anything else as a string.
function payloadJSON() {
  const text = $("payload").value;
  try {
    const value = JSON.parse(text);
    const string = typeof value === "string" && kind !== "send";
    return { json: text.trim(), type: "application/json", kind: string ? "a JSON string: its content is sent" : "JSON, sent byte for byte" };
  } catch {
    return { json: JSON.stringify(text), type: "text/plain;charset=UTF-8", kind: "text" };
  }
}

function headerLines() {
  const headers = {};
  for (const line of $("headers").value.split("\n")) {
    const colon = line.indexOf(":");
    if (line.trim() === "") continue;
    if (colon < 1) throw new Error(`“${line}” is no header: write name: value`);
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return headers;
}

// requestBody writes the push by hand, since JSON.stringify would rewrite the payload.
function requestBody() {
  const target = $("target").value.trim();
  const members = [`${JSON.stringify(kind)}:${JSON.stringify(target)}`];
  if (kind !== "topic") members.push(`"destination":${JSON.stringify($("user-destination").value.trim())}`);
  members.push(`"payload":${payloadJSON().json}`);
  const headers = headerLines();
  if (Object.keys(headers).length) members.push(`"headers":${JSON.stringify(headers)}`);
  if ($("push-id").value.trim()) members.push(`"id":${JSON.stringify($("push-id").value.trim())}`);
  if ($("ttl").value) members.push(`"ttl_ms":${Number($("ttl").value)}`);
  return `{${members.join(",")}}`;
}

const pushPath = () => `/v1/projects/${encodeURIComponent($("project").value.trim())}/push`;
const shellQuote = (s) => "'" + s.replaceAll("'", "'\\''") + "'";

function showCurl() {
  $("payload-kind").textContent = $("payload").value ? payloadJSON().kind : "";
  let body;
  try {
    body = requestBody();
  } catch (e) {
    $("curl").textContent = e.message;
    return;
  }
  // Only the key of development is shown; any other one is left to the shell.
  const key = $("key").value;
  const header = key && key === devKey ? shellQuote("Authorization: Bearer " + key) : '"Authorization: Bearer $STENTOR_API_KEY"';
  $("curl").textContent = `curl -sS ${shellQuote(location.origin + pushPath())} \\\n  -H ${header} \\\n  -H 'Content-Type: application/json' \\\n  -d ${shellQuote(body)}`;
}

async function call(method, path, body) {
  const headers = {};
  if ($("key").value) headers.Authorization = "Bearer " + $("key").value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body, cache: "no-store" });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = { detail: text };
  }
  return { ok: response.ok, status: response.status, json };
}

function showAnswer(ok, head, text) {
  $("answer").hidden = false;
  $("answer").dataset.ok = String(ok);
  $("answer").replaceChildren(make("strong", {}, head), make("span", {}, text));
}

async function push() {
  if (!$("push").reportValidity()) return;
  const begun = performance.now();
  const took = () => `${Math.max(1, Math.round(performance.now() - begun))} ms`;
  $("push-button").disabled = true;
  try {
    if (kind === "send") {
      await client.send($("target").value.trim(), { "content-type": payloadJSON().type, ...headerLines() }, $("payload").value);
      showAnswer(true, `Receipt in ${took()}`, "What the project does with it, ignore, push or deny, its configuration says.");
    } else {
      const { ok, status, json } = await call("POST", pushPath(), requestBody());
      if (ok) showAnswer(true, `${status} in ${took()}`, `id ${json.id}, position ${json.position}`);
      else showAnswer(false, `${status} ${json.title ?? ""}`, json.detail ?? "");
    }
  } catch (e) {
    showAnswer(false, "Not sent", e.message);
  } finally {
    $("push-button").disabled = false;
  }
}

$("push").addEventListener("submit", (event) => {
  event.preventDefault();
  push();
});
$("push").addEventListener("input", (event) => (event.target.name === "to" ? showTarget() : showCurl()));
$("push").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    push();
  }
});
$("copy").addEventListener("click", async () => {
  const text = $("curl").textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard outside of secure contexts: selecting it is the next best.
    getSelection().selectAllChildren($("curl"));
    done = document.execCommand("copy");
  }
  $("copy").textContent = done ? "Copied" : "Press Ctrl+C";
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
});

// ---- Counts

const curves = { sessions: [], subscriptions: [], pushes: [], deliveries: [] };
let before = null; // the counts of the last poll
let rows = [];
let polling = false;
let polls = 0;
let stale = true; // the destinations are not what they were when they were last looked at

function curve(name, value, text) {
  const points = curves[name];
  points.push(value);
  if (points.length > HISTORY) points.shift();
  const most = Math.max(...points, 1);
  const step = 100 / (HISTORY - 1);
  const from = 100 - (points.length - 1) * step;
  $("s-" + name).firstElementChild.setAttribute("points", points.map((v, i) => `${(from + i * step).toFixed(1)},${(23 - (v / most) * 21).toFixed(1)}`).join(" "));
  $("n-" + name).textContent = text;
}

function forget(note) {
  before = null;
  stale = true;
  rows = [];
  for (const name of Object.keys(curves)) {
    curves[name] = [];
    $("n-" + name).textContent = "–";
    $("s-" + name).firstElementChild.removeAttribute("points");
  }
  $("counts-note").textContent = note;
  showRows();
}

async function poll() {
  const project = projectName();
  if (polling || document.hidden) return;
  if (!project || !$("key").value) {
    forget("needs a project and an API key");
    return;
  }
  polling = true;
  try {
    const path = `/v1/projects/${encodeURIComponent(project)}`;
    const stats = await call("GET", path + "/stats");
    const listed = stats.ok && (stale || polls++ % SELDOM === 0) ? await call("GET", path + "/destinations?order=subscriptions&limit=50") : null;
    if (!stats.ok || listed?.ok === false) {
      forget((listed ?? stats).json.detail ?? "");
      return;
    }
    stale = false;
    const now = { at: performance.now(), project, ...stats.json };
    curve("sessions", now.sessions, number.format(now.sessions));
    curve("subscriptions", now.subscriptions, number.format(now.subscriptions));
    if (before?.project === project) {
      const seconds = (now.at - before.at) / 1000;
      for (const name of ["pushes", "deliveries"]) {
        const perSecond = Math.max(0, now[name] - before[name]) / seconds;
        curve(name, perSecond, rate.format(perSecond));
      }
    }
    before = now;
    $("counts-note").textContent = "";
    if (!listed) return;
    rows = listed.json.destinations;
    $("destinations-total").textContent = listed.json.total ? number.format(listed.json.total) : "";
    $("destinations").replaceChildren(...rows.slice(0, 20).map((d) => make("option", { value: d.destination })));
    showRows();
  } catch {
    forget("the API does not answer");
  } finally {
    polling = false;
  }
}

let shownRows = "";

// showRows draws the table again only when it changed, so that a focused button stays.
function showRows() {
  const mine = new Set([...client.subscriptions.values()].map((s) => s.destination));
  const now = JSON.stringify([rows, [...mine]]);
  if (now === shownRows) return;
  shownRows = now;
  $("rows").replaceChildren(...rows.map((d) => make("tr", {},
    make("td", {}, make("code", {}, d.destination), ...(d.pattern ? [make("span", { class: "badge" }, "pattern")] : [])),
    make("td", { class: "number" }, number.format(d.subscriptions)),
    make("td", { class: "number detached" }, number.format(d.detached)),
    make("td", { class: "number" }, mine.has(d.destination) ? make("span", { class: "hint" }, "subscribed")
      : make("button", { type: "button", class: "small", "aria-label": `Subscribe to ${d.destination}`, onclick: () => subscribe(d.destination) }, "Subscribe")))));
  $("table").hidden = rows.length === 0;
  $("no-destinations").hidden = rows.length > 0;
  $("no-destinations").textContent = before ? "Nobody subscribes to anything on this node yet." : "What this node's clients subscribe to, with an API key.";
  if (!rows.length) $("destinations-total").textContent = "";
}

// ---- Start

async function start() {
  $("payload").value = '{"text": "Hello from Stentor"}';
  try {
    const first = (await call("GET", "/console.json")).json;
    $("ws").value = address(first.ws ?? "");
    $("project").value = first.project ?? "";
    $("key").value = devKey = first.api_key ?? "";
  } catch {
    showAlert("The API does not answer: reload the page when the server runs again.");
  }
  await describe();
  showTarget();
  showState("idle");
  $("connect-button").focus({ preventScroll: true });
  poll();
  setInterval(poll, POLL);
  document.addEventListener("visibilitychange", poll);
  $("key").addEventListener("change", () => {
    describe();
    poll();
  });
}

start();
