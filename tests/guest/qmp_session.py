# SPDX-License-Identifier: MIT
"""A QMP client of the kind that programs use: compact JSON without a newline, ids, events aside.

    with QmpClient(path) as client:
        client.negotiate()
        print(client.call("query-status"))
        client.wait_event("STOP")
"""

import contextlib
import json
import shutil
import socket
import subprocess
from collections import deque

from machine import SCALE, Failure, expect

import qmp_client  # of tools/vmtest
from qmp_client import QmpError, result_of

SECONDS = 60


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def connect(path, seconds=SECONDS):
    return qmp_client.connect(path, seconds * SCALE)


@contextlib.contextmanager
def by_socat(path):
    """A connection to a UNIX socket by way of `socat - unix-connect:PATH`, as people use it."""
    if not shutil.which("socat"):
        print("# socat is not here (Debian package socat): connected without it", flush=True)
        with connect(path) as connection:
            yield connection
        return
    ours, theirs = socket.socketpair()
    address = f"unix-connect:{path},retry={int(SECONDS * SCALE) * 20},interval=0.05"
    with theirs:
        process = subprocess.Popen(["socat", "-t0.1", "-", address], stdin=theirs, stdout=theirs)
    try:
        with ours:
            yield ours
    finally:
        process.terminate()
        process.wait()


class QmpClient:
    """One session on a path or on a connected socket."""

    def __init__(self, place, greeted=True):
        self.socket = connect(place) if isinstance(place, str) else place
        self.socket.settimeout(SECONDS * SCALE)
        self.buffer = b""
        self.events = deque()
        self.count = 0
        self.oob = False
        self.greeting = self.read() if greeted else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def read_line(self):
        """The next message as it came; b"" at the end of the stream."""
        while b"\n" not in self.buffer:
            try:
                piece = self.socket.recv(1 << 16)
            except TimeoutError as error:
                raise Failure(f"no message; so far {self.buffer!r}") from error
            if not piece:
                return b""
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        expect(line.endswith(b"\r"), f"a message does not end in CR LF: {line[-80:]!r}")
        return line + b"\n"

    def read(self):
        line = self.read_line()
        if not line:
            raise EOFError
        message = json.loads(line)
        expect(isinstance(message, dict) and {"QMP", "event", "error", "return"} & set(message),
               f"not a message of QMP: {line[:200]!r}")
        return message

    def negotiate(self):
        """As clients do: out-of-band execution is enabled when the greeting offers it."""
        expect(isinstance(self.greeting["QMP"]["version"], dict), "no version in the greeting")
        self.oob = "oob" in self.greeting["QMP"]["capabilities"]
        arguments = {"enable": ["oob"]} if self.oob else {}
        expect(self.call("qmp_capabilities", **arguments) == {}, "the capabilities were not taken")
        return self

    def send(self, command, arguments=None, oob=False):
        """Sends a command and returns its id."""
        self.count += 1
        request = {"exec-oob" if oob else "execute": command, "id": f"__qmp#{self.count:05}"}
        if arguments:
            request["arguments"] = arguments
        self.send_bytes(compact(request))
        return request["id"]

    def answer(self, wanted):
        """The answer with that id; events that come before it are kept."""
        while True:
            message = self.read()
            if "event" in message:
                self.events.append(message)
                continue
            expect(message.get("id") == wanted, f"an answer to nobody: {message}")
            return result_of(message)

    def call(self, command, **arguments):
        return self.answer(self.send(command, arguments))

    def try_call(self, command, **arguments):
        """The result, or None when the command failed."""
        try:
            return self.call(command, **arguments)
        except QmpError:
            return None

    def error_class(self, command, **arguments):
        """The class of the error that the command must give."""
        try:
            result = self.call(command, **arguments)
        except QmpError as error:
            return error.kind
        raise Failure(f"{command} {arguments} did not fail: {result}")

    def wait_event(self, name):
        """The next event of that name; those before it are dropped."""
        while True:
            event = self.events.popleft() if self.events else self.read()
            expect("event" in event, f"an answer where an event was due: {event}")
            if event["event"] == name:
                expect(set(event["timestamp"]) == {"seconds", "microseconds"}, f"{event}")
                return event
