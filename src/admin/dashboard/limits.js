// The limits of providers and clients: what is used, what is left, and what became of requests that were too many.
//
// Pure: the status in, words and tables out. Counts are since the start of the process.

import { h } from "./dom.js";
import { signed, table } from "./parts.js";
import { count } from "./words.js";

const n = (value) => ["n", value];
const THEN = [["other", "sent to another provider"], ["waited", "sent after a wait"], ["sent_anyway", "sent anyway"],
  ["refused", "refused"], ["observed", "beyond it"]];

const of = (used, most) => `${count(used)} of ${count(most)}`;
const turned = (limit, then) => (limit.turned ?? []).filter((one) => one.then === then)
  .reduce((sum, one) => sum + one.requests, 0);

/** `✓ has room`, or what is used up. */
export function room(limit) {
  const full = [limit.requests_left === 0 && "requests", limit.tokens_left === 0 && "tokens",
    limit.most_in_flight && limit.in_flight >= limit.most_in_flight && "in flight"].filter(Boolean);
  return h("span.state", null, full.length > 0 ? signed("▲", "work", `full: ${full.join(", ")}`)
    : limit.waiting > 0 ? signed("▲", "work", "requests wait") : signed("✓", "good", "has room"));
}

/** `412 of 600 a minute, 3 waiting`. */
export function limitSentence(limit) {
  if (!limit) return null;
  return [limit.requests_per_minute && `${of(limit.last_minute, limit.requests_per_minute)} a minute`,
    limit.tokens_per_minute && `${of(limit.tokens_left, limit.tokens_per_minute)} tokens left`,
    limit.most_in_flight && `${of(limit.in_flight, limit.most_in_flight)} in flight`,
    limit.waiting > 0 && `${count(limit.waiting)} waiting`,
    ...["other", "sent_anyway", "refused"].map((then) => turned(limit, then) > 0
      && `${count(turned(limit, then))} ${THEN.find(([name]) => name === then)[1]} since the start`),
  ].filter(Boolean).join(", ");
}

/** The limits of all providers that have one. */
export function providerLimits(providers) {
  const limited = providers.filter((provider) => provider.rate_limit);
  const rows = limited.map(({ name, rate_limit: limit }) => [name, room(limit),
    n(limit.requests_per_minute ? of(limit.last_minute, limit.requests_per_minute) : count(limit.last_minute)),
    n(limit.requests_per_minute ? of(limit.requests_left, limit.burst) : "–"),
    n(limit.tokens_per_minute ? of(limit.tokens_left, limit.tokens_per_minute) : "–"),
    n(limit.most_in_flight ? of(limit.in_flight, limit.most_in_flight) : count(limit.in_flight)),
    n(count(limit.waiting)),
    h("span", null, THEN.filter(([then]) => turned(limit, then) > 0)
      .map(([then, words]) => `${count(turned(limit, then))} ${words}`).join(", ") || "none")]);
  return rows.length > 0 && h("section.card", null, h("h2", null, "Limits of providers"),
    table("Limits of providers", ["Provider", "State", "In the last minute", "Left at once", "Tokens left", "In flight",
      "Waiting", "Too many since the start"], rows, { hidden: true }));
}

/** The limits of all clients that have one. */
export function clientLimits(clients) {
  const rows = (clients ?? []).map((limit) => [limit.name, room(limit),
    n(of(limit.last_minute, limit.requests_per_minute)), n(of(limit.requests_left, limit.burst)),
    n(count(limit.refused)), n(count(limit.observed))]);
  return rows.length > 0 && h("section.card", null, h("h2", null, "Limits of clients"),
    table("Limits of clients", ["Client", "State", "In the last minute", "Left at once", "Refused since the start",
      "Let pass beyond it"], rows, { hidden: true }));
}
