// Charts over time as SVG text: `chart(spec)` for the picture, `rows(spec)` for the same numbers as a table.
//
// Pure: the same spec gives the same text, with no clock, no document and no locale. The dashboard imports this file;
// pages that are one file embed it. Colours and dashes are classes of chart.css. Every text is escaped, and no
// coordinate is ever NaN: a value that is no finite number is a gap.
//
// spec = { title, description, x: [unix ms], lines: [{ name, class, values, low?, high?, steps?, filled?, bars? }],
//          bounds: [{ value, label, side?: "left" }], marks: [{ at, label, class }], dots?: [{ at, value, label?, class }],
//          scale: "linear" | "log", unit, width, height,
//          from?, to?: ends of the axis in unix ms; zero?: count time from this moment instead of by the clock;
//          time?: "log": equal factors of the time since zero are equally far apart;
//          most?: a value that is inside in any case; margin?: pixels to the left of the axis at least;
//          legend?: false where the page has one }
// A value of `steps` and `bars` holds from its moment until the next one.

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

/** A length of time as people say it: the two largest units. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(seconds / unit));
  const text = (large, unit, small, below) => (small === 0 ? `${large}${unit}` : `${large}${unit} ${small}${below}`);
  if (days) return text(days, "d", hours % 24, "h");
  if (hours) return text(hours, "h", minutes % 60, "m");
  return minutes ? text(minutes, "m", seconds % 60, "s") : `${seconds}s`;
}

/** Time from zero has a sign where the picture begins before it. */
function tickLabel(at, spec, from, to) {
  if (!finite(spec.zero)) return moment(at, to - from);
  if (at === spec.zero) return "0";
  if (at < spec.zero) return `−${span(spec.zero - at)}`;
  return `${from < spec.zero ? "+" : ""}${span(at - spec.zero)}`;
}

function timeTicks(from, to, pixels, zero) {
  const step = NICE_TIMES.find((size) => (size / (to - from)) * pixels >= 76) ?? (to - from);
  const base = finite(zero) ? zero : 0;
  const first = base + Math.ceil((from - base) / step) * step;
  const ticks = [];
  for (let at = first; at <= to && ticks.length < 100; at += step) ticks.push(at);
  return ticks;
}

/** The axis of time: where a moment lies, and the moments that have a label. */
function horizontal(spec, left, right) {
  const moments = spec.x.filter(finite);
  let from = finite(spec.from) ? spec.from : Math.min(...(moments.length ? [moments[0]] : [0]));
  let to = finite(spec.to) ? spec.to : (moments.length ? moments[moments.length - 1] : 1);
  if (!(to > from)) [from, to] = [from - 500, from + 500];
  const base = finite(spec.zero) ? spec.zero : 0;
  const log = spec.time === "log" && from > base;
  const part = (at) => (log
    ? Math.log(Math.max(at - base, from - base) / (from - base)) / Math.log((to - base) / (from - base))
    : (at - from) / (to - from));
  const x = (at) => left + Math.min(1, Math.max(0, part(at))) * (right - left);
  if (!log) return { from, to, x, ticks: timeTicks(from, to, right - left, spec.zero) };
  const ticks = [];
  for (const seconds of [1, 10, 60, 600, 3600, 21600, 86400, 604800, 2592000]) {
    const at = base + seconds * 1000;
    if (at >= from && at <= to && !(x(at) - x(ticks[ticks.length - 1]) < 38)) ticks.push(at);
  }
  return { from, to, x, ticks };
}

/** The next of 1, 2, 2.5, 5 and 10 times a power of ten. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((part) => part * power).find((round) => round >= value * (1 - 1e-9)) ?? value;
}

/** Ends and ticks of the vertical axis: every value and every bound is inside. */
function vertical(spec, log) {
  const values = [];
  const lists = [...spec.lines.flatMap((line) => [line.values, line.low, line.high]), [spec.most]];
  for (const list of lists) for (const value of list ?? []) if (finite(value)) values.push(value);
  for (const { value } of [...spec.bounds, ...spec.dots]) if (finite(value)) values.push(value);
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
function thin(points, x, columns) {
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
    const now = Math.floor(x(point.at));
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
    bounds: list(spec.bounds), marks: list(spec.marks), dots: list(spec.dots) };
}

const word = (value) => String(value ?? "").replace(/[^A-Za-z0-9_ -]/g, "");

/** The picture. Its attributes `data-plot` (left, top, right, bottom) and `data-time` (from, to) place a pointer. */
export function chart(given) {
  const spec = withDefaults(given);
  const log = spec.scale === "log";
  const { width, height } = spec;
  const axis = vertical(spec, log);
  const labels = axis.ticks.map((tick) => quantity(tick, spec.unit));
  const wide = Math.ceil(Math.max(...labels.map((label) => label.length)) * LETTER + 15);
  const left = Math.max(wide, finite(spec.margin) ? spec.margin : 0);
  const right = width - 12;
  const legend = legendOf(spec, left, right);
  const top = legend.height + (spec.marks.length > 0 ? 26 : 10);
  const bottom = Math.max(top + 20, height - 24);
  const { from, to, x, ticks } = horizontal(spec, left, right);
  const part = (value) => (log
    ? Math.log10(Math.max(value, axis.low) / axis.low) / Math.log10(axis.high / axis.low)
    : (value - axis.low) / (axis.high - axis.low));
  const y = (value) => bottom - Math.min(1, Math.max(0, part(value))) * (bottom - top);
  const plot = { columns: Math.max(1, Math.floor(right - left)), x, y, left, right, top, bottom };

  let svg = legend.svg;
  axis.ticks.forEach((tick, index) => {
    svg += rule("grid", left, y(tick), right, y(tick)) + words("tick", "end", left - 7, y(tick) + 4, labels[index]);
  });
  for (const at of ticks) {
    const label = tickLabel(at, spec, from, to);
    const half = (label.length * LETTER) / 2;
    if (x(at) - half < left - 20) continue;
    const [anchor, middle] = x(at) + half > width - 2 ? ["end", width] : ["middle", x(at)];
    svg += rule("grid", x(at), bottom, x(at), bottom + 4) + words("tick", anchor, middle, bottom + 17, label);
  }
  for (const line of spec.lines) svg += band(line, spec.x, plot);
  for (const bound of spec.bounds) if (finite(bound.value)) svg += boundLine(bound, plot);
  for (const line of spec.lines) svg += line.bars ? barsOf(line, spec.x, plot) : drawn(line, spec.x, plot);
  svg += spec.dots.filter((dot) => finite(dot.at) && finite(dot.value)).map((dot) => dotOf(dot, plot)).join("");
  svg += marksOf(spec.marks.filter((mark) => finite(mark.at) && mark.at >= from && mark.at <= to), plot);
  if (!spec.lines.some((line) => line.values.some(finite))) {
    svg += words("empty", "middle", (left + right) / 2, (top + bottom) / 2, "no samples in this time");
  }
  const label = [spec.title, spec.description].filter(Boolean).join(": ");
  return `${opening("chart", width, height, label)} data-plot="${[left, top, right, bottom].map(place).join(" ")}" `
    + `data-time="${place(from)} ${place(to)}">${svg}</svg>`;
}

const opening = (name, width, height, label) => `<svg class="${name}" xmlns="http://www.w3.org/2000/svg" `
  + `viewBox="0 0 ${place(width)} ${place(height)}" width="${place(width)}" height="${place(height)}" role="img" `
  + `aria-label="${escape(label)}"`;

const rule = (name, x1, y1, x2, y2) =>
  `<line class="${name}" x1="${place(x1)}" y1="${place(y1)}" x2="${place(x2)}" y2="${place(y2)}"/>`;

const words = (name, anchor, x, y, text) =>
  `<text class="${name}" text-anchor="${anchor}" x="${place(x)}" y="${place(y)}">${escape(text)}</text>`;

function legendOf(spec, left, right) {
  if (spec.lines.length < 2 || spec.legend === false) return { svg: "", height: 0 };
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

function drawn(line, times, { columns, x, y, bottom }) {
  let svg = "";
  for (const part of parts(thin(pointsOf(line.values, times), x, columns))) {
    const name = word(line.class);
    if (part.length === 1) {
      svg += `<circle class="dot ${name}" cx="${place(x(part[0].at))}" cy="${place(y(part[0].value))}" r="2.5"/>`;
      continue;
    }
    const path = part.map((point, index) => {
      const [px, py] = [place(x(point.at)), place(y(point.value))];
      if (index === 0) return `M${px} ${py}`;
      return line.steps ? `H${px}V${py}` : `L${px} ${py}`;
    }).join("");
    if (line.filled) {
      svg += `<path class="band ${name}" d="${path}V${place(bottom)}H${place(x(part[0].at))}Z"/>`;
    }
    svg += `<path class="line ${name}" d="${path}"/>`;
  }
  return svg;
}

/** A bar for each value that is not zero, from its moment to the next; one that is too narrow to be seen is widened. */
function barsOf(line, times, { x, y, right, bottom }) {
  const points = pointsOf(line.values, times);
  return points.map(({ at, value }, index) => {
    if (!(value > 0)) return "";
    const next = points[index + 1];
    const wide = Math.max(1.5, (next ? x(next.at) : right) - x(at) - 0.5);
    return `<rect class="bar ${word(line.class)}" x="${place(x(at))}" y="${place(y(value))}" width="${place(wide)}" `
      + `height="${place(Math.max(1, bottom - y(value)))}"/>`;
  }).join("");
}

function dotOf(dot, { x, y }) {
  const [cx, cy] = [x(dot.at), y(dot.value)];
  return `<circle class="dot ${word(dot.class)}" cx="${place(cx)}" cy="${place(cy)}" r="4.5"/>`
    + (dot.label ? words("mark-label", "end", cx - 10, cy + 4, dot.label) : "");
}

function band(line, times, { columns, x, y }) {
  if (!Array.isArray(line.low) || !Array.isArray(line.high)) return "";
  const both = (values, other) =>
    pointsOf(values.map((value, index) => (finite(other[index]) ? value : null)), times);
  const above = parts(thin(both(line.high, line.low), x, columns));
  const below = parts(thin(both(line.low, line.high), x, columns));
  return above.map((part, index) => {
    const way = [...part, ...[...(below[index] ?? [])].reverse()];
    const path = way.map((point, at) => `${at === 0 ? "M" : "L"}${place(x(point.at))} ${place(y(point.value))}`);
    return `<path class="band ${word(line.class)}" d="${path.join("")}Z"/>`;
  }).join("");
}

function boundLine(bound, { left, right, top, y }) {
  const at = y(bound.value);
  const label = at - top < 16 ? at + 14 : at - 5;
  const [anchor, x] = bound.side === "left" ? ["start", left + 4] : ["end", right - 2];
  return rule("bound", left, at, right, at) + words("bound-label", anchor, x, label, bound.label);
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
      label = words("mark-label", "start", start, top - 9, text);
      free = at - 12;
    } else if (at - 9 - wide >= left && at + 5 <= free) {
      label = words("mark-label", "end", at - 9, top - 9, text);
      free = at - 9 - wide - 4;
    } else {
      free = Math.min(free, at - 9);
    }
    const shape = SHAPES[word(mark.class)] ?? SHAPES.still;
    svg += `<g class="mark ${word(mark.class)}"><title>${escape(text)}</title>`
      + rule("", at, top - 6, at, bottom)
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
