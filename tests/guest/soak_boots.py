#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Linux boots to a shell and powers off again, many times without a hang; reboots in one process,
which does not grow.

Run alone: python3 tests/guest/soak_boots.py [NAME...]; SOAK_BOOTS= and SOAK_REBOOTS= say how often.
"""

import os
import time

from machine import expect, run_tests
from test_linux_boot import command, start, wait_shell

BOOTS = int(os.environ.get("SOAK_BOOTS", "50"))
MAY_GROW_MIB = 64
REBOOTS = int(os.environ.get("SOAK_REBOOTS", "20"))


def report(what, seconds):
    """Times as a comment in TAP, so that a slow one is seen in a log."""
    print(f"# {what}: {len(seconds)} times, {min(seconds):.1f} to {max(seconds):.1f} s", flush=True)


def boots_in_a_row(cpus):
    seconds = []
    for _ in range(BOOTS):
        begin = time.monotonic()
        with start("-smp", str(cpus)) as guest:
            wait_shell(guest)
            # the kernel may say something before the end of the line
            command(guest, "echo $((6 * 7))", rb"42[\r\[]")
            command(guest, "grep -c ^processor /proc/cpuinfo", rb"%d[\r\[]" % cpus)
            guest.type("poweroff -f\n")
            expect(guest.wait_exit(60) == 0, "status of the emulator")
            expect("" == guest.error_text(), guest.error_text())
        seconds.append(time.monotonic() - begin)
    report(f"boots with {cpus} CPUs", seconds)


def test_one_cpu():
    boots_in_a_row(1)


def test_one_cpu_again():
    boots_in_a_row(1)


def test_four_cpus():
    boots_in_a_row(4)


def test_four_cpus_again():
    boots_in_a_row(4)


def resident_mib(guest):
    """Host memory of the emulator, guest RAM included."""
    with open(f"/proc/{guest.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) >> 10 for line in file if line.startswith("VmRSS"))


def test_reboots_in_one_process():
    seconds, resident = [], []
    with start(append="console=ttyS0 nokaslr") as guest:  # the same RAM each time
        wait_shell(guest)
        for number in range(REBOOTS):
            begin = time.monotonic()
            if number % 2:
                guest.monitor("system_reset")
            else:
                guest.type("reboot -f\n")
            guest.wait_for("Linux version", 600)
            wait_shell(guest)
            command(guest, "dmesg | grep -c 'Linux version'", rb"1[\r\[]")
            seconds.append(time.monotonic() - begin)
            resident.append(resident_mib(guest))
        guest.type("poweroff -f\n")
        expect(guest.wait_exit(60) == 0, "status of the emulator")
    report("reboots", seconds)
    print(f"# resident memory: {resident} MiB", flush=True)
    expect(resident[-1] < resident[1] + MAY_GROW_MIB, f"memory grows: {resident} MiB")


if __name__ == "__main__":
    run_tests(dict(globals()))
