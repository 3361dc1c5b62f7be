#!/usr/bin/env python3
"""Runs a static serin where there is nothing but serin: an empty root, read-only, as a user without rights.

    try.py SERIN          an empty root with this binary in it
    try.py IMAGE.tar      the root of this image, with its own user, environment, command and health check

A provider and a name server run beside it, in a network of their own. Serin has to find the provider by its name, serve
a request over TLS with the roots in its root, answer its health check, and end well. Needs root, for chroot and
namespaces. The last line is `try: N passed, N failed`.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

NAME = "provider.test"
FLAGS = """\
listen: 127.0.0.1:7171
admin: {{ listen: 127.0.0.1:7172 }}
drain: 1s
providers:
  plain: {{ base_url: "http://{name}:8080/v1", auth: none }}
  sealed: {{ base_url: "https://{name}:8443/v1", auth: none }}
rollouts:
  - {{ name: sealed, stable: sealed, match: {{ model: "sealed" }} }}
  - {{ name: all, stable: plain }}
"""
passed = failed = 0


def check(what, good, told=""):
    global passed, failed
    passed, failed = (passed + 1, failed) if good else (passed, failed + 1)
    print(f"{'ok  ' if good else 'FAIL'} {what}" + ("" if good else f": {told}"), flush=True)


def serve_names():
    """A name server that knows one name, for IPv4."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(("127.0.0.1", 53))

    def serve():
        while True:
            asked, client = door.recvfrom(512)
            end = asked.index(b"\0", 12) + 5
            question = asked[12:end]
            known = question[:-4] == b"".join(bytes([len(p)]) + p.encode() for p in NAME.split(".")) + b"\0"
            kind = struct.unpack(">H", question[-4:-2])[0]
            answers = b"\xc0\x0c" + struct.pack(">HHIH4B", 1, 1, 60, 4, 127, 0, 0, 1) if known and kind == 1 else b""
            code = 0x8180 if known else 0x8183
            door.sendto(asked[:2] + struct.pack(">HHHHH", code, 1, 1 if answers else 0, 0, 0) + question + answers, client)

    threading.Thread(target=serve, daemon=True).start()


def seal(folder):
    """A TLS port before the provider: certificate, key, and a thread for each connection."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
        check=True, stderr=subprocess.DEVNULL,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    door = socket.create_server(("127.0.0.1", 8443))

    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def meet(client):
        try:
            client = context.wrap_socket(client, server_side=True)
            inside = socket.create_connection(("127.0.0.1", 8080))
        except OSError:
            return
        threading.Thread(target=copy, args=(client, inside), daemon=True).start()
        copy(inside, client)

    def serve():
        while True:
            client, _ = door.accept()
            threading.Thread(target=meet, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return Path(folder, "cert.pem").read_text()


def eventually(what, look, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except OSError:
            pass
        time.sleep(0.02)
    raise TimeoutError(what)


def unpack(image, folder):
    """The root of an image and its configuration."""
    with tarfile.open(image) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]
        config = json.load(archive.extractfile(manifest["Config"]))["config"]
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                files.extractall(folder, filter="fully_trusted") if hasattr(tarfile, "data_filter") else files.extractall(folder)
    return config


def bare(serin, folder):
    """A root with nothing but the binary, run as an image would be."""
    for path in ["usr/local/bin", "etc/serin", "etc/ssl/certs", "var/lib/serin"]:
        Path(folder, path).mkdir(parents=True)
    shutil.copy(serin, f"{folder}/usr/local/bin/serin")
    os.chown(f"{folder}/var/lib/serin", 65532, 65532)
    return {
        "User": "65532:65532", "Env": ["SERIN_FLAGS=/etc/serin/flags.yaml", "SERIN_STATE=/var/lib/serin"],
        "Entrypoint": ["/usr/local/bin/serin"], "Cmd": ["run"],
        "Healthcheck": {"Test": ["CMD", "/usr/local/bin/serin", "healthcheck"]},
    }


def request(model):
    connection = http.client.HTTPConnection("127.0.0.1", 7171, timeout=20)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]})
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.getheader("x-serin-provider"), answer.read().decode(errors="replace")


def inside(what):
    """In namespaces of its own."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    work = tempfile.mkdtemp()
    root = f"{work}/root"
    os.mkdir(root)
    config = unpack(what, root) if what.endswith(".tar") else bare(what, root)
    binary = f"{root}/usr/local/bin/serin"
    serve_names()
    roots = seal(work)
    provider = subprocess.Popen([binary, "demo", "--provider", "--port", "8080"], stdout=subprocess.DEVNULL)
    eventually("the provider", lambda: socket.create_connection(("127.0.0.1", 8080)))

    # What a container engine adds: the resolver's file, the operator's folder, /proc, a volume.
    Path(root, "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    Path(root, "etc/serin/flags.yaml").write_text(FLAGS.format(name=NAME))
    Path(root, "etc/ssl/certs/ca-certificates.crt").write_text(roots)
    Path(root, "proc").mkdir(exist_ok=True)
    user, group = (int(part) for part in config["User"].split(":"))
    check("the user has no rights", user >= 10000 and group >= 10000, config["User"])
    kept = Path(root, "var/lib/serin").stat()
    check("the state belongs to the user", (kept.st_uid, kept.st_gid) == (user, group), kept)
    subprocess.run(["mount", "--bind", root, root], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", f"{root}/proc"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"uid={kept.st_uid},gid={kept.st_gid},mode=0700", "state", f"{root}/var/lib/serin"], check=True)
    environment = dict(pair.split("=", 1) for pair in config["Env"])

    def start(arguments, **more):
        def lower():
            os.chroot(root)
            os.chdir("/")
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)

        return subprocess.Popen(arguments, env=environment, preexec_fn=lower, stderr=subprocess.STDOUT,
                                stdout=subprocess.PIPE, text=True, **more)

    def run(arguments):
        process = start(arguments)
        told = process.communicate(timeout=30)[0]
        return process.returncode, told

    serin = config["Entrypoint"]
    health = config["Healthcheck"]["Test"]
    check("the health check is the binary itself", health[:2] == ["CMD", serin[0]], health)
    health = health[1:]
    code, told = run([*serin, "--version"])
    check("it says its version", code == 0 and told.startswith("serin "), told)
    code, told = run(health)
    check("where nothing runs it is not healthy", code == 1, (code, told))
    code, told = run([*serin, "check", "--probe"])
    check("providers are found by name and reached, over TLS too", code == 0, told)

    sidecar = start([*serin, *config["Cmd"]])
    try:
        eventually("the sidecar", lambda: socket.create_connection(("127.0.0.1", 7171)))
        eventually("it is healthy", lambda: run(health)[0] == 0)
        check("it is healthy", True)
        for model, name in [("m", "plain"), ("sealed", "sealed")]:
            status, by, text = request(model)
            check(f"a request reaches {name}", (status, by) == (200, name), (status, by, text))
        state = Path(root, "var/lib/serin")
        check("its state lasts in the volume", any(state.iterdir()), "nothing there")
        try:
            Path(root, "etc/serin/new").write_text("")
            check("the root is read-only", False, "it could be written")
        except OSError:
            check("the root is read-only", True)
        sidecar.send_signal(signal.SIGTERM)
        told = sidecar.communicate(timeout=30)[0]
        check("it ends well", sidecar.returncode == 0, (sidecar.returncode, told))
    finally:
        sidecar.kill()
        provider.kill()
        provider.wait()


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--inside":
        try:
            inside(sys.argv[2])
        except Exception as error:  # noqa: BLE001: whatever it is, it is one failure
            check("the try as a whole", False, repr(error))
        print(f"try: {passed} passed, {failed} failed")
        sys.exit(0 if failed == 0 else 1)
    if len(sys.argv) != 2 or os.geteuid() != 0:
        sys.exit(__doc__ if len(sys.argv) != 2 else "run this as root")
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", sys.executable, __file__, "--inside",
               os.path.abspath(sys.argv[1])]
    sys.exit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
