# SPDX-License-Identifier: MIT
"""Runs the stress program in a Linux guest and natively: both must print the same."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from guest_image import Cpio
from machine import ACCEL, Machine, Skip, expect, linux_files

PROMPT = "guest# "


def program():
    path = Path(os.environ.get("GUEST_STRESS", "build/tests/guest/stress"))
    if not path.exists():
        raise Skip(f"no stress program at {path}")
    return path


def initrd_with_program(folder, initrd):
    """The kernel unpacks one archive behind the other."""
    archive = Cpio()
    archive.file("bin/stress", program().read_bytes())
    path = Path(folder, "initrd")
    path.write_bytes(initrd.read_bytes() + archive.finish())
    return path


def native(arguments):
    return subprocess.run([program(), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=True).stdout


def run_once(guest, arguments, seconds):
    wanted = native(arguments)
    start = len(guest.serial.text())
    guest.type("stress " + " ".join(arguments) + "\n")
    guest.wait_for_pattern(rb"\n(stress done|FAILED|[Kk]illed|Segmentation)", seconds)
    guest.wait_for(PROMPT, 60)
    got = guest.serial.text()[start:].replace("\r", "")
    expect(wanted in got, f"natively:\n{wanted}\nin the guest:\n{got}")


def stress(cpus, seconds, rounds, accel=ACCEL):
    """Runs it again and again, with another seed each time, for so long."""
    kernel, initrd = linux_files()
    with tempfile.TemporaryDirectory() as folder:
        image = initrd_with_program(folder, initrd)
        with Machine(["-m", "512", "-smp", str(cpus), "-kernel", kernel, "-initrd", image,
                      "-append", "console=ttyS0 loglevel=1"], accel=accel) as guest:
            guest.wait_for("Guest ready: Linux", 300)
            guest.wait_for(PROMPT, 60)
            end = time.monotonic() + seconds
            seed = 0
            while seed == 0 or time.monotonic() < end:
                seed += 1
                run_once(guest, [str(rounds), str(2 + seed % 5), str(seed)], 300)
            evictions = int(re.search(r"TB eviction count\s+(\d+)", guest.monitor("info jit"))[1])
            print(f"# -smp {cpus}, {accel}: {seed} runs, {evictions} evictions", flush=True)
            expect("tb-size=1" not in accel or evictions > 5, "the small cache did not overflow")
