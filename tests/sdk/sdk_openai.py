"""The OpenAI Python SDK through the sidecar."""

import asyncio
import random
import statistics
import sys
import time

import openai
from stage import LAST_RESORT, users

ASK = [{"role": "user", "content": "who are you?"}]


def client(stage, **options):
    return openai.OpenAI(base_url=f"{stage.origin}/v1", api_key="any", max_retries=0, timeout=10, **options)


def test_chat_is_split_by_user_and_says_so(stage):
    for user, provider in users(5):
        raw = client(stage).chat.completions.with_raw_response.create(model="m", messages=ASK, user=user)
        assert raw.headers["x-serin-provider"] == provider, (user, dict(raw.headers))
        assert raw.headers["x-serin-arm"] == ("stable" if provider == "oldcorp" else "canary")
        text = raw.parse().choices[0].message.content
        assert f"This is {provider} answering: who are you?" in text, text


def test_chat_is_split_by_header_and_by_safety_identifier(stage):
    for user, provider in users(2):
        by_header = client(stage, default_headers={"x-user-id": user})
        assert provider in by_header.chat.completions.create(model="m", messages=ASK).choices[0].message.content
        by_body = client(stage).chat.completions.create(model="m", messages=ASK, safety_identifier=user)
        assert provider in by_body.choices[0].message.content


def test_streamed_chat(stage):
    for user, provider in users():
        stream = client(stage).chat.completions.create(
            model="m", messages=ASK, user=user, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert f"This is {provider} answering: who are you?" in text, text
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert chunks[-1].usage.total_tokens > 0


def test_an_event_arrives_while_the_provider_holds_the_stream(stage):
    switch = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        stream = client(stage).chat.completions.create(model="held", messages=ASK, stream=True)
        waits = []
        for number in range(50):
            stage.held.go.put(f"event {number}")
            chunk = next(stream)
            waits.append((time.perf_counter() - stage.held.sent_at) * 1000)
            assert chunk.choices[0].delta.content == f"event {number}"
        stage.held.go.put(None)
        assert list(stream) == []
    finally:
        sys.setswitchinterval(switch)
    waits.sort()
    print(f"        an event takes {statistics.median(waits):.2f} ms (median), {waits[-1]:.2f} ms (worst of 50)")
    assert statistics.median(waits) < 5, waits
    assert waits[-1] < 200, waits


def test_completions(stage):
    for user, provider in users(1):
        answer = client(stage).completions.create(model="m", prompt="hello", user=user)
        assert provider in answer.choices[0].text
        stream = client(stage).completions.create(model="m", prompt="hello", user=user, stream=True)
        assert provider in "".join(chunk.choices[0].text for chunk in stream)


def test_responses(stage):
    for user, provider in users(1):
        answer = client(stage).responses.create(model="m", input="hello", safety_identifier=user)
        assert provider in answer.output_text
        events = list(client(stage).responses.create(model="m", input="hello", safety_identifier=user, stream=True))
        assert events[0].type == "response.created"
        assert events[-1].type == "response.completed"
        assert provider in events[-1].response.output_text


def test_embeddings_stay_on_stable(stage):
    for user, _ in users(2):
        raw = client(stage).embeddings.with_raw_response.create(model="e", input=["one", "two"], user=user)
        assert raw.headers["x-serin-provider"] == "oldcorp"
        vectors = raw.parse().data
        assert [len(vector.embedding) for vector in vectors] == [8, 8]
        plain = client(stage).embeddings.create(model="e", input="one", encoding_format="float", user=user)
        assert all(abs(a - b) < 1e-6 for a, b in zip(plain.data[0].embedding, vectors[0].embedding))


def test_models(stage):
    assert "demo-large" in [model.id for model in client(stage).models.list()]
    assert client(stage).models.retrieve("demo-small").owned_by == "oldcorp"


def test_a_file_goes_up_and_comes_down(stage):
    content = random.Random(7).randbytes(3_000_000)
    file = client(stage).files.create(file=("a.jsonl", content), purpose="batch")
    assert (file.bytes, file.filename, file.purpose) == (len(content), "a.jsonl", "batch")
    assert client(stage).files.content(file.id).read() == content
    with client(stage).files.with_streaming_response.content(file.id) as answer:
        assert b"".join(answer.iter_bytes()) == content


def test_binary_answers(stage):
    sound = client(stage).audio.speech.create(model="t", voice="alloy", input="hello").read()
    assert sound == bytes(n % 256 for n in range(40_000))


def test_many_at_once(stage):
    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{stage.origin}/v1", api_key="any", max_retries=0) as many:
            asked = [(user, provider) for user, provider in users(10) for _ in range(5)]
            answers = await asyncio.gather(
                *(many.chat.completions.create(model="m", messages=ASK, user=user) for user, _ in asked)
            )
            for (_, provider), answer in zip(asked, answers):
                assert provider in answer.choices[0].message.content

    asyncio.run(all_of_them())


def test_a_provider_error_is_the_sdks_own_error(stage):
    try:
        client(stage).chat.completions.create(model="ill", messages=ASK)
        raise AssertionError("no error was raised")
    except openai.InternalServerError as error:
        assert "illcorp" in str(error)
        assert "x-serin-error" not in error.response.headers
    try:
        list(client(stage).chat.completions.create(model="ill", messages=ASK, stream=True))
        raise AssertionError("no error was raised")
    except openai.APIError as error:
        assert "illcorp" in str(error)


def test_a_last_resort_is_a_whole_response(stage):
    raw = client(stage).chat.completions.with_raw_response.create(model="down", messages=ASK)
    assert raw.headers["x-serin-last-resort"] == "server_error", dict(raw.headers)
    choice = raw.parse().choices[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", LAST_RESORT, "stop")
    stream = client(stage).chat.completions.create(
        model="down", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == LAST_RESORT
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 0


def test_a_last_resort_of_responses_is_whole(stage):
    answer = client(stage).responses.create(model="down", input="hello")
    assert (answer.output_text, answer.status, answer.error) == (LAST_RESORT, "completed", None)
    with client(stage).responses.stream(model="down", input="hello") as stream:
        events = [event.type for event in stream]
        final = stream.get_final_response()
    assert (events[0], events[-1]) == ("response.created", "response.completed"), events
    assert (final.output_text, final.status) == (LAST_RESORT, "completed")
