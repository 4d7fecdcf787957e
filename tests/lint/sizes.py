# SPDX-License-Identifier: MIT
"""Sizes: functions, files and headers stay readable."""

import re

from tree import Finding

FUNCTION_LINES = 100
FILE_LINES = 1500
HEADER_LINES = 250
HEADER_INCLUDES = 5
FLAT_REST = 40  # what a flat switch may have besides its one-line cases

ONE_LINE_CASE = re.compile(r"^\s*(case\b.*:.*|default:.*|break;|return\b[^;]*;|\w+\([^;]*\);|"
                           r"[\w.>\[\]-]+\s*[|&+^-]?=[^;]*;|)$")


def is_flat_switch(body):
    """A switch of one-line cases is a table; its length does no harm."""
    if not any(re.match(r"    switch\b", line) for line in body):
        return False
    rest = [line for line in body if not ONE_LINE_CASE.match(line)]
    return len(rest) <= FLAT_REST and not any(line.startswith(" " * 12) for line in rest)


def check(tree):
    findings = []
    for file in tree.c_files():
        if len(file.lines) > FILE_LINES and not file.path.endswith("-table.c"):
            findings.append(Finding(file.path, len(file.lines), f"longer than {FILE_LINES} lines"))
        for line, name, body in file.functions():
            if len(body) > FUNCTION_LINES and not is_flat_switch(body):
                findings.append(Finding(file.path, line, f"{name}() has {len(body)} lines, more "
                                                         f"than {FUNCTION_LINES}"))
    for file in tree.headers():
        if len(file.lines) > HEADER_LINES:
            findings.append(Finding(file.path, len(file.lines), f"header longer than "
                                                                f"{HEADER_LINES} lines"))
        count = len(re.findall(r"^\s*#\s*include\b", file.text, re.MULTILINE))
        if count > HEADER_INCLUDES:
            findings.append(Finding(file.path, 1, f"{count} includes, more than {HEADER_INCLUDES}"))
    return findings
