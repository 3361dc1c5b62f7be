#!/usr/bin/env python3
"""Measures Serin beside other proxies, on the same work and in the same run. `make bench` builds and installs all of it.

    bench/run.py [--rounds 15] [--only nginx,Serin] [--parts load,latency,memory,...] [--out docs/benchmark]

Each proxy has one worker on core 0; provider and load share core 1. With 1 connection and for latency all share core 1. Within a round the systems take turns, and ratios
are taken round by round, so that a busy machine changes both sides. CPU time is what the kernel accounts to the proxy's
own processes. Writes OUT.json and OUT.md, and prints the latter. SERIN names the binary; without it, it is the one of
`make dist`.
"""

import argparse
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import processes
import report
import systems
import workloads

PARTS = ("load", "latency", "rate", "change", "memory", "features", "gateways")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", help="names of proxies, with commas")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--connections", type=int, default=5000, help="idle connections for the memory of one")
    parser.add_argument("--streams", type=int, default=2000, help="open streams for the memory of one")
    parser.add_argument("--out", default="docs/benchmark")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if systems.serin_binary() is None:
        parser.error("there is no binary to measure: run `make dist` first, or name one in SERIN")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            results = measure(options, parts, folder)
        finally:
            processes.stop_all()
    out = pathlib.Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    page = report.page(results)
    out.with_suffix(".md").write_text(page)
    print(page)


def measure(options, parts, folder):
    """All parts that were asked for, one after the other."""
    ports = [processes.free_port(), processes.free_port()]
    provider = processes.start([workloads.KIT, "provider", *ports], processes.LOAD_CORE)
    for port in ports:
        if processes.until_it_answers(provider, port, 10) is None:
            sys.exit("the provider has not started: build the kit first (`make bench`)")
    wanted = options.only.split(",") if options.only else None
    chosen = [one for one in systems.proxies() if wanted is None or one.name in wanted]
    missing = [one.name for one in chosen if one.program() is None]
    chosen = [one for one in chosen if one.program() is not None]
    results = {"machine": machine(), "rounds": options.rounds, "missing": missing, "versions": versions(chosen)}
    if any(part in parts for part in ("load", "latency", "rate", "change")):
        running = {one.name: systems.Running(one, folder, ports) for one in chosen}
        if "load" in parts:
            results["load"] = in_rounds(options.rounds, running, list(workloads.LOADS), workloads.under_load)
        if "latency" in parts:
            kinds = {"whole answer": False, "first event": True}
            results["latency"] = in_rounds(3, running, list(kinds), lambda one, kind: workloads.added_latency(one, kinds[kind]))
        if "rate" in parts:
            results["rate"] = in_rounds(1, running, list(workloads.BOUNDS_MS), workloads.rate_within)
        if "change" in parts:
            able = {name: one for name, one in running.items() if one.system.reload != "-"}
            results["change"] = in_rounds(5, able, ["ms"], lambda one, _: workloads.change_of_share(one))
        for one in running.values():
            one.stop()
    if "features" in parts:
        running = {one.name: systems.Running(one, folder, ports) for one in systems.features()}
        results["features"] = in_rounds(options.rounds, running, ["1 connection", "64 connections"], workloads.under_load)
        for one in running.values():
            one.stop()
    if "memory" in parts:
        results["memory"] = {one.name: workloads.memory(one, folder, ports, options.connections, options.streams) for one in chosen}
        results["kept"] = {one.name: workloads.kept_after_loads(one, folder, ports) for one in chosen}
    if "gateways" in parts:
        results["gateways"] = beside_gateways(folder, ports, results["missing"])
    return results


def in_rounds(rounds, running, kinds, measure_one):
    """Kind -> system -> one measurement a round, the systems in turns."""
    measured = {str(kind): {name: [] for name in running} for kind in kinds}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}: {', '.join(map(str, kinds))}", file=sys.stderr)
        for kind in kinds:
            for name, one in running.items():
                measured[str(kind)][name].append(measure_one(one, kind))
    return measured


def beside_gateways(folder, ports, missing):
    """The same call through gateways for LLMs, and through Serin."""
    running = {}
    for one in [*systems.gateways(ports[0]), systems.serin()]:
        try:
            running[one.name] = systems.Running(one, folder, ports)
        except (OSError, RuntimeError) as problem:
            print(f"left out: {problem}", file=sys.stderr)
            missing.append(one.name)
    measured = in_rounds(3, running, ["1 connection", "64 connections"], workloads.under_load)
    memory = {name: processes.resident(one.pids()) for name, one in running.items()}
    for one in running.values():
        one.stop()
    return {"load": measured, "resident_kib": memory}


def machine():
    """What it was measured on, as far as it changes figures."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    cores = sum(line.startswith("processor") for line in lines)
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    return {"cpu": model, "cores": cores, "kernel": platform.release(), "load_before": float(load), "day": time.strftime("%Y-%m-%d")}


def versions(chosen):
    """What each says of itself."""
    told = {}
    for one in chosen:
        program = one.command.split()[0]
        for flag in ("-v", "--version"):
            answer = subprocess.run([program, flag], capture_output=True, text=True, timeout=20, check=False)
            text = (answer.stdout + answer.stderr).strip().splitlines()
            if answer.returncode == 0 and text:
                told[one.name] = text[0].strip()
                break
    return told


if __name__ == "__main__":
    main()
