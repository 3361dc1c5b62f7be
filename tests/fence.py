#!/usr/bin/env python3
"""Counts the instructions of a request, before a change and after it: fails where they rise by more than 2%.

What is counted, by callgrind, is the thread of the data plane (`workers: 1`), for one chat request with a body of 300
bytes and for one stream of 50 events, both on one kept connection: the difference between a run with N of them and one
with 2N, divided by N, so that the start cancels out. One process outside is client and provider in turns: it never sends
a thing before it has received what it waits for, so nothing depends on how fast anybody is. What other threads do by
the clock is not counted. Instructions are those of the release build: the quicker build without optimisation of the
whole program changes its mind about inlining with every edit.

Before the change is BASE (a commit), else the merge base with main or origin/main, else, on that commit itself and with
nothing uncommitted, its parent. It is built in a work tree below target/fence, and its binary kept there. Where history
does not reach that far the figures recorded in tests/fence.json stand in; they hold for the compiler named there. `fence.py BINARY`
only counts."""

import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ALLOWED = 1.02
ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "fence"
RECORDED = ROOT / "tests/fence.json"
# How many: of requests, and of streams.
TIMES = {"chat": 500, "stream": 50}
EVENTS = 50
PATIENCE = 300  # seconds: a request under callgrind takes milliseconds

FLAGS = """listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0 }}
workers: 1
providers:
  oldcorp: {{ base_url: "http://{provider}/v1", api_keys: [sk-old] }}
  newcorp: {{ base_url: "http://{provider}/v1/new", api_keys: [sk-new] }}
rollouts:
  - {{ name: chat, stable: oldcorp, canary: newcorp, percent: 50% }}
"""


def fail(what):
    sys.exit(f"fence: {what}")


# === The other side: client and provider in one ===


class Peer:
    """A connection that is read to a mark."""

    def __init__(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(PATIENCE)
        self.connection, self.unread = connection, b""

    def until(self, mark):
        while mark not in self.unread:
            read = self.connection.recv(65536)
            if not read:
                fail(f"a connection was closed while it was read up to {mark}: {self.unread[-400:]}")
            self.unread += read
        at = self.unread.index(mark) + len(mark)
        read, self.unread = self.unread[:at], self.unread[at:]
        return read

    def message(self):
        """A head with its body, which has a length."""
        head = self.until(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)[1])
        while len(self.unread) < length:
            self.unread += self.connection.recv(65536)
        self.unread = self.unread[length:]
        return head


def request(turn, stream):
    body = {"model": "gpt-4", "user": f"user-{turn % 50:02}", "stream": stream, "temperature": 0.7,
            "messages": [{"role": "system", "content": "You answer in one sentence."}, {"role": "user", "content": ""}]}
    body["messages"][1]["content"] = "x" * (300 - len(json.dumps(body)))
    body = json.dumps(body).encode()
    head = ("POST /v1/chat/completions HTTP/1.1\r\nhost: serin.test\r\naccept: application/json\r\n"
            "user-agent: OpenAI/Python 1.40.0\r\nauthorization: Bearer sk-app\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n")
    return head.encode() + body


def answer():
    body = json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "gpt-4",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "A sentence of some words. " * 8},
                     "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 48, "total_tokens": 88}}).encode()
    return (f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n"
            f"content-length: {len(body)}\r\n\r\n").encode() + body


def events():
    """The chunks of a stream, each with one event; the last one is the mark of its end."""
    def event(delta, finish):
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4",
                 "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        return f"data: {json.dumps(chunk)}\n\n"
    told = [event({"content": f" word{number:02}"}, None) for number in range(EVENTS - 2)]
    return [event.encode() for event in [*told, event({}, "stop"), "data: [DONE]\n\n"]]


ANSWER, STREAM = answer(), events()
STREAM_HEAD = (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_1\r\n"
               b"transfer-encoding: chunked\r\n\r\n")


def framed(chunk):
    return b"%x\r\n%s\r\n" % (len(chunk), chunk)


def play(kind, times, listen, listener):
    """So many requests of this kind, one after another; the provider's connections are kept like the client's."""
    client, providers = Peer(socket.create_connection(listen)), []
    for turn in range(times):
        client.connection.sendall(request(turn, kind == "stream"))
        provider = asked(listener, providers)
        provider.message()
        if kind == "chat":
            provider.connection.sendall(ANSWER)
            head = client.message()
        else:
            head = STREAM_HEAD
            for number, event in enumerate(STREAM):
                end = b"0\r\n\r\n" if number == EVENTS - 1 else b""
                provider.connection.sendall(head + framed(event) + end)
                head = b""
                told = client.until(event)
                if number == 0:
                    head_seen = told
            client.until(b"0\r\n\r\n")
            head = head_seen
        if not head.startswith(b"HTTP/1.1 200"):
            fail(f"request {turn}: {head.decode()}")


def asked(listener, providers):
    """The connection on which the provider is asked."""
    while True:
        ready, _, _ = select.select([listener, *(peer.connection for peer in providers)], [], [], PATIENCE)
        if not ready:
            fail("the provider was not asked")
        if listener in ready:
            providers.append(Peer(listener.accept()[0]))
        for peer in providers:
            if peer.connection in ready:
                return peer


# === Counting ===


def run(binary, kind, times):
    """What each thread of a sidecar that served so many requests has executed."""
    with tempfile.TemporaryDirectory(prefix="serin-fence-") as name, socket.create_server(("127.0.0.1", 0)) as listener:
        folder = pathlib.Path(name)
        (folder / "run").mkdir()
        (folder / "flags.yaml").write_text(FLAGS.format(provider="127.0.0.1:%d" % listener.getsockname()[1]))
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(folder / "run"), "SERIN_LOG": "warn"}
        command = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={folder}/counted",
                   str(binary), "run", "--flags", "flags.yaml", "--state", "state"]
        log = open(folder / "log", "w")
        sidecar = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            play(kind, times, listening(sidecar, folder), listener)
            sidecar.send_signal(signal.SIGTERM)
            if sidecar.wait(PATIENCE) != 0:
                fail(f"the sidecar did not end well:\n{(folder / 'log').read_text()}")
        finally:
            sidecar.kill()
        threads = {}
        for path in folder.glob("counted-*"):
            totals = re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE)
            threads[path.name] = int(totals[1]) if totals else 0
        return threads


def listening(sidecar, folder):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and sidecar.poll() is None:
        for entry in (folder / "run/serin").glob("*.json"):
            host, port = json.loads(entry.read_text())["listen"].removeprefix("http://").split(":")
            return host, int(port)
        time.sleep(0.05)
    fail(f"the sidecar does not start:\n{(folder / 'log').read_text()}")


def count(binary):
    counted = {}
    for kind, times in TIMES.items():
        # Whichever thread serves: of those that are not the first, it has by far the most to do.
        served = [max(told for name, told in run(binary, kind, many).items() if not name.endswith("-01"))
                  for many in (times, 2 * times)]
        counted[kind] = round((served[1] - served[0]) / times)
    return counted


# === Before and after ===


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def before():
    """The commit that is built as it was before the change; None: history does not say."""
    if os.environ.get("BASE"):
        commit = git("rev-parse", "--verify", "--quiet", os.environ["BASE"] + "^{commit}")
        return commit or fail(f"BASE={os.environ['BASE']} is no commit here")
    head = git("rev-parse", "HEAD")
    for main in ("main", "origin/main"):
        base = git("merge-base", "HEAD", main)
        if base:
            # What is not committed is a change of its own.
            return git("rev-parse", "--verify", "--quiet", "HEAD^") if base == head and not git("diff", "HEAD") else base
    return None


def built(tree):
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET)}
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--bin", "serin"]
    if subprocess.run(command, cwd=tree, env=environment).returncode != 0:
        fail(f"{tree} cannot be built")
    return TARGET / "release/serin"


def built_at(commit):
    kept, tree = TARGET / f"serin-{commit}", TARGET / "tree"
    if not kept.exists():
        git("worktree", "remove", "--force", tree)
        git("worktree", "prune")
        if git("worktree", "add", "--detach", tree, commit) is None:
            fail(f"no work tree of {commit} can be made in {tree}")
        try:
            shutil.copy(built(tree), kept)
        finally:
            git("worktree", "remove", "--force", tree)
    return kept


def install():
    print("fence: installing valgrind", flush=True)
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Acquire::Retries=5"]
    # A list that cannot be renewed may still be good enough.
    subprocess.run([*apt, "update"])
    if subprocess.run([*apt, "install", "-y", "valgrind"], stdout=subprocess.DEVNULL).returncode != 0:
        fail("valgrind is missing and cannot be installed: apt-get install valgrind")


def main():
    if shutil.which("valgrind") is None:
        install()
    if len(sys.argv) > 1:
        print(json.dumps(count(pathlib.Path(sys.argv[1]).resolve())))
        return
    TARGET.mkdir(parents=True, exist_ok=True)
    recorded = json.loads(RECORDED.read_text())
    commit = before()
    if commit:
        name, old = commit[:7], count(built_at(commit))
    else:
        name, old = f"{recorded['commit']}, as recorded", recorded["instructions"]
    new = count(built(ROOT))
    print(f"instructions of one request, before ({name}) and now:")
    compare(old, new, recorded)


def compare(old, new, recorded):
    risen = False
    for kind, what in (("chat", "chat, 300 bytes"), ("stream", f"stream of {EVENTS} events")):
        ratio, whole = new[kind] / old[kind], new[kind] / recorded["instructions"][kind]
        risen |= ratio > ALLOWED
        told = f"{what:20} {old[kind]:>9,} {new[kind]:>9,}  {ratio - 1:+7.2%}"
        print(f"{told}   ({whole - 1:+.2%} since {recorded['commit']})")
    if risen:
        fail(f"more than {ALLOWED - 1:.0%} is not allowed")


if __name__ == "__main__":
    main()
