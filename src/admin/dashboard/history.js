// What happened, newest first, with filters that are part of the address.
//
// Entries that come while the screen is open are added where the filters take them.

import { get } from "./api.js";
import { h } from "./dom.js";
import { command, entry, heading, problem } from "./parts.js";
import { plural, quoted } from "./words.js";

const FILTERS = [["rollout", "Rollout"], ["action", "Action"], ["actor", "Actor"], ["since", "Since"]];
const SINCE = [["", "any time"], ["1h", "the last hour"], ["1d", "the last day"], ["7d", "the last 7 days"],
  ["30d", "the last 30 days"]];
const LENGTHS = { h: 3600e3, d: 86400e3 };
const LIMIT = 200;

const asked = ({ parameters }) =>
  Object.fromEntries(FILTERS.map(([name]) => [name, parameters[name] ?? ""]).filter(([, value]) => value !== ""));

function since(text, now) {
  const found = /^(\d+)([hd])$/.exec(text);
  return found ? new Date(now - Number(found[1]) * LENGTHS[found[2]]).toISOString() : text;
}

export const history = {
  title: () => "History",
  enter(visit) {
    const filters = asked(visit);
    if (filters.since) filters.since = since(filters.since, visit.state.now());
    const query = new URLSearchParams({ ...filters, limit: LIMIT });
    get(`api/v1/history?${query}`).then((reply) => { visit.data.entries = reply.events; visit.data.problem = null; },
      (error) => { visit.data.problem = error; }).then(visit.refresh);
  },
  happened(visit, added) {
    const fits = Object.entries(asked(visit)).every(([name, value]) => name === "since" || added[name] === value);
    if (fits && visit.data.entries) visit.data.entries = [added, ...visit.data.entries].slice(0, LIMIT);
  },
  view(visit) {
    const { data, state } = visit;
    const { entries } = data;
    const filters = asked(visit);
    const options = Object.entries(filters).map(([name, value]) => ` --${name} ${quoted(value)}`).join("");
    return [heading("History"), form(visit),
      h("section.card", null,
        data.problem ? problem(data.problem) : !entries ? h("p.soft", null, "Loading.")
          : entries.length === 0 ? h("p", null,
            Object.keys(filters).length ? "Nothing fits these filters." : "Nothing has happened yet.")
            : [h("p.soft", { role: "status" },
              entries.length >= LIMIT ? `The newest ${LIMIT} entries.` : plural(entries.length, "entry", "entries")),
              h("ol.history", null, entries.map((one) => entry(one, state.now())))]),
      h("p.soft", null, "The same on the command line: ", command(`serin history${options}`))];
  },
};

function form(visit) {
  const { state, parameters, data } = visit;
  const values = (name) => [...new Set((data.entries ?? []).map((one) => one[name]).filter(Boolean))].sort();
  const go = (event) => {
    event.preventDefault();
    const chosen = FILTERS.map(([name]) =>
      [name, event.currentTarget.elements[name].value.trim()]).filter(([, value]) => value !== "");
    const query = new URLSearchParams(chosen).toString();
    location.hash = `#/history${query ? `?${query}` : ""}`;
  };
  const select = (name, label, options) =>
    h("div", null, h("label", { for: name }, label), h("select", { id: name, name },
    options.map(([value, text]) => h("option", { value, selected: value === (parameters[name] ?? "") }, text))));
  const typed = (name, label) => h("div", null, h("label", { for: name }, label),
    h("input", { id: name, name, value: parameters[name] ?? "", list: `${name}s`, spellcheck: "false" }),
    h("datalist", { id: `${name}s` }, values(name).map((value) => h("option", { value }))));
  const names = state.status.rollouts.map(({ name }) => [name, name]);
  if (parameters.rollout && !names.some(([name]) => name === parameters.rollout)) names.push([parameters.rollout,
    parameters.rollout]);
  const times = SINCE.some(([value]) => value === (parameters.since ?? "")) ? SINCE
    : [...SINCE, [parameters.since, parameters.since]];
  return h("form.card.filters", { key: visit.hash, onsubmit: go, autocomplete: "off" },
    select("rollout", "Rollout", [["", "all"], ...names]), typed("action", "Action"), typed("actor", "Actor"),
      select("since", "Since", times),
    h("button.primary", { type: "submit" }, "Show"), h("a", { href: "#/history" }, "Clear"));
}
