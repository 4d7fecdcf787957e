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


def boot_rom(folder, name):
    """An option ROM that firmware can boot from (by its PnP header); it prints its name."""
    rom = bytearray(512)
    rom[0:4] = b"\x55\xaa\x01\xcb"  # one sector; init: retf
    rom[0x1a] = 0x20
    rom[0x20:0x26] = b"$PnP\x01\x02"
    rom[0x3a] = 0x50  # boot entry: mov $0x80,%si; 1: cs lodsb; test; jz 2f; out; jmp 1b; 2: hlt
    rom[0x50:0x62] = bytes.fromhex("be8000" "2eac" "84c0" "7406" "baf803" "ee" "ebf4" "f4ebfd")
    text = f"{name} boots\r\n".encode()
    rom[0x80:0x80 + len(text)] = text
    rom[0x29] = -sum(rom[0x20:0x40]) & 0xff
    rom[511] = -sum(rom) & 0xff
    path = os.path.join(folder, f"{name}.rom")
    with open(path, "wb") as file:
        file.write(rom)
    return path


def test_option_roms():
    with tempfile.TemporaryDirectory() as folder:
        one, two = boot_rom(folder, "one"), boot_rom(folder, "two")
        for indices, winner in (((2, 1), "two"), ((0, 5), "one")):
            with Machine(["-m", "16", "-option-rom", f"{one},bootindex={indices[0]}",
                          "-option-rom", f"romfile={two},bootindex={indices[1]}"]) as guest:
                guest.wait_for(f"{winner} boots", 60)


if __name__ == "__main__":
    run_tests(dict(globals()))
