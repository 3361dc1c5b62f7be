// Charts over time as SVG text: `chart(spec)` for the picture, `rows(spec)` for the same numbers as a table.
//
// Pure: the same spec gives the same text, with no clock, no document and no locale. The dashboard imports this file;
// pages that are one file embed it. Colours and dashes are classes of chart.css. Every text is escaped, and no
// coordinate is ever NaN: a value that is no finite number is a gap.
//
// spec = { title, description, x: [unix ms], lines: [{ name, class, values, low?, high?, steps? }],
//          bounds: [{ value, label }], marks: [{ at, label, class }], scale: "linear" | "log", unit, width, height,
//          from?, to?: ends of the axis in unix ms; zero?: count time from this moment instead of by the clock }

const LETTER = 6.6;
const NICE_TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
  345600, 604800, 1209600, 2592000, 7776000].map((seconds) => seconds * 1000);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function escape(text) {
  return String(text ?? "").replace(/[\u0000-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, " ")
    .replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

const finite = (value) => typeof value === "number" && Math.abs(value) <= 1e300;
const place = (value) => String(Math.round(value * 10) / 10 + 0);

/** A number as people write it: three digits that count, thousands apart. */
export function number(value) {
  if (!finite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(1).replace("e+", "e");
  const digits = size >= 100 || size === 0 ? 0 : Math.min(6, 2 - Math.floor(Math.log10(size)));
  const [whole, part] = value.toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const tail = (part ?? "").replace(/0+$/, "");
  return tail ? `${grouped}.${tail}` : grouped;
}

/** A number with its unit: `5%`, `850 ms`, `1.2 s`. */
export function quantity(value, unit = "") {
  if (!finite(value)) return "–";
  if (unit === "%") return `${number(value)}%`;
  if (unit === "ms" && Math.abs(value) >= 1000) return `${number(value / 1000)} s`;
  return unit ? `${number(value)} ${unit}` : number(value);
}

const two = (value) => String(value).padStart(2, "0");

/** A moment by the clock, in UTC. `span` is how much time the picture shows. */
export function moment(at, span = 0) {
  if (!finite(at) || Math.abs(at) > 8.64e15) return "–";
  const date = new Date(at);
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  const clock = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  if (span > 4 * 86400e3) return day;
  if (span > 20 * 3600e3) return clock === "00:00" ? day : clock;
  return span > 180e3 ? clock : `${clock}:${two(date.getUTCSeconds())}`;
}

/** A length of time with one unit: `90 s`, `5 min`, `3 h`, `2 d`. */
function length(ms) {
  const [size, unit] = [[86400e3, "d"], [3600e3, "h"], [60e3, "min"]].find(([one]) => Math.abs(ms) >= one) ?? [1e3, "s"];
  return `${number(ms / size)} ${unit}`;
}

function tickLabel(at, spec, span) {
  if (!finite(spec.zero)) return moment(at, span);
  const from = at - spec.zero;
  return from === 0 ? "0" : `${from < 0 ? "−" : "+"}${length(Math.abs(from))}`;
}

function timeTicks(from, to, pixels, zero) {
  const step = NICE_TIMES.find((size) => (size / (to - from)) * pixels >= 76) ?? (to - from);
  const base = finite(zero) ? zero : 0;
  const ticks = [];
  for (let at = base + Math.ceil((from - base) / step) * step; at <= to && ticks.length < 100; at += step) ticks.push(at);
  return ticks;
}

/** The next of 1, 2, 2.5, 5 and 10 times a power of ten. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((part) => part * power).find((round) => round >= value * (1 - 1e-9)) ?? value;
}

/** Ends and ticks of the vertical axis: every value and every bound is inside. */
function vertical(spec, log) {
  const values = [];
  for (const line of spec.lines) {
    for (const list of [line.values, line.low, line.high]) for (const value of list ?? []) if (finite(value)) values.push(value);
  }
  for (const bound of spec.bounds) if (finite(bound.value)) values.push(bound.value);
  let low = 0;
  let high = 0;
  let least = Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
    if (value > 0) least = Math.min(least, value);
  }
  if (log) {
    const top = high > 0 ? Math.ceil(Math.log10(high * 1.0001)) : 1;
    // What is far below a millionth of the top is drawn at the foot, as zero is.
    const foot = Math.max(Math.min(Math.floor(Math.log10(Math.min(least, 1))), top - 1), top - 7);
    const every = Math.max(1, Math.ceil((top - foot) / 4));
    const ticks = [];
    for (let power = foot; power <= top; power += every) ticks.push(10 ** power);
    return { low: 10 ** foot, high: 10 ** top, ticks };
  }
  if (high === low) high = low + 1;
  const step = nice((high - low) / 4);
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  const ticks = [];
  for (let n = first; n <= last; n += 1) ticks.push(n * step);
  return { low: first * step, high: last * step, ticks };
}

/** At most four points a column of the picture: the first, the least, the greatest and the last; a gap stays a gap. */
function thin(points, from, to, columns) {
  if (points.length <= columns * 2) return points;
  const kept = [];
  let group = [];
  let column = null;
  const flush = () => {
    if (group.length === 0) return;
    let [least, most] = [group[0], group[0]];
    for (const point of group) {
      if (point.value < least.value) least = point;
      if (point.value > most.value) most = point;
    }
    const chosen = new Set([group[0], least, most, group[group.length - 1]]);
    kept.push(...group.filter((point) => chosen.has(point)));
    group = [];
  };
  for (const point of points) {
    const now = Math.floor(((point.at - from) / (to - from)) * columns);
    if (point.value === null || now !== column) flush();
    column = now;
    if (point.value === null) {
      if (kept.length > 0 && kept[kept.length - 1].value !== null) kept.push(point);
    } else {
      group.push(point);
    }
  }
  flush();
  return kept;
}

function parts(points) {
  const all = [[]];
  for (const point of points) {
    if (point.value === null) all.push([]);
    else all[all.length - 1].push(point);
  }
  return all.filter((part) => part.length > 0);
}

function withDefaults(spec) {
  const list = (value) => (Array.isArray(value) ? value : []);
  const lines = list(spec.lines).map((line) => ({ ...line, values: list(line.values) }));
  return { title: "", description: "", unit: "", width: 640, height: 200, ...spec, x: list(spec.x), lines,
    bounds: list(spec.bounds), marks: list(spec.marks) };
}

const word = (value) => String(value ?? "").replace(/[^A-Za-z0-9_ -]/g, "");

/** The picture. Its attributes `data-plot` (left, top, right, bottom) and `data-time` (from, to) place a pointer. */
export function chart(given) {
  const spec = withDefaults(given);
  const log = spec.scale === "log";
  const moments = spec.x.filter(finite);
  let from = finite(spec.from) ? spec.from : Math.min(...(moments.length ? [moments[0]] : [0]));
  let to = finite(spec.to) ? spec.to : (moments.length ? moments[moments.length - 1] : 1);
  if (!(to > from)) [from, to] = [from - 500, from + 500];
  const { width, height } = spec;
  const axis = vertical(spec, log);
  const labels = axis.ticks.map((tick) => quantity(tick, spec.unit));
  const left = Math.ceil(Math.max(...labels.map((label) => label.length)) * LETTER + 12);
  const right = width - 12;
  const legend = legendOf(spec, left, right);
  const top = legend.height + (spec.marks.length > 0 ? 26 : 10);
  const bottom = Math.max(top + 20, height - 24);
  const x = (at) => left + Math.min(1, Math.max(0, (at - from) / (to - from))) * (right - left);
  const part = (value) => (log
    ? Math.log10(Math.max(value, axis.low) / axis.low) / Math.log10(axis.high / axis.low)
    : (value - axis.low) / (axis.high - axis.low));
  const y = (value) => bottom - Math.min(1, Math.max(0, part(value))) * (bottom - top);
  const columns = Math.max(1, Math.floor(right - left));

  let svg = legend.svg;
  axis.ticks.forEach((tick, index) => {
    svg += `<line class="grid" x1="${place(left)}" y1="${place(y(tick))}" x2="${place(right)}" y2="${place(y(tick))}"/>`;
    svg += `<text class="tick" text-anchor="end" x="${place(left - 7)}" y="${place(y(tick) + 4)}">${escape(labels[index])}</text>`;
  });
  for (const at of timeTicks(from, to, right - left, spec.zero)) {
    const label = tickLabel(at, spec, to - from);
    const half = (label.length * LETTER) / 2;
    if (x(at) - half < left - 20 || x(at) + half > width) continue;
    svg += `<line class="grid" x1="${place(x(at))}" y1="${place(bottom)}" x2="${place(x(at))}" y2="${place(bottom + 4)}"/>`;
    svg += `<text class="tick" text-anchor="middle" x="${place(x(at))}" y="${place(bottom + 17)}">${escape(label)}</text>`;
  }
  for (const line of spec.lines) svg += band(line, spec.x, { from, to, columns, x, y });
  for (const bound of spec.bounds) if (finite(bound.value)) svg += boundLine(bound, { left, right, top, y });
  for (const line of spec.lines) svg += drawn(line, spec.x, { from, to, columns, x, y });
  svg += marksOf(spec.marks.filter((mark) => finite(mark.at) && mark.at >= from && mark.at <= to), { x, top, bottom, left, right });
  if (!spec.lines.some((line) => line.values.some(finite))) {
    svg += `<text class="empty" text-anchor="middle" x="${place((left + right) / 2)}" y="${place((top + bottom) / 2)}">no samples in this time</text>`;
  }
  const label = [spec.title, spec.description].filter(Boolean).join(": ");
  return `<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${place(width)} ${place(height)}" width="${place(width)}" `
    + `height="${place(height)}" role="img" aria-label="${escape(label)}" data-plot="${[left, top, right, bottom].map(place).join(" ")}" `
    + `data-time="${place(from)} ${place(to)}">${svg}</svg>`;
}

function legendOf(spec, left, right) {
  if (spec.lines.length < 2) return { svg: "", height: 0 };
  let [svg, at, row] = ["", left, 0];
  for (const line of spec.lines) {
    const wide = 26 + String(line.name ?? "").length * LETTER + 16;
    if (at > left && at + wide > right) [at, row] = [left, row + 1];
    const middle = 9 + row * 18;
    svg += `<path class="line ${word(line.class)}" d="M${place(at)} ${middle}H${place(at + 20)}"/>`;
    svg += `<text class="name" x="${place(at + 26)}" y="${middle + 4}">${escape(line.name)}</text>`;
    at += wide;
  }
  return { svg, height: (row + 1) * 18 };
}

function pointsOf(values, x) {
  const points = [];
  x.forEach((at, index) => {
    if (finite(at)) points.push({ at, value: finite(values?.[index]) ? values[index] : null });
  });
  return points;
}

function drawn(line, times, { from, to, columns, x, y }) {
  let svg = "";
  for (const part of parts(thin(pointsOf(line.values, times), from, to, columns))) {
    const name = word(line.class);
    if (part.length === 1) {
      svg += `<circle class="dot ${name}" cx="${place(x(part[0].at))}" cy="${place(y(part[0].value))}" r="2.5"/>`;
      continue;
    }
    const path = part.map((point, index) => {
      const [px, py] = [place(x(point.at)), place(y(point.value))];
      if (index === 0) return `M${px} ${py}`;
      return line.steps ? `H${px}V${py}` : `L${px} ${py}`;
    });
    svg += `<path class="line ${name}" d="${path.join("")}"/>`;
  }
  return svg;
}

function band(line, times, { from, to, columns, x, y }) {
  if (!Array.isArray(line.low) || !Array.isArray(line.high)) return "";
  const both = (values, other) => pointsOf(values.map((value, index) => (finite(other[index]) ? value : null)), times);
  const above = parts(thin(both(line.high, line.low), from, to, columns));
  const below = parts(thin(both(line.low, line.high), from, to, columns));
  return above.map((part, index) => {
    const way = [...part, ...[...(below[index] ?? [])].reverse()];
    const path = way.map((point, at) => `${at === 0 ? "M" : "L"}${place(x(point.at))} ${place(y(point.value))}`);
    return `<path class="band ${word(line.class)}" d="${path.join("")}Z"/>`;
  }).join("");
}

function boundLine(bound, { left, right, top, y }) {
  const at = y(bound.value);
  const label = at - top < 16 ? at + 14 : at - 5;
  return `<line class="bound" x1="${place(left)}" y1="${place(at)}" x2="${place(right)}" y2="${place(at)}"/>`
    + `<text class="bound-label" text-anchor="end" x="${place(right - 2)}" y="${place(label)}">${escape(bound.label)}</text>`;
}

/** A mark has a shape by its class, so that colour is not its only sign: up, down, or a square. */
const SHAPES = { up: "M0 -5L5 4H-5Z", down: "M0 5L5 -4H-5Z", still: "M-4 -4H4V4H-4Z" };

function marksOf(marks, { x, top, bottom, left, right }) {
  let free = right + 12;
  let svg = "";
  for (const mark of [...marks].sort((one, other) => other.at - one.at)) {
    const at = x(mark.at);
    const text = String(mark.label ?? "");
    const wide = text.length * LETTER;
    const start = at + 9;
    let label = "";
    if (start + wide <= free) {
      label = `<text class="mark-label" x="${place(start)}" y="${place(top - 9)}">${escape(text)}</text>`;
      free = at - 12;
    } else if (at - 9 - wide >= left && at + 9 <= free) {
      label = `<text class="mark-label" text-anchor="end" x="${place(at - 9)}" y="${place(top - 9)}">${escape(text)}</text>`;
      free = at - 9 - wide - 6;
    } else {
      free = Math.min(free, at - 9);
    }
    const shape = SHAPES[word(mark.class)] ?? SHAPES.still;
    svg += `<g class="mark ${word(mark.class)}"><title>${escape(text)}</title>`
      + `<line x1="${place(at)}" y1="${place(top - 6)}" x2="${place(at)}" y2="${place(bottom)}"/>`
      + `<path transform="translate(${place(at)} ${place(top - 13)})" d="${shape}"/>${label}</g>`;
  }
  return svg;
}

/** The numbers of the picture as a table: titles and at most `most` rows, evenly chosen, the last always among them. */
export function rows(given, most = 60) {
  const spec = withDefaults(given);
  const full = (at) => (finite(at) ? new Date(at).toISOString().replace("T", " ").slice(0, 19) : "–");
  const titles = ["Time (UTC)", ...spec.lines.map((line) => String(line.name ?? ""))];
  const every = Math.max(1, Math.ceil(spec.x.length / most));
  const chosen = spec.x.map((_, index) => index).filter((index) => (spec.x.length - 1 - index) % every === 0);
  const cell = (line, index) => {
    const value = quantity(line.values[index], spec.unit);
    if (!finite(line.low?.[index]) || !finite(line.high?.[index])) return value;
    return `${value} (${quantity(line.low[index], spec.unit)} to ${quantity(line.high[index], spec.unit)})`;
  };
  return { titles, rows: chosen.map((index) => [full(spec.x[index]), ...spec.lines.map((line) => cell(line, index))]) };
}
