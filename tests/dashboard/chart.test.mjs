// What a picture must keep whatever it is given: every number finite, every text escaped, no extreme lost.
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

// Imported as text, as a page does that embeds the file: its ending does not say "module" to Node.
const text = (name) => readFile(new URL(`../../src/describe/page/${name}`, import.meta.url), "utf8");
const source = (await text("chart.js")) + (await text("bars.js"));
const { bars, chart, escape, moment, number, quantity, rows, span } =
  await import(`data:text/javascript;base64,${Buffer.from(source).toString("base64")}`);

const T = Date.UTC(2026, 0, 2, 3, 4, 5);
const spec = (values, more = {}) => ({ title: "Failures", description: "of both arms", x: values.map((_, i) => T + i * 1000),
  lines: [{ name: "canary", class: "canary", values }], bounds: [], marks: [], scale: "linear", unit: "%", width: 640, height: 200, ...more });

function coordinates(svg) {
  assert.doesNotMatch(svg, /NaN|Infinity|undefined|null/);
  return [...svg.matchAll(/class="line canary" d="([^"]+)"/g)].map((path) =>
    [...path[1].matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)].map((pair) => [Number(pair[1]), Number(pair[2])]));
}

test("the same spec gives the same text, and the spec stays as it was", () => {
  const given = spec([1, null, 3], { marks: [{ at: T, label: "a", class: "up" }], bounds: [{ value: 5, label: "bound 5%" }] });
  const before = JSON.stringify(given);
  assert.equal(chart(given), chart(given));
  assert.equal(JSON.stringify(given), before);
});

test("hostile text is escaped wherever it stands", () => {
  const bad = `"><script>alert('1')</script>&\u202e`;
  const svg = chart(spec([1, 2], { title: bad, description: bad, unit: bad, bounds: [{ value: 2, label: bad }],
    marks: [{ at: T, label: bad, class: bad }], lines: [{ name: bad, class: bad, values: [1, 2] }, { name: bad, class: bad, values: [2, 1] }] }));
  assert.doesNotMatch(svg, /<script|alert\('|\u202e/);
  assert.equal(svg.split('"').length % 2, 1, "quotes are balanced");
  assert.equal(escape(`<a b="c">&'`), "&#60;a b=&#34;c&#34;&#62;&#38;&#39;");
});

test("nothing, one point and broken input are drawn without NaN", () => {
  assert.match(chart({}), /no samples in this time/);
  assert.match(chart(spec([])), /no samples in this time/);
  assert.match(chart(spec([null, NaN, Infinity, "7", undefined])), /no samples in this time/);
  const one = chart(spec([3]));
  assert.match(one, /<circle class="dot canary"/);
  for (const svg of [chart({}), one, chart(spec([0, 0])), chart(spec([-1, 1e300])), chart(spec([1, 2], { x: [T, T] })),
    chart(spec([1, 2], { x: [null, T] })), chart(spec([1, 2], { width: 10, height: 5 })), chart(spec([5, 5], { bounds: [{ value: null, label: "x" }] })),
    chart(spec([1, 2], { marks: [{ at: null, label: "x" }, { at: T + 500 }] }))]) coordinates(svg);
});

test("a gap parts the line, and a lone point between gaps is seen", () => {
  const svg = chart(spec([1, 2, null, 3, null, 4, 5]));
  assert.equal(coordinates(svg).length, 2);
  assert.equal(svg.match(/<circle/g).length, 1);
});

test("a logarithmic scale takes zeros, and equal factors are equally far apart", () => {
  const svg = chart(spec([0, 1, 10, 100, 0], { scale: "log", bounds: [{ value: 100, label: "bound" }], unit: "" }));
  const [points] = coordinates(svg);
  const heights = points.map((point) => point[1]);
  assert.ok(Math.abs((heights[1] - heights[2]) - (heights[2] - heights[3])) < 0.2, String(heights));
  assert.equal(heights[0], heights[4]);
  assert.ok(heights[0] >= heights[1]);
  coordinates(chart(spec([0, 0, 0], { scale: "log" })));
  coordinates(chart(spec([1e-300, 1e300], { scale: "log" })));
});

test("1,000 points become few, and no extreme is lost", () => {
  const values = Array.from({ length: 1000 }, (_, i) => (i === 333 ? 97 : i === 777 ? 1 : 50 + (i % 3)));
  const [points] = coordinates(chart(spec(values, { width: 200 })));
  assert.ok(points.length < 800, String(points.length));
  const top = (value) => Number(coordinates(chart(spec([0, value, 100])))[0][1][1]);
  const heights = points.map((point) => point[1]);
  assert.ok(Math.abs(Math.min(...heights) - top(97)) < 0.2, "the greatest");
  assert.ok(Math.abs(Math.max(...heights) - top(1)) < 0.2, "the least");
  const gaps = values.map((value, i) => (i >= 400 && i < 600 ? null : value));
  assert.equal(coordinates(chart(spec(gaps, { width: 200 }))).length, 2);
});

test("every bound is inside the picture", () => {
  const svg = chart(spec([0.1, 0.2], { bounds: [{ value: 5, label: "bound 5%" }] }));
  const at = Number(svg.match(/class="bound" x1="[\d.]+" y1="([\d.]+)"/)[1]);
  const [, top, , bottom] = svg.match(/data-plot="([^"]+)"/)[1].split(" ").map(Number);
  assert.ok(at >= top && at < bottom);
});

test("a band follows its line, and has the same gaps", () => {
  const line = { name: "canary", class: "canary", values: [1, 2, null, 4], low: [0, 1, null, 3], high: [2, 3, null, 5] };
  assert.equal(chart(spec([1, 2, null, 4], { lines: [line] })).match(/class="band canary"/g).length, 2);
});

test("numbers, quantities and moments read as people write them", () => {
  assert.deepEqual([0, 0.1, 7.5, 12.345, 1234567, -0.05, NaN, 5e-324].map(number), ["0", "0.1", "7.5", "12.3", "1,234,567", "-0.05", "–", "0"]);
  assert.deepEqual([quantity(5, "%"), quantity(850, "ms"), quantity(1200, "ms"), quantity(null, "%")], ["5%", "850 ms", "1.2 s", "–"]);
  assert.deepEqual([moment(T), moment(T, 7200e3), moment(T, 90 * 86400e3), moment(1e300)], ["03:04:05", "03:04", "2 Jan", "–"]);
});

test("the table has the numbers of the picture, the last always", () => {
  const table = rows(spec(Array.from({ length: 1000 }, (_, i) => i)), 50);
  assert.deepEqual(table.titles, ["Time (UTC)", "canary"]);
  assert.equal(table.rows.length, 50);
  assert.deepEqual(table.rows.at(-1), ["2026-01-02 03:20:44", "999%"]);
  assert.deepEqual(rows({}).rows, []);
});

test("on a logarithmic axis of time equal factors are equally far apart", () => {
  const svg = chart(spec([0, 50, 100], { x: [1000, 10_000, 100_000], time: "log", zero: 0 }));
  const [points] = coordinates(svg);
  assert.ok(Math.abs((points[1][0] - points[0][0]) - (points[2][0] - points[1][0])) < 0.2, String(points));
  const ticks = [...svg.matchAll(/text-anchor="middle"[^>]*>([^<]+)</g)].map((found) => found[1]);
  assert.deepEqual(ticks, ["1s", "10s", "1m"]);
  for (const from of [0, -5, null]) coordinates(chart(spec([1, 2], { x: [from, 9], time: "log", zero: 0 })));
});

test("time that counts from zero has a sign where the picture begins before it", () => {
  const ticks = (from) => [...chart(spec([1, 2], { x: [from, 60_000], zero: 0 })).matchAll(/"middle"[^>]*>([^<]+)</g)]
    .map((found) => found[1]);
  assert.deepEqual([ticks(-30_000).slice(0, 2), ticks(-30_000).includes("+30s")], [["−30s", "−15s"], true]);
  assert.ok(ticks(0).includes("30s"), String(ticks(0)));
  assert.deepEqual([0, 59_999, 90_000, 3_600_000, 90_000_000].map(span), ["0s", "59s", "1m 30s", "1h", "1d 1h"]);
});

test("a bar lasts until the next value, and nothing is drawn for zero and for a gap", () => {
  const line = { name: "canary", class: "canary", values: [0, 5, null, 10, null], bars: true };
  const svg = chart(spec(line.values, { lines: [line] }));
  const [left, , right] = svg.match(/data-plot="([^"]+)"/)[1].split(" ").map(Number);
  const drawn = [...svg.matchAll(/<rect class="bar canary" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)]
    .map((found) => [Number(found[1]), Number(found[2])]);
  const step = (right - left) / 4;
  assert.deepEqual(drawn.map(([x]) => Math.round((x - left) / step)), [1, 3]);
  for (const [, wide] of drawn) assert.ok(Math.abs(wide - step) < 1, String(wide));
});

test("a filled line, a dot with its label, and a chart without its legend", () => {
  const lines = [{ name: "canary", class: "canary", values: [1, 2], filled: true, steps: true }, { name: "other", values: [2, 1] }];
  const svg = chart(spec([], { x: [T, T + 1000], lines, most: 100, legend: false, dots: [{ at: T, value: 50, class: "x", label: "half" },
    { at: null, value: 1 }, { at: T, value: NaN }] }));
  assert.equal(svg.match(/class="band canary" d="M[^"]+Z"/g).length, 1);
  assert.equal(svg.match(/<circle class="dot x"/g).length, 1);
  assert.match(svg, />half</);
  assert.match(svg, />100%</);
  assert.doesNotMatch(svg, />other</);
});

test("bars are in pieces that fill the room, and say their part where it fits", () => {
  const given = { title: "Results", width: 400, names: ["a", "<b>"], pieces: [{ name: "found", class: "good", parts: [0.99, 0.25], texts: ["99%", "25%"] },
    { name: "<i>", class: "bad", parts: [0.01, 0.75], texts: ["1%", "75%"] }] };
  const svg = bars(given);
  assert.equal(svg, bars(given));
  assert.doesNotMatch(svg, /<b>|<i>|NaN/);
  const wide = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map((found) => Number(found[1]));
  assert.ok(Math.abs(wide[0] + wide[1] - wide[2] - wide[3]) < 0.5, String(wide));
  assert.match(svg, />99%<\/text>/);
  assert.doesNotMatch(svg, />1%<\/text>/);
  assert.match(svg, /<title>a: &#60;i&#62; 1%<\/title>/);
});
