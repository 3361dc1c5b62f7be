// The web SDK: all flags of a context in one request, kept until the change stream says otherwise.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { EventSource } from './event_source.mjs';
import { ask, check, difference, eventually, scenarios } from './report.mjs';

// Every answer to the bulk request, as the provider saw it.
const answers = [];
const fetched = globalThis.fetch;
globalThis.fetch = async (request, ...rest) => {
  const answer = await fetched(request, ...rest);
  const method = request.method ?? rest[0]?.method;
  if (method === 'POST') answers.push(answer.status);
  return answer;
};
globalThis.EventSource = EventSource;

const require = createRequire(pathToFileURL(`${process.env.NODE_WORK}/package.json`));
const { OpenFeature, ProviderEvents } = require('@openfeature/web-sdk');
const { OFREPWebProvider } = require('@openfeature/ofrep-web-provider');

const [baseUrl, guardedUrl, token, control] = process.argv.slice(2);
const options = { cacheMode: 'disabled' };
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl, ...options }));
const client = OpenFeature.getClient();
for (const scenario of scenarios) {
  await OpenFeature.setContext(scenario.context ?? {});
  check(scenario.name, difference(scenario, ask(client, scenario)));
}

// The change stream: each step is made by run.py, which is asked for it by a request.
const step = async (name) => (await fetched(`${control}/${name}`)).text();
await OpenFeature.setContext({ targetingKey: 'user-2' });
const value = () => client.getBooleanValue('new-prompt', false);
check('a user on the canary', value() ? undefined : 'is not');
// What each opening of the stream asks for is answered before the steps begin.
await eventually(() => EventSource.opened > 0 && answers.includes(304));
check('unchanged flags are not sent again', answers.includes(304) ? undefined : `answers: ${answers}`);
let told = 0;
client.addHandler(ProviderEvents.ConfigurationChanged, () => { told += 1; });
await step('share-10');
check('a lower share arrives', (await eventually(() => !value())) ? undefined : 'it does not');
await step('share-50');
check('a higher share arrives', (await eventually(value)) ? undefined : 'it does not');
await step('rollback');
check('a rollback arrives', (await eventually(() => !value())) ? undefined : 'it does not');
check('each was announced', told >= 3 ? undefined : `${told} times`);
await step('edit');
const edited = () => client.getStringValue('string-flag', '') === 'bye';
check('an edit of a flag arrives', (await eventually(edited)) ? undefined : 'it does not');
await step('restart');
await step('edit-back');
const back = () => client.getStringValue('string-flag', '') === 'hi';
check('an edit after a restart arrives', (await eventually(back)) ? undefined : 'it does not');

const headers = [['Authorization', `Bearer ${token}`]];
const opened = EventSource.opened;
await OpenFeature.setProviderAndWait('guarded', new OFREPWebProvider({ baseUrl: guardedUrl, headers, ...options }));
const guarded = OpenFeature.getClient('guarded');
check('a token', difference(scenarios[0], ask(guarded, scenarios[0])));
const listens = await eventually(() => EventSource.opened > opened);
check('the change stream needs no header', listens ? undefined : 'it does not open');
await step('edit-guarded');
const changed = () => guarded.getStringValue('string-flag', '') === 'bye';
check('a change behind a token arrives', (await eventually(changed)) ? undefined : 'it does not');
await OpenFeature.close();
process.exit(0);
