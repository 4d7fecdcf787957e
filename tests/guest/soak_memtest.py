#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""memtest86+ completes a pass without errors in a 64 MiB guest, 64-bit and 32-bit at the same time.

Run alone: python3 tests/guest/soak_memtest.py
"""

import time

from machine import run_tests
from test_memtest import start, wait_screen

PASS_SECONDS = 580


def test_whole_pass():
    begin = time.monotonic()
    with start("x64") as wide, start("ia32") as narrow:
        for guest, name in ((wide, "x64"), (narrow, "ia32")):
            left = PASS_SECONDS - (time.monotonic() - begin)
            wait_screen(guest, rb"Pass: +1 +Errors: +0", left)
            print(f"# {name}: {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    run_tests(dict(globals()))
