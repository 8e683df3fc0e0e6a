// The view Try: three forms over the client library and the HTTP API, the messages that arrive, and counts.
import { Client as Library } from "./library.js";
import { Client as Plain } from "./stomp.js";
import { behindUser, fill, guesses, topic } from "./examples.js";
import { $, make, number } from "./dom.js";
import { call, key, onKey, projectPath, setKey } from "./api.js";
import { arrived, forget, received } from "./messages.js";
import { offerTargets, setSession, showCurl, startPush } from "./push.js";
import { changed, counting, startCounts } from "./counts.js";

const COLOURS = 8; // of subscriptions, in console.css

export const view = { show: () => counting.start(), hide: () => counting.stop() };

const projectName = () => $("project").value.trim();

// ---- Connection

let connection = "idle";
let countdown = 0;
let met = false; // the server has accepted this client since Connect was pressed
let user = ""; // of the session, "" for nobody

const on = { state: showState, message: arrived, subscribed: showSubscriptions, refused: showRefused };
const client = await import("./stentor.js").then(
  (module) => new Library(module.StentorClient, on),
  () => new Plain(on), // the node was built without the library
);

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
      met = false;
      text("Not connected");
      showAlert("");
      break;
    case "connecting":
      text("Connecting…");
      break;
    case "connected":
      met = true;
      text("Connected" + (detail["user-name"] ? ` as ${detail["user-name"]}` : "") + ` · STOMP ${detail.version || "1.0"}` + (detail.session ? ` · session ${detail.session}` : ""));
      $("status").title = detail.session || "";
      user = detail["user-name"] || "";
      setSession(detail.session || "");
      showExamples();
      showAlert("");
      break;
    case "waiting": {
      // No browser tells a page why a handshake failed.
      const then = met ? "Subscriptions will resume where they stood." : `If the server refused, its log says why: the endpoint's origins may lack ${location.origin}.`;
      const tick = () => text(`Reconnecting in ${Math.max(0, Math.ceil((detail.until - performance.now()) / 1000))} s`);
      tick();
      countdown = setInterval(tick, 500);
      showAlert(`${detail.why}. ${then}`);
      break;
    }
    case "failed":
      met = false;
      text("Refused");
      showAlert(detail.message, detail.code, detail.body);
  }
  showSubscriptions();
}

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
  client.open(address($("ws").value.trim()), { projectId: projectName(), token: $("token").value.trim() });
  $("destination").focus();
});
$("retry").addEventListener("click", () => client.retry());

// ---- Subscriptions

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
  showSubscriptions();
}

function showSubscriptions() {
  const items = [...client.subscriptions.values()].map((s) => {
    const state = s.live ? (s.resumed === false ? "gap" : "live") : connection === "connected" ? "asked" : "waits";
    const words = { live: s.resumed ? "resumed, nothing missed" : "", gap: "resumed with a gap", asked: "subscribing…", waits: "waits for a connection" }[state];
    return make("li", { class: `subscription c${s.colour} ${state}`, id: s.id, tabindex: "-1" },
      make("span", { class: "name" }, s.destination, make("span", { class: "hint" }, words)),
      make("span", { class: "count", title: "messages received" }, number(received(s))),
      make("button", { type: "button", class: "cross", "aria-label": `Unsubscribe from ${s.destination}`, title: "Unsubscribe", onclick: () => {
        client.unsubscribe(s);
        forget(s);
        showSubscriptions();
        $("destination").focus();
      } }, "×"));
  });
  $("subscriptions").replaceChildren(...items);
  $("subscriptions").hidden = items.length === 0;
  changed();
}

// showRefused says which subscription the server forbade, and why, until the next one is asked for.
function showRefused(s, why) {
  forget(s);
  $("refused").replaceChildren(make("strong", {}, `Refused and removed: ${s.destination}`), make("span", {}, why));
  $("refused").hidden = false;
  showSubscriptions();
}

// ---- Examples

// They are the project's own as soon as its rules are known, which takes a key.
let examples = guesses("demo");
let described = null; // {project, key} of them
let usual = ""; // what the page put into the field: a person's own text stays

// describe asks for the project's rules when the project or the key is another one than before.
async function describe() {
  const asked = { project: projectName(), key: key() };
  if (described?.project === asked.project && described.key === asked.key) return;
  described = asked;
  examples = guesses(asked.project || "demo");
  if (asked.project && asked.key) {
    const { ok, json } = await call("GET", projectPath(asked.project) + "?node=local").catch(() => ({}));
    if (described !== asked) return; // they changed meanwhile
    if (ok) examples = json.examples;
  }
  showExamples();
}

function showExamples() {
  const all = fill(examples, user);
  const first = all[0] ?? "";
  $("examples").replaceChildren(...all.map((d) =>
    make("li", {}, make("button", { type: "button", class: "chip", onclick: () => {
      $("destination").value = d;
      $("destination").focus();
    } }, d))));
  for (const e of document.querySelectorAll("code.first")) e.textContent = first;
  $("destination").placeholder = first;
  if ($("destination").value === usual) $("destination").value = first;
  usual = first;
  $("counts-project").textContent = projectName() ? `Project ${projectName()}` : "The project";
  const name = topic(all, projectName());
  offerTargets({ topic: name, send: examples.send ?? all.find((d) => d.endsWith(name)) ?? "", behindUser: behindUser(all) });
}

$("project").addEventListener("input", () => {
  described = null;
  examples = guesses(projectName() || "demo");
  showExamples();
});
$("project").addEventListener("change", describe);

// ---- Start

// start fills the fields with what the server suggests, answered by GET /console.json or null.
export async function start(first) {
  if (first) {
    $("ws").value = address(first.ws ?? "");
    $("project").value = first.project ?? "";
  } else {
    showAlert("The API does not answer: reload the page when the server runs again.");
  }
  $("key").value = key();
  $("key").addEventListener("change", () => setKey($("key").value.trim()));
  onKey(() => {
    $("key").value = key();
    describe();
    showCurl();
  });
  startCounts({ project: projectName, mine: () => [...client.subscriptions.values()].map((s) => s.destination), subscribe });
  startPush({ project: projectName, send: (...frame) => client.send(...frame), shown: (k) => (k !== "" && [first?.api_key, first?.admin_key].includes(k) ? first.api_key : "") });
  if (first) showState("idle");
  await describe();
  // On a small screen what a push did is nearer without the command line.
  $("curl-box").open = matchMedia("(min-width: 901px)").matches;
}
