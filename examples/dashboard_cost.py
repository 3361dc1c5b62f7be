#!/usr/bin/env python3
"""What dashboards and flag evaluations cost the requests that pass by: CPU time of the data-plane threads.

    cargo build --profile quick --locked
    examples/dashboard_cost.py target/quick/serin [ROUNDS]

A sidecar serves chat requests at a steady rate. In every other phase 50 event streams are open as well
(`GET /api/v1/events`), and 10,000 flags a second are evaluated one by one over OFREP, on 4 connections that send several
requests at once. Each phase takes the CPU time of the data-plane threads from the kernel's accounts
(/proc/PID/task/TID/schedstat, in nanoseconds) and divides it by the requests that were answered. A phase with is
compared with the mean of the phases without on both sides of it, so that a machine that becomes slower changes both.
Everything is stopped at the end."""

import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

RATE, CONNECTIONS = 400, 8  # chat requests a second
STREAMS = 50
EVALUATIONS, CALLERS, AT_ONCE = 10_000, 4, 50  # a second
PHASE = 5  # seconds
ROUNDS = 12
PATIENCE = 60
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello " * 40}]}


def started(folder, *command):
    env = {**os.environ, "SERIN_REGISTRY": f"{folder}/run", "SERIN_DUMPABLE": "yes", "SERIN_LOG": "error"}
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    while line := process.stdout.readline():
        if address := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            return process, int(address[1])
    sys.exit(f"{' '.join(map(str, command))} has not started")


def connected(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def message(path, body, *headers):
    head = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json", *headers,
            f"content-length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


class Load:
    """Asks at a steady rate until it is ended; nobody makes up for what was missed."""

    def __init__(self):
        self.over, self.answered, self.threads = threading.Event(), 0, []

    def run(self, per_second, ask):
        def repeat():
            due = time.monotonic()
            while not self.over.is_set():
                self.answered += ask()
                due = max(due + 1 / per_second, time.monotonic() - 0.1)
                time.sleep(max(0.0, due - time.monotonic()))

        self.threads.append(threading.Thread(target=repeat, daemon=True))
        self.threads[-1].start()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def chat(port, number):
    connection, turn = connected(port), 0
    body = json.dumps(QUESTION).encode()

    def ask():
        nonlocal turn
        turn += 1
        connection.sendall(message("/v1/chat/completions", body, f"x-user-id: user-{number}-{turn}"))
        got = b""
        while not (whole := re.match(rb"(?is)HTTP/1.1 (\d+).*?\r\ncontent-length: *(\d+).*?\r\n\r\n", got)) \
                or len(got) < whole.end() + int(whole[2]):
            if not (data := connection.recv(65536)):
                sys.exit("the connection ended before the response")
            got += data
        if whole[1] != b"200":
            sys.exit(f"a request failed: {got!r}")
        return 1

    return ask


def flags(port, number):
    """Several evaluations at once, each a request of its own."""
    connection, turn = connected(port), 0

    def ask():
        nonlocal turn
        asked = b""
        for _ in range(AT_ONCE):
            turn += 1
            context = json.dumps({"context": {"targetingKey": f"user-{number}-{turn}"}}).encode()
            asked += message("/ofrep/v1/evaluate/flags/new-prompt", context)
        connection.sendall(asked)
        got = b""
        while got.count(b"HTTP/1.1 200") < AT_ONCE or not got.endswith(b"}\n"):
            if not (data := connection.recv(1 << 20)):
                sys.exit("the connection ended before the response")
            got += data
        return AT_ONCE

    return ask


class Listeners:
    """Open event streams, read by one thread."""

    def __init__(self, port):
        self.held, self.received, self.over = [], 0, threading.Event()
        for _ in range(STREAMS):
            connection = connected(port)
            connection.sendall(b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
            self.held.append(connection)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while not self.over.is_set():
            for connection in self.held:
                connection.setblocking(False)
                try:
                    self.received += len(connection.recv(1 << 20))
                except BlockingIOError:
                    pass
            time.sleep(0.05)

    def end(self):
        self.over.set()
        self.thread.join()
        for connection in self.held:
            connection.close()
        if not self.received:
            sys.exit("the event streams sent nothing")


def cpu_nanos(process):
    total, threads = 0, 0
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        if (task / "comm").read_text().startswith(DATA_PLANE):
            total, threads = total + int((task / "schedstat").read_text().split()[0]), threads + 1
    if not threads:
        sys.exit("the sidecar has no data-plane threads")
    return total


DATA_PLANE = "serin-core"


def phase(process, admin, load, busy):
    """Microseconds of CPU a request, and evaluations a second."""
    listeners, callers = None, Load()
    if busy:
        listeners = Listeners(admin)
        for number in range(CALLERS):
            callers.run(EVALUATIONS / CALLERS / AT_ONCE, flags(admin, number))
    time.sleep(0.5)
    began, cpu, answered, evaluated = time.monotonic(), cpu_nanos(process), load.answered, callers.answered
    time.sleep(PHASE)
    cpu, answered = cpu_nanos(process) - cpu, load.answered - answered
    per_second = (callers.answered - evaluated) / (time.monotonic() - began)
    callers.end()
    if listeners:
        listeners.end()
    return cpu / answered / 1e3, answered / PHASE, per_second


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    serin = str(pathlib.Path(sys.argv[1]).resolve())
    rounds = int(sys.argv[2]) if len(sys.argv) == 3 else ROUNDS
    processes = []

    def run(*command):
        process, port = started(folder, *command)
        processes.append(process)
        return process, port

    with tempfile.TemporaryDirectory() as folder:
        try:
            stable, canary = (run(serin, "demo", "--provider", "--name", name)[1] for name in ("openai", "holysheep"))
            pathlib.Path(folder, "flags.yaml").write_text(json.dumps({
                "listen": "127.0.0.1:0",
                "admin": {"listen": "127.0.0.1:0"},
                "providers": {name: {"base_url": f"http://127.0.0.1:{port}/v1", "auth": "none"}
                              for name, port in [("openai", stable), ("holysheep", canary)]},
                "rollouts": [{"name": "chat", "stable": "openai", "canary": "holysheep", "percent": "10%"}],
                "flags": {"new-prompt": {"follows": "chat"}},
            }))
            process, port = run(serin, "run", "--state", tempfile.mkdtemp(dir=folder))
            entry = json.loads(next(pathlib.Path(folder, "run").rglob("*")).read_text())
            admin = int(entry["admin"].rpartition(":")[2])
            load = Load()
            for number in range(CONNECTIONS):
                load.run(RATE / CONNECTIONS, chat(port, number))
            print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; {rounds} rounds of {PHASE} s")
            phases = [phase(process, admin, load, busy=number % 2 == 1) for number in range(2 * rounds + 1)]
            load.end()
        finally:
            for process in processes:
                process.kill()
                process.wait()
    cpu = [cpu for cpu, _, _ in phases]
    ratios = [cpu[i] / statistics.mean((cpu[i - 1], cpu[i + 1])) for i in range(1, len(cpu), 2)]
    # Two phases without, three apart from each other, show what chance does.
    idle = cpu[::2]
    chance = [idle[i] / statistics.mean((idle[i - 1], idle[i + 1])) for i in range(1, len(idle) - 1)]
    busy = phases[1::2]
    print(f"requests a second              {statistics.median(rate for _, rate, _ in phases):8.0f}")
    print(f"evaluations a second           {statistics.median(rate for _, _, rate in busy):8.0f}")
    print(f"CPU of a request, without      {statistics.median(idle):8.1f} us")
    print(f"CPU of a request, with         {statistics.median(cpu[1::2]):8.1f} us")
    print(f"ratio, median of the rounds    {statistics.median(ratios):8.3f}  ({min(ratios):.3f} to {max(ratios):.3f})")
    if chance:
        print(f"the same of phases without     {statistics.median(chance):8.3f}  ({min(chance):.3f} to {max(chance):.3f})")


if __name__ == "__main__":
    main()
