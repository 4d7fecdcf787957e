#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the flat guests of tests/cpu; every result they print must be what the manuals say.

Run alone: python3 tests/cpu/test_cpu.py [GUEST...]
With --reference PROGRAM: under that emulator as well; prints where it differs, a line a case. With
--page FILE: writes a table of it between two marks of that page instead.
"""

import argparse
import os
import re
import shutil
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
    "smm-paging-32": [["-cpu", "max"], ["-cpu", "max", "-accel", "tcg,opt-proofs=off"]],
    "smm-64": [["-cpu", "max", "-smp", "2"]],
    "modes-long-64": [["-cpu", "max"], ["-cpu", "max,-lahf-lm"]],
    "paging-long-64": [["-cpu", "max,+la57", "-smp", "2"]],
    "apic-64": [["-cpu", "max", "-smp", "2"]],
    "cpu-models-32": [["-cpu", name + ",check=off", "-smp", shape] for name, shape in (
        ("qemu64", "1"), ("kvm64", "2,sockets=2"), ("Nehalem", "4,cores=2,threads=2"),
        ("Haswell", "6,cores=3,threads=2"), ("Icelake-Server-v6", "1"), ("Opteron_G3", "3,cores=3"),
        ("EPYC", "8,sockets=2,cores=2,threads=2"), ("max", "5,cores=5"), ("tcg64", "2"))],
    "hpet-64": [["-cpu", "max"],
                ["-cpu", "max", "-global", "hpet.msi=on", "-global", "hpet.timers=5"]],
    "apic-messages-64": [["-cpu", "max", "-smp", "2"]],
    "x2apic-64": [["-cpu", "max", "-smp", "2"]],
    "framework-64": [["-smp", "2"]],
    "smp-litmus-64": [["-smp", "2"], ["-smp", "4"]],
    "smp-mwait-64": [["-smp", "2"], ["-cpu", "max,+monitor", "-smp", "2"],
                     ["-cpu", "max,+monitor", "-accel", "tcg,thread=single", "-smp", "2"]],
    "smp-storms-64": [["-smp", "2"], ["-smp", "4"], ["-accel", "tcg,thread=single", "-smp", "3"]],
    "smc-64": [["-smp", "2"], ["-accel", "tcg,check=1,hot=1", "-smp", "2"],
               ["-accel", "tcg,check=4", "-smp", "2"], ["-accel", "tcg,check=0"]],
    "traces-64": [["-cpu", "max", "-accel", "tcg,hot=" + hot] for hot in ("1", "2", "500")],
    "loops-64": [["-cpu", "max", "-accel", "tcg,hot=" + hot] for hot in ("1", "500")],
    "kernel-loops-64": [["-cpu", "max", "-accel", "tcg,hot=" + hot] for hot in ("1", "500")],
    "proofs-64": [["-cpu", "max"], ["-cpu", "qemu64"],
                  ["-cpu", "qemu64", "-accel", "tcg,opt-contexts=off"]],
    "modes-syscall-64": [["-cpu", "max,vendor=AuthenticAMD"], ["-cpu", "max,vendor=GenuineIntel"]],
}
DEFAULT_OPTIONS = [["-cpu", "max"]]

# Around the table in docs/cpu-suite.md.
BEGIN, END = "<!-- differences -->", "<!-- end of the differences -->"


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
    if not found:
        sys.exit(f"no guests in {folder}; `ninja -C build meson-test-prereq` builds them, "
                 "CPU_GUESTS= names another folder")
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


def differences(emulator, reference, guests):
    """(guest, section) -> [(case, what the reference gives)], of cases that are right here."""
    rows = {}
    for name, image, options in each_run(guests):
        try:
            ours, _ = run_guest(emulator, image, options)
        except Broken as error:
            sys.exit(f"{name}: {error}")
        end = None
        try:
            theirs, _ = run_guest(reference, image, options)
        except Broken as error:
            theirs = error.results
            end = (f"what follows {next(reversed(theirs), 'the start')}", "the guest does not end")
        for case, wrong in theirs.items():
            match = re.fullmatch(r"(.*) \[(.*)\]", wrong)
            if match and not ours.get(case):
                cases = rows.setdefault((name, match[2]), [])
                if case not in (row[0] for row in cases):
                    cases.append((case, match[1]))
        if end and end not in rows.setdefault((name, ""), []):
            rows[name, ""].append(end)
    return {key: cases for key, cases in rows.items() if cases}


def table(rows):
    """A row for each guest and section: its cases, the first one's results."""
    text = "| guest | cases | the reference, in the first | right by |\n|---|---|---|---|\n"
    for (guest, section), cases in rows.items():
        names = ", ".join(case for case, _ in cases[:4])
        more = f" and {len(cases) - 4} more" if len(cases) > 4 else ""
        text += f"| {guest} | {names}{more} | {cases[0][1]} | {section} |\n"
    return text


def compare(emulator, reference, guests, page):
    rows = differences(emulator, reference, guests)
    if not page:
        for (guest, section), cases in rows.items():
            for case, text in cases:
                print(f"{guest} | {case} | {text} | {section}")
        return
    before, rest = page.read_text().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    count = sum(len(cases) for cases in rows.values())
    page.write_text(f"{before}{BEGIN}\n{count} cases differ.\n\n{table(rows)}{END}{after}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference")
    parser.add_argument("--page", type=Path)
    parser.add_argument("guests", nargs="*")
    arguments = parser.parse_args()
    emulator = os.environ.get("EMULATOR", str(ROOT / "build" / "qemu-system-x86_64"))
    guests = images(Path(os.environ.get("CPU_GUESTS", str(ROOT / "build" / "tests" / "cpu"))),
                    arguments.guests)
    if not shutil.which(emulator):
        sys.exit(f"no emulator at {emulator}; `make` builds it, EMULATOR= names another one")
    if arguments.reference:
        compare(emulator, arguments.reference, guests, arguments.page)
        return 0
    return 1 if test(emulator, guests) else 0


if __name__ == "__main__":
    sys.exit(main())
