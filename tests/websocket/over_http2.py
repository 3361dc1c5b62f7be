"""A WebSocket session over HTTP/2 (RFC 8441), by the `h2` library."""

import socket

import h2.config
import h2.connection
import h2.events
import h2.settings


def session(port, path):
    """Opens a session, has a word echoed, closes it. Returns whether it may be opened, the status, and the bytes."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    sock.sendall(connection.data_to_send())
    allowed, status, data, ended = False, None, b"", False

    def receive():
        nonlocal allowed, status, data, ended
        received = sock.recv(65536)
        if not received:
            ended = True
        for event in connection.receive_data(received):
            if isinstance(event, h2.events.RemoteSettingsChanged):
                changed = event.changed_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL)
                allowed = allowed or (changed is not None and changed.new_value == 1)
            elif isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                data += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                ended = True
        sock.sendall(connection.data_to_send())

    while not allowed:
        receive()
    headers = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path),
               (":authority", "sidecar"), ("sec-websocket-version", "13")]
    connection.send_headers(1, headers)
    sock.sendall(connection.data_to_send())
    while status is None:
        receive()
    connection.send_data(1, b"\x81\x85\0\0\0\0hello")
    sock.sendall(connection.data_to_send())
    while len(data) < 7:
        receive()
    connection.send_data(1, b"\x88\x82\0\0\0\0\x03\xe8", end_stream=True)
    sock.sendall(connection.data_to_send())
    while not ended:
        receive()
    sock.close()
    return allowed, status, data
