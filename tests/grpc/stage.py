"""A sidecar between two servers of grpcio, with messages that are bytes: no code is generated."""

import hashlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from concurrent import futures

import grpc

SERVICE = "pkg.Echo"
KINDS = {"Unary": "unary_unary", "ServerStream": "unary_stream", "ClientStream": "stream_unary", "Bidi": "stream_stream"}


def bucket(user):
    return int(hashlib.md5(user.encode()).hexdigest(), 16) % 10000


def until(what, holds, patience=15):
    """Waits until this holds, and returns what it gave."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        got = holds()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError(f"not within {patience} s: {what}")


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
    os.chmod(f"{folder}/tls.key", 0o600)


class Provider:
    """A server whose methods may be replaced: `provider.methods["Unary"] = function(request, context)`. `pair`: key and
    certificate of a server over TLS."""

    def __init__(self, name, pair=None):
        self.name, self.calls = name.encode(), []
        self.methods = {
            "Unary": lambda request, context: self.said(request),
            "ServerStream": lambda request, context: (self.said(b"%d" % at) for at in range(int(request))),
            "ClientStream": lambda requests, context: self.said(b"".join(requests)),
            "Bidi": lambda requests, context: (self.said(request) for request in requests),
        }
        self.server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        handlers = {}
        for method, kind in KINDS.items():
            handlers[method] = getattr(grpc, f"{kind}_rpc_method_handler")(self._handler(method))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        if pair:
            self.port = self.server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        else:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def said(self, message):
        return self.name + b":" + message

    def _handler(self, method):
        def handle(request, context):
            self.calls.append((method, dict(context.invocation_metadata()), context.time_remaining()))
            return self.methods[method](request, context)

        return handle

    def close(self):
        self.server.stop(None)


class Stage:
    """Ended together. `keys`: further keys of the rollout. `tls`: on both sides. `new_port`: of a canary of the test's."""

    def __init__(self, keys="percent: 100%", top="", provider_keys="", tls=False, new_port=None):
        self.home = tempfile.TemporaryDirectory(prefix="serin-grpc-")
        folder = pathlib.Path(self.home.name)
        pair, scheme, http2 = None, "http", "prior_knowledge"
        if tls:
            issue(folder)
            pair = ((folder / "tls.key").read_bytes(), (folder / "tls.crt").read_bytes())
            scheme, http2 = "https", "auto"
            provider_keys += f", tls: {{ ca_file: {folder}/ca.crt }}"
            top += f"\nlisten_tls: {{ listen: 127.0.0.1:0, cert_file: {folder}/tls.crt, key_file: {folder}/tls.key }}"
        self.stable, self.canary = Provider("old", pair), Provider("new", pair)
        new_port = new_port(folder) if new_port else self.canary.port
        (folder / "flags.yaml").write_text(
            f"""listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0 }}
mount: /
access_log: {{ to: {folder}/access.log }}
{top}
providers:
  old: {{ base_url: "{scheme}://127.0.0.1:{self.stable.port}", http2: {http2}, auth: none, breaker: off{provider_keys} }}
  new: {{ base_url: "{scheme}://127.0.0.1:{new_port}", http2: {http2}, auth: none, breaker: off{provider_keys} }}
rollouts:
  - name: echo
    match: {{ path: "/{SERVICE}/*" }}
    user: ["header:x-user-id"]
    stable: old
    canary: new
    on_regression: hold
    {keys}
"""
        )
        self.folder = folder
        self.environment = dict(os.environ, SERIN_REGISTRY=str(folder / "registry"), NO_COLOR="1")
        (folder / "registry").mkdir()
        self.log = open(folder / "serin.log", "w+")
        command = [os.environ["SERIN"], "run", "--flags", str(folder / "flags.yaml"), "--state", str(folder / "state")]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, env=self.environment)
        self.channel = None
        try:
            self.addresses = until("the sidecar is ready", self._ready)
        except BaseException:
            self.__exit__()
            raise
        if tls:
            authority = grpc.ssl_channel_credentials((folder / "ca.crt").read_bytes())
            self.channel = grpc.secure_channel(self.addresses["listen_tls"], authority)
        else:
            self.channel = grpc.insecure_channel(self.addresses["listen"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.channel:
            self.channel.close()
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.stable.close()
        self.canary.close()
        self.home.cleanup()

    def _ready(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError(f"the sidecar ended:\n{self.log.read()}")
        said = subprocess.run(
            [os.environ["SERIN"], "status", "--json", "--state", str(self.folder / "state")],
            capture_output=True, text=True, env=self.environment,
        )
        if said.returncode != 0:
            return None
        process = json.loads(said.stdout)[0]["process"]
        with socket.create_connection(("127.0.0.1", int(process["listen"].rsplit(":", 1)[1]))):
            return process

    def serin(self, *arguments):
        command = [os.environ["SERIN"], *arguments, "--state", str(self.folder / "state")]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment)

    def call(self, method):
        """A callable of this kind, as generated code has it."""
        return getattr(self.channel, KINDS[method])(f"/{SERVICE}/{method}")

    def lines(self, count):
        """The lines of the access log, when there are so many."""
        path = self.folder / "access.log"

        def read():
            lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
            return lines if len(lines) >= count else None

        return until(f"{count} lines in the access log", read)


class Messages:
    """What a client streams: each is sent when the test says so."""

    def __init__(self):
        self.waiting, self.condition, self.closed = [], threading.Condition(), False

    def send(self, message):
        with self.condition:
            self.waiting.append(message)
            self.condition.notify()

    def close(self):
        with self.condition:
            self.closed = True
            self.condition.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.condition:
            self.condition.wait_for(lambda: self.waiting or self.closed)
            if self.waiting:
                return self.waiting.pop(0)
            raise StopIteration
