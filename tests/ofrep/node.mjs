// The server SDK of Node: each evaluation is a request of its own.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ask, check, difference, scenarios } from './report.mjs';

const require = createRequire(pathToFileURL(`${process.env.NODE_WORK}/package.json`));
const { OpenFeature } = require('@openfeature/server-sdk');
const { OFREPProvider } = require('@openfeature/ofrep-provider');

const [baseUrl, guardedUrl, token] = process.argv.slice(2);
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl }));
const client = OpenFeature.getClient();
for (const scenario of scenarios) {
  check(scenario.name, difference(scenario, await ask(client, scenario, scenario.context ?? {})));
}

const boolean = scenarios[0];
const guarded = async (headers) => {
  await OpenFeature.setProviderAndWait('guarded', new OFREPProvider({ baseUrl: guardedUrl, headers }));
  return ask(OpenFeature.getClient('guarded'), boolean, {});
};
check('a token as Bearer', difference(boolean, await guarded([['Authorization', `Bearer ${token}`]])));
check('a token as X-API-Key', difference(boolean, await guarded([['X-API-Key', token]])));
const refused = { value: false, reason: 'ERROR', error: 'GENERAL' };
check('no token', difference(refused, await guarded([])));
check('a wrong token', difference(refused, await guarded([['X-API-Key', 'wrong']])));
const long = { ...boolean, context: { text: 'x'.repeat(70_000) } };
check('a context that is too long', difference(refused, await ask(client, long, long.context)));
