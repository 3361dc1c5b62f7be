// What both JavaScript clients share: reading the scenarios, comparing, and the lines that run.py counts.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

export const scenarios = JSON.parse(readFileSync(new URL('scenarios.json', import.meta.url), 'utf8'));

export function check(name, problem) {
  console.log(problem ? `FAILED ${name}: ${problem}` : `ok ${name}`);
}

// Why an evaluation is not the scenario's; undefined: it is.
export function difference(scenario, details) {
  const wanted = { value: scenario.value, reason: scenario.reason, errorCode: scenario.error, variant: scenario.variant };
  for (const [part, expected] of Object.entries(wanted)) {
    if (!isDeepStrictEqual(details[part], expected)) {
      return `${part} is ${JSON.stringify(details[part])}, not ${JSON.stringify(expected)}: ${JSON.stringify(details)}`;
    }
  }
  for (const [key, expected] of Object.entries(scenario.metadata ?? {})) {
    if (details.flagMetadata?.[key] !== expected) return `metadata ${JSON.stringify(details.flagMetadata)}`;
  }
  return undefined;
}

export function ask(client, scenario, ...context) {
  const method = {
    boolean: 'getBooleanDetails', string: 'getStringDetails', integer: 'getNumberDetails', float: 'getNumberDetails',
    object: 'getObjectDetails',
  }[scenario.type];
  return client[method](scenario.flag, scenario.default, ...context);
}

// Waits until something is true, at most ten seconds.
export async function eventually(look) {
  const end = Date.now() + 10_000;
  while (!look()) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}
