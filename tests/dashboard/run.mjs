// Drives the dashboard in Chromium: every state is reached and photographed, every button works, nothing hostile runs.
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { hardRollback } from "./hard_rollback.mjs";
import { incidentPage } from "./incident_page.mjs";
import { keysAndLimits } from "./keys_and_limits.mjs";
import { Demo, Stage, endAll, killAll, freePort, provider, says, until } from "./stage.mjs";

const work = process.env.DASHBOARD_WORK;
const require = createRequire(join(work, "package.json"));
const load = async (name) => {
  const found = await import(pathToFileURL(require.resolve(name)));
  return found.default ?? found;
};
const { chromium } = await load("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const pictures = join(work, "pictures");
mkdirSync(pictures, { recursive: true });

// Whatever ends the tests, nothing that they started stays.
process.on("exit", killAll);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
let [passed, failed] = [0, 0];
async function test(name, act) {
  const began = Date.now();
  try {
    await act();
    passed += 1;
    console.log(`ok      ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}

// 1. The pictures alone, in Node.
const unit = spawnSync(process.execPath, ["--test", "tests/dashboard/chart.test.mjs"], { encoding: "utf8" });
const counted = (word) => Number(unit.stdout.match(new RegExp(`^# ${word} (\\d+)$`, "m"))?.[1] ?? 0);
passed += counted("pass");
failed += unit.status === 0 ? 0 : Math.max(1, counted("fail"));
console.log(unit.status === 0 ? `ok      ${counted("pass")} tests of chart.js` : unit.stdout);

const HOSTILE = `<img src=x onerror="window.ran=1"><script>window.ran=1</script>'"&`;
const [good, other, bad] = await Promise.all([provider("openai"), provider("holysheep"), provider("illcorp", "--fail", "60%")]);

const closed = await freePort();
const FLAGS = (more = "") => `admin: { listen: "ADMIN" }
providers:
  openai: { base_url: "${good}", auth: none }
  holysheep: { base_url: "${other}", auth: none }
  illcorp: { base_url: "${bad}", auth: none, breaker: off }
  dead: { base_url: "http://127.0.0.1:${closed}/v1", auth: none }
  nokey: { base_url: "${other}", api_keys: ["\${SERIN_DASHBOARD_UNSET}"] }
rollouts:
  - { name: ramping, stable: openai, canary: holysheep, percent: auto, match: { model: ramping }, ramp: { start: 10%, hold_start: 1h, step: 15%, every: 1h }, guard: { min_requests: 100000 } }
  - { name: failing, stable: openai, canary: illcorp, percent: auto, match: { model: failing }, ramp: { start: 50%, hold_start: 1h, step: 15%, every: 1h } }
  - { name: quick, stable: openai, canary: holysheep, percent: auto, match: { model: quick }, ramp: { steps: [50%, 100%], hold_start: 2s, every: 1s }, guard: { min_requests: 10, max_error_rate: 50%, done_below: 50% } }
  - { name: half, stable: openai, canary: holysheep, percent: 25%, match: { model: half } }
  - { name: blocked, stable: openai, canary: nokey, percent: auto, match: { model: blocked } }
  - { name: silent, stable: openai, canary: holysheep, percent: 10%, match: { model: silent } }
  - { name: plain, stable: openai, match: { model: plain } }
flags:
  new-prompt: { follows: half }
${more}`;

const debugPort = await freePort();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", `--remote-debugging-port=${debugPort}`] });
const wrong = [];

/** A new window of a new profile; every error of its console is kept. */
async function open(stage, hash = "#/", { theme = "light", width = 1280, height = 900 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce" });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => wrong.push(`${hash}: ${error.stack}`));
  page.on("console", (message) => {
    // The browser notes each answer that is no success; those are asked for here, and looked at in the tests.
    if (["error", "warning"].includes(message.type()) && !message.text().startsWith("Failed to load resource")) wrong.push(`${hash}: ${message.text()}`);
  });
  if (hash !== null) await page.goto(`${stage.admin}/${hash}`);
  return page;
}
const heading = (page, text) => page.getByRole("heading", { level: 1, name: text, exact: true }).waitFor();
const go = async (page, hash, title) => { await page.evaluate((to) => { location.hash = to; }, hash); await heading(page, title); };
const shot = (page, name) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });

async function accessible(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(violations.map((one) => `${where}: ${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" | ")}`), []);
}
const fits = async (page, where) => {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(content <= window, `${where} is ${content} pixels wide in a window of ${window}`);
};

try {
  const stage = await Stage.start(FLAGS());
  stage.busy(["ramping", "failing", "quick", "half", "plain"]);
  const phase = (name, wanted) => until(`${name} to be ${wanted}`, async () => (await stage.rollout(name)).phase === wanted);

  let page;
  await test("the first screen is there in less than a second, with less than 150 kB", async () => {
    const look = () => page.evaluate(() => {
      const files = performance.getEntriesByType("resource").filter((one) => /dashboard\//.test(one.name));
      const all = [...performance.getEntriesByType("navigation"), ...files];
      return [performance.getEntriesByName("first-contentful-paint")[0]?.startTime, all.reduce((sum, one) => sum + one.transferSize, 0), all.reduce((sum, one) => sum + one.decodedBodySize, 0)];
    });
    // New windows without a cache. The best counts: the machine runs the providers, their users and other tests meanwhile.
    const loads = [];
    for (let n = 0; n < 3; n += 1) {
      if (page) await page.context().close();
      page = await open(stage);
      await heading(page, "Rollouts");
      loads.push(await look());
    }
    const [paint, bytes, weight] = loads.sort(([one], [other]) => one - other)[0];
    console.log(`        first contentful paint ${Math.round(paint)} ms, ${bytes} bytes sent, ${weight} bytes of files`);
    assert.ok(paint < 1000, `${paint} ms`);
    assert.ok(bytes > 10_000 && weight < 150_000, `${bytes}, ${weight}`);
  });

  await test("every phase is reached and shown with its reason", async () => {
    await Promise.all([phase("ramping", "ramping"), phase("failing", "rolled_back"), phase("quick", "completed"), phase("half", "pinned"), phase("blocked", "blocked")]);
    for (const [name, word] of [["ramping", "ramping"], ["failing", "rolled back"], ["quick", "completed"], ["half", "pinned"], ["blocked", "blocked"]]) {
      const card = page.locator("li.card").filter({ has: page.getByRole("link", { name, exact: true }) });
      await card.locator(".badge", { hasText: word }).waitFor();
    }
    const shown = await page.locator("li.card").filter({ has: page.getByRole("link", { name: "failing", exact: true }) }).innerText();
    assert.match(shown, /of the canary's requests failed/);
    await says(page.locator("li.card").filter({ has: page.getByRole("link", { name: "silent", exact: true }) }), /no requests in the last/);
    await page.screenshot({ path: join(pictures, "dashboard.png"), clip: { x: 0, y: 0, width: 1280, height: 860 } });
  });

  await test("every screen has no violation of axe, in both themes, and fits a phone", async () => {
    const screens = [["#/", "Rollouts"], ["#/rollouts/ramping", "ramping"], ["#/rollouts/failing", "failing"], ["#/rollouts/silent", "silent"], ["#/rollouts/plain", "plain"],
      ["#/rollouts/none", "none"], ["#/providers", "Providers"], ["#/flags", "Flags"], ["#/history", "History"], ["#/incidents", "Incidents"], ["#/config", "Config"], ["#/nowhere", "Not found"]];
    const wide = await open(stage, "#/");
    for (const [hash, title] of screens) {
      await go(wide, hash, title);
      await until("all of it", async () => !/Loading\./.test(await wide.locator("main").innerText()));
      for (const colorScheme of ["light", "dark"]) {
        await wide.emulateMedia({ colorScheme });
        await accessible(wide, `${hash} ${colorScheme}`);
        await shot(wide, `${title.toLowerCase().replace(" ", "-")}-${colorScheme}`);
      }
    }
    await wide.context().close();
    for (const [width, height] of [[320, 640], [3840, 2160]]) {
      const small = await open(stage, "#/", { width, height });
      for (const [hash, title] of screens) {
        await go(small, hash, title);
        await fits(small, `${hash} at ${width}`);
      }
      await go(small, "#/rollouts/ramping", "ramping");
      await shot(small, `rollout-${width}`);
      await small.context().close();
    }
  });

  await test("the pictures of two hours are drawn in less than 100 ms", async () => {
    const times = [];
    for (let n = 0; n < 3; n += 1) {
      const cold = await open(stage, null);
      // The samples of the real answer, over and over, so that there are two hours of them in steps of ten seconds.
      await cold.route("**/series?*", async (route) => {
        const answer = await (await route.fetch()).json();
        const to = Date.parse(answer.to);
        const column = (values) => Array.from({ length: 720 }, (_, index) => values[index % values.length]);
        const arm = (columns) => Object.fromEntries(Object.entries(columns).map(([key, values]) => [key, column(values)]));
        await route.fulfill({ json: { ...answer, from: new Date(to - 7200e3).toISOString(), step_seconds: 10, at: Array.from({ length: 720 }, (_, index) => to - 7200e3 + index * 10e3),
          percent: column(answer.percent), intent: column(answer.intent), evidence: column(answer.evidence), stable: arm(answer.stable), canary: arm(answer.canary) } });
      });
      await cold.goto(`${stage.admin}/#/rollouts/ramping?range=2h`);
      await until("the pictures", () => cold.evaluate(() => performance.getEntriesByName("series-drawn").length > 0));
      assert.equal(await cold.locator("svg.chart").count(), 6);
      if (n === 0) await shot(cold, "series");
      times.push(await cold.evaluate(() => performance.getEntriesByName("series-drawn")[0].duration));
      await cold.context().close();
    }
    console.log(`        drawn in ${times.map(Math.round).join(", ")} ms`);
    // The machine runs the providers and their users meanwhile.
    assert.ok(Math.min(...times) < 100, times.join(", "));
  });

  await test("the rollback is on one screen: reason, buttons, decisions, rates, evidence", async () => {
    const tall = await open(stage, "#/rollouts/failing", { height: 1240 });
    await tall.locator("svg.chart").first().waitFor();
    await says(tall.locator(".reason"), /rolled it back/i);
    await until("the rollback to be marked", async () => (await tall.locator(".mark.down").count()) > 0);
    await tall.context().close();
  });

  await incidentPage({ test, open, accessible, fits, shot }, stage);

  await test("a picture has a sentence, its numbers as a table, and values under the pointer", async () => {
    await go(page, "#/rollouts/ramping", "ramping");
    const picture = page.locator("figure").filter({ has: page.getByRole("heading", { name: "Failure rate" }) });
    assert.match(await picture.locator("svg").getAttribute("aria-label"), /^Failure rate: The part of each arm's requests/);
    await picture.getByText("Numbers as a table").click();
    await picture.locator("table tbody tr").first().waitFor();
    await picture.locator("svg").hover({ position: { x: 400, y: 100 } });
    await until("a value", async () => /stable .*canary/.test(await picture.locator(".readout").innerText()));
  });

  await test("the back button leads back, and every screen has an address", async () => {
    await go(page, "#/", "Rollouts");
    await page.getByRole("link", { name: "ramping", exact: true }).click();
    await heading(page, "ramping");
    assert.equal(await page.title(), "ramping · Serin");
    await page.getByRole("link", { name: "2 d", exact: true }).click();
    await until("the range", async () => (await page.evaluate(() => location.hash)) === "#/rollouts/ramping?range=2d");
    await page.goBack();
    await page.goBack();
    await heading(page, "Rollouts");
  });

  await test("every button says what will happen, does it, and is recorded with its reason", async () => {
    await go(page, "#/rollouts/ramping", "ramping");
    const dialog = page.getByRole("dialog");
    const press = async (button, reason, { share } = {}) => {
      await page.locator(".actions").getByRole("button", { name: button, exact: true }).click();
      await until("what will happen", async () => { const text = await dialog.locator(".would").innerText(); return text && !text.startsWith("Asking"); });
      const would = await dialog.locator(".would").innerText();
      await accessible(page, `the dialog of ${button}`);
      if (button === "Roll back") await page.screenshot({ path: join(pictures, "dashboard-rollback.png"), clip: { x: 240, y: 150, width: 800, height: 560 } });
      if (share) await dialog.locator("#share").fill(share);
      await dialog.getByLabel("Reason").fill(reason);
      await until("it may be sent", async () => (await dialog.locator("button[type=submit]").getAttribute("aria-disabled")) === null);
      await dialog.locator("button[type=submit]").click();
      await dialog.getByRole("button", { name: "Close" }).waitFor();
      await says(dialog, /% of users on the canary now\.\s+It is (in force on every core|not yet confirmed)/);
      await dialog.getByRole("button", { name: "Close" }).click();
      return would;
    };
    const recorded = (action, reason) => until(`${action} in the history`, async () =>
      (await stage.api("api/v1/history?rollout=ramping")).events.some((event) => event.action === action && event.reason.includes(reason) && event.actor === "loopback"));
    const wouldPause = await press("Pause", "a talk to the provider");
    assert.match(wouldPause, /\S/);
    await phase("ramping", "paused");
    await recorded("pause", "a talk to the provider");
    await shot(page, "held");
    await press("Resume", "it went well");
    await phase("ramping", "ramping");
    await recorded("resume", "it went well");
    await press("Promote", "enough seen", { share: "30%" });
    await until("30%", async () => (await stage.rollout("ramping")).percent === 30);
    await recorded("promote", "enough seen");
    await press("Roll back", HOSTILE);
    await phase("ramping", "locked");
    await recorded("rollback", HOSTILE);
    await page.locator(".badge", { hasText: "locked" }).waitFor();
    await page.locator(".history").getByText(HOSTILE.slice(0, 20)).first().waitFor();
    await shot(page, "locked");
  });

  await test("a button that the state does not allow says why, and does nothing", async () => {
    await go(page, "#/rollouts/blocked", "blocked");
    const button = page.locator(".actions button[aria-disabled=true]").first();
    await button.waitFor();
    const why = await page.locator(`#${await button.getAttribute("aria-describedby")}`).innerText();
    assert.ok(why.length > 15, why);
    await button.focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.getByRole("dialog").count(), 0);
  });

  await test("hostile text is shown and does not run", async () => {
    for (const [hash, title] of [["#/history", "History"], ["#/rollouts/ramping", "ramping"], ["#/", "Rollouts"]]) {
      await go(page, hash, title);
      await page.getByText("window.ran=1").first().waitFor();
    }
    await go(page, `#/rollouts/${encodeURIComponent(HOSTILE)}`, HOSTILE);
    assert.equal(await page.evaluate(() => window.ran), undefined);
    assert.equal(await page.locator("img").count(), 0);
    const refused = await page.evaluate(() => { try { document.body.innerHTML = "<p>no</p>"; return false; } catch { return true; } });
    assert.ok(refused, "the policy lets markup in");
    // The browser's own word for that, and the only one.
    await until("the browser to say so", () => wrong.length > 0);
    assert.match(wrong.pop(), /requires 'TrustedHTML' assignment/);
  });

  await test("all rollouts are taken back by one button", async () => {
    await go(page, "#/", "Rollouts");
    await page.getByRole("button", { name: "Roll back all", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Reason").fill("all of it");
    await until("it may be sent", async () => !(await dialog.locator(".would").innerText()).startsWith("Asking"));
    await dialog.getByRole("button", { name: "Roll back all rollouts" }).click();
    await dialog.getByRole("button", { name: "Close" }).click();
    await Promise.all(["quick", "half"].map((name) => phase(name, "locked")));
  });

  await test("the history is filtered by its address", async () => {
    await go(page, "#/history", "History");
    await page.getByLabel("Rollout").selectOption("half");
    await page.getByLabel("Action").fill("rollback");
    await page.getByRole("button", { name: "Show" }).click();
    await until("the address", async () => (await page.evaluate(() => location.hash)) === "#/history?rollout=half&action=rollback");
    // The entries of before stay until those that were asked for have come.
    await until("one entry", async () => (await page.locator(".entry").count()) === 1);
    await says(page.locator(".entry"), /all of it/i);
  });

  await test("a flag is tried for a user", async () => {
    await go(page, "#/flags", "Flags");
    await page.getByLabel("Flag", { exact: true }).fill("new-prompt");
    await page.getByLabel("User id").fill("user-1");
    await page.getByLabel(/^Attributes/).fill("plan=pro\nage=30");
    await page.getByRole("button", { name: "Evaluate" }).click();
    await page.locator("dt", { hasText: "Reason" }).waitFor();
    await says(page.locator(".facts"), /Value\s+false/);
    await shot(page, "flag");
  });

  await test("a file that is not in force is told on every screen, with its line and its remedy", async () => {
    stage.write(FLAGS().replace("percent: 25%", "percent: 250%"));
    for (const [hash, title] of [["#/", "Rollouts"], ["#/providers", "Providers"], ["#/config", "Config"]]) {
      await go(page, hash, title);
      await page.locator("#banners").getByText("flags.yaml on disk is not in force").waitFor();
    }
    await page.locator(".code .wrong").first().waitFor();
    await says(page.locator(".errors"), /line \d+, column \d+: rollouts\[3\]\.percent/);
    await accessible(page, "config with an error");
    await shot(page, "reload-failed");
    stage.write(FLAGS());
    await until("the banner to go", async () => (await page.locator("#banners").innerText()) === "");
  });

  await test("a stable that does not serve is told on every screen", async () => {
    stage.write(FLAGS().replace("name: plain, stable: openai", "name: plain, stable: dead"));
    await page.locator("#banners").getByText("Stable of plain does not serve").waitFor();
    await accessible(page, "stable down");
    await shot(page, "stable-down");
    stage.write(FLAGS());
    await until("the banner to go", async () => (await page.locator("#banners").innerText()) === "");
  });

  await test("a lost connection says since when, and the page comes back by itself", async () => {
    await go(page, "#/", "Rollouts");
    stage.quiet();
    await stage.end();
    await page.locator("#banners").getByText("Connection lost").waitFor();
    await says(page.locator("#banners"), /since \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ.*What is shown is from/s);
    await accessible(page, "lost");
    await shot(page, "lost");
    await stage.run();
    await page.locator(".connection.live").waitFor();
    await page.locator("li.card").filter({ has: page.getByRole("link", { name: "half", exact: true }) }).locator(".badge", { hasText: "locked" }).waitFor();
  });

  await test("Lighthouse finds no fault with its accessibility", async () => {
    const lighthouse = await load("lighthouse");
    for (const hash of ["#/", "#/rollouts/ramping"]) {
      // The page keeps a stream open, so its network is never idle: waiting for that is in vain.
      const settings = { port: debugPort, onlyCategories: ["accessibility"], throttlingMethod: "provided", logLevel: "error", maxWaitForLoad: 6000, maxWaitForFcp: 30_000 };
      const { lhr } = await lighthouse(`${stage.admin}/${hash}`, settings);
      assert.equal(lhr.runtimeError, undefined, lhr.runtimeError?.message);
      const faults = Object.values(lhr.audits).filter((audit) => audit.score !== null && audit.score < 1).map((audit) => `${audit.id}: ${audit.title}`);
      assert.equal(lhr.categories.accessibility.score, 1, faults.join("\n"));
    }
  });
  await page.context().close();
  await stage.end();

  await keysAndLimits({ test, open, heading, go, shot, accessible, fits }, good);
  await hardRollback({ test, open, heading }, good);

  await test("with tokens nothing is shown without one, and a token sees what it may", async () => {
    const locked = await Stage.start(FLAGS().replace(`admin: { listen: "ADMIN" }`, `admin:
  listen: "ADMIN"
  tokens:
    - { name: reader, token: "\${READER}", may: [read] }
    - { name: helper, token: "\${HELPER}", may: [rollback] }`), { READER: "r-0123456789abcdef", HELPER: "h-0123456789abcdef" });
    const visitor = await open(locked);
    await heading(visitor, "Sign in");
    await accessible(visitor, "sign in");
    await shot(visitor, "unauthorised");
    assert.doesNotMatch(await visitor.locator("body").innerText(), /openai|ramping/);
    const signIn = async (token) => {
      await visitor.getByLabel("Token").fill(token);
      await visitor.getByRole("button", { name: "Sign in" }).click();
    };
    await signIn("wrong");
    await visitor.getByRole("alert").getByText("not one of admin.tokens").waitFor();
    await signIn("r-0123456789abcdef");
    await heading(visitor, "Rollouts");
    await go(visitor, "#/rollouts/half", "half");
    await until("four buttons that say why not", async () => (await visitor.locator(".reasons li").count()) === 4);
    await says(visitor.locator(".reasons"), /the token reader does not allow this/);
    await shot(visitor, "reader");
    await visitor.getByRole("button", { name: "Sign out" }).click();
    await heading(visitor, "Sign in");
    await signIn("h-0123456789abcdef");
    await heading(visitor, "half");
    await until("what it may not", async () => /Resume: .*takes change/.test(await visitor.locator(".reasons").innerText()));
    assert.equal(await visitor.locator(".actions button", { hasText: "Roll back" }).getAttribute("aria-disabled"), null);
    const kept = await visitor.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]);
    assert.deepEqual(kept, ["", 0, 0]);
    await visitor.context().close();
    await locked.end();
  });

  await test("20 rollouts are legible, and none is told to have a canary where there is none", async () => {
    const many = Array.from({ length: 20 }, (_, n) => `  - { name: team-${n + 1}, stable: openai, canary: holysheep, percent: ${n * 5}%, match: { model: m${n} } }`).join("\n");
    const crowd = await Stage.start(FLAGS().replace(/rollouts:\n[^]*?flags:/, `rollouts:\n${many}\nflags:`).replace("follows: half", "follows: team-1"));
    const screen = await open(crowd);
    await screen.getByText("20 rollouts: 20 pinned").waitFor();
    await until("20 cards", async () => (await screen.locator("li.card").count()) === 20);
    await accessible(screen, "20 rollouts");
    await shot(screen, "twenty");
    crowd.write(`${crowd.flags.split("rollouts:")[0]}rollouts:\n  - { name: chat, stable: openai }\n`);
    await screen.getByText("No rollout has a canary").waitFor();
    await accessible(screen, "no canary");
    await shot(screen, "no-canary");
    await screen.context().close();
    await crowd.end();
  });

  await test("the page of a simulation draws its charts, says its numbers without scripts, and runs nothing else", async () => {
    const folder = mkdtempSync(join(work, "simulate-"));
    try {
      const flags = join(folder, "<img src=x onerror=window.ran=1>'&.yaml");
      writeFileSync(flags, FLAGS().replace("ADMIN", "127.0.0.1:0"));
      const address = pathToFileURL(join(folder, "page.html")).href;
      const question = ["--flags", flags, "--rollout", "half", "--canary-errors", "40%", "--fault-at", "1m", "--for", "6m", "--runs", "4", "--quiet"];
      const run = spawnSync(process.env.SERIN, ["simulate", ...question, "--html", join(folder, "page.html")], { encoding: "utf8" });
      assert.equal(run.status, 0, run.stderr);
      for (const [theme, width] of [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]]) {
        const sheet = await open(stage, null, { theme, width });
        await sheet.goto(address);
        assert.deepEqual(await sheet.evaluate(() => [document.querySelectorAll("[data-chart] > svg.chart").length, window.ran]), [5, undefined]);
        for (const summary of await sheet.locator("summary").all()) await summary.click();
        await accessible(sheet, `simulate ${theme} ${width}`);
        await fits(sheet, "simulate");
        await shot(sheet, `simulate-${theme}-${width}`);
        await sheet.context().close();
      }
      const resized = await open(stage, null, { width: 1280 });
      await resized.goto(address);
      await resized.setViewportSize({ width: 360, height: 800 });
      await resized.waitForFunction(() => document.querySelector("[data-chart] > svg").clientWidth < 360);
      await resized.context().close();
      const context = await browser.newContext({ javaScriptEnabled: false });
      const still = await context.newPage();
      await still.goto(address);
      await says(still.locator("body"), /Serin [\w ]+ in the median.*which did not run/s);
      assert.equal(await still.locator("details table").count(), 2);
      await context.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  // Only for the book: the demo's own rollout tells more than one that fails at once.
  if (process.env.PICTURES) {
    await test("the demo's rollback is photographed", async () => {
      const demo = await Demo.start();
      await until("the demo's rollback", async () => (await demo.api("api/v1/status")).rollouts[0].phase === "rolled_back", 150_000);
      const screen = await open(demo, "#/rollouts/chat", { height: 1240 });
      await screen.locator(".mark.down").first().waitFor();
      await screen.screenshot({ path: join(pictures, "dashboard-rollout.png") });
      await screen.context().close();
    });
  }

  await test("no page has written an error to its console", async () => assert.deepEqual(wrong, []));
} catch (error) {
  failed += 1;
  console.log(`FAILED  the stage\n${error.stack}`);
} finally {
  await browser.close().catch(() => {});
  await endAll();
}
console.log(`dashboard: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
