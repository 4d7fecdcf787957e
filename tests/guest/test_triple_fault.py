#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A CPU that shuts down resets the machine, or ends the emulator with -no-reboot.

Run alone: python3 tests/guest/test_triple_fault.py [NAME...]
"""

import tempfile

from machine import Machine, boot_sector, expect, run_tests


def test_resets():
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("triple-fault.S", folder)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw"]) as guest:
            guest.wait_for("about to fault", 180)
            guest.wait_for("about to fault", 180)
            guest.wait_for("about to fault", 180)


def test_no_reboot():
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("triple-fault.S", folder)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw", "-no-reboot"]) as guest:
            guest.wait_for("about to fault", 180)
            status = guest.wait_exit()
            expect(status == 0, f"status {status}")


if __name__ == "__main__":
    run_tests(dict(globals()))
