# SPDX-License-Identifier: MIT
"""A QMP session: commands, and the events that come between their answers."""

import json
import queue
import socket
import threading
import time


class QmpError(Exception):
    """The answer to a command was an error, of that class, or none came."""

    def __init__(self, message, kind=None):
        super().__init__(message)
        self.kind = kind


def connect(path, seconds, is_alive=lambda: True):
    """A UNIX socket to the path, as soon as somebody listens there."""
    deadline = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection
        except OSError as error:
            connection.close()
            if not is_alive() or time.monotonic() > deadline:
                raise QmpError(f"no QMP session: {error.strerror}") from error
        time.sleep(0.02)


def result_of(answer):
    """What an answer returns, or the error that it is."""
    if "error" in answer:
        raise QmpError(answer["error"].get("desc", "error"), answer["error"].get("class"))
    return answer["return"]


class Qmp:
    """Connects to a UNIX socket and negotiates. on_event(event) is called on a thread of its own."""

    def __init__(self, path, seconds, on_event=lambda event: None, is_alive=lambda: True):
        self.on_event = on_event
        self.answers = queue.Queue()
        self.events = []
        self.changed = threading.Condition()
        self.socket = connect(path, seconds, is_alive)
        self.file = self.socket.makefile("rb")
        self.next_id = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.collect, daemon=True).start()
        self.take(seconds)  # the greeting
        self.execute("qmp_capabilities", seconds=seconds)

    def collect(self):
        try:
            for line in self.file:
                message = json.loads(line)
                if "event" in message:
                    with self.changed:
                        self.events.append(message)
                        self.changed.notify_all()
                    self.on_event(message)
                else:
                    self.answers.put(message)
        except (OSError, ValueError):
            pass
        self.answers.put(None)

    def take(self, seconds):
        try:
            answer = self.answers.get(timeout=seconds)
        except queue.Empty:
            raise QmpError(f"no answer by QMP within {seconds:g} s") from None
        if answer is None:
            self.answers.put(None)
            raise QmpError("the QMP session has ended")
        return answer

    def request(self, request, seconds=60):
        """Sends a request and returns the whole answer to it."""
        with self.lock:
            self.next_id += 1
            request = {**request, "id": self.next_id}
            try:
                self.socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError as error:
                raise QmpError("the QMP session has ended") from error
            while True:
                answer = self.take(seconds)
                if answer.get("id") == self.next_id:
                    return answer

    def execute(self, command, arguments=None, seconds=60):
        """The result of a command."""
        request = {"execute": command}
        if arguments is not None:
            request["arguments"] = arguments
        return result_of(self.request(request, seconds))

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
