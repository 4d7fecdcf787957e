#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An interrupt between a jump and the code that is made for its target does not bend the jump.

Run alone: python3 tests/guest/test_interrupted_jumps.py [NAME...]
"""

import tempfile

from machine import Machine, boot_sector, expect_in, run_tests


def test_interrupted_jumps():
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("interrupted-jumps.S", folder)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw"]) as guest:
            guest.wait_for_pattern(rb"a.*jump.* went .*\n", 180)
            expect_in("all jumps went right", guest.serial.text())


if __name__ == "__main__":
    run_tests(dict(globals()))
