#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How a run ends: exit statuses, -action, and the record of -outcome.

Run alone: python3 tests/guest/test_outcome.py [NAME...]
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from machine import (SCALE, Machine, boot_sector, emulator, expect, expect_in, need_kvm,
                     run_tests)


class Run:
    """The boot sector that does what it is told, with a record beside it."""

    def __init__(self, *options, hang=None):
        self.folder = tempfile.mkdtemp(prefix="outcome-")
        self.path = os.path.join(self.folder, "record.json")
        image = boot_sector("commands.S", self.folder)
        record = self.path + (f",hang={hang}" if hang else "")
        self.guest = Machine(["-m", "16", "-drive", f"file={image},format=raw",
                              "-outcome", record, *options])
        self.guest.wait_for("tell me")

    def tell(self, letters):
        self.guest.type(letters)
        return self

    def end(self, status):
        """The record, after the end with that status; nothing but it is in its folder."""
        found = self.guest.wait_exit()
        expect(found == status, f"status {found}, not {status}: {self.guest.error_text()}")
        self.guest.kill()
        record = json.loads(Path(self.path).read_text(encoding="utf-8"))
        expect(record["status"] == status, record)
        files = sorted(os.listdir(self.folder))
        expect([name for name in files if name.startswith("record")] == ["record.json"], files)
        subprocess.run(["rm", "-r", self.folder], check=True)
        return record


def ends(letters, status, outcome, *options, hang=None):
    record = Run(*options, hang=hang).tell(letters).end(status)
    expect(record["outcome"] == outcome, record)
    return record


def test_power_off():
    record = ends("o", 0, "guest-shutdown")
    expect(record["version"] == 1 and record["state"] == "running", record)
    expect(record["console"][-1].startswith("tell me") or record["console"][-1] == "o", record)
    expect(record["console_bytes"]["serial0"] > 8, record)
    expect(record["accelerator"]["name"] == "tcg", record)
    expect(record["accelerator"]["counters"]["blocks translated"] > 100, record)
    used = record["used"]
    expect(0 < used["wall_seconds"] < 600 and used["user_seconds"] + used["system_seconds"] > 0, used)
    expect(4 << 20 < used["peak_memory_bytes"] < 4 << 30, used)
    expect(len(record["vcpus"]) == 1 and record["vcpus"][0]["cpu_seconds"] > 0, record)
    expect(0 < record["guest_seconds"] <= used["wall_seconds"], record)
    expect("panic" not in record and "error" not in record and "signal" not in record, record)


def test_reset():
    record = ends("r", 0, "guest-reset", "-no-reboot")
    expect(record["resets"] == 0, record)
    run = Run()
    run.tell("r")
    run.guest.wait_for("tell me")
    record = run.tell("o").end(0)
    expect(record["outcome"] == "guest-shutdown" and record["resets"] == 1, record)
    expect(ends("r", 0, "guest-reset", "-action", "reboot=shutdown")["resets"] == 0, "resets")


def test_triple_fault():
    record = ends("t", 0, "triple-fault", "-no-reboot")
    fault = record["triple_fault"]
    expect(fault["cpu"] == 0 and fault["count"] == 1, record)
    expect(0x7c00 <= int(fault["rip"], 16) < 0x7e00, record)
    run = Run()
    for _ in range(2):
        run.tell("t")
        run.guest.wait_for("tell me")
    record = run.tell("o").end(0)
    expect(record["outcome"] == "guest-shutdown", record)
    expect(record["triple_fault"]["count"] == 2 and record["resets"] == 2, record)


def test_debug_exit():
    record = ends("d", 0x21, "debug-exit", "-device", "isa-debug-exit")
    expect(record["debug_exit"] == 0x10, record)


def test_quit():
    run = Run()
    run.guest.monitor_send("quit")
    expect(run.end(0)["outcome"] == "quit", "outcome")


def test_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        run = Run()
        run.guest.process.send_signal(number)
        record = run.end(0)
        expect(record["outcome"] == "host-signal", record)
        expect(record["signal"] == {"number": int(number), "name": number.name,
                                    "sender": os.getpid()}, record)
        expect_in(f"terminating on signal {int(number)} from pid {os.getpid()} (",
                  run.guest.errors.text())


def test_signal_at_start():
    """However early it comes once the option was read, there is a record."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        seen = set()
        for step in range(12):
            path.write_text("old", encoding="utf-8")
            with subprocess.Popen([emulator(), "-display", "none", "-m", "16", "-outcome", path],
                                  stderr=subprocess.DEVNULL) as process:
                while path.exists():
                    pass  # until the option is read
                time.sleep(step * 0.005)
                process.send_signal(signal.SIGTERM)
            seen.add(json.loads(path.read_text(encoding="utf-8"))["outcome"])
        expect(seen == {"host-signal"}, seen)


def test_no_shutdown():
    run = Run("-no-shutdown")
    run.tell("o")
    while "shutdown" not in run.guest.monitor("info status"):
        pass
    run.guest.process.send_signal(signal.SIGTERM)
    record = run.end(0)
    expect(record["outcome"] == "host-signal" and record["state"] == "shutdown", record)
    run = Run("-action", "shutdown=pause,reboot=shutdown")
    run.tell("r")
    while "shutdown" not in run.guest.monitor("info status"):
        pass
    run.guest.monitor_send("quit")
    expect(run.end(0)["outcome"] == "quit", "outcome")


def test_console_panic():
    """A panic that the guest has printed is what a reboot or a hang then means."""
    for letters, options, hang in (("pr", ["-no-reboot"], None), ("pt", ["-no-reboot"], None)):
        record = ends(letters, 0, "panic", *options, hang=hang)
        expect(record["panic"] == {"found": "console",
                                   "text": "Kernel panic - not syncing: told so"}, record)
        expect("[    1.0] Kernel panic - not syncing: told so" in record["console"], record)
    record = ends("p", 1, "panic", hang=1)
    expect(record["panic"]["text"].endswith("told so"), record)
    run = Run()
    run.tell("pr")
    run.guest.wait_for("tell me")
    record = run.tell("o").end(0)
    expect(record["outcome"] == "guest-shutdown" and "panic" not in record, record)


def test_pvpanic():
    device = ["-device", "pvpanic"]
    record = ends("v", 0, "panic", *device)
    expect(record["panic"] == {"found": "pvpanic"}, record)
    expect(record["state"] == "guest-panicked", record)
    ends("v", 1, "panic", *device, "-action", "panic=exit-failure")
    record = ends("pv", 0, "panic", *device)
    expect(record["panic"] == {"found": "pvpanic",
                               "text": "Kernel panic - not syncing: told so"}, record)
    ends("vo", 0, "guest-shutdown", *device, "-action", "panic=none")
    ends("vr", 0, "panic", *device, "-action", "panic=none", "-no-reboot")
    for action, state in (("panic=pause", "guest-panicked"), ("shutdown=pause", "guest-panicked"),
                          ("panic=exit-failure,shutdown=pause", "shutdown")):
        run = Run(*device, "-action", action)
        run.tell("v")
        while state not in run.guest.monitor("info status"):
            pass
        expect_in("only after system_reset", run.guest.monitor("cont"))
        run.guest.monitor_send("quit")
        record = run.end(0)
        expect(record["outcome"] == "quit" and record["panic"]["found"] == "pvpanic", record)


def test_watchdog():
    """The shortest time of an ib700 is none at all."""
    device = ["-device", "ib700"]
    record = ends("w", 0, "hang", *device, "-no-reboot")
    expect(record["hang"] == "watchdog", record)
    ends("w", 0, "hang", *device, "-watchdog-action", "poweroff")
    run = Run(*device)
    run.tell("w")
    run.guest.wait_for("tell me")
    expect(run.tell("o").end(0)["resets"] == 1, "resets")
    run = Run(*device, "-action", "watchdog=pause")
    run.tell("w")
    while "watchdog" not in run.guest.monitor("info status"):
        pass
    run.guest.monitor("cont")
    expect(run.tell("o").end(0)["outcome"] == "guest-shutdown", "outcome")
    run = Run(*device, "-watchdog-action", "inject-nmi")
    run.tell("iw")
    run.guest.wait_for("NMI")
    expect(run.tell("o").end(0)["outcome"] == "guest-shutdown", "outcome")
    run = Run(*device, "-action", "watchdog=debug")
    run.tell("w")
    expect(run.guest.errors.wait_for(b"watchdog: timer fired", 60), run.guest.errors.text())
    expect(run.tell("o").end(0)["outcome"] == "guest-shutdown", "outcome")


def test_hang():
    record = ends("h", 1, "hang", "-smp", "2", hang=1)
    expect(record["hang"] == "halted" and record["guest_seconds"] >= 1, record)
    expect([cpu["halted"] for cpu in record["vcpus"]] == [True, True], record)
    run = Run(hang=1)
    run.tell("s")
    time.sleep(3)
    expect(run.guest.process.poll() is None, "an idle guest is no hang")
    run.guest.monitor_send("quit")
    expect(run.end(0)["outcome"] == "quit", "outcome")


def guest_seconds(guest):
    return float(re.search(r"guest time: ([0-9.]+)", guest.monitor("info clock"))[1])


def run_in_kernel(chip, code, folder):
    """A machine whose firmware is these instructions at the reset vector, and its record."""
    firmware, path = Path(folder, "firmware"), Path(folder, "record.json")
    firmware.write_bytes(bytes(0xfff0) + code.ljust(16, b"\x90"))
    return path, Machine(["-m", "16", "-nodefaults", "-smp", "2", "-bios", firmware, "-outcome",
                          f"{path},hang=1"], accel=f"kvm,kernel-irqchip={chip}", serial=False)


def test_hang_in_kernel():
    """With KVM's local APICs the kernel halts CPUs, by itself."""
    need_kvm()
    cli_hlt, sti_hlt = b"\xfa\xf4", b"\xfb\xf4\xeb\xfd"
    with tempfile.TemporaryDirectory() as folder:
        for chip in ("on", "split"):
            path, guest = run_in_kernel(chip, cli_hlt, folder)
            with guest:
                expect(guest.wait_exit() == 1, chip)
            record = json.loads(path.read_text(encoding="utf-8"))
            expect(record["outcome"] == "hang" and record["hang"] == "halted", record)
            expect([cpu["halted"] for cpu in record["vcpus"]] == [True, True], record)
        path, guest = run_in_kernel("on", sti_hlt, folder)
        with guest:
            while guest_seconds(guest) < 3:
                expect(guest.process.poll() is None, "an idle guest is no hang")
            guest.monitor_send("quit")
            expect(guest.wait_exit() == 0, "quit")


def run_failing(*options):
    return subprocess.run([emulator(), "-display", "none", *options], capture_output=True,
                          text=True, timeout=60 * SCALE, check=False)


def test_start_errors():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        for options, text in ((["-nosuch"], "there is no option '-nosuch'"),
                              (["-m", "5x"], "-m 5x: '5x' is not a size"),
                              (["-device", "nosuch"], "-device nosuch: unknown device 'nosuch'")):
            for order in ([*options, "-outcome", path], ["-outcome", path, *options]):
                path.write_text("old", encoding="utf-8")
                result = run_failing(*order)
                record = json.loads(path.read_text(encoding="utf-8"))
                expect(result.returncode == 1 and record["status"] == 1, record)
                expect(record["outcome"] == "error" and record["error"] == text, record)
                expect_in(text, result.stderr)
        result = run_failing("-outcome", f"{folder}/no/record.json")
        expect(result.returncode == 1, result)
        expect_in("cannot write into", result.stderr)
        expect(os.listdir(folder) == ["record.json"], os.listdir(folder))


def test_wrong_options():
    for text, message in (("stdio,hang=0", "hang=0 is not between"),
                          ("stdio,hnag=1", "did you mean 'hang'?"), (",hang=1", "is needed")):
        result = run_failing("-outcome", text)
        expect(result.returncode == 1, result)
        expect_in(message, result.stderr)
    result = run_failing("-outcome", "stdio", "-daemonize")
    expect_in("there is no terminal", result.stderr)


def test_stdio():
    """One line by itself, behind what the guest has written."""
    with tempfile.TemporaryDirectory() as folder:
        image = boot_sector("commands.S", folder)
        with Machine(["-m", "16", "-drive", f"file={image},format=raw", "-outcome", "stdio"]) as guest:
            guest.wait_for("tell me")
            guest.type("o")
            guest.wait_exit()
            guest.serial.wait_for(rb"(?!)", 10)
            line = guest.serial.text().rstrip("\n").split("\n")[-1]
            expect(json.loads(line)["outcome"] == "guest-shutdown", line)


def test_other_files():
    """What is no plain file is written to, not replaced."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fifo")
        os.mkfifo(path)
        with subprocess.Popen([emulator(), "-display", "none", "-nosuch", "-outcome", path],
                              stderr=subprocess.DEVNULL) as process:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
            process.wait(60)
        expect(record["outcome"] == "error", record)
        expect(os.listdir(folder) == ["fifo"], os.listdir(folder))


def test_daemon():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([emulator(), "-display", "none", "-m", "16", "-daemonize", "-pidfile",
                        "pid", "-outcome", "record.json"], cwd=folder, check=True,
                       timeout=60 * SCALE)
        number = int(Path(folder, "pid").read_text(encoding="utf-8"))
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + 60
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.kill(number, 0)
                time.sleep(0.05)
        record = json.loads(Path(folder, "record.json").read_text(encoding="utf-8"))
        expect(record["outcome"] == "host-signal", record)


if __name__ == "__main__":
    run_tests(dict(globals()))
