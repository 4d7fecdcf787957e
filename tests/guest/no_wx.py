#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program that the kernel kills when it asks for a writable and executable mapping.

    no_wx.py PROGRAM [ARGUMENT...]

A filter on mmap, mprotect and pkey_mprotect sees every request, so none can be missed.
"""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, AND, EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06  # BPF: of a word, with a constant
ALLOW, KILL = 0x7FFF0000, 0x80000000
NUMBER, ARCHITECTURE, PROTECTION = 0, 4, 32  # in struct seccomp_data
X86_64 = 0xC000003E
CALLS = {"mmap": 9, "mprotect": 10, "pkey_mprotect": 329}
WRITE_EXECUTE = 6

FILTER = [
    (LOAD, 0, 0, ARCHITECTURE),
    (EQUAL, 0, 7, X86_64),
    (LOAD, 0, 0, NUMBER),
    (EQUAL, 2, 0, CALLS["mmap"]),
    (EQUAL, 1, 0, CALLS["mprotect"]),
    (EQUAL, 0, 3, CALLS["pkey_mprotect"]),
    (LOAD, 0, 0, PROTECTION),
    (AND, 0, 0, WRITE_EXECUTE),
    (EQUAL, 1, 0, WRITE_EXECUTE),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, KILL),
]


def main():
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *row) for row in FILTER))
    program = struct.pack("<HxxxxxxQ", len(FILTER), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
