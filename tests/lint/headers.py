# SPDX-License-Identifier: MIT
"""Every header compiles alone."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tree import Finding


def package_flags():
    run = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], capture_output=True, text=True,
                         check=True)
    return run.stdout.split()


def compile_header(tree, command, file):
    run = subprocess.run(command + [file.path], cwd=tree.root, capture_output=True, text=True,
                         check=False)
    if run.returncode == 0:
        return []
    first = next((line for line in run.stderr.splitlines() if "error" in line), run.stderr[:200])
    return [Finding(file.path, 1, f"does not compile alone: {first}")]


def check(tree):
    command = [os.environ.get("CC", "cc"), "-fsyntax-only", "-x", "c", "-std=gnu11",
               "-D_GNU_SOURCE", "-Wall", "-Werror", "-Iinclude", "-I."] + package_flags()
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda file: compile_header(tree, command, file), tree.headers())
        return [finding for result in results for finding in result]
