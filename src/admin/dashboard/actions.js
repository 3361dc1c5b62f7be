// The buttons that change something: rollback, pause, promote and resume, with a confirmation that says what will
// happen.
//
// What a button would do, and whether it may, is the server's word: each is asked for as a dry run, which changes
// nothing. A button that may not is not hidden: it is off, and says why. Nothing is sent without a confirmation.

import { post } from "./api.js";
import { h, patch } from "./dom.js";
import { command, prose } from "./parts.js";
import { plural, quoted, share } from "./words.js";

const LONGEST_REASON = 500;

/** `field`: the share that may be named, as the API and the command line call it. */
const ACTIONS = {
  rollback: { label: "Roll back", field: "to", ask: "To this share of users on the canary", hint: "Empty: 0%",
    done: "Rolled back" },
  pause: { label: "Pause", done: "Paused" },
  promote: { label: "Promote", field: "to", ask: "To this share of users on the canary", hint: "Empty: the next stage",
    done: "Promoted" },
  resume: { label: "Resume", field: "at", ask: "At this share of users on the canary, at once",
    hint: "Empty: the ramp decides", done: "Resumed" },
};

const pathOf = (action, name) => (name === null ? `api/v1/${action}`
  : `api/v1/rollouts/${encodeURIComponent(name)}/${action}`);

function commandOf(action, name, fields = {}) {
  const named = ACTIONS[action].field;
  const at = named && fields[named] ? ` --${named} ${quoted(fields[named])}` : "";
  const why = fields.reason ? ` --reason ${quoted(fields.reason)}` : "";
  return `serin ${action}${name === null ? "" : ` ${quoted(name)}`}${at}${why}`;
}

/** What would happen: `{ would }`, `{ refused }`, or `{ unknown }` where the server cannot tell it beforehand. */
async function ask(action, name, fields = {}) {
  try {
    const answer = await post(pathOf(action, name), { ...fields, dry_run: true });
    return { would: String(answer.would ?? "") };
  } catch (error) {
    // Only the server's own no is one. Whatever else went wrong says nothing of the button.
    if (![400, 403, 404, 409].includes(error.status) || /dry_run/.test(error.message)) return { unknown: true };
    return { refused: error.message, status: error.status };
  }
}

/** Asks for each button of a rollout whether it may be pressed, once for each state of it. */
export function askAll(visit, rollout) {
  const { phase, percent, paused, lock, attempt, intent } = rollout;
  const of = JSON.stringify([phase, percent, paused, lock, attempt, intent]);
  if (visit.data.askedOf === of) return;
  visit.data.askedOf = of;
  for (const action of Object.keys(ACTIONS)) {
    ask(action, rollout.name).then((answer) => {
      if (visit.data.askedOf !== of) return;
      // The next status asks again.
      if (answer.unknown) visit.data.askedOf = null;
      visit.data.may = { ...visit.data.may, [action]: answer };
      visit.refresh();
    });
  }
}

/** The buttons of a rollout, and in words why one of them is off. */
export function buttons(visit, rollout) {
  const may = visit.data.may ?? {};
  const off = Object.keys(ACTIONS).filter((action) => may[action]?.refused);
  return h("section.actions", { "aria-label": "Actions" },
    h("div.row", null, Object.entries(ACTIONS).map(([action, { label }]) => {
      const refused = may[action]?.refused;
      const open = () => { if (!refused) confirm(visit, action, rollout.name); };
      return h(action === "rollback" ? "button.danger" : "button", { key: action, type: "button", onclick: open,
        "aria-disabled": refused ? "true" : null, "aria-describedby": refused ? `why-${action}` : null }, label);
    })),
    off.length > 0 && h("ul.reasons", null, off.map((action) => h("li", { key: action, id: `why-${action}` },
      h("strong", null, ACTIONS[action].label), ": ", prose(`${may[action].refused}.`)))),
    h("details.commands", null, h("summary", null, "The same on the command line"),
      Object.keys(ACTIONS).map((action) => command(commandOf(action, rollout.name)))));
}

const dialog = () => document.getElementById("dialog");

/** The confirmation. `name` null: every rollout. */
export function confirm(visit, action, name) {
  const { label, field, ask: question, hint, done } = ACTIONS[action];
  const whom = name === null ? "all rollouts" : name;
  const form = { would: null, refused: null, busy: false, result: null, fields: {} };
  let asked = 0;
  const draw = () => patch(dialog(), content());
  const consider = async () => {
    asked += 1;
    const mine = asked;
    const answer = await ask(action, name, form.fields[field] ? { [field]: form.fields[field] } : {});
    if (mine !== asked || form.result) return;
    Object.assign(form, { would: answer.would ?? null, refused: answer.refused ?? null, unknown: answer.unknown });
    draw();
  };
  const send = async (event) => {
    event.preventDefault();
    if (form.busy || form.refused) return;
    form.busy = true;
    form.failed = null;
    draw();
    const body = Object.fromEntries(Object.entries(form.fields).filter(([, value]) => value !== ""));
    try {
      form.result = await post(pathOf(action, name), body);
    } catch (error) {
      form.failed = error.message;
    }
    form.busy = false;
    draw();
    dialog().querySelector(form.result ? "button" : "input")?.focus();
  };
  const typed = (key) => (event) => {
    form.fields[key] = event.target.value.trim();
    if (key === field) consider();
    draw();
  };
  const close = () => dialog().close();
  const content = () => h("form",
    { key: `${action} ${name}`, onsubmit: form.result ? (event) => { event.preventDefault(); close(); } : send,
    autocomplete: "off" },
    h("h2", { id: "dialog-title" }, form.result ? done : `${label} ${whom}?`),
    form.result ? outcome(form.result) : [
      h("p.would", { role: "status" },
        prose(form.refused ? "" : form.unknown ? "This version of Serin cannot tell beforehand what will happen."
        : form.would ?? "Asking what will happen.")),
      form.refused && h("p.problem", { role: "alert" }, prose(`This is not possible now: ${form.refused}.`)),
      form.failed && h("p.problem", { role: "alert" }, prose(`Not done: ${form.failed}.`)),
      field && [h("label", { for: "share" }, question),
        h("input", { id: "share", oninput: typed(field), inputmode: "decimal", "aria-describedby": "share-hint" }),
        h("p.soft", { id: "share-hint" }, `${hint}.`)],
      h("label", { for: "reason" }, "Reason, for the history"),
      h("input", { id: "reason", oninput: typed("reason"), maxlength: LONGEST_REASON, autofocus: true }),
      h("p.soft", null, "The same on the command line: ", h("code", null, commandOf(action, name, form.fields))),
    ],
    h("div.row", null, form.result
      ? h("button.primary", { type: "submit", key: "close" }, "Close")
      : [h(action === "rollback" ? "button.danger" : "button.primary",
        { type: "submit", key: "send", "aria-disabled": form.busy || form.refused ? "true" : null },
        form.busy ? "Sending" : `${label} ${whom}`),
        h("button", { type: "button", onclick: close, key: "cancel" }, "Cancel")]));
  patch(dialog());
  draw();
  dialog().showModal();
  consider();
}

/** What the server answered, in sentences. */
function outcome({ rollouts = [], in_force: inForce, durable, durability_error: why, open_on_canary: open,
  notes = [] }) {
  return h("div", { role: "status" },
    rollouts.map((changed) => h("p", null, h("strong", null, changed.name),
      `: ${share(changed.percent)} of users on the canary now.`)),
    h("p", null, inForce ? "It is in force on every core" : "It is not yet confirmed by every core",
      durable ? ", and is kept across a restart." : "."),
    !durable && h("p.problem", null, `It does not survive a restart: ${why ?? "it could not be written"}.`),
    open > 0 && h("p", null, `${plural(open, "request")} of before ${open === 1 ? "is" : "are"} still open on the `
      + `canary.`),
    notes.map((note) => h("p", null, prose(note))));
}
