// The incidents: one is written by each rollback, with what failed, when, and for whom.
//
// The sentences are the server's. The picture has the minutes around the rollback, with the interval of each rate.

import { get } from "./api.js";
import { h } from "./dom.js";
import { figure } from "./figure.js";
import { command, entry, heading, problem, prose, table, time } from "./parts.js";
import { causeTable } from "./tables.js";
import { count, quoted, wilson } from "./words.js";

export const incidents = {
  title: () => "Incidents",
  enter(visit) {
    get("api/v1/incidents").then((reply) => { visit.data.incidents = reply.incidents; },
      (error) => { visit.data.problem = error; }).then(visit.refresh);
  },
  view({ data, state }) {
    const { incidents: all, problem: why } = data;
    const link = (one) => h("a", { href: `#/incidents/${encodeURIComponent(one.id)}` }, one.id);
    return [heading("Incidents"), h("section.card", null, why ? problem(why) : !all ? h("p.soft", null, "Loading.")
      : all.length === 0 ? h("p", null, "There was no rollback, so there is no report.")
        : table("Reports of rollbacks, newest first", ["Report", "When", "What", "Failed", "Users"],
          all.map((one) => [link(one), time(one.at, state.now()),
          one.title, ["n", count(one.failed)], ["n", count(one.users)]]), { hidden: true }))];
  },
};

export const incident = {
  title: ({ name }) => `Incident ${name}`,
  enter(visit) {
    get(`api/v1/incidents/${encodeURIComponent(visit.name)}?format=json`).then((reply) => {
      visit.data.incident = reply;
      visit.data.picture = picture(reply);
    }, (error) => { visit.data.problem = error; }).then(visit.refresh);
  },
  view(visit) {
    const { name, data, state } = visit;
    const { incident: one, problem: why } = data;
    return [heading(`Incident ${name}`), h("p", null, h("a", { href: "#/incidents" }, "All incidents")),
      why ? problem(why) : !one ? h("p.soft", null, "Loading.") : report(visit, one, state.now()),
      h("p.soft", null, "The same on the command line: ", command(`serin incident ${quoted(name)}`))];
  },
};

function report(visit, one, now) {
  const { data, state } = visit;
  return [
    h("section.card", null, h("p.reason", null, one.title),
      h("p", null, h("a", { href: `#/rollouts/${encodeURIComponent(one.rollout)}` }, one.rollout),
        `: ${one.stable} → ${one.canary}, attempt ${one.attempt}`),
      !one.complete && h("p.soft", null, "The minutes after the rollback are not in it yet."),
      (one.sections ?? []).map(([title, lines]) =>
        [h("h2", null, title), lines.map((line) => h("p", null, prose(line)))])),
    data.picture && figure(visit, data.picture, Math.max(240, state.width - 34)),
    one.causes?.length > 0 && h("section.card", null, h("h2", null, "Why requests failed"),
      causeTable(one.causes, now)),
    one.event && h("section.card", null, h("h2", null, "In the history"), h("ol.history", null, entry(one.event, now))),
  ];
}

/** Both failure rates in the minutes around the rollback. */
function picture({ minutes, at }) {
  if (!minutes?.at?.length) return null;
  const arm = (name) => {
    const { requests, failures } = minutes[name];
    const values = { name, class: name, values: [], low: [], high: [] };
    requests.forEach((all, index) => {
      const [low, high] = wilson(failures[index], all);
      values.values.push(all > 0 ? (failures[index] / all) * 100 : null);
      values.low.push(low);
      values.high.push(high);
    });
    return values;
  };
  const title = "Failure rate around the rollback";
  const sentence = "The part of each arm's requests that failed, in 10 s each, with the interval in which the rate "
    + "lies by 95%. The rollback is marked.";
  const spec = { title, description: sentence, x: minutes.at, lines: [arm("stable"), arm("canary")], bounds: [],
    unit: "%", scale: "linear",
    marks: [{ at: new Date(at).getTime(), label: "rollback", class: "down" }] };
  return { id: "incident", title, sentence, spec };
}
