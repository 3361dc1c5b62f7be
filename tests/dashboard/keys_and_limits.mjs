// Keys that are usable, at rest and refused, and limits with requests that wait: reached by real requests and answers.
import { strict as assert } from "node:assert";
import { Stage, says, scripted, until } from "./stage.mjs";

const COMPLETION = JSON.stringify({ id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } });
const json = { "content-type": "application/json" };
const error = (type, code) => JSON.stringify({ error: { message: "no", type, code } });

/** What it answers depends on the key alone. */
function byKey(request, response) {
  const key = request.headers.authorization ?? "";
  const answer = (status, body, more) => response.writeHead(status, { ...json, ...more }).end(body);
  if (key.includes("wrong")) answer(401, error("invalid_request_error", "invalid_api_key"));
  else if (key.includes("busy")) answer(429, error("requests", "rate_limit_exceeded"), { "retry-after": "240" });
  else answer(200, COMPLETION);
}

export async function keysAndLimits({ test, open, heading, go, shot, accessible, fits }, stable) {
  const held = [];
  const [keyed, narrow] = await Promise.all([scripted(byKey), scripted((request, response) => held.push(response))]);
  const stage = await Stage.start(`admin: { listen: "ADMIN" }
clients:
  - { name: shop, key: key-of-the-shop }
  - { name: batch, key: key-of-the-batch, rate_limit: { requests_per_minute: 1, burst: 2 } }
providers:
  openai: { base_url: "${stable}", auth: none }
  mixed:
    base_url: "${keyed}"
    api_keys: [sk-wrong-0123456789-aaaa, sk-busy-0123456789-bbbb, { key: sk-good-0123456789-cccc, account: main }]
    breaker: off
  refused: { base_url: "${keyed}", api_keys: [sk-wrong-0123456789-dddd], keys: { warn_after: 1s }, breaker: off }
  tired: { base_url: "${keyed}", api_keys: [sk-busy-0123456789-eeee], breaker: off }
  narrow:
    base_url: "${narrow}"
    auth: none
    rate_limit: { requests_per_minute: 600, burst: 100, in_flight: 1, when_full: wait, wait: 10m }
rollouts:
  - { name: mixed, stable: openai, canary: mixed, percent: 100%, match: { model: mixed } }
  - { name: refused, stable: openai, canary: refused, percent: 100%, match: { model: refused } }
  - { name: tired, stable: openai, canary: tired, percent: 100%, match: { model: tired } }
  - { name: back, stable: refused, canary: openai, percent: 60%, match: { model: back } }
  - { name: narrow, stable: narrow, match: { model: narrow } }
`);
  const shop = "key-of-the-shop";
  const page = await open(stage, "#/providers");
  /** What is told of this key of this provider. */
  const row = (provider, key) => page.getByRole("heading", { level: 3, name: provider, exact: true })
    .locator("xpath=following-sibling::dl[1]").locator(":scope > div").filter({ hasText: key });
  const region = (name) => page.getByRole("region", { name });

  await test("before anything has happened no key is impaired, and no banner says so", async () => {
    await heading(page, "Providers");
    await says(row("mixed", "key 1 (...aaaa)"), /✓\s*usable/);
    assert.doesNotMatch(await page.locator("#banners").innerText(), /key/);
  });

  await test("a key is usable, rests or is refused, each with its sign, the time left, and what to do", async () => {
    const asked = ["mixed", "refused", "tired"].map((model) => stage.ask(model, "user-1", shop));
    assert.deepEqual(await Promise.all(asked), [200, 200, 200]);
    await says(row("mixed", "key 1 (...aaaa)"),
      /✕\s*refused with status 401, the next try is in \d+m.*\(20\d\d-.*Check it at mixed\. .*mixed\.api_keys/s);
    await says(row("mixed", "key 2 (...bbbb)"), /◐\s*resting for [34]m( \d+s)? more: asked too often \(20\d\d-/);
    await says(row("mixed", "key 3 (...cccc)"), /✓\s*usable.*account main/s);
    await says(row("refused", "key 1 (...dddd)"), /▲\s*In use for longer than keys\.warn_after\. Seen first/);
    await says(region("Providers and their breakers"), /mixed.*◐\s*1 of 3 usable.*refused.*✕\s*0 of 1 usable/s);
    assert.doesNotMatch(await page.locator("body").innerText(), /sk-|0123456789/);
  });

  await test("a provider without a usable key is told on every screen, and what to do", async () => {
    const banners = page.locator("#banners");
    await says(banners,
      /✕\s*refused refuses every key: key 1 \(\.\.\.dddd\)\. .*Check providers\.refused\.api_keys; the next try is in/s);
    await says(banners, /▲\s*No key of tired can be used now: 1 key resting\. The first is tried again in [34]m/s);
    assert.doesNotMatch(await banners.innerText(), /of mixed|mixed refuses/);
    await go(page, "#/history", "History");
    await banners.getByRole("link", { name: "See its keys" }).first().click();
    await heading(page, "Providers");
  });

  let waiting;
  await test("a limit says what is used, and how many requests wait", async () => {
    waiting = Promise.all([1, 2, 3, 4].map((user) => stage.ask("narrow", `user-${user}`, shop)));
    await says(region("Limits of providers"),
      /narrow\s+▲\s*full: in flight\s+\d of 600\s+\d+ of 100\s+–\s+1 of 1\s+3\s+none/);
    for (const status of [200, 200, 429]) {
      assert.equal(await stage.ask("mixed", "user-1", "key-of-the-batch"), status);
    }
    await says(region("Limits of clients"), /batch\s+▲\s*full: requests\s+2 of 1\s+0 of 2\s+1\s+0/);
    assert.doesNotMatch(await region("Limits of clients").innerText(), /shop/);
  });

  await test("the screen of a rollout says it of its own providers", async () => {
    await go(page, "#/rollouts/mixed", "mixed");
    const title = page.getByRole("heading", { name: "Providers", exact: true });
    const card = page.locator("section.card").filter({ has: title });
    await says(card, /Keys:\s*◐\s*1 of 3 usable\s*✕\s*key 1 \(\.\.\.aaaa\) is refused with status 401/);
    await says(card, /◐\s*key 2 \(\.\.\.bbbb\) is resting for/);
    assert.doesNotMatch(await card.innerText(), /cccc|Limit/);
    await go(page, "#/rollouts/narrow", "narrow");
    await says(card, /Limit: ▲\s*full: in flight; \d of 600 a minute, 1 of 1 in flight, 3 waiting/);
  });

  await test("a stable that could not take everybody back is told, with the reason", async () => {
    await go(page, "#/rollouts/back", "back");
    await says(page.locator(".story"),
      /Stable refused could not take everybody back: .*its only key is refused: replace it/s);
  });

  await test("keys and limits have no violation of axe, in both themes, and fit a phone", async () => {
    const screens = [["#/providers", "Providers"], ["#/rollouts/mixed", "mixed"], ["#/rollouts/narrow", "narrow"],
      ["#/rollouts/back", "back"]];
    for (const [theme, width] of [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]]) {
      const sheet = await open(stage, "#/providers", { theme, width });
      for (const [hash, title] of screens) {
        await go(sheet, hash, title);
        await until("all of it", async () => !/Loading\./.test(await sheet.locator("main").innerText()));
        await accessible(sheet, `${hash} ${theme} ${width}`);
        await fits(sheet, `${hash} at ${width}`);
        await shot(sheet, `keys-${title.toLowerCase()}-${theme}-${width}`);
      }
      await sheet.context().close();
    }
  });

  await test("what waited is answered, and the limit has room again", async () => {
    await go(page, "#/providers", "Providers");
    for (let answered = 0; answered < 4; answered += 1) {
      await until("the next request", async () => held.length > 0);
      held.shift().writeHead(200, json).end(COMPLETION);
    }
    assert.deepEqual(await waiting, [200, 200, 200, 200]);
    await says(region("Limits of providers"),
      /narrow\s+✓\s*has room\s+4 of 600\s+\d+ of 100\s+–\s+0 of 1\s+0\s+3 sent after a wait/);
  });
  await page.context().close();
  await stage.end();
}
