// What a provider other than stable keeps: ids of responses, files and the like, for which requests stay there.
//
// Pure: the status in, words out.

import { h } from "./dom.js";
import { time } from "./parts.js";
import { plural } from "./words.js";

/** `1,204 ids of responses, files and the like, last used 3m ago`. */
export function keptBy(name, status, now) {
  const kept = (status.kept_state ?? []).filter((one) => one.provider === name);
  if (kept.length === 0) return null;
  const ids = kept.reduce((sum, one) => sum + one.ids, 0);
  const last = kept.map((one) => one.last_used_at).sort().at(-1);
  return h("div", null, "Keeps ", plural(ids, "id"), " of responses, files and the like, last used ", time(last, now),
    ". Requests that name them go there.");
}
