#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Breaks the translator in many ways, one at a time, and demands that fuzz-insn notices each.

    test-mutants.py FUZZ_INSN_MUTANTS MUTANT_HEADER [--cases N] [--only ID...]
"""

import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys

SECONDS = 600
NO_SUCH_BUILD = 2
IN_TRACES = (101, 102, 103, 104, 105, 106, 111, 116, 117)
IN_CASES = (93, 114, 115, 118, 119, 120)  # too rare to be drawn: they are among those written down
# CALL looks where it goes: Intel has pushed by then, and nothing shows
NOT_ON_INTEL = (120,)
CASES = pathlib.Path(__file__).with_name("fuzz-insn-cases.txt")


def is_caught(program, mutant, cases):
    """A difference or a crash, and how it showed; what hangs ends the program by itself."""
    command = [program, "--mutant", str(mutant), "--seed", str(1000 + mutant), "--cases", str(cases)]
    if mutant in IN_TRACES:
        command += ["--tcg", "hot=1"]
    elif mutant in IN_CASES:
        command = [program, "--mutant", str(mutant), "--list", CASES, "--tcg", "hot=1"]
    try:
        run = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False, f"gave no answer in {SECONDS} s and"
    if run.returncode == NO_SUCH_BUILD:
        sys.exit(run.stderr.decode())
    if run.returncode == 0:
        return False, "is there and"
    return True, "crashes" if run.returncode < 0 or run.returncode > 2 else "differs"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("header", type=pathlib.Path)
    parser.add_argument("--cases", type=int, default=400000)
    parser.add_argument("--only", type=int, nargs="*")
    options = parser.parse_args()
    count = int(re.search(r"TCG_MUTANT_COUNT (\d+)", options.header.read_text()).group(1))
    mutants = options.only or list(range(1, count + 1))
    if "GenuineIntel" in pathlib.Path("/proc/cpuinfo").read_text():
        for mutant in set(NOT_ON_INTEL).intersection(mutants):
            print(f"# mutant {mutant} is left out: it needs a host of another maker")
            mutants.remove(mutant)
    healthy, _ = is_caught(options.program, 0, 3000)
    print(f"1..{len(mutants) + 1}")
    print(f"{'not ok' if healthy else 'ok'} 1 - nothing is noticed without a mutant")
    missed = int(healthy)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda m: is_caught(options.program, m, options.cases), mutants)
        for number, (mutant, (caught, how)) in enumerate(zip(mutants, answers), 2):
            missed += not caught
            print(f"{'ok' if caught else 'not ok'} {number} - mutant {mutant} "
                  f"{how}{'' if caught else ' was not noticed'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
