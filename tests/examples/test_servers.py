"""The chat endpoints in FastAPI and Express, which have the same interface and must behave alike."""

import contextlib
import http.client
import json
import re
import shlex
import signal

from processes import Processes, fetched, free_port, printed, until
from stage import USERS, answer, provider_of

SERVERS = ("FastAPI", "Express")


@contextlib.contextmanager
def running(stage, heading, **environment):
    """The server of this section, by its command there; its port and its process."""
    _, command, _ = stage.commands(heading)
    port = free_port()
    command, count = re.subn(r"\b8080\b", str(port), command)
    assert count == 1, command
    words = shlex.split(command)
    stated = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    processes = Processes()
    try:
        process = processes.start("server", words[len(stated):], stated | environment, stage.checkout)
        processes.ready("server", process, lambda: fetched(f"http://127.0.0.1:{port}/healthz")[0] == 200)
        yield port, process
    finally:
        processes.close()


def asked(port, user, message, path="/chat"):
    headers = {"content-type": "application/json", "x-user-id": user}
    data = json.dumps({"message": message}).encode()
    return fetched(f"http://127.0.0.1:{port}{path}", data=data, headers=headers)


@contextlib.contextmanager
def held(stage, port):
    """A streamed answer whose provider has said one word, and waits."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"content-type": "application/json", "x-user-id": USERS[0]}
    connection.request("POST", "/chat/stream", json.dumps({"message": "who are you?"}), headers)
    stage.held.go.put("one ")
    response = connection.getresponse()
    with contextlib.closing(connection), contextlib.closing(response):
        assert response.status == 200, (response.status, response.read())
        assert response.read1() == b"one "
        yield response


def check_answers(stage, heading):
    with running(stage, heading) as (port, _):
        for _ in range(3):
            for user in USERS:
                status, _, body = asked(port, user, "who are you?")
                told = json.loads(body)
                assert status == 200 and told["provider"] == provider_of(user), (user, status, told)
                assert told["answer"].startswith(answer(provider_of(user), "who are you?")), told
        # The command of the page itself.
        told = printed(stage.commands(heading)[-1].replace("8080", str(port)) + " --silent --show-error --fail")
        assert json.loads(told)["answer"].startswith(answer(provider_of("user-123"), "Hello")), told
        # Without a user or a message nothing is asked of a provider.
        for headers, body in (({}, b'{"message": "x"}'), ({"x-user-id": "user-1"}, b'{"no": "message"}')):
            headers = {"content-type": "application/json", **headers}
            assert fetched(f"http://127.0.0.1:{port}/chat", data=body, headers=headers)[0] == 422


def check_streams(stage, heading):
    with running(stage, heading) as (port, _):
        for user in USERS:
            status, headers, text = asked(port, user, "who are you?", "/chat/stream")
            assert status == 200 and headers["x-provider"] == provider_of(user), (user, status, dict(headers))
            assert text.startswith(answer(provider_of(user), "who are you?")), text


def check_a_piece_arrives_before_the_next_is_there(stage, heading):
    with running(stage, heading, MODEL="held") as (port, _), held(stage, port) as response:
        for word in (b"two ", b"three"):
            stage.held.go.put(word.decode())
            assert response.read1() == word
        stage.held.go.put(None)
        assert response.read() == b""


def check_a_client_that_leaves_ends_the_request(stage, heading):
    before = stage.outcome_count("client_gone")
    with running(stage, heading, MODEL="held") as (port, _):
        with held(stage, port):
            pass
        until("the request to the provider ends", lambda: stage.outcome_count("client_gone") == before + 1)
    stage.held.go.put(None)


def check_a_stop_finishes_answers(stage, heading):
    with running(stage, heading, MODEL="held") as (port, process), held(stage, port) as response:
        process.terminate()

        def refused():
            try:
                fetched(f"http://127.0.0.1:{port}/healthz")
            except OSError:
                return True
        until("new connections are refused", refused)
        stage.held.go.put("two")
        stage.held.go.put(None)
        assert response.read() == b"two"
        # uvicorn ends with the signal that ended it.
        assert process.wait(20) in (0, -signal.SIGTERM), process.returncode


def check_errors(stage, heading):
    origin, stage.origin = stage.origin, "http://127.0.0.1:1"
    try:
        with running(stage, heading) as (port, _):
            for path in ("/chat", "/chat/stream"):
                status, _, body = asked(port, USERS[0], "who are you?", path)
                assert status == 502 and "onnect" in json.loads(body)["error"], (status, body)
    finally:
        stage.origin = origin


# A name for each server and check, as run.py reports it.
CHECKS = (
    check_answers,
    check_streams,
    check_a_piece_arrives_before_the_next_is_there,
    check_a_client_that_leaves_ends_the_request,
    check_a_stop_finishes_answers,
    check_errors,
)
for heading in SERVERS:
    for check in CHECKS:
        name = check.__name__.replace("check", f"test_{heading.lower()}")
        globals()[name] = lambda stage, check=check, heading=heading: check(stage, heading)
