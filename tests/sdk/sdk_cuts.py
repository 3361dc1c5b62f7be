"""What the Python SDKs make of streams that break off: an error, unless all was said; of faults before them: nothing.

Both SDKs take a stream that merely ends for a whole one, so without the sidecar's error event most of this would fail.
SERIN_CUT_STEP=1 cuts at every byte.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import anthropic
import langchain_openai
import openai
from cutting import FAULTS, TEXT, TOLD, WHOLE, positions

STEP = int(os.environ.get("SERIN_CUT_STEP", "19"))
OLDCORP = "This is oldcorp answering: who are you?"
ASK = [{"role": "user", "content": "who are you?"}]


def chat(clients, model):
    stream = clients[0].chat.completions.create(model=model, messages=ASK, stream=True)
    text, finish = "", None
    for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return stream.response, text, finish == "stop"


def responses(clients, model):
    stream = clients[0].responses.create(model=model, input="who are you?", stream=True)
    text, last = "", None
    for last in stream:
        if last.type == "response.output_text.delta":
            text += last.delta
    return stream.response, text, last is not None and last.type == "response.completed"


def messages(clients, model):
    stream = clients[1].messages.create(model=model, max_tokens=9, messages=ASK, stream=True)
    text, last = "", None
    for last in stream:
        if last.type == "content_block_delta":
            text += last.delta.text
    return stream.response, text, last is not None and last.type == "message_stop"


def messages_by_helper(clients, model):
    with clients[1].messages.stream(model=model, max_tokens=9, messages=ASK) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    return stream.response, text, message.stop_reason == "end_turn"


def look(clients, ask, dialect, route, how, at):
    """What is wrong with how the SDK saw this cut; None: nothing."""
    where = f"{route}-{how}-{at}"
    try:
        response, text, ended = ask(clients, where)
    except (openai.APIError, anthropic.APIError) as error:
        return f"{where}: raised, though it was whole: {error!r}" if at >= len(WHOLE[dialect]) else None
    except Exception as error:
        return f"{where}: not the SDK's own error: {error!r}"
    provider = response.headers.get("x-serin-provider")
    if provider == "oldcorp":
        rescued = route == "rescue" and OLDCORP in text and ended
        return None if rescued else f"{where}: not a whole answer of oldcorp: {text!r}"
    # A proper end stands for the last blank line; the SDKs drop what it does not follow, as they do without the sidecar.
    unended = how == "clean" and at + 2 >= TOLD[dialect]
    whole = text == TEXT and (((ended or dialect == "chat") and at >= TOLD[dialect]) or unended)
    return None if whole else f"{where}: taken for whole: {text!r}"


def cut_everywhere(stage, ask, dialect):
    clients = (
        openai.OpenAI(base_url=f"{stage.origin}/v1", api_key="any", max_retries=0, timeout=20),
        anthropic.Anthropic(base_url=stage.origin, api_key="any", max_retries=0, timeout=20),
    )
    ways = [(route, how) for route in ("cut", "rescue") for how in ("reset", "clean")]
    places = [(*way, at) for way in ways for at in positions(dialect, STEP)]
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda place: look(clients, ask, dialect, *place), places))
    wrong = [line for line in told if line]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(places)} cuts went wrong:", *wrong[:15]])


def test_chat_completions_that_break_off_raise(stage):
    cut_everywhere(stage, chat, "chat")


def test_responses_that_break_off_raise(stage):
    cut_everywhere(stage, responses, "responses")


def test_a_response_that_breaks_off_is_said_to_have_failed_and_raises(stage):
    client = openai.OpenAI(base_url=f"{stage.origin}/v1", api_key="any", max_retries=0, timeout=20)
    middle = len(WHOLE["responses"]) // 2

    def created(model):
        yield from client.responses.create(model=model, input="who are you?", stream=True)

    def helped(model):
        with client.responses.stream(model=model, input="who are you?") as stream:
            yield from stream

    # A reset may take away what came before it.
    for ask in (created, helped):
        seen = []
        try:
            for event in ask(f"cut-clean-{middle}"):
                seen.append(event)
        except openai.APIError as error:
            assert "(from Serin)" in str(error), error
        else:
            raise AssertionError(f"{ask.__name__}: taken for whole")
        failed = seen[-1]
        assert failed.type == "response.failed", f"{ask.__name__}: {failed!r}"
        assert (failed.response.id, failed.response.status) == ("r", "failed"), failed
        assert "(from Serin)" in failed.response.error.message, failed
        assert [event.type for event in seen].count("response.failed") == 1


def test_messages_that_break_off_raise(stage):
    cut_everywhere(stage, messages, "messages")


def test_messages_that_break_off_raise_in_the_helper(stage):
    cut_everywhere(stage, messages_by_helper, "messages")


def test_langchain_raises_as_well(stage):
    for at in range(len(WHOLE["chat"]) // 2, TOLD["chat"] - 1, max(STEP, 97)):
        model = langchain_openai.ChatOpenAI(
            model=f"cut-clean-{at}", base_url=f"{stage.origin}/v1", api_key="any", max_retries=0
        )
        try:
            text = "".join(chunk.content for chunk in model.stream("who are you?"))
        except openai.APIError:
            continue
        raise AssertionError(f"cut at {at}: taken for whole: {text!r}")


def test_nothing_healthy_raises(stage):
    clients = (
        openai.OpenAI(base_url=f"{stage.origin}/v1", api_key="any", max_retries=0, timeout=20),
        anthropic.Anthropic(base_url=stage.origin, api_key="any", max_retries=0, timeout=20),
    )
    for route in ("cut", "rescue"):
        for ask in (chat, responses, messages, messages_by_helper):
            response, text, ended = ask(clients, f"{route}-healthy")
            told = (response.headers["x-serin-provider"], text, ended)
            assert told == ("cutcorp", TEXT, True), (route, ask.__name__, told)


def test_faults_before_the_stream_are_not_seen(stage):
    clients = (
        openai.OpenAI(base_url=f"{stage.origin}/v1", api_key="any", max_retries=0, timeout=20),
        anthropic.Anthropic(base_url=stage.origin, api_key="any", max_retries=0, timeout=20),
    )

    def whole_chat(clients, model):
        raw = clients[0].chat.completions.with_raw_response.create(model=model, messages=ASK)
        choice = raw.parse().choices[0]
        return raw, choice.message.content, choice.finish_reason == "stop"

    def whole_response(clients, model):
        raw = clients[0].responses.with_raw_response.create(model=model, input="who are you?")
        return raw, raw.parse().output_text, raw.parse().status == "completed"

    def whole_message(clients, model):
        raw = clients[1].messages.with_raw_response.create(model=model, max_tokens=9, messages=ASK)
        return raw, raw.parse().content[0].text, raw.parse().stop_reason == "end_turn"

    def one(place):
        ask, fault = place
        try:
            response, text, ended = ask(clients, f"rescue-fault-{fault}")
        except Exception as error:
            return f"{ask.__name__}, {fault}: {error!r}"
        told = (response.headers["x-serin-provider"], response.headers.get("x-serin-attempts"), ended)
        clean = told == ("oldcorp", "2", True) and OLDCORP in text
        return None if clean else f"{ask.__name__}, {fault}: {told}: {text!r}"

    asks = (chat, responses, messages, messages_by_helper, whole_chat, whole_response, whole_message)
    with ThreadPoolExecutor(16) as threads:
        wrong = [line for line in threads.map(one, [(ask, fault) for ask in asks for fault in FAULTS]) if line]
    assert not wrong, "\n".join(wrong)
