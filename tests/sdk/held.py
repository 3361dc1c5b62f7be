"""A provider that sends one event and then holds the stream open until it is told to go on.

It runs in the test's own process, so that both ends of a measurement read the same clock. What it measures includes the
SDK's own parsing.
"""

import json
import queue
import socket
import threading
import time


class HeldProvider:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.go = queue.Queue()
        self.sent_at = None
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._until_closed, args=(connection,), daemon=True).start()

    def _until_closed(self, connection):
        try:
            self._serve(connection)
        except OSError:
            # The sidecar is killed at the end, and resets what is open.
            pass

    def _serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as reader:
            while line := reader.readline():
                length = 0
                post = line.startswith(b"POST")
                while (header := reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                reader.read(length)
                if not post:
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                    continue
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                while (text := self.go.get()) is not None:
                    self._event(connection, text)
                self._chunk(connection, b"data: [DONE]\n\n")
                connection.sendall(b"0\r\n\r\n")

    def _event(self, connection, text):
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        event = {"id": "held", "object": "chat.completion.chunk", "created": 0, "model": "held", "choices": [choice]}
        data = f"data: {json.dumps(event)}\n\n".encode()
        self.sent_at = time.perf_counter()
        self._chunk(connection, data)

    @staticmethod
    def _chunk(connection, data):
        connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))
