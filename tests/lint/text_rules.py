# SPDX-License-Identifier: MIT
"""Rules that a pattern can check: licence lines, forbidden calls, left-over notes."""

import re

from tree import Finding

FORBIDDEN_CALL = re.compile(r"(?<![\w.>])(exit|_Exit|quick_exit|abort|g_error)\s*\(")
LOCK = re.compile(r"\b(pthread_mutex_\w+|pthread_cond_\w+|pthread_rwlock_\w+|GMutex|GRecMutex|"
                  r"g_mutex_\w+|sem_(wait|post|init))\b")
# The parameter list up to Error **, with function pointers of two levels in it.
VOID_ERROR = re.compile(r"\bvoid\s+(?:\(\s*\*\s*)?(\w+)\s*\)?\s*"
                        r"\((?:[^;{}()]|\((?:[^;{}()]|\([^;{}()]*\))*\))*?\bError\s*\*\s*\*")
# Put together, so that this file does not break its own rule.
NOTE = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b")
DEAD_CODE = re.compile(r"^\s*#\s*if\s+0\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|root|home|Users|mnt)/\w")


def check_pattern(file, pattern, text, message):
    for number, line in enumerate(text.splitlines(), 1):
        match = pattern.search(line)
        if match:
            yield Finding(file.path, number, message % match.group(0).strip())


def check_licence(file):
    first = file.lines[0] if file.lines else ""
    second = file.lines[1] if len(file.lines) > 1 else ""
    line = second if first.startswith("#!") else first
    if "SPDX-License-Identifier: MIT" not in line:
        yield Finding(file.path, 1, "the first line is not the SPDX line")


def check_void_error(file):
    for match in VOID_ERROR.finditer(file.code):
        if not match.group(1).startswith("error_"):
            line = file.code.count("\n", 0, match.start()) + 1
            yield Finding(file.path, line, f"{match.group(1)}() takes Error ** and returns void")


def check(tree):
    findings = []
    for file in tree.files:
        findings += check_licence(file)
        findings += check_pattern(file, NOTE, file.text, "left-over note: %s")
        findings += check_pattern(file, MACHINE_PATH, file.text, "path of one machine: %s")
        if file.is_c:
            findings += check_pattern(file, DEAD_CODE, file.text, "dead code: %s")
            findings += check_void_error(file)
    for file in tree.sources():
        if not file.path.startswith(("softmmu/main/", "tools/")):
            findings += check_pattern(file, FORBIDDEN_CALL, file.code,
                                      "only softmmu/main may end the process: %s")
        if file.path.startswith(("hw/", "include/hw/")):
            findings += check_pattern(file, LOCK, file.code, "no lock of its own in hw: %s")
    return findings
