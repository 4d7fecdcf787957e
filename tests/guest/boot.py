#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots the guest to a shell on this terminal. Ctrl-A X ends it.

Usage: EMULATOR=PROGRAM boot.py [--cache FOLDER] [more options for the emulator]
"""

import os
import sys

import guest_image
import machine


def main():
    arguments = sys.argv[1:]
    cache = machine.CACHE
    if arguments[:1] == ["--cache"]:
        cache = arguments[1]
        arguments = arguments[2:]
    try:
        kernel, initrd = guest_image.kernel(cache), guest_image.initrd(cache)
    except guest_image.Missing as missing:
        sys.exit(f"boot: lacking {missing}")
    command = [machine.emulator(), "-m", "512", "-kernel", str(kernel), "-initrd", str(initrd),
               "-append", "console=ttyS0", "-nographic"] + arguments
    print("+", " ".join(command), flush=True)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
