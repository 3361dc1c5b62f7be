"""The Anthropic Python SDK through the sidecar."""

import anthropic
from stage import LAST_RESORT, users

ASK = {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "who are you?"}]}


def client(stage):
    return anthropic.Anthropic(base_url=stage.origin, api_key="any", max_retries=0, timeout=10)


def test_messages_are_split_by_user(stage):
    for user, provider in users(3):
        raw = client(stage).messages.with_raw_response.create(**ASK, metadata={"user_id": user})
        assert raw.headers["x-serin-provider"] == provider, (user, dict(raw.headers))
        message = raw.parse()
        assert f"This is {provider} answering: who are you?" in message.content[0].text
        assert message.stop_reason == "end_turn"


def test_streamed_messages(stage):
    for user, provider in users(2):
        with client(stage).messages.stream(**ASK, metadata={"user_id": user}) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert f"This is {provider} answering: who are you?" in text, text
        assert (final.stop_reason, final.content[0].text) == ("end_turn", text)


def test_a_provider_error_is_the_sdks_own_error(stage):
    try:
        client(stage).messages.create(**dict(ASK, model="ill"))
        raise AssertionError("no error was raised")
    except anthropic.InternalServerError as error:
        assert "illcorp" in str(error)


def test_a_last_resort_is_a_whole_message(stage):
    raw = client(stage).messages.with_raw_response.create(**dict(ASK, model="down"))
    assert raw.headers["x-serin-last-resort"] == "server_error", dict(raw.headers)
    message = raw.parse()
    assert (message.role, message.content[0].text, message.stop_reason) == ("assistant", LAST_RESORT, "end_turn")
    with client(stage).messages.stream(**dict(ASK, model="down")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert (text, final.content[0].text, final.stop_reason) == (LAST_RESORT, LAST_RESORT, "end_turn")
    assert final.usage.output_tokens == 0
