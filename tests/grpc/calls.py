"""The four kinds of calls pass unchanged, on the arm that the split chose."""

import hashlib
import http.client
import http.server
import ssl
import threading

import grpc

from stage import Stage, bucket


def test_all_four_kinds_follow_the_split():
    with Stage("percent: 50%") as stage:
        for user in [f"user-{n}" for n in range(8)]:
            by = b"new" if bucket(user) < 5000 else b"old"
            metadata = (("x-user-id", user),)
            assert stage.call("Unary")(b"hi", metadata=metadata) == by + b":hi"
            assert list(stage.call("ServerStream")(b"3", metadata=metadata)) == [by + b":%d" % at for at in range(3)]
            assert stage.call("ClientStream")(iter([b"a", b"b"]), metadata=metadata) == by + b":ab"
            assert list(stage.call("Bidi")(iter([b"a", b"b"]), metadata=metadata)) == [by + b":a", by + b":b"]
        for provider in (stage.stable, stage.canary):
            assert provider.calls and all("x-user-id" not in metadata for _, metadata, _ in provider.calls)
        line = stage.lines(32)[0]
        assert (line["status"], line["grpc_status"], line["outcome"]) == (200, 0, "ok"), line
        assert line["attempts"][0]["grpc_status"] == 0, line


def test_metadata_passes_both_ways_as_text_and_as_bytes():
    with Stage() as stage:
        def echoes(request, context):
            given = dict(context.invocation_metadata())
            context.send_initial_metadata((("x-first", given["x-text"]), ("x-first-bin", given["x-bytes-bin"])))
            context.set_trailing_metadata((("x-last", "end"), ("x-last-bin", bytes(range(256)))))
            return request

        stage.canary.methods["Unary"] = echoes
        sent = (("x-text", "a, b"), ("x-bytes-bin", bytes(range(256))))
        _, call = stage.call("Unary").with_call(b"hi", metadata=sent)
        first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
        assert (first["x-first"], first["x-first-bin"]) == ("a, b", bytes(range(256)))
        assert (last["x-last"], last["x-last-bin"]) == ("end", bytes(range(256)))
        assert first["x-serin-provider"] == "new"


def test_compressed_messages_pass():
    with Stage() as stage:
        message = b"x" * 100_000
        assert stage.call("Unary")(message, compression=grpc.Compression.Gzip) == b"new:" + message


def test_ten_thousand_large_messages_arrive_whole():
    with Stage() as stage:
        samples = [hashlib.sha256(b"%d" % at).digest() * 2048 for at in range(16)]
        stage.canary.methods["ServerStream"] = lambda request, context: (samples[at % 16] for at in range(int(request)))
        seen, expected, count = hashlib.md5(), hashlib.md5(), 0
        for message in stage.call("ServerStream")(b"10000"):
            seen.update(message)
            expected.update(samples[count % 16])
            count += 1
        assert (count, seen.digest()) == (10_000, expected.digest())


def test_statuses_and_details_of_a_provider_pass():
    with Stage("percent: 0%") as stage:
        def refuses(request, context):
            context.set_trailing_metadata((("grpc-status-details-bin", b"\x08\x09"),))
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "100 % no: \u00e4")

        stage.stable.methods["Unary"] = refuses
        try:
            stage.call("Unary")(b"hi")
            raise AssertionError("it was accepted")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
            assert error.details() == "100 % no: \u00e4", error.details()
            assert dict(error.trailing_metadata())["grpc-status-details-bin"] == b"\x08\x09"
        line = stage.lines(1)[0]
        assert (line["status"], line["grpc_status"], line["outcome"]) == (200, 9, "client_error"), line


def test_tls_on_both_sides_is_negotiated():
    with Stage("percent: 50%", tls=True) as stage:
        for user in [f"user-{n}" for n in range(4)]:
            by = b"new" if bucket(user) < 5000 else b"old"
            assert list(stage.call("Bidi")(iter([b"a"]), metadata=(("x-user-id", user),))) == [by + b":a"]


def test_a_canary_that_negotiates_http_1_is_passed_over():
    def speaks_http1(folder):
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    with Stage(tls=True, new_port=speaks_http1) as stage:
        assert stage.call("Unary")(b"hi") == b"old:hi"
        attempts = stage.lines(1)[0]["attempts"]
        assert [attempt["outcome"] for attempt in attempts] == ["ok"], attempts


def test_a_call_over_http_1_is_refused():
    with Stage() as stage:
        client = http.client.HTTPConnection(stage.addresses["listen"])
        client.request("POST", "/pkg.Echo/Unary", b"\0\0\0\0\0", {"content-type": "application/grpc"})
        answer = client.getresponse()
        got = (answer.status, answer.headers["grpc-status"], answer.headers["x-serin-error"])
        assert got == (200, "13", "grpc_version"), got
        assert not stage.canary.calls
