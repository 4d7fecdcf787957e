#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The gdb server: a client of our own against firmware and a boot sector, gdb itself on Linux.

Run alone: python3 tests/guest/test_gdb.py [NAME...]
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from machine import (SCALE, Failure, Machine, Skip, boot_sector, expect, expect_in, linux_files,
                     run_tests)
from rsp import Client

SUPPORTED = "PacketSize=2000;qXfer:features:read+;vContSupported+;multiprocess+"
STOP = "T05thread:p01.01;"
INTERRUPTED = "T02thread:p01.01;"
SECTOR = 0x7c00
HIGH = 0x80000000  # where gdb-modes.S maps it


@contextlib.contextmanager
def debugged(*arguments, sector="gdb-sector.S"):
    """A machine with the boot sector's disk, paused at the reset vector, and a client."""
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector(sector, folder)
        path = os.path.join(folder, "gdb")
        with Machine(["-m", "64", "-drive", f"file={image},format=raw", "-gdb", f"unix:{path}",
                      "-S", *arguments]) as guest:
            yield guest, attach(path), path


def attach(address):
    client = Client(address)
    client.expect("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386", SUPPORTED)
    client.expect("Hgp0.0", "OK")
    client.expect("?", STOP)
    return client


def go(client, text="vCont;c:p1.-1", reply=STOP, seconds=120):
    client.send(text)
    got = client.stopped(seconds)
    expect(got == reply, f"{text!r} stopped with {got!r} instead of {reply!r}")


def step(client):
    go(client, "vCont;s:p1.1;c:p1.-1")


def to_sector(client):
    client.expect(f"Z0,{SECTOR:x},1", "OK")
    go(client)
    expect(client.register("rip") == SECTOR, "breakpoint")
    client.expect(f"z0,{SECTOR:x},1", "OK")


def address_of(client, code):
    """Where these bytes of code are in the sector."""
    at = client.read(SECTOR, 256).find(bytes.fromhex(code))
    expect(at >= 0, f"no {code} in the sector")
    return SECTOR + at


def test_handshake():
    with debugged() as (_, client, _):
        for text, reply in [
                ("qSupported", SUPPORTED), ("vCont;x", "E22"),
                ("vMustReplyEmpty", ""), ("X0,0:", ""), ("qTStatus", ""), ("qSymbol::", ""),
                ("qOffsets", ""), ("!", "OK"), ("Hc-1", "OK"), ("Hg9", "E22"), ("Hx1", "E22"),
                ("vCont?", "vCont;c;C;s;S"), ("T1", "OK"), ("T2", "E22"), ("Z7,0,1", ""),
                ("qqemu.sstepbits", "ENABLE=1,NOIRQ=2,NOTIMER=4"), ("qqemu.sstep", "0x7"),
                ("Qqemu.sstep=1", "OK"), ("qqemu.sstep", "0x1"), ("Qqemu.sstep=9", "E22"),
                ("qqemu.PhyMemMode", "0"), ("Qqemu.PhyMemMode:1", "OK"), ("m0,zz", "E22"),
                ("qXfer:features:read:nothing.xml:0,10", "E00"), ("p999", "E14"),
                ("vCont", ""), ("vKill;9", "E22"), ("z0,1234,1", "E02"), ("M0,2:0", "E22")]:
            client.expect(text, reply)
        client.expect("qSupported:multiprocess+", SUPPORTED)
        client.expect("qC", "QCp01.01")
        client.expect("qfThreadInfo", "mp01.01")
        client.expect("qsThreadInfo", "l")
        client.expect("qAttached:1", "1")


def test_garbage():
    with debugged() as (guest, client, _):
        client.send_raw(b"noise\x00\xff$g#00")
        expect(client.character() == b"-", "a wrong checksum is asked for again")
        client.send_raw(b"$" + b"m" * 9000 + b"#00")
        expect(client.character() == b"-", "a packet that is too long")
        client.send_raw(b"$m0,4")
        client.expect("qC", "QCp01.01")
        client.send_raw(b"-")
        expect(client.packet() == "QCp01.01", "the last packet again")
        for text in ["H", "Hg", "v", "q", "Q", "Z", "Z0", "Z0,", "Z2,10,0", "z", "P", "P0", "P0=1",
                     "p", "G1", "m", "m0", "m0,fffffffff", "M", "T", "vCont;", "vCont;s:",
                     "vCont;C",
                     "qXfer:features:read:", "qXfer:features:read:target.xml", "qRcmd,1",
                     "qThreadExtraInfo,", "Qqemu.sstep=", "Z0,11111111111111111,1"]:
            client.command(text)
        client.expect("T1", "OK")
        expect_in("paused", guest.monitor("info status"))


def test_reset_vector():
    with debugged() as (guest, client, _):
        expect_in("i386-64bit.xml", client.features("target.xml"))
        registers = client.all_registers()
        expect(registers["rip"] == 0xfff0 and registers["cs"] == 0xf000, "reset vector")
        expect(registers["eflags"] == 2 and registers["mxcsr"] == 0x1f80, "eflags, mxcsr")
        expect(registers["cr0"] & 0x60000010 == 0x60000010, f"cr0 {registers['cr0']:x}")
        expect(client.read(0xffff0, 1) == b"\xea", "a far jump")
        step(client)
        expect(client.register("rip") != 0xfff0, "a step")
        expect_in("paused (debug)", guest.monitor("info status"))


def test_breakpoint_and_steps():
    with debugged() as (_, client, _):
        to_sector(client)
        for offset in (1, 3, 5, 7, 8):
            step(client)
            expect(client.register("rip") == SECTOR + offset, f"step to {offset}")
        step(client)
        expect(client.register("rbx") == 0x12345678, "what the step did")
        stos = address_of(client, "f3aa")
        client.expect(f"Z1,{stos:x},1", "OK")
        go(client)
        for left in range(7, 0, -1):
            step(client)
            registers = client.all_registers()
            expect(registers["rcx"] & 0xffff == left and registers["rip"] == stos, f"REP at {left}")
        client.expect(f"z1,{stos:x},1", "OK")
        client.send("vCont;c:p1.-1")
        client.send_raw(b"\x03")
        expect(client.stopped() == INTERRUPTED, "Ctrl-C")


def test_breakpoint_in_known_code():
    """Code that was translated before the breakpoint came."""
    with debugged() as (_, client, _):
        to_sector(client)
        client.send("vCont;c:p1.-1")
        expect(client.silent(1), "runs")
        client.send_raw(b"\x03")
        client.stopped()
        ret = address_of(client, "c3")
        client.expect(f"Z0,{ret:x},1", "OK")
        counts = []
        for _ in range(3):
            go(client)
            expect(client.register("rip") == ret, "at the return")
            counts.append(int.from_bytes(client.read(0x504, 4), "little"))
            client.expect(f"z0,{ret:x},1", "OK")
            step(client)
            client.expect(f"Z0,{ret:x},1", "OK")
        expect(counts == list(range(counts[0], counts[0] + 3)), f"each call: {counts}")


def test_watchpoints():
    with debugged() as (_, client, _):
        to_sector(client)
        for point, reply in [("Z2,500,2", "watch:0000000000000500;"),
                             ("Z2,506,1", "watch:0000000000000506;"),
                             ("Z3,506,2", "rwatch:0000000000000506;"),
                             ("Z4,602,1", "awatch:0000000000000602;"),
                             ("Z4,504,4", "awatch:0000000000000504;")]:
            client.expect(point, "OK")
            go(client, reply=STOP + reply)
            if point == "Z4,602,1":
                registers = client.all_registers()
                expect(registers["rdi"] & 0xffff == 0x603, "right behind the access")
            client.expect("z" + point[1:], "OK")
        go_free = address_of(client, "66bb78563412")
        client.expect(f"Z0,{go_free:x},1", "OK")
        go(client)


def test_writing():
    with debugged() as (_, client, _):
        to_sector(client)
        client.set_register("rax", 0x1122334455667788)
        client.set_register("xmm3", 0x0123456789abcdef0011223344556677)
        client.set_register("st2", 0x3fff8000000000000000)
        client.set_register("eflags", 0x46)
        registers = client.all_registers()
        expect(registers["rax"] == 0x1122334455667788, "rax")
        expect(registers["xmm3"] == 0x0123456789abcdef0011223344556677, "xmm3")
        expect(registers["st2"] == 0x3fff8000000000000000, "st2")
        expect(registers["eflags"] == 0x46, "eflags")
        raw = client.command("g")
        client.expect("G" + raw, "OK")
        expect(client.command("g") == raw, "G writes what g reads")
        client.write(0x2000, b"\x90\xb8\x34\x12\xf4")
        expect(client.read(0x2000, 5) == b"\x90\xb8\x34\x12\xf4", "memory")
        client.set_register("rip", 0x2000)
        step(client)
        step(client)
        expect(client.register("rax") & 0xffff == 0x1234, "written code runs")
        client.write(0x2001, b"\xb8\x78\x56")
        client.set_register("rip", 0x2001)
        step(client)
        expect(client.register("rax") & 0xffff == 0x5678, "changed code runs")


def test_changed_code():
    """A write by the debugger drops translated code."""
    with debugged() as (_, client, _):
        to_sector(client)
        client.send("vCont;c:p1.-1")
        expect(client.silent(1), "runs")
        client.send_raw(b"\x03")
        client.stopped()
        load = address_of(client, "66bb78563412")
        client.write(load + 2, b"\x21\x43\x65\x87")
        client.expect(f"Z0,{address_of(client, 'c3'):x},1", "OK")
        go(client)
        client.expect(f"z0,{address_of(client, 'c3'):x},1", "OK")
        client.expect(f"Z0,{load:x},1", "OK")
        go(client)
        client.expect(f"z0,{load:x},1", "OK")
        step(client)
        expect(client.register("rbx") == 0x87654321, "new operand")


def test_steps_and_interrupts():
    """A timer interrupt that waits is taken in a step only when the step bits let it."""
    with debugged() as (_, client, _):
        to_sector(client)
        for _ in range(5):
            step(client)
        client.set_register("eflags", 2)
        client.send("vCont;c:p1.-1")
        expect(client.silent(1), "runs with interrupts off")
        client.send_raw(b"\x03")
        expect(client.stopped() == INTERRUPTED, "Ctrl-C")
        client.set_register("eflags", 0x202)
        for _ in range(3):
            step(client)
            expect(client.register("cs") == 0, "interrupts are masked in a step")
        client.expect("Qqemu.sstep=5", "OK")
        step(client)
        expect(client.register("cs") == 0xf000, "the handler")


def test_old_packets():
    """The forms of step and continue that came before vCont."""
    with debugged() as (_, client, _):
        to_sector(client)
        load, call = address_of(client, "66bb78563412"), address_of(client, "c3")
        client.expect(f"Z1,{call:x},1", "OK")
        go(client, f"s{load:x}")
        registers = client.all_registers()
        expect(registers["rip"] == load + 6 and registers["rbx"] == 0x12345678, "step at")
        go(client, "S05")
        expect(client.register("rip") == load + 10, "step with a signal")
        go(client, f"C05;{load:x}")
        expect(client.register("rip") == call, "continue with a signal at")
        client.expect(f"z1,{call:x},1", "OK")
        client.expect(f"Z0,{load:x},1", "OK")
        go(client, "vCont;C05:p1.1")
        expect(client.register("rip") == load, "continue with a signal")
        go(client, "vCont;S05:p1.1")
        expect(client.register("rip") == load + 6, "step with a signal")


def test_protected_mode():
    """32-bit code with paging on; its breakpoint is set long before there is a page."""
    with debugged(sector="gdb-modes.S") as (_, client, _):
        to_sector(client)
        again = HIGH + address_of(client, "ff0500050080")
        count = HIGH + address_of(client, "8b1504050080")
        client.expect(f"Z0,{again:x},1", "OK")
        go(client)
        registers = client.all_registers()
        expect(registers["rip"] == again and registers["cs"] == 8, f"{registers['rip']:x}")
        expect(registers["cr0"] & 0x80000001 == 0x80000001 and registers["cr3"] == 0x10000, "CRs")
        expect(registers["rsp"] == HIGH + 0x7000 and registers["efer"] == 0, "ESP, EFER")
        client.expect(f"z0,{again:x},1", "OK")
        for place in (again + 6, count, count + 6):
            step(client)
            expect(client.register("rip") == place, f"step to {place:x}")
        expect(client.read(HIGH + 0x6ffc, 4) == (again + 11).to_bytes(4, "little"), "return to")
        for point, reply in [("Z2,80000508,4", "watch:0000000080000508;"),
                             ("Z3,80000504,4", "rwatch:0000000080000504;"),
                             ("Z4,80006ffe,1", "awatch:0000000080006ffe;")]:
            client.expect(point, "OK")
            go(client, reply=STOP + reply)
            client.expect("z" + point[1:], "OK")


def test_mapped_and_physical_memory():
    with debugged(sector="gdb-modes.S") as (_, client, _):
        to_sector(client)
        again = HIGH + address_of(client, "ff0500050080")
        client.expect(f"Z0,{again:x},1", "OK")
        go(client)
        for text in ("m7c00,4", "M7c00,1:90", "m803ffffe,4", "M803ffffe,4:00000000"):
            client.expect(text, "E14")
        client.write(HIGH + 0x2000, b"seen")
        client.expect("Qqemu.PhyMemMode:1", "OK")
        client.expect("qqemu.PhyMemMode", "1")
        expect(client.read(0x2000, 4) == b"seen", "by its physical address")
        client.write(0x2000, b"SEEN")
        expect(client.read(again - HIGH, 2) == b"\xff\x05", "code")
        client.expect("Qqemu.PhyMemMode:0", "OK")
        expect(client.read(HIGH + 0x2000, 4) == b"SEEN", "by its linear address")


def monitor(client, line):
    """What a monitor command says."""
    client.send("qRcmd," + line.encode().hex())
    output = ""
    while (reply := client.packet()) != "OK":
        expect(reply[0] == "O", reply)
        output += bytes.fromhex(reply[1:]).decode()
    return output


def test_monitor_command():
    with debugged() as (_, client, _):
        expect_in("VM status: paused", monitor(client, "info status"))
        expect_in("IP=0000fff0", monitor(client, "info registers"))
        to_sector(client)
        client.set_register("rbx", 0x13579bdf)
        text = monitor(client, "info registers")
        expect_in("IP=00007c00", text)
        expect_in("BX=13579bdf", text)
        expect_in("unknown command", monitor(client, "no such command"))


def wait_for_calls(guest, seconds=60):
    """Waits until the boot sector's loop has been round many times."""
    deadline = time.monotonic() + seconds * SCALE
    while int(guest.monitor("xp /1xw 0x504").split()[-1], 16) < 1000:
        expect(time.monotonic() < deadline, "the boot sector does not run")


def test_detach_and_reconnect():
    with debugged() as (guest, client, path):
        to_sector(client)
        client.expect(f"Z0,{address_of(client, 'c3'):x},1", "OK")
        client.expect("D;1", "OK")
        client.close()
        wait_for_calls(guest)
        expect_in("running", guest.monitor("info status"))
        client = attach(path)
        expect_in("paused", guest.monitor("info status"))
        client.send("c")
        expect(client.character() == b"+", "c is acknowledged")
        client.close()
        expect_in("running", guest.monitor("info status"))
        client = attach(path)
        client.expect("vAttach;1", STOP)


def test_kill():
    for packet in ("k", "vKill;1"):
        with debugged() as (guest, client, _):
            client.send(packet)
            if packet != "k":
                expect(client.packet() == "OK", "vKill")
                expect(client.packet() == "W00", "end")
            status = guest.wait_exit()
            expect(status == 0, f"status {status}")
            expect_in("Terminated via GDBstub", guest.error_text())


def test_two_cpus():
    with debugged("-smp", "2") as (_, client, _):
        client.expect("qfThreadInfo", "mp01.01")
        client.expect("qsThreadInfo", "mp01.02")
        client.expect("qsThreadInfo", "l")
        client.expect("qThreadExtraInfo,p1.1", b"CPU#0 [running]".hex())
        client.expect("qThreadExtraInfo,p1.2", b"CPU#1 [halted ]".hex())
        client.expect("Hgp1.2", "OK")
        expect(client.register("rip") == 0xfff0, "CPU 1 waits")
        go(client, "vCont;s:p1.1")
        client.expect("Hgp1.2", "OK")
        expect(client.register("rip") == 0xfff0, "CPU 1 was held")
        to_sector(client)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_monitor_server():
    port = free_port()
    with Machine(["-m", "64", "-gdb", "none"]) as guest:
        expect_in("Waiting for gdb", guest.monitor(f"gdbserver tcp:127.0.0.1:{port}"))
        client = attach(("127.0.0.1", port))
        expect_in("paused", guest.monitor("info status"))
        client.close()
        expect_in("Disabled gdbserver", guest.monitor("gdbserver none"))
        expect_in("No debugger can connect by 'nonsense'", guest.monitor("gdbserver nonsense"))
        for _ in range(2):
            guest.monitor(f"gdbserver tcp:127.0.0.1:{port}")
            attach(("127.0.0.1", port)).close()


def symbol(guest, name):
    """Address of a kernel symbol, from the guest's own list."""
    guest.type(f"grep ' [tT] {name}$' /proc/kallsyms\n")
    match = guest.wait_for_pattern(rb"\n([0-9a-f]{16}) [tT] " + name.encode())
    return int(match[1], 16)


def run_gdb(port, commands):
    script = ["set confirm off", "set pagination off", "set width 0", f"target remote :{port}"]
    arguments = [part for line in script + commands for part in ("-ex", line)]
    try:
        result = subprocess.run(["gdb", "-nx", "-batch", *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
                                timeout=180 * SCALE, check=False)
    except subprocess.TimeoutExpired as expired:
        raise Failure(f"gdb did not end: {expired.stdout.decode()}") from expired
    return result.stdout


@contextlib.contextmanager
def served(sector, *arguments):
    """A machine with a boot sector's disk, paused, and the port that gdb finds it at."""
    if not shutil.which("gdb"):
        raise Skip("lacking gdb")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector(sector, folder)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw", "-S", "-gdb",
                      f"tcp:127.0.0.1:{port}", *arguments]) as guest:
            yield guest, port


def test_gdb_in_real_mode():
    with served("gdb-sector.S") as (guest, port):
        text = run_gdb(port, ["print $cr0", f"hbreak *{SECTOR:#x}", "continue", "stepi",
                              "watch *(short *)0x500", "continue", "delete",
                              "rwatch *(short *)0x506", "continue", "print $cs", "print $cr4",
                              "print/x $cr0 & 0x10", "monitor info registers", "kill"])
        for wanted in ["= [ ET NW CD ]", "Breakpoint 1, 0x0000000000007c00",
                       "Hardware watchpoint 2", "New value = ",
                       "Hardware read watchpoint 3", "= 0x10", "IP=0000", "killed]"]:
            expect_in(wanted, text)
        expect(guest.wait_exit() == 0, "kill ends the emulator")


AVX512_SCRIPT = ["hbreak *0x80007c00 + {again}", "continue", "print $cr4", "print/x $k1",
                 "print/x $zmm7.v8_int64", "set $k1 = 0x4321",
                 "set $zmm31.v8_int64[7] = 0x1122334455667788", "set $xmm16.v2_int64[1] = 0x77",
                 "set $zmm7.v8_int64[5] = 0x66", "delete", "stepi", "stepi", "stepi", "stepi",
                 "stepi", "stepi", "stepi", "stepi", "print/x $k1",
                 "print/x $ebx", "print/x $zmm31.v8_int64", "print/x $zmm16.v8_int64",
                 "print/x $zmm7.v8_int64", "detach"]


def test_gdb_and_avx512():
    """gdb shows and sets what AVX-512 adds, and the CPU goes on with it."""
    if "avx512f" not in Path("/proc/cpuinfo").read_text(encoding="ascii"):
        raise Skip("the host has no AVX-512")
    with tempfile.TemporaryDirectory() as folder:
        code = boot_sector("gdb-modes.S", folder).read_bytes()
    again = code.index(bytes.fromhex("ff0500050080"))
    script = [line.format(again=again) for line in AVX512_SCRIPT]
    ones, zeros = "0xffffffffffffffff", "0x0"
    with served("gdb-modes.S", "-cpu", "max") as (guest, port):
        text = run_gdb(port, script)
        expect(not re.search(r"(?i)warning: .*(truncated|register|remote)", text), text)
        expect_in("OSXSAVE ]", text)
        values = re.findall(r"^\$\d+ = (.*)", text, re.M)[1:]
        expect(values == [
            "0x1234", f"{{{', '.join([ones] * 8)}}}", "0x4321", "0x4321",
            f"{{{', '.join([zeros] * 7 + ['0x1122334455667788'])}}}",
            f"{{{', '.join([zeros, '0x77'] + [zeros] * 6)}}}",
            f"{{{', '.join([ones] * 5 + ['0x66'] + [ones] * 2)}}}"], text)
        expect_in("running", guest.monitor("info status"))
    with served("gdb-modes.S", "-cpu", "qemu64") as (guest, port):
        text = run_gdb(port, [*script[:2], "print $k1", "print $zmm31", "print $ymm1.v8_int32[7]"])
        values = re.findall(r"^\$\d+ = (.*)", text, re.M)
        expect(values == ["void", "void", "0"], text)


def test_gdb_on_linux():
    if not shutil.which("gdb"):
        raise Skip("lacking gdb")
    kernel, initrd = linux_files()
    port = free_port()
    with Machine(["-m", "256", "-smp", "2", "-kernel", kernel, "-initrd", initrd, "-append",
                  "console=ttyS0 nokaslr", "-gdb", f"tcp:127.0.0.1:{port}"]) as guest:
        guest.wait_for("# ", 240)
        address = symbol(guest, "do_sys_openat2")
        guest.type("while :; do cat /proc/version > /dev/null; done &\n")
        text = run_gdb(port, [f"hbreak *{address:#x}", "continue", "info registers rip cs cr3",
                              "bt 3", "x/2i $pc", "stepi", "stepi", "info threads", "continue",
                              "delete", "watch -l *(int *)$rsp", "continue", "monitor info status",
                              "print $xmm0", "print $eflags", "detach"])
        expect(re.search(rf"rip\s+{address:#x}", text), text)
        for wanted in ["Breakpoint 1, ", f"#0  {address:#018x}", "#1 ", "CPU#0", "CPU#1",
                       "VM status: paused", "v4_float", "Hardware watchpoint 2", "[Inferior 1"]:
            expect_in(wanted, text)
        expect(not re.search(r"(?i)warning: .*(truncated|register|remote)", text), text)
        guest.type("kill $!; echo still-$((40 + 2))\n")
        guest.wait_for("still-42")


def test_gdb_before_boot():
    """A breakpoint at a kernel address that nothing is mapped at yet."""
    if not shutil.which("gdb"):
        raise Skip("lacking gdb")
    kernel, initrd = linux_files()
    port = free_port()
    with Machine(["-m", "256", "-kernel", kernel, "-initrd", initrd, "-append",
                  "console=ttyS0 nokaslr"]) as guest:
        guest.wait_for("# ", 240)
        address = symbol(guest, "kernel_init")
    with Machine(["-m", "256", "-kernel", kernel, "-initrd", initrd, "-append",
                  "console=ttyS0 nokaslr", "-S", "-gdb", f"tcp:127.0.0.1:{port}"]) as guest:
        text = run_gdb(port, [f"hbreak *{address:#x}", "continue", "delete", "stepi", "detach"])
        expect_in(f"Breakpoint 1, {address:#018x}", text)
        guest.wait_for("# ", 240)


if __name__ == "__main__":
    run_tests(dict(globals()))
