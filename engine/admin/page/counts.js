// What the project has and does: the tiles and the destinations of the view Try.
import { $, make, number, rate, write } from "./dom.js";
import { Poll, call, key, note, onKey, projectPath } from "./api.js";
import { line } from "./line.js";

const POLL = 2_000; // ms between two looks at the counts
const SELDOM = 5; // polls between two looks at the destinations, which cost a large node more
const HISTORY = 60; // points of a curve

const curves = { sessions: [], subscriptions: [], pushes: [], deliveries: [] };
let before = null; // the counts of the last poll
let rows = [];
let polls = 0;
let stale = true; // the destinations are not what they were when they were last looked at
let project = null;
let mine = null;
let subscribe = null;

export const counting = new Poll(POLL, look);

// startCounts begins. o has project() for the project's name, mine() for the page's own destinations, and
// subscribe(destination).
export function startCounts(o) {
  ({ project, mine, subscribe } = o);
  onKey(() => counting.now());
}

// changed is called when the page subscribed to something, or to something less.
export function changed() {
  stale = true;
  showRows();
}

function curve(name, value, text) {
  const points = curves[name];
  points.push(value);
  if (points.length > HISTORY) points.shift();
  line($("s-" + name), points, HISTORY);
  write($("n-" + name), text);
}

function forget(note) {
  before = null;
  stale = true;
  rows = [];
  for (const name of Object.keys(curves)) {
    curves[name] = [];
    $("n-" + name).textContent = "–";
    line($("s-" + name), [], HISTORY);
  }
  $("counts-note").textContent = note;
  showRows();
}

async function look() {
  const name = project();
  if (!name || !key()) {
    forget("needs a project and an API key");
    return;
  }
  try {
    const path = projectPath(name);
    const stats = await call("GET", path + "/stats");
    const listed = stats.ok && (stale || polls++ % SELDOM === 0) ? await call("GET", path + "/destinations?order=subscriptions&limit=50") : null;
    if (!stats.ok || listed?.ok === false) {
      forget((listed ?? stats).json.detail ?? "");
      return;
    }
    stale = false;
    const now = { at: performance.now(), name, ...stats.json };
    curve("sessions", now.sessions, number(now.sessions));
    curve("subscriptions", now.subscriptions, number(now.subscriptions));
    if (before?.name === name) {
      const seconds = (now.at - before.at) / 1000;
      for (const counter of ["pushes", "deliveries"]) {
        const perSecond = Math.max(0, now[counter] - before[counter]) / seconds;
        curve(counter, perSecond, rate(perSecond));
      }
    }
    before = now;
    note($("counts-note"), "", stats.json);
    if (!listed) return;
    rows = listed.json.destinations;
    $("destinations-total").textContent = listed.json.total ? number(listed.json.total) : "";
    $("destinations").replaceChildren(...rows.slice(0, 20).map((d) => make("option", { value: d.destination })));
    showRows();
  } catch {
    forget("the API does not answer");
  }
}

let shownRows = "";

// showRows draws the table again only when it changed, so that a focused button stays.
function showRows() {
  const own = new Set(mine());
  const now = JSON.stringify([rows, [...own]]);
  if (now === shownRows) return;
  shownRows = now;
  $("rows").replaceChildren(...rows.map((d) => make("tr", {},
    make("td", {}, make("code", {}, d.destination), ...(d.pattern ? [make("span", { class: "badge" }, "pattern")] : [])),
    make("td", { class: "number" }, number(d.subscriptions)),
    make("td", { class: "number detached" }, number(d.detached)),
    make("td", { class: "number" }, own.has(d.destination) ? make("span", { class: "hint" }, "subscribed")
      : make("button", { type: "button", class: "small", "aria-label": `Subscribe to ${d.destination}`, onclick: () => subscribe(d.destination) }, "Subscribe")))));
  $("table").hidden = rows.length === 0;
  $("no-destinations").hidden = rows.length > 0;
  $("no-destinations").textContent = before ? "Nobody subscribes to anything yet." : "What clients subscribe to, with an API key.";
  if (!rows.length) $("destinations-total").textContent = "";
}
