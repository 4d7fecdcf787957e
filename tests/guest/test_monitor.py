#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A monitor session on a UNIX socket: run state, memory, registers, trees, garbage, quit.

Run alone: python3 tests/guest/test_monitor.py [NAME...]
"""

import re
import tempfile
import time
from contextlib import contextmanager

from machine import Machine, boot_sector, expect, expect_in, run_tests

SECTORS = b"second sector\r\n".ljust(512, b"\0") + b"third sector\r\n".ljust(512, b"\0")


@contextmanager
def booted():
    """A machine whose boot sector has printed its last line and halts in a loop."""
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("boot-sector.S", folder, SECTORS)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw"]) as guest:
            guest.wait_for("boot sector done", 180)
            yield guest


def test_run_state():
    with booted() as guest:
        expect_in("VM status: running", guest.monitor("info status"))
        guest.monitor("stop")
        expect_in("VM status: paused", guest.monitor("info status"))
        guest.monitor("system_reset")
        guest.monitor("c")
        guest.wait_for("boot sector done", 180)
        expect_in("VM status: running", guest.monitor("info status"))


def test_memory():
    with booted() as guest:
        code = guest.monitor("xp /4xb 0x7dfc")
        expect(re.search(r"0+7dfc: 0x00 0x00 0x55 0xaa", code), code)
        expect_in("0x6f636573", guest.monitor("xp /1xw 0x8000"))
        expect(re.search(r"0+8000:.*'s' 'e' 'c'", guest.monitor("x /3cb 0x8000")), "characters")


def test_registers():
    with booted() as guest:
        text = guest.monitor("info registers")
        expect(re.search(r"[ER]IP=0*7c[0-9a-f]{2}\b", text), text)
        expect(re.search(r"CS =0000 0*00000000 ", text), text)
        expect(re.search(r"CR0=[0-9a-f]*10\b", text), text)
        expect(re.search(r"CPU #0", guest.monitor("info cpus")), "info cpus")


def test_clock_options_reach_the_chip():
    with Machine(["-S", "-rtc", "base=2020-01-02T03:04:05,clock=vm,driftfix=slew"]) as guest:
        tree = guest.monitor("info qtree")
        expect(re.search(r'dev: mc146818rtc.*?base = "?2020-01-02T03:04:05.*?clock = "?vm.*?driftfix = "?slew',
                         tree, re.S), tree)


def test_trees():
    with booted() as guest:
        tree = guest.monitor("info qtree")
        expect(re.search(r'dev: \S+-x86_64-cpu, id ""\n\s+apic-id = 0', tree), tree)
        for wanted in ["dev: piix3-ide", "dev: ide-hd", "bus: ide.0", "dev: isa-serial"]:
            expect_in(wanted, tree)
        expect_in("pc.ram", guest.monitor("info mtree"))
        pci = guest.monitor("info pci")
        for wanted in ["8086:1237", "8086:7000", "8086:7010"]:
            expect_in(wanted, pci)
        expect(re.match(r"\d+\.\d+", guest.monitor("info version")), "version")
        expect_in("type (string)", guest.monitor("qom-list /machine"))


def test_garbage():
    with booted() as guest:
        expect_in("unknown command", guest.monitor("nonsense"))
        expect_in("unknown command", guest.monitor("info nonsense"))
        for line in ["xp", "xp /", "xp /999999999xb 0", "x /4xb (1", "x /4xq 0", "qom-get",
                     "qom-get /nowhere x", "qom-list /nowhere", "stop now", "a" * 5000, "\x01\x7f",
                     "info", "'", "\"", "xp /1xb 1/0", "help help help", ";;;", "\\"]:
            guest.monitor(line)
        expect_in("VM status: running", guest.monitor("info status"))


def test_own_commands():
    with booted() as guest:
        guest.monitor("stop")
        for command, wanted in [("info fields ide-hd", "lba_low"), ("info jit", "TB count"),
                                ("info tlb", ""), ("info mem", ""), ("help", "system_reset"),
                                ("info pic", "pic1: irr="), ("info ioapic", "pin 23"),
                                ("info irq", "IRQ statistics for isa-i8259:"),
                                ("info lapic", "LVTT"), ("info roms", "mem=rom"),
                                ("info uuid", "00000000-0000-"), ("info name", ""),
                                ("info numa", "0 nodes"), ("info network", ""),
                                ("info memory_size_summary", "base memory: 67108864"),
                                ("info mice", "* Mouse #2"), ("info history", "0: 'stop'"),
                                ("info registers -a", "CPU#0"), ("info registers 0", "CPU#0"),
                                ("info balloon", "No balloon device"),
                                ("gpa2hva 0", "Host virtual address for 0x0 (pc.ram) is 0x"),
                                ("gva2gpa 0x7c00", "gpa: 0x7c00"), ("sum 0x7c00 512", ""),
                                ("i 0x71", "portb[0x0071] = 0x"), ("o 0x80 1", ""),
                                ("boot_set n", "boot device list now set to n"),
                                ("announce_self", ""), ("mouse_move -3 4 1", ""),
                                ("mouse_button 1", ""), ("mouse_set 2", ""),
                                ("help info", "registers"), ("qom-get /machine type", "")]:
            text = guest.monitor(command)
            expect("unknown command" not in text, f"{command}: {text}")
            expect_in(wanted, text)


def test_sendkey():
    """Keys reach the buffer of the BIOS: one that is held, one with shift, one by number."""
    with booted() as guest:
        def typed():
            words = re.findall(r" 0x([0-9a-f]{4})", guest.monitor("xp /16xh 0x41e"))
            return [word for word in words if word != "0000"]

        expect(not typed(), "no key yet")
        for line in ["sendkey a", "sendkey shift-b 20", "sendkey 0x2e", "sendkey ret"]:
            expect("rror" not in guest.monitor(line), line)
        deadline = time.monotonic() + 60
        while len(typed()) < 4 and time.monotonic() < deadline:
            time.sleep(0.2)
        expect(typed() == ["1e61", "3042", "2e63", "1c0d"], str(typed()))
        expect_in("did you mean 'ctrl'", guest.monitor("sendkey ctlr-a"))


def test_quit():
    with booted() as guest:
        guest.monitor_send("quit")
        status = guest.wait_exit()
        expect(status == 0, f"status {status}")


def test_second_session():
    """A client that leaves makes room for the next one."""
    with booted() as guest:
        guest.monitor("info status")
        guest.leave_monitor()
        expect_in("VM status: running", guest.monitor("info status"))


if __name__ == "__main__":
    run_tests(dict(globals()))
