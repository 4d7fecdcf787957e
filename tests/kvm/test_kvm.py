#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""KVM: guests that make every kind of exit, with each choice of interrupt controllers; the same
binaries under TCG print the same. Errors of the guest, stops, a debugger, falling back to TCG.

Run alone: python3 tests/kvm/test_kvm.py [NAME...]
"""

import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "guest"))

from machine import (SCALE, Machine, Skip, boot_sector, emulator, expect,  # noqa: E402
                     expect_in, need_kvm, run_tests)
from qmp_session import QmpClient  # noqa: E402
from rsp import Client  # noqa: E402

GUESTS = Path(os.environ.get("KVM_GUESTS", str(ROOT / "build" / "tests" / "kvm")))
STOPS = 1000
SECOND_SECTORS = b"second sector\r\n".ljust(512, b"\0") + b"third sector\r\n".ljust(512, b"\0")


def run(accel, *arguments, end="quit"):
    """Status, output and errors of a machine that is told to quit, or ends by itself."""
    command = [emulator(), "-accel", accel, "-nodefaults", "-display", "none", *arguments]
    if end == "quit":
        command += ["-monitor", "stdio", "-S"]
    done = subprocess.run(command, input="quit\n", capture_output=True, text=True, check=False,
                          timeout=60 * SCALE)
    return done.returncode, done.stdout, done.stderr


@functools.cache
def is_emulated():
    """This KVM has no hardware behind it, which the probe has found out; asked once for all."""
    done = start_with_fallback("quit\n")
    return "without hardware behind it" in done.stderr


def start_with_fallback(commands, *arguments):
    return subprocess.run([emulator(), "-enable-kvm", "-nodefaults", "-display", "none", "-S",
                           "-monitor", "stdio", *arguments], input=commands, capture_output=True, text=True,
                          check=True, timeout=60 * SCALE)


def need_hardware(what):
    """What an emulator behind /dev/kvm lacks."""
    need_kvm()
    if is_emulated():
        raise Skip(f"this /dev/kvm is an emulator, which lacks {what}")


def guest(name, *arguments, accel, **options):
    log = ["-m", "16", "-bios", GUESTS / f"{name}.bin", "-device",
           "isa-debug-exit,iobase=0xf4"]
    return Machine(["-nodefaults", *log, *arguments], accel=accel, **options)


def output(name, accel, *arguments, status=1):
    """What a guest prints on port E9h until it ends."""
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder, "console")
        with guest(name, "-debugcon", f"file:{console}", *arguments, accel=accel) as machine:
            got = machine.wait_exit(60)
            expect(got == status, f"{accel}: ended with {got}: {machine.error_text()}\n"
                                  f"{console.read_text()}")
        return console.read_text()


def wait_console(machine, console, text, seconds=120):
    """Waits until the guest has printed the text on port E9h."""
    deadline = time.monotonic() + seconds * SCALE
    while not console.exists() or text not in console.read_text():
        if time.monotonic() > deadline or machine.process.poll() is not None:
            machine.fail(f"no {text!r} on the console: {console.exists() and console.read_text()}")
        time.sleep(0.05)


def check_exits(mode, *arguments):
    arguments += ("-device", "pci-testdev,addr=5")
    expected = output("exits", "tcg", *arguments)
    expect_in("events-none 00000014\nevents-any 00000014\nevents-match 0000000a\n", expected)
    expect_in("end\n", expected)
    got = output("exits", f"kvm,kernel-irqchip={mode}", *arguments)
    expect(got == expected, f"under KVM:\n{got}\nunder TCG:\n{expected}")


def test_exits_off():
    need_kvm()
    check_exits("off")


def test_exits_off_two_cpus():
    need_kvm()
    check_exits("off", "-smp", "2")


def test_exits_on():
    need_kvm()
    check_exits("on")


def test_exits_on_two_cpus():
    need_kvm()
    check_exits("on", "-smp", "2")


def check_runs(mode):
    """KVM_RUN is called for what the guest does and when somebody kicks, not oftener."""
    need_kvm()
    with guest("exits", "-device", "pci-testdev,addr=5", outcome=True,
               accel=f"kvm,kernel-irqchip={mode}") as machine:
        expect(machine.wait_exit(120) == 1, machine.error_text())
        counters = machine.outcome()["accelerator"]["counters"]
    exits = sum(count for name, count in counters.items() if name.startswith("exits, "))
    print(f"# {mode}: {counters}")
    expect(exits > 500 and counters["exits, io"] > 300, "the guest does not do much")
    expect(counters["runs"] <= exits + counters["kicks"] + 2, f"more runs than that: {counters}")


def test_runs_on():
    check_runs("on")


def test_runs_off():
    check_runs("off")


def check_exits_split(*arguments):
    """All but level-triggered interrupts, the last that the guest tries."""
    need_kvm()
    expected = output("exits", "tcg", *arguments).partition("ioapic-level")[0]
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder, "console")
        with guest("exits", "-debugcon", f"file:{console}", *arguments,
                   accel="kvm,kernel-irqchip=split") as machine:
            wait_console(machine, console, expected)


def test_exits_split():
    check_exits_split()


def test_exits_split_two_cpus():
    check_exits_split("-smp", "2")


def test_split_level():
    need_hardware("word of the end of level-triggered interrupts for a split I/O APIC")
    check_exits("split")
    check_exits("split", "-smp", "2")


def check_boot(mode, cpus):
    need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("boot-sector.S", folder, SECOND_SECTORS)
        with Machine(["-m", "64", "-smp", cpus, "-hda", image],
                     accel=f"kvm,kernel-irqchip={mode}") as machine:
            for text in ["boot sector here", "second sector", "third sector", "boot sector done"]:
                machine.wait_for(text, 180)
            text = machine.monitor("info kvm")
            expect_in("kvm support: enabled", text)
            expect(all(re.search(rf"(?m)^{name} +[1-9]", text) for name in ("io", "runs")),
                   f"exits by cause: {text}")
            expect_in("dumping local APIC state for CPU 0", machine.monitor("info lapic"))
            expect_in("pic0: ", machine.monitor("info pic"))
            expect_in("pin 0 ", machine.monitor("info ioapic"))


def test_boot_off():
    check_boot("off", 1)


def test_boot_on():
    check_boot("on", 1)


def test_boot_split():
    check_boot("split", 1)


def test_boot_off_two_cpus():
    check_boot("off", 2)


def test_boot_on_two_cpus():
    check_boot("on", 2)


def test_boot_split_two_cpus():
    check_boot("split", 2)


def wait_paused(machine):
    """What was reported is acted upon by the main loop."""
    deadline = time.monotonic() + 60 * SCALE
    while "internal-error" not in machine.monitor("info status"):
        expect(time.monotonic() < deadline, "the machine is not paused")


def check_failure(name, report):
    """Said once with place and bytes; the machine is paused, answers, and starts again."""
    with guest(name, accel="kvm") as machine:
        expect(machine.errors.wait_for(report, 60), "no report")
        wait_paused(machine)
        expect_in("EIP=", machine.monitor("info registers"))
        machine.monitor("cont")
        expect_in("internal-error", machine.monitor("info status"))
        machine.monitor("system_reset")
        machine.monitor("cont")
        expect(machine.errors.wait_for(report, 60), "no second report")
        wait_paused(machine)
        machine.monitor_send("quit")
        expect(machine.wait_exit() == 0, "it did not quit")


def test_emulation_failure():
    """Code where there is no memory: no KVM fetches that."""
    need_kvm()
    check_failure("nowhere", rb"cannot emulate the instruction on CPU 0 at 0008:[0-9a-f]+ \(")


def machine_checks(accel):
    """mce: what the guest hears, what it may have switched off, what it cannot take."""
    uncorrected, corrected, fatal = 0xbd80000000000134, 0x9c00000000000151, 0xbd8000000000dead
    with tempfile.TemporaryDirectory() as folder:
        console, qmp = Path(folder, "console"), os.path.join(folder, "qmp")
        with guest("mce", "-cpu", "Nehalem", "-smp", "2", "-debugcon", f"file:{console}",
                   "-qmp", f"unix:{qmp},server=on,wait=off", accel=accel) as machine, \
                QmpClient(qmp) as client:
            client.negotiate()
            lines = ["ready"]

            def inject(status, address, said, *flags):
                line = " ".join(["mce", *flags, f"0 2 {status:#x} 1 {address:#x} 0x8c"])
                expect(machine.monitor(line) == said, line)

            def prints(line):
                lines.append(line)
                wait_console(machine, console, "\n".join(lines) + "\n")

            def hears(status, address):
                prints(f"mce 00000005 {status:016x} {address:016x} 000000000000008c")

            def event(action, recursive=False):
                data = client.wait_event("MEMORY_FAILURE")["data"]
                expect(data["recipient"] == "guest" and data["action"] == action, f"{data}")
                expect(data["flags"]["recursive"] == recursive, f"{data}")
                return data["flags"]["action-required"]

            wait_console(machine, console, "ready\n")
            inject(uncorrected, 0x12345000, "")
            hears(uncorrected, 0x12345000)
            expect(event("inject"), "software has to act")
            inject(corrected, 0x1000, "")
            expect(not event("inject"), "it was corrected")
            inject(uncorrected, 0x2000, "", "-b")  # the other waits for its SIPI
            hears(uncorrected | 1 << 62, 0x2000)
            event("inject")
            for line, wanted in ((f"1 2 {uncorrected:#x} 1 0 0", "CPU 1: the guest has not switched"),
                                 (f"0 3 {uncorrected:#x} 1 0 0", "errors of bank 3 are reported"),
                                 (f"0 10 {uncorrected:#x} 1 0 0", "banks 0 to 9"),
                                 (f"2 2 {uncorrected:#x} 1 0 0", "this machine has 2"),
                                 ("0 2 7 1 0 0", "without bit 63")):
                expect_in(wanted, machine.monitor("mce " + line))
            inject(fatal, 0x3000, "")
            hears(fatal, 0x3000)
            event("inject")
            inject(uncorrected, 0x4000, "CPU 0 cannot take a machine check now and shuts down\n")
            expect(event("reset", recursive=True), "the first one was in progress")
            prints("ready")


def test_machine_checks_without_kvm():
    machine_checks("tcg")


def test_machine_checks():
    need_kvm()
    machine_checks("kvm")


def test_machine_checks_without_irqchip():
    need_kvm()
    machine_checks("kvm,kernel-irqchip=off")


def ticks(accel, policy=None):
    """What becomes of ticks while the guest keeps interrupts off."""
    return output("ticks", accel, *(["-global", f"kvm-pit.lost_tick_policy={policy}"] if policy else []))


def test_lost_ticks_are_delayed():
    need_kvm()
    for policy in None, "delay":
        got = ticks("kvm", policy)
        expect(got == "all ticks came\nend\n", f"{policy}: {got}")


def test_lost_ticks_are_discarded():
    need_kvm()
    got = ticks("kvm", "discard")
    expect(got == "ticks were lost\nend\n", got)


def nmi_button(accel):
    """What LINT1 makes of the button: the same wherever the local APIC is."""
    with tempfile.TemporaryDirectory() as folder:
        console, lines = Path(folder, "console"), ""
        with guest("lint", "-debugcon", f"file:{console}", accel=accel) as machine:
            for name, count in ("after reset", 0), ("nmi", 1), ("masked", 1), ("fixed", 1):
                lines += name + "\n"
                wait_console(machine, console, lines)
                machine.monitor("nmi")
                machine.type("x")
                lines += f"nmis {count:08x}\n"
            expect(machine.wait_exit() == 1, machine.error_text())
        expect(console.read_text() == lines + "end\n", console.read_text())


def test_nmi_button_without_kvm():
    nmi_button("tcg")


def test_nmi_button():
    need_kvm()
    for mode in "on", "off", "split":
        nmi_button(f"kvm,kernel-irqchip={mode}")


def test_sse():
    need_hardware("SSE in ring 0")
    got = output("sse", "kvm")
    expect(got == output("sse", "tcg"), f"SSE differs: {got}")


def test_sse_failure():
    """An instruction that a KVM in software lacks is reported with its bytes."""
    need_kvm()
    if not is_emulated():
        raise Skip("hardware behind /dev/kvm runs SSE in ring 0: it does not fail")
    check_failure("sse", rb"cannot emulate the instruction on CPU 0 at 0008:[0-9a-f]+ "
                         rb"\([0-9a-f ]+\)")


def test_triple_fault():
    need_kvm()
    for mode in ["on", "off"]:
        got = output("triple", f"kvm,kernel-irqchip={mode}", "-no-reboot", status=0)
        expect(got == output("triple", "tcg", "-no-reboot", status=0), f"{mode}: {got}")


def check_stops(mode, *arguments):
    need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder, "console")
        with guest("busy", "-debugcon", f"file:{console}", *arguments,
                   accel=f"kvm,kernel-irqchip={mode}") as machine:
            wait_console(machine, console, "working")
            machine.monitor("info status")
            for _ in range(STOPS // 50):
                machine.monitor_socket.sendall(b"stop\ncont\n" * 50)
                for _ in range(100):
                    machine.wait_prompt(60)
            expect_in("running", machine.monitor("info status"))
            machine.type("x")
            expect(machine.wait_exit() == 1, machine.error_text())
        text = console.read_text()
        expect(text == "working\nwrong 00000000\nend\n", text)


def test_stops_on():
    check_stops("on", "-smp", "2")


def test_stops_off():
    check_stops("off", "-smp", "2")


def test_stops_split():
    check_stops("split", "-smp", "2")


def test_resets():
    """Each reset begins with everything as at power-on."""
    need_kvm()
    for mode in ["on", "off", "split"]:
        with tempfile.TemporaryDirectory() as folder:
            console = Path(folder, "console")
            with guest("busy", "-debugcon", f"file:{console}", "-smp", "2",
                       accel=f"kvm,kernel-irqchip={mode}") as machine:
                for count in range(1, 21):
                    wait_console(machine, console, "working\n" * count)
                    machine.monitor("system_reset")
                wait_console(machine, console, "working\n" * 21)
                machine.type("x")
                expect(machine.wait_exit() == 1, machine.error_text())
            expect_in("wrong 00000000\nend\n", console.read_text())


def stop_at(client, point, reply):
    """Sets a point, runs into it, removes it."""
    client.expect("Z" + point, "OK")
    client.send("vCont;c:p1.-1")
    got = client.stopped(120)
    expect(got == reply, f"{point}: {got!r} instead of {reply!r}")
    client.expect("z" + point, "OK")


def symbols_of(name):
    """Addresses of what the guest defines."""
    lines = subprocess.run(["nm", "--defined-only", GUESTS / f"{name}.elf"], capture_output=True,
                           text=True, check=True).stdout.splitlines()
    return {line.split()[2]: int(line.split()[0], 16) for line in lines}


def connect_gdb(path):
    client = Client(path)
    client.expect("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386",
                  "PacketSize=2000;qXfer:features:read+;vContSupported+;multiprocess+")
    client.expect("Hgp0.0", "OK")
    return client


def test_gdb():
    """Steps and breakpoints, more of them than the CPU has registers for."""
    need_kvm()
    symbols = symbols_of("busy")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "gdb")
        with guest("busy", "-gdb", f"unix:{path}", "-S", accel="kvm"):
            client = connect_gdb(path)
            client.send("vCont;s:p1.1;c:p1.-1")
            expect(client.stopped(60) == "T05thread:p01.01;", "the step did not stop")
            stop_at(client, f"0,{symbols['main']:x},1", "T05thread:p01.01;")
            for i in range(8):
                client.expect(f"Z0,{0x5000 + 16 * i:x},1", "OK")
            stop_at(client, f"0,{symbols['work']:x},1", "T05thread:p01.01;")


def test_gdb_watchpoint():
    need_hardware("watchpoints of data")
    ticks = symbols_of("busy")["ticks"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "gdb")
        with guest("busy", "-gdb", f"unix:{path}", "-S", accel="kvm"):
            stop_at(connect_gdb(path), f"2,{ticks:x},4", f"T05thread:p01.01;watch:{ticks:x};")


def test_fallback_says_why():
    """-enable-kvm uses what is best; what it says is one line."""
    done = start_with_fallback("info kvm\nquit\n")
    if "kvm support: enabled" in done.stdout:
        expect(done.stderr == "", done.stderr)
        return
    expect_in("; using tcg", done.stderr)
    expect(done.stderr.count("\n") == 1, done.stderr)
    expect_in("/dev/kvm", done.stderr)


def test_fallback_for_model():
    """A CPU model that KVM cannot run whole is TCG's, when it has to be whole."""
    need_kvm()
    status, _, errors = run("kvm", "-cpu", "Nehalem,enforce")
    done = start_with_fallback("info kvm\nquit\n", "-cpu", "Nehalem,enforce")
    if status:
        expect_in("host doesn't support requested features", errors)
        expect_in("host doesn't support requested features", done.stderr)
        expect_in("; using tcg", done.stderr)
    else:
        expect("requested features" not in done.stderr, done.stderr)


def check_refusal(change, reason, *wrapper):
    """What -enable-kvm and -accel kvm say where /dev is changed, in a mount namespace of its own."""
    for accel in ["-enable-kvm"], ["-accel", "kvm"]:
        command = [*wrapper, emulator(), *accel, "-nodefaults", "-display", "none", "-S",
                   "-monitor", "stdio"]
        done = subprocess.run(["unshare", "--mount", "sh", "-ec", f'{change} || exit 77; exec "$@"',
                               "sh", *command], input="info kvm\nquit\n", capture_output=True,
                              text=True, check=False, timeout=60 * SCALE)
        if done.returncode in (77, 126, 127) or "unshare" in done.stderr:
            raise Skip(f"mounts or users cannot be changed here: {done.stderr.strip()}")
        expect_in(reason, done.stderr)
        if accel == ["-enable-kvm"]:
            expect(done.returncode == 0, done.stderr)
            expect(done.stderr.count("\n") == 1, done.stderr)
            expect_in("; using tcg", done.stderr)
            expect_in("kvm support: disabled", done.stdout)
        else:
            expect(done.returncode == 1, f"{done.returncode}: {done.stderr}")


def test_no_device():
    check_refusal("mount -t tmpfs none /dev", "there is no /dev/kvm: ")


def test_device_that_is_none():
    if not os.path.exists("/dev/kvm"):
        raise Skip("there is no /dev/kvm to hide")
    check_refusal("mount --bind /dev/null /dev/kvm", "/dev/kvm does not answer as KVM does")


def test_device_without_hardware():
    """A device file that no driver answers for."""
    check_refusal("mount -t tmpfs none /dev; mknod /dev/kvm c 10 254",
                  "/dev/kvm has no hardware behind it: virtualisation is off in the firmware")


def test_no_permission():
    """The group that would help is named."""
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    check_refusal("mount -t tmpfs none /dev; touch /dev/kvm; chown 0:1 /dev/kvm; chmod 660 /dev/kvm",
                  "no permission to use /dev/kvm; members of group 'daemon' have it", *as_nobody)
    check_refusal("mount -t tmpfs none /dev; touch /dev/kvm; chmod 600 /dev/kvm",
                  "no permission to use /dev/kvm, which no group may", *as_nobody)


def test_options():
    need_kvm()
    status, _, errors = run("kvm,kernel-irqchip=maybe", "-machine", "pc")
    expect(status == 1, "it started")
    expect_in("kernel-irqchip=maybe: it is one of on|off|split", errors)
    status, _, errors = run("kvm,dirty-ring-size=1000")
    expect(status == 1, "it started")
    expect_in("power of two", errors)
    status, _, errors = run("kvm,dirty-ring-size=4096")
    expect(status == 0 or "the kernel's KVM has no such rings" in errors, errors)
    status, _, errors = run("kvm", "-global", "kvm-pit.lost_tick_policy=discard")
    expect(status == 0, errors)
    for name in "kernel-irqchip", "kernel_irqchip":
        status, _, errors = run("kvm", "-machine", f"pc,{name}=split")
        expect(status == 0, errors)
        status, _, errors = run("kvm", "-machine", f"pc,{name}=maybe")
        expect_in("kernel-irqchip=maybe: it is one of on|off|split", errors)
    status, _, errors = run("kvm", "-overcommit", "cpu-pm=on")
    expect(status == 0, errors)


def test_tsc_frequency():
    """Given where the kernel can scale; refused with the host's rate, which is possible, where not."""
    need_kvm()
    status, _, errors = run("kvm", "-cpu", "qemu64,tsc-frequency=1000000000")
    if status:
        expect_in("tsc-frequency=1000000000: this host's counter runs at ", errors)
        khz = int(errors.partition("runs at ")[2].split()[0])
        status, _, errors = run("kvm", "-cpu", f"qemu64,tsc-frequency={khz * 1000}")
    expect(status == 0, errors)


def test_locked_memory():
    need_kvm()
    status, _, errors = run("kvm", "-m", "64", "-overcommit", "mem-lock=on")
    if status:
        raise Skip(f"memory cannot be locked here: {errors.strip()}")
    with guest("busy", "-m", "64", "-overcommit", "mem-lock=on", "-S", accel="kvm") as machine:
        expect_in("paused", machine.monitor("info status"))
        text = Path("/proc", str(machine.process.pid), "status").read_text(encoding="utf-8")
        locked = int(text.partition("VmLck:")[2].split()[0])
        expect(locked >= 64 << 10, f"{locked} KiB are locked")


def guest_ram(machine, megabytes):
    """The lines of /proc about the mapping that is the guest's memory."""
    line = machine.monitor("gpa2hva 0x100000")
    address = int(line.rpartition("0x")[2], 16)
    text = Path("/proc", str(machine.process.pid), "smaps").read_text(encoding="utf-8")
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", text)[1:]:
        start, end = (int(word, 16) for word in part.split()[0].split("-"))
        if start <= address < end:
            expect(end - start >= megabytes << 20, part)
            return dict(re.findall(r"(?m)^(\w+): +(.*?) *$", part))
    raise AssertionError(f"no mapping has {line}")


def congruent(machine, address):
    """Whether pages of 2 MiB in the guest are such in the host, so that the kernel can use them."""
    line = machine.monitor(f"gpa2hva {address:#x}")
    return (int(line.rpartition("0x")[2], 16) ^ address) & ((2 << 20) - 1) == 0


def test_transparent_huge_pages():
    """The kernel is asked for huge pages, and guest memory lies so that it can map them."""
    need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder, "console")
        with guest("busy", "-m", "192", "-machine", "max-ram-below-4g=64M", "-debugcon",
                   f"file:{console}", accel="kvm") as machine:
            wait_console(machine, console, "working")
            for address in 0x100000, 0x200000, 62 << 20, 4 << 30, (4 << 30) + (126 << 20):
                expect(congruent(machine, address), f"{address:#x} is misplaced")
            ram = guest_ram(machine, 192)
            expect("hg" in ram["VmFlags"].split(), f"no advice: {ram['VmFlags']}")
            use = Path("/sys/kernel/mm/transparent_hugepage/enabled")
            if not use.exists() or "[never]" in use.read_text(encoding="ascii"):
                raise Skip("the host's kernel does not use huge pages when it is asked to")
            machine.monitor_send("quit")
            expect(machine.wait_exit() == 0, machine.error_text())


def test_memory_file_cut_short():
    """Memory whose pages are gone: the machine is paused, with the reason. A KVM that gives the guest's
    access to the emulator ends that, with the reason."""
    need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        path, console = Path(folder, "ram"), Path(folder, "console")
        path.touch()
        with guest("busy", "-object",
                   f"memory-backend-file,id=ram,size=16M,share=on,mem-path={path}", "-machine",
                   "memory-backend=ram", "-debugcon", f"file:{console}", accel="kvm") as machine:
            wait_console(machine, console, "working")
            os.truncate(path, 0)
            match = machine.errors.wait_for(rb"KVM_RUN failed: Bad address on CPU 0 at 0008:|"
                                            rb"memory of the host has failed, or is gone", 60)
            expect(match, machine.errors.text())
            if match[0].startswith(b"memory"):
                expect(machine.wait_exit() == -signal.SIGBUS, machine.error_text())
                return
            wait_paused(machine)
            machine.monitor_send("quit")
            expect(machine.wait_exit() == 0, machine.error_text())


class HugePages:
    """So many of the host's huge pages are free, for a time."""

    def __init__(self, count):
        self.path = Path("/proc/sys/vm/nr_hugepages")
        self.count = count

    def free(self):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        found = re.search(r"HugePages_Free: +(\d+)", text)
        return int(found[1]) if found else 0

    def __enter__(self):
        self.before = None
        if self.free() >= self.count:
            return self
        try:
            self.before = self.path.read_text(encoding="ascii")
            self.path.write_text(str(int(self.before) + self.count), encoding="ascii")
        except OSError as error:
            raise Skip(f"no huge pages are free, and none can be reserved: {error}") from error
        if self.free() < self.count:
            self.__exit__()
            raise Skip("no huge pages are free, and the host has no room for more")
        return self

    def __exit__(self, *_):
        if self.before is not None:
            self.path.write_text(self.before, encoding="ascii")


def test_reserved_huge_pages():
    """Guest memory of pages that the host has set aside: a guest runs in it, and it is given back."""
    need_kvm()
    size = 32
    with HugePages(size // 2 + 1) as pages, tempfile.TemporaryDirectory() as folder:
        before = pages.free()
        console = Path(folder, "console")
        with guest("busy", "-m", size, "-object",
                   f"memory-backend-memfd,id=ram,size={size}M,hugetlb=on,hugetlbsize=2M,prealloc=on",
                   "-machine", "memory-backend=ram", "-debugcon", f"file:{console}", "-smp", "2",
                   accel="kvm") as machine:
            wait_console(machine, console, "working")
            ram = guest_ram(machine, size)
            expect(ram["KernelPageSize"] == "2048 kB", ram)
            expect(pages.free() == before - size // 2, f"{before} free, then {pages.free()}")
            machine.monitor("info status")
            machine.type("x")
            expect(machine.wait_exit() == 1, machine.error_text())
        expect_in("wrong 00000000\nend\n", console.read_text())
        expect(pages.free() == before, "they were not given back")


def test_models():
    """What the host has not is said and left out; some guest runs with each."""
    need_kvm()
    for model in ["host", "max", "qemu64", "kvm64", "Haswell", "EPYC", "host,-x2apic", "base"]:
        expect_in("end\n", output("exits", "kvm", "-cpu", model))
    status, _, errors = run("kvm", "-cpu", "qemu64,+svm,enforce")
    expect(status == 0 or "host doesn't support requested feature" in errors, errors)


def test_nothing_is_left_open():
    """Descriptors and memory of a process do not grow with resets."""
    need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder, "console")
        with guest("busy", "-debugcon", f"file:{console}", "-smp", "2", accel="kvm") as machine:
            wait_console(machine, console, "working\n")
            machine.monitor("info status")
            descriptors = Path("/proc", str(machine.process.pid), "fd")
            before = len(list(descriptors.iterdir()))
            for count in range(2, 52):
                machine.monitor("system_reset")
                wait_console(machine, console, "working\n" * count)
            machine.monitor("info status")
            left = sorted(os.readlink(path) for path in descriptors.iterdir())
            expect(len(left) <= before, f"descriptors are left open, {before} before: {left}")


if __name__ == "__main__":
    run_tests(dict(globals()))
