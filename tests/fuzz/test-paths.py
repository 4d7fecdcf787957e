#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random code with loops, calls and faults: traces must do what single blocks do.

    test-paths.py EMULATOR [--first SEED] [--seeds N] [--seconds S] [--cases N] -- COMPILER...

A flat guest of random code (paths_code.py, paths-guest.c) runs without traces and without the
optimisations of flags, and again with traces made at the first, second and twentieth entry. Each
case's line, a hash of what it left, must be the same. --seconds: new seeds until they have passed.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import paths_code

HERE = pathlib.Path(__file__).resolve().parent
CPU = HERE.parent / "cpu"
SECONDS = 100
PLAIN = "hot=0,opt-flags=off,opt-recipes=off"
OTHERS = ["hot=1", "hot=2", "hot=20"]
RUNTIME = [CPU / name for name in ("boot.S", "trap-entry.S", "trap.c", "report.c", "cpus.c")]


def build(compiler, folder, seed, cases):
    """The guest's image for a seed."""
    source, elf, image = folder / "cases.S", folder / "guest.elf", folder / "guest"
    source.write_text(paths_code.program(random.Random(seed), cases))
    subprocess.run([*compiler, "-m64", f"-I{CPU}", "-T", CPU / "link.ld", "-o", elf, source,
                    HERE / "paths-guest.c", HERE / "paths-run.S", *RUNTIME], check=True)
    subprocess.run(["objcopy", "-O", "elf32-i386", elf, image], check=True)  # as multiboot wants it
    return image


def run(emulator, image, switches):
    """What the guest printed; the last line says that it came to its end."""
    console = image.with_suffix(".out")
    console.unlink(missing_ok=True)
    command = [emulator, "-machine", "pc", "-m", "128", "-nodefaults", "-display", "none",
               "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4", "-cpu", "max", "-accel",
               "tcg,check=0," + switches, "-debugcon", f"file:{console}", "-kernel", image]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [*console.read_text().splitlines(), f"no end within {SECONDS} s"]
    return [*console.read_text().splitlines(), f"status {done.returncode} {done.stderr.strip()}"]


def complaints(options, folder, seed):
    image = build(options.compiler, folder, seed, options.cases)
    plain = run(options.emulator, image, PLAIN)
    if len([line for line in plain if line.startswith("case ")]) != options.cases:
        return [f"{PLAIN}: the guest ended early: {plain[-3:]}"]
    texts = []
    for switches in OTHERS:
        lines = run(options.emulator, image, switches)
        if lines != plain:
            rows = zip(plain, lines + [""] * len(plain))
            texts += [f"{switches}: {theirs!r}, without traces {ours!r}"
                      for ours, theirs in rows if ours != theirs][:4]
    return texts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("emulator")
    parser.add_argument("--first", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("compiler", nargs="+")
    options = parser.parse_args()
    first = int(time.time()) if options.first is None else options.first
    end = time.monotonic() + (options.seconds or 0)
    seed, failures = first, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end if options.seconds else seed < first + options.seeds:
            texts = complaints(options, pathlib.Path(folder), seed)
            for text in texts:
                print(f"# {text}")
            failures += bool(texts)
            seed += 1
            print(f"{'not ok' if texts else 'ok'} {seed - first} - paths of seed {seed - 1}", flush=True)
    print(f"1..{seed - first}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
