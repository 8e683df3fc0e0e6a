// The view Projects: what each has and does, on all nodes, and of one of them the curves and the top destinations.
import { $, amount, cell, compact, make, number, rate, row } from "./dom.js";
import { Poll, call, note, onKey, projectPath } from "./api.js";
import { Chart, known, push } from "./chart.js";
import { Rates } from "./rates.js";
import { Table, text } from "./table.js";
import { choose, project } from "./chosen.js";
import { find } from "./sessions.js";

const POLL = 2_000; // ms
const PAGE = 100; // projects of a page
const SELDOM = 5; // polls between two looks at the destinations, which cost a large node more
const TOP = 20;

const rates = new Rates();
const poll = new Poll(POLL, look);
let table = null;
let charts = null;
let after = ""; // cursor of the page that is shown
let next = "";
let of = ""; // the project of the curves
let curves = null;
let polls = 0;

export const view = {
  show() {
    table ??= build();
    poll.start();
  },
  hide: () => poll.stop(),
};

onKey(() => {
  after = "";
  forget();
});

function build() {
  charts = {
    sessions: new Chart($("project-charts"), { label: "Sessions", format: number, axis: compact }),
    pushes: new Chart($("project-charts"), { label: "Pushes / s", format: rate, axis: compact }),
    deliveries: new Chart($("project-charts"), { label: "Deliveries / s", format: rate, axis: compact }),
  };
  return new Table($("projects-table"), (p) => p.project, [
    { label: "Project", by: (p) => p.project, wide: true, fill: name },
    text("Names", (p) => p.destinations, String, true),
    text("Sessions", (p) => p.sessions, number),
    text("Subscriptions", (p) => p.subscriptions, number),
    text("Pushes / s", (p) => p.pushRate, rate),
    text("Deliveries / s", (p) => p.deliveryRate, rate),
  ]);
}

function name(td, p) {
  if (!td.firstChild) {
    td.append(make("button", { type: "button", class: "name", onclick: () => {
      choose(p.project);
      polls = 0;
      poll.now();
      mark();
    } }, p.project));
  }
  td.firstChild.setAttribute("aria-pressed", String(p.project === project()));
}

const mark = () => {
  for (const button of $("projects-table").querySelectorAll("button.name")) button.setAttribute("aria-pressed", String(button.textContent === project()));
};

function forget() {
  rates.clear();
  of = "";
  polls = 0;
}

function say(words) {
  $("projects-answer").textContent = words;
  $("projects-answer").hidden = words === "";
}

async function look() {
  try {
    const { ok, json } = await call("GET", `/v1/projects?limit=${PAGE}` + (after && `&after=${encodeURIComponent(after)}`));
    if (!ok) {
      say(json.detail ?? "");
      return;
    }
    say("");
    const at = performance.now();
    for (const p of json.projects) {
      p.pushRate = rates.of(p.project + " pushes", p.pushes, at);
      p.deliveryRate = rates.of(p.project + " deliveries", p.deliveries, at);
    }
    next = json.next ?? "";
    note($("projects-note"), "", json);
    $("projects-next").hidden = next === "";
    $("projects-first").hidden = after === "";
    if (!json.projects.some((p) => p.project === project())) choose(json.projects[0]?.project ?? "");
    table.update(json.projects);
    draw(json.projects.find((p) => p.project === project()));
    if (polls++ % SELDOM === 0) await destinations();
  } catch {
    say("The API does not answer.");
    rates.clear();
  }
}

// draw adds what is known of the chosen project to its curves.
function draw(p) {
  $("project-detail").hidden = !p;
  if (!p) return;
  if (of !== p.project) {
    of = p.project;
    curves = { times: [], sessions: [], pushes: [], deliveries: [] };
    $("h-project").firstChild.textContent = of + " ";
    polls = 0;
  }
  push(curves.times, Date.now() / 1000);
  push(curves.sessions, p.sessions);
  push(curves.pushes, known(p.pushRate));
  push(curves.deliveries, known(p.deliveryRate));
  for (const [what, chart] of Object.entries(charts)) chart.set(curves.times, curves[what]);
}

async function destinations() {
  const asked = project();
  if (!asked) return;
  const { ok, json } = await call("GET", `${projectPath(asked)}/destinations?order=subscriptions&limit=${TOP}`);
  if (asked !== project()) return;
  if (!ok) {
    say(json.detail ?? "");
    return;
  }
  note($("top-total"), json.total > TOP ? `the ${TOP} most subscribed of ${number(json.total)}.` : "", json);
  $("top-table").hidden = json.destinations.length === 0;
  $("top-none").hidden = json.destinations.length > 0;
  const seen = JSON.stringify(json.destinations);
  if ($("top").dataset.seen === seen) return;
  $("top").dataset.seen = seen;
  $("top").replaceChildren(...json.destinations.map((d) => row(
    cell("Destination", make("code", {}, d.destination), d.pattern ? make("span", { class: "badge" }, "pattern") : ""),
    amount("Subscriptions", number(d.subscriptions)),
    amount("Detached", number(d.detached)),
    cell("Action", make("a", { href: "#sessions", "aria-label": `Sessions that subscribe to ${d.destination}`, onclick: () => find({ project: asked, destination: d.destination }) }, "Sessions")))));
}

$("project-sessions").addEventListener("click", () => find({ project: project() }));
for (const [id, cursor] of [["projects-next", () => next], ["projects-first", () => ""]]) {
  $(id).addEventListener("click", () => {
    after = cursor();
    forget();
    poll.now();
  });
}
