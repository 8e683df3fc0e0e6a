// The HTTP API, and the key with which this tab uses it. The key is in the tab's session storage, so that it goes with the tab,
// and in the Authorization header of requests to the page's own server: never in an address, and never in a log.

import { make } from "./dom.js";

const SLOT = "stentor-key";
const kept = (f) => {
  try {
    return f();
  } catch {
    return null; // storage is switched off: the key lives as long as the page
  }
};

let current = kept(() => sessionStorage.getItem(SLOT)) ?? "";
const listeners = [];

export const key = () => current;

// setKey is for a key that the server knows, or "" to forget it.
export function setKey(value, why = "") {
  if (value === current) return;
  current = value;
  refused = why;
  kept(() => (value ? sessionStorage.setItem(SLOT, value) : sessionStorage.removeItem(SLOT)));
  for (const f of listeners) f();
}

// onKey has f called after each change of the key.
export const onKey = (f) => listeners.push(f);

// refused is why the server no longer knows the tab's key, "" while it does.
export let refused = "";

// call answers {ok, status, json}; json of what is no JSON has the text as its detail. It throws when there is no answer.
export async function call(method, path, body, as = current) {
  const headers = {};
  if (as) headers.Authorization = "Bearer " + as;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body, cache: "no-store", redirect: "error" });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = { detail: text };
  }
  if (response.status === 401 && as && as === current) setKey("", "The server no longer accepts the key: " + json.detail);
  return { ok: response.ok, status: response.status, json };
}

export const projectPath = (project) => `/v1/projects/${encodeURIComponent(project)}`;

const NAMED = 3; // nodes without an answer; of more the rest is counted

// note writes words about an answer, and which nodes it has nothing of.
export function note(element, words, answer) {
  const lacks = unanswered(answer);
  if (element.textContent !== words + lacks) element.replaceChildren(words, ...(lacks ? [make("span", { class: "lacks" }, lacks)] : []));
}

// unanswered names the nodes of a cluster of which an answer has nothing, and why.
export function unanswered({ missing }) {
  if (!missing?.length) return "";
  const named = missing.slice(0, NAMED).map(({ node, why }) => `${node}: ${why}`);
  if (missing.length > NAMED) named.push(`and ${missing.length - NAMED} more nodes`);
  return ` Nothing from ${named.join("; ")}.`;
}

// Poll calls f at most every so many ms, one call at a time, while it is on and somebody can see the page.
export class Poll {
  #ms;
  #f;
  #timer = 0;
  #on = false;
  #busy = false;
  #last = -Infinity;

  constructor(ms, f) {
    this.#ms = ms;
    this.#f = f;
    document.addEventListener("visibilitychange", () => this.#plan());
  }

  // start has f called soon: a second after its last call, if that was a moment ago.
  start() {
    this.#on = true;
    this.#last = Math.min(this.#last, performance.now() - this.#ms + 1000);
    this.#plan();
  }

  stop() {
    this.#on = false;
    clearTimeout(this.#timer);
  }

  // now calls f without a wait, unless a call is under way.
  now() {
    this.#last = -Infinity;
    this.#plan();
  }

  #plan() {
    clearTimeout(this.#timer);
    if (!this.#on || this.#busy || document.hidden) return;
    this.#timer = setTimeout(() => this.#run(), Math.max(0, this.#last + this.#ms - performance.now()));
  }

  async #run() {
    this.#busy = true;
    this.#last = performance.now();
    try {
      await this.#f();
    } finally {
      this.#busy = false;
      this.#plan();
    }
  }
}
