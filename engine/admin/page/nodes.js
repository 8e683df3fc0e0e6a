// The view Nodes: all nodes of the cluster as the one that answers sees them, live, with curves of one or of all.
import { $, bytes, compact, make, number, percent, rate, span, write } from "./dom.js";
import { Poll, call, onKey } from "./api.js";
import { Chart, known, push } from "./chart.js";
import { Table, text } from "./table.js";
import { local } from "./local.js";

const POLL = 2_000; // ms; a node tells the others of itself each second

const CURVES = {
  connections: { label: "Connections", format: number, axis: compact, over: sum },
  deliveries: { label: "Deliveries / s", format: rate, axis: compact, over: sum },
  cpu: { label: "CPU", format: percent, over: highest, least: 0.1 },
  late_ms: { label: "Lateness", format: span, over: highest, least: 10 },
};
const ALL = ""; // the id of the curves over all nodes

const poll = new Poll(POLL, look);
let table = null;
let charts = null;
let history = new Map(); // by node and ALL: {times, and a list for each curve}
let chosen = ALL;
let last = []; // the nodes of the last poll
let listed = true; // the node has a list, which the key may see
let forbidden = false; // it may not

export const view = {
  show() {
    table ??= build();
    poll.start();
  },
  hide: () => poll.stop(),
};

onKey(() => {
  listed = true;
  forbidden = false;
  history = new Map();
  chosen = ALL;
});

function sum(values) {
  return values.reduce((n, v) => n + (v ?? 0), 0);
}

function highest(values) {
  return values.reduce((n, v) => Math.max(n, v ?? 0), 0);
}

// states has what is said of a node's state, and how much it matters.
function states(n) {
  const all = [];
  if (n.state === "suspect") all.push(["not heard of", "bad"]);
  else if (n.state === "left") all.push(["left", "bad"]);
  else if (n.draining) all.push(["draining", "warn"]);
  else if (!n.ready) all.push(["not ready", "warn"]);
  else all.push(["ready", "good"]);
  if (n.sealed === false && last.some((other) => other.sealed)) all.push(["not sealed", "warn"]);
  return all;
}

// troubles counts the nodes that are not as they should be, by what is said of them.
function troubles() {
  const counts = new Map();
  for (const [words, how] of last.flatMap(states)) if (how !== "good") counts.set(words, (counts.get(words) ?? 0) + 1);
  return [...counts].map(([words, n]) => `${number(n)} ${words}`).join(", ");
}

// told is a number that nodes of older versions do not send.
const told = (n, value) => (n.version || n.self ? value : NaN);

function build() {
  charts = Object.fromEntries(Object.entries(CURVES).map(([name, c]) => [name, new Chart($("node-charts"), c)]));
  $("nodes-filter").addEventListener("input", show);
  $("nodes-all").addEventListener("click", () => pick(ALL));
  return new Table($("nodes-table"), (n) => n.id, [
    { label: "Node", by: (n) => n.id, wide: true, fill: name },
    { label: "State", by: (n) => states(n)[0][0], wide: true, fill: state },
    { label: "Connections", by: (n) => n.connections, fill: connections },
    text("Opening / s", (n) => told(n, n.opening), rate),
    text("Deliveries / s", (n) => told(n, n.deliveries), rate),
    text("CPU", (n) => told(n, n.cpu), percent),
    text("Memory", (n) => told(n, n.memory), bytes),
    { ...text("Late", (n) => n.late_ms, span), title: "How long after the end of the bus this node reads" },
    { ...text("Heard", (n) => n.heard_ms, (ms) => (ms < 0 ? "never" : span(ms))), title: "Since it was heard of last" },
    text("Version", (n) => n.version ?? "older", String, true),
  ]);
}

function name(td, n) {
  if (!td.firstChild) td.append(make("button", { type: "button", class: "name", onclick: () => pick(chosen === n.id ? ALL : n.id) }, n.id), make("span", { class: "badge" }, "this one"));
  td.firstChild.setAttribute("aria-pressed", String(chosen === n.id));
  td.lastChild.hidden = !n.self || last.length < 2;
  td.firstChild.title = [...(n.urls ?? []), n.api ?? ""].join(" ").trim();
}

function state(td, n) {
  const now = states(n);
  const seen = JSON.stringify(now);
  if (td.dataset.seen === seen) return;
  td.dataset.seen = seen;
  td.replaceChildren(...now.map(([words, how]) => make("span", { class: `badge ${how}` }, words)));
}

function connections(td, n) {
  if (!td.firstChild) td.append(make("span"), make("meter", { min: 0, max: 1, high: 0.9, low: 0.75, optimum: 0 }));
  write(td.firstChild, !n.version && !n.self ? "–" : n.capacity ? `${number(n.connections)} of ${compact(n.capacity)}` : number(n.connections));
  td.lastChild.hidden = !n.capacity;
  td.lastChild.value = n.capacity ? n.connections / n.capacity : 0;
  td.lastChild.setAttribute("aria-label", `${percent(td.lastChild.value)} of the capacity of ${n.id}`);
}

function pick(id) {
  chosen = id;
  show();
}

function say(words, state = "") {
  $("nodes-answer").textContent = words;
  $("nodes-answer").hidden = words === "";
  $("nodes-answer").dataset.state = state;
}

// ask has the list, or this node alone where the key may not see the list or the node has none.
async function ask() {
  if (listed) {
    const { ok, status, json } = await call("GET", "/v1/nodes");
    if (ok) return json;
    if (status !== 403 && status !== 404) throw new Error(json.detail ?? "the nodes are not known");
    listed = false;
    forbidden = status === 403;
  }
  return local();
}

async function look() {
  let answer;
  try {
    answer = await ask();
  } catch (e) {
    say(e instanceof TypeError ? "The API does not answer." : e.message);
    return;
  }
  say(answer.stale_ms > 0 ? `Nothing was heard of the nodes for ${span(answer.stale_ms)}: this is how they were.` : "", "waiting");
  $("nodes-note").textContent = forbidden ? "this one: the admin key shows all" : "";
  last = answer.nodes;
  remember();
  show();
}

function remember() {
  const now = Date.now() / 1000;
  const ids = new Set(last.map((n) => n.id).concat(ALL));
  for (const id of history.keys()) if (!ids.has(id)) history.delete(id);
  if (!ids.has(chosen)) chosen = ALL;
  const add = (id, value) => {
    if (!history.has(id)) history.set(id, { times: [], ...Object.fromEntries(Object.keys(CURVES).map((c) => [c, []])) });
    const lists = history.get(id);
    push(lists.times, now);
    for (const c of Object.keys(CURVES)) push(lists[c], known(value(c)));
  };
  for (const n of last) add(n.id, (c) => n[c]);
  const live = last.filter((n) => n.state === "up");
  add(ALL, (c) => CURVES[c].over(live.map((n) => n[c])));
}

function show() {
  const wanted = $("nodes-filter").value.trim().toLowerCase();
  const live = last.filter((n) => n.state === "up");
  const capacity = sum(live.map((n) => n.capacity));
  const open = sum(live.map((n) => n.connections));
  write($("sum-nodes"), `${number(live.filter((n) => n.ready && !n.draining).length)} of ${number(last.length)}`);
  write($("sum-states"), troubles());
  write($("sum-connections"), number(open));
  write($("sum-capacity"), capacity ? `${percent(open / capacity)} of ${compact(capacity)}` : "");
  write($("sum-opening"), rate(sum(live.map((n) => known(n.opening)))));
  write($("sum-deliveries"), rate(sum(live.map((n) => known(n.deliveries)))));
  const found = last.filter((n) => (n.id + " " + states(n).join(" ") + " " + (n.version ?? "")).toLowerCase().includes(wanted));
  table.update(found);
  write($("nodes-none"), last.length ? "No node fits the filter." : "No node is known yet: each says of itself once a second that it is there.");
  $("nodes-none").hidden = found.length > 0;
  $("nodes-tools").hidden = last.length < 2;
  $("nodes-all").hidden = chosen === ALL;
  write($("h-node-charts"), chosen || (last.length > 1 ? "All nodes" : "This node"));
  const lists = history.get(chosen);
  if (lists) for (const [c, chart] of Object.entries(charts)) chart.set(lists.times, lists[c]);
}
