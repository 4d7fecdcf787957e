#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The loads of test_loads.py with more of openssl, and python's own tests of its numbers.

Run alone: python3 tests/guest/soak_loads.py [NAME...]
"""

from machine import run_tests
from test_loads import compare


def test_default_cpu():
    compare("long")


def test_cpu_max():
    compare("long", "-cpu", "max")


if __name__ == "__main__":
    run_tests(dict(globals()))
