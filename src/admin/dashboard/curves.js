// What the pictures of a rollout show: from the columns of `series` to the specs of chart.js, each with its sentence.
//
// Pure. Rates are of several steps together, so that a single failure is no spike, and have the interval in which they
// lie by 95% (Wilson). Each sentence says what is shown and where the bound is.

import { number } from "./chart.js";
import { count, evidence, phaseName, share, wilson } from "./words.js";

/** So many points of a rate over the whole time, and at least so many seconds a point. */
const [POINTS, SHORTEST] = [120, 5];

/** Samples that began so recently fill the picture. */
export const YOUNG = 15 * 60_000;

const last = (values) => values.findLast((value) => typeof value === "number") ?? null;
const most = (values) => values.reduce((high, value) => (typeof value === "number" && value > high ? value : high),
  -Infinity);
const list = (values) => (Array.isArray(values) ? values : []);

/** The index of the first step with a sample, or -1. */
export const firstSample = (series) => list(series.percent).findIndex((value) => typeof value === "number");

/** Neighbouring steps together: the time of each group's end, and each arm's rate with its interval. */
function rates(series) {
  const at = list(series.at);
  const step = series.step_seconds > 0 ? series.step_seconds : 1;
  const each = Math.max(1, Math.ceil(at.length / POINTS), Math.ceil(SHORTEST / step));
  // By the clock, so that a point stays what it was when the next step comes.
  const group = (index) => Math.floor(at[index] / (each * step * 1000));
  const groups = [];
  for (let from = 0, to = 0; from < at.length; from = to) {
    while (to < at.length && group(to) === group(from)) to += 1;
    groups.push([from, to]);
  }
  const arm = (counts) => {
    const values = { values: [], low: [], high: [], requests: [] };
    for (const [from, to] of groups) {
      let [requests, failures] = [0, 0];
      for (let index = from; index < to; index += 1) {
        requests += counts?.requests?.[index] ?? 0;
        failures += counts?.failures?.[index] ?? 0;
      }
      const [low, high] = wilson(failures, requests);
      values.values.push(requests > 0 ? (failures / requests) * 100 : null);
      values.low.push(low);
      values.high.push(high);
      values.requests.push(requests);
    }
    return values;
  };
  return { x: groups.map(([, to]) => at[to - 1]), each, stable: arm(series.stable), canary: arm(series.canary) };
}

const direction = (event) => (event.to > event.from ? "up" : event.to < event.from ? "down" : "still");

/** The pictures of a rollout, as `{ id, title, sentence, spec }`. */
export function curves(series, rollout) {
  const at = list(series.at);
  const first = firstSample(series);
  const to = new Date(series.to).getTime();
  // A young process has no two hours: the pictures begin where the samples do.
  const from = first > 0 && at[first] > to - YOUNG ? at[first] : new Date(series.from).getTime();
  const base = { x: at, from: Number.isFinite(from) ? from : undefined, to: Number.isFinite(to) ? to : undefined,
    bounds: [], marks: [], scale: "linear" };
  const make = (id, title, sentence,
    spec) => ({ id, title, sentence, spec: { ...base, ...spec, title, description: sentence } });
  const marks = list(series.events).map((event) => ({ at: new Date(event.at).getTime(), class: direction(event),
    label: event.from === event.to ? phaseName(event.action) : `${phaseName(event.action)} ${share(event.to)}` }));
  return [
    shares(series, rollout, marks, make),
    failing(series, rollout, make),
    doubt(series, rollout, make),
    traffic(series, make),
    latency("first", "Time to first output",
      [["first_output_p50_ms", "median", ""], ["first_output_p95_ms", "P95", " thin"]], series, make),
    latency("duration", "Duration of requests",
      [["duration_p50_ms", "median", ""], ["duration_p95_ms", "P95", " thin"],
      ["duration_p99_ms", "P99", " thin dotted"]], series, make),
  ];
}

function shares(series, rollout, marks, make) {
  const values = list(series.percent);
  const lines = [{ name: "in force", class: "canary", values, steps: true }];
  const asked = list(series.intent);
  if (asked.some((value) => typeof value === "number")) lines.push({ name: "flags.yaml asks for", class: "thin dotted",
    values: asked, steps: true });
  const high = most(values);
  const decided = marks.length === 1 ? "1 decision is marked" : `${count(marks.length)} decisions are marked`;
  return make("share", "Users on the canary", `The share of users on the canary: ${share(rollout.percent)} now`
    + `${high >= 0 ? `, ${share(high)} at most in this time` : ""}. ${decided}.`, { lines, marks, unit: "%" });
}

function failing(series, rollout, make) {
  const { x, each, stable, canary } = rates(series);
  const limit = rollout.guard?.max_error_percent;
  const bounds = typeof limit === "number" ? [{ value: limit, label: `no promotion above ${share(limit)}` }] : [];
  const seconds = each * (series.step_seconds ?? 1);
  const where = bounds.length ? ` No share is raised while the canary may fail more than ${share(limit)}, or than `
    + `twice stable's rate if that is higher.` : "";
  return make("failing", "Failure rate",
    `The part of each arm's requests that failed, in ${count(seconds)} s each, with the interval in which the rate `
    + `lies by 95%.${where}`,
    { x, bounds, unit: "%", lines: [{ name: "stable", class: "stable", ...stable },
      { name: "canary", class: "canary", ...canary }] });
}

function doubt(series, rollout, make) {
  const values = list(series.evidence);
  const { bound } = series;
  const bounds = typeof bound === "number" ? [{ value: bound, label: `bound ${number(bound)}: the guard acts` }] : [];
  const now = last(values);
  const where = bounds.length ? ` At ${number(bound)} the guard acts; above 1 no share is raised.` : "";
  return make("evidence", "Evidence against the canary",
    `How many times likelier the failures are if the canary is worse than stable: `
    + `${now === null ? "not measured" : evidence(now)} at the end.${where} The scale is logarithmic.`,
  { bounds, scale: "log", unit: "", lines: [{ name: "evidence", class: "canary", values }] });
}

function traffic(series, make) {
  const seconds = series.step_seconds > 0 ? series.step_seconds : 1;
  const each = (counts) => list(counts?.requests).map((value) => (typeof value === "number" ? value / seconds : null));
  const [stable, canary] = [each(series.stable), each(series.canary)];
  const high = Math.max(most(stable), most(canary));
  return make("traffic", "Requests a second",
    high > 0 ? `Requests a second of each arm, ${number(high)} at most. There is no bound.`
    : "No requests in this time.",
    { lines: [{ name: "stable", class: "stable", values: stable }, { name: "canary", class: "canary", values: canary }],
      unit: "" });
}

function latency(id, title, quantiles, series, make) {
  const lines = ["stable", "canary"].flatMap((arm) => quantiles.map(([key, name, look]) => ({
    name: `${arm} ${name}`, class: arm + look, values: list(series[arm]?.[key]) })));
  const said = ["stable", "canary"].map((arm) => {
    const now = last(list(series[arm]?.[quantiles[0][0]]));
    return now === null ? null : `${arm} ${count(now)} ms`;
  }).filter(Boolean);
  return make(id, title, `${quantiles.map(([, name]) => name).join(", ").replace("median", "Median")} of each arm. `
    + `${said.length ? `The last median: ${said.join(", ")}. ` : ""}There is no bound.`, { lines, unit: "ms" });
}

