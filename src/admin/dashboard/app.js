// The page: what is known of the process, which screen is shown, and the frame around it.
//
// Owns the state that all screens read, the connection, and the address (`#/rollouts/chat?range=2h`). A screen gets the
// state and returns a value for dom.js; nothing is drawn but here, once an animation frame. Every view is an address.

import { follow, signIn, signOut, signedIn } from "./api.js";
import { banners } from "./banners.js";
import { config } from "./config.js";
import { h, patch } from "./dom.js";
import { flags } from "./flags.js";
import { history } from "./history.js";
import { incident, incidents } from "./incidents.js";
import { withoutKey } from "./keys.js";
import { forbidden, login, notFound, waiting } from "./login.js";
import { overview } from "./overview.js";
import { providers } from "./providers.js";
import { rollout } from "./rollout.js";
import { distance, phaseName, share } from "./words.js";

const SCREENS = [
  [/^\/$/, overview],
  [/^\/rollouts\/([^/]+)$/, rollout],
  [/^\/providers$/, providers],
  [/^\/flags$/, flags],
  [/^\/history$/, history],
  [/^\/incidents$/, incidents],
  [/^\/incidents\/([^/]+)$/, incident],
  [/^\/config$/, config],
];
const MENU = [["#/", "Rollouts", overview], ["#/providers", "Providers", providers], ["#/flags", "Flags", flags],
  ["#/history", "History", history], ["#/incidents", "Incidents", incidents], ["#/config", "Config", config]];
const THEMES = [["auto", "Theme: system"], ["dark", "Theme: dark"], ["light", "Theme: light"]];

const state = {
  status: null,
  /** connecting, live, lost, unauthorised or forbidden. */
  connection: "connecting",
  why: "",
  lostAt: null,
  receivedAt: null,
  /** How far this machine's clock is behind the process's. */
  skew: 0,
  /** Entries of the history that came while the page was open, newest first. */
  events: [],
  width: 1000,
  theme: 0,
  now: () => Date.now() + state.skew,
};

let visit = null;
let drawn = false;
let ends = null;
const byId = (id) => document.getElementById(id);

function parse(hash) {
  const [path, query = ""] = (hash.replace(/^#/, "") || "/").split("?");
  const parameters = Object.fromEntries(new URLSearchParams(query));
  for (const [pattern, screen] of SCREENS) {
    const found = pattern.exec(path);
    if (!found) continue;
    try {
      return { screen, name: found[1] === undefined ? null : decodeURIComponent(found[1]), parameters, path };
    } catch {
      break;
    }
  }
  return { screen: notFound, name: null, parameters, path };
}

/** Goes to the screen of the address; what the one before had begun is ended. */
function navigate() {
  // The skip link is no address of a screen.
  if (location.hash === "#main") {
    window.history.replaceState(null, "", visit?.hash ?? "#/");
    byId("main").focus();
    return;
  }
  const before = visit;
  before?.ends.abort();
  // A question that is being answered outlives a connection.
  if (before && before.hash !== (location.hash || "#/")) byId("dialog").close();
  const asked = parse(location.hash);
  visit = { ...asked, hash: location.hash || "#/", data: {}, ends: new AbortController(), refresh, state };
  if (before && before.screen === visit.screen && before.name === visit.name) visit.data = { ...before.data,
    entered: true };
  enter();
  draw();
  if (before && before.path !== visit.path) {
    window.scrollTo(0, 0);
    byId("main").querySelector("h1")?.focus({ preventScroll: true });
  }
}

function enter() {
  if (state.status && visit && !visit.begun) {
    visit.begun = true;
    visit.screen.enter?.(visit);
  }
}

function refresh() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(draw);
}

function draw() {
  drawn = false;
  const shown = ["unauthorised", "forbidden"].includes(state.connection)
    ? (state.connection === "unauthorised" ? login : forbidden)
    : state.status === null ? waiting : visit.screen;
  document.title = `${shown.title(visit)} · Serin`;
  patch(byId("header"), header(shown));
  patch(byId("banners"), state.status === null || shown !== visit.screen ? [] : banners(state));
  patch(byId("main"), h("div.screen", { key: shown === visit.screen ? visit.path : shown.title(visit) },
    shown.view({ ...visit, submit })));
  patch(byId("footer"), footer());
  measure();
}

/** How long the first screen with data took, and the first pictures from their numbers to the document. */
function measure() {
  const is = (name) => performance.getEntriesByName(name).length > 0;
  if (state.status && !is("drawn")) performance.mark("drawn");
  if (visit.data.curves && is("series-received") && !is("series-drawn")) performance.measure("series-drawn",
    "series-received");
}

const CONNECTIONS = { connecting: ["○", "connecting"], live: ["●", "live"], lost: ["✕", "lost"],
  unauthorised: ["✕", "signed out"], forbidden: ["✕", "refused"] };

function header(shown) {
  const [sign, word] = CONNECTIONS[state.connection];
  const title = state.connection === "lost" && state.lostAt ? `since ${distance(state.lostAt, state.now())}`
    : undefined;
  return h("div.bar", null,
    h("a.brand", { href: "#/" }, h("span.mark", { "aria-hidden": "true" }), "Serin"),
    h("nav", { "aria-label": "Screens" }, h("ul", null, MENU.map(([href, label, screen]) => h("li", null,
      h("a", { href, "aria-current": shown === screen ? "page" : null }, label))))),
    h("div.tools", null,
      h(`span.connection.${state.connection}`, { title }, h("span", { "aria-hidden": "true" }, sign), ` ${word}`),
      h("button.quiet", { type: "button", onclick: nextTheme }, THEMES[state.theme][1]),
      signedIn() && h("button.quiet", { type: "button", onclick: leave }, "Sign out")));
}

function footer() {
  const { status } = state;
  if (!status) return [];
  const { process, flags: file } = status;
  const tls = process.listen_tls ? `, over TLS ${process.listen_tls}` : "";
  return h("p", null, `serin ${process.version}, pid ${process.pid}, listen ${process.listen}${tls}, `
    + `admin ${process.admin}, flags ${file.path}, generation ${file.generation}, state ${status.state.dir}. `
    + "Times are in UTC.");
}

function nextTheme() {
  state.theme = (state.theme + 1) % THEMES.length;
  const [name] = THEMES[state.theme];
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  refresh();
}

/** What another token was told is not shown to the next, nor what it may do. */
function forget() {
  visit.ends.abort();
  visit = { ...visit, data: {}, begun: false, ends: new AbortController() };
  Object.assign(state, { status: null, events: [] });
}

function leave() {
  signOut();
  forget();
  connect();
}

function submit(token) {
  signIn(token);
  forget();
  connect();
}

/** Told to those who do not see the page. */
function announce(text) {
  byId("announce").textContent = text;
}

function changes(before, after) {
  if (!before) return [];
  const said = [];
  for (const rollout of after.rollouts) {
    const old = before.rollouts.find((known) => known.name === rollout.name);
    if (!old || !rollout.canary) continue;
    if (old.phase !== rollout.phase) said.push(`${rollout.name}: ${phaseName(rollout.phase)}, `
      + `${share(rollout.percent)}. ${rollout.reason}`);
    else if (old.percent !== rollout.percent) said.push(`${rollout.name}: ${share(rollout.percent)}`);
  }
  for (const provider of after.providers) {
    const [old, without] = [before.providers.find((known) => known.name === provider.name), withoutKey(provider,
      state.now())];
    if (without && !(old && withoutKey(old, state.now()))) said.push(`${without.title} `
      + without.text.replaceAll("`", ""));
  }
  if (before.flags.errors.length === 0
    && after.flags.errors.length > 0) said.push("flags.yaml on disk is not in force");
  return said;
}

// A browser has six connections to a server for all of its pages: one that nobody sees gives its own back.
let away = false;
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden" && ["live", "connecting"].includes(state.connection)) {
    away = true;
    ends?.abort();
    ends = null;
  } else if (document.visibilityState === "visible" && away) connect();
});

function connect() {
  ends?.abort();
  ends = new AbortController();
  const mine = ends;
  const current = (act) => (...values) => { if (mine === ends) act(...values); };
  state.connection = "connecting";
  state.lostAt = null;
  follow({
    clock: current((date) => {
      const difference = new Date(date ?? NaN).getTime() - Date.now();
      // The header has whole seconds: a small difference is none.
      state.skew = Math.abs(difference) > 2000 ? difference : 0;
    }),
    status: current((status) => {
      const said = changes(state.status, status);
      const lost = state.connection === "lost";
      const back = (lost || away) && state.status !== null;
      away = false;
      if (back && lost) said.unshift("Connected again.");
      Object.assign(state, { status, connection: "live", lostAt: null, receivedAt: state.now() });
      if (said.length) announce(said.join(" "));
      // What happened meanwhile is asked for.
      if (back) navigate();
      enter();
      visit?.screen.update?.(visit);
      refresh();
    }),
    missed: current(navigate),
    history: current((entry) => {
      state.events = [entry, ...state.events].slice(0, 200);
      visit?.screen.happened?.(visit, entry);
      refresh();
    }),
    lost: current((why) => {
      if (state.connection !== "lost") announce(`Connection lost: ${why}`);
      Object.assign(state, { connection: "lost", why, lostAt: state.lostAt ?? state.now() });
      refresh();
    }),
    refused: current((problem) => {
      const tried = signedIn();
      if (problem.status === 401) signOut();
      const connection = problem.status === 401 ? "unauthorised" : "forbidden";
      Object.assign(state, { connection, why: problem.message, tried });
      forget();
      refresh();
    }),
  }, mine.signal);
  refresh();
}

new ResizeObserver(() => {
  const width = byId("main").clientWidth;
  if (width === state.width) return;
  state.width = width;
  refresh();
}).observe(byId("main"));
// Ages such as "3s ago" grow while nothing else happens.
setInterval(() => { if (document.visibilityState === "visible") refresh(); }, 1000);
window.addEventListener("hashchange", navigate);
state.width = byId("main").clientWidth;
navigate();
connect();
