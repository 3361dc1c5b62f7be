// A chat endpoint in Express behind Serin.
//
// Nothing in it is specific to Serin but the user's id: OPENAI_BASE_URL points at Serin, or at the provider itself. The
// provider in the answer comes from a response header, and shows the split in an experiment.

import express from "express";
import OpenAI, { APIError } from "openai";

const MODEL = process.env.MODEL ?? "gpt-4o";
// One client for the process: it keeps its connections to Serin open. It reads OPENAI_BASE_URL and OPENAI_API_KEY.
const client = new OpenAI();
const app = express();
app.use(express.json());

// In production the user's id comes from your session or token, and not from a header that a caller can choose.
function question(request, response, next) {
  const user = request.get("x-user-id");
  const message = request.body?.message;
  if (!user || typeof message !== "string") {
    return response.status(422).json({ error: 'send the header x-user-id and a body {"message": "..."}' });
  }
  response.locals.body = {
    model: MODEL,
    messages: [{ role: "user", content: message }],
    // The field by which Serin knows the user. Without it Serin splits by conversation.
    safety_identifier: user,
  };
  next();
}

app.post("/chat", question, async (request, response) => {
  const { data, response: upstream } = await client.chat.completions.create(response.locals.body).withResponse();
  response.json({ answer: data.choices[0].message.content, provider: upstream.headers.get("x-serin-provider") });
});

app.post("/chat/stream", question, async (request, response) => {
  // When the client leaves, the request to the provider ends too.
  const left = new AbortController();
  response.on("close", () => left.abort());
  const body = { ...response.locals.body, stream: true };
  // An error before the first output is thrown here, so that the client gets a status and no broken stream.
  const { data: stream, response: upstream } = await client.chat.completions
    .create(body, { signal: left.signal })
    .withResponse();
  response.set("x-provider", upstream.headers.get("x-serin-provider") ?? "");
  response.type("text/plain");
  for await (const chunk of stream) {
    const piece = chunk.choices[0]?.delta?.content;
    if (piece) response.write(piece);
  }
  response.end();
});

app.get("/healthz", (request, response) => response.json({ status: "ok" }));

// An error of the provider or of Serin, and a Serin that is not reachable.
app.use((error, request, response, next) => {
  // Too late for a status: the connection is cut, so that the client does not take the answer for complete.
  if (response.headersSent || response.destroyed) return response.destroy();
  if (!(error instanceof APIError)) return next(error);
  const passed = error.status === 400 || error.status === 429;
  response.status(passed ? error.status : 502).json({ error: error.message });
});

const port = Number(process.env.PORT ?? 8080);
const server = app.listen(port, process.env.HOST ?? "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`listening on port ${port}`);
});

// Answers in flight are finished, for 30 seconds at most.
process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  // A connection whose answer has ended would otherwise stay open for another request.
  setInterval(() => server.closeIdleConnections(), 100);
  setTimeout(() => process.exit(1), 30_000).unref();
});
