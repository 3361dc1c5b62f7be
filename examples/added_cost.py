#!/usr/bin/env python3
"""What Serin adds to a request: time, CPU time and memory. The figures of docs/operations/sizing.md.

    cargo build --profile quick --locked
    examples/added_cost.py target/quick/serin

Two providers (`serin demo --provider`), the sidecar and the client share the machine, over plain HTTP on loopback.
Time is measured in pairs: each round sends the same requests directly and through the sidecar, on one kept connection
each, and takes the difference. A busy machine changes both sides of a pair. Any free ports are used, and everything is
stopped at the end."""

import json
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROUNDS, EACH = 40, 250
REQUESTS, CONNECTIONS = 20_000, 8
IDLE, STREAMS = 2000, 1000
PATIENCE = 60
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello " * 40}]}


def started(folder, *command):
    """The process, and its standard output up to the first line."""
    env = {**os.environ, "SERIN_REGISTRY": f"{folder}/run", "SERIN_DUMPABLE": "yes", "SERIN_LOG": "error"}
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    while line := process.stdout.readline():
        if address := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            return process, int(address[1])
    sys.exit(f"{' '.join(map(str, command))} has not started")


class Connection:
    """A kept HTTP connection that sends one request at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, user, question):
        body = json.dumps(question).encode()
        head = ["POST /v1/chat/completions HTTP/1.1", "host: 127.0.0.1", "content-type: application/json",
                f"x-user-id: {user}", f"content-length: {len(body)}", "", ""]
        self.socket.sendall("\r\n".join(head).encode() + body)

    def answer(self):
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.more()
        head, _, rest = got.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)[1])
        while len(rest) < length:
            rest += self.more()

    def more(self):
        if not (data := self.socket.recv(65536)):
            sys.exit("the connection ended before the response")
        return data

    def ask(self, user):
        begun = time.perf_counter()
        self.send(user, QUESTION)
        self.answer()
        return time.perf_counter() - begun


def added_time(provider, serin):
    one, other = Connection(provider), Connection(serin)
    middle, tail = [], []
    for _ in range(ROUNDS + 1):
        direct = sorted(one.ask(f"user-{i}") for i in range(EACH))
        through = sorted(other.ask(f"user-{i}") for i in range(EACH))
        middle.append(statistics.median(through) - statistics.median(direct))
        tail.append(through[EACH * 99 // 100] - direct[EACH * 99 // 100])
    # The first round opens connections.
    return statistics.median(middle[1:]) * 1e3, statistics.median(tail[1:]) * 1e3


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_time(process, port):
    def some(number):
        connection = Connection(port)
        for i in range(REQUESTS // CONNECTIONS):
            connection.ask(f"user-{number}-{i}")

    before = cpu_seconds(process)
    threads = [threading.Thread(target=some, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (cpu_seconds(process) - before) / REQUESTS * 1e6


def resident(process):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1])


def idle_memory(process, port):
    before = resident(process)
    held = [Connection(port) for _ in range(IDLE)]
    for number, connection in enumerate(held):
        connection.ask(f"user-{number}")
    return (resident(process) - before) / IDLE


def stream_memory(process, port):
    before = resident(process)
    held = [Connection(port) for _ in range(STREAMS)]
    for number, connection in enumerate(held):
        connection.send(f"user-{number}", {**QUESTION, "stream": True})
    for connection in held:
        connection.more()
    return (resident(process) - before) / STREAMS


def main():
    serin = str(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) == 2 else sys.exit(__doc__)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    processes = []

    def run(*command):
        process, port = started(folder, *command)
        processes.append(process)
        return process, port

    def sidecar(stable, canary):
        pathlib.Path(folder, "flags.yaml").write_text(json.dumps({
            "listen": "127.0.0.1:0",
            "admin": {"listen": "127.0.0.1:0"},
            "providers": {name: {"base_url": f"http://127.0.0.1:{port}/v1", "auth": "none"}
                          for name, port in [("openai", stable), ("holysheep", canary)]},
            "rollouts": [{"name": "chat", "stable": "openai", "canary": "holysheep", "percent": "10%"}],
        }))
        return run(serin, "run", "--state", tempfile.mkdtemp(dir=folder))

    with tempfile.TemporaryDirectory() as folder:
        try:
            fast = [run(serin, "demo", "--provider", "--name", name)[1] for name in ("openai", "holysheep")]
            process, port = sidecar(*fast)
            print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
            print(f"memory after the start       {resident(process) / 1024:6.0f} MiB")
            middle, tail = added_time(fast[0], port)
            print(f"added to the median time     {middle:6.2f} ms")
            print(f"added to the 99th percentile {tail:6.2f} ms")
            print(f"CPU time of a request        {cpu_time(process, port):6.0f} us")
            print(f"an idle client connection    {idle_memory(process, port):6.0f} KiB")
            slow = [run(serin, "demo", "--provider", "--gap-ms", "2000", "--words", "60")[1] for _ in range(2)]
            process, port = sidecar(*slow)
            print(f"an open stream               {stream_memory(process, port):6.0f} KiB")
        finally:
            for process in processes:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
