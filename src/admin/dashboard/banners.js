// What an operator must know on every screen: a lost connection, a stable that is down, no usable key,
// a file that is not in force.
//
// Pure: the state in, boxes out. Each says what is wrong, since when, and what to do; none can be hidden.

import { h } from "./dom.js";
import { withoutKey } from "./keys.js";
import { prose } from "./parts.js";
import { distance, fault, moment, plural, quoted } from "./words.js";

const box = (tone, key, title, ...rest) => h(`section.banner.${tone}`, { key },
  h("p", null, h("span.sign", { "aria-hidden": "true" }, tone === "bad" ? "✕" : "▲"), h("strong", null, title), " ",
    rest.map((part) => (typeof part === "string" ? prose(part) : part))));

const EPHEMERAL = { memory: "in memory", container_layer: "in the container's own layer", empty_dir: "in an emptyDir" };

export function banners(state) {
  const { status, connection, lostAt, receivedAt, why } = state;
  const all = [];
  if (connection === "lost") {
    all.push(box("bad", "lost", "Connection lost",
      `since ${moment(lostAt)}: ${why}. What is shown is from ${moment(receivedAt)}, `
      + `${distance(receivedAt, state.now())}. The page tries again by itself.`));
  }
  if (status.process.draining) {
    all.push(box("warn", "draining", "The process is stopping.",
      "It finishes the requests in flight and wants no new ones."));
  }
  for (const rollout of status.rollouts.filter((known) => known.stable_fault)) {
    all.push(box("bad", `stable ${rollout.name}`, `Stable of ${rollout.name} does not serve:`,
      `${rollout.stable_fault}.`));
  }
  for (const provider of status.providers) {
    const without = withoutKey(provider, state.now());
    if (without) all.push(box(without.tone, `keys ${provider.name}`, without.title, `${without.text} `,
      h("a", { href: "#/providers" }, "See its keys")));
  }
  const { errors, from_last_good: kept, path } = status.flags;
  if (errors.length > 0) {
    const more = errors.length > 1 ? ` and ${plural(errors.length - 1, "more error")}` : "";
    all.push(box("bad", "flags", "flags.yaml on disk is not in force:",
      `${fault(errors[0])}${more}. The version before it is in force. `,
      errors[0].remedy && `Fix: ${errors[0].remedy}. `, h("a", { href: "#/config" }, "See what to mend")));
  } else if (kept) {
    all.push(box("warn", "kept", "The last good copy of flags.yaml is in force:",
      `the file was broken at the start. Run `,
      h("code", null, `serin check ${quoted(path)}`), "."));
  }
  if (status.state.error) {
    all.push(box("bad", "state", "State cannot be written:",
      `${status.state.dir}: ${status.state.error}. Shares, locks and history do not `
      + "survive a restart, and no share is raised."));
  }
  if (status.state.locks_error) {
    all.push(box("bad", "locks", "The locks cannot be read:",
      `${status.state.locks_error}. No canary is used until they can be.`));
  }
  if (status.state.ephemeral) {
    const where = EPHEMERAL[status.state.ephemeral] ?? status.state.ephemeral;
    all.push(box("warn", "ephemeral", "State does not last:",
      `${status.state.dir} is ${where}. Mount a volume there, or set \`state\`.`));
  }
  return all;
}
