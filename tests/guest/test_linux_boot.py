#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's cloud kernel boots to a shell, runs commands, powers off and reboots.

Run alone: python3 tests/guest/test_linux_boot.py [NAME...]
"""

import os
import re
import tempfile

from machine import ACCEL, Machine, expect, expect_in, linux_files, run_tests
from qmp_session import QmpClient

PROMPT = "guest# "
BOOT_SECONDS = 600


def start(*more, append="console=ttyS0", accel=ACCEL, kernel="cloud"):
    image, initrd = linux_files(kernel)
    return Machine(["-m", "512", "-kernel", image, "-initrd", initrd, "-append", append, *more],
                   accel=accel)


def wait_shell(guest):
    guest.wait_for("Guest ready: Linux", BOOT_SECONDS)
    guest.wait_for(PROMPT, BOOT_SECONDS)


def command(guest, line, wanted, seconds=120):
    """Types a command and waits for a whole line of output, which the echo is not."""
    guest.type(line + "\n")
    guest.wait_for_pattern(rb"\r?\n" + wanted, seconds)
    guest.wait_for(PROMPT, seconds)


def test_shell_and_power_off():
    with start() as guest:
        wait_shell(guest)
        command(guest, "uname -m", rb"x86_64\r")
        command(guest, "echo $((6 * 7))", rb"42\r")
        command(guest, "grep -c ^processor /proc/cpuinfo", rb"1\r")
        command(guest, "seq 1 20000 | md5sum", rb"e071f707df7bbeee2a6a1eb48011ddd0  -\r")
        command(guest, "dd if=/dev/zero bs=1M count=32 2>/dev/null | sha256sum | cut -c1-16",
                rb"83ee47245398adee")
        command(guest, "awk 'BEGIN { printf \"%.6f\\n\", 22 / 7 }'", rb"3.142857\r")
        guest.type("poweroff -f\n")
        status = guest.wait_exit(180)
        expect(status == 0, f"status {status}")


def test_reboot():
    with start() as guest:
        wait_shell(guest)
        guest.type("reboot -f\n")
        guest.wait_for("Linux version", BOOT_SECONDS)
        wait_shell(guest)
        command(guest, "echo again$((1 + 1))", rb"again2\r")


def test_ide_disk():
    """The kernel's driver reads and writes a disk by DMA."""
    size = 8 << 20
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "disk.img")
        with open(image, "wb") as file:
            file.write(bytes(range(256)) * (size // 256))
        with start("-drive", f"file={image},format=raw,if=ide") as guest:
            wait_shell(guest)
            command(guest, "load-modules; echo loaded$?", rb"loaded0\r")
            command(guest, "until test -b /dev/sda; do sleep 1; done; echo disk", rb"disk\r")
            command(guest, "cat /sys/block/sda/size", b"%d\r" % (size // 512))
            command(guest, "md5sum < /dev/sda", rb"57b019a28c426df5727b3992701bd2be  -\r")
            command(guest, "seq 1 100000 | dd of=/dev/sda bs=4k seek=16 conv=fsync 2>/dev/null; "
                    "echo wrote$?", rb"wrote0\r")
            guest.type("poweroff -f\n")
            expect(guest.wait_exit(180) == 0, "status")
        with open(image, "rb") as file:
            file.seek(65536)
            text = file.read(588895)
        expect(text.startswith(b"1\n2\n") and text.endswith(b"\n100000\n"), "what was written")


def test_cdrom():
    """The kernel finds the CD-ROM drive, reads the disc, notices another and locks one in use."""
    size = 2 << 20
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "disc.iso")
        with open(image, "wb") as file:
            file.write(bytes(range(256)) * (size // 256))
        qmp = os.path.join(folder, "qmp")
        with start("-cdrom", image, "-qmp", f"unix:{qmp},server=on,wait=off") as guest, \
                QmpClient(qmp) as client:
            client.negotiate()
            wait_shell(guest)
            command(guest, "load-modules; echo loaded$?", rb"loaded0\r")
            command(guest, "until test -b /dev/sr0; do sleep 1; done; echo disc", rb"disc\r")
            command(guest, "md5sum < /dev/sr0", rb"db1f7d786f6e0317456fac1628349973  -\r")
            other = os.path.join(folder, "other.iso")
            with open(other, "wb") as file:
                file.write(b"other".ljust(4096))
            expect(guest.monitor(f"change ide1-cd0 {other} raw") == "", "the disc is changed")
            command(guest, "head -c 5 /dev/sr0; echo", rb"other\r")
            command(guest, "exec 3</dev/sr0; echo open$?", rb"open0\r")
            expect_in("has locked the tray", guest.monitor("eject ide1-cd0"))
            client.call("blockdev-open-tray", device="ide1-cd0")  # asks the guest, no more
            expect_in(": locked, tray closed", guest.monitor("info block"))
            command(guest, "exec 3<&-; echo closed$?", rb"closed0\r")
            expect(guest.monitor("eject -f ide1-cd0") == "", "the disc is out")
            command(guest, "head -c 5 /dev/sr0; echo is$?", rb"head: [^\r]*No medium found\r\nis1\r")


def several_cpus(count, accel=ACCEL):
    with start("-smp", str(count), accel=accel) as guest:
        wait_shell(guest)
        threads = set(re.findall(r"thread_id=(\d+)", guest.monitor("info cpus")))
        expect(len(threads) == (1 if "single" in accel else count), f"threads {threads}")
        command(guest, "grep -c ^processor /proc/cpuinfo", b"%d\r" % count)
        jobs = f"for n in $(seq {2 * count}); do seq 1 50000 | md5sum > /tmp/$n & done; "
        command(guest, jobs + "wait; cat /tmp/[0-9]* | sort -u", rb"c1d4ba52c72ac7bcc71ff2d6c083e684  -\r")
        guest.type("poweroff -f\n")
        expect(guest.wait_exit(180) == 0, "status")


def test_two_cpus():
    several_cpus(2)


def test_more_cpus_than_cores():
    several_cpus(4)


def test_hpet_is_the_clock():
    """As the clock and, without a local APIC, as the only source of timer interrupts: on IRQ 0."""
    clocks = "/sys/devices/system/clocksource/clocksource0/"
    with start(append="console=ttyS0 hpet=force clocksource=hpet nolapic") as guest:
        wait_shell(guest)
        command(guest, f"cat {clocks}available_clocksource", rb"[^\r]*\bhpet\b")
        command(guest, f"cat {clocks}current_clocksource", rb"hpet\r")
        command(guest, "grep -c '^clock_event_device: *hpet\\|^Clock Event Device: *hpet' /proc/timer_list",
                rb"[1-9]")
        command(guest, "a=$(awk '/^ *0:/ {print $2}' /proc/interrupts); sleep 1; "
                "b=$(awk '/^ *0:/ {print $2}' /proc/interrupts); echo more$((b > a))", rb"more1\r")


def test_no_hpet():
    with start("-no-hpet") as guest:
        wait_shell(guest)
        command(guest, "grep -c hpet /sys/devices/system/clocksource/clocksource0/available_clocksource",
                rb"0\r")


def test_one_thread_for_all():
    several_cpus(4, "tcg,thread=single")


def test_sixteen_cpus():
    several_cpus(16)


def test_no_reboot_ends():
    with start("-no-reboot") as guest:
        wait_shell(guest)
        guest.type("reboot -f\n")
        status = guest.wait_exit(180)
        expect(status == 0, f"status {status}")


if __name__ == "__main__":
    run_tests(dict(globals()))
