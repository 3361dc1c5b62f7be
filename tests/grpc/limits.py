"""Deadlines, cancellation, and what an operator ends."""

import queue
import threading
import time

import grpc

from failures import error_of
from stage import Messages, Stage, until


def test_a_deadline_reaches_the_provider_and_ends_the_call():
    with Stage() as stage:
        left = queue.Queue()

        def hangs(request, context):
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait(15)
            left.put(time.monotonic())
            return b""

        stage.canary.methods["Unary"] = hangs
        began = time.monotonic()
        error = error_of(lambda: stage.call("Unary")(b"hi", timeout=1.5))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        assert left.get(timeout=15) - began < 2.5
        (_, _, remaining), = stage.canary.calls
        assert 0 < remaining <= 1.5, remaining
        assert not stage.stable.calls, "nobody else is asked when the time is over"
        assert stage.lines(1)[0]["outcome"] == "timeout"


def test_a_client_that_cancels_is_noticed_at_once():
    with Stage() as stage:
        noticed = queue.Queue()

        def streams(requests, context):
            context.add_callback(lambda: noticed.put(time.monotonic()))
            yield b"one"
            for _ in requests:
                pass

        stage.canary.methods["Bidi"] = streams
        messages = Messages()
        stream = stage.call("Bidi")(messages)
        assert next(stream) == b"one"
        cancelled = time.monotonic()
        stream.cancel()
        took = noticed.get(timeout=15) - cancelled
        assert took < 0.1, took
        messages.close()
        assert stage.lines(1)[0]["outcome"] == "client_gone"


def test_a_rollback_leaves_a_stream_and_a_hard_one_ends_it():
    with Stage() as stage:
        messages = Messages()
        stream = stage.call("Bidi")(messages)
        messages.send(b"one")
        assert next(stream) == b"new:one"
        assert stage.serin("rollback", "echo").returncode == 0
        messages.send(b"two")
        assert next(stream) == b"new:two"
        assert stage.call("Unary")(b"hi") == b"old:hi"
        assert stage.serin("rollback", "echo", "--hard").returncode == 0
        error = error_of(lambda: next(stream))
        assert error.code() == grpc.StatusCode.UNAVAILABLE and "rolled back" in error.details(), error
        assert dict(error.trailing_metadata())["x-serin-error"] == "rolled_back"
        messages.close()


def test_initial_metadata_reaches_a_client_that_waits_for_it():
    with Stage("percent: 100%\n    hold: 30s") as stage:
        def greets(requests, context):
            context.send_initial_metadata((("x-ready", "yes"),))
            for request in requests:
                yield request

        stage.canary.methods["Bidi"] = greets
        messages = Messages()
        began = time.monotonic()
        stream = stage.call("Bidi")(messages)
        assert dict(stream.initial_metadata())["x-ready"] == "yes"
        assert time.monotonic() - began < 5
        messages.send(b"hi")
        assert next(stream) == b"hi"
        messages.close()
        assert list(stream) == []


def test_a_slow_reader_holds_the_provider_back():
    with Stage() as stage:
        sent = [0]

        def pours(request, context):
            for _ in range(1500):
                sent[0] += 1
                yield b"x" * 65536

        stage.canary.methods["ServerStream"] = pours
        stream = stage.call("ServerStream")(b"")
        next(stream)
        seen = [-1]

        def stands():
            before, seen[0] = seen[0], sent[0]
            time.sleep(0.2)
            return before == sent[0]

        until("the provider waits", stands, 30)
        assert sent[0] < 400, f"{sent[0]} messages of 64 KiB went to a client that does not read"
        assert sum(1 for _ in stream) == 1499


def test_health_checks_of_a_load_balancer_pass():
    with Stage() as stage:
        check = stage.channel.unary_unary("/grpc.health.v1.Health/Check")
        error = error_of(lambda: check(b""))
        # The provider's own word: it serves no health.
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
        assert "x-serin-error" not in dict(error.trailing_metadata())


def test_a_goaway_lets_a_call_finish_and_new_ones_go_elsewhere():
    with Stage() as stage:
        messages = Messages()
        stream = stage.call("Bidi")(messages)
        messages.send(b"one")
        assert next(stream) == b"new:one"
        stage.canary.server.stop(30)
        messages.send(b"two")
        assert next(stream) == b"new:two"
        assert stage.call("Unary")(b"hi") == b"old:hi"
        messages.close()
        assert list(stream) == []
        assert {line["outcome"] for line in stage.lines(2)} == {"ok"}


def test_the_end_of_a_drain_is_a_status():
    with Stage(top="drain: 1s") as stage:
        messages = Messages()
        stream = stage.call("Bidi")(messages)
        messages.send(b"one")
        assert next(stream) == b"new:one"
        stage.process.terminate()
        messages.send(b"two")
        assert next(stream) == b"new:two", "it is given the time of a drain"
        error = error_of(lambda: next(stream))
        assert error.code() == grpc.StatusCode.UNAVAILABLE and "stopped" in error.details(), error
        messages.close()
