#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest that waits at its shell costs the host next to nothing, and a start little.

Run alone: python3 tests/guest/soak_idle.py [NAME...]; SOAK_IDLE_SECONDS= says for how long.
"""

import os
import tempfile
import time

from bench_startup import cpu_milliseconds
from machine import emulator, expect, run_tests
from test_linux_boot import command, start, wait_shell

SECONDS = int(os.environ.get("SOAK_IDLE_SECONDS", "60"))
SETTLE_SECONDS = 10  # what the kernel does after init has started
LIMIT_PERCENT = 0.5
START_LIMIT_MS = 10


def cpu_seconds(pid):
    """User and system time of all threads of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percent_of_a_core(pid):
    before, begin = cpu_seconds(pid), time.monotonic()
    time.sleep(SECONDS)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - begin)


def expect_idle(guest, what):
    percent = percent_of_a_core(guest.process.pid)
    print(f"# {what}: {percent:.2f} % of a core over {SECONDS} s", flush=True)
    expect(percent < LIMIT_PERCENT, f"{what} used {percent:.2f} % of a core")


def test_idle_shell():
    with start() as guest:
        wait_shell(guest)
        time.sleep(SETTLE_SECONDS)
        expect_idle(guest, "idle shell")
        command(guest, "echo $((6 * 7))", rb"42\r")


def test_stopped_machine():
    with start() as guest:
        wait_shell(guest)
        guest.monitor("stop")
        expect_idle(guest, "stopped machine")
        guest.monitor("cont")
        command(guest, "echo $((6 * 7))", rb"42\r")


def test_start():
    """To the first instruction of the guest, which ends it: the best of some runs, as others may
    take the host's caches."""
    with tempfile.TemporaryDirectory() as folder:
        best = min(cpu_milliseconds(emulator(), folder))
        print(f"# start: {best:.1f} ms CPU", flush=True)
        expect(best < START_LIMIT_MS, f"a start takes {best:.1f} ms")


if __name__ == "__main__":
    run_tests(dict(globals()))
