// The page of an incident, which is one file: legible in both themes and on a phone, and nothing else runs in it.
import { strict as assert } from "node:assert";
import { says } from "./stage.mjs";

export async function incidentPage({ test, open, accessible, fits, shot }, stage) {
  await test("the page of an incident draws its charts in both themes", async () => {
    const { incidents } = await stage.api("api/v1/incidents");
    const { id } = incidents.find((one) => one.rollout === "failing");
    const address = `${stage.admin}/api/v1/incidents/${encodeURIComponent(id)}?format=html`;
    for (const [theme, width] of [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]]) {
      const sheet = await open(stage, null, { theme, width });
      await sheet.goto(address);
      await says(sheet.locator("h1"), /failing/);
      assert.equal(await sheet.locator("figure svg.chart").count(), 3);
      const titles = ["Failed requests", "Requests in ten seconds", "Share of users on the canary"];
      assert.deepEqual(await sheet.locator("figcaption").allInnerTexts(), titles);
      assert.equal(await sheet.locator("code", { hasText: "serin why failing" }).count(), 1);
      assert.doesNotMatch(await sheet.locator("main").innerText(), /`/);
      // What is drawn on is as dark as the theme says, and so is what is drawn.
      const [paper, ink] = await sheet.evaluate(() => ["background-color", "color"].map((name) => {
        const parts = getComputedStyle(document.body).getPropertyValue(name).match(/\d+/g).slice(0, 3);
        return parts.reduce((sum, part) => sum + Number(part), 0);
      }));
      assert.equal(paper < ink, theme === "dark", `${theme}: paper ${paper}, ink ${ink}`);
      await accessible(sheet, `incident ${theme} ${width}`);
      await fits(sheet, `incident at ${width}`);
      await shot(sheet, `incident-page-${theme}-${width}`);
      await sheet.context().close();
    }
  });
}
