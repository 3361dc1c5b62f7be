// The tables of a rollout: traffic, what is compared, why requests failed, and what the canary refuses.
//
// Pure: the status in, tables out, with the words of `serin status`.

import { h } from "./dom.js";
import { facts, table, time } from "./parts.js";
import { answeredBy, compared, count, evidence, inFlight, lately, percent } from "./words.js";

const n = (value) => ["n", value];
const rate = (events, requests) => (requests > 0 ? percent((events / requests) * 100) : "–");

/** What really happened on each arm in the last minutes, whatever the share was. */
export function traffic(rollout) {
  const { recent } = rollout;
  if (!recent) return h("p", null, "This process does not tell it.");
  const arms = [["stable", recent.stable], ["canary", recent.canary]].filter(([, arm]) => arm);
  const all = arms.reduce((sum, [, arm]) => sum + arm.requests, 0);
  const measures = [
    ["Requests", (arm) => `${count(arm.requests)}${all > 0 && arms.length > 1 ? ` (${rate(arm.requests, all)})` : ""}`],
    ["Failed for the application", (arm) => (arm.requests > 0
      ? `${count(arm.failed)} (${rate(arm.failed, arm.requests)})` : count(arm.failed))],
    ["Refused as the client's error", (arm) => count(arm.refused)],
    ["Answered by another provider", (arm) => count(arm.elsewhere)],
    ["In flight now", (arm) => count(arm.in_flight)],
    ["Of these without output", (arm) => count(arm.waiting)],
  ];
  return [
    table(`In the ${lately(recent)}`, ["Counts", ...arms.map(([name]) => name)],
      measures.map(([name, of]) => [name, ...arms.map(([, arm]) => n(of(arm)))])),
    all === 0 && h("p", null, `There were no requests in the ${lately(recent)}.`),
    arms.length > 1 && all > 0 && h("p.soft", null,
      `${percent(rollout.percent)} of users are on the canary, and ${rate(recent.canary.requests, all)} of these `
      + `requests. `
      + "The share of users has changed in this time, or users differ in how much they send, if these are far apart."),
  ];
}

export function flight(rollout) {
  const { stable, canary } = rollout.in_flight ?? {};
  return [
    facts([["At stable now", stable?.requests > 0 && inFlight(stable)],
      ["At the canary now", canary?.requests > 0 && inFlight(canary)]]),
    (rollout.fallbacks ?? []).map((one) =>
      h("p", { key: `${one.arm} ${one.provider}` },
      `${count(one.requests)} of ${one.arm}'s requests answered by ${one.provider} since the start.`)),
  ];
}

/** Every aspect with its evidence, its bound, and both rates since the canary last looked well. */
export function comparisons(rollout) {
  const { guard } = rollout;
  if (!guard) return h("p", null, "Nothing is compared: there is no canary.");
  if (!(rollout.percent > 0)) return h("p", null, "Nobody is on the canary, so there is nothing to compare.");
  const interval = (one) => (one?.percent === null || !one ? "no request"
    : `${percent(one.percent)} of ${count(one.requests)} (${percent(one.low_percent)} to `
      + `${percent(one.high_percent)})`);
  const row = (one) => [`that ${one.what}`, n(evidence(one.evidence)), n(count(one.bound)), interval(one.since?.canary),
    interval(one.since?.stable)];
  return [
    table("Evidence, and rates since the canary last looked well", ["Evidence", "Now", "Bound", "Canary", "Stable"],
      compared(guard).map(row)),
    guard.failures_in_a_row >= 3 && h("p.problem", null,
      `The canary's last ${count(guard.failures_in_a_row)} requests failed.`),
    h("p.soft", null, `Users behind the failures at this share: ${count(guard.users_failing.canary)} on the canary, `
      + `${count(guard.users_failing.stable)} on stable. `
      + "Above 1 no share is raised; at the bound the guard acts."),
  ];
}

export function causes(rollout, now) {
  const seen = rollout.seen ?? [];
  return seen.length === 0 ? h("p", null, "No request has failed at this share.") : causeTable(seen, now);
}

export function causeTable(seen, now) {
  return table("Causes, the commonest first", ["Cause", "Arm", "Requests", "Last", "Then"], seen.map((cause) => [
    h("span", null, `${cause.outcome}: ${cause.what}`,
      cause.request_id && h("span.soft", null, ` request ${cause.request_id}`)),
    cause.arm, n(`${count(cause.count)} of ${count(cause.of)}`), time(cause.last, now),
      `${answeredBy(cause)}; users who saw an error: ${count(cause.users_failed)}`]));
}

/** What the canary refuses although stable accepts it, each with the rule that mends it. */
export function refusals(rollout, now) {
  const list = rollout.findings ?? [];
  if (list.length === 0) return null;
  return h("section.card", { key: "refusals" }, h("h2", null, "What the canary refuses"),
    h("ul", null, list.map((one) => h("li", { key: one.sentence },
    h("p", null, h("strong", null, one.sentence), `: ${one.count === 1 ? "once" : `${count(one.count)} times`}, last `,
      time(one.last_at, now), "."),
    h("p.soft", null, one.advice)))));
}
