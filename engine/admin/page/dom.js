// What all views need of the document. Whatever a client or a back end chose (names, destinations, addresses, payloads) goes
// into it as text, never as markup.

export const $ = (id) => document.getElementById(id);

// make builds an element: make("li", {class: "x"}, "text", child).
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// row and cell make a table's: on a small screen CSS makes them blocks with labels, and the roles keep them a table.
export const row = (...cells) => make("tr", { role: "row" }, ...cells);
export const cell = (label, ...content) => make("td", { role: "cell", "data-label": label }, ...content);
export const amount = (label, ...content) => make("td", { role: "cell", "data-label": label, class: "number" }, ...content);

// write sets an element's text when it is another one: what did not change is not drawn again.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (n) => (Number.isFinite(n) ? whole.format(n) : "–");
export const rate = (n) => (Number.isFinite(n) ? (n < 100 ? tenth : whole).format(n) : "–");
export const compact = (n) => (Number.isFinite(n) ? short.format(n) : "–");
export const percent = (n) => (Number.isFinite(n) ? whole.format(n * 100) + "%" : "–");

export function bytes(n) {
  if (!Number.isFinite(n)) return "–";
  let unit = 0;
  for (; n >= 1024 && unit < 4; unit++) n /= 1024;
  return tenth.format(n) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][unit];
}

// span is a time in words: 3 s, 5 min, 2 h, 4 d.
export function span(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1000) return `${whole.format(ms)} ms`;
  for (const [size, unit] of [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"]]) if (ms >= size) return `${whole.format(Math.floor(ms / size))} ${unit}`;
  return `${whole.format(Math.floor(ms / 1000))} s`;
}
