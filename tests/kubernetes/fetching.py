"""tests/fetch.sh on a machine that lacks what it looks for, with an apt-get whose lists cannot be renewed."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from checks import check

TOOLS = ["bash", "cat", "dpkg-deb", "flock", "env", "id", "mkdir", "mv", "rm", "sleep", "tar", "timeout", "touch"]
# What is needed of apt-get: `update` fails, `download` brings a package, and `install` leaves a mark.
APT = """#!/bin/bash
echo "$*" >>"$ROOT/apt"
case " $* " in
    *" update "*) exit 100 ;;
    *" download prometheus "*) cat "$ROOT/prometheus.deb" >prometheus_1_all.deb ;;
    *" install "*) touch "$ROOT/installed" ;;
esac
"""
# Of a user who is not root: with the environment kept, so that apt-get stays the one above.
SUDO = """#!/bin/bash
shift
exec "$@"
"""
PYTHON = """#!/bin/bash
[ -e "$ROOT/installed" ]
"""


def fetching():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        tools, package = root / "tools", root / "package"
        for each in (tools, package / "DEBIAN", package / "usr/bin"):
            each.mkdir(parents=True)
        for tool in TOOLS:
            if found := shutil.which(tool):
                (tools / tool).symlink_to(found)
        (package / "DEBIAN/control").write_text(
            "Package: prometheus\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: a\n")
        programs = {tools / "apt-get": APT, tools / "python3": PYTHON, tools / "sudo": SUDO}
        programs |= {package / "usr/bin" / name: f"#!/bin/bash\necho {name}\n" for name in ("promtool", "prometheus")}
        for path, text in programs.items():
            path.write_text(text)
            path.chmod(0o755)
        subprocess.run(["dpkg-deb", "--build", package, root / "prometheus.deb"], check=True, capture_output=True)
        environment = {"PATH": str(tools), "ROOT": folder, "target": f"{folder}/target", "HOME": folder}

        def run(command):
            script = f"set -euo pipefail; . tests/fetch.sh; {command}"
            return subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60)

        for time in ("once", "again"):
            done = run("need_prometheus; promtool; prometheus")
            right = done.returncode == 0 and done.stdout.splitlines()[-2:] == ["promtool", "prometheus"]
            check(f"fetch.sh: prometheus, {time}", [] if right else [done.stdout + done.stderr])
        asked = (root / "apt").read_text()
        check("fetch.sh: prometheus is downloaded once and not installed",
              [] if asked.count("download") == 1 and not os.path.exists(root / "installed") else [asked])
        done = run("need_python; need_python")
        asked = (root / "apt").read_text()
        right = done.returncode == 0 and asked.count("install -y python3 python3-venv python3-pip") == 1
        check("fetch.sh: Python with environments", [] if right else [asked, done.stdout + done.stderr])
        done = run('sleep() { :; }; once() { [ -e "$ROOT/failed" ] || { touch "$ROOT/failed"; return 1; }; }; '
                   'timeout() { shift; "$@"; }; twice once')
        check("fetch.sh: what fails once is done again", [] if done.returncode == 0 else [done.stdout + done.stderr])
