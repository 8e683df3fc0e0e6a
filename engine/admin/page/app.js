// The console: one page with a view for each part of its address behind the #, of which one is shown.
import { $ } from "./dom.js";
import { call, key, onKey, refused, setKey } from "./api.js";
import { choose } from "./chosen.js";
import * as trial from "./try.js";
import * as nodes from "./nodes.js";
import * as projects from "./projects.js";
import * as sessions from "./sessions.js";

const views = { try: trial.view, nodes: nodes.view, projects: projects.view, sessions: sessions.view };
const open = new Set(["try"]); // those that need no key
const titles = { try: "Try", nodes: "Nodes", projects: "Projects", sessions: "Sessions" };
let shown = "";

// show shows the view of the address, or the sign-in where the view needs a key.
function show() {
  const name = location.hash.slice(1) in views ? location.hash.slice(1) : "try";
  const wants = open.has(name) || key() ? name : "signin";
  for (const link of document.querySelectorAll("#views a")) {
    if (link.hash === "#" + name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${titles[name]} · Stentor`;
  $("out").hidden = key() === "";
  if (wants === shown) return;
  views[shown]?.hide();
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== "view-" + wants;
  const moved = shown !== "";
  shown = wants;
  views[wants]?.show();
  if (wants === "signin") {
    answer(refused);
    $("signin-key").focus();
  } else if (moved) $("view-" + wants).focus({ preventScroll: true });
  if (moved) scrollTo(0, 0);
}

// answer says below the sign-in what is wrong with a key.
function answer(text) {
  $("signin-answer").textContent = text;
  $("signin-answer").hidden = text === "";
}

$("signin").addEventListener("submit", async (event) => {
  event.preventDefault();
  const tried = $("signin-key").value.trim();
  answer("");
  $("signin-button").disabled = true;
  try {
    const { ok, json } = await call("GET", "/v1/projects?limit=1&node=local", undefined, tried);
    if (ok) {
      $("signin-key").value = "";
      setKey(tried);
    } else {
      answer(json.detail ?? "This key was refused.");
    }
  } catch {
    answer("The API does not answer.");
  } finally {
    $("signin-button").disabled = false;
  }
});
$("out").addEventListener("click", () => {
  setKey("");
  $("views").querySelector("a").focus();
});

// start shows the first view when its fields are filled and its buttons do something: what a person typed before would be lost.
async function start() {
  let first = null;
  try {
    first = (await call("GET", "/console.json")).json;
    if (!key()) setKey(first.admin_key ?? first.api_key ?? "");
    choose(first.project ?? "");
  } catch {
    // the view Try says so
  }
  await trial.start(first);
  onKey(show);
  addEventListener("hashchange", show);
  show();
  if (shown === "try") $("connect-button").focus({ preventScroll: true });
}

start();
