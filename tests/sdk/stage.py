"""What the SDK tests stand on: providers, a sidecar between them, and the split computed by hand."""

import contextlib
import hashlib
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.request

from cutting import CuttingProvider
from held import HeldProvider

# What everybody is told where no provider answers.
LAST_RESORT = 'We are busy, "please" try again – in a minute.'

FLAGS = """\
listen: 127.0.0.1:{listen}
listen_tls: {{ listen: 127.0.0.1:{secure}, cert_file: {folder}/tls.crt, key_file: {folder}/tls.key }}
admin: {{ listen: 127.0.0.1:{admin} }}
unmatched: oldcorp
providers:
  oldcorp: {{ base_url: "{oldcorp}", auth: none }}
  newcorp: {{ base_url: "{newcorp}", auth: none }}
  illcorp: {{ base_url: "{illcorp}", auth: none }}
  downcorp: {{ base_url: "{downcorp}", auth: none, breaker: off }}
  held: {{ base_url: "{held}", auth: none }}
  cutcorp:
    base_url: "{cutcorp}"
    auth: none
    breaker: off
    timeouts: {{ connect: 1s, headers: 2s, stream_headers: 2s, first_output: 2s, idle: 2s }}
rollouts:
  - {{ name: cut, stable: cutcorp, match: {{ model: "cut-*" }} }}
  - name: rescue
    match: {{ model: "rescue-*" }}
    stable: oldcorp
    canary: cutcorp
    percent: 100%
    on_regression: hold
  - {{ name: held, stable: held, match: {{ model: held }} }}
  - {{ name: ill, stable: illcorp, match: {{ model: ill }} }}
  - name: down
    match: {{ model: down }}
    stable: downcorp
    retry: {{ attempts: 1 }}
    last_resort: {{ text: '{last_resort}' }}
  - name: chat
    stable: oldcorp
    canary: newcorp
    percent: 50%
    guard: {{ feedback: {{}} }}
flags:
  new-prompt: {{ follows: chat }}
"""


def bucket(user):
    return int(hashlib.md5(user.encode()).hexdigest(), 16) % 10000


def users(count=2):
    """Users on stable and users on the canary, at 50%."""
    everybody = [f"user-{n}" for n in range(1, 100)]
    stable = [user for user in everybody if bucket(user) >= 5000]
    canary = [user for user in everybody if bucket(user) < 5000]
    return [(user, "oldcorp") for user in stable[:count]] + [(user, "newcorp") for user in canary[:count]]


def issue(folder):
    """An authority, and a certificate of it for 127.0.0.1 with its key."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, stderr=subprocess.DEVNULL)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=an authority of the tests",
            "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt")
    openssl("req", "-new", *key, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.csr")
    openssl("x509", "-req", "-in", f"{folder}/tls.csr", "-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key",
            "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", f"{folder}/tls.crt")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stage:
    """Everything that runs, ended together."""

    def __init__(self):
        self.ending = contextlib.ExitStack()
        try:
            self._build()
        except BaseException:
            self.ending.close()
            raise

    def _build(self):
        folder = pathlib.Path(self.ending.enter_context(tempfile.TemporaryDirectory()))
        self.held = HeldProvider()
        self.ending.callback(self.held.close)
        cutting = CuttingProvider()
        self.ending.callback(cutting.close)
        urls = {name: self.provider(name) for name in ("oldcorp", "newcorp")}
        urls["cutcorp"] = cutting.base_url
        urls["downcorp"] = self.provider("downcorp", "--fail", "100%")
        urls["illcorp"] = self.provider("illcorp", "--fail", "100%", "--failure", "error-event")
        issue(folder)
        self.authority = f"{folder}/ca.crt"
        listen, admin, secure = free_port(), free_port(), free_port()
        flags = folder / "flags.yaml"
        flags.write_text(FLAGS.format(
            listen=listen, admin=admin, secure=secure, folder=folder, held=self.held.base_url,
            last_resort=LAST_RESORT, **urls
        ))
        log = open(folder / "serin.log", "w+")
        self.ending.callback(log.close)
        command = [os.environ["SERIN"], "run", "--flags", str(flags), "--state", str(folder / "state")]
        environment = dict(os.environ, SERIN_REGISTRY=str(folder / "run"))
        serin = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        self.ending.callback(self._end, serin)
        self.origin, self.admin = (f"http://127.0.0.1:{port}" for port in (listen, admin))
        self.secure = f"https://127.0.0.1:{secure}"
        deadline = time.monotonic() + 30
        while not self._ready(admin):
            if serin.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise SystemExit(f"the sidecar did not become ready:\n{log.read()}")
            time.sleep(0.02)

    def provider(self, name, *arguments):
        command = [os.environ["SERIN"], "demo", "--provider", "--name", name, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ending.callback(self._end, process)
        return process.stdout.readline().strip()

    @staticmethod
    def _end(process):
        process.kill()
        process.wait()

    @staticmethod
    def _ready(admin):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def close(self):
        self.ending.close()
