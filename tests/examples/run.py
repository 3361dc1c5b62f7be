"""Runs the tests of the examples and prints their sum, `examples: N passed, M failed`, on the last line."""

import os
import pathlib
import sys
import time
import traceback

# What a user's environment tells SDKs, Node and Serin (proxies, base URLs, keys) is no part of a test.
KEPT = {"PATH", "HOME", "TMPDIR", "SERIN", "EXAMPLES_WORK"}
for variable in set(os.environ) - KEPT:
    del os.environ[variable]
# `python`, `pip` and `uvicorn` of the commands are those of the tests' own environment.
os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

import test_compose
import test_page
import test_programs
import test_servers
from stage import Stage

passed = failed = 0


def report(name, error=None, seconds=0.0):
    global passed, failed
    if error is None:
        passed += 1
        print(f"ok      {name} ({seconds:.1f} s)", flush=True)
    else:
        failed += 1
        print(f"FAILED  {name}\n{error}", flush=True)


try:
    stage = Stage()
except Exception:
    report("the stage", traceback.format_exc())
else:
    try:
        for module in (test_page, test_programs, test_servers, test_compose):
            for name, test in list(vars(module).items()):
                if not name.startswith("test_"):
                    continue
                began = time.monotonic()
                try:
                    test(stage)
                    report(f"{module.__name__}.{name}", seconds=time.monotonic() - began)
                except Exception:
                    report(f"{module.__name__}.{name}", traceback.format_exc(limit=-4))
    finally:
        stage.close()
print(f"examples: {passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
