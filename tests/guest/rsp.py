# SPDX-License-Identifier: MIT
"""A client of gdb's remote protocol, as far as the tests need one."""

import contextlib
import re
import socket
import time

from machine import SCALE, Failure, expect

INCLUDES = re.compile(r'<xi:include href="([^"]+)"')
REGISTERS = re.compile(r'<reg name="([^"]+)" bitsize="(\d+)"')


def checksum(data):
    return b"%02x" % (sum(data) & 0xff)


def unescape(data):
    return re.sub(rb"\}(.)", lambda match: bytes([match[1][0] ^ 0x20]), data, flags=re.S)


class Client:
    """One connection; command() sends a packet and returns the reply as text."""

    def __init__(self, address, seconds=60):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        deadline = time.monotonic() + seconds * SCALE
        while True:
            self.socket = socket.socket(family)
            try:
                self.socket.connect(address)
                break
            except OSError as error:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise Failure(f"no gdb server at {address}: {error}") from error
                time.sleep(0.05)
        self.data = b""
        self.registers = []

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, text):
        data = text.encode()
        self.send_raw(b"$" + data + b"#" + checksum(data))

    def more(self, seconds):
        self.socket.settimeout(seconds * SCALE)
        try:
            piece = self.socket.recv(65536)
        except TimeoutError as error:
            raise Failure(f"no reply within {seconds} s; unread: {self.data!r}") from error
        expect(piece, f"the gdb server hung up; unread: {self.data!r}")
        self.data += piece

    def character(self, seconds=20):
        """The next byte: an acknowledgement."""
        while not self.data:
            self.more(seconds)
        first, self.data = self.data[:1], self.data[1:]
        return first

    def packet(self, seconds=20, acknowledge=True):
        """The next packet, as text."""
        while not (match := re.match(rb"\+*\$([^#]*)#(..)", self.data, re.S)):
            self.more(seconds)
        self.data = self.data[match.end():]
        expect(match[2] == checksum(match[1]), f"checksum of {match[0]!r}")
        if acknowledge:
            with contextlib.suppress(OSError):  # the last one may find nobody
                self.send_raw(b"+")
        return unescape(match[1]).decode("latin-1")

    def silent(self, seconds):
        """True when nothing but acknowledgements comes for so long."""
        deadline = time.monotonic() + seconds
        while not self.data.strip(b"+") and (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                piece = self.socket.recv(65536)
                expect(piece, "the gdb server hung up")
                self.data += piece
        return not self.data.strip(b"+")

    def command(self, text, seconds=20):
        self.send(text)
        return self.packet(seconds)

    def expect(self, text, reply, seconds=20):
        got = self.command(text, seconds)
        expect(got == reply, f"{text!r}: {got!r} instead of {reply!r}")

    def stopped(self, seconds=60):
        """The stop reply after a resumption."""
        return self.packet(seconds)

    # -- Registers and memory --

    def features(self, annex):
        text = ""
        while True:
            part = self.command(f"qXfer:features:read:{annex}:{len(text):x},ffb")
            text += part[1:]
            if part[:1] == "l":
                return text
            expect(part[:1] == "m", f"features: {part!r}")

    def all_registers(self):
        if not self.registers:
            for annex in INCLUDES.findall(self.features("target.xml")):
                self.registers += [(name, int(bits) // 8) for name, bits in
                                   REGISTERS.findall(self.features(annex))]
        data, values = bytes.fromhex(self.command("g")), {}
        for name, size in self.registers:
            values[name] = int.from_bytes(data[:size], "little")
            data = data[size:]
        expect(not data, f"{len(data)} bytes behind the last register")
        return values

    def register(self, name):
        return self.all_registers()[name]

    def set_register(self, name, value):
        self.all_registers()
        number = [row[0] for row in self.registers].index(name)
        data = value.to_bytes(self.registers[number][1], "little").hex()
        self.expect(f"P{number:x}={data}", "OK")

    def read(self, address, size):
        return bytes.fromhex(self.command(f"m{address:x},{size:x}"))

    def write(self, address, data):
        self.expect(f"M{address:x},{len(data):x}:{data.hex()}", "OK")
