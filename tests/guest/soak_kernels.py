#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's 32-bit kernels boot on the models of 32-bit and later CPUs.

The kernels want CMOV, which a 486, a Pentium and `base` lack: they stop before their first message.
Run alone: python3 tests/guest/soak_kernels.py [NAME...]
"""

from machine import run_tests
from test_linux_kernels import boot

MODELS = ["qemu32", "kvm32", "pentium2", "pentium3", "coreduo", "athlon", "n270", "Conroe",
          "Opteron_G1", "max", "host"]
CPUS = {"coreduo": 2, "max": 4, "host": 2}


def test_686():
    for model in MODELS:
        boot("686", b"i686", CPUS.get(model, 1), "-cpu", model)


def test_686_pae():
    for model in MODELS:
        boot("686-pae", b"i686", CPUS.get(model, 1), "-cpu", model)


if __name__ == "__main__":
    run_tests(dict(globals()))
