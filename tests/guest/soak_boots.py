#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Linux boots to a shell and powers off again, many times without a hang; reboots in one process.

Run alone: python3 tests/guest/soak_boots.py [NAME...]; SOAK_BOOTS= and SOAK_REBOOTS= say how often.
"""

import os
import time

from machine import expect, run_tests
from test_linux_boot import command, start, wait_shell

BOOTS = int(os.environ.get("SOAK_BOOTS", "50"))
REBOOTS = int(os.environ.get("SOAK_REBOOTS", "20"))


def report(what, seconds):
    """Times as a comment in TAP, so that a slow one is seen in a log."""
    print(f"# {what}: {len(seconds)} times, {min(seconds):.1f} to {max(seconds):.1f} s", flush=True)


def test_boots_in_a_row():
    seconds = []
    for _ in range(BOOTS):
        begin = time.monotonic()
        with start() as guest:
            wait_shell(guest)
            command(guest, "echo $((6 * 7))", rb"42\r")
            guest.type("poweroff -f\n")
            expect(guest.wait_exit(60) == 0, "status of the emulator")
            expect("" == guest.error_text(), guest.error_text())
        seconds.append(time.monotonic() - begin)
    report("boots", seconds)


def test_reboots_in_one_process():
    seconds = []
    with start() as guest:
        wait_shell(guest)
        for number in range(REBOOTS):
            begin = time.monotonic()
            if number % 2:
                guest.monitor("system_reset")
            else:
                guest.type("reboot -f\n")
            guest.wait_for("Linux version", 600)
            wait_shell(guest)
            command(guest, "dmesg | grep -c 'Linux version'", rb"1\r")
            seconds.append(time.monotonic() - begin)
        guest.type("poweroff -f\n")
        expect(guest.wait_exit(60) == 0, "status of the emulator")
    report("reboots", seconds)


if __name__ == "__main__":
    run_tests(dict(globals()))
