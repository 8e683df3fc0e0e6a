// The projects that the key may touch, and which of them the views are about.
import { make } from "./dom.js";
import { call, onKey } from "./api.js";

const PAGE = 1000; // names asked for at a time
const PAGES = 10; // at most

let names = null; // a promise of them
let chosen = "";

onKey(() => (names = null));

export const project = () => chosen;
export const choose = (name) => (chosen = name);

async function ask() {
  const all = [];
  let after = "";
  for (let page = 0; page < PAGES; page++) {
    const { ok, json } = await call("GET", `/v1/projects?node=local&limit=${PAGE}` + (after && `&after=${encodeURIComponent(after)}`));
    if (!ok) throw new Error(json.detail ?? "the projects are not known");
    all.push(...json.projects.map((p) => p.project));
    if (!json.next) break;
    after = json.next;
  }
  return all;
}

// offer fills a select with the projects, and chooses one when none of them is chosen.
export async function offer(select) {
  names ??= ask();
  let all;
  try {
    all = await names;
  } catch (e) {
    names = null; // the next try asks again
    throw e;
  }
  if (!all.includes(chosen)) chosen = all[0] ?? "";
  if (select.options.length !== all.length || all.some((name, i) => select.options[i].value !== name)) {
    select.replaceChildren(...all.map((name) => make("option", { value: name }, name)));
  }
  select.value = chosen;
}
