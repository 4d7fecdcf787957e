#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's kernels, 64-bit, 32-bit and 32-bit with PAE, boot to a shell with one and more CPUs.

Run alone: python3 tests/guest/test_linux_kernels.py [NAME...]
"""

import time

from machine import expect, run_tests
from test_linux_boot import command, start, wait_shell

SUMS = "seq 1 50000 | md5sum > /tmp/{} & "
SUM = rb"c1d4ba52c72ac7bcc71ff2d6c083e684  -\r"


def boot(kernel, machine, cpus, *more):
    """To a shell, a load on every CPU, and off again."""
    begin = time.monotonic()
    with start("-smp", str(cpus), *more, kernel=kernel) as guest:
        wait_shell(guest)
        command(guest, "uname -m", machine + rb"\r")
        command(guest, "grep -c ^processor /proc/cpuinfo", b"%d\r" % cpus)
        jobs = "".join(SUMS.format(number) for number in range(2 * cpus))
        command(guest, jobs + "wait; cat /tmp/[0-9]* | sort -u", SUM)
        command(guest, "dmesg | grep -c -E 'BUG:|WARNING:|Oops'", rb"0\r")
        guest.type("poweroff -f\n")
        expect(guest.wait_exit(60) == 0, "status")
    print(f"# {kernel} {' '.join(more)} {cpus} CPUs: {time.monotonic() - begin:.1f} s", flush=True)


def test_amd64():
    for cpus in (1, 2, 4):
        boot("amd64", b"x86_64", cpus)


def test_686():
    """Two-level paging, no NX."""
    for cpus in (1, 2, 4):
        boot("686", b"i686", cpus)


def test_686_pae():
    for cpus in (1, 2, 4):
        boot("686-pae", b"i686", cpus)


if __name__ == "__main__":
    run_tests(dict(globals()))
