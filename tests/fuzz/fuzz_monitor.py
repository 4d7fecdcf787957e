#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Garbage for QMP and the human monitor while a guest counts: bytes, JSON of any structure, commands
with arguments made from the schema, in any order, with and without descriptors, by clients that hang
up, half close or do not read. The emulator stays alive and answers in the shape it promises; the guest
goes on counting, also while such a client is there; when what the sessions made is taken away, there
are no more descriptors than at first, and memory does not grow from one time to the next.

    EMULATOR=... python3 tests/fuzz/fuzz_monitor.py [--seed S] [--first N] [--seconds T]

A session depends on the seed and its number alone.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import re
import resource
import select
import socket
import stat
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "guest"))
# pylint: disable=wrong-import-position
from machine import SCALE, Failure, Machine, boot_sector, emulator, expect  # noqa: E402
from qmp_session import QmpClient, QmpError, compact, connect  # noqa: E402

COUNTER = 0x7f00
BROKEN = "broken"
STUCK_SECONDS = 30
# What ends the process, rewrites the guest's devices, boots it from elsewhere or lets the network in.
EXCLUDED = {"quit", "q", "o", "gdbserver", "boot_set", "set-action"}
SESSIONS_BETWEEN_CLEANINGS = 60
SETTLE_SECONDS = 20
MAY_GROW_KIB = 48 << 10  # of resident memory, without sanitizers
WORDS = ["", "a", "0", "-1", "on", "off", "none", "all", "/", "/machine", "/machine/unattached",
         "type", "*", "tcg", "isa-serial", "isa-debugcon", "max", "file.bin", "$rip", "ide0-hd0",
         "disc", "cd", "raw",
         "x" * 300, "%s%n", "\u00e4\u20ac\U0001f600", "\"", "\\", "a\nb", "{}", "1 2 3", "realtime"]
INTEGERS = [0, 1, -1, 2, 7, 255, 256, 4096, 0x7c00, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 52,
            (1 << 63) - 1, -(1 << 63), 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 63) - 1]
LINE_WORDS = ["/4xb", "/10i", "/2000c", "-a", "-f", "(1", "1+1", "$eax*4", "0x7c00", "|", "=", ",",
              "help", "info", "\t", "id=x,driver=edu", "isa-debug-exit"]
LINE_ENDS = [b"\n", b"\n", b"\n", b"\r\n", b"\t", b"\x03", b"\x15", b"\x1b[A", b"\x7f", b"\0"]


# -- What the schema says --


class Schema:
    """Makes values of its types and checks answers against them."""

    def __init__(self, entries):
        self.entries = {entry["name"]: entry for entry in entries}
        self.commands = [entry for entry in entries
                         if entry["meta-type"] == "command" and entry["name"] not in EXCLUDED]
        self.lines = []  # names of the human monitor

    def make(self, name, rng):
        entry = self.entries[name]
        kind = entry["meta-type"]
        if rng.random() < 0.04:
            return anything(rng)
        if kind == "enum":
            return rng.choice(entry["values"])
        if kind == "array":
            return [self.make(entry["element-type"], rng) for _ in range(rng.randrange(4))]
        if kind == "object":
            made = {member["name"]: self.make(member["type"], rng) for member in entry["members"]
                    if rng.random() < (0.5 if "default" in member else 0.97)}
            for variant in entry.get("variants", []):
                if made.get(entry["tag"]) == variant["case"]:
                    more = self.make(variant["type"], rng)
                    made.update(more if isinstance(more, dict) else {})
            return made
        makers = {"string": lambda: rng.choice(WORDS), "int": lambda: rng.choice(INTEGERS),
                  "number": lambda: rng.choice(INTEGERS) / 3, "null": lambda: None,
                  "boolean": lambda: rng.random() < 0.5, "value": lambda: anything(rng)}
        return makers[entry["json-type"]]()

    def fits(self, name, value):
        entry = self.entries[name]
        kind = entry["meta-type"]
        if kind == "enum":
            return value in entry["values"]
        if kind == "array":
            return isinstance(value, list) and all(self.fits(entry["element-type"], element)
                                                   for element in value)
        if kind == "object":
            return isinstance(value, dict) and all(
                self.fits(member["type"], value[member["name"]]) if member["name"] in value
                else "default" in member for member in entry["members"])
        types = {"string": str, "int": int, "number": (int, float), "boolean": bool,
                 "null": type(None), "value": object}
        return isinstance(value, types[entry["json-type"]])

    def command(self, rng):
        """A request, and the type of its answer."""
        entry = rng.choice(self.commands)
        name = entry["name"]
        arguments = self.make(entry["arg-type"], rng)
        if name == "human-monitor-command" and isinstance(arguments, dict):
            arguments["command-line"] = words_of_line(rng, self.lines)
        key = "exec-oob" if rng.random() < 0.05 else "execute"
        request = {key: name, "id": rng.randrange(1 << 30)}
        if arguments != {} or rng.random() < 0.1:
            request["arguments"] = arguments
        return request, entry["ret-type"]


def anything(rng, depth=0):
    """Any JSON value."""
    kind = rng.randrange(7 if depth < 4 else 5)
    if kind == 5:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {rng.choice(WORDS): anything(rng, depth + 1) for _ in range(rng.randrange(4))}
    return [None, rng.random() < 0.5, rng.choice(INTEGERS), rng.choice(WORDS),
            rng.choice(INTEGERS) / 7][kind]


def broken_text(text, rng):
    """The bytes with some changed, gone, doubled or cut off."""
    data = bytearray(text)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        how = rng.randrange(4)
        if how == 0:
            data[at:at + 1] = rng.randbytes(1)
        elif how == 1:
            del data[at:at + rng.randrange(1, 6)]
        elif how == 2:
            data[at:at] = data[at:at + rng.randrange(1, 6)]
        else:
            data[at:at] = rng.choice([b"{", b"}", b"[", b"]", b'"', b"'", b"\\", b",", b"\xff"])
    # What spells the end of the process is not garbage
    return bytes(data).replace(b"quit", b"quat")


def words_of_line(rng, names):
    """A command of the human monitor with whatever arguments."""
    words = [rng.choice(names)] if rng.random() < 0.9 else []
    if words == ["info"] or rng.random() < 0.2:
        words = ["info", rng.choice(names)]
    for _ in range(rng.randrange(4)):
        words.append(rng.choice(rng.choice([WORDS, LINE_WORDS])) if rng.random() < 0.7
                     else str(rng.choice(INTEGERS)))
    return " ".join(word for word in words if word not in EXCLUDED).replace("\n", " ")


@contextlib.contextmanager
def some_descriptor(rng):
    """One that a client might hand over: a file, a pipe's end, a socket."""
    files = list(rng.choice([lambda: [os.open("/dev/null", os.O_RDWR)], os.pipe,
                             lambda: [os.memfd_create("fuzz")],
                             lambda: [end.detach() for end in socket.socketpair()]])())
    try:
        yield files[-1]
    finally:
        for file in files:
            os.close(file)


def send_reading(connection, data, most=4096):
    """Sends all, so many bytes at a time, and reads what comes meanwhile: who does not read is not
    listened to for ever."""
    while data:
        readable, writable, _ = select.select([connection], [connection], [], STUCK_SECONDS * SCALE)
        expect(readable or writable, "the monitor neither reads nor answers")
        if readable and not connection.recv(1 << 16):
            raise EOFError
        if writable:
            data = data[connection.send(data[:most]):]


# -- Sessions --


class Fuzz:
    """The machine, a client that looks after it, and the sessions."""

    def __init__(self, seed, folder):
        self.seed, self.folder = seed, folder
        self.paths = {name: os.path.join(folder, name) for name in ("watch", "qmp", "pretty")}
        disk = boot_sector("spin-sector.S", folder)
        arguments = ["-nodefaults", "-m", "32", "-smp", "2", "-boot", "menu=off", "-drive",
                     f"file={disk},format=raw,if=ide", "-drive", "if=none,media=cdrom,id=disc",
                     "-device", "ide-cd,drive=disc,id=cd", "-no-shutdown"]
        for option, name in (("-qmp", "watch"), ("-qmp", "qmp"), ("-qmp-pretty", "pretty")):
            arguments += [option, f"unix:{self.paths[name]},server=on,wait=off"]
        os.environ["EMULATOR"] = wrapper(folder)
        self.machine = Machine(arguments, serial=False, accel="tcg,tb-size=16")
        self.watch = QmpClient(self.paths["watch"]).negotiate()
        self.watch.socket.settimeout(STUCK_SECONDS * SCALE)
        self.schema = Schema(self.watch.call("query-qmp-schema"))
        names = self.line("help") + self.line("help info")
        self.lines = [name for name in re.findall(r"^([\w-]+)", names, re.MULTILINE)
                      if name not in EXCLUDED]
        self.schema.lines = self.lines
        self.requests = self.answers = self.slowest = 0
        self.session = "start"
        self.check()
        self.line("logfile first.log")
        self.first_chardevs = {entry["label"] for entry in self.watch.call("query-chardev")}
        self.first_descriptors = self.usage("fd")
        self.resident = []  # KiB, after each cleaning

    def line(self, text):
        return self.watch.call("human-monitor-command", **{"command-line": text})

    def counter(self):
        return self.line(f"xp /1wx {COUNTER:#x}")

    def check(self):
        """The machine answers and, told to run, counts."""
        started = time.monotonic()
        self.watch.events.clear()
        for text in ("log none", "trace-event * off"):
            self.line(text)
        self.resume(started)
        first = self.counter()
        while self.counter() == first:
            expect(time.monotonic() - started < STUCK_SECONDS * SCALE, "the guest does not count: "
                   + self.line("info status") + self.line("info registers -a"))
            time.sleep(0.01)
            self.resume(started)  # what the session has said may still be worked on
        self.slowest = max(self.slowest, time.monotonic() - started)

    def resume(self, started):
        """Has the machine run: behind a dump that is under way, reset where it needs that."""
        while True:
            try:
                return self.watch.call("cont")
            except QmpError as error:
                expect(time.monotonic() - started < STUCK_SECONDS * SCALE, f"cont: {error}")
                if "dump" in str(error):
                    time.sleep(0.01)
                else:
                    self.watch.call("system_reset")

    # -- What sessions leave behind --

    def usage(self, kind):
        """How many threads ("task") or descriptors ("fd") the emulator has."""
        return len(os.listdir(f"/proc/{self.machine.process.pid}/{kind}"))

    @staticmethod
    def close_names(path):
        """What getfd has named: each monitor has names of its own."""
        names = WORDS + LINE_WORDS + [str(number) for number in INTEGERS]
        with connect(path) as connection:
            connection.settimeout(STUCK_SECONDS * SCALE)
            connection.sendall(b'{"execute":"qmp_capabilities"}' + b"".join(
                compact({"execute": "closefd", "arguments": {"fdname": name}}) for name in names))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass

    def take_away(self):
        """What sessions have made, as far as nothing uses it."""
        for entry in self.watch.call("query-fdsets"):
            self.watch.try_call("remove-fd", **{"fdset-id": entry["fdset-id"]})
        for name in ("qmp", "pretty"):
            self.close_names(self.paths[name])
        for device in ("disc", "cd"):
            self.line(f"eject -f {device}")
        self.line("logfile first.log")
        for _ in range(3):  # hubs go before what they join
            for entry in self.watch.call("query-chardev"):
                if entry["label"] not in self.first_chardevs:
                    self.watch.try_call("chardev-remove", id=entry["label"])
        for entry in self.watch.call("qom-list", path="/objects"):
            self.watch.try_call("object-del", id=entry["name"])

    def clean(self):
        """Takes away what there is too much, until there is as much as at first."""
        deadline = time.monotonic() + SETTLE_SECONDS * SCALE
        self.take_away()
        while self.usage("fd") > self.first_descriptors:
            if time.monotonic() > deadline:
                folder = f"/proc/{self.machine.process.pid}/fd"
                open_files = [os.readlink(os.path.join(folder, name))
                              for name in os.listdir(folder)]
                raise Failure(f"{len(open_files)} descriptors, {self.first_descriptors} at first: "
                              f"{sorted(open_files)} {self.watch.call('query-chardev')}")
            time.sleep(0.05)
            self.take_away()
        with open(f"/proc/{self.machine.process.pid}/status", encoding="ascii") as status:
            self.resident.append(int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]))

    def check_growth(self):
        """Between the first third of the cleanings and the last."""
        third = len(self.resident) // 3
        if third >= 2 and not self.is_sanitized():
            grown = min(self.resident[-third:]) - max(self.resident[:third])
            expect(grown < MAY_GROW_KIB, f"memory grows: {self.resident} KiB")

    def is_sanitized(self):
        with open(f"/proc/{self.machine.process.pid}/maps", encoding="ascii") as maps:
            return "libasan" in maps.read()

    # -- QMP --

    def qmp_requests(self, rng):
        """The bytes of a session's requests, and (id, type of the answer) of each. None: an error or
        whatever. BROKEN: who knows what the rest looks like to the emulator."""
        data, wanted = [], []
        for _ in range(rng.randrange(1, 40)):
            request, answer = self.schema.command(rng)
            if rng.random() < 0.1:
                request[rng.choice(["id", "execute", "arguments", "x"])] = anything(rng)
                answer = None
            text = json.dumps(request).encode() if rng.random() < 0.5 else compact(request)
            if rng.random() < 0.15 and b"getfd" not in text:  # its names are to be found again
                text, answer = broken_text(text, rng), BROKEN
            elif rng.random() < 0.03:
                text, answer = rng.randbytes(rng.randrange(300)), BROKEN
            data.append(text + rng.choice([b"", b"\n", b"\r\n"]))
            wanted.append((request["id"] if answer else None, answer))
        return data, wanted

    def check_answers(self, client, wanted):
        """Reads answers as far as it is known which come; all in the shape of the schema. What is
        answered out of band may come in between."""
        known = list(itertools.takewhile(lambda entry: entry[1] is not BROKEN, wanted))
        waiting = {request_id: answer for request_id, answer in known if answer}
        while waiting:
            message = client.read()
            request_id = message.get("id")
            answer = waiting.pop(request_id, None) if isinstance(request_id, int) else None
            if answer and "return" in message:
                self.answers += 1
                expect(self.schema.fits(answer, message["return"]),
                       f"{message} is not of type {answer}")

    def session_qmp(self, rng):
        client = QmpClient(self.paths[rng.choice(["qmp", "qmp", "pretty"])], greeted=False)
        with client:
            if "pretty" not in str(client.socket.getpeername()):
                client.greeting = client.read()
            negotiates = rng.random() < 0.95
            if negotiates:
                client.send_bytes(b'{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}')
            data, wanted = self.qmp_requests(rng)
            manner = rng.choice(["read", "read", "pieces", "hang up", "half close", "slow",
                                 "descriptors"])
            self.requests += len(data)
            client.socket.settimeout(STUCK_SECONDS * SCALE)
            if manner == "pieces":
                send_reading(client.socket, b"".join(data)[:3500], 7)
                return
            if manner == "slow":
                self.be_slow(client.socket, b"".join(data), rng)
                return
            if manner == "descriptors":
                self.hand_over(client.socket, data, rng)
            else:
                client.send_bytes(b"".join(data))
            if manner == "half close":
                client.socket.shutdown(socket.SHUT_WR)
                self.check()
            if manner in ("read", "descriptors") and client.greeting and negotiates:
                expect(client.read() == {"return": {}}, "the capabilities were not taken")
                self.check_answers(client, wanted)

    @staticmethod
    def hand_over(connection, data, rng):
        """Sends descriptors with some of the requests, those before others that want one."""
        for text in data:
            if rng.random() < 0.4:
                command = rng.choice(["getfd", "add-fd", "add_client", "chardev-add"])
                name = rng.choice(WORDS)
                arguments = {
                    "getfd": {"fdname": name}, "add-fd": {}, "closefd": {"fdname": name},
                    "add_client": {"protocol": rng.choice(["a", "0", "vnc"]), "fdname": name},
                    "chardev-add": {"id": rng.choice(WORDS), "backend": {"type": "socket", "data": {
                        "addr": {"type": "fd", "data": {"str": name}}, "server": False}}}}[command]
                text = compact({"execute": command, "arguments": arguments}) + text
            with some_descriptor(rng) as descriptor:
                socket.send_fds(connection, [text], [descriptor] * rng.randrange(1, 3))

    def be_slow(self, connection, data, rng):
        """Writes as long as somebody reads, reads nothing or little; the guest counts meanwhile."""
        connection.settimeout(0.2)
        try:
            for _ in range(rng.randrange(1, 200)):
                connection.sendall(data)
                if rng.random() < 0.3:
                    connection.recv(rng.randrange(1, 5000))
        except TimeoutError:
            pass
        self.check()

    # -- The human monitor --

    def monitor_line(self, rng):
        kind = rng.randrange(12)
        if kind == 0:
            return rng.randbytes(rng.randrange(200)).translate(None, b"qo") + b"\n"
        if kind == 1:
            return rng.choice([b"x", b"help ", b"\t", b"info ", b"((("]) * rng.randrange(2000) + b"\n"
        return words_of_line(rng, self.lines).encode() + rng.choice(LINE_ENDS)

    def session_hmp(self, rng):
        with connect(self.machine.monitor_path) as connection:
            connection.settimeout(STUCK_SECONDS * SCALE)
            lines = [self.monitor_line(rng) for _ in range(rng.randrange(1, 40))]
            self.requests += len(lines)
            manner = rng.choice(["read", "hang up", "half close", "slow"])
            if manner == "slow":
                self.be_slow(connection, b"".join(lines), rng)
                return
            send_reading(connection, b"".join(lines))
            if manner == "half close":
                connection.shutdown(socket.SHUT_WR)
                self.check()
            if manner == "read":
                self.read_to_mark(connection)

    @staticmethod
    def read_to_mark(connection):
        """Reads until the answer to a last line has come."""
        connection.sendall(b"\x15\x03\nmark4242\n")
        tail = b""
        while b"command: 'mark4242'" not in tail:
            piece = connection.recv(1 << 16)
            expect(piece, "the monitor hung up")
            tail = tail[-100:] + piece

    def run_session(self, number):
        rng = random.Random(self.seed * 1000003 + number)
        kind = rng.choice([self.session_qmp, self.session_qmp, self.session_hmp])
        self.session = f"session {number} ({kind.__name__})"
        try:
            kind(rng)
        except (ConnectionError, EOFError):
            expect(self.machine.process.poll() is None, "the emulator is gone")
        self.check()
        if number % SESSIONS_BETWEEN_CLEANINGS == SESSIONS_BETWEEN_CLEANINGS - 1:
            self.clean()

    def end(self):
        self.clean()
        self.check_growth()
        self.watch.call("quit")
        expect(self.machine.wait_exit() == 0, "quit gave another status than 0")
        errors = self.machine.error_text()
        expect("anitizer" not in errors and "runtime error" not in errors, errors[-8000:])


def wrapper(folder):
    """A script that runs the emulator where it may write, but little."""
    path = os.path.join(folder, "emulator")
    with open(path, "w", encoding="utf-8") as script:
        script.write(f"#!/bin/sh\ntrap '' XFSZ\nulimit -f 65536\ncd {folder} && "
                     f"exec {emulator()} \"$@\"\n")
    os.chmod(path, stat.S_IRWXU)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(f"1..1\n# seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-monitor-") as folder:
        fuzz = Fuzz(options.seed, folder)
        number = options.first
        until = time.monotonic() + options.seconds
        try:
            while time.monotonic() < until:
                fuzz.run_session(number)
                number += 1
            fuzz.end()
            result = "ok"
        except (Failure, OSError, EOFError, QmpError, ValueError) as error:
            result = "not ok"
            text = f"seed {options.seed}, {fuzz.session}: {type(error).__name__}: {error}\n"
            time.sleep(1)
            text += f"emulator: {fuzz.machine.process.poll()}\n{fuzz.machine.errors.text()[-12000:]}"
            print("".join(f"# {line}\n" for line in text.splitlines()), end="")
        finally:
            fuzz.machine.kill()
    print(f"{result} 1 - {number - options.first} sessions, {fuzz.requests} requests, "
          f"{fuzz.answers} answers checked, slowest check {fuzz.slowest * 1000:.0f} ms, resident "
          f"{' '.join(str(kib >> 10) for kib in fuzz.resident[::max(1, len(fuzz.resident) // 8)])} MiB")
    sys.exit(0 if result == "ok" else 1)


if __name__ == "__main__":
    main()
