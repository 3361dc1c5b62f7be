"""WebSocket through a sidecar: libraries at both ends, a thousand sessions, HTTP/2, fallback, and the end of the process."""

import asyncio
import contextlib
import functools
import http.server
import json
import logging
import os
import pathlib
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import websockets
from websockets.asyncio.client import connect as connect_by_proxy
from websockets.asyncio.server import serve

import over_http2

HERE = pathlib.Path(__file__).parent
SESSIONS = 2000
# KiB for each session after the first thousand, a half more than was measured.
MOST_EACH = 21
FLAGS = """\
listen: 127.0.0.1:{listen}
admin: {{ listen: 127.0.0.1:{admin} }}
drain: 1s
unmatched: python
providers:
  python: {{ base_url: "http://127.0.0.1:{python}/v1", auth: none, websocket: {{ ping_every: 1s }} }}
  node: {{ base_url: "http://127.0.0.1:{node}/v1", auth: none }}
  refusing: {{ base_url: "http://127.0.0.1:{refusing}/v1", auth: none }}
rollouts:
  - {{ name: node, stable: node, match: {{ path: /node }} }}
  - name: move
    stable: python
    canary: refusing
    percent: 100%
    on_regression: hold
    match: {{ path: /move }}
  - name: hard
    stable: python
    canary: node
    percent: 100%
    on_regression: hold
    match: {{ path: /hard }}
"""
results = []
# Whatever proxy this machine goes through.
connect = functools.partial(connect_by_proxy, proxy=None)


def check(name, passed, seen=""):
    results.append(bool(passed))
    print(("ok    " if passed else "FAILED") + f" {name}" + ("" if passed else f": {seen}"), flush=True)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Refuses(http.server.BaseHTTPRequestHandler):
    """A provider that knows no WebSocket."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(503)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"no")

    def log_message(self, *_):
        pass


def subprotocol(_session, offered):
    return "realtime" if "realtime" in offered else None


async def echo(session):
    """As server.mjs does."""
    with contextlib.suppress(websockets.ConnectionClosed):
        await answer(session)


async def answer(session):
    async for message in session:
        words = message.split(" ") if isinstance(message, str) else [""]
        if words[0] == "close":
            await session.close(int(words[1]), words[2])
        elif words[0] == "die":
            session.transport.abort()
        elif words[0] == "ping":
            await (await session.ping("from the server"))
            await session.send("ponged from the server")
        else:
            await session.send(message)


async def sessions_of_python(url, server):
    name = f"websockets client, {server}: "
    async with connect(url, subprotocols=["realtime", "other"], max_size=2**26, ping_interval=None) as session:
        check(name + "the subprotocol is agreed on", session.subprotocol == "realtime", session.subprotocol)
        extensions = session.response.headers.get("sec-websocket-extensions", "")
        check(name + "the extension is agreed on", "permessage-deflate" in extensions, extensions)
        for size in [0, 1, 125, 126, 65535, 65536, 3_000_000]:
            await session.send(b"7" * size)
            got = await session.recv()
            check(name + f"an echo of {size} bytes", got == b"7" * size, len(got))
        await session.send(["grü", "ße", "!"])
        got = await session.recv()
        check(name + "fragments", got == "grüße!", got)
        await asyncio.wait_for(await session.ping("mine"), 5)
        check(name + "a ping of the client", True)
        await session.send("ping")
        got = await session.recv()
        check(name + "a ping of the server", got == "ponged from the server", got)
        await session.close(4002, "mine")
        check(name + "a close of the client", session.close_code == 4002, session.close_code)
    for words, code, reason in [("close 4001 theirs", 4001, "theirs"), ("close 1011 boom", 1011, "boom"), ("die", 1006, "")]:
        session = await connect(url)
        await session.send(words)
        with contextlib.suppress(websockets.ConnectionClosed):
            await session.recv()
        seen = (session.close_code, session.close_reason)
        check(name + f"the server is told to {words}", seen == (code, reason), seen)


def resident(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def get(port, path):
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{port}{path}", timeout=10).read().decode()


async def many_sessions(url, admin, process):
    """All open at once, each used once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(SESSIONS, (hard - 100) // 2)

    async def one():
        session = await connect(url, ping_interval=None, open_timeout=60)
        await session.send("hello")
        return session, await asyncio.wait_for(session.recv(), 60) == "hello"

    opened = []

    async def open_half():
        for _ in range(0, count // 2, 100):
            opened.extend(await asyncio.gather(*(one() for _ in range(100))))
        return await asyncio.to_thread(resident, process)

    # What the first half costs includes what is there once: threads' heaps, tables.
    half = await open_half()
    each = (await open_half() - half) / (len(opened) / 2)
    count = len(opened)
    echoed = sum(echoed for _, echoed in opened)
    check(f"{count} sessions at once, each with an echo", echoed >= count, echoed)
    status = json.loads(await asyncio.to_thread(get, admin, "/api/v1/status"))
    shown = [one for one in status.get("websockets", []) if one["provider"] == "node"]
    check("the status shows them", shown and shown[0]["open"] >= count and shown[0]["oldest_seconds"] >= 0, shown)
    print(f"       a further idle session costs {each:.1f} KiB", flush=True)
    check("a further idle session is small", 0 < each < MOST_EACH, each)
    await asyncio.gather(*(session.close() for session, _ in opened))


def closes(admin):
    lines = get(admin, "/metrics").splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line.startswith("serin_websocket_closes_total"))


async def a_hard_rollback(url, folder):
    """Of two sessions on the canary: both are told to connect again, and come to stable."""
    session = await connect(url, additional_headers={"x-user-id": "u"})
    check("a session on the canary", session.response.headers["x-serin-arm"] == "canary", session.response.headers)
    node = await asyncio.create_subprocess_exec("node", HERE / "waits.mjs", url, "v", stdout=subprocess.PIPE)
    opened = await asyncio.wait_for(node.stdout.readline(), 30)
    check("and one of ws", opened == b"open\n", opened)
    rollback = await asyncio.create_subprocess_exec(os.environ["SERIN"], "rollback", "hard", "--hard", "--state",
                                                    f"{folder}/state", stdout=subprocess.PIPE)
    out, _ = await asyncio.wait_for(rollback.communicate(), 30)
    check("a hard rollback", rollback.returncode == 0, out)
    with contextlib.suppress(websockets.ConnectionClosed):
        await asyncio.wait_for(session.recv(), 30)
    check("closes sessions of websockets with 1012", session.close_code == 1012, session.close_code)
    out, _ = await asyncio.wait_for(node.communicate(), 30)
    check("and of ws", out == b"1012\n", out)
    async with connect(url, additional_headers={"x-user-id": "u"}) as session:
        await session.send("hello")
        got = (await session.recv(), session.response.headers["x-serin-provider"])
        check("the next session is on stable", got == ("hello", "python"), got)


async def everything(process, ports, folder):
    url = f"ws://127.0.0.1:{ports['listen']}/v1"
    admin = ports["admin"]
    for path, server in [("realtime", "websockets server"), ("node", "ws server")]:
        await sessions_of_python(f"{url}/{path}", server)
        node = await asyncio.create_subprocess_exec("node", HERE / "client.mjs", f"{url}/{path}", server,
                                                    stdout=subprocess.PIPE)
        out, _ = await asyncio.wait_for(node.communicate(), 60)
        for line in out.decode().splitlines():
            check(*json.loads(line))
        check(f"ws client, {server}: to its end", node.returncode == 0, node.returncode)
    counted = closes(admin)
    for by, code, least in [("provider", "4xxx", 2), ("provider", "1011", 1), ("client", "4xxx", 2), ("provider", "cut", 2)]:
        for provider in ["python", "node"]:
            name = f'serin_websocket_closes_total{{provider="{provider}",by="{by}",code="{code}"}}'
            check(f"closes of {provider} by {by} with {code} are counted", int(counted.get(name, 0)) == least, counted)
    async with connect(f"{url}/move", additional_headers={"x-user-id": "u"}) as session:
        await session.send("hello")
        got = (await session.recv(), session.response.headers["x-serin-provider"])
        check("a canary that refuses is no hindrance", got == ("hello", "python"), got)
    async with connect(f"{url}/realtime", ping_interval=None) as session:
        # Several pings of Serin's own go by.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(session.recv(), 3.5)
        await session.send("still here")
        check("a silent session is kept by pings", await session.recv() == "still here")
    for path in ["/v1/realtime", "/v1/node"]:
        seen = await asyncio.to_thread(over_http2.session, ports["listen"], path)
        check(f"over HTTP/2 to {path}", seen == (True, "200", b"\x81\x05hello\x88\x02\x03\xe8"), seen)
    await many_sessions(f"{url}/node", admin, process)
    await a_hard_rollback(f"{url}/hard", folder)
    session = await connect(f"{url}/realtime")
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(websockets.ConnectionClosed):
        await session.recv()
    check("a drain closes with 1001", session.close_code == 1001, session.close_code)
    check("and the process ends", await asyncio.to_thread(process.wait, 20) == 0, process.returncode)


async def main():
    # Serin asks its providers for more than sessions.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    refusing = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=refusing.serve_forever, daemon=True).start()
    node = subprocess.Popen(["node", HERE / "server.mjs"], stdout=subprocess.PIPE, text=True)
    ports = {"listen": free_port(), "admin": free_port(), "node": int(node.stdout.readline()),
             "refusing": refusing.server_address[1]}
    with tempfile.TemporaryDirectory() as folder:
        async with serve(echo, "127.0.0.1", 0, select_subprotocol=subprotocol, max_size=2**26, ping_interval=None) as python:
            ports["python"] = python.sockets[0].getsockname()[1]
            flags = pathlib.Path(folder, "flags.yaml")
            flags.write_text(FLAGS.format(**ports))
            log = open(pathlib.Path(folder, "log"), "w+")
            process = subprocess.Popen([os.environ["SERIN"], "run", "--flags", flags, "--state", f"{folder}/state"],
                                       stdout=log, stderr=log)
            try:
                deadline = time.monotonic() + 30
                while True:
                    try:
                        await asyncio.to_thread(get, ports["admin"], "/readyz")
                        break
                    except OSError:
                        assert time.monotonic() < deadline and process.poll() is None, "Serin does not start"
                        await asyncio.sleep(0.05)
                await asyncio.wait_for(everything(process, ports, folder), 240)
            except BaseException as error:
                check("to the end", False, repr(error))
                log.seek(0)
                print(log.read()[-4000:])
            finally:
                process.kill()
                node.kill()
    passed = sum(results)
    print(f"websocket: {passed} passed, {len(results) - passed} failed", flush=True)
    return 0 if passed == len(results) and results else 1


raise SystemExit(asyncio.run(main()))
