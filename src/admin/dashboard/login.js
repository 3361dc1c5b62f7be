// The screens without data: signing in, being refused, waiting for the first answer, and an address that is none.
//
// The token goes to the page's memory and from there into a header, and nowhere else.

import { h } from "./dom.js";

const heading = (text) => h("h1", { tabindex: "-1" }, text);

export const login = {
  title: () => "Sign in",
  view: ({ state, submit }) => {
    const send = (event) => {
      event.preventDefault();
      const field = event.target.elements.token;
      const token = field.value.trim();
      field.value = "";
      if (token) submit(token);
    };
    return h("section.card.narrow", null, heading("Sign in"),
      h("p", null, "This admin port needs a token: one of ", h("code", null, "admin.tokens"),
        " in flags.yaml. With the role ", h("code", null, "read"),
        " everything is shown; ", h("code", null, "rollback"), " and ", h("code", null, "change"),
          " enable the buttons."),
      state.tried && h("p.problem", { role: "alert" }, `Not accepted: ${state.why}.`),
      h("form", { onsubmit: send, autocomplete: "off" },
        h("label", { for: "token" }, "Token"),
        h("input", { id: "token", name: "token", type: "password", autocomplete: "off", spellcheck: "false",
          required: true }),
        h("button.primary", { type: "submit" }, "Sign in")),
      h("p.soft", null, "The token is kept in this page's memory only. A reload of the page forgets it."));
  },
};

export const forbidden = {
  title: () => "Refused",
  view: ({ state, submit }) => h("section.card.narrow", null, heading("Refused"),
    h("p.problem", { role: "alert" }, `${state.why}.`),
    h("p", null, "Open the page by 127.0.0.1 or localhost, or sign in with another token."),
    h("form", { onsubmit: (event) => { event.preventDefault(); submit(event.target.elements.token.value.trim()); },
      autocomplete: "off" },
      h("label", { for: "token" }, "Token"),
      h("input", { id: "token", name: "token", type: "password", autocomplete: "off", spellcheck: "false",
        required: true }),
      h("button.primary", { type: "submit" }, "Sign in"))),
};

export const waiting = {
  title: () => "Connecting",
  view: ({ state }) => h("section.card.narrow", null, heading("Connecting"),
    h("p", { role: "status" }, state.connection === "lost"
      ? `Nothing answers yet: ${state.why}. The page tries again by itself.`
        : "Waiting for the first answer of the admin port.")),
};

export const notFound = {
  title: () => "Not found",
  view: ({ path }) => h("section.card.narrow", null, heading("Not found"),
    h("p", null, "This page has no screen at ", h("code", null, path), "."),
      h("p", null, h("a", { href: "#/" }, "All rollouts"))),
};
