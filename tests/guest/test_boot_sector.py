#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SeaBIOS boots a sector from an IDE disk, which prints and reads more of the disk.

Run alone: python3 tests/guest/test_boot_sector.py [NAME...]
"""

import os
import tempfile

from machine import Machine, boot_sector, expect_in, run_tests

SECTORS = b"second sector\r\n".ljust(512, b"\0") + b"third sector\r\n".ljust(512, b"\0")


def check_texts(guest):
    for text in ["boot sector here", "second sector", "third sector", "boot sector done"]:
        guest.wait_for(text, 180)


def test_hda():
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("boot-sector.S", folder, SECTORS)
        log = os.path.join(folder, "debug.log")
        with Machine(["-m", "64", "-hda", image, "-debugcon", f"file:{log}", "-global",
                      "isa-debugcon.iobase=0x402"]) as guest:
            check_texts(guest)
            guest.monitor_send("quit")
            guest.wait_exit()
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        expect_in("SeaBIOS", text)
        expect_in("third sector", text)
        expect_in("boot sector done", text)


def test_drive_option():
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("boot-sector.S", folder, SECTORS)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw,if=ide,readonly=off"]) as guest:
            check_texts(guest)


def test_second_channel():
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("boot-sector.S", folder, SECTORS)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw,if=ide,index=2"]) as guest:
            check_texts(guest)


def test_device_option():
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("boot-sector.S", folder, SECTORS)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw,if=none,id=d0,cache=none",
                      "-device", "ide-hd,drive=d0,bus=ide.1,unit=1,serial=abc"]) as guest:
            check_texts(guest)


if __name__ == "__main__":
    run_tests(dict(globals()))
