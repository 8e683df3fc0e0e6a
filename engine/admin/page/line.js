// line draws a small curve without axes into an SVG of 100 by 24: the newest value at the right, `room` of them in all.
export function line(svg, values, room) {
  const curve = svg.firstElementChild;
  if (!values.length) {
    curve.removeAttribute("points");
    return;
  }
  const most = Math.max(...values, 1);
  const step = 100 / (room - 1);
  const from = 100 - (values.length - 1) * step;
  curve.setAttribute("points", values.map((v, i) => `${(from + i * step).toFixed(1)},${(23 - (v / most) * 21).toFixed(1)}`).join(" "));
}
