"""Processes that tests start: each with a log, ended in the reverse order, and waited for by what they do."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


given = set()


def free_port():
    """A port that nobody has, and that no earlier call gave: the system may choose one again once it is free."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in given:
            given.add(port)
            return port


def until(what, condition, seconds=30):
    """The first result of `condition` that is true. A refused or cut connection is a result that is not."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if result := condition():
                return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def fetched(url, **options):
    """Status, headers and body of a response, whatever its status. The body is text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **options), timeout=30) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def printed(command):
    """What a line of shell prints; it must succeed."""
    result = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, f"{command}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


class Processes:
    """A folder of their own, and the processes that run there."""

    def __init__(self):
        self.ending = contextlib.ExitStack()
        self.folder = pathlib.Path(self.ending.enter_context(tempfile.TemporaryDirectory()))

    def start(self, name, command, environment=None, cwd=None):
        """Starts it; what it prints is in `NAME.log` of the folder."""
        log = open(self.folder / f"{name}.log", "w")
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self.ending.callback(self._kill, process)
        return process

    def ready(self, name, process, condition):
        """Waits for it; it must not end meanwhile."""
        def ready():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}:\n{self.log(name)}")
            return condition()
        try:
            until(f"{name} is ready", ready)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log(name)}") from None

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def provider(self, name):
        """An embedded provider; its base URL."""
        command = [os.environ["SERIN"], "demo", "--provider", "--name", name]
        process = self.start(f"provider-{name}", command)
        self.ready(f"provider-{name}", process, lambda: self.log(f"provider-{name}").endswith("\n"))
        return self.log(f"provider-{name}").splitlines()[0]

    @staticmethod
    def stop(process, seconds):
        """Asks it to end; its exit code."""
        process.send_signal(signal.SIGTERM)
        return process.wait(seconds)

    @staticmethod
    def _kill(process):
        process.kill()
        process.wait()

    def close(self):
        self.ending.close()
