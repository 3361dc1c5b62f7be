// What the tests of the dashboard stand on: real providers, a real sidecar, and users who send requests.
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const SERIN = process.env.SERIN;

/** Waits until `holds` gives something, and says what it waited for where it never does. */
export async function until(what, holds, patience = 30_000) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${patience / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

/** Waits until the text of a place fits a pattern: a screen may still show what it had before. */
export async function says(place, pattern) {
  let text = "";
  try {
    await until(`${pattern}`, async () => pattern.test(text = await place.first().innerText()));
  } catch (error) {
    throw new Error(`${error.message}; it says: ${text}`, { cause: error });
  }
}

export const freePort = () => new Promise((resolve) => {
  const server = net.createServer();
  server.listen(0, "127.0.0.1", () => { const { port } = server.address(); server.close(() => resolve(port)); });
});

const running = new Set();
const servers = new Set();
const folders = new Set();

function start(args, options = {}) {
  const child = spawn(SERIN, args, { stdio: ["ignore", "pipe", "inherit"], ...options });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

const gone = (child) => new Promise((resolve) => {
  if (child.exitCode !== null || child.signalCode !== null) resolve();
  else child.once("exit", resolve);
});

export function killAll() {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

export async function endAll() {
  for (const stage of [...stages]) stage.quiet();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  for (const child of running) child.kill("SIGKILL");
  await Promise.all([...running].map(gone));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** A provider of `serin demo --provider`; its base_url. */
export async function provider(name, ...behaviour) {
  const child = start(["demo", "--provider", "--name", name, ...behaviour]);
  const lines = createInterface({ input: child.stdout });
  const [url] = await new Promise((resolve, reject) => {
    lines.once("line", (line) => resolve([line.trim()]));
    child.once("exit", () => reject(new Error(`the provider ${name} ended`)));
  });
  return url;
}

/** A provider that answers as told; its base_url. */
export const scripted = (answer) => new Promise((resolve) => {
  const server = http.createServer((request, response) => {
    request.resume();
    request.once("end", () => answer(request, response));
  });
  servers.add(server);
  server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}/v1`));
});

/** `serin demo`, which prints the address of its dashboard first. */
export class Demo {
  static async start() {
    const demo = new Demo();
    const child = start(["demo", "--port", "0"]);
    for await (const line of createInterface({ input: child.stdout })) {
      demo.admin = /^dashboard +(http:\/\/[\d.:]+)\//.exec(line)?.[1];
      if (demo.admin) break;
    }
    child.stdout.resume();
    return demo;
  }

  api(path) {
    return fetch(`${this.admin}/${path}`).then((answer) => answer.json());
  }
}

const stages = new Set();

/** A sidecar, its file and its users. */
export class Stage {
  static async start(flags, environment = {}) {
    const stage = new Stage();
    stages.add(stage);
    stage.folder = mkdtempSync(join(tmpdir(), "serin-dashboard-"));
    folders.add(stage.folder);
    [stage.listen, stage.adminPort] = [await freePort(), await freePort()];
    stage.admin = `http://127.0.0.1:${stage.adminPort}`;
    stage.environment = environment;
    stage.write(flags);
    await stage.run();
    return stage;
  }

  get file() { return join(this.folder, "flags.yaml"); }

  /** Writes flags.yaml; the ports come first. */
  write(flags) {
    this.flags = flags;
    writeFileSync(this.file, `listen: 127.0.0.1:${this.listen}\ndrain: 1s\n${flags.replaceAll("ADMIN", `127.0.0.1:${this.adminPort}`)}`);
  }

  async run() {
    const log = openSync(join(this.folder, "serin.log"), "a");
    const env = { ...process.env, SERIN_REGISTRY: join(this.folder, "run"), ...this.environment };
    this.child = start(["run", "--flags", this.file, "--state", join(this.folder, "state")], { env, stdio: ["ignore", log, log] });
    await until("the sidecar to be up", async () => {
      if (this.child.exitCode !== null) throw new Error(`the sidecar ended:\n${readFileSync(join(this.folder, "serin.log"), "utf8")}`);
      return fetch(`${this.admin}/healthz`).then((answer) => answer.ok, () => false);
    });
  }

  async end(signal = "SIGKILL") {
    this.child.kill(signal);
    await gone(this.child);
  }

  async api(path, { token, ...init } = {}) {
    const headers = { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) };
    const answer = await fetch(`${this.admin}/${path}`, { ...init, headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  async rollout(name, token) {
    return (await this.api("api/v1/status", { token })).rollouts.find((known) => known.name === name);
  }

  /** One request of a user for a model; its status. */
  ask(model, user, key) {
    return new Promise((resolve) => {
      this.post({ model }, user, key, (answer) => {
        answer.resume();
        answer.once("end", () => resolve(answer.statusCode));
        answer.once("error", () => resolve(0));
      }).once("error", () => resolve(0));
    });
  }

  /** A stream: `pieces` grows while it goes on, and `ended` says that it does not. */
  stream(model, user) {
    const stream = { pieces: 0, text: "", ended: false };
    const end = () => { stream.ended = true; };
    this.post({ model, stream: true }, user, undefined, (answer) => {
      answer.setEncoding("utf8");
      answer.on("data", (piece) => { stream.pieces += 1; stream.text = (stream.text + piece).slice(-2000); });
      answer.once("end", end);
      answer.once("error", end);
    }).once("error", end);
    return stream;
  }

  post(asked, user, key, answered) {
    const body = JSON.stringify({ ...asked, messages: [{ role: "user", content: "hello" }] });
    const headers = { "content-type": "application/json", "x-user-id": user, "content-length": Buffer.byteLength(body), ...(key && { authorization: `Bearer ${key}` }) };
    const request = http.request({ host: "127.0.0.1", port: this.listen, path: "/v1/chat/completions", method: "POST", headers, agent: this.agent ??= new http.Agent({ keepAlive: true, maxSockets: 16 }) }, answered);
    request.end(body);
    return request;
  }

  /** Users who send requests for these models until `quiet`. */
  busy(models, perTick = 1, every = 50) {
    let user = 0;
    const timer = setInterval(() => {
      for (const model of models) for (let n = 0; n < perTick; n += 1) this.ask(model, `user-${(user += 1) % 3000}`);
    }, every);
    (this.timers ??= []).push(timer);
  }

  quiet() {
    for (const timer of this.timers ?? []) clearInterval(timer);
    this.timers = [];
    this.agent?.destroy();
    this.agent = null;
  }
}
