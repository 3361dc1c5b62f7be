// The keys of providers: whether each can be used, until when it cannot, and what to do.
//
// Pure: the status in, words and a list out. A key is its position in the file and its last four characters. The
// page never has more of it.

import { h } from "./dom.js";
import { signed, time } from "./parts.js";
import { moment, plural, span } from "./words.js";

export const keyName = (key) => `key ${key.key}${key.last_four ? ` (...${key.last_four})` : ""}`;

const impaired = (provider) => (provider.keys ?? []).filter((key) => key.state !== "usable");

/** Until when it cannot be used; then the next request tries it. */
const left = (key, now) => (key.until && new Date(key.until).getTime() > now
  ? new Date(key.until).getTime() - now : null);

/** Where it stands, in the words of `serin status`. */
function stands(key, now) {
  if (key.state === "usable") return "usable";
  const rest = left(key, now);
  if (key.state === "refused") {
    const next = rest === null ? "the next request tries it" : `the next try is in ${span(rest)}`;
    return `refused${key.status ? ` with status ${key.status}` : ""}, ${next}`;
  }
  const why = key.reason === "quota" ? "its quota is spent"
    : key.models > 1 ? `asked too often for ${key.models} models` : "asked too often";
  return rest === null ? `resting until the next request: ${why}` : `resting for ${span(rest)} more: ${why}`;
}

const SIGNS = { usable: ["✓", "good"], resting: ["◐", "work"], refused: ["✕", "bad"] };
const signOf = (key) => SIGNS[key.state] ?? ["•", "soft"];

/** What somebody should do about it; nothing while nobody need do anything. */
function remedy(provider, key) {
  if (key.state === "refused") return [`Check it at ${provider.name}. If it is wrong, write another one where `,
    h("code", null, `providers.${provider.name}.api_keys`), " reads it: a file is read again at once, a variable at "
    + "the next start."];
  if (key.reason === "quota") return `Raise the quota at ${provider.name}, or wait.`;
  return key.is_old ? "Replace it." : null;
}

/** `✓ 2 of 2 usable`; nothing where a provider has no key of its own. */
export function usableKeys(provider) {
  const [all, some] = [provider.keys ?? [], impaired(provider)];
  if (all.length === 0) return null;
  const worst = some.length === 0 ? "usable"
    : some.length === all.length && some.some((key) => key.state === "refused") ? "refused" : "resting";
  return signed(...SIGNS[worst], `${all.length - some.length} of ${all.length} usable`);
}

/** Each key that cannot be used, as a sentence. */
export const keySentences = (provider, now) => impaired(provider).map((key) =>
  h("div", { key: keyName(key) }, signed(...signOf(key), `${keyName(key)} is ${stands(key, now)}`)));

/** Every key of every provider, with its state and what to do. */
export function keyLists(providers, now) {
  const own = providers.filter((provider) => (provider.keys ?? []).length > 0);
  const told = (provider, key) => [
    h("div", null, signed(...signOf(key), stands(key, now)),
      key.until && h("span.soft", null, ` (${moment(key.until)})`)),
    remedy(provider, key) && h("div", null, remedy(provider, key)),
    h("div.soft", null, key.is_old && [signed("▲", "work", "In use for longer than "), h("code", null,
      "keys.warn_after"), ". "], "Seen first ", time(key.first_seen, now), key.account && `, account ${key.account}`)];
  return own.length > 0 && h("section.card", null, h("h2", null, "Keys"),
    own.map((provider) => [h("h3", { key: `keys of ${provider.name}` }, provider.name),
      h("dl.facts.keys", { key: `list of ${provider.name}` }, provider.keys.map((key) => h("div", null,
        h("dt", null, keyName(key)), h("dd", null, told(provider, key)))))]),
    h("p.soft", null, "A key that cannot be used is passed over. If a provider has no other, it is asked with the one "
      + "that will be usable soonest."));
}

/** A provider none of whose keys can be used, in a title and a sentence; nothing while one can. */
export function withoutKey(provider, now) {
  const keys = impaired(provider);
  if (keys.length === 0 || keys.length < provider.keys.length) return null;
  const refused = keys.filter((key) => key.state === "refused");
  const soonest = keys.map((key) => left(key, now) ?? 0).reduce((one, other) => Math.min(one, other));
  const when = soonest > 0 ? `in ${span(soonest)}` : "by the next request";
  if (refused.length === keys.length) return { tone: "bad", title: `${provider.name} refuses every key:`,
    text: `${keys.map((key) => keyName(key)).join(", ")}. Requests to it fail, or another provider answers them. `
      + `Check \`providers.${provider.name}.api_keys\`; the next try is ${when}.` };
  const states = [plural(keys.length - refused.length, "key") + " resting",
    refused.length > 0 && `${refused.length} refused`].filter(Boolean).join(", ");
  return { tone: refused.length > 0 ? "bad" : "warn", title: `No key of ${provider.name} can be used now:`,
    text: `${states}. The first is tried again ${when}.` };
}
