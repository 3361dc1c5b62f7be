"""A collector of traces that reads them with OpenTelemetry's own classes, and a page that strips `Accept`."""

import http.server
import threading
import urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


def serve(answer):
    """Serves on a thread of its own; its port. `answer`: a function of the handler."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            answer(self)

        do_GET = do_POST

        def log_message(self, *_):
            pass

        def say(self, media_type, body):
            self.send_response(200)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Collector:
    """Takes what is posted to /v1/traces. `spans`: each with the resource's attributes."""

    def __init__(self):
        self.spans, self.problems = [], []
        self.port = serve(self.take)

    def take(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        if (request.path, request.headers["content-type"]) != ("/v1/traces", "application/x-protobuf"):
            self.problems.append(f"{request.path} {request.headers['content-type']}")
        export = ExportTraceServiceRequest()
        export.ParseFromString(body)
        # What these classes do not know, or know as another type, would be left out.
        export.DiscardUnknownFields()
        if len(export.SerializeToString()) != len(body):
            self.problems.append("there are fields that are not OpenTelemetry's")
        for resource in export.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [(span, attributes(resource.resource)) for span in scope.spans]
        request.say("application/x-protobuf", ExportTraceServiceResponse().SerializeToString())


def attributes(of):
    """The attributes of a span or a resource."""
    def plain(value):
        kind = value.WhichOneof("value")
        return [plain(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
    return {pair.key: plain(pair.value) for pair in of.attributes}


def without_accept(port):
    """The port of a page that asks for the metrics at this port without saying which format it wants."""
    def relay(request):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
            request.say(response.headers["content-type"], response.read())
    return serve(relay)
