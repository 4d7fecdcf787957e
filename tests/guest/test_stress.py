#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs in a guest that use processes, mappings, signals, made code and threads compute what
they compute natively; also with the smallest code cache, which is flushed all the time.

Run alone: python3 tests/guest/test_stress.py [NAME...]
"""

from machine import run_tests
from stress_guest import stress


def test_two_cpus():
    stress(2, 5, 20)


def test_smallest_cache():
    stress(2, 5, 10, "tcg,tb-size=1")


def test_one_thread_for_all():
    stress(2, 0, 10, "tcg,thread=single")


if __name__ == "__main__":
    run_tests(dict(globals()))
