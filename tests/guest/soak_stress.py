#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An hour of stress in parts of nine minutes: test_stress.py with more CPUs, for longer. Where the
cache is too small for what runs, rounds take a hundred times longer: a run has few of them.

Run alone: python3 tests/guest/soak_stress.py PART; SOAK_SECONDS= for a shorter part.
"""

import os
import sys

from machine import run_tests
from stress_guest import stress

SECONDS = int(os.environ.get("SOAK_SECONDS", "500"))


def test_one_cpu():
    stress(1, SECONDS, 100)


def test_two_cpus():
    stress(2, SECONDS, 100)


def test_four_cpus():
    stress(4, SECONDS, 100)


def test_one_thread_for_all():
    stress(4, SECONDS, 50, "tcg,thread=single")


def test_smallest_cache_one_cpu():
    stress(1, SECONDS, 10, "tcg,tb-size=1")


def test_smallest_cache_two_cpus():
    stress(2, SECONDS, 10, "tcg,tb-size=1")


def test_eight_cpus():
    stress(8, SECONDS, 50)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("name one part")
    run_tests(dict(globals()))
