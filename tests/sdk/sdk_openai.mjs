// The OpenAI Node SDK through the sidecar. Prints `ok NAME` or `FAILED NAME REASON` for each test.

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { play } from "./play.mjs";

const { ORIGIN, STABLE_USER, CANARY_USER, LAST_RESORT } = process.env;
const client = new OpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: "any", maxRetries: 0, timeout: 10_000 });
const messages = [{ role: "user", content: "who are you?" }];
const arms = [[STABLE_USER, "oldcorp"], [CANARY_USER, "newcorp"]];

const tests = {
  async chat() {
    for (const [user, provider] of arms) {
      const { data, response } = await client.chat.completions.create({ model: "m", messages, user }).withResponse();
      assert.equal(response.headers.get("x-serin-provider"), provider);
      assert.match(data.choices[0].message.content, new RegExp(`This is ${provider} answering: who are you`));
    }
  },
  async streamed_chat() {
    for (const [user, provider] of arms) {
      const stream = await client.chat.completions.create({ model: "m", messages, user, stream: true });
      let text = "";
      let finish = null;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta?.content ?? "";
        finish = chunk.choices[0]?.finish_reason ?? finish;
      }
      assert.match(text, new RegExp(`This is ${provider} answering: who are you`));
      assert.equal(finish, "stop");
    }
  },
  async streamed_responses() {
    for (const [user, provider] of arms) {
      const stream = await client.responses.create({ model: "m", input: "hi", safety_identifier: user, stream: true });
      let last = null;
      for await (const event of stream) last = event;
      assert.equal(last.type, "response.completed");
      assert.match(last.response.output[0].content[0].text, new RegExp(provider));
    }
  },
  async embeddings() {
    const answer = await client.embeddings.create({ model: "e", input: ["one", "two"], user: CANARY_USER });
    assert.deepEqual(answer.data.map((vector) => vector.embedding.length), [8, 8]);
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes("demo-large"));
  },
  async upload_and_download() {
    const content = Buffer.alloc(2_000_000, Buffer.from([0, 13, 10, 255, 45, 45]));
    const file = await client.files.create({ file: await toFile(content, "b.bin"), purpose: "batch" });
    assert.equal(file.bytes, content.length);
    const back = Buffer.from(await (await client.files.content(file.id)).arrayBuffer());
    assert.ok(content.equals(back));
  },
  async provider_errors() {
    await assert.rejects(client.chat.completions.create({ model: "ill", messages }), /illcorp/);
    const stream = await client.chat.completions.create({ model: "ill", messages, stream: true });
    await assert.rejects(async () => { for await (const _ of stream); }, /illcorp/);
  },
  async a_last_resort_is_a_whole_response() {
    const { data, response } = await client.chat.completions.create({ model: "down", messages }).withResponse();
    assert.equal(response.headers.get("x-serin-last-resort"), "server_error");
    assert.deepEqual([data.choices[0].message.content, data.choices[0].finish_reason], [LAST_RESORT, "stop"]);
    const completion = await client.chat.completions.stream({ model: "down", messages }).finalChatCompletion();
    const [choice] = completion.choices;
    assert.deepEqual([choice.message.content, choice.finish_reason], [LAST_RESORT, "stop"]);
    const answer = await client.responses.create({ model: "down", input: "hi" });
    assert.deepEqual([answer.output_text, answer.status], [LAST_RESORT, "completed"]);
    const final = await client.responses.stream({ model: "down", input: "hi" }).finalResponse();
    assert.deepEqual([final.output_text, final.status], [LAST_RESORT, "completed"]);
  },
  async a_stream_is_left_in_its_middle() {
    const stream = await client.chat.completions.create({ model: "m", messages, user: CANARY_USER, stream: true });
    for await (const _ of stream) break;
    const answer = await client.chat.completions.create({ model: "m", messages, user: CANARY_USER });
    assert.match(answer.choices[0].message.content, /newcorp/);
  },
};

await play(tests);
