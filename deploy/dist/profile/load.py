#!/usr/bin/env python3
"""The work that the build which ships is optimised for: chat requests, streams and what goes on beside them.

    load.py SERIN

One sidecar with one worker, two providers in this process. What is sent is what applications send: bodies of 300 bytes
to 64 KiB, whole answers and streams, one connection and 64, HTTP/1.1 with and without TLS to the provider, providers
that fail and answer 429, gzip, clients that go away. Beside it the admin port is scraped, flags are evaluated, a
rollback is ordered and taken back. Counts are fixed, so that two recordings differ little. The sidecar ends in order,
which writes what the instrumented binary has counted."""

import asyncio
import gzip
import json
import logging
import os
import pathlib
import random
import ssl
import subprocess
import sys
import tempfile

FLAGS = """listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0 }}
workers: 1
providers:
  oldcorp: {{ base_url: "http://127.0.0.1:{old}/v1", api_keys: [sk-old] }}
  newcorp: {{ base_url: "{scheme}://localhost:{new}/v1", api_keys: [sk-new], models: {{ gpt-4o: new-large }}{tls} }}
rollouts:
  - {{ name: chat, stable: oldcorp, canary: newcorp, percent: 50% }}
flags:
  new-prompt: {{ follows: chat }}
"""
WORDS = "It was a bright cold day in April and the clocks were striking thirteen ".split()
SIZES = [300, 300, 300, 1200, 1200, 6000, 64 << 10]
EVENTS = 50


def question(chance, stream):
    body = {"model": "gpt-4o", "user": f"user-{chance.randrange(500)}", "stream": stream, "temperature": 0.7,
            "messages": [{"role": "system", "content": "You answer in one sentence."},
                         {"role": "user", "content": "x\\n" * (chance.choice(SIZES) // 3)}]}
    return json.dumps(body).encode()


def whole(chance):
    text = " ".join(chance.choice(WORDS) for _ in range(60))
    return json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 48, "total_tokens": 88}}).encode()


def event(delta, finish):
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o",
             "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: %s\n\n" % json.dumps(chunk).encode()


async def message(reader):
    """A head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:] if b": " in line)
    if b"content-length" in fields:
        return head, await reader.readexactly(int(fields[b"content-length"]))
    body = b""
    while b"chunked" in fields.get(b"transfer-encoding", b""):
        size = int(await reader.readline(), 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            break
    return head, body


class Provider:
    """Answers as many providers do: most of it well, one in 200 with an error that another provider makes good."""

    def __init__(self, seed):
        self.chance = random.Random(seed)

    async def __call__(self, reader, writer):
        try:
            while True:
                head, body = await message(reader)
                await self.answer(head, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, head, body, writer):
        turn = self.chance.randrange(200)
        if turn < 2:
            status = (b"500 Internal Server Error", b"429 Too Many Requests")[turn]
            text = b'{"error": {"type": "server_error", "message": "try again"}}'
            writer.write(b"HTTP/1.1 %s\r\nretry-after: 1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                         % (status, len(text), text))
        elif b'"stream": true' in body or b'"stream":true' in body:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for number in range(EVENTS):
                last = number == EVENTS - 2
                piece = event({} if last else {"content": " word"}, "stop" if last else None)
                piece = piece if number < EVENTS - 1 else b"data: [DONE]\n\n"
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")
        else:
            text, coding = whole(self.chance), b""
            if turn < 30:
                text, coding = gzip.compress(text), b"content-encoding: gzip\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n%scontent-length: %d\r\n\r\n%s"
                         % (coding, len(text), text))
        await writer.drain()


def request(method, path, body=b"", *fields):
    head = [f"{method} {path} HTTP/1.1", "host: serin.test", "accept: application/json", "content-type: application/json",
            "authorization: Bearer sk-app", "user-agent: OpenAI/Python 1.40.0", *fields, f"content-length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def client(port, times, seed, stream, leaves=0):
    chance = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for turn in range(times):
        fields = ["accept-encoding: gzip"] if chance.random() < 0.5 else []
        writer.write(request("POST", "/v1/chat/completions", question(chance, stream), *fields))
        if leaves and turn % leaves == leaves - 1:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        await message(reader)
    writer.close()


async def operators(port, times):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for turn in range(times):
        context = json.dumps({"context": {"targetingKey": f"user-{turn}"}}).encode()
        for method, path, body in [("GET", "/metrics", b""), ("GET", "/api/v1/status", b""), ("GET", "/readyz", b""),
                                   ("GET", "/api/v1/history?limit=20", b""),
                                   *[("POST", "/ofrep/v1/evaluate/flags/new-prompt", context)] * 20]:
            writer.write(request(method, path, body))
            await message(reader)
    writer.close()


async def started(folder, *command):
    env = {**os.environ, "SERIN_REGISTRY": f"{folder}/run", "SERIN_LOG": "error", "SSL_CERT_FILE": f"{folder}/tls.crt"}
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    while True:
        for entry in pathlib.Path(folder, "run").glob("*.json"):
            told = json.loads(entry.read_text())
            return process, env, *(int(told[name].rsplit(":", 1)[1].strip("/")) for name in ("listen", "admin"))
        if process.returncode is not None:
            sys.exit("the sidecar has not started")
        await asyncio.sleep(0.05)


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.crt", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
    return context


async def serve(serin, folder, tls):
    context = certificate(folder) if tls else None
    old = await asyncio.start_server(Provider(1), "127.0.0.1", 0, limit=1 << 20)
    new = await asyncio.start_server(Provider(2), "127.0.0.1", 0, ssl=context, limit=1 << 20)
    ports = [server.sockets[0].getsockname()[1] for server in (old, new)]
    text = FLAGS.format(old=ports[0], new=ports[1], scheme="https" if tls else "http",
                        tls=f', tls: {{ ca_file: "{folder}/tls.crt" }}' if tls else "")
    pathlib.Path(folder, "flags.yaml").write_text(text)
    process, env, listen, admin = await started(folder, serin, "run", "--flags", "flags.yaml", "--state", "state")
    await client(listen, 1000, 3, False)
    await asyncio.gather(*(client(listen, 120, 10 + seed, False) for seed in range(64)), operators(admin, 40))
    await asyncio.gather(*(client(listen, 12, 100 + seed, True) for seed in range(64)))
    await asyncio.gather(*(client(listen, 8, 200 + seed, True, leaves=4) for seed in range(8)))
    pathlib.Path(folder, "flags.yaml").write_text(text.replace("50%", "25%"))
    for command in (["check", "--no-secrets", "flags.yaml"], ["status"], ["rollback", "--reason", "practice"], ["why"],
                    ["resume", "chat"], ["history"], ["bucket", "user-1"]):
        done = await asyncio.create_subprocess_exec(serin, *command, cwd=folder, env=env, stdout=subprocess.DEVNULL)
        await done.wait()
    await asyncio.gather(*(client(listen, 40, 300 + seed, False) for seed in range(64)))
    process.terminate()
    if await process.wait() != 0:
        sys.exit("the sidecar did not end well")
    old.close()
    new.close()


def main():
    # A client that went away is part of the work.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    serin = str(pathlib.Path(sys.argv[1]).resolve())
    for tls in (False, True):
        with tempfile.TemporaryDirectory(prefix="serin-load-") as folder:
            pathlib.Path(folder, "run").mkdir(mode=0o700)
            asyncio.run(serve(serin, folder, tls))
            print(f"served, {'with' if tls else 'without'} TLS to the canary", flush=True)


if __name__ == "__main__":
    main()
