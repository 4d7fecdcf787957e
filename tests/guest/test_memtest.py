#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""memtest86+ finds no errors in a 64 MiB guest, with its 64-bit and its 32-bit image.

Here up to the last test, which only waits; soak_memtest.py lets it wait.
Run alone: python3 tests/guest/test_memtest.py [NAME...]
"""

import re
import time

from machine import Machine, expect, memtest_image, run_tests

# The screen is drawn now and then: of the eleven tests of the first pass a fast guest shows few.
SEEN_AT_LEAST = 3


def start(name):
    return Machine(["-m", "64", "-kernel", memtest_image(name), "-append",
                    "console=ttyS0,115200"])


def wait_screen(guest, pattern, seconds):
    """Waits for text on the screen and looks at the error counts drawn up to then."""
    guest.wait_for_pattern(pattern, seconds)
    counts = re.findall(rb"Errors: *(\d+)", guest.serial.data)
    expect(counts and set(counts) == {b"0"}, f"errors: {counts}")


def tests_seen(guest):
    return {int(number) for number in re.findall(rb"#(\d+) +\[", guest.serial.data)}


def all_but_waiting(name):
    begin = time.monotonic()
    with start(name) as guest:
        wait_screen(guest, rb"#10 +\[Bit fade", 600)
        expect(len(tests_seen(guest)) >= SEEN_AT_LEAST, f"tests {tests_seen(guest)}")
    print(f"# {name}: {time.monotonic() - begin:.1f} s", flush=True)


def test_64_bit():
    all_but_waiting("x64")


def test_32_bit():
    all_but_waiting("ia32")


if __name__ == "__main__":
    run_tests(dict(globals()))
