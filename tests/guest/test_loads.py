#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs compute in the guest what they compute on the host: busybox, perl, GMP and MPFR by gawk,
openssl with all that the CPU offers and with less.

Run alone: python3 tests/guest/test_loads.py [NAME...]
"""

import time

import guest_image
import guest_loads
from machine import Machine, expect, made, run_tests

BOOT_SECONDS = 240


def compare(part, *options, seconds=540):
    wanted = made(guest_loads.native_output, part)
    expect("no output" not in " ".join(wanted), f"natively: {wanted}")
    begin = time.monotonic()
    kernel, initrd = made(guest_image.kernel), made(guest_loads.loads_initrd, part)
    with Machine(["-m", "1024", "-kernel", kernel, "-initrd", initrd, "-append",
                  "console=ttyS0 loglevel=1", *options]) as guest:
        guest.wait_for("guest# ", BOOT_SECONDS)
        guest.type(f"T=/loads PART={part} sh /loads.sh 2>&1\n")
        guest.wait_for("loads done", seconds)
        text = guest.serial.text().replace("\r", "")
    got = text[text.index("/loads.sh"):].splitlines()[1:]
    for line in wanted:
        expect(line in got, f"{line!r} natively; in the guest: {got}")
    print(f"# {len(wanted)} results, {time.monotonic() - begin:.1f} s", flush=True)


def test_default_cpu():
    compare("short")


def test_cpu_max():
    compare("short", "-cpu", "max")


if __name__ == "__main__":
    run_tests(dict(globals()))
