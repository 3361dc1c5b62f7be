"""A sidecar in a directory of its own, providers that answer, and receivers that keep what they get."""

import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

SERIN = os.environ["SERIN"]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def until(what, holds, patience=15):
    """Waits until this holds, and returns what it gave."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        got = holds()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError(f"not within {patience} s: {what}")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A sidecar that is killed breaks its connections off."""


class Receiver:
    """Keeps every request. `answer(request)` gives a status, or does more with the handler and gives None."""

    def __init__(self, answer=None, port=0):
        self.requests = []
        self.answer = answer or (lambda request: 204)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                request = {"path": self.path, "headers": dict(self.headers.items()), "body": body, "handler": self}
                receiver.requests.append(request)
                status = receiver.answer(request)
                if status is not None:
                    self.send_response(status)
                    self.send_header("content-length", "0")
                    self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def bodies(self):
        return [json.loads(request["body"]) for request in list(self.requests)]

    def types(self):
        return [body["type"] for body in self.bodies()]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def closed_port():
    """A port at which nothing listens; it is kept from others by a socket that is bound and does not listen."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


class Sidecar:
    def __init__(self, notify, percent="20%"):
        self.home = tempfile.TemporaryDirectory(prefix="serin-notify-")
        self.dir = pathlib.Path(self.home.name)
        self.provider = Receiver(lambda request: 200)
        self.environment = dict(
            os.environ, SERIN_REGISTRY=str(self.dir / "registry"), SECRET=SECRET, OTHER=OTHER_SECRET,
            PAGERDUTY="0123456789abcdef0123456789abcdef", KEY="key-0123456789abcdef", NO_COLOR="1",
        )
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            self.environment.pop(name, None)
        (self.dir / "registry").mkdir()
        self.percent = percent
        self.write(notify)
        self.process = None
        self.start()

    def write(self, notify):
        at = self.provider.port
        text = f"""listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0, url: "https://serin.example.com" }}
providers:
  old: {{ base_url: "http://127.0.0.1:{at}/v1", api_keys: ["${{KEY}}"] }}
  new: {{ base_url: "http://127.0.0.1:{at}/v2", api_keys: ["${{KEY}}"] }}
rollouts:
  - {{ name: chat, stable: old, canary: new, percent: {self.percent} }}
  - {{ name: search, match: {{ path: "/search" }}, stable: old, canary: new, percent: {self.percent} }}
notify:
""" + "".join(f"  - {json.dumps(target)}\n" for target in notify)
        draft = self.dir / "draft"
        draft.write_text(text)
        draft.rename(self.dir / "flags.yaml")

    def reload(self, notify):
        before = self.status()["flags"]["generation"]
        self.write(notify)
        until("the file is in force", lambda: self.status()["flags"]["generation"] > before)

    def start(self):
        log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            [SERIN, "run", "--flags", self.dir / "flags.yaml", "--state", self.dir / "state"],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        log.close()
        until("the sidecar answers", lambda: self.serin("status", check=False).returncode == 0, 60)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def serin(self, *args, check=True):
        done = subprocess.run(
            [SERIN, *args, "--state", self.dir / "state"], env=self.environment, capture_output=True, text=True,
            timeout=60,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"serin {args}: {done.returncode}: {done.stderr}{self.log()}")
        return done

    def json(self, *args, check=True):
        return json.loads(self.serin(*args, "--json", check=check).stdout)

    def status(self):
        return self.json("status")[0]

    def target(self, name):
        return next((target for target in self.status().get("notify", []) if target["name"] == name), None)

    def get(self, path):
        admin = self.status()["process"]["admin"]
        with urllib.request.urlopen(f"http://{admin}{path}", timeout=10) as answer:
            return answer.headers, answer.read().decode()

    def metric(self, line):
        text = self.get("/metrics")[1]
        found = [row.rsplit(" ", 1)[1] for row in text.splitlines() if row.startswith(line + " ")]
        return float(found[0]) if found else None

    def back_and_on(self, rollout="chat", times=1):
        for _ in range(times):
            for verb in ("rollback", "resume"):
                done = self.serin(verb, rollout, "--reason", "test", check=False)
                # On a loaded machine a core may take longer than the command waits for it.
                assert done.returncode in (0, 75), (done, self.log())

    def log(self):
        return (self.dir / "log").read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.provider.close()
        self.home.cleanup()


def standard(name, port, **more):
    """A target that is told of rollbacks and resumes: a first start also promotes to the pinned share."""
    return {"name": name, "url": f"http://127.0.0.1:{port}/hook?team=1", "secret": "${SECRET}",
            "on": ["rolled_back", "resumed"], **more}
