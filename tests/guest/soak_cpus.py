#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Linux boots on the CPU models people use, and on models with features taken away.

Run alone: python3 tests/guest/soak_cpus.py [NAME...]
"""

from machine import expect, run_tests
from test_linux_boot import command, start, wait_shell

MODELS = ["tcg64", "qemu64", "kvm64", "max", "host", "Conroe", "Nehalem", "Haswell",
          "Skylake-Server", "Opteron_G3", "EPYC"]
VARIANTS = ["qemu64,-sse3", "qemu64,+x2apic,+tsc-deadline", "max,-avx2,-avx",
            "max,-xsave", "max,-pcid,-invpcid", "max,-smap,-smep", "max,-la57"]


def boot(cpu):
    with start("-cpu", cpu) as guest:
        wait_shell(guest)
        command(guest, "seq 1 20000 | md5sum", rb"e071f707df7bbeee2a6a1eb48011ddd0  -\r")
        guest.type("poweroff -f\n")
        expect(guest.wait_exit(60) == 0, f"status with {cpu}")
    print(f"# {cpu}: boots", flush=True)


def test_models():
    for name in MODELS:
        boot(name)


def test_features_taken_away():
    for cpu in VARIANTS:
        boot(cpu)


if __name__ == "__main__":
    run_tests(dict(globals()))
