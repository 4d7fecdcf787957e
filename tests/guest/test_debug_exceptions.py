#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Breakpoints of DR0-DR3, single and branch steps, as a guest sees them.

Run alone: python3 tests/guest/test_debug_exceptions.py [NAME...]
"""

import subprocess
import tempfile
from pathlib import Path

from machine import Machine, expect, run_tests

# Test, DR6, EIP within the test, RF as pushed. EIPs count the bytes of the program's instructions.
EXPECTED = """\
X 0ff1 00 1
W 0ff2 0c 0
W 0ff2 0e 0
W 0ff2 1a 0
R 0ff4 06 0
R 0ff4 0c 0
S 0ff4 00 1
S 0ff4 02 0
P 0ff8 04 0
P 0ff8 07 0
G 2ff0 00 1
T 4ff0 01 0
T 4ff0 02 0
T 4ff0 03 0
O 4ff0 01 0
O 4ff0 08 0
O 4ff0 09 0
M 4ff4 07 0
M 4ff0 08 0
N 4ff0 03 0
N 4ff0 04 0
B 4ff0 08 0
I 0ff0 01 0
"""


def build(folder):
    source = Path(__file__).with_name("debug-exceptions.S")
    program = Path(folder, "debug-exceptions")
    subprocess.run(["gcc", "-m32", "-c", source, "-o", f"{program}.o"], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-N", "--no-warn-rwx-segments", "-Ttext", "0x100000",
                    "-o", program, f"{program}.o"], check=True)
    return program


def test_debug_exceptions():
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with Machine(["-m", "64", "-kernel", build(folder), "-debugcon", f"file:{log}", "-device",
                      "isa-debug-exit,iobase=0xf4"]) as guest:
            status = guest.wait_exit(180)
            expect(status == 1, f"status {status}")
        text = log.read_text()
        expect(text == EXPECTED, f"the guest saw:\n{text}")


if __name__ == "__main__":
    run_tests(dict(globals()))
