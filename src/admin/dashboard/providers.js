// Every provider: its breaker, what was sent elsewhere because of it, its keys and its limit, and who uses it.
//
// Pure: only what the status has.

import { h } from "./dom.js";
import { keptBy } from "./kept.js";
import { keyLists, keySentences, usableKeys } from "./keys.js";
import { clientLimits, limitSentence, providerLimits, room } from "./limits.js";
import { facts, heading, signed, table } from "./parts.js";
import { breaker, count, plural, span } from "./words.js";

const SIGNS = { closed: ["✓", "good"], half_open: ["◐", "work"], open: ["✕", "bad"], off: ["○", "soft"] };

const stands = (one, now) => signed(...SIGNS[one.breaker] ?? ["•", "soft"], breaker(one, now));

export const providers = {
  title: () => "Providers",
  view({ state }) {
    const { providers: all, clients, rollouts, websockets = [] } = state.status;
    const now = state.now();
    const users = (name) => rollouts.filter((known) => known.stable === name
      || known.canary === name).map((known, index) => [index > 0 && ", ",
      h("a", { href: `#/rollouts/${encodeURIComponent(known.name)}` }, known.name),
        known.canary ? ` (${known.canary === name ? "canary" : "stable"})` : " (plain route)"]);
    return [heading("Providers"),
      h("p.soft", null, "A breaker stops requests to a provider after failures in a row, as long as another provider "
        + "can answer."),
      all.length === 0 ? h("p", null, "The file in force has no provider.")
        : h("section.card", null, table("Providers and their breakers",
        ["Provider", "Breaker", "Failures in a row", "Sent elsewhere", "Keys", "Rollouts"],
          all.map((one) => [one.name, stands(one, now), ["n", count(one.failures)], ["n", count(one.diverted)],
          usableKeys(one) ?? h("span.soft", null, "none of its own"), h("span", null, users(one.name))]),
          { hidden: true })),
      webSockets(websockets), keyLists(all, now), providerLimits(all), clientLimits(clients),
      keptLists(all, state.status, now)];
  },
};

/** Open WebSocket sessions; nothing where none is. */
const webSockets = (all) => all.length > 0 && h("section.card", null, table("Open WebSocket sessions",
  ["Provider", "Rollout", "Arm", "Open", "Oldest"], all.map((one) => [one.provider,
    one.arm === "none" ? "none" : one.rollout, one.arm, ["n", count(one.open)], ["n", span(one.oldest_seconds)]])));

function keptLists(all, status, now) {
  const keeping = all.filter((one) => keptBy(one.name, status, now));
  return keeping.length > 0 && h("section.card", null, h("h2", null, "Kept by providers other than stable"),
    facts(keeping.map((one) => [one.name, keptBy(one.name, status, now)])));
}

/** The providers of a rollout, briefly: what is impaired of each. */
export function providersOf(names, state) {
  const known = names.map((name) => state.status.providers.find((one) => one.name === name)).filter(Boolean);
  const now = state.now();
  const brief = (one) => [
    h("div", null, "Breaker: ", stands(one, now), one.failures > 0 && `, ${plural(one.failures, "failure")} in a row`),
    usableKeys(one) && h("div", null, "Keys: ", usableKeys(one)), keySentences(one, now),
    one.rate_limit && h("div", null, "Limit: ", room(one.rate_limit), `; ${limitSentence(one.rate_limit)}`),
    keptBy(one.name, state.status, now)];
  return h("section.card", null, h("h2", null, "Providers"), facts(known.map((one) => [one.name, brief(one)])),
    h("p", null, h("a", { href: "#/providers" }, "All providers")));
}
