"""Two sidecars, one of them behind a token, and the clients of three languages against them.

Each client prints `ok NAME` or `FAILED NAME: why` for a scenario. The web client asks this process to change what is in
force (a share, a rollback, an edit, a restart), and waits for the change to arrive by its stream.
"""

import http.server
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
FLAGS = (HERE / "flags.yaml").read_text()
TOKEN = "a-token-for-the-application"
# How many checks each client makes: fewer means that it ended early.
CHECKS = {"Python": 41, "Node": 41, "web": 47}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sidecar:
    def __init__(self, folder, admin_keys=""):
        self.folder = folder
        folder.mkdir()
        self.listen, self.admin = free_port(), free_port()
        self.text = FLAGS.replace("LISTEN", str(self.listen)).replace("ADMIN", f"{self.admin}{admin_keys}")
        self.url = f"http://127.0.0.1:{self.admin}"
        self.file = folder / "flags.yaml"
        self.file.write_text(self.text)
        self.log = open(folder / "serin.log", "a+")
        self.process = None
        self.start()

    def start(self):
        command = [os.environ["SERIN"], "run", "--flags", str(self.file), "--state", str(self.folder / "state")]
        environment = dict(os.environ, SERIN_REGISTRY=str(self.folder / "run"))
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, env=environment)
        deadline = time.monotonic() + 30
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise SystemExit(f"the sidecar did not become ready:\n{self.log.read()}")
            time.sleep(0.02)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def restart(self):
        self.end()
        self.start()

    def edit(self, old, new):
        text = self.file.read_text()
        assert old in text, old
        self.file.write_text(text.replace(old, new))

    def rollback(self):
        request = urllib.request.Request(f"{self.url}/api/v1/rollback", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def end(self):
        self.process.kill()
        self.process.wait()


def control(plain, guarded):
    """Serves the steps that the web client asks for."""
    steps = {
        "/share-10": lambda: plain.edit("percent: 50%", "percent: 10%"),
        "/share-50": lambda: plain.edit("percent: 10%", "percent: 50%"),
        "/rollback": plain.rollback,
        "/edit": lambda: plain.edit("default: greeting", "default: parting"),
        "/restart": plain.restart,
        "/edit-back": lambda: plain.edit("default: parting", "default: greeting"),
        "/edit-guarded": lambda: guarded.edit("default: greeting", "default: parting"),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            steps[self.path]()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main():
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        tokens = f", tokens: [{{ name: app, token: {TOKEN}, may: [flags] }}]"
        sidecars = [Sidecar(folder / "plain"), Sidecar(folder / "guarded", tokens)]
        urls = [sidecar.url for sidecar in sidecars]
        try:
            clients = {
                "Python": [sys.executable, HERE / "sdk.py", *urls, TOKEN],
                "Node": ["node", HERE / "node.mjs", *urls, TOKEN],
                "web": ["node", HERE / "web.mjs", *urls, TOKEN, control(*sidecars)],
            }
            for name, command in clients.items():
                began = time.monotonic()
                ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
                lines = ran.stdout.splitlines()
                good = sum(line.startswith("ok ") for line in lines)
                bad = [line for line in lines if line.startswith("FAILED ")]
                if ran.returncode or good + len(bad) != CHECKS[name]:
                    bad.append(f"FAILED {good} checks, exit code {ran.returncode}: {ran.stderr[-2000:]}")
                print(f"{name}: {good} passed, {len(bad)} failed, {time.monotonic() - began:.1f} s")
                print("".join(f"  {line}\n" for line in bad), end="")
                passed, failed = passed + good, failed + len(bad)
        finally:
            for sidecar in sidecars:
                sidecar.end()
    print(f"OFREP: {passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
