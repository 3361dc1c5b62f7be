"""Receivers that do what they should not, and none of them harms another or the sidecar."""

import time

from stage import Receiver, Sidecar, closed_port, standard, until


def silent(request):
    """Never answers."""
    time.sleep(60)


def trickle(request):
    """An answer of one byte a second, that never ends."""
    out = request["handler"].wfile
    for byte in b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 100000\r\n\r\n" + b"x" * 60:
        out.write(bytes([byte]))
        out.flush()
        time.sleep(1)


def huge(request):
    """Ten megabytes of an error."""
    out = request["handler"].wfile
    out.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 10485760\r\n\r\n" + b"\x1b[2Jx" * 2_097_152)


def closes(request):
    request["handler"].close_connection = True
    request["handler"].connection.close()


def resident(sidecar):
    with open(f"/proc/{sidecar.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def test_none_of_them_holds_up_another_or_the_sidecar():
    elsewhere = Receiver()

    def redirects(request):
        handler = request["handler"]
        handler.send_response(307)
        handler.send_header("location", f"http://127.0.0.1:{elsewhere.port}/stolen")
        handler.send_header("content-length", "0")
        handler.end_headers()

    hole = closed_port()
    evil = {name: Receiver(answer) for name, answer in
            [("silent", silent), ("trickle", trickle), ("huge", huge), ("closes", closes), ("redirects", redirects)]}
    good = Receiver()
    targets = [standard(name, receiver.port) for name, receiver in evil.items()]
    targets.append(standard("refuses", hole.getsockname()[1]))
    targets.append({**standard("nowhere", 0), "url": "http://no-such-host.invalid/hook"})
    targets.append(standard("good", good.port))
    with Sidecar(targets) as sidecar:
        before = resident(sidecar)
        began = time.monotonic()
        sidecar.serin("rollback", "chat")
        assert time.monotonic() - began < 5
        until("the good one got it at once", lambda: good.requests, 5)
        sidecar.back_and_on("search", 5)
        until("the good one got all", lambda: len(good.requests) == 11, 10)
        began = time.monotonic()
        results = {result["target"]: result for result in sidecar.json("notify", "--test", check=False)["results"]}
        took = time.monotonic() - began
        assert took < 20, took
        assert results["good"]["ok"] and sum(result["ok"] for result in results.values()) == 1, results
        for name, word in [("silent", "no"), ("trickle", "no"), ("huge", "[2Jx"), ("closes", ""),
                           ("redirects", "redirects are not followed"), ("refuses", "cannot connect"),
                           ("nowhere", "cannot look up no-such-host.invalid")]:
            assert word in results[name]["error"], (name, results[name])
            assert "/hook" not in results[name]["error"] and "\x1b" not in results[name]["error"], results[name]
        assert results["redirects"]["status"] == 307 and not elsewhere.requests
        assert resident(sidecar) - before < 20_000, (before, resident(sidecar))
        for name in list(evil) + ["refuses", "nowhere"]:
            assert sidecar.target(name)["delivered"] == 0, name
    for receiver in [*evil.values(), good, elsewhere]:
        receiver.close()
    hole.close()
