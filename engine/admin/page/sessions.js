// The view Sessions: who is connected, found by user, destination and address, page by page. A session can be closed.
import { $, amount, bytes, cell, make, number, row, span } from "./dom.js";
import { call, note, onKey, projectPath } from "./api.js";
import { choose, offer, project } from "./chosen.js";
import { kick } from "./kick.js";

const PAGE = 50;
const SLOW = 400; // ms without an answer, after which that is said
const FIELDS = ["user", "destination", "address"];

let shown = ""; // cursor of the page that is shown
let next = ""; // of the next one
let stale = true; // what is shown is nothing yet, or of another key
let asked = 0; // counts the searches: only the last one's answer is shown

export const view = {
  async show() {
    try {
      await offer($("find-project"));
      if (stale) await search("");
    } catch (e) {
      say(e.message);
    }
  },
  hide() {},
};

onKey(() => {
  stale = true;
  $("sessions").replaceChildren();
  $("sessions-table").hidden = true;
});

// find has the view look for these when it is shown: {project, user, destination, address}.
export function find(what) {
  choose(what.project);
  for (const name of FIELDS) $("find-" + name).value = what[name] ?? "";
  stale = true;
}

function say(text) {
  $("sessions-answer").textContent = text;
  $("sessions-answer").hidden = text === "";
}

async function search(after) {
  const mine = ++asked;
  const query = new URLSearchParams({ limit: PAGE });
  for (const name of FIELDS) {
    const value = $("find-" + name).value.trim();
    if (value) query.set(name, value);
  }
  if (after) query.set("after", after);
  say("");
  const slow = setTimeout(() => busy(mine), SLOW);
  $("find-button").disabled = true;
  try {
    const { ok, json } = await call("GET", `${projectPath(project())}/sessions?${query}`);
    if (mine !== asked) return;
    stale = !ok;
    if (!ok) {
      $("sessions-count").textContent = "";
      say(json.detail ?? "");
      return;
    }
    shown = after;
    show(json, after !== "");
  } catch {
    if (mine !== asked) return;
    $("sessions-count").textContent = "";
    say("The API does not answer.");
  } finally {
    clearTimeout(slow);
    if (mine === asked) {
      $("find-button").disabled = false;
      $("sessions-table").removeAttribute("aria-busy");
    }
  }
}

// busy says that a search takes its time: what is shown is of the one before.
function busy(search) {
  if (search !== asked) return;
  $("sessions-table").setAttribute("aria-busy", "true");
  $("sessions-count").textContent = "Searching…";
}

function show(page, further) {
  const { sessions } = page;
  next = page.next ?? "";
  const several = sessions.some((s) => s.node);
  $("sessions").replaceChildren(...sessions.map((s) => sessionRow(s, several)));
  $("sessions-table").hidden = sessions.length === 0;
  $("sessions-node").hidden = !several;
  $("sessions-next").hidden = next === "";
  $("sessions-first").hidden = !further;
  const none = next ? "Nobody on this page." : further ? "No more." : "Nobody who is connected fits.";
  note($("sessions-count"), sessions.length ? `${number(sessions.length)} on this page.` : none, page);
}

const LISTED = 20; // subscriptions of a session, until somebody asks for the rest

function sessionRow(s, several) {
  const behind = s.subscriptions.reduce((n, sub) => n + sub.behind, 0);
  const dropped = s.subscriptions.reduce((n, sub) => n + (sub.dropped ?? 0), 0);
  const count = s.subscriptions.length + (s.more_subscriptions ?? 0);
  const since = new Date(s.since);
  return row(
    cell("User", s.user ? make("strong", {}, s.user) : make("span", { class: "hint" }, "anonymous")),
    cell("Address", make("code", {}, s.address), s.transport && s.transport !== "websocket" ? make("span", { class: "hint" }, ` ${s.transport}`) : ""),
    cell("Connected", make("time", { datetime: s.since, title: since.toLocaleString() }, span(Date.now() - since))),
    cell("Subscriptions", count ? subscriptions(s, count) : "0"),
    amount("Behind", number(behind), dropped ? make("span", { class: "badge bad" }, `${number(dropped)} dropped`) : ""),
    amount("Unread", bytes(s.buffered)),
    ...(several ? [cell("Node", s.node ?? "")] : []),
    cell("Session", make("code", {}, s.id)),
    cell("Action", make("button", { type: "button", class: "small", "aria-label": `Kick ${s.user || "anonymous"}, session ${s.id}`, onclick: async (event) => {
      const at = [...$("sessions").children].indexOf(event.target.closest("tr"));
      if (!(await kick(project(), s))) return;
      await search(shown);
      // The focus goes on to whoever stands there now.
      ($("sessions").children[at] ?? $("sessions").lastElementChild)?.querySelector("button").focus();
    } }, "Kick…")));
}

function subscriptions(s, count) {
  const list = make("ul", { class: "plain" });
  const details = make("details", {}, make("summary", {}, number(count)), list);
  details.addEventListener("toggle", () => {
    if (list.children.length) return;
    list.append(...s.subscriptions.slice(0, LISTED).map((sub) => make("li", {}, make("code", {}, sub.destination))));
    if (count > LISTED) list.append(make("li", { class: "hint" }, `and ${number(count - LISTED)} more`));
  });
  return details;
}

$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  search("");
});
$("find-project").addEventListener("change", () => {
  choose($("find-project").value);
  search("");
});
$("sessions-next").addEventListener("click", () => search(next));
$("sessions-first").addEventListener("click", () => search(""));
