"""A canary that fails before its first message is recovered, and after it the client is told."""

import grpc

from stage import Messages, Stage, until


def fails(code, details):
    def method(request, context):
        context.abort(code, details)

    return method


def error_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it was answered")


def test_an_unavailable_canary_is_recovered_and_named():
    with Stage() as stage:
        for method in ("Unary", "ServerStream", "ClientStream", "Bidi"):
            stage.canary.methods[method] = fails(grpc.StatusCode.UNAVAILABLE, "no place: 100 %")
        assert stage.call("Unary")(b"hi") == b"old:hi"
        assert list(stage.call("ServerStream")(b"2")) == [b"old:0", b"old:1"]
        assert stage.call("ClientStream")(iter([b"a", b"b"])) == b"old:ab"
        assert list(stage.call("Bidi")(iter([b"a", b"b"]))) == [b"old:a", b"old:b"]
        line = stage.lines(4)[0]
        attempts = [(attempt["provider"], attempt["outcome"], attempt["grpc_status"]) for attempt in line["attempts"]]
        assert attempts == [("new", "server_error", 14), ("old", "ok", 0)], line
        assert line["attempts"][0]["failed"] == "UNAVAILABLE", line
        shown = until("the cause is shown", lambda: "UNAVAILABLE" in (said := stage.serin("why", "echo").stdout) and said)
        assert "no place" not in shown, shown


def test_initial_metadata_commits_nothing():
    with Stage() as stage:
        def begins(request, context):
            context.send_initial_metadata((("x-from", "new"),))
            context.abort(grpc.StatusCode.INTERNAL, "after all")

        stage.canary.methods["Unary"] = begins
        answer, call = stage.call("Unary").with_call(b"hi")
        assert answer == b"old:hi" and "x-from" not in dict(call.initial_metadata())


def test_a_stream_of_messages_is_replayed():
    with Stage() as stage:
        def takes_two(requests, context):
            next(requests)
            next(requests)
            context.abort(grpc.StatusCode.UNAVAILABLE, "enough")

        stage.canary.methods["ClientStream"] = takes_two
        messages = Messages()
        answer = stage.call("ClientStream").future(messages)
        messages.send(b"one,")
        messages.send(b"two,")
        until("the canary was asked", lambda: stage.canary.calls)
        until("stable is asked", lambda: stage.stable.calls)
        messages.send(b"three")
        messages.close()
        assert answer.result(15) == b"old:one,two,three"


def test_after_a_message_the_status_is_the_providers():
    with Stage() as stage:
        def breaks(request, context):
            yield b"one"
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

        stage.canary.methods["ServerStream"] = breaks
        stream = stage.call("ServerStream")(b"2")
        assert next(stream) == b"one"
        error = error_of(lambda: next(stream))
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "gone"), error
        assert not stage.stable.calls
        assert stage.lines(1)[0]["outcome"] == "stream_error"


def test_an_unimplemented_method_is_asked_of_stable():
    with Stage() as stage:
        stage.canary.methods["Unary"] = fails(grpc.StatusCode.UNIMPLEMENTED, "not here")
        assert stage.call("Unary")(b"hi") == b"old:hi"
        assert stage.lines(1)[0]["attempts"][0]["outcome"] == "unsupported"


def test_errors_of_serin_are_statuses():
    with Stage(top="unmatched: reject", keys="percent: 0%\n    retry: { attempts: 1 }") as stage:
        other = stage.channel.unary_unary("/pkg.Other/Method")
        error = error_of(lambda: other(b""))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
        assert dict(error.trailing_metadata())["x-serin-error"] == "unmatched", error
        stage.stable.close()
        stage.canary.close()
        error = error_of(lambda: stage.call("Unary")(b"hi"))
        assert error.code() == grpc.StatusCode.UNAVAILABLE and "(from Serin)" in error.details(), error


def test_a_limit_says_when_to_come_again():
    limit = ", rate_limit: { requests_per_minute: 1, burst: 1, when_full: refuse }"
    with Stage("percent: 0%\n    fallback: false", provider_keys=limit) as stage:
        assert stage.call("Unary")(b"hi") == b"old:hi"
        error = error_of(lambda: stage.call("Unary")(b"hi"))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
        assert int(dict(error.trailing_metadata())["grpc-retry-pushback-ms"]) > 1000, error.trailing_metadata()
