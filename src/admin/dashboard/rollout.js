// One rollout: the reason first, then what can be done, its pictures, what is counted of both arms, and its history.
//
// Pictures come from `series` and are asked for again as steps are added; everything else is in the status.

import { ApiError, get } from "./api.js";
import { askAll, buttons } from "./actions.js";
import { copies, loadComparison } from "./comparison.js";
import { YOUNG, curves, firstSample } from "./curves.js";
import { h } from "./dom.js";
import { figure } from "./figure.js";
import { badge, entry, facts, heading, problem, prose, reason, time } from "./parts.js";
import { providersOf } from "./providers.js";
import { causes, comparisons, flight, refusals, traffic } from "./tables.js";
import { distance, lately, moment, needs, share, span, waitsFor } from "./words.js";

const RANGES = { "1h": ["1 h", 3600e3], "2h": ["2 h", 2 * 3600e3], "2d": ["2 d", 2 * 86400e3],
  "90d": ["90 d", 90 * 86400e3] };
const [USUAL, LISTED, LEAST] = ["2h", 20, 60e3];
/** Two columns of pictures from this width on. */
const WIDE = 900;

const find = (visit) => visit.state.status.rollouts.find((known) => known.name === visit.name);
const rangeOf = (visit) => (RANGES[visit.parameters.range] ? visit.parameters.range : USUAL);

async function load(visit) {
  const { data, name, state } = visit;
  const path = `api/v1/rollouts/${encodeURIComponent(name)}/series`;
  const to = Math.round(state.now());
  const [, length] = RANGES[rangeOf(visit)];
  const between = (from) => get(`${path}?from=${from}&to=${to}`);
  try {
    let series = await between(data.young ?? to - length);
    const first = series.at[firstSample(series)];
    // What is younger than the step is worth seeing second by second.
    data.young = first > to - YOUNG ? Math.min(first, to - LEAST) : undefined;
    if (data.young && series.step_seconds > 1) series = await between(data.young);
    performance.mark("series-received");
    const known = find(visit);
    if (known) data.curves = curves(series, known);
    data.step = series.step_seconds ?? 10;
    data.seriesProblem = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    data.seriesProblem = error;
  }
  if (find(visit)?.copies) await loadComparison(visit);
  visit.refresh();
}

async function loadHistory(visit) {
  try {
    visit.data.history = (await get(`api/v1/history?rollout=${encodeURIComponent(visit.name)}&limit=${LISTED}`)).events;
    visit.data.historyProblem = null;
  } catch (error) {
    visit.data.historyProblem = error;
  }
  visit.refresh();
}

export const rollout = {
  title: (visit) => visit.name,
  enter(visit) {
    if (!find(visit)?.canary) return;
    askAll(visit, find(visit));
    loadHistory(visit);
    const again = async () => {
      await load(visit);
      if (visit.ends.signal.aborted) return;
      const pause = setTimeout(again, Math.min(60, Math.max(5, visit.data.step ?? 10)) * 1000);
      visit.ends.signal.addEventListener("abort", () => clearTimeout(pause), { once: true });
    };
    again();
  },
  update(visit) {
    const known = find(visit);
    if (known?.canary) askAll(visit, known);
  },
  happened(visit, event) {
    if (event.rollout !== visit.name) return;
    if (visit.data.history) visit.data.history = [event, ...visit.data.history].slice(0, LISTED);
    load(visit);
  },
  view(visit) {
    const known = find(visit);
    if (!known) return h("section.card.narrow", null, heading(visit.name),
      h("p", null, "The file in force has no rollout of this name."),
      h("p", null, h("a", { href: "#/" }, "All rollouts")));
    return known.canary ? moving(known, visit) : plainRoute(known, visit);
  },
};

function plainRoute(known, { state }) {
  return [h("div.title", null, heading(known.name), h("span.soft", null, `${known.stable} (a plain route)`)),
    known.stable_fault && h("p.problem", null, known.stable_fault),
    h("section.card", null, h("h2", null, "Traffic"), traffic(known)),
    providersOf([known.stable], state)];
}

function moving(known, visit) {
  const { state, data } = visit;
  const now = state.now();
  return [
    h("div.title", null, heading(known.name), badge(known), h("span.soft", null, `${known.stable} → ${known.canary}`,
      known.attempt > 1 ? `, attempt ${known.attempt}` : "")),
    h("section.card.lead", null,
      h("div.columns", null,
        h("div.share", null, h("strong.big", null, share(known.percent)),
          h("span.soft", null, "of users on the canary"),
          h("span.soft", null, `the file has percent: ${known.intent}`)),
        h("div.story", null, reason(known.reason),
          known.stable_fault && h("p.problem", null, `Stable: ${known.stable_fault}`),
          notReady(known),
          known.incident && h("p", null, h("a", { href: `#/incidents/${encodeURIComponent(known.incident)}` },
            "Read the incident: what failed, when, and for whom")),
          standing(known, now))),
      buttons(visit, known)),
    pictures(known, visit),
    quiet(known),
    h("div.grid", null,
      h("section.card", null, h("h2", null, "Traffic"), traffic(known), flight(known), anonymous(known)),
      h("div.stack", null, h("section.card", null, h("h2", null, "Why requests failed"), causes(known, now)),
        providersOf([known.stable, known.canary], state))),
    h("section.card", null, h("h2", null, "What the guard compares"), comparisons(known)),
    refusals(known, now),
    copies(known, data),
    h("section.card", null, h("h2", null, "History"),
      data.historyProblem ? problem(data.historyProblem)
        : !data.history ? h("p.soft", null, "Loading.")
          : data.history.length === 0 ? h("p", null, "Nothing has happened yet.")
            : h("ol.history", null, data.history.map((event) => entry(event, now, { withRollout: false }))),
      h("p", null, h("a", { href: `#/history?rollout=${encodeURIComponent(known.name)}` }, "The whole history"))),
  ];
}

/** Why stable could not take everybody back; nothing where it could, or has everybody. */
function notReady({ rollback_ready: back, stable, percent }) {
  if (!back || back.ready || percent === 0) return null;
  const reasons = back.reasons.map(({ sentence }) => sentence).join("; ");
  return h("p.problem", null, `Stable ${stable} could not take everybody back: ${reasons}.`);
}

/** Where it stands and what comes next. */
function standing(known, now) {
  const { next, lock, guard } = known;
  const due = next && (new Date(next.not_before).getTime() > now
    ? `not before ${moment(next.not_before)} (${distance(next.not_before, now)})` : "due now");
  return facts([
    ["Since", h("span", null, moment(known.since), ", ", time(known.since, now))],
    ["Lock", lock && `at ${share(lock.to)} by ${lock.actor}, ${moment(lock.at)}`
      + (lock.reason ? `: ${lock.reason}` : "")],
    ["Paused", known.paused && "no promotion until it is resumed"],
    ["Next", next && `${share(next.percent)}, ${due}`],
    ["Promotion", !known.waiting_for.includes("answered canary requests") && needs(known)],
    ["Waits for", waitsFor(known) && h("span", null, prose(waitsFor(known)))],
    ["Incident of stable", guard?.incident
      && "stable fails far more than usual: there is no promotion, and the step's time is paused"],
    ["Watched", guard && known.percent > 0 && `${span(guard.watched_seconds * 1000)} at this share`],
    ["Seen in", guard && known.percent > 0 && seenIn(guard)],
  ]);
}

/** How long faults would take to be seen. */
function seenIn(guard) {
  if (guard.requests_per_second < 0.001) return "never: there were no recent requests";
  const after = (seconds) => (typeof seconds === "number" ? span(seconds * 1000) : "not within two weeks");
  const faults = (guard.forecast ?? []).map((fault) =>
    `${fault.error_percent >= 100 ? "a dead canary" : `${share(fault.error_percent)} errors`} `
    + `${after(fault.seen_after_seconds)}`);
  if (faults.length) faults.splice(1, 0, `one that never answers ${after(guard.silent_seen_after_seconds)}`);
  return faults.join(", ");
}

function quiet(known) {
  const { recent } = known;
  if (!recent || recent.stable.requests + (recent.canary?.requests ?? 0) > 0) return null;
  return h("p.banner.warn", { key: "quiet" }, h("span.sign", { "aria-hidden": "true" }, "▲"),
    `There were no requests in the ${lately(recent)}. Without requests nothing is learned of the canary, and no share `
    + `is raised.`);
}

function anonymous(known) {
  const { anonymous: recent } = known.recent ?? {};
  if (!known.anonymous_ratio && !recent?.requests) return null;
  return h("p", null, `${((known.anonymous_ratio ?? 0) * 100).toFixed(1)}% of requests since the start carry no user `
    + `id. ${known.anonymous_advice ?? ""}`);
}

function pictures(known, visit) {
  const { data, state } = visit;
  const chosen = rangeOf(visit);
  const columns = state.width >= WIDE ? 2 : 1;
  // Card padding and the gap between the columns.
  const width = Math.max(240, Math.floor((state.width - (columns - 1) * 16) / columns) - 34);
  const ranges = h("nav.ranges", { "aria-label": "Time range" }, Object.entries(RANGES).map(([key, [label]]) => h("a", {
    href: `#/rollouts/${encodeURIComponent(known.name)}?range=${key}`, "aria-current": key === chosen ? "true" : null },
      label)));
  let body = h("p.soft", null, "Loading.");
  if (data.curves) body = h("div.grid.pictures", null, data.curves.map((one) => figure(visit, one, width)));
  else if (data.seriesProblem) body = problem(data.seriesProblem);
  return h("section", { key: "pictures", "aria-label": "Over time" },
    h("div.title", null, h("h2", null, "Over time"), ranges), body);
}
