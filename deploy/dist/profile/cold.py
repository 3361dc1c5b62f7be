#!/usr/bin/env python3
"""Which functions are compiled for least size: those that the recorded work never entered.

    llvm-profdata show --all-functions --counts PROFILE | cold.py > cold.csv

A line for each, as LLVM's -forceattrs-csv-path reads it. What moves bytes of requests is left out even where the recorded
work did not need it: HTTP/2, TLS, WebSocket and the codings matter to those who use them."""

import re
import sys

# Crates by their mangled names, and the modules of the data plane.
MOVES_BYTES = re.compile(r"(2h2|5hyper|10hyper_util|6rustls|4ring|4http|5bytes|5tokio|12tokio_rustls|5flate2|11miniz_oxide"
                         r"|19brotli_decompressor|4zstd|6base64|6memchr|5serin5proxy|5serin4wire|5serin5state"
                         r"|serin\.\.(proxy|wire|state)|\bh2\.\.|\bhyper\.\.|\brustls\.\.)")


def main():
    name = None
    for line in sys.stdin:
        line = line.strip()
        if line.endswith(":") and not line.startswith("Counters"):
            name = line[:-1].rsplit(";", 1)[-1]
        elif name and line.startswith("Block counts: ["):
            counts = line.removeprefix("Block counts: [").removesuffix("]")
            if not counts.strip("0, ") and name.startswith("_") and not MOVES_BYTES.search(name):
                print(f"{name},minsize")
            name = None


if __name__ == "__main__":
    main()
