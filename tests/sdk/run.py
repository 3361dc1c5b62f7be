"""Runs the SDK tests and prints their sum, `SDKs: N passed, N failed`, on the last line."""

import json
import os
import pathlib
import re
import subprocess
import sys
import traceback

# What the SDKs, Node and Serin are told by a user's environment (proxies, base URLs, keys) is no part of a test.
KEPT = {"PATH", "HOME", "TMPDIR", "SERIN", "NODE_WORK", "SDK_PATIENCE", "SERIN_CUT_STEP"}
for variable in set(os.environ) - KEPT:
    del os.environ[variable]

import cutting
import readme
import sdk_anthropic
import sdk_cuts
import sdk_openai
import sdk_state
import sdk_tls
from stage import LAST_RESORT, Stage, users

# Seconds for all of them; cuts at every byte need more.
PATIENCE = int(os.environ.get("SDK_PATIENCE", "300"))
passed = failed = 0


def report(name, error=None):
    global passed, failed
    if error is None:
        passed += 1
        print(f"ok      {name}", flush=True)
    else:
        failed += 1
        print(f"FAILED  {name}\n{error}", flush=True)


def python_tests(module, stage):
    for name, test in vars(module).items():
        if name.startswith("test_"):
            try:
                test(stage)
                report(f"{module.__name__}.{name}")
            except Exception:
                kind, error, trace = sys.exc_info()
                told = "".join(traceback.format_exception(kind, error, trace, limit=2, chain=False))
                report(f"{module.__name__}.{name}", told)


def node_tests(name, stage):
    # Modules are looked for beside the script, so it runs where they were installed.
    work = pathlib.Path(os.environ["NODE_WORK"])
    for source in (name, "play.mjs"):
        (work / source).write_text(pathlib.Path(__file__).with_name(source).read_text())
    script = work / name
    stable, canary = users(1)
    dialects = {
        name: {"told": told, "length": len(cutting.WHOLE[name]), "positions": cutting.positions(name, sdk_cuts.STEP)}
        for name, told in cutting.TOLD.items()
    }
    cuts = json.dumps({"text": cutting.TEXT, "faults": cutting.FAULTS, "dialects": dialects})
    environment = dict(os.environ, ORIGIN=stage.origin, STABLE_USER=stable[0], CANARY_USER=canary[0], CUTS=cuts)
    environment["LAST_RESORT"] = LAST_RESORT
    environment |= {"SECURE_ORIGIN": stage.secure, "NODE_EXTRA_CA_CERTS": stage.authority}
    try:
        result = subprocess.run(
            ["node", str(script)], env=environment, capture_output=True, text=True, timeout=PATIENCE / 3
        )
    except subprocess.TimeoutExpired as error:
        report(name, f"did not end: {error}\n{error.stdout}")
        return
    names = re.findall(r"^(ok|FAILED) +(\S+)(.*)$", result.stdout, re.MULTILINE)
    for verdict, test, error in names:
        report(f"{name}.{test}", None if verdict == "ok" else error)
    told = any(verdict == "FAILED" for verdict, _, _ in names)
    if not names or (result.returncode != 0 and not told):
        report(name, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}")


try:
    stage = Stage()
except SystemExit as error:
    report("the stage", str(error))
else:
    try:
        python_tests(sdk_openai, stage)
        python_tests(sdk_anthropic, stage)
        python_tests(sdk_cuts, stage)
        python_tests(sdk_tls, stage)
        python_tests(sdk_state, stage)
        for script in ("sdk_openai.mjs", "sdk_anthropic.mjs", "sdk_cuts.mjs", "sdk_tls.mjs"):
            node_tests(script, stage)
        python_tests(readme, stage)
    finally:
        stage.close()
print(f"SDKs: {passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
