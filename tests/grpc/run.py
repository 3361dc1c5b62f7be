"""Runs every test of this folder; the last line is `gRPC: N passed, N failed`."""

import os
import sys
import time
import traceback

# What an environment says of proxies is not meant for providers of tests.
for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "grpc_proxy"):
    os.environ.pop(name, None)

import calls
import failures
import limits

passed = failed = 0
for module in (calls, failures, limits):
    for name, test in sorted(vars(module).items()):
        if not name.startswith("test_"):
            continue
        began = time.monotonic()
        try:
            test()
            passed += 1
            word = "ok"
        except Exception:
            traceback.print_exc()
            failed += 1
            word = "FAILED"
        print(f"{module.__name__}.{name}: {word} ({time.monotonic() - began:.1f} s)", flush=True)
print(f"gRPC: {passed} passed, {failed} failed", flush=True)
sys.exit(failed > 0)
