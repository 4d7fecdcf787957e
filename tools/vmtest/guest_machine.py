# SPDX-License-Identifier: MIT
"""Starts an emulator and drives it: waits on serial text, types, talks to the monitor, by QMP.

    with Machine(["-kernel", ...]) as guest:
        guest.wait_for("login:")
        guest.type("root\\n")
        print(guest.monitor("info status"))

A wait that runs out of time raises Failure, whose text shows the end of the transcript. EMULATOR=
names the program, GUEST_ACCEL= gives -accel, GUEST_TIMEOUT_SCALE= stretches every time limit.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from qmp_client import Qmp, QmpError

ROOT = Path(__file__).resolve().parents[2]
ACCEL = os.environ.get("GUEST_ACCEL", "tcg")
SCALE = float(os.environ.get("GUEST_TIMEOUT_SCALE", "1"))
TRANSCRIPT_TAIL = 6000


class Failure(Exception):
    """What was expected did not happen."""


class Skip(Exception):
    """Something named is missing, so the test cannot run."""


def emulator():
    """Path of the program to run."""
    name = os.environ.get("EMULATOR", str(ROOT / "build" / "qemu-system-x86_64"))
    path = shutil.which(name)
    if not path:
        raise Skip(f"no emulator at {name}")
    return os.path.abspath(path)


class Stream:
    """Collects what a pipe or socket says, on a thread of its own."""

    def __init__(self, read, keep=lambda piece: piece):
        """`keep` says what of each piece is kept."""
        self.data = bytearray()
        self.at = 0  # behind the last match
        self.closed = False
        self.changed = threading.Condition()
        threading.Thread(target=self.collect, args=(read, keep), daemon=True).start()

    def collect(self, read, keep):
        while True:
            try:
                piece = read(65536)
            except (OSError, ValueError):
                piece = b""
            kept = keep(piece) if piece else b""
            with self.changed:
                self.data += kept
                self.closed = not piece
                self.changed.notify_all()
            if not piece:
                return

    def wait_for(self, pattern, seconds):
        """The match of a bytes pattern behind the last one, or None when time or stream end."""
        deadline = time.monotonic() + seconds * SCALE
        with self.changed:
            while True:
                match = re.compile(pattern).search(self.data, self.at)
                if match:
                    self.at = match.end()
                    return match
                left = deadline - time.monotonic()
                if self.closed or left <= 0:
                    return None
                self.changed.wait(left)

    def text(self):
        with self.changed:
            return self.data.decode("utf-8", "replace")


class Machine:
    """A running emulator with its first serial port on pipes and a monitor on a socket."""

    running = set()  # all of them, for kill_all()

    def __init__(self, arguments, serial=True, monitor=True, defaults=True, accel=ACCEL, qmp=False,
                 outcome=False, keep=lambda piece: piece, pass_fds=()):
        """`qmp`: a QMP socket as well; `outcome`: a record of the run; `keep`: see Stream;
        `pass_fds`: descriptors it inherits."""
        self.folder = tempfile.mkdtemp(prefix="guest-")
        self.command = [emulator()]
        if defaults:
            self.command += ["-accel", accel, "-display", "none"]
        if serial:
            self.command += ["-serial", "stdio"]
        self.monitor_path = os.path.join(self.folder, "monitor")
        self.monitor_socket = self.monitor_stream = None
        if monitor:
            self.command += ["-monitor", f"unix:{self.monitor_path},server,nowait"]
        elif defaults:
            self.command += ["-monitor", "none"]
        self.qmp_path = os.path.join(self.folder, "qmp") if qmp else None
        if qmp:
            self.command += ["-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        self.outcome_path = os.path.join(self.folder, "outcome") if outcome else None
        if outcome:
            self.command += ["-outcome", self.outcome_path]
        self.command += [str(argument) for argument in arguments]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                        pass_fds=pass_fds)
        Machine.running.add(self)
        self.serial = Stream(self.process.stdout.read, keep)
        self.errors = Stream(self.process.stderr.read)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    # -- Serial port --

    def wait_for(self, text, seconds=120):
        """Waits for literal text on the serial port."""
        return self.wait_for_pattern(re.escape(text.encode()), seconds)

    def wait_for_pattern(self, pattern, seconds=120):
        match = self.serial.wait_for(pattern, seconds)
        if not match:
            self.fail(f"no {pattern!r} on the serial port within {seconds} s")
        return match

    def type(self, text):
        try:
            self.process.stdin.write(text.encode())
        except BrokenPipeError:
            self.fail(f"cannot type {text!r}: the emulator is gone")

    # -- Monitor --

    def connect_monitor(self, seconds=60):
        deadline = time.monotonic() + seconds * SCALE
        while True:
            self.monitor_socket = socket.socket(socket.AF_UNIX)
            try:
                self.monitor_socket.connect(self.monitor_path)
                break
            except OSError as error:
                self.monitor_socket.close()
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.fail(f"no monitor: {error}")
                time.sleep(0.05)
        self.monitor_stream = Stream(self.monitor_socket.recv)
        self.wait_prompt(seconds)

    def wait_prompt(self, seconds):
        start = self.monitor_stream.at
        match = self.monitor_stream.wait_for(rb"\(qemu\) ", seconds)
        if not match:
            self.fail(f"no monitor prompt within {seconds} s; it said "
                      f"{self.monitor_stream.text()[-500:]!r}")
        return self.monitor_stream.data[start:match.start()].decode("utf-8", "replace")

    def monitor_send(self, line):
        if not self.monitor_stream:
            self.connect_monitor()
        self.monitor_socket.sendall(line.encode() + b"\n")

    def monitor(self, line, seconds=60):
        """Runs one monitor command and returns its output, without the echo."""
        self.monitor_send(line)
        _, _, output = self.wait_prompt(seconds).partition("\n")
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output).replace("\r", "")

    def leave_monitor(self):
        """Hangs up; the next command connects again."""
        if self.monitor_socket:
            with contextlib.suppress(OSError):
                self.monitor_socket.shutdown(socket.SHUT_RDWR)
            self.monitor_socket.close()
        self.monitor_socket = self.monitor_stream = None

    # -- QMP --

    def connect_qmp(self, on_event=lambda event: None, seconds=60):
        """A new QMP session."""
        try:
            return Qmp(self.qmp_path, seconds * SCALE, on_event,
                       lambda: self.process.poll() is None)
        except QmpError as error:
            return self.fail(str(error))

    # -- End --

    def outcome(self):
        """The record of a run that has ended, or None."""
        try:
            return json.loads(Path(self.outcome_path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def wait_exit(self, seconds=60):
        """Waits for the process to end and returns its status."""
        try:
            return self.process.wait(seconds * SCALE)
        except subprocess.TimeoutExpired:
            self.fail(f"still running after {seconds} s")

    def error_text(self):
        """All of stderr, of a process that has ended."""
        self.errors.wait_for(rb"(?!)", 10)
        return self.errors.text()

    @classmethod
    def kill_all(cls):
        """Ends the emulators that still run; any thread."""
        for machine in list(cls.running):
            with contextlib.suppress(OSError):
                machine.process.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        Machine.running.discard(self)
        self.leave_monitor()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fail(self, message):
        status = self.process.poll()
        state = "runs" if status is None else f"ended with status {status}"
        raise Failure(f"{message}\nemulator {state}: {' '.join(self.command)}\n"
                      f"--- stderr\n{self.errors.text()[-TRANSCRIPT_TAIL:]}\n"
                      f"--- serial\n{self.serial.text()[-TRANSCRIPT_TAIL:]}\n---")
