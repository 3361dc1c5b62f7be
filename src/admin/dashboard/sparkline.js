// A rollout's share over the last two days as a small line, drawn from the changes in the history.
//
// Pure. Its text alternative says the same in a sentence. A share that nobody changed is a level line.

import { escape } from "./chart.js";
import { share, span } from "./words.js";

const [WIDTH, HEIGHT, FOOT] = [150, 44, 42];
const [LEAST, MOST] = [5 * 60_000, 2 * 86_400_000];

/** The share of each moment at which it changed, oldest first. */
export function steps(rollout, changes) {
  const own = changes.filter((change) => change.rollout === rollout.name && typeof change.to === "number")
    .map((change) => ({ at: new Date(change.at).getTime(), from: change.from, to: change.to }))
    .filter((change) => Number.isFinite(change.at));
  return own.sort((one, other) => one.at - other.at);
}

export function sparkline(rollout, changes, now) {
  const own = steps(rollout, changes).filter((change) => change.at >= now - MOST);
  const start = Math.min(now - LEAST, own[0]?.at ?? now);
  const x = (at) => (2 + ((at - start) / (now - start)) * (WIDTH - 6)).toFixed(1);
  const most = Math.max(1, rollout.percent, ...own.flatMap((change) => [change.from, change.to]));
  const y = (value) => (FOOT - (value / most) * (FOOT - 4)).toFixed(1);
  let path = `M${x(start)} ${y(own[0]?.from ?? rollout.percent)}`;
  for (const change of own) path += `H${x(change.at)}V${y(change.to)}`;
  path += `V${y(rollout.percent)}H${x(now)}`;
  const label = `Share of users on the canary in the last ${span(now - start)}: ${share(rollout.percent)} now, `
    + `${share(most === 1 && rollout.percent < 1 ? rollout.percent : most)} at most`;
  return `<svg class="spark" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" `
    + `height="${HEIGHT}" role="img" aria-label="${escape(label)}">`
    + `<path class="foot" d="M0 ${FOOT}H${WIDTH}"/><path class="area" d="${path}V${FOOT}H${x(start)}Z"/><path `
      + `class="course" d="${path}"/>`
    + `<circle class="now" cx="${x(now)}" cy="${y(rollout.percent)}" r="2.5"/></svg>`;
}
