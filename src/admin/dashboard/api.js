// The way to the admin API: one token in memory, JSON answers, and the stream of events with its reconnects.
//
// Keeps the token in this variable only: a reload of the page forgets it. Every address is relative to the page, so
// that it also works below a path of another server. An answer that is no success is an ApiError with the server's
// sentence.

let token = null;

export const signIn = (text) => { token = text; };
export const signOut = () => { token = null; };
export const signedIn = () => token !== null;

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Nothing answered: the process is not there, or not to be reached. */
const UNREACHABLE = 0;
const PATIENCE = 15_000;
/** The stream has a comment every 15 s; without one for this long it is dead. */
const SILENCE = 40_000;
const [FIRST_WAIT, LONGEST_WAIT] = [500, 15_000];

const at = (path) => new URL(path, document.baseURI);

function request(path, { method = "GET", body, signal } = {}) {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  const init = { method, headers, body, signal, cache: "no-store", credentials: "omit", redirect: "error",
    referrerPolicy: "no-referrer" };
  return fetch(at(path), init).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new ApiError(UNREACHABLE, "unreachable", error.name === "TimeoutError"
      ? `no answer within ${PATIENCE / 1000} s` : "the admin port cannot be reached");
  });
}

async function failure(answer) {
  const body = await answer.json().catch(() => null);
  const { code, message } = body?.error ?? {};
  return new ApiError(answer.status, String(code ?? "error"),
    String(message ?? body?.errorDetails ?? `status ${answer.status}`));
}

export async function get(path) {
  const answer = await request(path, { signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw await failure(answer);
  return answer.json();
}

export async function post(path, value) {
  const answer = await request(path,
    { method: "POST", body: JSON.stringify(value), signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw await failure(answer);
  return answer.json();
}

/** The frames of a stream of server-sent events. */
async function* frames(answer, alive) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    rest += value.replace(/\r/g, "");
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n").filter((line) => line !== "" && !line.startsWith(":"));
      const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) =>
        line.slice(name.length + 1).replace(/^ /, ""));
      if (lines.length > 0) yield { event: field("event")[0] ?? "message", data: field("data").join("\n") };
    }
  }
}

/**
 * Follows the process until `signal` ends it: `status` and `history` with each value, `missed` when entries were left
 * out, `lost` with the reason when the stream has ended (it is tried again by itself), `refused` when that is no use.
 */
export async function follow({ status, history, missed, lost, refused, clock }, signal) {
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    const ends = new AbortController();
    const stop = () => ends.abort();
    signal.addEventListener("abort", stop, { once: true });
    let timer = setTimeout(stop, SILENCE);
    const alive = () => { clearTimeout(timer); timer = setTimeout(stop, SILENCE); };
    try {
      const answer = await request("api/v1/events", { signal: ends.signal });
      if (!answer.ok) throw await failure(answer);
      clock(answer.headers.get("date"));
      for await (const { event, data } of frames(answer, alive)) {
        wait = FIRST_WAIT;
        if (event === "status") status(JSON.parse(data));
        if (event === "history") history(JSON.parse(data));
        if (event === "missed") missed();
      }
      throw new ApiError(UNREACHABLE, "unreachable", "the process has ended the connection");
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401 || error.status === 403) return refused(error);
      // No stream to be had (all are taken): the state is asked for instead.
      if (error.status >= 400) {
        const asked = await get("api/v1/status").catch((problem) => problem);
        if (asked.status === 401 || asked.status === 403) return refused(asked);
        if (asked instanceof Error) lost(asked.message);
        else status(asked);
        wait = 2000;
      } else {
        lost(error.name === "AbortError" ? "the connection is silent" : error.message);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      stop();
    }
    await new Promise((resolve) => {
      const woken = () => { clearTimeout(pause); window.removeEventListener("online", woken);
        signal.removeEventListener("abort", woken); resolve(); };
      // Not all pages at the same moment when the process is back.
      const pause = setTimeout(woken, wait * (0.75 + Math.random() / 2));
      window.addEventListener("online", woken);
      signal.addEventListener("abort", woken);
    });
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}
