// The messages that arrive, the newest first.
import { $, bytes as size, make, number } from "./dom.js";

const KEPT = 300; // messages on the page
const SHOWN = 64 * 1024; // characters of a body on the page

const strict = new TextDecoder("utf-8", { fatal: true });
const counts = new Map(); // messages by subscription
let total = 0;
let paused = false;
let waiting = []; // arrived since the list was last drawn
let drawing = false; // it will be, with the next frame of the screen

export const received = (subscription) => counts.get(subscription) ?? 0;
export const forget = (subscription) => counts.delete(subscription);

export function arrived(subscription, headers, bytes) {
  total++;
  counts.set(subscription, received(subscription) + 1);
  waiting.push({ subscription, headers, bytes, time: new Date() });
  if (waiting.length > KEPT) waiting.shift();
  if (!drawing) requestAnimationFrame(show);
  drawing = true;
}

// show runs once a frame of the screen, however many messages arrive.
function show() {
  drawing = false;
  $("received").textContent = total ? `${number(total)} received` + (paused ? `, paused` : "") : "";
  for (const [s, n] of counts) {
    const count = $(s.id)?.querySelector(".count");
    if (count) count.textContent = number(n);
  }
  if (paused) return;
  const list = $("messages");
  const fresh = waiting.reverse().map(item);
  waiting = [];
  list.prepend(...fresh);
  while (list.children.length > KEPT) list.lastElementChild.remove();
  $("empty").hidden = list.children.length > 0;
}

const clock = (t) => t.toTimeString().slice(0, 8) + "." + String(t.getMilliseconds()).padStart(3, "0");

function item({ subscription, headers, bytes, time }) {
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
      make("span", { class: "preview" }, (binary ? size(bytes.length) + " of binary: " : "") + body.slice(0, 300))));
  // The rest of a message is built when somebody opens it.
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const shown = pretty(body, headers["content-type"]);
    details.append(
      make("table", { class: "headers" }, make("tbody", {}, ...Object.entries(headers).map(([name, value]) =>
        make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value))))),
      make("pre", { tabindex: "0", "aria-label": "The body" }, shown.slice(0, SHOWN) + (shown.length > SHOWN ? "\n…" : "")),
      make("p", { class: "hint" }, size(bytes.length)));
  });
  const element = make("li", {}, details);
  element.dataset.text = ((headers.destination ?? "") + " " + body.slice(0, SHOWN)).toLowerCase();
  element.hidden = !matches(element);
  return element;
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

const matches = (element) => element.dataset.text.includes($("filter").value.toLowerCase());

$("filter").addEventListener("input", () => {
  for (const element of $("messages").children) element.hidden = !matches(element);
});
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Resume" : "Pause";
  show();
});
$("clear").addEventListener("click", () => {
  waiting = [];
  total = 0;
  $("messages").replaceChildren();
  $("empty").hidden = false;
  for (const s of counts.keys()) counts.set(s, 0);
  show();
});
