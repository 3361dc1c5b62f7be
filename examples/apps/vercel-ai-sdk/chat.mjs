// The Vercel AI SDK behind Serin: one question for each user, the answer as a stream.
//
//   node chat.mjs MESSAGE USER...
//
// OPENAI_BASE_URL points at Serin, or at the provider itself.

import { createOpenAI } from "@ai-sdk/openai";
import { streamText } from "ai";

const [message, ...users] = process.argv.slice(2);
if (users.length === 0) {
  console.error("usage: node chat.mjs MESSAGE USER...");
  process.exit(2);
}

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? "http://127.0.0.1:7171/v1" });
// `chat` is the API that most providers have. `openai(MODEL)` alone uses the Responses API.
const model = openai.chat(process.env.MODEL ?? "gpt-4o");

for (const user of users) {
  const result = streamText({
    model,
    system: "You answer in one sentence.",
    prompt: message,
    // One model serves all users: the id is given for each call. Serin forwards this header to no provider.
    headers: { "x-user-id": user },
    // By default streamText only logs errors.
    onError: ({ error }) => { throw error; },
  });
  let text = "";
  for await (const piece of result.textStream) text += piece;
  const { headers } = await result.response;
  console.log(`${user} (${headers?.["x-serin-provider"]}): ${text}`);
}
