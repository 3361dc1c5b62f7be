// What the Node SDKs make of streams that break off: an error, unless all was said; and of faults before them: nothing.
// Where to cut and what is whole comes from the provider of these streams, in CUTS.

import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { play } from "./play.mjs";

const { ORIGIN, CUTS } = process.env;
const { text: TEXT, faults: FAULTS, dialects } = JSON.parse(CUTS);
const openai = new OpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: "any", maxRetries: 0, timeout: 20_000 });
const anthropic = new Anthropic({ baseURL: ORIGIN, apiKey: "any", maxRetries: 0, timeout: 20_000 });
const OLDCORP = "This is oldcorp answering: who are you?";
const messages = [{ role: "user", content: "who are you?" }];

const ask = {
  async chat(model) {
    const { data, response } = await openai.chat.completions.create({ model, messages, stream: true }).withResponse();
    let [text, ended] = ["", false];
    for await (const chunk of data) {
      text += chunk.choices[0]?.delta?.content ?? "";
      ended ||= chunk.choices[0]?.finish_reason === "stop";
    }
    return { response, text, ended };
  },
  async responses(model) {
    const asked = openai.responses.create({ model, input: "who are you?", stream: true });
    const { data, response } = await asked.withResponse();
    let [text, last] = ["", null];
    for await (last of data) if (last.type === "response.output_text.delta") text += last.delta;
    return { response, text, ended: last?.type === "response.completed" };
  },
  async messages(model) {
    const asked = anthropic.messages.create({ model, max_tokens: 9, messages, stream: true });
    const { data, response } = await asked.withResponse();
    let [text, last] = ["", null];
    for await (last of data) if (last.type === "content_block_delta") text += last.delta.text;
    return { response, text, ended: last?.type === "message_stop" };
  },
};

// What is wrong with how the SDK saw this cut; null: nothing.
async function look(dialect, route, how, at) {
  const where = `${route}-${how}-${at}`;
  const { told, length } = dialects[dialect];
  let seen;
  try {
    seen = await ask[dialect](where);
  } catch (error) {
    if (!(error instanceof OpenAI.APIError || error instanceof Anthropic.APIError)) {
      return `${where}: not the SDK's own error: ${error}`;
    }
    return at >= length ? `${where}: raised, though it was whole: ${error}` : null;
  }
  const { response, text, ended } = seen;
  if (response.headers.get("x-serin-provider") === "oldcorp") {
    const rescued = route === "rescue" && text.includes(OLDCORP) && ended;
    return rescued ? null : `${where}: not a whole answer of oldcorp: ${text}`;
  }
  // A proper end stands for the last blank line; the SDKs drop what it does not follow, as they do without the sidecar.
  const unended = how === "clean" && at + 2 >= told;
  const whole = text === TEXT && (((ended || dialect === "chat") && at >= told) || unended);
  return whole ? null : `${where}: taken for whole: ${text}`;
}

// All of them, eight at a time; what went wrong.
async function all(places, one) {
  const wrong = [];
  let next = 0;
  const worker = async () => {
    while (next < places.length) {
      const told = await one(...places[next++]);
      if (told) wrong.push(told);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  if (wrong.length) throw new Error(`${wrong.length} of ${places.length} went wrong: ${wrong.slice(0, 10).join("; ")}`);
}

const tests = {};
for (const [dialect, { positions }] of Object.entries(dialects)) {
  tests[`${dialect}_that_break_off_raise`] = async () => {
    const ways = ["cut", "rescue"].flatMap((route) => ["reset", "clean"].map((how) => [dialect, route, how]));
    await all(ways.flatMap((way) => positions.map((at) => [...way, at])), look);
  };
}
tests.a_response_that_breaks_off_is_said_to_have_failed_and_raises = async () => {
  const { length } = dialects.responses;
  const asks = {
    created: (model) => openai.responses.create({ model, input: "who are you?", stream: true }),
    helped: (model) => openai.responses.stream({ model, input: "who are you?" }),
  };
  // A reset may take away what came before it.
  await all(Object.keys(asks).map((by) => [by]), async (by) => {
    const seen = [];
    try {
      for await (const event of await asks[by](`cut-clean-${Math.floor(length / 2)}`)) seen.push(event);
      return `${by}: taken for whole`;
    } catch (error) {
      const said = String(error).includes("(from Serin)");
      const last = seen.at(-1);
      const failed = last?.type === "response.failed" && last.response.id === "r" && last.response.status === "failed";
      return said && failed ? null : `${by}: ${error} after ${JSON.stringify(last)}`;
    }
  });
};
tests.nothing_healthy_raises = async () => {
  const places = Object.keys(ask).flatMap((dialect) => ["cut", "rescue"].map((route) => [dialect, route]));
  await all(places, async (dialect, route) => {
    const { response, text, ended } = await ask[dialect](`${route}-healthy`);
    const provider = response.headers.get("x-serin-provider");
    return provider === "cutcorp" && text === TEXT && ended ? null : `${dialect}, ${route}: ${provider} ${text}`;
  });
};
tests.faults_before_the_stream_are_not_seen = async () => {
  const places = Object.keys(ask).flatMap((dialect) => FAULTS.map((fault) => [dialect, fault]));
  await all(places, async (dialect, fault) => {
    try {
      const { response, text, ended } = await ask[dialect](`rescue-fault-${fault}`);
      const told = [response.headers.get("x-serin-provider"), response.headers.get("x-serin-attempts"), ended];
      const clean = told.join() === "oldcorp,2,true" && text.includes(OLDCORP);
      return clean ? null : `${dialect}, ${fault}: ${told} ${text}`;
    } catch (error) {
      return `${dialect}, ${fault}: ${error}`;
    }
  });
};

await play(tests);
