#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest that echoes its serial port, on back ends that come late, are slow, full or handed over.

Run alone: python3 tests/guest/test_chardev.py [NAME...]
"""

import base64
import contextlib
import os
import re
import socket
import tempfile
import time

from machine import SCALE, Machine, Stream, boot_sector, expect, expect_in, run_tests


class Echo(Machine):
    """The guest of echo.S with that -serial; no pipes of its own."""

    def __init__(self, folder, serial, more=(), image=None, **keywords):
        image = image or boot_sector("echo.S", folder)
        super().__init__(["-m", "64", "-drive",
                          f"file={image},format=raw", "-serial", serial, *more], serial=False,
                         **keywords)


@contextlib.contextmanager
def connect(path, seconds=60):
    """A connected socket, shut down at the end: a thread that reads it would keep it open."""
    deadline = time.monotonic() + seconds * SCALE
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
            break
        except OSError:
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    try:
        yield client
    finally:
        client.shutdown(socket.SHUT_RDWR)
        client.close()


def wait_until_echoing(guest):
    """The sector reads the line status in a loop by now."""
    deadline = time.monotonic() + 120 * SCALE
    while time.monotonic() < deadline:
        match = re.search(r"[ER]IP=0*7c", guest.monitor("info registers"), re.IGNORECASE)
        if match:
            return
        time.sleep(0.2)
    guest.fail("the boot sector does not run")


def check_echo(guest, send, stream, text=b"hello"):
    send(text)
    if not stream.wait_for(re.escape(text), 60):
        guest.fail(f"no echo of {text!r}; there was {stream.text()[-200:]!r}")


def test_backlog():
    """Who connects late reads what was printed before, where that was asked for."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "serial")
        with Echo(folder, f"unix:{path},server=on,wait=off,backlog=64k") as guest:
            wait_until_echoing(guest)
            time.sleep(0.5)
            with connect(path) as client:
                stream = Stream(client.recv)
                expect(stream.wait_for(b"ready\r\n", 30), f"no backlog: {stream.text()!r}")
                check_echo(guest, client.sendall, stream)


def test_slow_client():
    """A client that reads nothing stalls neither the guest nor the monitor."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "serial")
        with Echo(folder, f"unix:{path},server=on,wait=on") as guest:
            with connect(path) as client:
                stream = Stream(client.recv)
                expect(stream.wait_for(b"ready\r\n", 120), "the guest did not come up")
            with connect(path) as deaf:
                deaf.sendall(b"F")
                time.sleep(1)
                for _ in range(10):
                    start = time.monotonic()
                    guest.monitor("info status")
                    expect(time.monotonic() - start < 5 * SCALE, "the monitor stalls")
            with connect(path) as client:
                stream = Stream(client.recv)
                expect(stream.wait_for(rb"\.{1000}", 60), "the guest stands still")


def test_full_disk():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "serial")
        with Echo(folder, f"unix:{path},server=on,wait=off,logfile=/dev/full") as guest:
            wait_until_echoing(guest)
            with connect(path) as client:
                check_echo(guest, client.sendall, Stream(client.recv))
            guest.monitor_send("quit")
            guest.wait_exit()
            warnings = [line for line in guest.error_text().splitlines() if "warning" in line]
            expect(len(warnings) == 1, f"not one warning: {warnings}")
            expect_in("cannot write to logfile '/dev/full': No space left on device; output is "
                      "lost, the guest goes on", warnings[0])


def test_pty():
    with tempfile.TemporaryDirectory() as folder:
        with Echo(folder, "pty") as guest:
            match = guest.serial.wait_for(
                rb"char device redirected to (/dev/pts/[0-9]+) \(label serial0\)\n", 60)
            expect(match, f"no line that tells the terminal: {guest.serial.text()!r}")
            wait_until_echoing(guest)
            fd = os.open(match.group(1).decode(), os.O_RDWR | os.O_NOCTTY)
            try:
                check_echo(guest, lambda text: os.write(fd, text),
                           Stream(lambda size: os.read(fd, size)))
                expect_in(f"serial0: filename=pty:{match.group(1).decode()}\n",
                          guest.monitor("info chardev"))
            finally:
                guest.kill()  # ends the read of the stream's thread
                os.close(fd)


def test_websocket():
    with tempfile.TemporaryDirectory() as folder:
        with Echo(folder, "websocket:127.0.0.1:0,server=on,wait=off") as guest:
            wait_until_echoing(guest)
            listed = guest.monitor("info chardev")
            match = re.search(
                r"serial0: filename=disconnected:websocket:127.0.0.1:(\d+),server=on\n", listed)
            expect(match, f"no server in {listed!r}")
            with socket.create_connection(("127.0.0.1", int(match.group(1)))) as client:
                stream = Stream(client.recv)
                key = base64.b64encode(b"sixteen bytes ok").decode()
                client.sendall("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               f"Sec-WebSocket-Key: {key}\r\n\r\n".encode())
                expect(stream.wait_for(rb"HTTP/1.1 101 (?s:.*?)\r\n\r\n", 30), "no handshake")
                client.sendall(b"\x82\x81\0\0\0\0A")
                expect(stream.wait_for(b"\x82\x01A", 30), f"no echo: {stream.text()!r}")


def test_handed_over():
    """Descriptors of whoever starts the emulator: files in sets, and a connected socket."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = socket.socketpair()
        log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT)
        disk = os.open(boot_sector("echo.S", folder), os.O_RDWR)
        more = ["-add-fd", f"fd={log},set=2,opaque=log", "-add-fd", f"fd={disk},set=3", "-chardev",
                f"socket,id=line,fd={theirs.fileno()},logfile=/dev/fdset/2"]
        with Echo(folder, "chardev:line", more, image="/dev/fdset/3",
                  pass_fds=(log, disk, theirs.fileno())) as guest:
            theirs.close()
            os.close(log)
            os.close(disk)
            stream = Stream(ours.recv)
            expect(stream.wait_for(b"ready\r\n", 120), "the guest did not come up")
            check_echo(guest, ours.sendall, stream)
        with open(os.path.join(folder, "log"), "rb") as file:
            expect_in(b"ready\r\nhello", file.read())
        ours.close()


if __name__ == "__main__":
    run_tests(dict(globals()))
