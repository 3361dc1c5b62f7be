// The box of the rollback's confirmation that ends what is under way on the canary, with a stream that is.
import { strict as assert } from "node:assert";
import { Stage, provider, says, until } from "./stage.mjs";

export async function hardRollback({ test, open, heading }, stable) {
  const slow = await provider("slow", "--words", "60000", "--gap-ms", "20");
  const stage = await Stage.start(`admin: { listen: "ADMIN" }
providers:
  openai: { base_url: "${stable}", auth: none }
  slow: { base_url: "${slow}", auth: none }
rollouts:
  - { name: long, stable: openai, canary: slow, percent: 100% }
`);
  const page = await open(stage, "#/rollouts/long");
  const dialog = page.getByRole("dialog");
  const flows = (stream) => until("the stream to go on", async () => stream.pieces > 3);
  /** Rolls back by the button; what the page says of it afterwards. */
  const rollBack = async (hard) => {
    await page.locator(".actions").getByRole("button", { name: "Roll back", exact: true }).click();
    const box = dialog.getByLabel("End open requests and streams on the canary as well");
    assert.equal(await box.isChecked(), false);
    if (hard) await box.check();
    await says(dialog.locator(".would"), /^(?!Asking)\S/);
    const command = await dialog.getByText("The same on the command line").innerText();
    assert.equal(/--hard/.test(command), hard, command);
    await dialog.getByRole("button", { name: "Roll back long" }).click();
    await says(dialog, /0% of users on the canary now/);
    const said = await dialog.innerText();
    await dialog.getByRole("button", { name: "Close" }).click();
    return said;
  };

  await test("a rollback lets a stream on the canary go on, and ends it where that is ticked", async () => {
    await heading(page, "long");
    const first = stage.stream("m", "user-1");
    await flows(first);
    const said = await rollBack(false);
    assert.match(said, /1 request of before is still open on the canary/);
    assert.doesNotMatch(said, /ended/);
    const [seen, locked] = [first.pieces, (await stage.rollout("long")).phase];
    assert.equal(locked, "locked");
    await until("more of the stream", async () => first.pieces > seen + 3);
    assert.equal(first.ended, false);

    assert.match(await rollBack(true), /1 request on the canary was ended/);
    await until("the end of the stream", async () => first.ended);
    assert.match(first.text, /"error"/);
    assert.doesNotMatch(first.text, /\[DONE\]/);
    assert.equal((await stage.rollout("long")).in_flight.canary.requests, 0);
  });
  await page.context().close();
  await stage.end();
}
