// A value over time. With uPlot it has axes, and a cursor that reads values off; a node that was built without uPlot draws a
// plain curve.
import { make, write } from "./dom.js";
import { line } from "./line.js";

export const ROOM = 150; // values of a chart
const HEIGHT = 130; // px
const SHORTEST = 60; // seconds of the axis, also when less is known
const SVG = "http://www.w3.org/2000/svg";

let library; // a promise of uPlot, or of null

function load() {
  library ??= import("./uPlot.js").then((module) => {
    document.head.append(make("link", { rel: "stylesheet", href: "/page/uPlot.css" }));
    return module.default;
  }, () => null);
  return library;
}

// push adds a value to a list of the newest ROOM.
export function push(list, value) {
  list.push(value);
  if (list.length > ROOM) list.shift();
}

// known is a value, or a gap where it is none.
export const known = (value) => (Number.isFinite(value) ? value : null);

export class Chart {
  #format;
  #axis;
  #least;
  #label;
  #value = make("strong");
  #plot = make("div", { class: "plot", role: "img" });
  #times = [];
  #values = [];
  #curve = null; // of a plain chart
  #uplot = null;

  // holder takes the chart. format makes a value a text, and axis one for the axis; least is the smallest top of the axis.
  constructor(holder, { label, format, axis = format, least = 1 }) {
    this.#label = label;
    this.#format = format;
    this.#axis = axis;
    this.#least = least;
    holder.append(make("figure", { class: "chart" }, make("figcaption", {}, make("span", {}, label), this.#value), this.#plot));
    load().then((uPlot) => {
      if (uPlot) this.#draw(uPlot);
      else this.#plain();
      this.#show();
    });
  }

  // set has the chart show these values at these times, in seconds since 1970.
  set(times, values) {
    this.#times = times;
    this.#values = values;
    this.#show();
  }

  #show() {
    const at = this.#uplot?.cursor.idx ?? this.#values.length - 1;
    write(this.#value, this.#format(this.#values[at]));
    this.#plot.setAttribute("aria-label", `${this.#label} over time: now ${this.#format(this.#values.at(-1))}, at most ${this.#format(Math.max(...this.#values))}`);
    if (this.#uplot) this.#uplot.setData([this.#times, this.#values]);
    else if (this.#curve) line(this.#curve, this.#values, ROOM);
  }

  #plain() {
    this.#curve = document.createElementNS(SVG, "svg");
    this.#curve.setAttribute("viewBox", "0 0 100 24");
    this.#curve.setAttribute("preserveAspectRatio", "none");
    this.#curve.append(document.createElementNS(SVG, "polyline"));
    this.#plot.append(this.#curve);
  }

  #draw(uPlot) {
    const style = getComputedStyle(this.#plot); // live: it follows light and dark
    const axis = { stroke: () => getComputedStyle(this.#value.previousSibling).color, grid: { stroke: () => style.borderTopColor, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    this.#uplot = new uPlot({
      width: this.#plot.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { range: (_, first, last) => (last === null ? [0, 1] : [Math.min(first, last - SHORTEST), last]) }, y: { range: (_, _min, most) => [0, Math.max(this.#least, most * 1.1)] } },
      axes: [{ ...axis, space: 60, size: 26, values: (_, times) => times.map((t) => new Date(t * 1000).toTimeString().slice(0, 8)) }, { ...axis, space: 30, size: 56, values: (_, values) => values.map(this.#axis) }],
      series: [{}, { stroke: () => style.color, width: 1.5, points: { show: false } }],
      hooks: { setCursor: [(u) => write(this.#value, this.#format(this.#values[u.cursor.idx ?? this.#values.length - 1]))] },
    }, [this.#times, this.#values], this.#plot);
    new ResizeObserver(() => this.#plot.clientWidth && this.#uplot.setSize({ width: this.#plot.clientWidth, height: HEIGHT })).observe(this.#plot);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#uplot.redraw());
  }
}
