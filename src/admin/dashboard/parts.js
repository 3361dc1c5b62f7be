// What several screens are made of: tables, facts, badges, commands to copy, entries of the history.
//
// Pure but for the clipboard. A table that is wider than the screen scrolls by itself, and can be reached by keyboard.

import { h } from "./dom.js";
import { distance, moment, phaseName, phaseOf, share } from "./words.js";

export const heading = (...text) => h("h1", { tabindex: "-1" }, text);

export function badge(rollout) {
  const { sign, tone } = phaseOf(rollout);
  return h(`span.badge.${tone}`, null, h("span", { "aria-hidden": "true" }, sign), ` ${phaseName(rollout.phase)}`);
}

/** A cell that is a number stands to the right: `["n", text]`. */
export function table(caption, titles, rows, { hidden = false } = {}) {
  const number = (value) => Array.isArray(value) && value[0] === "n";
  const cell = (value) => (number(value) ? h("td.n", null, value[1]) : h("td", null, value));
  const numeric = titles.map((_, index) => rows.length > 0 && number(rows[0][index]));
  return h("div.scroll", { role: "region", "aria-label": caption, tabindex: "0" }, h("table", null,
    h(hidden ? "caption.unseen" : "caption", null, caption),
    h("thead", null, h("tr", null, titles.map((title, index) =>
      h(numeric[index] ? "th.n" : "th", { scope: "col" }, title)))),
    h("tbody", null, rows.map((row) => h("tr", null, row.map((value, index) => (index === 0 && !number(value)
      ? h("th", { scope: "row" }, value) : cell(value))))))));
}

/** A word with the sign that says the same to those who see no colour. */
export const signed = (sign, tone, text) => h("span", null, h(`span.sign.${tone}`, { "aria-hidden": "true" }, sign),
  ` ${text}`);

export const facts = (list) => h("dl.facts", null,
  list.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
  .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));

export const time = (at, now) => h("time", { datetime: String(at), title: moment(at) }, distance(at, now));

/** A sentence; what stands between backticks is code. */
export const prose = (text) => String(text
  ?? "").split("`").map((part, index) => (index % 2 === 1 ? h("code", null, part) : part));

/** The reason of a state: its first clause as the headline, and what it rests on below. */
export function reason(text, { brief = false } = {}) {
  const [first, ...rest] = String(text ?? "").split("; ");
  return [h("p.reason", null, prose(first)), !brief && rest.length > 0 && h("p.more", null, prose(rest.join("; ")))];
}

/** A command line with a button that copies it. */
export function command(text) {
  const copy = async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it and press Ctrl-C";
      getSelection().selectAllChildren(button.previousSibling);
    }
  };
  return h("span.command", { key: text }, h("code", null, text),
    h("button.quiet", { type: "button", onclick: copy, "aria-label": `Copy: ${text}` }, "Copy"));
}

const SHAPES = [[(entry) => entry.to > entry.from, "▲", "good"], [(entry) => entry.to < entry.from, "▼", "bad"]];

/** One entry of the history: what, who, when, from where to where, and why. */
export function entry(event, now, { withRollout = true } = {}) {
  const [, sign, tone] = SHAPES.find(([fits]) => fits(event)) ?? [null, "•", "soft"];
  const moved = event.from === event.to ? "" : `${share(event.from)} → ${share(event.to)}`;
  return h("li.entry", null,
    h("p.what", null, h(`span.sign.${tone}`, { "aria-hidden": "true" }, sign),
      h("strong", null, phaseName(event.action)), " ",
      withRollout && event.rollout && [h("a", { href: `#/rollouts/${encodeURIComponent(event.rollout)}` },
        event.rollout), " "],
      moved && h("span.moved", null, moved),
        h("span.soft", null, ` by ${event.actor}, `,
        h("time", { datetime: String(event.at), title: distance(event.at, now) }, moment(event.at)))),
    event.reason && h("p.why", null, prose(event.reason)));
}

export const problem = (error) => (error.status === 404
  ? h("p.soft", null, "This process does not have it.")
    : h("p.problem", { role: "alert" }, prose(`It cannot be shown: ${error.message}.`)));
