#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the tests of the loop, of vCPU threads and of the translator's CPUs with sanitizers in a
build folder of their own, and runs them; any report fails.

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
TESTS = {
    "thread": ["test-loop", "test-run", "test-tcg-smp"],
    "address": ["test-loop", "test-run", "test-tcg-smp", "test-live-views", "test-ram",
                "test-memory"],
}
OPTIONS = {"thread": "thread", "address": "address,undefined"}
# leaks: the process's end frees what its CPUs and devices hold
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
               "TSAN_OPTIONS": "halt_on_error=1"}


def build(kind, folder):
    if not Path(folder, "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, ROOT, f"-Db_sanitize={OPTIONS[kind]}",
                        "-Db_lundef=false"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder] + [f"tests/{name}" for name in TESTS[kind]], check=True,
                   stdout=subprocess.DEVNULL)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in TESTS:
        sys.exit(__doc__)
    kind, folder = sys.argv[1:]
    build(kind, folder)
    print(f"1..{len(TESTS[kind])}")
    failures = 0
    for number, name in enumerate(TESTS[kind], 1):
        done = subprocess.run([Path(folder, "tests", name)], env=os.environ | ENVIRONMENT,
                              capture_output=True, text=True, check=False, timeout=300)
        failures += done.returncode != 0
        print(f"{'not ok' if done.returncode else 'ok'} {number} - {name} ({kind})", flush=True)
        if done.returncode:
            for line in (done.stdout + done.stderr).splitlines()[-60:]:
                print(f"# {line}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
