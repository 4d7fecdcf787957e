#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Switches off every optimisation of the translator in turn: the guest must not notice.

    test-switches.py BUILD_FOLDER FUZZ_INSN_CASES FUZZ_SYSTEM_CASES [--cases N] [--only SWITCH...]
                     [--part N PARTS]

The switches are the options opt-* of `-accel tcg,help`, so a new one is tried without being named
here. When a fuzzer fails, this says in a minute whose fault it is: with that switch off it passes.
--part takes every PARTS-th of them, from the N-th on.
"""

import argparse
import pathlib
import re
import subprocess
import sys

SECONDS = 600
SEED = "20261121"


def switches(folder):
    """What to pass for each run."""
    text = subprocess.run([folder / "qemu-system-x86_64", "-accel", "tcg,help"],
                          capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    names = re.findall(r"^ +(opt-[a-z-]+)=on\|off", text, re.M)
    if not names:
        sys.exit("no switches in: " + text)
    return [f"hot=1,{name}=off" for name in names] + [",".join(f"{name}=off" for name in names),
                                                      "hot=0", "block-insns=1",
                                                      "check=1", "hot=1,check=64"]


def runs(folder, lists, cases):
    """The programs that must agree with the silicon or with exact mode."""
    tests = folder / "tests"
    for bits in ("64", "32"):
        yield [tests / "fuzz-insn", "--bits", bits, "--seed", SEED, "--cases", str(cases)]
    yield [tests / "fuzz-system", "--seed", SEED, "--cases", str(cases // 20)]
    for program, path in zip(("fuzz-insn", "fuzz-system"), lists):
        yield [tests / program, "--list", path]


def complaint(command):
    """Empty, or why a run is no success."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "hangs: " + " ".join(map(str, command))
    if run.returncode == 0:
        return ""
    return " ".join(map(str, command)) + "\n" + (run.stdout + run.stderr)[-2000:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("lists", nargs=2)
    parser.add_argument("--cases", type=int, default=10000)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--part", nargs=2, type=int, default=(1, 1))
    options = parser.parse_args()
    part, parts = options.part
    chosen = (options.only or switches(options.folder))[part - 1::parts]
    failures = 0
    print(f"1..{len(chosen)}")
    for number, switch in enumerate(chosen, 1):
        commands = [[options.folder / "tests" / "test-insn", "--tcg", switch]]
        commands += [command + ["--tcg", switch]
                     for command in runs(options.folder, options.lists, options.cases)]
        texts = [text for text in map(complaint, commands) if text]
        failures += bool(texts)
        for line in "\n".join(texts).splitlines():
            print(f"# {line}")
        print(f"{'not ok' if texts else 'ok'} {number} - {switch}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
