"""Processes of a run: started on one core, measured by the kernel's accounts, and all stopped at the end."""

import contextlib
import glob
import os
import pathlib
import signal
import socket
import subprocess
import time

STARTED = []
KEY = "sk-0123456789abcdef0123456789abcdef"  # made up, and sent by the load as well
QUESTION = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
PROXY_CORE, LOAD_CORE = 0, 1


def descendants(pid):
    """The process and all that it has started."""
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for child in pathlib.Path(path).read_text().split():
                found += descendants(int(child))
    return found


def start(command, core, log=os.devnull, env=None, **pipes):
    """Starts a command on this core."""
    with open(log, "ab") as output:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output} | pipes
        process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], env={**os.environ, **(env or {})}, **pipes)
    STARTED.append(process)
    return process


def stop(process):
    """Ends it and all that it has started."""
    if process.poll() is None:
        family = descendants(process.pid)
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
    if process in STARTED:
        STARTED.remove(process)


def stop_all():
    """Ends whatever this run has started."""
    for process in list(STARTED):
        stop(process)


def move(pids, core):
    """Lets these processes run on one core only, with all their threads."""
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), {core})


def resident(pids):
    """Their resident memory, in KiB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total


def answers(port, headers=()):
    """Whether a chat completion comes back."""
    extra = "".join(f"{header}\r\n" for header in headers)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\nx-user-id: u\r\n{extra}content-length: {len(QUESTION)}\r\n\r\n"
    )
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(30)
            connection.sendall(head.encode() + QUESTION)
            return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def until_it_answers(process, port, seconds, headers=()):
    """Seconds until it answers; None: it does not."""
    began = time.monotonic()
    while time.monotonic() - began < seconds and process.poll() is None:
        if answers(port, headers):
            return time.monotonic() - began
        time.sleep(0.001)
    return None


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
