#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Looking into the translator: `info jit`, `info hot`, switches, logs, files for perf, and its mappings.

Run alone: python3 tests/guest/test_inside.py [NAME...]
"""

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from machine import (ACCEL, SCALE, Machine, Skip, boot_sector, emulator, expect, expect_in, linux_files,
                     run_tests)
from test_linux_boot import command, start, wait_shell

NAMES = ["TLB refills", "TLB flushes, all", "TLB flushes, map changed", "TLB flushes, not global",
         "TLB flushes, page", "TLB flushes, large page", "TLB flushes, context reused", "lookups",
         "lookups from code",
         "exits, jump to be chained", "exits, jump not in cache", "exits, indirect not in cache",
         "exits, instruction for C", "exits, access for exact mode", "exits, host fault",
         "exits, block is hot", "exits, block is stale", "exits, kick", "naps of waiting loops",
         "shared checks that failed",
         "slow accesses, device", "slow accesses, page crossing", "slow accesses, beside code",
         "slow accesses, read-only", "slow accesses, page fault", "slow accesses, page walk",
         "slow accesses, other", "exact steps", "exact steps, no block", "exact steps, trap",
         "exact steps, alignment", "exact steps, shadow"]


def counters(guest):
    """Text of `info jit`, and its counters over all CPUs by name."""
    text = guest.monitor("info jit")
    found = {name.strip(): int(value)
             for name, value in re.findall(r"^([A-Za-z, -]+?) +(\d+)$", text, re.M)}
    return text, found


def test_info_jit():
    with start() as guest:
        wait_shell(guest)
        guest.monitor("stop")
        text, found = counters(guest)
        for name in NAMES:
            expect(name in found, f"no {name!r} in\n{text}")
        for name in ["TLB refills", "TLB flushes, not global", "TLB flushes, page", "lookups",
                     "exits, jump to be chained", "exits, instruction for C", "exits, block is hot", "exits, kick",
                     "slow accesses, device", "slow accesses, page crossing",
                     "slow accesses, page fault", "instructions by C, iretq",
                     "TB translated"]:
            expect(found.get(name, 0) > 0, f"{name} is zero in\n{text}")
        slow = sum(value for name, value in found.items() if name.startswith("slow accesses"))
        expect(slow == found["exits, access for exact mode"], text)
        steps = sum(value for name, value in found.items() if name.startswith("exact steps, "))
        expect(steps + slow <= found["exact steps"], text)
        size, room = map(int, re.search(r"^gen code size +(\d+)/(\d+)$", text, re.M).groups())
        expect(0 < size < room, text)
        count, chained = (int(re.search(rf"^{name} +(\d+)", text, re.M)[1])
                          for name in ("TB count", "direct jump count"))
        expect(1000 < count <= found["TB translated"] and 0 < chained < 2 * count, text)
        again = guest.monitor("info jit")
        expect(again == text, f"a stopped machine counts:\n{text}\n{again}")


def locked_lines(accel, *args):
    """The counter after LOCK INC, XCHG and LOCK XOR, a thousand each, on operands in two cache lines."""
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("locked-lines.S", folder)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw", *args], accel=accel) as guest:
            guest.wait_for("sums are right", 180)
            return counters(guest)[1]["locked in two cache lines"]


def test_no_lock_on_two_cache_lines():
    for options, one_cpu in (("hot=1", 1000), ("hot=0", 1000), ("opt-lock=off", 3000)):
        accel = f"{ACCEL},{options}"
        found = locked_lines(accel, "-smp", "2")
        expect(found == 3000, f"{found} with {options} and two CPUs")
        # one needs no LOCK, but for XCHG, which threads of devices may see
        found = locked_lines(accel)
        expect(found == one_cpu, f"{found} with {options}")


def test_switches_are_seen():
    with start(accel=f"{ACCEL},opt-chain=off,opt-jump-cache=off,opt-global=off") as guest:
        guest.wait_for("Linux version", 300)
        text, found = counters(guest)
        expect_in("direct jump count   0 chained", text)
        expect(found["lookups"] > 10 * found["TB translated"], text)


# -- Profile --

LOOP = "while :; do :; done"


def samples(guest):
    """Rows of `info hot`: percentage, samples, CPL, address, symbol."""
    text = guest.monitor("info hot 50")
    rows = re.findall(r"^ *([0-9.]+)% +(\d+) +\d+ +\d+ +\d+  (\d)  ([0-9a-f]{16}) +\d+ (?:trace)? *(\S*)",
                      text, re.M)
    return text, [(float(share), int(count), int(ring), int(address, 16), name)
                  for share, count, ring, address, name in rows]


def test_info_hot():
    with start() as guest:
        wait_shell(guest)
        expect_in("no samples: 'hot start'", guest.monitor("info hot"))
        expect_in("it is start, stop or clear", guest.monitor("hot begin"))
        guest.monitor("hot start")
        guest.type(LOOP + "\n")
        deadline = time.monotonic() + 60
        while sum(row[1] for row in samples(guest)[1]) < 300 and time.monotonic() < deadline:
            time.sleep(0.2)
        text, rows = samples(guest)
        user = sum(share for share, _, ring, _, _ in rows if ring == 3)
        expect(user > 50 and all(row[3] >= 1 << 63 for row in rows if row[2] == 0), text)
        expect([row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True), text)
        guest.monitor("hot stop")
        first, second = guest.monitor("info hot"), guest.monitor("info hot")
        expect("(stopped)" in first and first == second, first)
        guest.monitor("hot clear")
        expect_in("no samples", guest.monitor("info hot"))
        expect(len(guest.monitor("info hot 0")) < 100, "info hot 0")


def test_info_hot_names_code():
    with in_folder() as (folder, drive):
        (folder / "names").write_text("00000000000e0000 T rom_code\n0000000000007c00 T sector\n")
        with Machine(["-m", "64", "-smp", "2", "-drive", drive],
                     accel=f"{ACCEL},profile=on,symbols=names") as guest:
            guest.wait_for("boot sector done", 180)
            text, rows = samples(guest)
            expect(any(re.fullmatch(r"rom_code\+0x[0-9a-f]+", row[4]) for row in rows), text)


# -- Mappings --

NO_WX = Path(__file__).resolve().parent / "no_wx.py"


@contextmanager
def under_no_wx(folder):
    """Has the emulator run where the kernel kills who asks for a writable and executable page."""
    wrapper = Path(folder, "emulator")
    wrapper.write_text(f"#!/bin/sh\nexec {sys.executable} {NO_WX} {emulator()} \"$@\"\n")
    wrapper.chmod(0o755)
    old = os.environ.get("EMULATOR")
    os.environ["EMULATOR"] = str(wrapper)
    try:
        yield
    finally:
        del os.environ["EMULATOR"]
        if old:
            os.environ["EMULATOR"] = old


def mappings(guest):
    return Path(f"/proc/{guest.process.pid}/maps").read_text()


def test_the_kernel_kills_for_a_bad_mapping():
    program = "import mmap; mmap.mmap(-1, 4096, prot=7); print('alive')"
    for wrapper, wanted in [([], b"alive"), ([sys.executable, NO_WX], b"")]:
        run = subprocess.run([*wrapper, sys.executable, "-c", program], capture_output=True,
                             check=False)
        expect(run.stdout.strip() == wanted, f"{wrapper}: {run}")


def test_no_mapping_is_writable_and_executable():
    with tempfile.TemporaryDirectory() as folder, under_no_wx(folder), \
            start("-smp", "2", accel=f"{ACCEL},tb-size=2") as guest:
        looks = 0
        while "Guest ready: Linux" not in guest.serial.text():
            expect(guest.process.poll() is None, "the emulator has ended")
            text = mappings(guest)
            bad = [line for line in text.splitlines() if re.match(r"\S+ .wx", line)]
            expect(not bad, f"writable and executable: {bad}")
            looks += "tcg-code" in text
            time.sleep(0.05)
        text = mappings(guest)
        rights = {line.split()[1] for line in text.splitlines() if "memfd:tcg-code" in line}
        expect(rights == {"rw-s", "r-xs"} and looks > 3, f"{looks} looks: {rights}")


# -- Memory --

def resident(guest):
    """MiB of the process besides the guest's RAM of 256 MiB."""
    text = Path(f"/proc/{guest.process.pid}/smaps").read_text()
    sizes = [tuple(map(int, row)) for row in
             re.findall(r"^Size: +(\d+) kB.*?^Rss: +(\d+) kB", text, re.M | re.S)]
    ram = [rss for size, rss in sizes if size == 256 << 10]
    expect(len(ram) == 1, text)
    return (sum(rss for _, rss in sizes) - ram[0]) / 1024


def test_an_idle_guest_is_small():
    """What the boot needed goes, and what was given up is made again when it is wanted."""
    image, initrd = linux_files()
    with Machine(["-m", "256", "-kernel", image, "-initrd", initrd,
                  "-append", "console=ttyS0"]) as guest:
        wait_shell(guest)
        busy, deadline = resident(guest), time.monotonic() + 120
        while resident(guest) >= 60 and time.monotonic() < deadline:
            time.sleep(1)
        expect(resident(guest) < 60, f"{resident(guest):.0f} MiB, at first {busy:.0f}")
        command(guest, "seq 1 20000 | md5sum", rb"e071f707df7bbeee2a6a1eb48011ddd0  -\r")


# -- Logs and files for perf --

@contextmanager
def in_folder():
    """A boot sector's disk in a folder of its own, which is the current one meanwhile."""
    old = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("boot-sector.S", folder)
        os.chdir(folder)
        try:
            yield Path(folder), f"file={image},format=raw"
        finally:
            os.chdir(old)


def log_of(items):
    with in_folder() as (folder, drive):
        with Machine(["-m", "64", "-drive", drive, "-d", items, "-D", folder / "log"]) as guest:
            guest.wait_for("boot sector done", 180)
        return (folder / "log").read_text(errors="replace")


def expect_lines(patterns, text):
    for pattern in patterns:
        expect(re.search(pattern, text, re.M), f"no {pattern} in\n{text[:2000]}")


def test_log_stages():
    expect_lines([r"^IN: mode 0x", r"^0x00007c00:  ", r"^op: 0x7c00 \w+: \w+, flags \w+",
                  r"^OUT: \[size=\d+\] for 0x7c00", r"^0x[0-9a-f]{8,}:  mov "],
                 log_of("in_asm,op,out_asm"))


def test_log_mmu():
    expect_lines([r"^mmu: CPU 0 fills 0x7c00 -> 0x7c00, access \d", r"^mmu: CPU 0 flushes its TLB"],
                 log_of("mmu"))


def test_log_nochain():
    """With it every block is looked up and logged; without, chained jumps pass by."""
    with in_folder() as (folder, drive):
        for items, chained in [("exec", True), ("exec,nochain", False)]:
            with Machine(["-m", "64", "-drive", drive, "-d", items, "-D", folder / "log"]) as guest:
                guest.wait_for("boot sector done", 180)
                guest.monitor("stop")
                text, found = counters(guest)
            expect((" 0 chained" not in text) == chained, text)
            logged = (folder / "log").read_text().count("\nTrace 0: ")
            expect(chained or 0.9 < logged / found["lookups"] <= 1, f"{logged} logged\n{text}")


def read_dump(path):
    """Names and sizes of code in a jit dump; every record is checked."""
    data = path.read_bytes()
    magic, version, size, machine, _, _, stamp, _ = struct.unpack_from("<6I2Q", data)
    expect((magic, version, size, machine) == (0x4a695444, 1, 40, 62), "header")
    at, names = size, []
    while at < len(data):
        last = stamp
        kind, size, stamp = struct.unpack_from("<IIQ", data, at)
        _, _, virtual, address, code_size, number = struct.unpack_from("<2I4Q", data, at + 16)
        end = data.index(b"\0", at + 56)
        expect(kind == 0 and stamp >= last and virtual == address and number == len(names) and
               code_size > 16 and end + 1 + code_size == at + size, f"record at {at}")
        names.append(data[at + 56:end].decode())
        at += size
    return names


def test_jitdump_and_symbols():
    with in_folder() as (folder, drive), under_no_wx(folder):
        (folder / "names").write_text("0000000000007c00 T sector_start\n")
        with Machine(["-m", "64", "-drive", drive, "-perfmap", "-jitdump"],
                     accel=f"{ACCEL},symbols=names") as guest:
            guest.wait_for("boot sector done", 180)
            dump = folder / f"jit-{guest.process.pid}.dump"
            text = mappings(guest)
            expect(re.search(rf"r-xp .*{dump.name}", text), "no mapping for perf inject")
            # perf looks into its map only for code in what it takes for anonymous memory
            shared = re.findall(r"^\S+ (\S\S\Ss) .* (/.*)$", text, re.M)
            expect({rights for rights, name in shared if name.startswith("/dev/zero")} ==
                   {"rw-s", "r-xs"} and "tcg-code" not in text, text)
            guest.monitor_send("quit")
            guest.wait_exit()
            perf_map = Path(f"/tmp/perf-{guest.process.pid}.map")
            lines = perf_map.read_text().splitlines()
            perf_map.unlink()
        names = read_dump(dump)
        expect("sector_start+0x0 [guest_7c00]" in names, str(names[:50]))
        fixed = ["tcg_stubs", "tcg_exact_mode"]
        expect([line.split(" ", 2)[2] for line in lines] == fixed + names, "the two files differ")


@contextmanager
def recorded(option):
    """A folder with perf's data of a boot."""
    if not shutil.which("perf"):
        raise Skip("lacking perf")
    with in_folder() as (folder, drive), subprocess.Popen(
            ["perf", "record", "-q", "-k", "1", "-e", "cpu-clock", "-o", "data", emulator(),
             "-accel", f"{ACCEL},{option}", "-m", "64", "-display", "none", "-drive", drive,
             "-serial", f"file:{folder}/serial", "-monitor", "none"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as record:
        serial, deadline = folder / "serial", time.monotonic() + 60
        while record.poll() is None and time.monotonic() < deadline and not (
                serial.exists() and b"boot sector done" in serial.read_bytes()):
            time.sleep(0.1)
        if record.poll() is not None:
            raise Skip("perf record is not allowed here")
        record.send_signal(signal.SIGINT)
        record.wait(60)
        yield folder


def test_jitdump_is_read_by_perf():
    """perf makes a file of each record it accepts."""
    with recorded("jitdump=on") as folder:
        inject = subprocess.run(["perf", "inject", "--jit", "-i", "data", "-o", "data.jit"],
                                capture_output=True, text=True, check=False)
        made = list(folder.glob("jitted-*.so"))
        expect(inject.returncode == 0 and len(made) > 100, f"{len(made)} files; {inject}")


def test_wrong_options():
    for option, wanted in [
            ("tb-size=9999", "tb-size=9999 is out of range: 0 to 1024 (default 256)"),
            ("thread=many", "thread=many: it is one of single|multi"),
            ("opt-chian=off", "did you mean 'opt-chain'?"),
            ("opt-chain=perhaps", "'perhaps' is neither on nor off"),
            ("split-wx=off", "never writable and executable"),
            ("symbols=/nowhere", "/nowhere"),
            (f"symbols={__file__}", "has no symbols")]:
        run = subprocess.run([emulator(), "-accel", f"tcg,{option}", "-display", "none"],
                             capture_output=True, text=True, timeout=60 * SCALE, check=False)
        expect(run.returncode == 1 and wanted in run.stderr, f"{option}: {run}")
    text = subprocess.run([emulator(), "-accel", "tcg,help"], capture_output=True, text=True,
                          timeout=60 * SCALE, check=True).stdout
    for wanted in ["tb-size=MIB", "(256)", "opt-chain=on|off", "jitdump=on|off"]:
        expect_in(wanted, text)


if __name__ == "__main__":
    run_tests(dict(globals()))
