#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the tests of the loop, of vCPU threads and of both accelerators' CPUs with sanitizers in a
build folder of their own, and the emulator, and runs them; any report fails.

Run alone: python3 tests/sanitize/test_sanitizers.py thread|address FOLDER

Left out: code built `light` (-fno-sanitize=all: it may not use SSE, and what the sanitizers insert
does), and translated code. With `thread` also test-live-views: light code loads the views, so that
the sanitizer does not see the acquire that orders them.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Programs with their arguments; those of tests/guest run the emulator.
LIFE = ["test-vcpu-life tcg", "test-vcpu-life kvm,kernel-irqchip=off",
        "test-vcpu-life kvm,kernel-irqchip=on"]
TESTS = {
    "thread": ["test-loop", "test-run", "test-tcg-smp", *LIFE, "test-kvm-exits",
               "test_vcpus.py test_questions test_questions_with_kvm"],
    "address": ["test-loop", "test-run", "test-tcg-smp", "test-live-views", "test-ram",
                "test-memory", *LIFE, "test-kvm-asks", "test-kvm-exits", "test-kvm-memory-error"],
}
EMULATOR = "qemu-system-x86_64"
OPTIONS = {"thread": "thread", "address": "address,undefined"}
# leaks: the process's end frees what its CPUs and devices hold
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
               "TSAN_OPTIONS": "halt_on_error=1"}


def is_guest_test(test):
    return test.split()[0].endswith(".py")


def target(test):
    """What has to be built, in the build folder."""
    name = test.split()[0]
    if is_guest_test(test):
        return EMULATOR
    return f"tests/kvm/{name}" if (ROOT / "tests" / "kvm" / f"{name}.c").exists() else f"tests/{name}"


def command(folder, test):
    name, *arguments = test.split()
    if is_guest_test(test):
        return [sys.executable, ROOT / "tests" / "guest" / name, *arguments]
    return [Path(folder, target(test)), *arguments]


def build(kind, folder):
    if not Path(folder, "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, ROOT, f"-Db_sanitize={OPTIONS[kind]}",
                        "-Db_lundef=false"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, *sorted({target(test) for test in TESTS[kind]})],
                   check=True, stdout=subprocess.DEVNULL)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in TESTS:
        sys.exit(__doc__)
    kind, folder = sys.argv[1:]
    build(kind, folder)
    print(f"1..{len(TESTS[kind])}")
    failures = 0
    for number, name in enumerate(TESTS[kind], 1):
        done = subprocess.run(command(folder, name), capture_output=True, text=True, check=False,
                              env=os.environ | ENVIRONMENT | {"EMULATOR": str(Path(folder, EMULATOR))},
                              timeout=300)
        failures += done.returncode != 0
        print(f"{'not ok' if done.returncode else 'ok'} {number} - {name} ({kind})", flush=True)
        if done.returncode:
            for line in (done.stdout + done.stderr).splitlines()[-60:]:
                print(f"# {line}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
