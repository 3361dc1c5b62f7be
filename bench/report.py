"""The results as a page: tables in Markdown, ratios with their quartiles."""

import statistics

from workloads import paired

REFERENCE = "nginx"


def page(results):
    """The whole page."""
    machine = results["machine"]
    lines = [
        "<!-- Written by `make bench`. -->",
        "",
        "# Benchmark",
        "",
        f"Measured on {machine['day']}: {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, load average "
        f"{machine['load_before']} before the run, {results['rounds']} rounds. One worker for each. With 1 connection and "
        f"for added latency, proxy, provider and load share one core; else the proxy has a core, and provider and load share "
        f"another. Brackets hold the quartiles over the rounds.",
        "",
        *[f"- {name}: {text}" for name, text in results["versions"].items()],
    ]
    if results["missing"]:
        lines += ["", f"Not measured, since they are not installed here: {', '.join(results['missing'])}."]
    sections = (("load", load), ("latency", latency), ("rate", rate), ("change", change), ("features", features))
    for name, section in sections:
        if name in results:
            lines += section(results[name])
    if "memory" in results:
        lines += memory(results["memory"], results["kept"])
    if "gateways" in results:
        lines += gateways(results["gateways"])
    return "\n".join(lines) + "\n"


def table(head, rows):
    """A table whose first column is text."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return ["", *("| " + " | ".join(map(str, line)) + " |" for line in lines)]


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def middle(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(measured, name, field, reference=REFERENCE):
    """Against the reference, round by round."""
    if reference not in measured or name not in measured:
        return "-"
    found = paired([one[field] for one in measured[name]], [one[field] for one in measured[reference]])
    return f"{found['median']:.2f} ({found['low']:.2f}-{found['high']:.2f})" if found else "-"


def load(results):
    lines = ["", "## CPU time", "", "Of a request of 300 bytes with an answer of 1 KiB; of an event, for streams."]
    for kind, measured in results.items():
        rows = [
            [
                name,
                number(middle(one["cpu_us"] for one in rounds), 2),
                ratio(measured, name, "cpu_us"),
                number(middle(share_of_user(one) for one in rounds), 0),
                number(middle(one["rps"] for one in rounds), 0),
                number(middle(one["p50"] for one in rounds), 0),
                number(middle(one["p99"] for one in rounds), 0),
                sum(one["errors"] + one["not_200"] + one["moved"] for one in rounds),
            ]
            for name, rounds in measured.items()
        ]
        head = ["", "CPU µs", f"x {REFERENCE}", "user %", "a second", "p50 µs", "p99 µs", "failed"]
        lines += ["", f"### {kind[0].upper()}{kind[1:]}", *table(head, rows)]
    return lines


def share_of_user(one):
    ticks = one["user_ticks"] + one["system_ticks"]
    return 100 * one["user_ticks"] / ticks if ticks else None


def latency(results):
    lines = ["", "## Added latency", "", "Paired with direct calls on the same core, one connection: µs more than a direct call."]
    for kind, measured in results.items():
        rows = []
        for name, rounds in measured.items():
            cells = []
            for field in ("added_p50", "added_p99"):
                value = middle(one[field]["median"] for one in rounds)
                cells.append(f"{number(value)} ({number(middle(one[field]['low'] for one in rounds))} to {number(middle(one[field]['high'] for one in rounds))})")
            rows.append([name, *cells])
        lines += ["", f"### {kind[0].upper()}{kind[1:]}", *table(["", "median", "99th percentile"], rows)]
    return lines


def rate(results):
    names = list(next(iter(results.values())))
    rows = [[name, *(number(middle(results[bound][name]), 0) for bound in results)] for name in names]
    head = ["", *(f"p99 within {bound} ms" for bound in results)]
    text = "256 connections, requests due at fixed times; the time of one counts from when it was due. One search each, to 5%."
    return ["", "## Requests a second within a bound", "", text, *table(head, rows)]


def change(results):
    rows = [
        [name, number(middle(one["ms"] for one in rounds), 0), sum(one["ms"] is None for one in rounds), sum(one["errors"] for one in rounds)]
        for name, rounds in results["ms"].items()
    ]
    text = "From the write of the file (0% -> 100%) to the last request that was sent on the earlier setting, on 16 kept connections."
    return ["", "## A change of the share", "", text, *table(["", "ms", "not moved within 2 s", "failed requests"], rows)]


def features(results):
    lines = ["", "## What each feature costs", "", "Serin alone, each line with one thing more. The guard and the counters are always on."]
    for kind, measured in results.items():
        names = list(measured)
        rows = [
            [name, number(middle(one["cpu_us"] for one in measured[name]), 2), ratio(measured, name, "cpu_us", before)]
            for before, name in zip([names[0], *names], names)
        ]
        lines += ["", f"### {kind[0].upper()}{kind[1:]}", *table(["", "CPU µs", "x the line before"], rows)]
    return lines


def memory(results, kept):
    rows = [
        [
            name,
            number(one["start_kib"] / 1024),
            number(one["kib_per_connection"]),
            number(one["kib_per_stream"]),
            number(one["kib_kept_after_30_s"] / 1024),
            " ".join(number(value / 1024) for value in kept[name]),
            number(one["executable_mb"]),
            number(one["start_ms"], 0),
        ]
        for name, one in results.items()
    ]
    head = ["", "start MiB", "KiB an idle connection", "KiB an open stream", "MiB kept 30 s after", "MiB after three equal loads", "executable MB", "first reply ms"]
    return ["", "## Memory", "", "Resident, without the kernel's buffers.", *table(head, rows)]


def gateways(results):
    lines = ["", "## Beside gateways for LLMs", "", "The same call. They translate between APIs, which is more work, and split no users."]
    for kind, measured in results["load"].items():
        rows = [
            [name, number(middle(one["cpu_us"] for one in rounds)), number(middle(one["p50"] for one in rounds), 0), number(middle(one["rps"] for one in rounds), 0)]
            for name, rounds in measured.items()
        ]
        lines += ["", f"### {kind[0].upper()}{kind[1:]}", *table(["", "CPU µs", "p50 µs", "a second"], rows)]
    rows = [[name, number(kib / 1024, 0)] for name, kib in results["resident_kib"].items()]
    return [*lines, "", "### Resident after it", *table(["", "MiB"], rows)]
