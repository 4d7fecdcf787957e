#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes of a Linux guest keep ZMM and opmask registers over switches and signals.

Run alone: python3 tests/guest/test_vector_state.py
"""

import subprocess
import tempfile
from pathlib import Path

from guest_image import Cpio
from machine import ROOT, Machine, Skip, linux_files, run_tests

PROMPT = "guest# "


def initrd_with_program(initrd, folder):
    """A second archive behind the first: the kernel unpacks both."""
    program, image = Path(folder, "vector-state"), Path(folder, "initrd.img")
    subprocess.run(["gcc", "-O1", "-static", "-o", program, ROOT / "tests/guest/vector-state.c"],
                   check=True)
    more = Cpio()
    more.file("bin/vector-state", program.read_bytes())
    image.write_bytes(Path(initrd).read_bytes() + more.finish())
    return image


def keep_vectors(cpus):
    if "avx512f" not in Path("/proc/cpuinfo").read_text(encoding="ascii"):
        raise Skip("the host has no AVX-512")
    kernel, initrd = linux_files()
    with tempfile.TemporaryDirectory() as folder:
        with Machine(["-cpu", "max", "-smp", str(cpus), "-m", "512", "-kernel", kernel, "-initrd",
                      initrd_with_program(initrd, folder), "-append", "console=ttyS0"]) as guest:
            guest.wait_for(PROMPT, 600)
            guest.type("vector-state\n")
            guest.wait_for_pattern(rb"\nvectors kept\r", 120)


def test_one_cpu():
    keep_vectors(1)


def test_two_cpus():
    keep_vectors(2)


if __name__ == "__main__":
    run_tests(dict(globals()))
