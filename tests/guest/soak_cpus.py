#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Linux boots on the CPU models people use, on models with features taken away and on shapes of -smp;
it finds no fault with any of them and sees the shape that was asked for.

Run alone: python3 tests/guest/soak_cpus.py [NAME...]
"""

import re

from machine import expect, run_tests
from test_linux_boot import command, start, wait_shell

MODELS = ["tcg64", "qemu64", "kvm64", "max", "host", "Conroe", "Nehalem", "SandyBridge", "Haswell",
          "Skylake-Server", "Icelake-Server", "Opteron_G3", "phenom", "EPYC", "EPYC-Milan"]
VARIANTS = ["qemu64,-sse3", "qemu64,+x2apic,+tsc-deadline", "max,-avx2,-avx",
            "max,-xsave", "max,-pcid,-invpcid", "max,-smap,-smep", "max,-la57",
            "qemu64,tsc-frequency=1G"]
# model, CPUs, packages, cores of a package, threads of a core
SHAPES = [("EPYC", 8, 2, 2, 2), ("Haswell", 6, 1, 3, 2), ("qemu64", 3, 3, 1, 1),
          ("kvm64", 6, 2, 3, 1)]
# What Linux says of an MSR it did not find, of firmware it corrects, of a CPU it does not believe.
COMPLAINTS = re.compile(r".*(?:unchecked MSR|\[Firmware (?:Bug|Warn)|FW_BUG|WARNING: CPU|"
                        r"unhandled|mtrr: your|Broken PMU|BUG:|Oops|general protection).*")


def boot(cpu, *more, check=None):
    with start("-cpu", f"{cpu},check=off", *more, append="console=ttyS0 ignore_loglevel") as guest:
        wait_shell(guest)
        command(guest, "seq 1 20000 | md5sum", rb"e071f707df7bbeee2a6a1eb48011ddd0  -\r")
        if check:
            check(guest)
        guest.type("poweroff -f\n")
        expect(guest.wait_exit(60) == 0, f"status with {cpu}")
        complaints = COMPLAINTS.findall(guest.serial.text())
        expect(not complaints, f"with {cpu} Linux says: {complaints}")
    print(f"# {cpu} {' '.join(more)}: boots", flush=True)


def test_models():
    for name in MODELS:
        boot(name)


def test_features_taken_away():
    for cpu in VARIANTS:
        boot(cpu)


def test_shapes():
    for cpu, count, packages, cores, threads in SHAPES:
        def check(guest):
            for field, wanted in [("processor", count), ("physical id", packages)]:
                command(guest, f"grep '^{field}' /proc/cpuinfo | sort -u | wc -l", b"%d\r" % wanted)
            for field, wanted in [("cpu cores", cores), ("siblings", cores * threads)]:
                command(guest, f"grep '^{field}' /proc/cpuinfo | sort -u | cut -d: -f2",
                        b" %d\r" % wanted)
        boot(cpu, "-smp", f"{count},sockets={packages},cores={cores},threads={threads}",
             check=check)


if __name__ == "__main__":
    run_tests(dict(globals()))
