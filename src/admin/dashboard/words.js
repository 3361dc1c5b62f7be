// What is said of a rollout, in the words of `serin status`: numbers, lengths of time, and the state of a phase.
//
// Pure: values of the API in, text out. Invariant: the page and the command line say the same of the same state.

import { number, span } from "./chart.js";

export { span };

/** Each phase with its own shape, so that colour is never the only sign. `tone`: good, work, bad. */
export const PHASES = {
  ramping: { sign: "▲", tone: "good" },
  completed: { sign: "✓", tone: "good" },
  probing: { sign: "○", tone: "work" },
  confirming: { sign: "◐", tone: "work" },
  pinned: { sign: "◆", tone: "work" },
  paused: { sign: "‖", tone: "work" },
  rolled_back: { sign: "▼", tone: "bad" },
  locked: { sign: "✕", tone: "bad" },
  blocked: { sign: "⊘", tone: "bad" },
};

export const phaseOf = (rollout) => PHASES[rollout.phase] ?? { sign: "•", tone: "work" };
export const phaseName = (phase) => String(phase).replaceAll("_", " ");

/** A moment: date and time to the second, UTC. */
export function moment(at) {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "–" : `${date.toISOString().slice(0, 19).replace("T", " ")}Z`;
}

export function distance(at, now) {
  const difference = new Date(at).getTime() - now;
  if (!Number.isFinite(difference)) return "–";
  return difference > 0 ? `in ${span(difference)}` : `${span(-difference)} ago`;
}

/** A rate in percent, with as many digits as the guard's sentences have. */
export function percent(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const size = Math.min(100, Math.max(0, value));
  const text = size.toFixed(size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
  return `${text.replace(/\.?0+$/, "")}%`;
}

export const share = (value) => `${number(value)}%`;
export const count = (value) => (typeof value === "number" ? Math.round(value).toLocaleString("en-US") : "–");
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export function evidence(value) {
  if (typeof value !== "number") return "–";
  if (value >= 1e6) return "over a million";
  return value >= 10 ? value.toFixed(0) : value.toFixed(2);
}

/** The interval in which a rate lies by 95% (Wilson), in percent. */
export function wilson(events, requests) {
  if (!(requests > 0)) return [null, null];
  const z = 1.959964;
  const [rate, extra] = [Math.min(1, events / requests), (z * z) / requests];
  const middle = (rate + extra / 2) / (1 + extra);
  const half = (z / (1 + extra)) * Math.sqrt((rate * (1 - rate)) / requests + extra / (4 * requests));
  return [Math.max(0, middle - half) * 100, Math.min(1, middle + half) * 100];
}

const COMPARED = [
  ["failing", "bound", "it fails more often than stable"],
  ["slow", "bound", "it is slower"],
  ["refusing", "bound", "it refuses more"],
  ["empty", "answers_bound", "more of its responses are empty"],
  ["length", "answers_bound", "more of its responses stop at a length limit"],
  ["filtered", "answers_bound", "more of its responses are filtered"],
  ["pace", "answers_bound", "more of its responses are streamed slowly"],
  ["feedback", "bound", "more of its responses are called bad by the application"],
];

/** Everything that is compared: what, its evidence, and the evidence at which something is done. */
export function compared(guard) {
  return COMPARED.filter(([name]) => guard[name]).map(([name, bound, what]) => ({
    name, what, evidence: guard[name].evidence, bound: guard[bound], above: guard[name].above_floor,
      since: guard[name].since_well }));
}

/** How many canary requests a promotion still needs. */
export function needs(rollout) {
  const { guard } = rollout;
  if (!guard || !(guard.needed > guard.answered) || !["ramping", "confirming"].includes(rollout.phase)) return null;
  return `needs ${count(guard.needed - guard.answered)} more answered canary requests (${count(guard.answered)} of `
    + `${count(guard.needed)})`;
}

export function waitsFor(rollout) {
  const left = rollout.guard?.left_seconds;
  const parts = rollout.waiting_for ? [rollout.waiting_for] : [];
  if (left > 0 && rollout.phase === "ramping") parts.push(`${span(Math.ceil(left) * 1000)} left of this step`);
  return parts.join("; ");
}

export function lately(recent) {
  const seconds = recent.seconds < 10 ? recent.seconds : Math.floor(recent.seconds / 10) * 10;
  return `last ${span(seconds * 1000)}`;
}

const AGES = [["below_5s", "for less than 5s"], ["below_30s", "for less than 30s"], ["below_2m", "for less than 2m"],
  ["below_10m", "for less than 10m"], ["longer", "for longer"]];

export function inFlight(arm) {
  const ages = AGES.filter(([key]) => arm.without_output?.[key] > 0).map(([key, text]) =>
    `${count(arm.without_output[key])} ${text}`);
  return ages.length ? `${count(arm.requests)}, without output: ${ages.join(", ")}` : count(arm.requests);
}

/** What became of requests that met a cause. */
export function answeredBy(cause) {
  const all = Object.entries(cause.answered ?? {});
  if (all.length === 0) return "none answered by another provider";
  if (all.length === 1 && all[0][1] === cause.count) return `all answered by ${all[0][0]}`;
  return `answered by others: ${all.map(([name, times]) => `${count(times)} by ${name}`).join(", ")}`;
}

export function breaker(provider, now) {
  const until = provider.open_until ? span(new Date(provider.open_until).getTime() - now) : null;
  if (provider.breaker === "open" && provider.unreachable
    && until) return `no connection is possible, the next test is in ${until}`;
  if (provider.breaker === "half_open"
    && provider.unreachable) return "no connection was possible, the next test is now";
  if (provider.breaker === "open") return until ? `open for ${until} more` : "open";
  if (provider.breaker === "half_open") return "half open, one request at a time tests it";
  return provider.breaker === "off" ? "off: the file turns it off" : "closed";
}

export function fault(error) {
  const place = error.line ? `line ${error.line}, column ${error.column}` : "";
  return [place, error.path, error.problem].filter(Boolean).join(": ");
}

/** How a shell takes a word as it stands. */
export const quoted = (word) => (/^[A-Za-z0-9_./:-]+$/.test(word) ? word
  : `'${String(word).replaceAll("'", "'\\''")}'`);
