#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the lint rules over the tree and prints one line for each finding.

Usage: lint.py [--light-library build/liblight.a] [--only RULE] [ROOT]
"""

import argparse
import sys
from pathlib import Path

import fields
import headers
import layering
import light
import sizes
import text_rules
from tree import Tree

RULES = {"layering": layering.check, "text": text_rules.check, "sizes": sizes.check,
         "headers": headers.check, "fields": fields.check}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--light-library", help="the static library of light objects")
    parser.add_argument("--only", choices=sorted(RULES), help="run one rule")
    parser.add_argument("root", nargs="?", default=Path(__file__).resolve().parents[2])
    arguments = parser.parse_args()

    tree = Tree(arguments.root)
    findings = []
    for name, rule in RULES.items():
        if arguments.only in (None, name):
            findings += rule(tree)
    if arguments.light_library and not arguments.only:
        findings += light.check(tree, arguments.light_library)
    for finding in findings:
        print(finding)
    print(f"{len(tree.files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
