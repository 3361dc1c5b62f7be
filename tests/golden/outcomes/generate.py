"""Writes the tables beside this file, one for each outcome: what providers send, byte for byte, and what becomes of it.

Run it after a change of the cases and review the difference: `python3 tests/golden/outcomes/generate.py`.
Nothing here is taken from Serin's own output. The answers are those of real providers, with names and numbers changed;
what is expected of each is said beside it, and GUARD and BREAKER below are the design's table once more.

A case, as it is written down (each character of `sends` is one byte):
- endpoint, stream: what the client asks for, below `/v1`
- arm: which arm the split chose, and thereby whose answer is judged
- provider: `at` (`listening`, `tls`: it reads something and sends; `refused`; `unknown`; `unusable`), its `keys` (none:
  the client's credentials pass, to stable only), and its `answers` in turn, the last one again and again
- end of an answer: `keep` (the connection stays and serves the next request), `fin`, `rst`, `silent` (it stays, and
  nothing more comes)
- other: what the other arm's provider answers (in others.json), where there is somebody to fall back to
- settings: whatever differs from the defaults
- breaks_off: the client or Serin itself ends the request, once the client has got this text (empty: once the provider
  has got the request)
- outcome: of the attempt that is judged; attempts: of all attempts at the provider; next: what follows the first one
- guard, breaker: what they make of it; client: the status, and what comes: `all` the provider sent, as it was sent;
  `error_event` (what came, and an event that says that it broke off), `abort` (what came, and a broken connection),
  `serin` (an answer of Serin's own, labelled `error`), `other` (the other provider's answer), `nothing`
"""

import gzip
import http.client
import json
import pathlib

HERE = pathlib.Path(__file__).parent

CHAT, COMPLETIONS, RESPONSES, MESSAGES = "chat/completions", "completions", "responses", "messages"
EMBEDDINGS, SPEECH, IMAGES = "embeddings", "audio/speech", "images/generations"

FAILURES = ["connect", "reset", "timeout", "server_error", "malformed", "stream_error", "truncated", "stalled"]
GUARD = {"ok": "success", "throttled": "failure", "quota": "failure", "auth": "failure", "unsupported": "failure"}
GUARD |= dict.fromkeys(FAILURES, "failure") | dict.fromkeys(["client_error", "empty", "client_gone", "serin_error"], "not")
BREAKER = dict.fromkeys(GUARD, "not") | {"ok": "success"} | dict.fromkeys(FAILURES, "failure")

CASES = []

# === Bytes ===


def text(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def raw(value):
    return value if isinstance(value, bytes) else text(value).encode()


def head(status, headers):
    reason = http.client.responses.get(status, "")
    return "".join([f"HTTP/1.1 {status} {reason}\r\n", *(f"{k}: {v}\r\n" for k, v in headers.items()), "\r\n"]).encode()


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def answer(status, body, kind="application/json", end="keep", framing="length", announced=None, **headers):
    """One whole answer, unless more is announced than is sent, or the chunks lack their end."""
    body = raw(body)
    fields = {"content-type": kind} if kind else {}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    if framing == "length":
        fields["content-length"] = len(body) if announced is None else announced
        sent = body
    elif framing == "close":
        fields["connection"] = "close"
        sent = body
    else:
        fields["transfer-encoding"] = "chunked"
        sent = (chunk(body) if body else b"") + (b"0\r\n\r\n" if framing == "chunked" else b"")
    return {"sends": (head(status, fields) + sent).decode("latin-1"), "end": end}


def stream(events, end="keep", framing="chunked", kind="text/event-stream", **headers):
    """Events, each in a chunk of its own; framing `cut`: the chunks lack their end."""
    sent = [raw(event if isinstance(event, (str, bytes)) else text(event)) for event in events]
    body = b"".join(chunk(event) for event in sent) if framing != "length" else b"".join(sent)
    fields = {"content-type": kind} if kind else {}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    if framing == "length":
        fields["content-length"] = len(body)
    elif framing == "close":
        fields["connection"] = "close"
        body = b"".join(sent)
    else:
        fields["transfer-encoding"] = "chunked"
        body += b"0\r\n\r\n" if framing == "chunked" else b""
    return {"sends": (head(200, fields) + body).decode("latin-1"), "end": end}


def bytes_of(sends, end):
    return {"sends": sends, "end": end}


def data(value, name=None):
    return (f"event: {name}\n" if name else "") + f"data: {text(value)}\n\n"


DONE = "data: [DONE]\n\n"

# === What providers say ===


def delta(content=None, finish=None, index=0, role=None, **more):
    inner = ({"role": role} if role else {}) | ({"content": content} if content is not None else {})
    inner |= more.pop("inner", {})
    choice = {"index": index, "delta": inner, "logprobs": None, "finish_reason": finish}
    whole = {"id": "chatcmpl-Abc", "object": "chat.completion.chunk", "created": 1720000000, "model": "gpt-4o-2024-08-06"}
    return data(whole | {"system_fingerprint": "fp_1", "choices": [choice]} | more)


ROLE = delta("", role="assistant", inner={"refusal": None})
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def usage_chunk(**more):
    whole = {"id": "chatcmpl-Abc", "object": "chat.completion.chunk", "created": 1720000000, "model": "gpt-4o"}
    return data(whole | {"choices": [], "usage": USAGE} | more)


def chat(content="Hello there", finish="stop", message=None, **more):
    inner = {"role": "assistant", "content": content, "refusal": None} if message is None else message
    choices = more.pop("choices", [{"index": 0, "message": inner, "logprobs": None, "finish_reason": finish}])
    whole = {"id": "chatcmpl-Abc", "object": "chat.completion", "created": 1720000000, "model": "gpt-4o-2024-08-06"}
    return whole | {"choices": choices, "usage": USAGE} | more


GOOD_CHAT = [ROLE, delta("Hel"), delta("lo"), delta(finish="stop"), DONE]
TOOL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}}


def completion_chunk(piece, finish=None):
    whole = {"id": "cmpl-1", "object": "text_completion", "created": 1720000000, "model": "gpt-3.5-turbo-instruct"}
    return data(whole | {"choices": [{"text": piece, "index": 0, "logprobs": None, "finish_reason": finish}]})


def completion(piece, finish="stop"):
    whole = {"id": "cmpl-1", "object": "text_completion", "created": 1720000000, "model": "gpt-3.5-turbo-instruct"}
    return whole | {"choices": [{"text": piece, "index": 0, "logprobs": None, "finish_reason": finish}], "usage": USAGE}


def response(status="completed", output=None, **more):
    item = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant"}
    item["content"] = [{"type": "output_text", "text": "Hello there", "annotations": []}]
    whole = {"id": "resp_1", "object": "response", "created_at": 1720000000, "status": status, "error": None}
    whole |= {"incomplete_details": None, "model": "gpt-4o", "output": [item] if output is None else output}
    return whole | {"usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}} | more


def event(kind, number, **more):
    return data({"type": kind, "sequence_number": number} | more, kind)


def begun(status="in_progress"):
    bare = response(status, [], usage=None)
    return [event("response.created", 0, response=bare), event("response.in_progress", 1, response=bare)]


MESSAGE_ITEM = {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
RESPONSE_TEXT = [
    event("response.output_item.added", 2, output_index=0, item=MESSAGE_ITEM),
    event("response.content_part.added", 3, item_id="msg_1", output_index=0, content_index=0,
          part={"type": "output_text", "text": "", "annotations": []}),
    event("response.output_text.delta", 4, item_id="msg_1", output_index=0, content_index=0, delta="Hello"),
]
GOOD_RESPONSE = [*begun(), *RESPONSE_TEXT, event("response.completed", 5, response=response())]


def message(content=None, stop="end_turn", **more):
    whole = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
    whole |= {"content": [{"type": "text", "text": "Hello there"}] if content is None else content}
    whole |= {"stop_reason": stop, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 3}}
    return whole | more


def said(kind, **more):
    return data({"type": kind} | more, kind)


START = said("message_start", message=message([], None))
PING = said("ping")
TEXT_START = said("content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXT = said("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
BLOCK_STOP = said("content_block_stop", index=0)
MESSAGE_DELTA = said("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 3})
STOP = said("message_stop")
GOOD_MESSAGE = [START, PING, TEXT_START, TEXT, BLOCK_STOP, MESSAGE_DELTA, STOP]

VECTOR = {"object": "embedding", "index": 0, "embedding": [0.0023, -0.0093, 0.0157]}
VECTORS = {"object": "list", "data": [VECTOR], "model": "text-embedding-3-small"}
VECTORS |= {"usage": {"prompt_tokens": 8, "total_tokens": 8}}

GOOD = {
    CHAT: answer(200, chat("the other one")), COMPLETIONS: answer(200, completion("the other one")),
    RESPONSES: answer(200, response()), MESSAGES: answer(200, message()), EMBEDDINGS: answer(200, VECTORS),
    SPEECH: answer(200, b"ID3 the other one", "audio/mpeg"), IMAGES: answer(200, {"data": [{"b64_json": "aGk="}]}),
}


def openai(message, kind="invalid_request_error", code=None, param=None, **more):
    return {"error": {"message": message, "type": kind, "param": param, "code": code} | more}


def anthropic(kind, message):
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def page(title, server="nginx/1.24.0"):
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr>" \
           f"<center>{server}</center>\r\n</body>\r\n</html>\r\n"


HTML = "text/html; charset=utf-8"
ACCEPTS, REFUSES, BUSY, CLOSES = "accepts", "refuses", "is busy", "closes"
OTHERS = {f"{ACCEPTS} {endpoint}": good for endpoint, good in GOOD.items()} | {
    REFUSES: answer(400, openai("Unsupported parameter: 'x' is not supported by stable either.", code="unsupported_parameter")),
    BUSY: answer(503, openai("The engine is currently overloaded, please try again later", "server_error")),
    CLOSES: bytes_of("", "fin"),
}

# === Cases ===


def case(name, endpoint, outcome, answers, *, gets="all", status=200, error=None, arm="canary", at="listening",
         keys=1, other=None, attempts=None, next=None, guard=None, breaker=None, breaks_off=None, **settings):
    """One case; what is not said follows from the outcome."""
    streams = settings.pop("asks_stream", None)
    answers = answers if isinstance(answers, list) else [answers]
    if streams is None:
        streams = any("text/event-stream" in each["sends"] for each in answers)
    if next is None:
        next = "deliver" if other is None else "other"
    if other is not None and gets == "all" and next in ("other", "ask_stable"):
        gets, status = ("other", 200) if other == ACCEPTS else ("all", status)
    attempts = [outcome] if attempts is None else attempts
    judged = attempts[-1] if attempts else outcome
    verdict = GUARD[judged]
    if judged == "throttled" and settings.get("throttled") is False:
        verdict = "not"
    if judged == "empty" and settings.get("empty") is True:
        verdict = "failure"
    client = {"status": status, "gets": gets} | ({"error": error} if error else {})
    if gets == "nothing":
        client = {"gets": "nothing"}
    written = {
        "name": name, "endpoint": endpoint, "stream": streams, "arm": arm,
        "provider": {"at": at, "keys": keys, "answers": answers},
        "other": f"{ACCEPTS} {endpoint}" if other == ACCEPTS else other, "settings": settings, "breaks_off": breaks_off,
        "outcome": outcome, "attempts": attempts, "next": next,
        "guard": guard or verdict, "breaker": breaker or BREAKER[judged], "client": client,
    }
    CASES.append({key: value for key, value in written.items() if value not in (None, {})})


def both(name, endpoint, outcome, answers, *, gets="all", status=200, error=None, **more):
    """Where nobody else is left, and where somebody is."""
    case(name, endpoint, outcome, answers, gets=gets, status=status, error=error, **more)
    case(f"{name}, and stable answers", endpoint, outcome, answers, other=ACCEPTS, gets="other", **more)


def ok(name, endpoint, answers, **more):
    # Somebody else is left, so that it is held as long as can be; and nobody is.
    case(name, endpoint, "ok", answers, **more)
    case(f"{name}, held", endpoint, "ok", answers, other=ACCEPTS, next="deliver", **more)


def oks():
    ok("OpenAI: a stream with usage", CHAT, stream([ROLE, delta("Hello"), delta(finish="stop"), usage_chunk(), DONE]))
    ok("OpenAI: one answer", CHAT, answer(200, chat()))
    ok("one answer in chunks", CHAT, answer(200, chat(), framing="chunked"))
    ok("one answer that ends with its connection", CHAT, answer(200, chat(), framing="close", end="fin"))
    ok("HTTP/1.0", CHAT, bytes_of("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + text(chat()), "fin"))
    ok("a stream that ends with its connection", CHAT, stream(GOOD_CHAT, framing="close", end="fin"))
    ok("a stream of announced length", CHAT, stream(GOOD_CHAT, framing="length"))
    filtered = data({"id": "", "object": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": [
        {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]})
    ok("Azure: filter results before the role", CHAT, stream([filtered, *GOOD_CHAT]))
    ok("Azure: the filter ends a text", CHAT, stream([filtered, ROLE, delta("Hel"), delta(finish="content_filter"), DONE]))
    ok("vLLM: the reason is in the last chunk of content", CHAT,
       stream([delta("", role="assistant"), delta("Hel"), delta("lo", "stop", stop_reason=None), DONE]))
    ok("Ollama: the reason is null to the end", CHAT, stream([delta("Hel", role="assistant"), delta("lo"), DONE]))
    ok("a portal that sends no [DONE]", CHAT, stream(GOOD_CHAT[:-1]))
    ok("no [DONE], and usage last", CHAT, stream([*GOOD_CHAT[:-1], usage_chunk()]))
    ok("[DONE] as it is required", CHAT, stream(GOOD_CHAT), done_marker="required")
    ok("OpenRouter: comments while it waits", CHAT,
       stream([": OPENROUTER PROCESSING\n\n", ": OPENROUTER PROCESSING\n\n", *GOOD_CHAT]))
    ok("Groq: usage of its own", CHAT, stream([delta("", role="assistant", x_groq={"id": "req_01"}), delta("Hello"),
       delta(finish="stop", x_groq={"id": "req_01", "usage": USAGE}), DONE]))
    ok("DeepSeek: reasoning, then content", CHAT, stream([": keep-alive\n\n", delta(None, inner={
        "role": "assistant", "content": None, "reasoning_content": "Hm"}), delta("Hello"), delta("", "stop", usage=USAGE), DONE]))
    ok("DeepSeek: empty lines before one answer", CHAT, answer(200, "\n\n\n\n" + text(chat()), framing="chunked"))
    ok("a call of a tool and no text", CHAT, answer(200, chat(message={
        "role": "assistant", "content": None, "tool_calls": [TOOL]}, finish="tool_calls")))
    ok("a streamed call of a tool and no text", CHAT, stream([delta(None, role="assistant", inner={
        "content": None, "tool_calls": [{"index": 0} | TOOL]}), delta(finish="tool_calls"), DONE]))
    ok("an old call of a function", CHAT, answer(200, chat(message={
        "role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}, finish="function_call")))
    ok("reasoning only", CHAT, answer(200, chat(message={
        "role": "assistant", "content": "", "reasoning_content": "Let me see"}, finish="length")))
    ok("streamed reasoning only", CHAT, stream([delta(None, role="assistant", inner={"reasoning": "Hm"}),
       delta(finish="length"), DONE]))
    ok("a refusal only", CHAT, answer(200, chat(message={
        "role": "assistant", "content": None, "refusal": "I'm sorry, I cannot assist with that."})))
    ok("a streamed refusal only", CHAT, stream([ROLE, delta(None, inner={"refusal": "I'm sorry"}), delta(finish="stop"), DONE]))
    ok("gzip: one answer", CHAT, answer(200, gzip.compress(raw(chat()), mtime=0), content_encoding="gzip"))
    zipped = gzip.compress("".join(GOOD_CHAT).encode(), mtime=0)
    ok("gzip: a stream", CHAT, stream([zipped[:40], zipped[40:]], content_encoding="gzip"))
    ok("CRLF and no space behind the colon", CHAT,
       stream([piece.replace("data: ", "data:").replace("\n", "\r\n") for piece in GOOD_CHAT]))
    ok("two choices", CHAT, stream([delta("", role="assistant"), delta("", role="assistant", index=1), delta("a"),
       delta("b", index=1), delta(finish="stop"), delta(finish="length", index=1)]))
    ok("a malformed event among good ones", CHAT, stream([ROLE, delta("Hel"), "data: {\"choices\":[{\"ind\n\n", *GOOD_CHAT[2:]]))
    ok("an event of a kind of its own", CHAT, stream(["event: queue\ndata: {\"position\":3}\n\n", *GOOD_CHAT]))
    ok("reset behind [DONE]", CHAT, stream(GOOD_CHAT, framing="cut", end="rst"))
    ok("an error beside an answer", CHAT, answer(200, chat(error={"message": "a remark", "code": 200})))
    for name, answers, asks in [("one answer where a stream was asked for", answer(200, chat()), True),
                                ("a stream where one answer was asked for", stream(GOOD_CHAT), False)]:
        case(f"stable's own: {name}", CHAT, "ok", answers, asks_stream=asks, arm="stable", keys=0)
        case(f"stable's own: {name}, held", CHAT, "ok", answers, asks_stream=asks, arm="stable", keys=0, other=ACCEPTS, next="deliver")
    for kind in ("application/json", "text/plain", "text/html", None):
        named = {"kind": kind}
        ok(f"a stream called {kind}", CHAT, stream(GOOD_CHAT, **named), asks_stream=True)
        ok(f"a stream of announced length called {kind}", CHAT, stream(GOOD_CHAT, framing="length", **named), asks_stream=True)
        ok(f"a stream called {kind}", RESPONSES, stream(GOOD_RESPONSE, **named), asks_stream=True)
        ok(f"a stream called {kind}", MESSAGES, stream(GOOD_MESSAGE, **named), asks_stream=True)
    for kind in ("text/event-stream", "text/plain", "text/html", None):
        ok(f"one answer called {kind}", CHAT, answer(200, chat(), kind), asks_stream=False)
        ok(f"one answer in chunks called {kind}", CHAT, answer(200, chat(), kind, framing="chunked"), asks_stream=False)
        ok(f"one answer called {kind}", RESPONSES, answer(200, response(), kind), asks_stream=False)
        ok(f"one answer called {kind}", MESSAGES, answer(200, message(), kind), asks_stream=False)
    ok("a byte-order mark before one answer", CHAT, answer(200, "\ufeff" + text(chat())))
    case("one answer, created", CHAT, "ok", answer(201, chat()), status=201)
    ok("a byte-order mark before a stream", CHAT, stream(["\ufeff", *GOOD_CHAT]))
    for end, how in [("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR")]:
        for left in (1, 0):
            name = f"the last event lacks its blank line, {how}" + ("" if left else ", and its own end")
            cut = lambda pieces: [*(piece.replace("\n", end) for piece in pieces[:-1]), pieces[-1].rstrip("\n") + end * left]
            ok(name, CHAT, stream(cut(GOOD_CHAT)))
            ok(f"{name}, and it is the reason", CHAT, stream(cut(GOOD_CHAT[:-1])))
            ok(name, RESPONSES, stream(cut(GOOD_RESPONSE)))
            ok(name, MESSAGES, stream(cut(GOOD_MESSAGE)))
    ok("the last event lacks its blank line, and its connection ends it", CHAT,
       stream([*GOOD_CHAT[:-2], GOOD_CHAT[-2].rstrip("\n")], framing="close", end="fin"))
    ok("the last event lacks its blank line, of announced length", CHAT,
       stream([*GOOD_CHAT[:-2], GOOD_CHAT[-2].rstrip("\n")], framing="length"))
    case("the client leaves behind [DONE]", CHAT, "ok", stream(GOOD_CHAT, framing="cut", end="silent"),
         gets="nothing", breaks_off={"by": "client", "after": "[DONE]\n\n"})
    case("stable's own answer", CHAT, "ok", stream(GOOD_CHAT), arm="stable", keys=0)

    ok("a stream", COMPLETIONS, stream([completion_chunk("Hel"), completion_chunk("lo", "stop"), DONE]))
    ok("one answer", COMPLETIONS, answer(200, completion("Hello")))

    ok("a stream", RESPONSES, stream(GOOD_RESPONSE))
    ok("one answer", RESPONSES, answer(200, response()))
    short = response("incomplete", incomplete_details={"reason": "max_output_tokens"})
    ok("incomplete, since it grew too long", RESPONSES,
       stream([*begun(), *RESPONSE_TEXT, event("response.incomplete", 5, response=short)]))
    ok("queued in the background", RESPONSES, answer(200, response("queued", [], usage=None)))
    call = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "f", "arguments": "{}"}
    ok("a call of a function and no text", RESPONSES, stream([*begun(), event("response.output_item.added", 2, item=call),
       event("response.completed", 3, response=response(output=[call]))]))
    ok("reset behind the terminal", RESPONSES, stream(GOOD_RESPONSE, framing="cut", end="rst"))
    case("the client leaves behind the terminal", RESPONSES, "ok", stream(GOOD_RESPONSE, framing="cut", end="silent"),
         gets="nothing", breaks_off={"by": "client", "after": "response.completed"})

    ok("Anthropic: a stream", MESSAGES, stream(GOOD_MESSAGE))
    ok("Anthropic: one answer", MESSAGES, answer(200, message()))
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    ok("Anthropic: the use of a tool and no text", MESSAGES,
       stream([START, said("content_block_start", index=0, content_block=use), BLOCK_STOP, MESSAGE_DELTA, STOP]))
    ok("Anthropic: one answer that is the use of a tool", MESSAGES, answer(200, message([use], "tool_use")))
    think = said("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm"})
    thinking = said("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
    ok("Anthropic: thinking only", MESSAGES, stream([START, thinking, think, BLOCK_STOP, MESSAGE_DELTA, STOP]))
    case("the client leaves behind message_stop", MESSAGES, "ok", stream(GOOD_MESSAGE, framing="cut", end="silent"),
         gets="nothing", breaks_off={"by": "client", "after": "message_stop"})

    ok("vectors", EMBEDDINGS, answer(200, VECTORS))
    ok("vectors in base64", EMBEDDINGS, answer(200, VECTORS | {"data": [VECTOR | {"embedding": "zczMPc3MTL4="}]}))
    ok("vectors in gzip", EMBEDDINGS, answer(200, gzip.compress(raw(VECTORS), mtime=0), content_encoding="gzip"))
    ok("speech", SPEECH, answer(200, bytes(range(256)) * 8, "audio/mpeg", framing="chunked"))
    ok("an image", IMAGES, answer(200, {"created": 1, "data": [{"b64_json": "aGVsbG8="}]}))


def malformations():
    """What is neither an answer nor an error: the canary's is recovered, and stable's goes out as it always did."""
    def odd(name, endpoint, answers, gets="all", status=None, error=None, **more):
        sent = int(answers["sends"].split(" ", 2)[1])
        case(name, endpoint, "malformed", answers, gets=gets, status=status or sent, error=error, **more)
        case(f"{name}, held", endpoint, "malformed", answers, other=ACCEPTS, **more)

    def stables(name, endpoint, answers, **more):
        more = dict(arm="stable", keys=0, breaker="not") | more
        case(f"stable's own: {name}", endpoint, "malformed", answers, **more)
        case(f"stable's own: {name}, and the canary could answer", endpoint, "malformed", answers, other=ACCEPTS, next="deliver", **more)

    odd("one answer where a stream was asked for", CHAT, answer(200, chat()), asks_stream=True)
    odd("a stream where one answer was asked for", CHAT, stream(GOOD_CHAT), asks_stream=False)
    odd("a web page with 200", CHAT, answer(200, page("Welcome"), HTML))
    odd("JSON of another shape", CHAT, answer(200, {"id": "x", "result": "Hello"}))

    xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"
    job = {"id": "job_1", "status": "queued", "created_at": 1720000000}
    kinds = {
        "a page called JSON": answer(200, page("Welcome")), "a page called a stream": answer(200, page("Welcome"), "text/event-stream"),
        "a page without a type": answer(200, page("Welcome"), None), "a page in chunks": answer(200, page("Welcome"), HTML, framing="chunked"),
        "a page in gzip": answer(200, gzip.compress(page("Welcome").encode(), mtime=0), HTML, content_encoding="gzip"),
        "a page that ends with its connection": answer(200, page("Welcome"), HTML, framing="close", end="fin"),
        "XML": answer(200, xml, "application/xml"), "a text": answer(200, "upstream busy", "text/plain"),
        "a text called JSON": answer(200, "404 page not found"), "null": answer(200, "null"), "{}": answer(200, "{}"),
        "{} called a page": answer(200, "{}", HTML), "{} in gzip": answer(200, gzip.compress(b"{}", mtime=0), content_encoding="gzip"),
        "{} in chunks": answer(200, "{}", framing="chunked"), "[]": answer(200, "[]"), "a number": answer(200, "42"), "true": answer(200, "true"),
        "a JSON text": answer(200, "\"busy\""), "a panel": answer(200, {"success": False, "message": "bad url"}),
        "a code": answer(200, {"code": 500, "msg": "failed", "data": None}), "a detail": answer(200, {"detail": "Not Found"}),
        "no error": answer(200, {"error": None}), "choices that are none": answer(200, {"id": "x", "choices": None}),
        "a list of errors": answer(200, [{"error": {"code": 400, "message": "no"}}]),
        "a job, accepted": answer(202, job), "a job, created": answer(201, job), "nothing, and 204": bytes_of("HTTP/1.1 204 No Content\r\n\r\n", "keep"),
        "nothing, and 205": answer(205, "", None), "nothing, and 202": answer(202, ""), "nothing without a type": answer(200, "", None),
        "nothing in chunks, called a page": answer(200, "", HTML, framing="chunked"), "white space": answer(200, "\n \n"),
        "white space in chunks": answer(200, "\n\n\n", framing="chunked"), "two objects, a line each": answer(200, text(chat()) + "\n" + text(chat())),
        "no valid JSON": answer(200, "{\"choices\":[}"), "an image": answer(200, b"\x89PNG\r\n\x1a\n" + bytes(range(64)), "image/png"),
    }
    for name, answers in kinds.items():
        odd(name, CHAT, answers)
    for name in ("a page called a stream", "a page called JSON", "a text", "null", "{}", "a panel", "white space in chunks", "no valid JSON"):
        odd(f"{name}, where a stream was asked for", CHAT, kinds[name], asks_stream=True)
    for endpoint in (COMPLETIONS, RESPONSES, MESSAGES):
        for name in ("a page called JSON", "{}", "a panel", "a job, accepted"):
            odd(name, endpoint, kinds[name])
    odd("a response that is a chat completion", RESPONSES, answer(200, chat()))
    odd("a chat completion that is a response", CHAT, answer(200, response()))
    odd("a message without its content", MESSAGES, answer(200, {"type": "message", "role": "assistant", "content": None}))
    odd("one answer where a stream was asked for", RESPONSES, answer(200, response()), asks_stream=True)
    odd("one answer where a stream was asked for", MESSAGES, answer(200, message()), asks_stream=True)
    odd("a stream where one answer was asked for", RESPONSES, stream(GOOD_RESPONSE), asks_stream=False)
    odd("a stream where one answer was asked for", MESSAGES, stream(GOOD_MESSAGE), asks_stream=False)
    odd("a stream in gzip where one answer was asked for", CHAT, answer(
        200, gzip.compress("".join(GOOD_CHAT).encode(), mtime=0), content_encoding="gzip"), asks_stream=False)
    odd("a stream of text", CHAT, stream(["data: hello\n\n", "data: there\n\n"]))
    odd("a stream of JSON of another shape", CHAT, stream([data({"code": 500, "msg": "failed"})]))
    odd("a stream of white space", CHAT, stream(["\n\n", "\n\n"]))
    case("a malformed event, assembled before it goes out", CHAT, "malformed",
         stream([ROLE, delta("Hel"), "data: {\"choices\":[{\"ind\n\n", *GOOD_CHAT[2:]]), stream_mode="buffered", other=ACCEPTS)

    def leads(status, endpoint=CHAT, to="https://sso.example/login", **more):
        where = {"location": to} if to else {}
        asks = ", where a stream was asked for" if more.get("asks_stream") else ""
        odd(f"{status} to {to}{asks}", endpoint, answer(status, "", None, **where), gets="serin", status=502, error="malformed", **more)

    for status in (301, 302, 303, 307, 308):
        leads(status)
    leads(302, to="/login")
    leads(300, to=None)
    leads(304, to=None)
    leads(307, RESPONSES)
    leads(307, MESSAGES)
    leads(302, CHAT, asks_stream=True)
    moved = dict(status=302, gets="all")
    stables("a redirect", CHAT, answer(302, "", None, location="https://sso.example/login"), **moved)
    for name in ("a page called JSON", "a page in chunks", "{}", "null", "a text", "white space", "a job, accepted"):
        stables(name, CHAT, kinds[name], status=202 if "job" in name else 200)
    stables("a page, where a stream was asked for", CHAT, kinds["a page in chunks"], asks_stream=True)
    stables("a stream of text", CHAT, stream(["data: hello\n\n"]))


def connects():
    gone = dict(gets="serin", status=502, error="connect")
    for endpoint in (CHAT, MESSAGES, EMBEDDINGS):
        case("nobody listens", endpoint, "connect", [], at="refused", **gone)
    case("nobody listens, and stable answers", CHAT, "connect", [], at="refused", other=ACCEPTS)
    case("nobody listens, and the request is streamed", CHAT, "connect", [], at="refused", asks_stream=True, other=ACCEPTS)
    case("nobody listens, and stable is overloaded", CHAT, "connect", [], at="refused", other=BUSY, **gone)
    both("a host without an address", CHAT, "connect", [], at="unknown", **gone)
    both("TLS: refused by an alert", CHAT, "connect", bytes_of("\x15\x03\x03\x00\x02\x02\x28", "fin"), at="tls", **gone)
    plain = page("400 The plain HTTP request was sent to HTTPS port")
    both("TLS: answered in HTTP", CHAT, "connect", answer(400, plain, HTML, "fin"), at="tls", **gone)
    both("TLS: closed", RESPONSES, "connect", bytes_of("", "fin"), at="tls", **gone)
    both("TLS: reset", MESSAGES, "connect", bytes_of("", "rst"), at="tls", **gone)
    both("TLS: silence", CHAT, "connect", bytes_of("", "silent"), at="tls", timeouts={"connect": 80}, **gone)
    case("stable cannot be reached", CHAT, "connect", [], at="refused", arm="stable", **gone)
    case("stable cannot be reached, and the canary answers", CHAT, "connect", [], at="refused", arm="stable", other=ACCEPTS)


def resets():
    gone = dict(gets="serin", status=502, error="reset")
    for name, sends, end in [
        ("closed before an answer", "", "fin"),
        ("reset before an answer", "", "rst"),
        ("closed within the status line", "HTTP/1.1 20", "fin"),
        ("closed within the head", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n", "fin"),
        ("reset within the head", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n", "rst"),
        ("something else than HTTP", "SSH-2.0-OpenSSH_9.6\r\n", "silent"),
        ("HTTP/2 where HTTP/1.1 was spoken", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", "silent"),
        ("a length and chunks", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "keep"),
        ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", "keep"),
        ("a length that is no number", "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n{}", "keep"),
        ("closed behind an interim answer", "HTTP/1.1 100 Continue\r\n\r\n", "fin"),
    ]:
        both(name, CHAT, "reset", bytes_of(sends, end), **gone)
    both("closed before an answer", MESSAGES, "reset", bytes_of("", "fin"), **gone)
    case("closed before an answer", EMBEDDINGS, "reset", bytes_of("", "fin"), **gone)
    case("stable closes before an answer", CHAT, "reset", bytes_of("", "fin"), arm="stable", keys=0, **gone)
    case("it closes, and stable is overloaded", CHAT, "reset", bytes_of("", "fin"), other=BUSY, **gone)
    case("it switches to a protocol that nobody asked for", CHAT, "reset",
         bytes_of("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "silent"), **gone)


def timeouts():
    gone = dict(gets="serin", status=504, error="timeout")
    silence = bytes_of("", "silent")
    both("silence", CHAT, "timeout", silence, timeouts={"headers": 80}, **gone)
    both("silence where a stream was asked for", CHAT, "timeout", silence, asks_stream=True, timeouts={"stream_headers": 80}, **gone)
    both("silence", MESSAGES, "timeout", silence, timeouts={"headers": 80}, **gone)
    case("silence behind an interim answer", CHAT, "timeout", bytes_of("HTTP/1.1 100 Continue\r\n\r\n", "silent"),
         timeouts={"headers": 80}, **gone)
    case("silence", EMBEDDINGS, "timeout", silence, timeouts={"headers": 80}, **gone)
    case("no patience with a streamed canary", CHAT, "timeout", silence, asks_stream=True, give_up_after=80, other=ACCEPTS)
    case("no patience with a streamed canary that sent its head", CHAT, "timeout", stream([], "silent", "cut"), give_up_after=80,
         other=ACCEPTS)
    first = {"first_output": 80}
    case("a stream of nothing", CHAT, "timeout", stream([], "silent", "cut"), timeouts=first, gets="error_event")
    case("a stream of nothing, and stable answers", CHAT, "timeout", stream([], "silent", "cut"), timeouts=first, other=ACCEPTS)
    case("a role and silence", CHAT, "timeout", stream([ROLE], "silent", "cut"), timeouts=first, gets="error_event")
    case("a role and silence, and stable answers", CHAT, "timeout", stream([ROLE], "silent", "cut"), timeouts=first, other=ACCEPTS)
    waits = stream([": OPENROUTER PROCESSING\n\n"] * 3, "silent", "cut")
    case("OpenRouter: comments and silence", CHAT, "timeout", waits, timeouts=first, other=ACCEPTS)
    case("created and silence", RESPONSES, "timeout", stream(begun(), "silent", "cut"), timeouts=first, other=ACCEPTS)
    case("created and silence, alone", RESPONSES, "timeout", stream(begun(), "silent", "cut"), timeouts=first, gets="error_event")
    case("message_start, ping and silence", MESSAGES, "timeout", stream([START, PING], "silent", "cut"), timeouts=first, other=ACCEPTS)
    case("message_start, ping and silence, alone", MESSAGES, "timeout", stream([START, PING], "silent", "cut"), timeouts=first,
         gets="error_event")
    both("a head and silence", CHAT, "timeout", answer(200, "", end="silent", announced=100), timeouts=first, **gone)
    case("a head and silence", SPEECH, "timeout", answer(200, b"", "audio/mpeg", "silent", announced=100), timeouts=first,
         gets="abort")
    both("OpenAI: 408", CHAT, "timeout", answer(408, openai("Request timed out.", "timeout", "request_timeout")), status=408, breaker="not")
    both("OpenRouter: 408", CHAT, "timeout", answer(408, {"error": {"code": 408, "message": "Your request timed out"}}), status=408, breaker="not")


def server_errors():
    def fails(name, endpoint, status, body, **more):
        both(name, endpoint, "server_error", answer(status, body, **more), status=status)

    busy = openai("The server is currently overloaded with other requests. Sorry about that!", "server_error")
    fails("OpenAI: 500", CHAT, 500, openai("The server had an error while processing your request. Sorry about that!", "server_error"))
    fails("OpenAI: 503", CHAT, 503, busy, retry_after="5")
    fails("OpenAI: 500", RESPONSES, 500, openai("An error occurred while processing your request.", "server_error", "server_error"))
    case("OpenAI: 500", EMBEDDINGS, "server_error", answer(500, busy), status=500)
    fails("Azure: 500", CHAT, 500, {"error": {"code": "InternalServerError", "message": "Backend returned unexpected response."}})
    fails("Azure: 503 of its gateway", CHAT, 503, {"statusCode": 503, "message": "Service unavailable"})
    fails("Anthropic: 529", MESSAGES, 529, anthropic("overloaded_error", "Overloaded"), x_should_retry="true")
    fails("Anthropic: 500", MESSAGES, 500, anthropic("api_error", "Internal server error"))
    fails("Anthropic: 504", MESSAGES, 504, anthropic("timeout_error", "Request timed out"))
    fails("vLLM: 500", CHAT, 500, {"object": "error", "message": "Internal Server Error", "type": "InternalServerError", "code": 500})
    fails("FastAPI: 500", CHAT, 500, "Internal Server Error", kind="text/plain; charset=utf-8")
    fails("FastAPI: 503", COMPLETIONS, 503, {"detail": "Model is still loading"})
    fails("Ollama: 500", CHAT, 500, openai("model runner has unexpectedly stopped", "api_error"))
    fails("OpenRouter: 502", CHAT, 502, {"error": {"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "X"}}})
    fails("Groq: 503", CHAT, 503, {"error": {"message": "llama3-70b-8192 is currently over capacity.", "type": "internal_server_error"}})
    fails("DeepSeek: 503", CHAT, 503, openai("Service is too busy. We advise users to temporarily switch.", "service_unavailable_error"))
    fails("nginx: 500", CHAT, 500, page("500 Internal Server Error"), kind="text/html")
    fails("nginx: 502", CHAT, 502, page("502 Bad Gateway"), kind="text/html")
    fails("Cloudflare: 524", CHAT, 524, page("api.example.com | 524: A timeout occurred", "cloudflare"), kind=HTML)
    fails("a plain 504", CHAT, 504, "upstream request timeout", kind="text/plain")
    case("nginx: a page of more than is held", CHAT, "server_error", answer(502, page("502") + "<!-- padding -->\r\n" * 3700, "text/html"),
         status=502)
    fails("Gemini: a list of one", CHAT, 503, [{"error": {"code": 503, "message": "The model is overloaded. Please try again later.",
          "status": "UNAVAILABLE"}}])
    fails("nothing but a status", CHAT, 500, "", kind=None)
    fails("501", CHAT, 501, openai("Not implemented"))
    fails("500, in gzip", CHAT, 500, gzip.compress(raw(busy), mtime=0), content_encoding="gzip")
    case("500, cut", CHAT, "server_error", answer(500, "{\"error\":", end="fin", announced=200), other=ACCEPTS)
    case("500, and silence in its body", CHAT, "server_error", answer(500, "{\"error\":", end="silent", announced=200), other=ACCEPTS,
         timeouts={"idle": 80})
    case("stable's own 500", CHAT, "server_error", answer(500, busy), status=500, arm="stable", keys=0)
    case("stable's own 500, and the canary answers", CHAT, "server_error", answer(500, busy), arm="stable", keys=0, other=ACCEPTS)
    case("503, and stable too", CHAT, "server_error", answer(503, busy), status=503, other=BUSY)


def stream_errors():
    late = dict(next="deliver")
    failed = openai("The server had an error processing your request.", "server_error")

    def early(name, endpoint, answers, **more):
        both(name, endpoint, "stream_error", answers, **more)

    early("an error before output", CHAT, stream([ROLE, data(failed), DONE]))
    early("an error first of all", CHAT, stream([data(failed)]))
    early("an error by its event's name", CHAT, stream([ROLE, data({"message": "overloaded"}, "error")]))
    early("vLLM: an error as its chunk", CHAT, stream([ROLE, data({"object": "error", "message": "boom", "type": "X", "code": 400}), DONE]))
    early("vLLM: an error, newer", CHAT, stream([data({"error": {"message": "boom", "type": "InternalServerError", "code": 500}}), DONE]))
    early("Groq: an error of its own", CHAT, stream([delta("", role="assistant", x_groq={"id": "r", "error": "over capacity"}),
          delta(finish="stop"), DONE]))
    early("OpenRouter: an error beside choices", CHAT, stream([": OPENROUTER PROCESSING\n\n", delta("", "error", error={
          "code": "server_error", "message": "Provider disconnected"}), DONE]))
    early("OpenRouter: 200 and an error", CHAT, answer(200, {"error": {"code": 502, "message": "Upstream error from X"}, "user_id": "u"}))
    early("OpenRouter: 200 and an error in its choice", CHAT, answer(200, chat(choices=[{"index": 0, "finish_reason": "error",
          "message": {"role": "assistant", "content": ""}, "error": {"code": 502, "message": "Upstream error"}}])))
    early("Ollama: 200 and an error as a text", CHAT, answer(200, {"error": "model runner has unexpectedly stopped"}))
    early("vLLM: 200 and an error", CHAT, answer(200, {"object": "error", "message": "boom", "type": "BadRequestError", "code": 400}))
    early("OpenRouter: its reason is an error", CHAT, stream([ROLE, delta("", "error"), DONE]))
    early("OpenRouter: the reason of its own provider is one", CHAT, answer(200, chat(choices=[{"index": 0, "finish_reason": "stop",
          "native_finish_reason": "upstream_error", "message": {"role": "assistant", "content": "par"}}])))
    early("one answer whose reason is an error, without text", CHAT, answer(200, chat("", "error")))
    early("one answer whose reason is an error, with text", CHAT, answer(200, chat("par", "error")))
    early("one answer in chunks whose reason is an error", CHAT, answer(200, chat("par", "error"), framing="chunked"))
    early("one answer whose reason is an error", COMPLETIONS, answer(200, completion("par", "error")))
    early("DeepSeek: no resources", CHAT, stream([ROLE, delta("", "insufficient_system_resource"), DONE]))
    early("a response that was cancelled", RESPONSES, answer(200, response("cancelled", [])))
    llama = "error: {\"code\":500,\"message\":\"the request exceeds the available context size\",\"type\":\"server_error\"}\n\n"
    early("llama.cpp: a field of its own", CHAT, stream([llama]))
    early("llama.cpp: a field of its own, called JSON", CHAT, stream([llama], kind="application/json"), asks_stream=True)
    early("an error called JSON, behind the role", CHAT, stream([ROLE, data(failed)], kind="application/json"), asks_stream=True)
    early("an error called a text, behind the role", CHAT, stream([ROLE, data(failed)], kind="text/plain"), asks_stream=True)
    early("an error whose blank line is missing", CHAT, stream([ROLE, data(failed).rstrip("\n")]))
    early("200 and an error, where a stream was asked for", CHAT, answer(200, failed), asks_stream=True)
    early("200 and an error, called a stream", CHAT, answer(200, failed, "text/event-stream"), asks_stream=True)
    early("200 and an error in gzip", CHAT, answer(200, gzip.compress(raw(failed), mtime=0), content_encoding="gzip"))
    for name, other in [("", None), (", and stable could answer", ACCEPTS)]:
        case("a reason within the text that is an error" + name, CHAT, "stream_error", stream([ROLE, delta("Hel"), delta("", "error"), DONE]),
             other=other, **late)
        case("llama.cpp: a field of its own within the text" + name, CHAT, "stream_error", stream([ROLE, delta("Hel"), llama]), other=other,
             **late)
        case("an error within the text" + name, CHAT, "stream_error", stream([ROLE, delta("Hel"), data(failed), DONE]), other=other, **late)
        case("an error within the text, and the end of the connection" + name, CHAT, "stream_error",
             stream([ROLE, delta("Hel"), data(failed)], framing="cut", end="fin"), other=other, **late)
        case("Anthropic: overloaded within the text" + name, MESSAGES, "stream_error", stream([START, PING, TEXT_START, TEXT,
             data({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")]), other=other, **late)
        case("failed within the text" + name, RESPONSES, "stream_error", stream([*begun(), *RESPONSE_TEXT, event("response.failed", 5,
             response=response("failed", [], error={"code": "server_error", "message": "boom"}))]), other=other, **late)
    case("the client leaves behind the error within the text", CHAT, "stream_error", stream([ROLE, delta("Hel"), data(failed)], "silent",
         "cut"), gets="nothing", breaks_off={"by": "client", "after": "server_error"})
    early("created, then failed", RESPONSES, stream([*begun(), event("response.failed", 2, response=response(
          "failed", [], error={"code": "rate_limit_exceeded", "message": "Rate limit reached for gpt-4o"}))]))
    early("created, then insufficient_quota", RESPONSES, stream([*begun(), event("error", 2, code="insufficient_quota",
          message="You exceeded your current quota, please check your plan and billing details.", param=None)]))
    early("one answer that failed", RESPONSES, answer(200, response("failed", [], error={"code": "server_error", "message": "boom"})))
    early("Anthropic: overloaded behind message_start", MESSAGES, stream([START, PING, data(
          {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")]))
    early("Anthropic: 200 and an error", MESSAGES, answer(200, anthropic("api_error", "Internal server error")))
    case("200 and an error", EMBEDDINGS, "stream_error", answer(200, failed))
    early("an error instead of a text", COMPLETIONS, stream([data(failed)]))


def truncations():
    gone = dict(gets="serin", status=502, error="truncated")
    late = dict(next="deliver", gets="error_event")
    part = [ROLE, delta("Hel")]
    for end, how in [("fin", "closed"), ("rst", "reset")]:
        case(f"{how} within the text", CHAT, "truncated", stream(part, end, "cut"), **late)
        case(f"{how} within the text, and stable could answer", CHAT, "truncated", stream(part, end, "cut"), other=ACCEPTS, **late)
        case(f"{how} behind the role", CHAT, "truncated", stream([ROLE], end, "cut"), other=ACCEPTS)
        case(f"{how} within an event", CHAT, "truncated", stream([*part, delta("lo")[:30]], end, "cut"), **late)
        case(f"{how} within the text", MESSAGES, "truncated", stream(GOOD_MESSAGE[:4], end, "cut"), **late)
        case(f"{how} within the text", RESPONSES, "truncated", stream(GOOD_RESPONSE[:5], end, "cut"), **late)
    case("a clean end within the text", CHAT, "truncated", stream(part), **late)
    case("a clean end within the text, and stable could answer", CHAT, "truncated", stream(part), other=ACCEPTS, **late)
    case("a clean end behind the role", CHAT, "truncated", stream([ROLE]), other=ACCEPTS)
    case("a clean end of nothing", CHAT, "truncated", stream([]), other=ACCEPTS)
    case("a clean end before message_stop", MESSAGES, "truncated", stream(GOOD_MESSAGE[:-1]), **late)
    case("a clean end behind message_start", MESSAGES, "truncated", stream(GOOD_MESSAGE[:2]), other=ACCEPTS)
    case("a clean end before the terminal", RESPONSES, "truncated", stream(GOOD_RESPONSE[:-1]), **late)
    case("a clean end behind created", RESPONSES, "truncated", stream(begun()), other=ACCEPTS)
    case("a clean end within the text", COMPLETIONS, "truncated", stream([completion_chunk("Hel")]), **late)
    case("one of two choices ended", CHAT, "truncated", stream([delta("a"), delta("b", index=1), delta(finish="stop")]), **late)
    case("no [DONE] where it is required", CHAT, "truncated", stream(GOOD_CHAT[:-1]), done_marker="required", **late)
    case("reset behind the reason, and no [DONE]", CHAT, "truncated", stream(GOOD_CHAT[:-1], "rst", "cut"), **late)
    case("a stream called JSON ends within the text", CHAT, "truncated", stream(part, kind="application/json"), asks_stream=True, **late)
    case("a stream called a text is reset within the text", CHAT, "truncated", stream(part, "rst", "cut", kind="text/plain"), asks_stream=True,
         **late)
    case("a stream called JSON ends behind the role", CHAT, "truncated", stream([ROLE], kind="application/json"), asks_stream=True,
         other=ACCEPTS)
    case("reset where only the last blank line is missing", CHAT, "truncated", stream([*GOOD_CHAT[:-2], GOOD_CHAT[-2].rstrip("\n")], "rst",
         "cut"), **late)
    case("the last event is no whole JSON", CHAT, "truncated", stream([*part, delta("lo")[:30]]), **late)
    case("assembled before it goes out", CHAT, "truncated", stream(part, "fin", "cut"), stream_mode="buffered", other=ACCEPTS)
    whole = text(chat("Hello there, and a little more"))
    both("one answer shorter than announced", CHAT, "truncated", answer(200, whole[:90], end="fin", announced=len(whole)), **gone)
    both("one answer shorter than announced, reset", CHAT, "truncated", answer(200, whole[:90], end="rst", announced=len(whole)), **gone)
    both("one answer in chunks that end in its middle", CHAT, "truncated", answer(200, whole[:90], framing="chunked"), **gone)
    both("one answer of announced length, cut before", CHAT, "truncated", answer(200, whole[:90]), **gone)
    both("one answer in chunks without their end", CHAT, "truncated", answer(200, whole[:90], framing="cut", end="fin"), **gone)
    both("one answer whose connection ends in its middle", CHAT, "truncated", answer(200, whole[:90], framing="close", end="fin"), **gone)
    both("Anthropic: one answer, cut", MESSAGES, "truncated", answer(200, text(message())[:90], framing="chunked"), **gone)
    both("one answer, cut", RESPONSES, "truncated", answer(200, text(response())[:90], framing="chunked"), **gone)
    case("vectors, cut", EMBEDDINGS, "truncated", answer(200, text(VECTORS)[:40], end="fin", announced=200),
         gets="serin", status=502, error="truncated")
    zipped = gzip.compress(raw(chat()), mtime=0)
    both("one answer in gzip, cut", CHAT, "truncated", answer(200, zipped[:60], content_encoding="gzip", end="fin", announced=len(zipped)),
         **gone)
    flat = gzip.compress("".join(GOOD_CHAT).encode(), 0, mtime=0)
    case("a stream in gzip, cut", CHAT, "truncated", stream([flat[:600]], "fin", "cut", content_encoding="gzip"), next="deliver", gets="abort")
    case("a stream of announced length, cut", CHAT, "truncated", answer(200, "".join(part), "text/event-stream", "fin", announced=5000),
         next="deliver", gets="abort")
    case("speech, cut", SPEECH, "truncated", answer(200, b"ID3" * 50, "audio/mpeg", "fin", announced=5000), gets="abort")
    case("speech, cut, and stable could answer", SPEECH, "truncated", answer(200, b"ID3" * 50, "audio/mpeg", "fin", announced=5000),
         other=ACCEPTS, next="deliver", gets="abort")


def stalls():
    idle = dict(timeouts={"idle": 80})
    late = dict(next="deliver", gets="error_event", **idle)
    part = [ROLE, delta("Hel")]
    case("silence within the text", CHAT, "stalled", stream(part, "silent", "cut"), **late)
    case("silence within the text, and stable could answer", CHAT, "stalled", stream(part, "silent", "cut"), other=ACCEPTS, **late)
    case("silence within an event", CHAT, "stalled", stream([*part, delta("lo")[:30]], "silent", "cut"), **late)
    case("silence behind the reason, and no [DONE]", CHAT, "stalled", stream(GOOD_CHAT[:-1], "silent", "cut"), **late)
    case("silence within the text", MESSAGES, "stalled", stream(GOOD_MESSAGE[:4], "silent", "cut"), **late)
    case("silence within the text", RESPONSES, "stalled", stream(GOOD_RESPONSE[:5], "silent", "cut"), **late)
    case("silence within the text", COMPLETIONS, "stalled", stream([completion_chunk("Hel")], "silent", "cut"), **late)
    half = answer(200, text(chat())[:90], end="silent", announced=400)
    case("silence within one answer", CHAT, "stalled", half, gets="serin", status=504, error="stalled", **idle)
    case("silence within one answer, and stable answers", CHAT, "stalled", half, other=ACCEPTS, **idle)
    case("silence within one answer in chunks", MESSAGES, "stalled", answer(200, text(message())[:90], framing="cut", end="silent"),
         other=ACCEPTS, **idle)
    case("assembled before it goes out", CHAT, "stalled", stream(part, "silent", "cut"), stream_mode="buffered", other=ACCEPTS, **idle)
    case("silence within speech", SPEECH, "stalled", answer(200, b"ID3" * 50, "audio/mpeg", "silent", announced=5000), gets="abort", **idle)
    case("silence within vectors", EMBEDDINGS, "stalled", answer(200, text(VECTORS)[:40], end="silent", announced=200),
         gets="serin", status=504, error="stalled", **idle)
    flat = gzip.compress("".join(GOOD_CHAT).encode(), 0, mtime=0)
    case("silence within a stream in gzip", CHAT, "stalled", stream([flat[:600]], "silent", "cut", content_encoding="gzip"),
         next="deliver", gets="abort", **idle)


THROTTLED = [
    ("OpenAI: 429", CHAT, openai("Rate limit reached for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Used 29500, "
     "Requested 1200. Please try again in 1.4s.", "tokens", "rate_limit_exceeded"), {"retry_after": "20"}),
    ("OpenAI: 429 without retry-after", RESPONSES, openai("Rate limit reached for gpt-4o", "requests", "rate_limit_exceeded"), {}),
    ("Azure: 429", CHAT, {"error": {"code": "429", "message": "Requests to the ChatCompletions_Create Operation under Azure OpenAI API "
     "version 2024-06-01 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds."}},
     {"retry_after": "26", "retry_after_ms": "26000"}),
    ("Anthropic: 429 without retry-after", MESSAGES, anthropic("rate_limit_error",
     "This request would exceed your account's rate limit. Please try again later."), {}),
    ("Anthropic: 429", MESSAGES, anthropic("rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit"),
     {"retry_after": "41", "anthropic_ratelimit_tokens_remaining": "0"}),
    ("Groq: 429", CHAT, openai("Rate limit reached for model `llama3-70b-8192` on tokens per minute (TPM). Please try again in 7.66s.",
     "tokens", "rate_limit_exceeded"), {"retry_after": "8"}),
    ("DeepSeek: 429", CHAT, openai("Rate limit reached", "rate_limit_error", "rate_limit_exceeded"), {}),
    ("OpenRouter: 429", CHAT, {"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": "x is temporarily "
     "rate-limited upstream", "provider_name": "X"}}}, {}),
    ("vLLM behind nginx: 429", CHAT, page("429 Too Many Requests"), {"kind": "text/html"}),
    ("nothing but a status: 429", CHAT, "", {"kind": None}),
    ("FastAPI: 429", CHAT, {"detail": "Too many concurrent requests"}, {}),
]


def throttles():
    for name, endpoint, body, headers in THROTTLED:
        both(name, endpoint, "throttled", answer(429, body, **headers), status=429)
    limited = answer(429, THROTTLED[0][2], retry_after="20")
    case("it says nothing about the canary, by setting", CHAT, "throttled", limited, throttled=False, status=429)
    case("it says nothing about the canary, by setting, and stable answers", CHAT, "throttled", limited, throttled=False, other=ACCEPTS)
    case("the next key is good", CHAT, "throttled", [limited, answer(200, chat())], keys=2, attempts=["throttled", "ok"], next="next_key")
    case("the next key is throttled too", CHAT, "throttled", limited, keys=2, attempts=["throttled"] * 2, next="next_key", status=429)
    case("the next key is throttled too, and stable answers", CHAT, "throttled", limited, keys=2, attempts=["throttled"] * 2,
         next="next_key", other=ACCEPTS, gets="other")
    soon = answer(429, THROTTLED[0][2], retry_after_ms="30")
    case("the last candidate asks for a little time", CHAT, "throttled", [soon, answer(200, chat())], attempts=["throttled", "ok"],
         next="again")
    case("the last candidate asks for a little time twice", CHAT, "throttled", soon, attempts=["throttled"] * 2, next="again", status=429)
    case("it asks for a little time, and stable answers", CHAT, "throttled", soon, other=ACCEPTS)
    case("the last candidate asks for too much time", CHAT, "throttled", answer(429, THROTTLED[0][2], retry_after="3"), status=429)
    case("stable throttles the client's own key", CHAT, "throttled", limited, arm="stable", keys=0, status=429)
    case("stable says that the client's own account is used up", CHAT, "throttled", answer(429, QUOTA[0][3]), arm="stable", keys=0,
         status=429)
    case("the last candidate names a date", CHAT, "throttled", answer(429, THROTTLED[0][2], retry_after="Fri, 01 Jan 2038 00:00:00 GMT"),
         status=429)
    case("vectors", EMBEDDINGS, "throttled", limited, status=429)


QUOTA = [
    ("OpenAI: 429 insufficient_quota", CHAT, 429, openai("You exceeded your current quota, please check your plan and billing details.",
     "insufficient_quota", "insufficient_quota")),
    ("OpenAI: a hard limit", IMAGES, 400, openai("Billing hard limit has been reached", "image_generation_user_error",
     "billing_hard_limit_reached")),
    ("DeepSeek: 402", CHAT, 402, openai("Insufficient Balance", "unknown_error", "invalid_request_error")),
    ("OpenRouter: 402", CHAT, 402, {"error": {"code": 402, "message": "This request requires more credits, or fewer max_tokens."}}),
    ("Anthropic: the balance is too low", MESSAGES, 400, anthropic("invalid_request_error",
     "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.")),
    ("Anthropic: the cap of a workspace", MESSAGES, 400, anthropic("invalid_request_error",
     "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.")),
    ("Anthropic: a cap on spending", MESSAGES, 429, anthropic("rate_limit_error",
     "This request would exceed your account's monthly spend limit. Please try again later.")),
    ("Anthropic: 402", MESSAGES, 402, anthropic("billing_error", "There's an issue with your billing or payment information.")),
    ("Moonshot: 429", CHAT, 429, {"error": {"message": "Your account org-1 is suspended, please check your plan and billing details",
     "type": "exceeded_current_quota_error"}}),
    ("a reseller: 403", CHAT, 403, {"error": {"message": "user quota is not enough", "type": "new_api_error", "param": "",
     "code": "insufficient_user_quota"}}),
    ("xAI: 403", CHAT, 403, {"code": "The caller does not have permission to execute the specified operation",
     "error": "Your team has either used all available credits or reached its monthly spending limit."}),
    ("nothing but a status: 402", CHAT, 402, ""),
]


def quotas():
    for name, endpoint, status, body in QUOTA:
        both(name, endpoint, "quota", answer(status, body), status=status)
    _, _, _, empty = QUOTA[0]
    case("the next key is good", CHAT, "quota", [answer(429, empty), answer(200, chat())], keys=2, attempts=["quota", "ok"],
         next="next_key")
    case("the next key is used up too", CHAT, "quota", answer(429, empty), keys=2, attempts=["quota"] * 2, next="next_key", status=429)
    case("retry-after changes nothing", CHAT, "quota", answer(429, empty, retry_after_ms="20"), status=429)
    case("by setting, 429 is not judged, and this is", CHAT, "quota", answer(429, empty), throttled=False, status=429)
    case("stable's, by a key of Serin's", CHAT, "quota", answer(402, QUOTA[2][3]), arm="stable", status=402)


AUTH = [
    ("OpenAI: 401", CHAT, 401, openai("Incorrect API key provided: sk-abc. You can find your API key at https://platform.openai.com.",
     code="invalid_api_key")),
    ("OpenAI: 403, a country", CHAT, 403, openai("Country, region, or territory not supported", "request_forbidden",
     "unsupported_country_region_territory")),
    ("Azure: 401", CHAT, 401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}}),
    ("Azure: 401 of its gateway", CHAT, 401, {"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, or expired."}),
    ("Anthropic: 401", MESSAGES, 401, anthropic("authentication_error", "invalid x-api-key")),
    ("Anthropic: 403", MESSAGES, 403, anthropic("permission_error", "Your API key does not have permission to use the specified resource.")),
    ("vLLM: 401", CHAT, 401, {"error": "Unauthorized"}),
    ("FastAPI: 403", CHAT, 403, {"detail": "Not authenticated"}),
    ("Groq: 401", CHAT, 401, openai("Invalid API Key", code="invalid_api_key")),
    ("DeepSeek: 401", CHAT, 401, openai("Authentication Fails, Your api key is invalid", "authentication_error", "invalid_request_error")),
    ("OpenRouter: 401", CHAT, 401, {"error": {"message": "No auth credentials found", "code": 401}}),
    ("Cloudflare: 403", CHAT, 403, page("Attention Required! | Cloudflare", "cloudflare")),
]


def auths():
    for name, endpoint, status, body in AUTH:
        kind = HTML if isinstance(body, str) else "application/json"
        both(name, endpoint, "auth", answer(status, body, kind), status=status)
    wrong = answer(401, AUTH[0][3])
    case("the next key is good", CHAT, "auth", [wrong, answer(200, chat())], keys=2, attempts=["auth", "ok"], next="next_key")
    case("the next key is wrong too", CHAT, "auth", wrong, keys=2, attempts=["auth"] * 2, next="next_key", status=401)
    case("the canary has no key, and the client's does not reach it", CHAT, "auth", wrong, keys=0, other=ACCEPTS)
    case("stable's, by a key of Serin's", CHAT, "auth", wrong, arm="stable", status=401)


UNSUPPORTED = [
    ("OpenAI: a parameter", CHAT, 400, openai("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
     "'max_completion_tokens' instead.", code="unsupported_parameter", param="max_tokens")),
    ("OpenAI: a value", CHAT, 400, openai("Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) "
     "value is supported.", code="unsupported_value", param="temperature")),
    ("OpenAI: the model", CHAT, 404, openai("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found")),
    ("OpenAI: too long", CHAT, 400, openai("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 "
     "tokens.", code="context_length_exceeded", param="messages")),
    ("OpenAI: too long", RESPONSES, 400, openai("Your input exceeds the context window of this model.", code="context_length_exceeded",
     param="input")),
    ("OpenAI: an answer that it does not know", RESPONSES, 400, openai("Previous response with id 'resp_9' not found.",
     code="previous_response_not_found", param="previous_response_id")),
    ("Azure: the deployment", CHAT, 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does "
     "not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}),
    ("Azure: the route", CHAT, 404, {"error": {"code": "404", "message": "Resource not found"}}),
    ("Anthropic: a parameter", MESSAGES, 400, anthropic("invalid_request_error", "logit_bias: Extra inputs are not permitted")),
    ("Anthropic: too long", MESSAGES, 400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")),
    ("Anthropic: the model", MESSAGES, 404, anthropic("not_found_error", "model: claude-9")),
    ("Anthropic: too large", MESSAGES, 413, anthropic("request_too_large", "Request exceeds the maximum size")),
    ("Anthropic: a signature of another provider", MESSAGES, 400, anthropic("invalid_request_error",
     "messages.1.content.0: Invalid `signature` in `thinking` block")),
    ("vLLM: a field", CHAT, 400, {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'prompt_cache_key'), 'msg': "
     "'Extra inputs are not permitted', 'input': 'k'}]", "type": "BadRequestError", "param": None, "code": 400}),
    ("vLLM: the model", CHAT, 404, {"object": "error", "message": "The model `gpt-4` does not exist.", "type": "NotFoundError",
     "param": None, "code": 404}),
    ("FastAPI: 422", CHAT, 422, {"detail": [{"type": "missing", "loc": ["body", "messages", 0, "name"], "msg": "Field required",
     "input": {}}]}),
    ("FastAPI: no such route", RESPONSES, 404, {"detail": "Not Found"}),
    ("Ollama: the model", CHAT, 404, {"error": {"message": "model \"gpt-4\" not found, try pulling it first", "type": "api_error",
     "param": None, "code": None}}),
    ("Groq: a property", CHAT, 400, openai("property 'prompt_cache_key' is unsupported, did you mean 'prompt'?")),
    ("Groq: too large for a minute", CHAT, 413, openai("Request too large for model `llama3-70b-8192` on tokens per minute (TPM): Limit "
     "6000, Requested 9000", "tokens", "rate_limit_exceeded")),
    ("DeepSeek: 422", CHAT, 422, "Failed to deserialize the JSON body into the target type: messages[0]: unknown variant `image_url`"),
    ("OpenRouter: the model", CHAT, 400, {"error": {"message": "gpt-9 is not a valid model ID", "code": 400}}),
    ("Gemini: a list of one", CHAT, 400, [{"error": {"code": 400, "message": "Invalid JSON payload received. Unknown name "
     "\"logit_bias\": Cannot find field.", "status": "INVALID_ARGUMENT"}}]),
    ("nginx: no such route", CHAT, 404, page("404 Not Found")),
    ("nginx: too large", CHAT, 413, page("413 Request Entity Too Large")),
    ("405", RESPONSES, 405, page("405 Not Allowed")),
    ("415", CHAT, 415, openai("Unsupported media type")),
    ("nothing but a status: 404", CHAT, 404, ""),
]


def kind_of(body):
    return HTML if isinstance(body, str) and body.startswith("<") else "application/json"


def refusals():
    for name, endpoint, status, body in UNSUPPORTED:
        refused = answer(status, body, kind_of(body))
        case(name, endpoint, "unsupported", refused, other=ACCEPTS, next="ask_stable")
        case(f"{name}, and stable refuses too", endpoint, "client_error", refused, other=REFUSES, next="ask_stable", status=status)
    _, _, _, body = UNSUPPORTED[0]
    refused = answer(400, body)
    case("a parameter, where a stream was asked for", CHAT, "unsupported", refused, other=ACCEPTS, next="ask_stable", asks_stream=True)
    case("a parameter, and its answer is cut", CHAT, "unsupported", answer(400, body, end="fin", announced=900), other=ACCEPTS,
         next="ask_stable")
    case("a parameter, and both keys would be good", CHAT, "unsupported", refused, keys=2, other=ACCEPTS, next="ask_stable")
    case("a lock: 409", CHAT, "client_error", answer(409, openai("The resource is locked by another request.", "conflict_error")),
         other=ACCEPTS, next="deliver", status=409)
    case("nobody may be asked", CHAT, "client_error", refused, status=400)
    case("stable is not to be asked, by setting", CHAT, "client_error", refused, other=ACCEPTS, next="deliver", fallback_4xx=False,
         status=400)
    case("stable is overloaded", CHAT, "client_error", refused, other=BUSY, next="ask_stable", status=400)
    case("stable closes", CHAT, "client_error", refused, other=CLOSES, next="ask_stable", status=400)
    case("stable's own refusal", CHAT, "client_error", refused, arm="stable", keys=0, other=ACCEPTS, next="deliver", status=400)
    case("vectors of another model", EMBEDDINGS, "client_error", answer(404, UNSUPPORTED[2][3]), other=ACCEPTS, next="deliver", status=404)


FILTERED = [
    ("Azure: the prompt", CHAT, 400, openai("The response was filtered due to the prompt triggering Azure OpenAI's content management "
     "policy. Please modify your prompt and retry.", None, "content_filter", "prompt", status=400, innererror={
         "code": "ResponsibleAIPolicyViolation", "content_filter_result": {"violence": {"filtered": True, "severity": "high"}}})),
    ("OpenAI: an image", IMAGES, 400, openai("Your request was rejected as a result of our safety system.", "image_generation_user_error",
     "content_policy_violation")),
    ("OpenAI: an image, newer", IMAGES, 400, openai("Your request was rejected by the safety system.", "image_generation_user_error",
     "moderation_blocked")),
    ("OpenAI: the prompt", RESPONSES, 400, openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
     code="invalid_prompt")),
    ("Anthropic: the output", MESSAGES, 400, anthropic("invalid_request_error", "Output blocked by content filtering policy")),
    ("DeepSeek: Content Exists Risk", CHAT, 400, openai("Content Exists Risk", code="invalid_request_error")),
    ("OpenRouter: 403", CHAT, 403, {"error": {"code": 403, "message": "anthropic/claude requires moderation on Together. Your input was "
     "flagged for \"violence\". No credits were charged.", "metadata": {"reasons": ["violence"], "flagged_input": "how to", "provider_name":
     "Together", "model_slug": "anthropic/claude"}}}),
    ("Alibaba: the input", CHAT, 400, openai("Input data may contain inappropriate content.", None, "data_inspection_failed")),
    ("Moonshot: high risk", CHAT, 400, {"error": {"message": "The request was rejected because it was considered high risk",
     "type": "content_filter"}}),
]


def clients_errors():
    for name, endpoint, status, body in FILTERED:
        refused = answer(status, body)
        case(f"a filter. {name}", endpoint, "client_error", refused, status=status)
        case(f"a filter, and nobody is asked instead. {name}", endpoint, "client_error", refused, other=ACCEPTS, next="deliver",
             status=status)
        case(f"a filter, and no other key is tried. {name}", endpoint, "client_error", refused, keys=2, status=status)
    for name, endpoint, status, body in AUTH:
        kind = HTML if isinstance(body, str) else "application/json"
        case(f"the client's own key. {name}", endpoint, "client_error", answer(status, body, kind), arm="stable", keys=0, status=status)
    for name, endpoint, status, body in QUOTA:
        if status != 429:
            case(f"the client's own account. {name}", endpoint, "client_error", answer(status, body), arm="stable", keys=0, status=status)
    case("the client's own key, and the canary is not asked", CHAT, "client_error", answer(401, AUTH[0][3]), arm="stable", keys=0,
         other=ACCEPTS, next="deliver", status=401)


def empties():
    def empty(name, endpoint, answers, **more):
        case(name, endpoint, "empty", answers, **more)
        case(f"{name}, and stable could answer", endpoint, "empty", answers, other=ACCEPTS, next="deliver", **more)
        case(f"{name}, and it counts by setting", endpoint, "empty", answers, empty=True, **more)

    empty("no text", CHAT, answer(200, chat("")))
    empty("null for a text", CHAT, answer(200, chat(None)))
    empty("no choices", CHAT, answer(200, chat(choices=[])))
    empty("the filter left nothing", CHAT, answer(200, chat("", "content_filter")))
    empty("nothing at all", CHAT, answer(200, ""))
    empty("a stream of a role and a reason", CHAT, stream([ROLE, delta(finish="stop"), DONE]))
    empty("a stream that the filter left empty", CHAT, stream([ROLE, delta(finish="content_filter"), DONE]))
    empty("a stream of [DONE]", CHAT, stream([DONE]))
    empty("a stream of usage", CHAT, stream([usage_chunk(), DONE]))
    empty("a stream of blanks that are none", CHAT, stream([ROLE, delta(""), delta("", "stop"), DONE]))
    empty("in gzip", CHAT, answer(200, gzip.compress(raw(chat("")), mtime=0), content_encoding="gzip"))
    empty("no text", COMPLETIONS, answer(200, completion("")))
    empty("no text in a stream", COMPLETIONS, stream([completion_chunk("", "stop"), DONE]))
    empty("no output", RESPONSES, answer(200, response(output=[])))
    empty("no output in a stream", RESPONSES, stream([*begun(), event("response.completed", 2, response=response(output=[]))]))
    left = response("incomplete", [], incomplete_details={"reason": "content_filter"})
    empty("the filter left nothing", RESPONSES, answer(200, left))
    empty("a stream that the filter left empty", RESPONSES, stream([*begun(), event("response.incomplete", 2, response=left)]))
    empty("no content", MESSAGES, answer(200, message([])))
    empty("a refusal without words", MESSAGES, answer(200, message([], "refusal")))
    empty("no content in a stream", MESSAGES, stream([START, MESSAGE_DELTA, STOP]))


def departures():
    def leaves(name, endpoint, answers, after, **more):
        case(name, endpoint, "client_gone", answers, gets="nothing", next="deliver", breaks_off={"by": "client", "after": after}, **more)

    part = [ROLE, delta("Hel")]
    leaves("before an answer", CHAT, bytes_of("", "silent"), "")
    leaves("before an answer that is to be streamed", CHAT, bytes_of("", "silent"), "", asks_stream=True)
    leaves("before an answer, and stable could answer", CHAT, bytes_of("", "silent"), "", other=ACCEPTS)
    leaves("before an answer", MESSAGES, bytes_of("", "silent"), "")
    leaves("before an answer", EMBEDDINGS, bytes_of("", "silent"), "")
    leaves("while the role is held", CHAT, stream([ROLE], "silent", "cut"), "", other=ACCEPTS)
    leaves("while one answer is held", CHAT, answer(200, text(chat())[:90], end="silent", announced=400), "", other=ACCEPTS)
    leaves("while an error is held", CHAT, answer(503, "{\"error\":", end="silent", announced=400), "", other=ACCEPTS)
    leaves("within the text", CHAT, stream(part, "silent", "cut"), "Hel")
    leaves("within the text, and stable could answer", CHAT, stream(part, "silent", "cut"), "Hel", other=ACCEPTS)
    leaves("within the text", MESSAGES, stream(GOOD_MESSAGE[:4], "silent", "cut"), "text_delta")
    leaves("within the text", RESPONSES, stream(GOOD_RESPONSE[:5], "silent", "cut"), "output_text.delta")
    leaves("behind the reason, and [DONE] is to come", CHAT, stream(GOOD_CHAT[:-1], "silent", "cut"), "\"stop\"", done_marker="required")
    leaves("within speech", SPEECH, answer(200, b"ID3" * 50, "audio/mpeg", "silent", announced=5000), "ID3ID3")
    leaves("stable's answer", CHAT, stream(part, "silent", "cut"), "Hel", arm="stable", keys=0)


def own_ends():
    def cut(name, endpoint, answers, after, *, gets="abort", **more):
        case(name, endpoint, "serin_error", answers, gets=gets, next="deliver", breaks_off={"by": "serin", "after": after}, **more)

    part = [ROLE, delta("Hel")]
    none = dict(gets="serin", status=503, error="stopping")
    cut("stopped before an answer", CHAT, bytes_of("", "silent"), "", **none)
    cut("stopped before an answer, and stable could answer", CHAT, bytes_of("", "silent"), "", other=ACCEPTS, **none)
    cut("stopped before an answer", MESSAGES, bytes_of("", "silent"), "", **none)
    cut("stopped while the role is held", CHAT, stream([ROLE], "silent", "cut"), "", other=ACCEPTS, **none)
    cut("stopped while one answer is held", CHAT, answer(200, text(chat())[:90], end="silent", announced=400), "", other=ACCEPTS, **none)
    cut("stopped within the text", CHAT, stream(part, "silent", "cut"), "Hel")
    cut("stopped within the text", MESSAGES, stream(GOOD_MESSAGE[:4], "silent", "cut"), "text_delta")
    cut("stopped within speech", SPEECH, answer(200, b"ID3" * 50, "audio/mpeg", "silent", announced=5000), "ID3ID3")
    cut("stopped within stable's answer", CHAT, stream(part, "silent", "cut"), "Hel", arm="stable", keys=0)
    unusable = dict(attempts=[], at="unusable", guard="none", breaker="not")
    case("a provider that cannot be used", CHAT, "serin_error", [], gets="serin", status=503, error="unusable", **unusable)
    case("a provider that cannot be used, and stable answers", CHAT, "serin_error", [], other=ACCEPTS, **unusable)


def write():
    for fill in [oks, malformations, connects, resets, timeouts, server_errors, stream_errors, truncations, stalls, throttles, quotas, auths, refusals,
                 clients_errors, empties, departures, own_ends]:
        fill()
    for outcome in GUARD:
        cases = [each for each in CASES if each["outcome"] == outcome]
        names = [(each["endpoint"], each["name"]) for each in cases]
        assert len(set(names)) == len(names), [each for each in names if names.count(each) > 1]
        lines = ",\n".join(json.dumps(each) for each in cases)
        (HERE / f"{outcome}.json").write_text(f"[\n{lines}\n]\n")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in OTHERS.items())
    (HERE / "others.json").write_text(f"{{\n{lines}\n}}\n")


write()
