# SPDX-License-Identifier: MIT
"""What guest tests share: the machine library of tools/vmtest, guests made on first use, TAP."""

import functools
import os
import subprocess
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "vmtest"))

from guest_machine import (ACCEL, SCALE, Failure, Machine, Skip, Stream,  # pylint: disable=wrong-import-position
                           emulator)

__all__ = ["ACCEL", "SCALE", "Failure", "Machine", "Skip", "Stream", "boot_sector", "emulator",
           "expect", "expect_in", "kvm_refusal", "linux_files", "made", "memtest_image", "need_kvm",
           "run_tests"]

CACHE = ROOT / "build" / "guest"


def expect(condition, message):
    if not condition:
        raise Failure(message)


def expect_in(wanted, text):
    expect(wanted in text, f"{wanted!r} is not in {text!r}")


@functools.cache
def kvm_refusal():
    """Why KVM makes no virtual machine here; None: it does. Asked once for all."""
    done = subprocess.run([emulator(), "-accel", "kvm", "-display", "none", "-nodefaults", "-S",
                           "-monitor", "stdio"], input="quit\n", capture_output=True, text=True,
                          timeout=60 * SCALE, check=False)
    reason = done.stderr.strip().partition("\n")[0] or f"status {done.returncode}"
    return reason if done.returncode else None


def need_kvm():
    """A /dev/kvm that makes virtual machines, whatever they can run; else the test is skipped."""
    if kvm_refusal():
        raise Skip(f"no usable /dev/kvm: {kvm_refusal()}")


def made(make, *arguments):
    """What a function of guest_image makes in the cache, on first use."""
    import debian
    try:
        return make(os.environ.get("GUEST_CACHE", CACHE), *arguments)
    except debian.Missing as missing:
        raise Skip(f"lacking {missing}") from missing


def linux_files(name="cloud"):
    """Kernel and initramfs of a guest of guest_image.KERNELS."""
    import guest_image
    return made(guest_image.kernel, name), made(guest_image.initrd, name)


def memtest_image(name):
    import guest_image
    return made(guest_image.memtest, name)


def boot_sector(source, folder, more=b""):
    """Assembles tests/guest/SOURCE for address 7C00h; returns the path of a 1 MiB disk image."""
    elf, image = Path(folder, "boot.o"), Path(folder, "disk.img")
    subprocess.run(["gcc", "-c", "-m32", "-o", elf, ROOT / "tests" / "guest" / source], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext=0x7c00", "--oformat", "binary", "-o", image,
                    elf], check=True)
    code = image.read_bytes()
    expect(len(code) == 512, f"{source} makes {len(code)} bytes")
    image.write_bytes((code + more).ljust(1 << 20, b"\0"))
    return image


def run_tests(scope):
    """Runs every function test_* of a module and prints TAP; names on the command line choose."""
    tests = [(name, function) for name, function in scope.items() if name.startswith("test_")]
    chosen = [test for test in tests if not sys.argv[1:] or test[0] in sys.argv[1:]]
    failures = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, (name, function) in enumerate(chosen, 1):
        try:
            function()
            print(f"ok {number} {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failures += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} {name}", flush=True)
    sys.exit(1 if failures else 0)
