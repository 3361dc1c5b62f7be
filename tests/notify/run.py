"""Runs every test of this folder; the last line is `notify: N passed, N failed`."""

import sys
import time
import traceback

import alertmanager
import delivery
import formats
import hostile
import incidents

passed = failed = 0
for module in (formats, delivery, hostile, alertmanager, incidents):
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
print(f"notify: {passed} passed, {failed} failed")
sys.exit(failed > 0)
