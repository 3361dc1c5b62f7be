// Copies of a rollout's requests: the rehearsal before the first user, and the comparison after that.
//
// Asked for only where the file has some copied. Counts and sentences are the server's; there is no text of a user.

import { get } from "./api.js";
import { h } from "./dom.js";
import { facts, problem, prose, table } from "./parts.js";
import { count, percent } from "./words.js";

export async function loadComparison(visit) {
  try {
    visit.data.comparison = await get(`api/v1/rollouts/${encodeURIComponent(visit.name)}/comparison`);
    visit.data.comparisonProblem = null;
  } catch (error) {
    visit.data.comparisonProblem = error;
  }
}

const usd = (amount, digits) => `$${amount.toFixed(digits)}`;
const pair = ({ canary, stable }, unit) => `${canary} ${unit} (stable ${stable} ${unit})`;

/** The section of a rollout; nothing where the file has nothing copied. */
export function copies(known, { comparison: reply, comparisonProblem: why }) {
  if (!known.copies) return null;
  return h("section.card", null, h("h2", null, "Copies to the canary"),
    why ? problem(why) : !reply ? h("p.soft", null, "Loading.") : [
      h("p", null, prose(reply.sentence)),
      facts([["Cost today", reply.priced ? usd(reply.spent_today, 4)
        : "unknown: the canary has no prices, so max_cost cannot be held"]]),
      reply.rehearsal && rehearsal(reply.rehearsal),
      reply.comparison && [h("h3", null, "Comparison"), counts(reply.comparison, "comparison")],
    ]);
}

function rehearsal({ round, requests, passed, blocking, counts: counted }) {
  const verdict = passed === undefined ? `${count(counted.funnel.compared)} of ${count(requests)} copies compared`
    : passed ? "passed" : "not passed";
  return [h("h3", null, `Rehearsal, round ${round}: ${verdict}`),
    blocking.map(({ sentence, advice }) => h("p.problem", { key: sentence }, prose(sentence),
      advice && [": ", prose(advice)])),
    counts(counted, "rehearsal")];
}

function counts({ funnel, defects, aspects, ...more }, name) {
  const { first_output_ms: first, total_ms: total, length_ratio: ratio, cost } = more;
  const skipped = Object.entries(funnel.skipped).map(([why, number]) => `${why} ${count(number)}`).join(", ");
  return [
    facts([
      ["Requests", ["seen", "sampled", "sent", "answered", "compared"]
        .map((stage) => `${count(funnel[stage])} ${stage}`).join(", ")],
      ["Skipped", skipped],
      ["Defects", defects.map(({ sentence, count: number }) => `${sentence} (${count(number)})`).join("; ")],
      ["Median first output", first && pair(first, "ms")],
      ["Median response", total && pair(total, "ms")],
      ["Length", ratio !== undefined && `${ratio.toFixed(2)} times stable's`],
      ["Copies of unknown cost", more.unpriced > 0 && count(more.unpriced)],
      ["Mean cost of a response", cost && `${usd(cost.canary, 6)} (stable ${usd(cost.stable, 6)})`],
    ]),
    Object.keys(aspects).length > 0 && table(`Pairs of responses, ${name}`, ["Aspect", "Alike", "Different", "Share"],
      Object.entries(aspects).map(([aspect, { alike, different }]) => [aspect, ["n", count(alike)],
        ["n", count(different)], ["n", percent((different / (alike + different)) * 100)]]), { hidden: true }),
  ];
}
