// The incidents: one is written by each rollback, with what failed, when, and for whom.
//
// Shown as the server wrote it: the list, and one as its text. Nothing of it is taken for markup.

import { get } from "./api.js";
import { h } from "./dom.js";
import { command, heading, problem, table, time } from "./parts.js";
import { quoted } from "./words.js";

export const incidents = {
  title: () => "Incidents",
  enter(visit) {
    get("api/v1/incidents").then((reply) => { visit.data.incidents = Array.isArray(reply) ? reply : reply.incidents ?? []; },
      (error) => { visit.data.problem = error; }).then(visit.refresh);
  },
  view({ data, state }) {
    const { incidents: all, problem: why } = data;
    const link = (one) => h("a", { href: `#/incidents/${encodeURIComponent(one.id)}` }, String(one.id));
    return [heading("Incidents"), h("section.card", null, why ? problem(why) : !all ? h("p.soft", null, "Loading.")
      : all.length === 0 ? h("p", null, "There was no rollback, so there is no incident.")
        : table("Incidents, newest first", ["Incident", "Rollout", "When", "What"], all.map((one) => [link(one), one.rollout ?? "–",
          one.at ? time(one.at, state.now()) : "–", String(one.headline ?? one.reason ?? one.title ?? "–")]), { hidden: true }))];
  },
};

export const incident = {
  title: ({ name }) => `Incident ${name}`,
  enter(visit) {
    get(`api/v1/incidents/${encodeURIComponent(visit.name)}?format=json`).then((reply) => { visit.data.incident = reply; },
      (error) => { visit.data.problem = error; }).then(visit.refresh);
  },
  view({ name, data }) {
    const { incident: one, problem: why } = data;
    return [heading(`Incident ${name}`), h("p", null, h("a", { href: "#/incidents" }, "All incidents")),
      h("section.card", null, why ? problem(why) : !one ? h("p.soft", null, "Loading.") : values(one)),
      h("p.soft", null, "As a page of its own: ", command(`serin incident ${quoted(name)}`))];
  },
};

const words = (key) => String(key).replaceAll("_", " ");

/** Any JSON as nested lists, so that what is added to an incident is shown too. */
function values(value, depth = 0) {
  if (value === null || typeof value !== "object") return h("span", null, value === null ? "–" : String(value));
  if (Array.isArray(value)) return value.length === 0 ? h("span", null, "none") : h("ol.values", null, value.slice(0, 200).map((one) => h("li", null, values(one, depth + 1))));
  return h(depth > 0 ? "dl.facts.nested" : "dl.facts", null, Object.entries(value).map(([key, one]) => h("div", null, h("dt", null, words(key)), h("dd", null, values(one, depth + 1)))));
}
