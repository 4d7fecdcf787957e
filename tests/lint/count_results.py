#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the results in meson's test log and prints them as one line, after what failed and why.

A program that speaks TAP counts by its test points, any other as one. A failed program without a
failed point (it crashed, or ran out of time) counts as one failure.
Usage: count_results.py build/meson-logs/testlog.json
"""

import json
import re
import sys

LINES_PER_POINT = 30
POINT = re.compile(r"^(not )?ok\b([^#]*)(#\s*(\S+))?", re.IGNORECASE)


def count_points(text):
    """Returns (passed, failed, skipped) of the TAP points in `text`."""
    passed = failed = skipped = 0
    for line in text.splitlines():
        match = POINT.match(line)
        if not match:
            continue
        if (match.group(4) or "").lower().startswith("skip"):
            skipped += 1
        elif match.group(1):
            failed += 1
        else:
            passed += 1
    return passed, failed, skipped


def count_entry(entry):
    """Returns (passed, failed, skipped) of one program."""
    counts = count_points(entry.get("stdout") or "")
    result = entry["result"]
    if result in ("OK", "EXPECTEDFAIL"):
        return counts if any(counts) else (1, 0, 0)
    if result == "SKIP":
        return counts if any(counts) else (0, 0, 1)
    return counts if counts[1] else (counts[0], 1, counts[2])


def failures(entry):
    """Returns the failed points of a failed program, each after the lines that explain it."""
    if count_entry(entry)[1] == 0:
        return []
    found, said = [], []
    for line in (entry.get("stdout") or "").splitlines():
        said.append(line)
        match = POINT.match(line)
        if not match:
            continue
        if match.group(1) and not (match.group(4) or "").lower().startswith("skip"):
            found += said[-LINES_PER_POINT:]
        said = []
    if not found:
        found = said[-LINES_PER_POINT:]
    errors = (entry.get("stderr") or "").splitlines()[-LINES_PER_POINT:]
    return [f"{entry['name']}: {entry['result']}"] + ["    " + line for line in found + errors]


def main():
    totals = (0, 0, 0)
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            for entry in map(json.loads, log):
                totals = tuple(a + b for a, b in zip(totals, count_entry(entry)))
                for line in failures(entry):
                    print(line)
    except FileNotFoundError:
        print("No test log: the build failed", file=sys.stderr)
        totals = (0, 1, 0)
    print("%d passed, %d failed, %d skipped" % totals)
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
