// All rollouts of the process: where each stands, why, how both arms fare, and its share over time.
//
// What needs somebody stands first; within that, the order is the file's. The small lines come from the history, which
// has every change of a share.

import { get } from "./api.js";
import { confirm } from "./actions.js";
import { h, svg } from "./dom.js";
import { badge, command, heading, prose, reason } from "./parts.js";
import { sparkline } from "./sparkline.js";
import { count, lately, percent, phaseName, phaseOf, share, waitsFor } from "./words.js";

const CHANGES = 1000;

export const overview = {
  title: () => "Rollouts",
  enter(visit) {
    get(`api/v1/history?limit=${CHANGES}`).then((reply) => {
      visit.data.changes = reply.events;
      visit.refresh();
    }, () => {});
  },
  happened(visit, entry) {
    if (visit.data.changes) visit.data.changes = [entry, ...visit.data.changes].slice(0, CHANGES);
  },
  view(visit) {
    const { rollouts } = visit.state.status;
    const moving = rollouts.filter((rollout) => rollout.canary);
    const plain = rollouts.filter((rollout) => !rollout.canary);
    const urgent = moving.filter((rollout) => phaseOf(rollout).tone === "bad" || rollout.stable_fault);
    const others = moving.filter((rollout) => !urgent.includes(rollout));
    const list = (some, level = "h3") => h("ul.rollouts", null, some.map((rollout) => card(rollout, visit, level)));
    return [
      h("div.title", null, heading("Rollouts"),
        moving.length > 0 && h("button.danger", { type: "button", onclick: () => confirm(visit, "rollback", null) },
        "Roll back all")),
      moving.length === 0 && h("section.card", null, h("h2", null, "No rollout has a canary"),
        h("p", null, "Every request goes to its stable provider. Add ", h("code", null, "canary:"), " and ",
          h("code", null, "percent:"), " to a rollout in flags.yaml, and check the file with:"),
        command("serin check flags.yaml")),
      moving.length > 1 && h("p.soft", null, summary(moving)),
      urgent.length > 0 && others.length > 0
        ? [h("h2", null, "Needs attention"), list(urgent), h("h2", null, "Others"), list(others)]
        : list([...urgent, ...others], "h2"),
      plain.length > 0 && [h("h2", null, "Plain routes"), list(plain)],
    ];
  },
};

/** `20 rollouts: 12 ramping, 5 pinned, 3 rolled back`. */
function summary(rollouts) {
  const counts = new Map();
  for (const { phase } of rollouts) counts.set(phase, (counts.get(phase) ?? 0) + 1);
  const each = [...counts].map(([phase, times]) => `${times} ${phaseName(phase)}`);
  return `${rollouts.length} rollouts: ${each.join(", ")}`;
}

function card(rollout, visit, level) {
  const href = `#/rollouts/${encodeURIComponent(rollout.name)}`;
  if (!rollout.canary) {
    return h("li.card", { key: rollout.name },
      h("div.head", null, h(level, null, h("a", { href }, rollout.name)), h("span.soft", null, rollout.stable)),
      rollout.stable_fault && h("p.problem", null, rollout.stable_fault),
        h("p.soft", null, traffic("stable", rollout.recent?.stable, rollout.recent)));
  }
  // A reason that names it already is enough.
  const waits = rollout.reason.includes(rollout.waiting_for || "\n") ? "" : waitsFor(rollout);
  return h("li.card", { key: rollout.name },
    h("div.head", null, h(level, null, h("a", { href }, rollout.name)), badge(rollout),
      h("span.soft", null, `${rollout.stable} → ${rollout.canary}`)),
    h("div.columns", null,
      h("div.share", null, h("strong.big", null, share(rollout.percent)),
        h("span.soft", null, "of users on the canary")),
      h("div.story", null,
        reason(rollout.reason, { brief: true }),
        rollout.stable_fault && h("p.problem", null, `Stable: ${rollout.stable_fault}`),
        waits && h("p.soft", null, prose(`Waits for: ${waits}`)),
        rollout.recent && h("p.arms", null, traffic("stable", rollout.recent.stable, rollout.recent), h("br"),
          traffic("canary", rollout.recent.canary, rollout.recent))),
      visit.data.changes && svg(sparkline(rollout, visit.data.changes, Math.floor(visit.state.now() / 5000) * 5000))));
}

function traffic(arm, counts, recent) {
  if (!counts) return "";
  if (counts.requests === 0) return `${arm}: no requests in the ${lately(recent)}`;
  return `${arm}: ${percent((counts.failed / counts.requests) * 100)} of ${count(counts.requests)} failed in the `
    + `${lately(recent)}`;
}
