"""Clients that nobody here wrote: curl, grpcio and `buf curl` in its three protocols.

Each has a name and one method, `call(address, method, request)`, which takes and returns the JSON form of
messages and raises `Refused` with Connect's name of the error code.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
SERVICE = "navarch.ControlPlaneService"
TIMEOUT_S = 20


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


def run(command, **options):
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **options
    )


def find(tool):
    """The tool beside this Python, or on the path."""
    beside = pathlib.Path(sys.executable).parent / tool
    return str(beside) if beside.exists() else shutil.which(tool)


class Curl:
    """JSON by HTTP/1.1, as people do by hand."""

    def __init__(self, token):
        self.name = "curl JSON"
        self.tool = shutil.which("curl")
        self.headers = ["content-type: application/json"]
        if token:
            self.headers.append(f"authorization: Bearer {token}")

    def call(self, address, method, request):
        command = [self.tool, "--silent", "--show-error", "--max-time", str(TIMEOUT_S)]
        command += ["--write-out", "\n%{http_code}", "--data", json.dumps(request)]
        for header in self.headers:
            command += ["--header", header]
        done = run([*command, f"{address}/{SERVICE}/{method}"])
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        body, _, status = done.stdout.rpartition("\n")
        answer = json.loads(body)
        if status != "200":
            raise Refused(answer["code"], answer.get("message", ""))
        return answer


class BufCurl:
    """One of the protocols of `buf curl`."""

    def __init__(self, protocol, token):
        self.name = f"buf curl {protocol}"
        self.tool = find("buf")
        self.options = ["--protocol", protocol, "--schema", str(PROTO)]
        if protocol == "grpc":
            self.options.append("--http2-prior-knowledge")
        if token:
            self.options += ["--header", f"authorization: Bearer {token}"]

    def command(self, address, path, request):
        return [self.tool, "curl", *self.options, "--data", json.dumps(request), f"{address}/{path}"]

    def call(self, address, method, request):
        done = run(self.command(address, f"{SERVICE}/{method}", request))
        if done.returncode == 0:
            return json.loads(done.stdout)
        try:
            error = json.loads(done.stderr)
        except ValueError:
            raise RuntimeError(done.stderr.strip()) from None
        raise Refused(error["code"], error.get("message", ""))

    def watch(self, address):
        """What arrives of the journal within two seconds."""
        request = self.command(address, "navarch.OperatorService/WatchEvents", {"since": "0"})
        return run([*request, "--timeout", "2s"]).stdout


class Grpcio:
    """gRPC by the C++ core, with messages built from the descriptors at run time."""

    def __init__(self, token):
        self.name = "grpcio"
        self.tool = find("buf")
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        self.channels = {}
        self.messages = None

    def load(self):
        """Imports what may be missing, and reads the descriptors."""
        import grpc
        from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

        self.grpc, self.json_format = grpc, json_format
        with tempfile.TemporaryDirectory() as folder:
            image = pathlib.Path(folder) / "image.binpb"
            built = run([self.tool, "build", str(PROTO), "--output", str(image)])
            if built.returncode != 0:
                raise RuntimeError(built.stderr.strip())
            files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)

        def methods(service):
            for method in pool.FindServiceByName(service).methods:
                types = (method.input_type, method.output_type)
                classes = map(message_factory.GetMessageClass, types)
                yield f"/{service}/{method.name}", tuple(classes)

        self.messages = dict(methods(SERVICE)) | dict(methods("navarch.OperatorService"))

    def channel(self, address):
        if address not in self.channels:
            target = urllib.parse.urlsplit(address).netloc
            self.channels[address] = self.grpc.insecure_channel(target)
        return self.channels[address]

    def call(self, address, method, request):
        path = f"/{SERVICE}/{method}"
        ask, answer = self.messages[path]
        callable_ = self.channel(address).unary_unary(
            path, request_serializer=ask.SerializeToString, response_deserializer=answer.FromString
        )
        message = self.json_format.ParseDict(request, ask())
        try:
            reply = callable_(message, timeout=TIMEOUT_S, metadata=self.metadata)
        except self.grpc.RpcError as error:
            raise Refused(error.code().name.lower(), error.details()) from None
        return self.json_format.MessageToDict(reply)

    def watch(self, address):
        """The first event of the journal."""
        path = "/navarch.OperatorService/WatchEvents"
        ask, answer = self.messages[path]
        callable_ = self.channel(address).unary_stream(
            path, request_serializer=ask.SerializeToString, response_deserializer=answer.FromString
        )
        events = callable_(ask(since=0), timeout=TIMEOUT_S, metadata=self.metadata)
        event = self.json_format.MessageToDict(next(events))
        events.cancel()
        return json.dumps(event)
