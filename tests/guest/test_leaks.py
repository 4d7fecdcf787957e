#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Machines that start again and again leave nothing behind: no descriptor, memory, thread, file.

Run alone: python3 tests/guest/test_leaks.py [NAME...]; LEAK_ROUNDS= says how often.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from machine import SCALE, Machine, boot_sector, emulator, expect, run_tests

ROUNDS = int(os.environ.get("LEAK_ROUNDS", "20"))
WARM_UP = 5  # rounds until caches are filled
SETTLE_SECONDS = 10
MAY_GROW_KIB = 4096  # of resident memory, over all rounds


class Usage:
    """What a process holds."""

    def __init__(self, pid):
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.threads = len(os.listdir(f"/proc/{pid}/task"))
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        self.resident = next(int(line.split()[1]) for line in status.split("\n")
                             if line.startswith("VmRSS"))


def expect_no_growth(pid, rounds, one_round, what):
    before = None
    for number in range(WARM_UP + rounds):
        if number == WARM_UP:
            before = Usage(pid)
        one_round()
    after = Usage(pid)
    deadline = time.monotonic() + SETTLE_SECONDS * SCALE
    while after.descriptors > before.descriptors and time.monotonic() < deadline:
        time.sleep(0.1)  # a connection that was closed a moment ago
        after = Usage(pid)
    print(f"# {what}, {rounds} times: {before.resident} then {after.resident} KiB, "
          f"{after.descriptors} descriptors, {after.threads} threads", flush=True)
    expect(after.descriptors <= before.descriptors, f"descriptors: {vars(before)} {vars(after)}")
    expect(after.threads <= before.threads, f"threads: {vars(before)} {vars(after)}")
    expect(after.resident < before.resident + MAY_GROW_KIB, f"{vars(before)} {vars(after)}")


def test_resets():
    """The machine starts anew in one process."""
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("commands.S", folder)
        with Machine(["-m", "16", "-drive", f"file={image},format=raw"]) as guest:
            def one_round():
                guest.wait_for("tell me")
                guest.type("r")
            expect_no_growth(guest.process.pid, ROUNDS, one_round, "resets")


def test_sessions():
    """Monitors come and go."""
    with Machine(["-m", "16"], qmp=True) as guest:
        def one_round():
            session = guest.connect_qmp()
            session.execute("query-status")
            session.execute("human-monitor-command", {"command-line": "info registers"})
            session.close()
            guest.monitor("info status")
            guest.leave_monitor()
        expect_no_growth(guest.process.pid, ROUNDS, one_round, "sessions")


def test_processes():
    """Each process cleans up behind it: in its folder, in that of temporary files, in shared
    memory."""
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("commands.S", folder)
        left = sorted(os.listdir(folder))
        shared = set(os.listdir("/dev/shm"))
        environment = {**os.environ, "TMPDIR": folder}
        for _ in range(ROUNDS):
            result = subprocess.run(
                [emulator(), "-accel", "tcg", "-display", "none", "-m", "16", "-drive",
                 f"file={image},format=raw", "-serial", "stdio", "-device", "isa-debug-exit",
                 "-monitor", "unix:monitor,server,nowait", "-qmp", "unix:qmp,server=on,wait=off",
                 "-pidfile", "pid", "-object", "memory-backend-memfd,id=m,size=16M",
                 "-machine", "memory-backend=m"],
                input=b"d", cwd=folder, env=environment, capture_output=True, timeout=60 * SCALE,
                check=False)
            expect(result.returncode == 33, result)
            expect(sorted(os.listdir(folder)) == left, os.listdir(folder))
        expect(set(os.listdir("/dev/shm")) <= shared, "shared memory is left")


if __name__ == "__main__":
    run_tests(dict(globals()))
