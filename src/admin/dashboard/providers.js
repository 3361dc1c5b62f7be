// Every provider: its breaker, what was sent elsewhere because of it, and the rollouts that use it.
//
// Pure: only what the status has.

import { h } from "./dom.js";
import { heading, table } from "./parts.js";
import { breaker, count } from "./words.js";

const SIGNS = { closed: ["✓", "good"], half_open: ["◐", "work"], open: ["✕", "bad"], off: ["○", "soft"] };

export const providers = {
  title: () => "Providers",
  view({ state }) {
    const { providers: all, rollouts } = state.status;
    const users = (name) => rollouts.filter((known) => known.stable === name
      || known.canary === name).map((known, index) => [index > 0 && ", ",
      h("a", { href: `#/rollouts/${encodeURIComponent(known.name)}` }, known.name),
        known.canary ? ` (${known.canary === name ? "canary" : "stable"})` : " (plain route)"]);
    const stands = (one) => {
      const [sign, tone] = SIGNS[one.breaker] ?? ["•", "soft"];
      return h("span", null, h(`span.sign.${tone}`, { "aria-hidden": "true" }, sign), ` ${breaker(one, state.now())}`);
    };
    return [heading("Providers"),
      h("p.soft", null, "A breaker stops requests to a provider after failures in a row, as long as another provider "
        + "can answer."),
      all.length === 0 ? h("p", null, "The file in force has no provider.")
        : h("section.card", null, table("Providers and their breakers",
        ["Provider", "Breaker", "Failures in a row", "Sent elsewhere", "Rollouts"],
          all.map((one) => [one.name, stands(one), ["n", count(one.failures)], ["n", count(one.diverted)],
          h("span", null, users(one.name))]), { hidden: true }))];
  },
};
