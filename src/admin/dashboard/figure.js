// One picture with its sentence, the values under the pointer, and its numbers as a table on demand.
//
// Owns what was drawn: a picture is made again only for other numbers or another width.

import { chart, quantity, rows } from "./chart.js";
import { h, svg } from "./dom.js";
import { table } from "./parts.js";

const HEIGHT = 220;
const pictures = new WeakMap();

function drawn(spec, width) {
  const before = pictures.get(spec);
  if (before?.width === width) return before.text;
  const text = chart({ ...spec, width, height: HEIGHT });
  pictures.set(spec, { width, text });
  return text;
}

export function figure(visit, { id, title, sentence, spec }, width) {
  const open = visit.data.tables?.[id];
  return h("figure.card", { key: id, onpointermove: (event) => point(event, spec),
    onpointerleave: (event) => leave(event.currentTarget) },
    h("figcaption", null, h("h3", null, title), h("p.soft", null, sentence)),
    h("div.plot", null, svg(drawn(spec, width)), h("div.cross", { own: true, "aria-hidden": "true" })),
    h("p.readout", { own: true, "aria-hidden": "true" }),
    h("details", { ontoggle: (event) => {
      visit.data.tables = { ...visit.data.tables, [id]: event.currentTarget.open };
      visit.refresh();
    } }, h("summary", null, "Numbers as a table"), open && numbers(title, spec)));
}

function numbers(title, spec) {
  const { titles, rows: list } = rows(spec);
  return table(title, titles, list.map(([at, ...values]) => [at, ...values.map((value) => ["n", value])]),
    { hidden: true });
}

/** The values of the moment under the pointer. */
function point(event, spec) {
  const card = event.currentTarget;
  const picture = card.querySelector("svg.chart");
  if (!picture || spec.x.length === 0) return;
  const [left, , right] = picture.dataset.plot.split(" ").map(Number);
  const [from, to] = picture.dataset.time.split(" ").map(Number);
  const box = picture.getBoundingClientRect();
  const factor = picture.viewBox.baseVal.width / box.width;
  const at = from + (((event.clientX - box.left) * factor - left) / (right - left)) * (to - from);
  if (!(at >= from && at <= to)) {
    leave(card);
    return;
  }
  let nearest = 0;
  spec.x.forEach((time, index) => { if (Math.abs(time - at) < Math.abs(spec.x[nearest] - at)) nearest = index; });
  const place = left + ((spec.x[nearest] - from) / (to - from)) * (right - left);
  const cross = card.querySelector(".cross");
  cross.style.left = `${place / factor + box.left - cross.parentNode.getBoundingClientRect().left}px`;
  cross.classList.add("shown");
  const values = spec.lines.map((line) => `${line.name} ${quantity(line.values[nearest], spec.unit)}`);
  const time = new Date(spec.x[nearest]).toISOString().slice(0, 19).replace("T", " ");
  card.querySelector(".readout").textContent = `${time}  ${values.join(", ")}`;
}

function leave(card) {
  card.querySelector(".cross").classList.remove("shown");
  card.querySelector(".readout").textContent = "";
}
