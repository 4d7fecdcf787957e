#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gdb on Linux from its first function on, with names: breakpoints, steps, a watched variable,
backtraces, a changed register, two CPUs, and a guest that goes on after all of it.

Debian's kernel comes without symbols; the guest's own /proc/kallsyms has them.
Run alone: python3 tests/guest/test_gdb_kernel.py [NAME...]
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from machine import Machine, Skip, expect, linux_files, run_tests
from test_gdb import free_port, run_gdb

FUNCTIONS = ["start_kernel", "secondary_startup_64_no_verify", "driver_init", "kernel_init"]
VARIABLES = ["jiffies"]
TEXT_SIZE = 64 << 20


def boot(port, *more):
    kernel, initrd = linux_files()
    return Machine(["-m", "256", "-smp", "2", "-kernel", kernel, "-initrd", initrd, "-append",
                    "console=ttyS0 nokaslr", "-gdb", f"tcp:127.0.0.1:{port}", *more])


def kernel_symbols():
    """Names and addresses, which are the same in every boot without a random base."""
    names = "|".join(FUNCTIONS + VARIABLES + ["_text"])
    with boot(free_port()) as guest:
        guest.wait_for("guest# ", 240)
        guest.type(f"grep -E ' ({names})$' /proc/kallsyms; echo all-$((40 + 2))\n")
        guest.wait_for("all-42")
        rows = re.findall(r"([0-9a-f]{16}) \w (\w+)\r", guest.serial.text())
    symbols = {name: int(address, 16) for address, name in rows}
    expect(set(symbols) == set(FUNCTIONS + VARIABLES + ["_text"]), f"symbols: {symbols}")
    return symbols


def symbol_file(folder, symbols):
    """An ELF file whose empty .text lies where the kernel's is."""
    source, bare, named = (Path(folder, name) for name in ("k.S", "k.o", "k.elf"))
    text = symbols["_text"]
    source.write_text(f'.section .kernel,"ax",@nobits\n.globl _text\n_text: .zero {TEXT_SIZE}\n')
    subprocess.run(["gcc", "-c", "-o", bare, source], check=True)
    subprocess.run(["ld", "-e", "_text", f"--section-start=.kernel={text:#x}", "-o", named, bare],
                   check=True)
    added = [f"--add-symbol={name}=.kernel:{symbols[name] - text:#x},{kind},global"
             for kind, names in (("function", FUNCTIONS), ("object", VARIABLES)) for name in names]
    subprocess.run(["objcopy", *added, named], check=True)
    return named


def test_from_the_start():
    if not shutil.which("gdb"):
        raise Skip("lacking gdb")
    symbols = kernel_symbols()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, boot(port, "-S") as guest:
        elf = symbol_file(folder, symbols)
        text = run_gdb(port, [
            f"symbol-file {elf}", "hbreak start_kernel", "continue", "bt 2",
            "set $at = $rip", "stepi", "print $rip - $at < 16 && $rip != $at",
            "set $kept = $rbx", "set $rbx = 0x123456789abcdef", "stepi", "print/x $rbx",
            "set $rbx = $kept", "hbreak driver_init", "continue", "info threads",
            "thread 2", "print $rip != 0", "bt 1", "thread 1",
            "delete", "watch *(unsigned long *)&jiffies", "continue", "continue", "delete",
            "info registers cr0 cr3 efer", "detach"])
        for wanted in [r"Breakpoint 1, 0x[0-9a-f]+ in start_kernel \(\)",
                       r"#0  0x[0-9a-f]+ in start_kernel \(\)\n#1  0x[0-9a-f]+ in secondary_st",
                       r"\$1 = 1\n", r"\$2 = 0x123456789abcdef\n",
                       r"Breakpoint 2, 0x[0-9a-f]+ in driver_init \(\)",
                       r"1 +Thread 1\.1 \(CPU#0", r"2 +Thread 1\.2 \(CPU#1",
                       r"Switching to thread 2", r"\$3 = 1\n", r"Hardware watchpoint 3",
                       r"cr0 +0x80050033 ", r"efer +0xd01 ",
                       r"\[Inferior 1 .* detached\]"]:
            expect(re.search(wanted, text), f"no {wanted!r} in {text}")
        values = re.findall(r"Old value = (\d+)\nNew value = (\d+)", text)
        expect(len(values) == 2 and all(int(new) == int(old) + 1 for old, new in values),
               f"jiffies {values} in {text}")
        guest.wait_for("guest# ", 240)
        guest.type("echo still-$((40 + 2))\n")
        guest.wait_for("still-42")


if __name__ == "__main__":
    run_tests(dict(globals()))
