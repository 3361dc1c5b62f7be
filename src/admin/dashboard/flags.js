// The flags that the application reads over OFREP, and a box to try one for a user.
//
// The value, the variant and the reason are the server's answer to a real evaluation. Nothing is kept of what was
// typed.

import { get, post } from "./api.js";
import { h } from "./dom.js";
import { command, facts, heading, problem, table } from "./parts.js";
import { moment, quoted } from "./words.js";

export const flags = {
  title: () => "Flags",
  enter(visit) {
    get("api/v1/flags").then((reply) => { visit.data.flags = reply.flags ?? []; },
      (error) => { visit.data.problem = error; }).then(visit.refresh);
  },
  view(visit) {
    const { data } = visit;
    return [heading("Flags"), h("section.card", null, h("h2", null, "Flags of this process"), list(data)),
      trial(visit)];
  },
};

function list({ flags: all, problem: why }) {
  if (why) return problem(why);
  if (!all) return h("p.soft", null, "Loading.");
  if (all.length === 0) return h("p", null, "The file in force has no flags. ", h("code", null, "flags:"),
    " in flags.yaml defines them.");
  const text = (value) => (value === undefined || value === null ? "–" : typeof value === "string" ? value
    : JSON.stringify(value));
  const times = (flag) => [flag.from && `from ${moment(flag.from)}`,
    flag.until && `until ${moment(flag.until)}`].filter(Boolean).join(" ");
  const values = (flag) => h("ul.plain", null,
    (flag.variants ?? []).map((name) => h("li", null, `${name}: `, h("code", null, text(flag.values?.[name])))));
  return table("Flags", ["Flag", "Type", "Variants", "Default", "Serves"],
    all.map((flag) => [flag.name, text(flag.type), values(flag), text(flag.default),
    h("span", null, flag.off ? "off" : text(flag.summary), times(flag) && h("span.soft", null, ` ${times(flag)}`))]),
      { hidden: true });
}

/** `key=value`, a line each; a value that is a number, true, false, or JSON is taken as such. */
export function attributes(text) {
  const found = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const at = line.indexOf("=");
    if (at < 1) throw new Error(`\`${line}\` is no attribute: write one as key=value`);
    const value = line.slice(at + 1).trim();
    try {
      found[line.slice(0, at).trim()] = JSON.parse(value);
    } catch {
      found[line.slice(0, at).trim()] = value;
    }
  }
  return found;
}

function commandOf({ name, context: { targetingKey: user, ...rest } }) {
  const pairs = Object.entries(rest).map(([key, value]) =>
    ` --context ${quoted(`${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)}`);
  return `serin flag ${quoted(name)}${user === undefined ? "" : ` --user ${quoted(user)}`}${pairs.join("")}`;
}

function trial(visit) {
  const { data } = visit;
  const send = async (event) => {
    event.preventDefault();
    const { flag, user, attributes: field } = event.target.elements;
    const [name, id] = [flag.value.trim(), user.value.trim()];
    try {
      const context = { ...attributes(field.value), ...(id && { targetingKey: id }) };
      data.tried = { name, context, answer: await post(`ofrep/v1/evaluate/flags/${encodeURIComponent(name)}`,
        { context }) };
    } catch (error) {
      data.tried = { name, error: error.message };
    }
    visit.refresh();
  };
  const { tried } = data;
  return h("section.card", null, h("h2", null, "Try a flag"),
    h("form.trial", { onsubmit: send, autocomplete: "off" },
      h("div", null, h("label", { for: "flag" }, "Flag"),
        h("input", { id: "flag", name: "flag", required: true, list: "flag-names", spellcheck: "false" }),
        h("datalist", { id: "flag-names" }, (data.flags ?? []).map((flag) => h("option", { value: flag.name })))),
      h("div", null, h("label", { for: "user" }, "User id"),
        h("input", { id: "user", name: "user", spellcheck: "false" })),
      h("div.wide", null, h("label", { for: "attributes" }, "Attributes, one key=value a line"),
        h("textarea", { id: "attributes", name: "attributes", rows: 3, spellcheck: "false" })),
      h("button.primary", { type: "submit" }, "Evaluate")),
    h("div", { "aria-live": "polite" }, tried && (tried.error ? h("p.problem", null, `${tried.error}.`) : [
      facts([["Value", h("code", null, JSON.stringify(tried.answer.value))], ["Variant", tried.answer.variant],
        ["Reason", tried.answer.reason],
        ["Details", tried.answer.metadata
          && Object.entries(tried.answer.metadata).map(([key, value]) => `${key}: ${value}`).join(", ")]]),
      command(commandOf(tried))])));
}
