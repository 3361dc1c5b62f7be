#!/usr/bin/env python3
"""Which functions are compiled for least size: those of which no part ran once in ten requests of the recorded work.

    llvm-profdata show --all-functions --counts PROFILE | cold.py > cold.csv

A line for each, as LLVM's -forceattrs-csv-path reads it. What moves bytes of requests is left out even where the recorded
work did not need it: HTTP/2, WebSocket and the codings matter to those who use them."""

import re
import sys

# The recorded work is some 25,000 requests.
SELDOM = 1000
# By their mangled names: HTTP/2, the codings, and the modules of the data plane.
MOVES_BYTES = re.compile(r"(2h2|\bh2\.\.|proto2h2|19brotli_decompressor|4zstd|5serin5proxy|5serin4wire|5serin5state"
                         r"|serin\.\.(proxy|wire|state))")


def main():
    name = None
    for line in sys.stdin:
        line = line.strip()
        if line.endswith(":") and not line.startswith("Counters"):
            name = line[:-1].rsplit(";", 1)[-1]
        elif name and line.startswith("Block counts: ["):
            counts = [int(count) for count in line.removeprefix("Block counts: [").removesuffix("]").split(",") if count]
            if max(counts, default=0) < SELDOM and name.startswith("_") and not MOVES_BYTES.search(name):
                print(f"{name},minsize")
            name = None


if __name__ == "__main__":
    main()
