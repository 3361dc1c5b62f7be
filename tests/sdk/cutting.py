"""A provider that breaks off its streams at any byte, or fails before them, as the model's name says.

`cut-reset-123` resets the connection after 123 bytes of the stream, `cut-clean-123` ends it there in good order,
`rescue-fault-503` fails before the stream, and any other model is served well. It runs on a thread of its own.
"""

import asyncio
import json
import re
import socket
import struct
import threading

WORDS = [f"word {number}, " for number in range(6)]
TEXT = "".join(WORDS)
PATHS = {"/v1/chat/completions": "chat", "/v1/responses": "responses", "/v1/messages": "messages"}


def _data(event):
    return f"data: {json.dumps(event)}\n\n".encode()


def _named(event):
    return b"event: " + event["type"].encode() + b"\n" + _data(event)


def _chat():
    def chunk(delta, finish=None):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]})

    events = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": word}) for word in WORDS)]
    return events, [chunk({}, "stop"), b"data: [DONE]\n\n"]


def _responses():
    begun = {
        "id": "r", "object": "response", "created_at": 0, "status": "in_progress", "error": None, "model": "m",
        "incomplete_details": None, "instructions": None, "metadata": {}, "output": [], "parallel_tool_calls": True,
        "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0, "usage": None,
    }
    place = {"item_id": "i", "output_index": 0, "content_index": 0, "logprobs": []}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    item = {"id": "i", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    told = dict(item, status="completed", content=[dict(part, text=TEXT)])
    usage = {
        "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7,
    }
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_text.delta", **place, "delta": word} for word in WORDS),
        {"type": "response.output_text.done", **place, "text": TEXT},
        {"type": "response.content_part.done", **place, "part": dict(part, text=TEXT)},
        {"type": "response.output_item.done", "output_index": 0, "item": told},
        {"type": "response.completed", "response": dict(begun, status="completed", output=[told], usage=usage)},
    ]
    *events, last = [_named(dict(event, sequence_number=number)) for number, event in enumerate(events)]
    return events, [last]


def _messages():
    message = {
        "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    events = [
        {"type": "message_start", "message": message},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
            for word in WORDS
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 6}},
    ]
    return [_named(event) for event in events], [_named({"type": "message_stop"})]


# What comes before the end, and the end: the first event of it is enough to know that all was said.
STREAMS = {"chat": _chat(), "responses": _responses(), "messages": _messages()}
WHOLE = {name: b"".join(events + end) for name, (events, end) in STREAMS.items()}
# From this byte on the answer may be taken for whole.
TOLD = {name: len(b"".join(events)) + len(end[0]) for name, (events, end) in STREAMS.items()}
ERROR = {"message": "overloaded, as it was told to be", "type": "server_error", "param": None, "code": None}
# What happens before the first output, and what is sent then, if anything.
FAULTS = ["429", "500", "503", "reset", "close", "silence", "error-event", "cut-preamble", "error-in-200", "context"]


def positions(dialect, step):
    """Where to cut: every so many bytes, around the end, and both ends."""
    told, length = TOLD[dialect], len(WHOLE[dialect])
    return sorted({*range(0, length, step), told - 1, told, length - 1, length})


class CuttingProvider:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        starting = asyncio.start_server(self._serve, sock=listener)
        self.loop.run_until_complete(starting)
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close(self):
        async def end():
            # Some wait for readers who never come.
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=5) if tasks else None
            self.loop.stop()

        asyncio.run_coroutine_threadsafe(end(), self.loop)
        self.thread.join(10)

    async def _serve(self, reader, writer):
        try:
            while await self._answer(reader, writer):
                await writer.drain()
        # Cancelled at the end: asyncio before Python 3.12 takes a cancelled handler for one that failed, and says so.
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader, writer):
        """Whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)^content-length: *(\d+)", head, re.MULTILINE)
        body = await reader.readexactly(int(length[1]) if length else 0)
        method, path, _ = head.split(" ", 2)
        if method == "GET":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            return True
        asked = json.loads(body)
        dialect = PATHS[path.split("?")[0]]
        if fault := re.search(r"-fault-(.+)$", asked["model"]):
            return await self._fail(writer, dialect, fault[1], asked.get("stream"))
        cut = re.search(r"-(reset|clean)-(\d+)$", asked["model"])
        how, at = (cut[1], int(cut[2])) if cut else ("clean", len(WHOLE[dialect]))
        self._begin(writer)
        self._chunk(writer, WHOLE[dialect][:at])
        return await self._end(writer, how)

    @staticmethod
    def _begin(writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    @staticmethod
    def _chunk(writer, data):
        if data:
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def _end(self, writer, how):
        if how == "clean":
            writer.write(b"0\r\n\r\n")
            return True
        await writer.drain()
        await self._until_it_is_read(writer)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

    @staticmethod
    async def _until_it_is_read(writer):
        """A reset throws away what the peer has not read yet; it must be known what came."""
        peer, own = (f":{writer.get_extra_info(name)[1]:04X}" for name in ("peername", "sockname"))
        for _ in range(500):
            with open("/proc/net/tcp") as table:
                rows = [row.split()[1:5] for row in table]
            queues = [row[3] for row in rows if row[0].endswith(peer) and row[1].endswith(own)]
            # The table may lack a row while others come and go: only a row that is there tells something.
            if queues and all(queue.endswith(":00000000") for queue in queues):
                return
            await asyncio.sleep(0.002)

    async def _fail(self, writer, dialect, fault, stream):
        error = {"error": ERROR}
        if dialect == "messages":
            error = {"type": "error", "error": {"type": "overloaded_error", "message": ERROR["message"]}}
        if fault == "context":
            error["error"] = dict(error["error"], type="invalid_request_error", message="prompt is too long")
            if dialect != "messages":
                error["error"].update(code="context_length_exceeded", param="messages")
        status = {"429": 429, "500": 500, "503": 503, "error-in-200": 200, "context": 400}.get(fault)
        if fault in ("error-event", "cut-preamble") and not stream:
            status = 200 if fault == "error-event" else None
        if status:
            body = json.dumps(error).encode()
            head = f"HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            return True
        if fault == "reset":
            return await self._end(writer, "reset")
        if fault == "close":
            return False
        if fault == "silence":
            await asyncio.sleep(3600)
        if not stream:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{")
            return False
        self._begin(writer)
        self._chunk(writer, STREAMS[dialect][0][0])
        if fault == "error-event":
            event = dict(ERROR, type="error", sequence_number=1) if dialect == "responses" else error
            self._chunk(writer, _data(event) if dialect == "chat" else _named(event))
        return await self._end(writer, "clean")
