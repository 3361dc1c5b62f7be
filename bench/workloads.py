"""What is done with the systems. Each measurement is repeated in rounds, in which the systems take turns."""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import time

import processes
from systems import Running

KIT = pathlib.Path(os.environ.get("BENCH_KIT", pathlib.Path(__file__).resolve().parent.parent / "target/bench/release/bench-kit"))

# Name: arguments of the load, seconds, and whether proxy, provider and load share one core. With a single connection
# each hop to another core wakes a virtual CPU, which costs more than the proxy does.
LOADS = {
    "1 connection": ("conns=1", 1.0, True),
    "64 connections": ("conns=64", 2.0, False),
    "1000 connections": ("conns=1000", 2.0, False),
    "490 streams": ("stream=yes conns=500 rate=480 pace=20 events=50", 3.0, False),
}
BOUNDS_MS = (1, 5, 10)


def kit(command, *arguments, env=None, patience=120):
    """Runs the kit on the load's core; its JSON."""
    process = processes.start([KIT, command, *arguments], processes.LOAD_CORE, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=patience)
    finally:
        processes.stop(process)
    if process.returncode:
        raise RuntimeError(f"bench-kit {command}: {errors.decode().strip()}")
    return json.loads(output.decode().splitlines()[-1])


def under_load(running, name):
    """One measurement: CPU time of a request (of an event, for streams), in microseconds, and what else was seen."""
    arguments, seconds, one_core = LOADS[name]
    pids = running.pids()
    if one_core:
        processes.move(pids, processes.LOAD_CORE)
    try:
        seen = kit(
            "load",
            f"port={running.port}",
            *arguments.split(),
            f"secs={seconds}",
            f"warm={1.5 if 'stream' in arguments else 0.3}",
            f"pids={','.join(map(str, pids))}",
            env=running.environment(),
        )
    finally:
        if one_core:
            processes.move(pids, processes.PROXY_CORE)
    units = seen["events"] if "stream" in arguments else seen["done"]
    return seen | {"cpu_us": seen["cpu_ns"] / 1000 / max(units, 1)}


def added_latency(running, stream):
    """What it adds to a call, in pairs with direct calls: median and 99th percentile, in microseconds. All on one core."""
    pids = running.pids()
    processes.move(pids, processes.LOAD_CORE)
    try:
        mode = ["stream=yes", "rounds=10", "pace=1"] if stream else ["rounds=20"]
        return kit("pair", f"port={running.port}", f"direct={running.ports[0]}", "each=100", *mode, env=running.environment())
    finally:
        processes.move(pids, processes.PROXY_CORE)


def rate_within(running, bound_ms):
    """The most requests a second whose 99th percentile stays within the bound, to 5%, on an open loop."""

    def holds(rate):
        seen = kit("load", f"port={running.port}", "conns=256", f"rate={rate:.0f}", "secs=1", "warm=0.3", env=running.environment())
        kept_up = seen["rps"] > rate * 0.97
        return kept_up and not seen["errors"] and seen["p99"] is not None and seen["p99"] <= bound_ms * 1000

    low, high = 0.0, 1000.0
    while holds(high) and high < 200_000:
        low, high = high, high * 2
    while high - low > max(low * 0.05, 100):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def change_of_share(running):
    """Milliseconds from the write of 100% until the last request that was sent to stable; None: not all were moved."""
    running.change(0)
    time.sleep(1.0)
    load = processes.start([KIT, "switch", f"port={running.port}", "secs=2.5"], processes.LOAD_CORE, stdout=subprocess.PIPE)
    load.stdout.readline()
    time.sleep(0.7)
    written = time.time_ns()
    running.change(100)
    output, _ = load.communicate(timeout=30)
    processes.stop(load)
    seen = json.loads(output.decode().splitlines()[-1])
    stable, canary = (seen["by_provider"].get(str(port)) for port in running.ports)
    if not stable or not canary or stable["last_ns"] > written + 2_000_000_000:
        return {"ms": None, "errors": seen["errors"]}
    return {"ms": max(stable["last_ns"] - written, 0) / 1e6, "errors": seen["errors"]}


def memory(system, folder, ports, connections, streams):
    """Resident KiB at the start, of an idle connection, of an open stream, and 30 s after the last one has closed."""
    found = {"executable_mb": system.program().stat().st_size / 1e6 if system.program() else None}
    for kind, count in (("connection", connections), ("stream", streams)):
        running = Running(system, folder, ports)
        try:
            time.sleep(0.3)
            before = processes.resident(running.pids())
            mode = ["stream=yes"] if kind == "stream" else []
            held = processes.start(
                [KIT, "hold", f"port={running.port}", f"conns={count}", *mode],
                processes.LOAD_CORE,
                env=running.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            ready = held.stdout.readline().startswith(b"READY")
            time.sleep(0.3)
            during = processes.resident(running.pids())
            held.stdin.close()
            held.wait(30)
            processes.stop(held)
            found |= {"start_kib": before, "start_ms": running.started_in * 1000}
            found[f"kib_per_{kind}"] = (during - before) / count if ready else None
            if kind == "stream":
                time.sleep(30)
                found["kib_kept_after_30_s"] = processes.resident(running.pids()) - before
        finally:
            running.stop()
    return found


def kept_after_loads(system, folder, ports):
    """Resident KiB after each of three identical loads."""
    running = Running(system, folder, ports)
    try:
        after = []
        for _ in range(3):
            kit("load", f"port={running.port}", "conns=500", "secs=4", env=running.environment())
            time.sleep(1)
            after.append(processes.resident(running.pids()))
        return after
    finally:
        running.stop()


def paired(measured, reference):
    """Ratios of two systems' figures, round by round: median and quartiles."""
    ratios = sorted(one / other for one, other in zip(measured, reference) if one and other)
    if not ratios:
        return None
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"median": statistics.median(ratios), "low": quarters[0], "high": quarters[2], "rounds": len(ratios)}
