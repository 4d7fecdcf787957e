#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the flat guests of tests/cpu; every result they print must be what the manuals say.

Run alone: python3 tests/cpu/test_cpu.py [GUEST...]
With --reference PROGRAM: under that emulator as well; prints a Markdown table of where it differs.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCALE = float(os.environ.get("GUEST_TIMEOUT_SCALE", "1"))
SECONDS = 120

# Options of a guest beside these; a guest that is not named needs none. Several rows: run for each.
COMMON = ["-machine", "pc", "-m", "128", "-nodefaults", "-display", "none", "-no-reboot", "-device",
          "isa-debug-exit,iobase=0xf4"]
OPTIONS = {
    "paging-long-64": [["-cpu", "max,+la57", "-smp", "2"]],
    "apic-64": [["-cpu", "max", "-smp", "2"]],
    "cpu-models-32": [["-cpu", name + ",check=off", "-smp", shape] for name, shape in (
        ("qemu64", "1"), ("kvm64", "2,sockets=2"), ("Nehalem", "4,cores=2,threads=2"),
        ("Haswell", "6,cores=3,threads=2"), ("Icelake-Server-v6", "1"), ("Opteron_G3", "3,cores=3"),
        ("EPYC", "8,sockets=2,cores=2,threads=2"), ("max", "5,cores=5"), ("tcg64", "2"))],
    "framework-64": [["-smp", "2"]],
    "modes-syscall-64": [["-cpu", "max,vendor=AuthenticAMD"], ["-cpu", "max,vendor=GenuineIntel"]],
}
DEFAULT_OPTIONS = [["-cpu", "max"]]


class Broken(Exception):
    """The guest did not come to its end; `results`: as far as it came."""

    def __init__(self, text, results):
        super().__init__(text)
        self.results = results


def run_guest(emulator, image, options):
    """The guest's results: name -> "" or what was wrong; skipped ones to their reason."""
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder, "console")
        command = [emulator, *COMMON, *options, "-debugcon", f"file:{console}", "-kernel", image]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=SECONDS * SCALE, check=False)
            end = f"status {done.returncode}, {done.stderr.strip()}"
        except subprocess.TimeoutExpired:
            end = f"no end within {SECONDS} s"
        text = console.read_text(errors="replace") if console.exists() else ""
    results, skipped = {}, {}
    for line in text.splitlines():
        if match := re.fullmatch(r"ok (\S+)", line):
            name, wrong = match[1], ""
        elif match := re.fullmatch(r"not ok (\S+): (.*)", line):
            name, wrong = match[1], match[2]
        elif match := re.fullmatch(r"skip (\S+): (.*)", line):
            skipped[match[1]] = match[2]
            continue
        else:
            continue
        if name in results:
            raise Broken(f"two results are called {name}", results)
        results[name] = wrong
    last = text.splitlines()[-1] if text else ""
    if last != f"end {len(results) + len(skipped)}":
        raise Broken(f"{end}; the console ended with:\n" + "\n".join(text.splitlines()[-6:]), results)
    return results, skipped


def images(folder, names):
    found = {path.stem: path for path in sorted(folder.glob("*.elf"))}
    for name in names:
        if name not in found:
            sys.exit(f"no guest {name} in {folder}: {', '.join(found)}")
    return {name: path.with_suffix("") for name, path in found.items() if not names or name in names}


def each_run(guests):
    for name, image in guests.items():
        for options in OPTIONS.get(name, DEFAULT_OPTIONS):
            yield name, image, options


def test(emulator, guests):
    runs = list(each_run(guests))
    print(f"1..{len(runs)}")
    failures = 0
    for number, (name, image, options) in enumerate(runs, 1):
        title = f"{name} {' '.join(options)}"
        try:
            results, skipped = run_guest(emulator, image, options)
            wrong = [f"{case}: {text}" for case, text in results.items() if text]
            notes = [f"skipped {case}: {why}" for case, why in skipped.items()]
        except Broken as error:
            results, wrong, notes = {}, [str(error)], []
        failures += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {title}: {len(results)} results", flush=True)
        for line in "\n".join(wrong + notes).splitlines():
            print(f"# {line}", flush=True)
    return failures


def compare(emulator, reference, guests):
    print("| guest | case | the reference | source |\n|---|---|---|---|")
    for name, image, options in each_run(guests):
        ours, _ = run_guest(emulator, image, options)
        try:
            theirs, _ = run_guest(reference, image, options)
        except Broken as error:
            print(f"| {name} | the rest | {' '.join(str(error).split())} | |")
            theirs = error.results
        for case, wrong in theirs.items():
            match = re.fullmatch(r"(.*) \[(.*)\]", wrong)
            if match and not ours.get(case):
                print(f"| {name} | {case} | {match[1]} | {match[2]} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference")
    parser.add_argument("guests", nargs="*")
    arguments = parser.parse_args()
    emulator = os.environ.get("EMULATOR", str(ROOT / "build" / "qemu-system-x86_64"))
    guests = images(Path(os.environ.get("CPU_GUESTS", str(ROOT / "build" / "tests" / "cpu"))),
                    arguments.guests)
    if arguments.reference:
        compare(emulator, arguments.reference, guests)
        return 0
    return 1 if test(emulator, guests) else 0


if __name__ == "__main__":
    sys.exit(main())
