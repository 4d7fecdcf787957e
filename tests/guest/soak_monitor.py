#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Garbage on the monitor while Linux works: no crash, no hang, and the guest computes rightly.

Run alone: python3 tests/guest/soak_monitor.py [NAME...]; SOAK_MONITOR_SECONDS= and SOAK_SEED= choose
for how long and which garbage.
"""

import os
import random
import select
import socket
import time

from machine import expect, expect_in, run_tests
from test_linux_boot import command, start, wait_shell

SECONDS = int(os.environ.get("SOAK_MONITOR_SECONDS", "60"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
STUCK_SECONDS = 60

# Words that get past the parser, except what ends or resets the machine.
WORDS = ["info", "help", "x", "xp", "print", "p", "stop", "cont", "c", "qom-list", "qom-get",
         "log", "trace-event", "sum", "registers", "mtree", "qtree", "tlb", "mem", "pci", "jit",
         "status", "fields", "roms", "chardev", "version", "cpus", "/machine", "/10i", "/4xb",
         "$rip", "$eax+$ebx*4", "0x7fffffffffffffff", "-1", "4294967296", "(((((1", "on", "off",
         "none", "device_add", "device_del", "-f", "-a", "|", "\"", "'", "\\", "%s%n", ""]
ENDINGS = [b"\n", b"\n", b"\n", b"\r\n", b"\t", b"\x03", b"\x15", b"\x1b[A", b"\x7f", b"\0"]


def garbage(rng):
    """A line of words, of bytes, or a very long one. A "q" among bytes would spell "quit"."""
    kind = rng.randrange(10)
    if kind == 0:
        return rng.randbytes(rng.randrange(200)).translate(None, b"q") + b"\n"
    if kind == 1:
        return rng.choice([b"x", b"help ", b"\t", b"info "]) * rng.randrange(5000) + b"\n"
    words = rng.choices(WORDS, k=rng.randrange(1, 5))
    return " ".join(words).encode() + rng.choice(ENDINGS)


def send(client, data):
    """Sends all, and reads what comes meanwhile: a monitor whose answers nobody takes waits."""
    while data:
        readable, writable, _ = select.select([client], [client], [], STUCK_SECONDS)
        if not readable and not writable:
            raise TimeoutError("the monitor neither reads nor answers")
        if readable and not client.recv(1 << 16):
            raise ConnectionError("the monitor hung up")
        if writable:
            data = data[client.send(data):]


def throw(path, rng, until):
    """Sends garbage on one connection and hangs up in the middle of a line, answers unread."""
    lines = 0
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.setblocking(False)
        for line in (garbage(rng) for _ in range(rng.randrange(1, 200))):
            send(client, line)
            lines += 1
            if time.monotonic() > until:
                break
        send(client, b"\ninfo regis")
    return lines


def test_garbage_while_linux_runs():
    rng = random.Random(SEED)
    with start() as guest:
        wait_shell(guest)
        guest.type("while :; do seq 1 20000 | md5sum; done\n")
        until = time.monotonic() + SECONDS
        lines = connections = 0
        while time.monotonic() < until:
            try:
                lines += throw(guest.monitor_path, rng, until)
            except OSError as error:
                guest.fail(f"seed {SEED}, connection {connections}: {error}")
            connections += 1
        print(f"# seed {SEED}: {lines} lines on {connections} connections", flush=True)
        guest.monitor("cont")
        expect_in("running", guest.monitor("info status"))
        guest.wait_for("e071f707df7bbeee2a6a1eb48011ddd0", 120)
        sums = set(line for line in guest.serial.text().splitlines() if line.endswith("  -"))
        expect(sums == {"e071f707df7bbeee2a6a1eb48011ddd0  -"}, f"other sums: {sums}")
        guest.type("\x03")
        command(guest, "echo $((6 * 7))", rb"42\r")


if __name__ == "__main__":
    run_tests(dict(globals()))
