// The Anthropic Node SDK through the sidecar. Prints `ok NAME` or `FAILED NAME REASON` for each test.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { play } from "./play.mjs";

const { ORIGIN, STABLE_USER, CANARY_USER, LAST_RESORT } = process.env;
const client = new Anthropic({ baseURL: ORIGIN, apiKey: "any", maxRetries: 0, timeout: 10_000 });
const ask = { model: "claude", max_tokens: 100, messages: [{ role: "user", content: "who are you?" }] };
const arms = [[STABLE_USER, "oldcorp"], [CANARY_USER, "newcorp"]];

const tests = {
  async messages_are_split_by_user() {
    for (const [user, provider] of arms) {
      const asked = client.messages.create({ ...ask, metadata: { user_id: user } });
      const { data, response } = await asked.withResponse();
      assert.equal(response.headers.get("x-serin-provider"), provider);
      assert.match(data.content[0].text, new RegExp(`This is ${provider} answering: who are you`));
      assert.equal(data.stop_reason, "end_turn");
    }
  },
  async streamed_messages() {
    for (const [user, provider] of arms) {
      const stream = client.messages.stream({ ...ask, metadata: { user_id: user } });
      const message = await stream.finalMessage();
      assert.match(message.content[0].text, new RegExp(`This is ${provider} answering: who are you`));
      assert.equal(message.stop_reason, "end_turn");
    }
  },
  async a_provider_error_is_the_sdks_own_error() {
    await assert.rejects(client.messages.create({ ...ask, model: "ill" }), (error) => {
      assert.ok(error instanceof Anthropic.APIError);
      assert.match(String(error), /illcorp/);
      return true;
    });
  },
  async a_last_resort_is_a_whole_message() {
    const { data, response } = await client.messages.create({ ...ask, model: "down" }).withResponse();
    assert.equal(response.headers.get("x-serin-last-resort"), "server_error");
    assert.deepEqual([data.content[0].text, data.stop_reason], [LAST_RESORT, "end_turn"]);
    const final = await client.messages.stream({ ...ask, model: "down" }).finalMessage();
    assert.deepEqual([final.content[0].text, final.stop_reason], [LAST_RESORT, "end_turn"]);
  },
  async a_stream_is_left_in_its_middle() {
    const stream = await client.messages.create({ ...ask, stream: true, metadata: { user_id: CANARY_USER } });
    for await (const _ of stream) break;
    const message = await client.messages.create({ ...ask, metadata: { user_id: CANARY_USER } });
    assert.match(message.content[0].text, /newcorp/);
  },
};

await play(tests);
