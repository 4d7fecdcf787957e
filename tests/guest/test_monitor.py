#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A monitor session on a UNIX socket: run state, memory, registers, trees, garbage, quit.

Run alone: python3 tests/guest/test_monitor.py [NAME...]
"""

import contextlib
import os
import re
import socket
import struct
import tempfile
import time
import tty
from contextlib import contextmanager
from pathlib import Path

from machine import SCALE, Machine, boot_sector, expect, expect_in, run_tests
from qmp_session import by_socat

SECTORS = b"second sector\r\n".ljust(512, b"\0") + b"third sector\r\n".ljust(512, b"\0")


@contextmanager
def booted(*options):
    """A machine whose boot sector has printed its last line and halts in a loop."""
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("boot-sector.S", folder, SECTORS)
        with Machine(["-m", "64", "-drive", f"file={image},format=raw", *options]) as guest:
            guest.wait_for("boot sector done", 180)
            yield guest


def test_run_state():
    with booted() as guest:
        expect_in("VM status: running", guest.monitor("info status"))
        guest.monitor("stop")
        expect_in("VM status: paused", guest.monitor("info status"))
        guest.monitor("system_reset")
        guest.monitor("c")
        guest.wait_for("boot sector done", 180)
        expect_in("VM status: running", guest.monitor("info status"))


def test_memory():
    with booted() as guest:
        code = guest.monitor("xp /4xb 0x7dfc")
        expect(re.search(r"0+7dfc: 0x00 0x00 0x55 0xaa", code), code)
        expect_in("0x6f636573", guest.monitor("xp /1xw 0x8000"))
        expect(re.search(r"0+8000:.*'s' 'e' 'c'", guest.monitor("x /3cb 0x8000")), "characters")


def test_blockstats():
    """The firmware has read the disk: at least the boot sector and those it loads."""
    with booted() as guest:
        text = guest.monitor("info blockstats")
        match = re.search(r"ide0-hd0: rd_bytes=(\d+) wr_bytes=0 rd_operations=(\d+)", text)
        expect(match and int(match[1]) >= 512 * int(match[2]) > 0, text)
        expect(re.search(r" rd_total_time_ns=[1-9]\d* .* idle_time_ns=[1-9]", text), text)


def test_info_block():
    """The drive that was given, the CD drive that is always there, and their images."""
    with booted() as guest:
        short, verbose = guest.monitor("info block"), guest.monitor("info block -v")
        expect(re.search(r"ide0-hd0 \(#block\d+\): \S+ \(raw\)\n    Attached to:      /machine/\S+\n"
                         r"    Cache mode:       writeback\n\n"
                         r"ide1-cd0: \[not inserted\]\n    Attached to:      /machine/\S+\n"
                         r"    Removable device: not locked, tray closed\n", short), short)
        expect(re.search(r"writeback\n\nImages:\nimage: \S+\nfile format: raw\n"
                         r"virtual size: 1 MiB \(1048576 bytes\)\ndisk size: [\d.]+ \w+\n\nide1-cd0",
                         verbose), verbose)
        nodes = guest.monitor("info block -n")
        expect(re.search(r"^#block\d+: \S+ \(raw\)\n    Cache mode.*\n\n#block\d+: \S+ \(file\)\n",
                         nodes), nodes)
        expect(guest.monitor("info block -n nonsense") == "", "a node of that name")
        expect_in("Device 'nonsense' not found", guest.monitor("info block nonsense"))
        device = re.search(r"(/machine/\S+)\n    Removable", short)[1]
        expect_in('"ide1-cd0"', guest.monitor(f"qom-get {device} drive"))
    for options in (["-nodefaults"], ["-device", "ide-cd,bus=ide.1,unit=1"],
                    ["-global", "ide-cd.ver=1"]):
        with Machine(["-S", *options]) as guest:
            expect("ide1-cd0" not in guest.monitor("info block"), f"a CD drive with {options}")


def test_registers():
    with booted() as guest:
        text = guest.monitor("info registers")
        expect(re.search(r"[ER]IP=0*7c[0-9a-f]{2}\b", text), text)
        expect(re.search(r"CS =0000 0*00000000 ", text), text)
        expect(re.search(r"CR0=[0-9a-f]*10\b", text), text)
        expect(re.search(r"CPU #0", guest.monitor("info cpus")), "info cpus")
    with Machine(["-S"]) as guest:  # at the reset vector
        for name, wanted in (("pc", 0xfffffff0), ("eip", 0xfff0), ("cs", 0xf000),
                             ("cs.base", 0xffff0000), ("ds.limit", 0xffff)):
            value = guest.monitor(f"print /x ${name}")
            expect(int(value, 16) == wanted, f"{name}: {value}")


def test_cpu_of_a_monitor():
    """Each monitor has a CPU of its own, a line of a program the first or the one it names."""
    with Machine(["-S", "-m", "16", "-smp", "2"], qmp=True) as guest:
        def registers(**arguments):
            return qmp.execute("human-monitor-command",
                               {"command-line": "info registers", **arguments})
        qmp = guest.connect_qmp()
        guest.monitor("cpu 1")
        expect_in("CPU#1", guest.monitor("info registers"))
        expect_in("* CPU #1", guest.monitor("info cpus"))
        expect_in("CPU#0", registers())
        expect_in("CPU#1", registers(**{"cpu-index": 1}))
        expect_in("CPU#0", registers())
        qmp.close()


def test_several_monitors():
    """On sockets of three kinds, a terminal and QMP at once; each has a line of its own."""
    with contextlib.ExitStack() as stack:
        guest = stack.enter_context(Machine(
            ["-S", "-m", "16", "-monitor", "tcp:127.0.0.1:0,server,nowait", "-monitor",
             "telnet:127.0.0.1:0,server=on,wait=off", "-monitor", "pty"], qmp=True))
        listed = guest.monitor("info chardev")
        ports = re.findall(r"disconnected:(?:tcp|telnet):127.0.0.1:(\d+),server", listed)
        expect(len(ports) == 2, listed)
        ends = [stack.enter_context(socket.create_connection(("127.0.0.1", int(port)), 60 * SCALE))
                for port in ports]
        terminal = os.open(re.search(r"pty:(/dev/pts/\d+)", listed)[1], os.O_RDWR | os.O_NOCTTY)
        stack.callback(os.close, terminal)
        tty.setraw(terminal)
        sends = [end.sendall for end in ends] + [lambda data: os.write(terminal, data)]
        reads = [lambda end=end: end.recv(4096) for end in ends]
        reads.append(lambda: os.read(terminal, 4096))
        for part in (b"print /x 0x", b"7%d*0x11", b"\n"):  # all are in the middle of a line
            for number, send in enumerate(sends):
                send(part.replace(b"%d", b"%d" % number))
        for number, read in enumerate(reads):
            said = b""
            while not said.endswith(b"\r\n(qemu) ") or b"0x" not in said.rpartition(b"\x1b[K")[2]:
                said += read()
            expect_in(f"\r\n{(0x70 + number) * 0x11:#x}\r\n", said.decode("latin-1"))
        qmp = guest.connect_qmp()
        expect(not qmp.execute("query-status")["running"], "it runs")
        qmp.close()
        expect_in("paused", guest.monitor("info status"))


def test_clock_options_reach_the_chip():
    with Machine(["-S", "-rtc", "base=2020-01-02T03:04:05,clock=vm,driftfix=slew"]) as guest:
        tree = guest.monitor("info qtree")
        expect(re.search(r'dev: mc146818rtc.*?base = "?2020-01-02T03:04:05.*?clock = "?vm.*?driftfix = "?slew',
                         tree, re.S), tree)


def test_trees():
    with booted() as guest:
        tree = guest.monitor("info qtree")
        expect(re.search(r'dev: \S+-x86_64-cpu, id ""\n\s+apic-id = 0', tree), tree)
        for wanted in ["dev: piix3-ide", "dev: ide-hd", "bus: ide.0", "dev: isa-serial",
                       "class IDE controller, addr 00:01.1, pci id 8086:7010 (sub 1af4:1100)\n"
                       "        bar 4: i/o at 0xc000 [0xc00f]\n", 'drive = "ide0-hd0"']:
            expect_in(wanted, tree)
        expect_in("pc.ram", guest.monitor("info mtree"))
        pci = guest.monitor("info pci")
        for wanted in ["8086:1237", "8086:7000", "8086:7010"]:
            expect_in(wanted, pci)
        expect(re.match(r"\d+\.\d+", guest.monitor("info version")), "version")
        expect_in("type (string)", guest.monitor("qom-list /machine"))


def test_garbage():
    with booted() as guest:
        expect_in("unknown command", guest.monitor("nonsense"))
        expect_in("unknown command", guest.monitor("info nonsense"))
        for line in ["xp", "xp /", "xp /999999999xb 0", "x /4xb (1", "x /4xq 0", "qom-get",
                     "qom-get /nowhere x", "qom-list /nowhere", "stop now", "a" * 5000, "\x01\x7f",
                     "info", "'", "\"", "xp /1xb 1/0", "help help help", ";;;", "\\"]:
            guest.monitor(line)
        expect_in("VM status: running", guest.monitor("info status"))


def test_own_commands():
    with booted() as guest:
        guest.monitor("stop")
        for command, wanted in [("info fields ide-hd", "lba_low"), ("info jit", "TB count"),
                                ("info tlb", ""), ("info mem", ""), ("help", "system_reset"),
                                ("info pic", "pic1: irr="), ("info ioapic", "pin 23"),
                                ("info irq", "IRQ statistics for isa-i8259:"),
                                ("info lapic", "LVTT"), ("info roms", "mem=rom"),
                                ("info uuid", "00000000-0000-"), ("info name", ""),
                                ("info numa", "0 nodes"), ("info network", ""),
                                ("info memory_size_summary", "base memory: 67108864"),
                                ("info mice", "* Mouse #2"), ("info history", "0: 'stop'"),
                                ("info registers -a", "CPU#0"), ("info registers 0", "CPU#0"),
                                ("info balloon", "no balloon"),
                                ("gpa2hva 0", "Host virtual address for 0x0 (pc.ram) is 0x"),
                                ("gva2gpa 0x7c00", "gpa: 0x7c00"), ("sum 0x7c00 512", ""),
                                ("i 0x71", "portb[0x0071] = 0x"), ("o 0x80 1", ""),
                                ("boot_set n", "boot device list now set to n"),
                                ("announce_self", ""), ("mouse_move -3 4 1", ""),
                                ("mouse_button 1", ""), ("mouse_set 2", ""),
                                ("help info", "registers"), ("qom-get /machine type", "")]:
            text = guest.monitor(command)
            expect("unknown command" not in text, f"{command}: {text}")
            expect_in(wanted, text)


def test_sendkey():
    """Keys reach the buffer of the BIOS: one that is held, one with shift, one by number."""
    with booted() as guest:
        def typed():
            words = re.findall(r" 0x([0-9a-f]{4})", guest.monitor("xp /16xh 0x41e"))
            return [word for word in words if word != "0000"]

        expect(not typed(), "no key yet")
        for line in ["sendkey a", "sendkey shift-b 20", "sendkey 0x2e", "sendkey ret"]:
            expect("rror" not in guest.monitor(line), line)
        deadline = time.monotonic() + 60
        while len(typed()) < 4 and time.monotonic() < deadline:
            time.sleep(0.2)
        expect(typed() == ["1e61", "3042", "2e63", "1c0d"], str(typed()))
        expect_in("did you mean 'ctrl'", guest.monitor("sendkey ctlr-a"))


def test_save():
    """Memory in files: what the monitor shows, nothing of what did not fit, in order with what is typed."""
    with booted() as guest, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "memory")
        expect("rror" not in guest.monitor(f"pmemsave 0x7c00 512 {path}"), "pmemsave")
        sector = path.read_bytes()
        expect(len(sector) == 512 and sector[-2:] == b"\x55\xaa", f"{len(sector)} bytes")
        guest.monitor(f'memsave 0x7c00 512 "{path}"')
        expect(path.read_bytes() == sector, "linear addresses are physical ones here")
        guest.monitor(f"pmemsave 0 0x4000000 {path}")
        memory = path.read_bytes()
        expect(len(memory) == 64 << 20 and memory[0x7c00:0x7e00] == sector, "all memory")
        guest.monitor(f"pmemsave 0xfffffff0 16 {path}")
        expect(path.read_bytes()[0] == 0xea, "the jump at the reset vector")
        expect_in("No space left on device", guest.monitor("pmemsave 0 512 /dev/full"))
        expect_in("cannot open", guest.monitor("pmemsave 0 512 /nowhere/file"))
        expect_in("go beyond the last address", guest.monitor(f"memsave 0xfffffffffffffff0 32 {path}"))
        expect_in("VM status: running", guest.monitor("info status"))


def read_core(data):
    """Program headers of an ELF core file as (type, offset, vaddr, paddr, size)."""
    wide = data[4] == 2
    count = struct.unpack_from("<H", data, 56 if wide else 44)[0]
    headers = []
    for i in range(count):
        if wide:
            kind, _, offset, vaddr, paddr, size = struct.unpack_from("<IIQQQQ", data, 64 + 56 * i)
        else:
            kind, offset, vaddr, paddr, size = struct.unpack_from("<IIIII", data, 52 + 32 * i)
        headers.append((kind, offset, vaddr, paddr, size))
    return headers


def test_dump():
    """A core file holds the registers and all memory; the machine runs on behind it."""
    with booted() as guest, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "core")
        expect_in("Status: none", guest.monitor("info dump"))
        expect("rror" not in guest.monitor(f"dump-guest-memory {path}"), "dump-guest-memory")
        expect_in("Status: completed", guest.monitor("info dump"))
        expect_in("VM status: running", guest.monitor("info status"))
        data = path.read_bytes()
        expect(data[:4] == b"\x7fELF", "the head of an ELF file")
        notes, *loads = read_core(data)
        expect(notes[0] == 4 and b"CORE" in data[notes[1]:notes[1] + notes[4]], str(notes))
        low = next(load for load in loads if load[3] == 0)
        expect(low[0] == 1 and data[low[1] + 0x7dfe:low[1] + 0x7e00] == b"\x55\xaa", str(low))
        expect(sum(load[4] for load in loads) >= 64 << 20, str(loads))
        path.unlink()
        guest.monitor(f"dump-guest-memory -p {path} 0x7c00 512")
        _, *loads = read_core(path.read_bytes())
        expect([load[2:] for load in loads] == [(0x7c00, 0x7c00, 512)], str(loads))
        expect_in("not offered", guest.monitor(f"dump-guest-memory -z {path}"))
        expect_in("Parameter 'length' is missing", guest.monitor(f"dump-guest-memory {path} 0"))
        expect_in("no memory to dump", guest.monitor(f"dump-guest-memory {path} 0x100000000 4096"))
        expect_in("No space left on device", guest.monitor("dump-guest-memory /dev/full"))
        expect_in("Status: failed", guest.monitor("info dump"))
        expect_in("VM status: running", guest.monitor("info status"))


def test_singlestep():
    """Blocks of one instruction, there and back, while the guest runs."""
    with booted() as guest:
        guest.monitor("singlestep")
        expect_in("VM status: running (single step mode)", guest.monitor("info status"))
        guest.monitor("system_reset")
        guest.wait_for("boot sector done", 300)
        guest.monitor("singlestep off")
        expect("single step" not in guest.monitor("info status"), "off again")
        guest.monitor("system_reset")
        guest.wait_for("boot sector done", 180)
        expect_in("is neither on nor off", guest.monitor("singlestep maybe"))
    with booted("-singlestep") as guest:
        expect_in("VM status: running (single step mode)", guest.monitor("info status"))


def test_gdbserver():
    """A gdb that comes later: a port for it is opened, and closed again."""
    with booted() as guest, tempfile.TemporaryDirectory() as folder:
        address = Path(folder, "gdb")
        expect_in("Waiting for gdb connection", guest.monitor(f"gdbserver unix:{address}"))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(address))
            client.sendall(b"$?#3f")
            heard = client.recv(100)
            while len(heard) < 3:  # the "+" may come by itself
                heard += client.recv(100)
            expect(heard.startswith(b"+$T"), "gdb hears why the machine stands")
        expect_in("Disabled gdbserver", guest.monitor("gdbserver none"))
        expect(not address.exists(), "the socket is gone")
        guest.monitor("cont")
        expect_in("VM status: running", guest.monitor("info status"))


# What a client of a stopped machine types; the answer, byte for byte, is in a file.
TRANSCRIPT = [b"info status\r", b"info sta\t\r", b"\x1b[A\r", b"p 1 + 2*3\r", b"foo\r", b"stpo\r",
              b"help info status\r", b"x /1i 0xfffffff0\r", b"xp /4xb 0xffff0\r", b"info numa\r",
              b"info name\r", b"info uuid\r", b"info memory_size_summary\r", b"info mice\r",
              b"info balloon\r", b"info history\r", b"sendkey ctlr-a\r",
              b"device_add isa-serial\r", b"device_add isa-ser\t,iob\t\x15", b"object_del nope\r",
              b"chardev-add ringbuf,id=r0\r", b"ringbuf_write r0 some text\r",
              b"ringbuf_read r0 100\r", b"chardev-remove r0\r", b"qom-get /machine type\r",
              b"boot_set z\r", b"gva2gpa 0x1234\r", b"i 0x84\r", b"watchdog_action p\t\t",
              b"a\t\r", b"info registers\x17version\r"]


def test_transcript():
    """A session with socat. With UPDATE=1 in the environment the file is written anew."""
    golden = Path(__file__).with_name("monitor-session.golden")
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder, "monitor")
        options = ["-S", "-m", "64", "-name", "guest", "-chardev",
                   f"socket,id=mon1,path={address},server=on,wait=off", "-mon", "chardev=mon1,mode=readline"]
        with Machine(options), by_socat(str(address)) as client:
            client.settimeout(60 * SCALE)
            session = Transcript(client)
            for line in TRANSCRIPT:
                session.send(line)
    said = session.data.replace(str(folder).encode(), b"FOLDER").decode()
    said = re.sub(r"unix:[^\r]*", "unix:...", said)
    shown = said.replace("\x1b", "\\e").replace("\r\n", "\n")
    if os.environ.get("UPDATE"):
        golden.write_text(shown)
    expect(shown == golden.read_text(), f"the session was another one:\n{shown}")


class Transcript:
    """Sends what is typed when the answer to what was before has come."""

    def __init__(self, client):
        self.client, self.data = client, b""
        self.wait_for(b"(qemu) ")

    def wait_for(self, end):
        while not self.data.endswith(end):
            piece = self.client.recv(65536)
            expect(piece, f"the session ended: {self.data[-200:]}")
            self.data += piece

    def send(self, typed):
        self.client.sendall(typed)
        if typed.endswith(b"\r"):
            self.wait_for(b"\r\n(qemu) ")
        else:  # a moment of silence is the end of the answer
            self.client.settimeout(1)
            with contextlib.suppress(TimeoutError):
                while True:
                    self.data += self.client.recv(65536)
            self.client.settimeout(60 * SCALE)


def test_quit():
    with booted() as guest:
        guest.monitor_send("quit")
        status = guest.wait_exit()
        expect(status == 0, f"status {status}")


def test_second_session():
    """A client that leaves makes room for the next one."""
    with booted() as guest:
        guest.monitor("info status")
        guest.leave_monitor()
        expect_in("VM status: running", guest.monitor("info status"))


if __name__ == "__main__":
    run_tests(dict(globals()))
