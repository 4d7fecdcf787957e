# SPDX-License-Identifier: MIT
"""Light objects run while the guest's FPU state is live: they may only call each other and what
tests/lint/light-symbols allows."""

import re
import subprocess

from tree import Finding

LIST = "tests/lint/light-symbols"
SYMBOL = re.compile(r"^(.*):(?:[0-9a-f]{16}| {16}) (\w) (\S+)$")


def read_list(tree, findings):
    """Allowed symbols; each line of the list is a symbol and the reason why it is harmless."""
    allowed = {}
    lines = (tree.root / LIST).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        symbol, _, reason = line.partition(" ")
        if not reason.strip():
            findings.append(Finding(LIST, number, f"no reason for {symbol}"))
        allowed[symbol] = number
    return allowed


def symbols(library):
    """Returns (defined, undefined) with undefined as {symbol: object}."""
    run = subprocess.run(["nm", "-A", library], capture_output=True, text=True, check=True)
    defined, undefined = set(), {}
    for line in run.stdout.splitlines():
        match = SYMBOL.match(line)
        if not match:
            continue
        place, kind, name = match.groups()
        if kind == "U":
            undefined[name] = place.split(":")[-1]
        elif kind.isupper() or kind == "w":
            defined.add(name)
    return defined, undefined


def check(tree, library):
    findings = []
    allowed = read_list(tree, findings)
    defined, undefined = symbols(library)
    for name, place in sorted(undefined.items()):
        if name not in defined and name not in allowed:
            findings.append(Finding(place, 1, f"light code refers to {name}, which {LIST} does "
                                              "not allow"))
    return findings
