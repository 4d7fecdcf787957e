#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Linux reads the SMBIOS tables: names of -smbios, the UUID, CPUs and memory, both entry points; and
an ACPI table of the user's.

Run alone: python3 tests/guest/test_smbios.py [NAME...]
"""

import re

from machine import Machine, expect, linux_files, run_tests
from test_linux_boot import BOOT_SECONDS, PROMPT, wait_shell

UUID = "12345678-9abc-def0-1122-334455667788"


def start(*more):
    image, initrd = linux_files()
    return Machine(["-m", "512", "-kernel", image, "-initrd", initrd, "-append", "console=ttyS0",
                    *more])


def output(guest, line):
    """What a command prints."""
    guest.type(f"{line}; echo; echo end''mark\n")
    match = guest.wait_for_pattern(rb"\n((?:.*\n)*)endmark\r", 60)
    guest.wait_for(PROMPT)
    return match.group(1).decode().replace("\r", "")


def names(guest):
    """Files of /sys/class/dmi/id with what is in them."""
    text = output(guest, "cd /sys/class/dmi/id; for f in *; do [ -f $f ] && echo $f=$(cat $f); done")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def entries(guest):
    """Types of the structures the kernel found, in order."""
    text = output(guest, "ls /sys/firmware/dmi/entries | sort -n")
    return re.findall(r"^\d+-\d+$", text, re.MULTILINE)  # the kernel may say something between


def test_defaults():
    with start() as guest:
        wait_shell(guest)
        found = names(guest)
        expect(found["sys_vendor"] == "QEMU", found)
        expect(found["product_name"] == "Standard PC (i440FX + PIIX, 1996)", found)
        expect(found["product_version"] == "pc-i440fx-7.2", found)
        expect("product_uuid" not in found, found)
        expect(found["bios_vendor"] == "SeaBIOS", found)
        expect(found["chassis_vendor"] == "QEMU", found)
        expect(entries(guest) == ["0-0", "1-0", "3-0", "4-0", "16-0", "17-0", "19-0", "32-0",
                                  "127-0"], entries(guest))


def test_options_and_64_bit():
    with start("-smp", "2,sockets=2", "-machine", "smbios-entry-point-type=64", "-uuid", UUID,
               "-smbios", "type=1,serial=ds=nocloud;s=http://10.0.2.2/,family=Fam",
               "-smbios", "type=0,vendor=Ven,version=9.1,date=01/02/2020",
               "-smbios", "type=2,product=Base,serial=B5", "-smbios", "type=3,asset=A1",
               "-smbios", "type=11,value=io.example:x=y",
               "-acpitable", f"data={__file__},sig=MIMU,oem_id=TESTS,rev=3") as guest:
        wait_shell(guest)
        found = names(guest)
        wanted = {"product_serial": "ds=nocloud;s=http://10.0.2.2/", "product_family": "Fam",
                  "bios_vendor": "Ven", "bios_version": "9.1", "bios_date": "01/02/2020",
                  "board_name": "Base", "board_serial": "B5", "board_vendor": "QEMU",
                  "chassis_asset_tag": "A1", "product_uuid": UUID}
        for key, value in wanted.items():
            expect(found.get(key) == value, f"{key}: {found}")
        expect(entries(guest) == ["0-0", "1-0", "2-0", "3-0", "4-0", "4-1", "11-0", "16-0", "17-0",
                                  "19-0", "32-0", "127-0"], entries(guest))
        expect("_SM3_" in output(guest, "head -c 5 /sys/firmware/dmi/tables/smbios_entry_point"),
               "no 64-bit entry point")
        table = output(guest, "head -c 60 /sys/firmware/acpi/tables/MIMU | tr -cd ' -~'")
        expect(re.search(r"MIMU.*TESTS.*#!/usr/bin/env", table), table)
        expect("io.example:x=y" in output(guest, "tail -c +1 /sys/firmware/dmi/entries/11-0/raw"),
               "no OEM string")


if __name__ == "__main__":
    run_tests(dict(globals()))
