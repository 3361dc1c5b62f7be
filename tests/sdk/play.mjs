// Plays tests one after the other and prints `ok NAME` or `FAILED NAME REASON` for each: what run.py reads.

export async function play(tests) {
  let failed = false;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`ok ${name}`);
    } catch (error) {
      failed = true;
      console.log(`FAILED ${name} ${String(error?.stack ?? error).replaceAll("\n", " | ")}`);
    }
  }
  process.exitCode = failed ? 1 : 0;
}
