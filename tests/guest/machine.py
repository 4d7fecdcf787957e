# SPDX-License-Identifier: MIT
"""Starts an emulator and drives it: waits on serial text, types, talks to the monitor.

    with Machine(["-kernel", ...]) as guest:
        guest.wait_for("login:")
        guest.type("root\\n")
        print(guest.monitor("info status"))

A wait that runs out of time raises Failure, whose text shows the end of the transcript. EMULATOR=
names another program, GUEST_ACCEL= gives -accel, GUEST_TIMEOUT_SCALE= stretches every time limit.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "guest"
ACCEL = os.environ.get("GUEST_ACCEL", "tcg")
SCALE = float(os.environ.get("GUEST_TIMEOUT_SCALE", "1"))
TRANSCRIPT_TAIL = 6000


class Failure(Exception):
    """What was expected did not happen."""


class Skip(Exception):
    """Something named is missing, so the test cannot run."""


def emulator():
    """Path of the program under test."""
    name = os.environ.get("EMULATOR", str(ROOT / "build" / "qemu-system-x86_64"))
    path = shutil.which(name)
    if not path:
        raise Skip(f"no emulator at {name}")
    return os.path.abspath(path)


class Stream:
    """Collects what a pipe or socket says, on a thread of its own."""

    def __init__(self, read):
        self.data = bytearray()
        self.at = 0  # behind the last match
        self.closed = False
        self.changed = threading.Condition()
        threading.Thread(target=self.collect, args=(read,), daemon=True).start()

    def collect(self, read):
        while True:
            try:
                piece = read(65536)
            except OSError:
                piece = b""
            with self.changed:
                self.data += piece
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

    def __init__(self, arguments, serial=True, monitor=True, defaults=True, accel=ACCEL):
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
        self.command += [str(argument) for argument in arguments]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.serial = Stream(self.process.stdout.read)
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

    # -- End --

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

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
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


def expect(condition, message):
    if not condition:
        raise Failure(message)


def expect_in(wanted, text):
    expect(wanted in text, f"{wanted!r} is not in {text!r}")


def made(make, *arguments):
    """What a function of guest_image makes in the cache, on first use."""
    import debian
    try:
        return make(os.environ.get("GUEST_CACHE", CACHE), *arguments)
    except debian.Missing as missing:
        raise Skip(f"lacking {missing}") from missing


def linux_files(name="cloud"):
    """Kernel and initramfs of a guest of guest_image.KERNELS."""
    import guest_image
    return made(guest_image.kernel, name), made(guest_image.initrd, name)


def memtest_image(name):
    import guest_image
    return made(guest_image.memtest, name)


def boot_sector(source, folder, more=b""):
    """Assembles tests/guest/SOURCE for address 7C00h; returns the path of a 1 MiB disk image."""
    elf, image = Path(folder, "boot.o"), Path(folder, "disk.img")
    subprocess.run(["gcc", "-c", "-m32", "-o", elf, ROOT / "tests" / "guest" / source], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext=0x7c00", "--oformat", "binary", "-o", image,
                    elf], check=True)
    code = image.read_bytes()
    expect(len(code) == 512, f"{source} makes {len(code)} bytes")
    image.write_bytes((code + more).ljust(1 << 20, b"\0"))
    return image


def run_tests(scope):
    """Runs every function test_* of a module and prints TAP; names on the command line choose."""
    tests = [(name, function) for name, function in scope.items() if name.startswith("test_")]
    chosen = [test for test in tests if not sys.argv[1:] or test[0] in sys.argv[1:]]
    failures = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, (name, function) in enumerate(chosen, 1):
        try:
            function()
            print(f"ok {number} {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failures += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} {name}", flush=True)
    sys.exit(1 if failures else 0)
