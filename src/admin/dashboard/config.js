// flags.yaml in force, with line numbers, and why the file on disk is not in force, if it is not.
//
// Reads only: Serin never writes the file. The errors are of the file on disk, whose text the process does not give
// out; its lines are marked in the text in force by their numbers. An edit can be tried, which says what it would do.

import { get, post } from "./api.js";
import { h } from "./dom.js";
import { command, facts, heading, problem, prose } from "./parts.js";
import { distance, fault, moment, plural, quoted } from "./words.js";

function load(visit) {
  visit.data.generation = visit.state.status.flags.generation;
  get("api/v1/config").then((reply) => { visit.data.config = reply; visit.data.problem = null; },
    (error) => { visit.data.problem = error; }).then(visit.refresh);
}

export const config = {
  title: () => "Config",
  enter: load,
  update(visit) {
    if (visit.state.status.flags.generation !== visit.data.generation) load(visit);
  },
  view(visit) {
    const { state, data } = visit;
    const file = state.status.flags;
    const now = state.now();
    return [heading("Config"),
      h("section.card", null, facts([["File", h("code", null, file.path)],
        ["In force", `generation ${file.generation}, since ${moment(file.accepted_at)} `
        + `(${distance(file.accepted_at, now)})`],
        ["Changed on disk", file.modified_at && `${moment(file.modified_at)} (${distance(file.modified_at, now)})`],
          ["Refused since the start", plural(file.failures, "version")]]),
      file.warnings.length > 0 && [h("h2", null, "Warnings"),
        h("ul", null, file.warnings.map((warning) => h("li", null, warning)))],
      h("p.soft", null, "Check the file before it is taken: ", command(`serin check ${quoted(file.path)}`))),
      file.errors.length > 0 && h("section.card", null, h("h2", null, "The file on disk is not in force"),
        faults(file.errors)),
      h("section.card", null, h("h2", null, "The version in force"),
        data.problem ? problem(data.problem) : !data.config ? h("p.soft", null, "Loading.")
        : text(data.config.text, file.errors)),
      trial(visit)];
  },
};

function text(content, errors) {
  const wrong = new Map(errors.filter((error) => error.line).map((error) => [error.line, error]));
  const lines = content.replace(/\n$/, "").split("\n");
  return [
    wrong.size > 0 && h("p.soft", null,
      "✕ marks the line on which the file on disk has an error. The text is that of the version in force, so it may "
        + "be another line there."),
    h("div.scroll.code", { role: "region", "aria-label": "flags.yaml in force", tabindex: "0" },
      h("ol", null, lines.map((line, index) => {
      const error = wrong.get(index + 1);
      return h(error ? "li.wrong" : "li", null, h("code", null, line || " "),
        error && h("span.problem", null, ` ✕ ${error.problem}`));
    }))),
  ];
}

function trial(visit) {
  const { data } = visit;
  const send = async (event) => {
    event.preventDefault();
    try {
      data.plan = { answer: await post("api/v1/plan", event.target.elements.edit.value) };
    } catch (error) {
      data.plan = { error };
    }
    visit.refresh();
  };
  const { plan } = data;
  return h("section.card", null, h("h2", null, "Try an edit"),
    h("p.soft", null, "Paste a flags.yaml to see what it would do to users. Nothing is changed."),
    h("form", { onsubmit: send, autocomplete: "off" }, h("label", { for: "edit" }, "flags.yaml"),
      h("textarea", { id: "edit", name: "edit", rows: 8, required: true, spellcheck: "false" }),
      h("button.primary", { type: "submit" }, "What would it do?")),
    h("div", { "aria-live": "polite" },
      plan && (plan.error ? (plan.error.status === 404 ? problem(plan.error)
      : h("p.problem", null, `${plan.error.message}.`)) : effect(plan.answer))));
}

const sentences = (title, list) => list?.length > 0
  && [h("h3", null, title), h("ul", null, list.map((one) => h("li", null, prose(one))))];

/** What the edit would do, in the server's sentences. */
function effect({ valid, errors = [], refused, warnings, sentences: effects = [], restart }) {
  if (!valid) return [h("p.problem", null, "This file would not be taken."), faults(errors)];
  return [
    refused && h("p.problem", null, `A reload would refuse it: ${refused}.`),
    effects.length > 0 ? sentences("It would do this", effects) : h("p", null, "It would change nothing."),
    sentences("Only after a restart", restart), sentences("Warnings", warnings),
  ];
}

const faults = (errors) => h("ol.errors", null,
  errors.map((error) => h("li", null, h("p", null, prose(fault(error))),
  error.remedy && h("p", null, h("strong", null, "Fix: "), prose(error.remedy)))));
