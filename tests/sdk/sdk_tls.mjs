// The official Node SDKs over TLS, with the authority of NODE_EXTRA_CA_CERTS. Prints `ok NAME` or `FAILED NAME REASON`
// for each test.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { play } from "./play.mjs";

const { SECURE_ORIGIN, STABLE_USER, CANARY_USER } = process.env;
const options = { apiKey: "any", maxRetries: 0, timeout: 10_000 };
const openai = new OpenAI({ baseURL: `${SECURE_ORIGIN}/v1`, ...options });
const anthropic = new Anthropic({ baseURL: SECURE_ORIGIN, ...options });
const messages = [{ role: "user", content: "who are you?" }];
const arms = [[STABLE_USER, "oldcorp"], [CANARY_USER, "newcorp"]];

const tests = {
  async chat() {
    for (const [user, provider] of arms) {
      const answer = await openai.chat.completions.create({ model: "m", messages, user });
      assert.match(answer.choices[0].message.content, new RegExp(`This is ${provider} answering: who are you`));
    }
  },
  async streamed_chat() {
    for (const [user, provider] of arms) {
      const stream = await openai.chat.completions.create({ model: "m", messages, user, stream: true });
      let text = "";
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
      assert.match(text, new RegExp(`This is ${provider} answering: who are you`));
    }
  },
  async streamed_messages() {
    for (const [user, provider] of arms) {
      const stream = anthropic.messages.stream({ model: "claude", max_tokens: 100, messages, metadata: { user_id: user } });
      const message = await stream.finalMessage();
      assert.match(message.content[0].text, new RegExp(`This is ${provider} answering: who are you`));
    }
  },
};

await play(tests);
