// The form that pushes, and what became of the push.
import { $, make, number } from "./dom.js";
import { call, key, projectPath, unanswered } from "./api.js";

const REPORTS = [200, 800, 2_000]; // ms until what became of a push is looked at

const words = {
  topic: ["Topic", ""],
  user: ["User", "ann"],
  session: ["Session", "the session's id"],
  send: ["Destination", ""],
};
const typed = {}; // what a person wrote for each kind of target
let usual = ""; // what the page put into the field
let kind = "topic";
let session = ""; // of the page's own connection
let shown = () => ""; // has the key that everybody may see in a key's place
let send = null;
let project = null;

// startPush begins. o has project() for the project's name, send(destination, headers, body) for a SEND frame, and
// shown(key) for what everybody may see in a key's place, "" for nothing.
export function startPush(o) {
  ({ project, send, shown } = o);
  $("payload").value = '{"text": "Hello from Stentor"}';
  showTarget();
}

// offerTargets has the fields begin with these, where nobody wrote anything.
export function offerTargets({ topic, send: destination, behindUser }) {
  words.topic[1] = topic;
  words.send[1] = destination;
  const field = $("user-destination");
  if (field.value === field.dataset.usual || !field.dataset.usual) field.value = behindUser;
  field.dataset.usual = behindUser;
  showTarget();
}

export function setSession(id) {
  session = id;
  showTarget();
}

function showTarget() {
  typed[kind] = $("target").value === usual ? "" : $("target").value;
  kind = document.querySelector('input[name="to"]:checked').value;
  const [label, placeholder] = words[kind];
  $("target-label").textContent = label;
  $("target").placeholder = placeholder;
  usual = { session, topic: placeholder, send: placeholder }[kind] ?? "";
  $("target").value = typed[kind] || usual;
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

const shellQuote = (s) => "'" + s.replaceAll("'", "'\\''") + "'";

export function showCurl() {
  $("payload-kind").textContent = $("payload").value ? payloadJSON().kind : "";
  let body;
  try {
    body = requestBody();
  } catch (e) {
    $("curl").textContent = e.message;
    return;
  }
  // Only the key of development is shown; any other one is left to the shell.
  const everybodys = shown(key());
  const header = everybodys ? shellQuote("Authorization: Bearer " + everybodys) : '"Authorization: Bearer $STENTOR_API_KEY"';
  $("curl").textContent = `curl -sS ${shellQuote(location.origin + projectPath(project()) + "/push")} \\\n  -H ${header} \\\n  -H 'Content-Type: application/json' \\\n  -d ${shellQuote(body)}`;
}

function showAnswer(ok, head, ...texts) {
  $("answer").hidden = false;
  $("answer").dataset.ok = String(ok);
  $("answer").replaceChildren(make("strong", {}, head), ...texts.map((text) => make("span", {}, text)));
  $("answer").scrollIntoView({ block: "nearest" });
}

let latest = 0; // counts the pushes: only the last one's answer is shown

async function push() {
  if (!$("push").reportValidity()) return;
  const mine = ++latest;
  const begun = performance.now();
  const took = () => `${Math.max(1, Math.round(performance.now() - begun))} ms`;
  $("push-button").disabled = true;
  try {
    if (kind === "send") {
      await send($("target").value.trim(), { "content-type": payloadJSON().type, ...headerLines() }, $("payload").value);
      showAnswer(true, `Receipt in ${took()}`, "What the project does with it, ignore, push or deny, its configuration says.");
    } else {
      const where = projectPath(project());
      const { ok, status, json } = await call("POST", where + "/push", requestBody());
      const head = ok ? `${status} in ${took()}` : `${status} ${json.title ?? ""}`;
      showAnswer(ok, head, ok ? `id ${json.id}, position ${json.position}` : (json.detail ?? ""));
      if (ok) report(mine, where + "/pushes/" + encodeURIComponent(json.id), head, `id ${json.id}, position ${json.position}`);
    }
  } catch (e) {
    showAnswer(false, "Not sent", e.message);
  } finally {
    $("push-button").disabled = false;
  }
}

// report adds what the push did to its answer, as it becomes known.
async function report(mine, path, head, text) {
  for (const wait of REPORTS) {
    await new Promise((done) => setTimeout(done, wait));
    const { ok, json } = await call("GET", path).catch(() => ({}));
    if (mine !== latest || !ok) return;
    const sum = (name) => json.nodes.reduce((n, node) => n + node[name], 0);
    const rest = ["dropped", "failed"].filter((name) => sum(name)).map((name) => `, ${number(sum(name))} ${name}`);
    showAnswer(true, head, text, sum("matched") ? `Written to ${number(sum("written"))} of ${number(sum("matched"))} subscriptions${rest.join("")}.${unanswered(json)}` : "Nobody subscribes to it." + unanswered(json));
    if (sum("written") + sum("dropped") + sum("failed") === sum("matched")) return;
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
