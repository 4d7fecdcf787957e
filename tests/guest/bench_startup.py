#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a start costs: CPU time from process start to the end of a guest whose first instruction
ends it, and memory besides the guest's before it runs. Prints figures; judges nothing.

Run alone: python3 tests/guest/bench_startup.py [PROGRAM...]   (or: meson test --benchmark)
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import emulator

RUNS = 40
EXIT_PORT = 0x501
# At the reset vector: mov dx, EXIT_PORT; xor al, al; out dx, al; hlt; jmp
LEAVE = bytes([0xba, EXIT_PORT & 0xff, EXIT_PORT >> 8, 0x30, 0xc0, 0xee, 0xf4, 0xeb, 0xfd])
QUIET = ["-nodefaults", "-display", "none", "-m", "128"]


def cpu_milliseconds(program, folder, *more):
    """User and system time of each of some runs, by the kernel's books."""
    rom = Path(folder, "rom")
    rom.write_bytes((bytes(0xfff0) + LEAVE).ljust(65536, b"\0"))
    command = [program, *QUIET, "-bios", rom, "-device",
               f"isa-debug-exit,iobase={EXIT_PORT},iosize=1", *more]
    spent = []
    for _ in range(RUNS):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        spent.append((used.ru_utime + used.ru_stime) * 1000)
    return spent


def resident_kilobytes(program, *more):
    """Resident memory of a machine that is made and has not begun."""
    command = [program, *QUIET, "-S", *more]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(1)
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        process.terminate()
    return int(status.split("VmRSS:")[1].split()[0])


def main():
    with tempfile.TemporaryDirectory() as folder:
        for program in sys.argv[1:] or [emulator()]:
            print(program)
            for more in ([], ["-smp", "4"]):
                spent = cpu_milliseconds(program, folder, *more)
                print(f"  {' '.join(more) or '-smp 1'}: {sum(spent) / len(spent):.1f} ms CPU, at best "
                      f"{min(spent):.1f}; {resident_kilobytes(program, *more)} KiB resident")


if __name__ == "__main__":
    main()
