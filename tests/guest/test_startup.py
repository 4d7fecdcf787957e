#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Start-up and end: garbage on every option, signals, the daemon, and that nothing is left behind.

Run alone: python3 tests/guest/test_startup.py [NAME...]
"""

import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from machine import SCALE, Machine, Skip, emulator, expect, expect_in, kvm_refusal, run_tests

QUIET = ["-display", "none", "-nodefaults", "-S"]
RESIDENT_KIB = 30 << 10
GARBAGE = ["", ",", "=", "=,=", "help=", "a" * 5000, "%s%n%d", "\x01\xff", "-1",
           "18446744073709551616", "/", ",id=x", "driver=,", "1e9"]


def run(arguments, seconds=30):
    return subprocess.run([emulator(), *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=seconds * SCALE, check=False,
                          encoding="utf-8", errors="replace")


def expect_orderly(result, what):
    expect(result.returncode in (0, 1) and "anitizer" not in result.stderr,
           f"{what}: status {result.returncode}: {result.stderr}")


def test_garbage():
    """Every option with every kind of garbage; a wrong device at the end sees to it that it ends."""
    names = re.findall(r"^-(\w[\w-]*) \S", run(["-help"]).stdout, re.MULTILINE)
    expect(len(names) > 35, f"only {names}")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in names:
            for text in GARBAGE:
                result = run([*QUIET, "-" + name, text, "-device", "nonsense"])
                expect_orderly(result, f"-{name} {text[:20]!r}")
        os.chdir("/")


def test_dump_config():
    result = run(["-m", "1G", "-nographic", "-hda", "x,y", "-enable-kvm", "--dump-config"])
    expect(result.stdout.splitlines() == [
        "-machine memory.size=1073741824", "-machine graphics=off", "-display none",
        "-drive file=x,,y,if=ide,index=0,media=disk", "-accel kvm", "-accel tcg",
        "-serial mon:stdio"], result.stdout)


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds * SCALE
    while not condition():
        expect(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.02)


def expect_empty(folder):
    expect(not list(Path(folder).iterdir()), f"left behind: {list(Path(folder).iterdir())}")


def test_signals():
    with tempfile.TemporaryDirectory() as folder:
        pidfile, path = Path(folder, "pid"), Path(folder, "socket")
        arguments = [*QUIET, "-pidfile", pidfile, "-monitor", f"unix:{path},server,nowait"]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = subprocess.Popen([emulator(), *map(str, arguments)], stdin=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, encoding="utf-8")
            wait_until(path.exists, "monitor socket")
            expect(pidfile.read_text() == f"{process.pid}\n", pidfile.read_text())
            second = run(arguments)
            expect_in("is in use by another process", second.stderr)
            expect(path.exists(), "the second process has taken the socket of the first")
            process.send_signal(number)
            _, errors = process.communicate(timeout=30 * SCALE)
            expect_in(f": terminating on signal {number.value}", errors)
            expect(process.returncode == 0, f"status {process.returncode}: {errors}")
            expect_empty(folder)


def test_signals_while_waiting():
    """A server that waits for its first client ends at once, and takes its files away."""
    with tempfile.TemporaryDirectory() as folder:
        pidfile, path = Path(folder, "pid"), Path(folder, "socket")
        arguments = [*QUIET, "-pidfile", pidfile, "-serial", f"unix:{path},server=on,wait=on"]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = subprocess.Popen([emulator(), *map(str, arguments)], stdin=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, encoding="utf-8")
            expect_in("waiting for connection", process.stderr.readline())
            process.send_signal(number)
            _, errors = process.communicate(timeout=30 * SCALE)
            expect_in(f"waiting for a client: ended by signal {number.value} ", errors)
            expect(process.returncode == 1, f"status {process.returncode}: {errors}")
            expect_empty(folder)


def test_failure_leaves_nothing():
    with tempfile.TemporaryDirectory() as folder:
        result = run([*QUIET, "-pidfile", f"{folder}/pid", "-serial",
                      f"unix:{folder}/serial,server,nowait", "-device", "nonsense"])
        expect(result.returncode == 1, f"status {result.returncode}: {result.stderr}")
        expect_in("unknown device 'nonsense'", result.stderr)
        expect_empty(folder)


def test_too_much_memory():
    """What the host cannot give is named by its option."""
    if is_sanitized():
        return  # needs far more address space than any limit leaves
    result = subprocess.run(
        [emulator(), *QUIET, "-m", "512G", "-device", "nonsense"], stdin=subprocess.DEVNULL,
        capture_output=True, timeout=60 * SCALE, check=False, encoding="utf-8",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (64 << 30, 64 << 30)))
    expect(result.returncode == 1, f"status {result.returncode}")
    expect_in("-m: cannot allocate 524288 MiB of guest memory", result.stderr)


def is_sanitized():
    program = Path(emulator()).read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


def test_resident_memory():
    """What a machine takes besides its guest's memory, before that runs."""
    if is_sanitized():
        raise Skip("a sanitizer takes memory of its own")
    for accel in ["tcg"] + ["kvm"] * (not kvm_refusal()):
        for cpus in 1, 4:
            with Machine(["-S", "-m", "512", "-smp", cpus], accel=accel) as guest:
                guest.monitor("info status")
                text = Path(f"/proc/{guest.process.pid}/status").read_text(encoding="ascii")
                resident = int(text.partition("VmRSS:")[2].split()[0])
                print(f"# {accel}, {cpus} CPUs: {resident} KiB")
                expect(resident < RESIDENT_KIB, f"{accel}, {cpus} CPUs: {resident} KiB resident")


def test_memory_file_cut_short():
    """RAM whose pages are gone ends the process with the reason, not with a fault of the guest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ram")
        path.touch()
        process = subprocess.Popen(
            [emulator(), "-accel", "tcg", "-display", "none", "-nodefaults", "-m", "64",
             "-object", f"memory-backend-file,id=ram,size=64M,share=on,mem-path={path}",
             "-machine", "memory-backend=ram"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
        wait_until(lambda: path.stat().st_blocks > 8, "firmware at work")
        os.truncate(path, 0)
        _, errors = process.communicate(timeout=60 * SCALE)
        expect_in("no page for guest RAM", errors)
        expect(process.returncode == -signal.SIGBUS, f"status {process.returncode}")


def test_daemonize():
    with tempfile.TemporaryDirectory() as folder:
        pidfile = Path(folder, "pid")
        result = run([*QUIET, "-daemonize", "-pidfile", pidfile])
        expect(result.returncode == 0, result.stderr)
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
        wait_until(lambda: not pidfile.exists(), "end of the daemon")
        result = run([*QUIET, "-daemonize", "-pidfile", pidfile, "-device", "nonsense"])
        expect(result.returncode == 1, f"status {result.returncode}")
        expect_in("unknown device 'nonsense'", result.stderr)
        expect_empty(folder)


def test_full_disk():
    """Of /dev/full every write fails, and it is there afterwards."""
    result = run([*QUIET, "-pidfile", "/dev/full"])
    expect(result.returncode == 1, result.stderr)
    expect_in("cannot write '/dev/full': No space left on device", result.stderr)
    with Machine(["-nodefaults", "-D", "/dev/full", "-d", "in_asm", "-m", "16"],
                 serial=False) as guest:
        match = guest.errors.wait_for(rb"the log is not complete: No space left", 30)
        expect(match, guest.errors.text())
        expect("running" in guest.monitor("info status"), "the guest does not go on")
    expect(Path("/dev/full").exists(), "/dev/full is gone")


def test_daemon_is_ready():
    """When the parent has ended, sockets listen, the pid file is there and stdio is /dev/null."""
    with tempfile.TemporaryDirectory() as folder:
        pidfile, path = Path(folder, "pid"), Path(folder, "socket")
        confined = ["-run-with", f"chroot={folder},user=1:1"] if os.getuid() == 0 else []
        result = run([*QUIET, "-daemonize", "-pidfile", pidfile, "-chardev",
                      f"socket,id=c,path={path},server=on,wait=off", "-mon", "chardev=c",
                      *confined])
        expect(result.returncode == 0, result.stderr)
        pid = int(pidfile.read_text())
        try:
            for number in range(3):
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                expect(target == "/dev/null", f"fd {number}: {target}")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                expect(client.recv(4) == b"QEMU", "no greeting")
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "end of the daemon")


def test_sandbox():
    """A guest runs and is driven with all denied, in every thread."""
    with Machine(["-m", "16", "-smp", "2", "-sandbox",
                  "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]) as guest:
        expect("running" in guest.monitor("info status"), "not running")
        for status in Path(f"/proc/{guest.process.pid}/task").glob("*/status"):
            expect("Seccomp:\t2" in status.read_text(), status.read_text())
        guest.monitor("stop")
        guest.monitor("cont")
        guest.monitor("system_reset")
        expect("running" in guest.monitor("info status"), "not running")
        guest.monitor_send("quit")
        expect(guest.wait_exit() == 0, guest.error_text())


def test_daemon_without_terminal():
    for options in (["-nographic"], ["-display", "none", "-monitor", "stdio"],
                    ["-display", "none", "-chardev", "stdio,id=c"]):
        result = run(["-daemonize", "-S", *options])
        expect(result.returncode == 1, f"{options}: status {result.returncode}")
        expect_in("no terminal to use", result.stderr)


def test_unseen_guest():
    """Without a display and without a word about it, a user is told how to see the guest."""
    hint = "-nographic shows its serial console"
    ends = ["-boot", "reboot-timeout=1", "-no-reboot"]
    expect_in(hint, run(ends).stderr)
    for options in (["-display", "none"], ["-nographic"], ["-serial", "null"]):
        expect(hint not in run([*options, *ends]).stderr, f"hint with {options}")
    expect(hint not in run(["-device", "nonsense"]).stderr, "hint before an error")


def test_socket_in_use():
    """Nobody's socket is taken away, but what a killed process left is no obstacle."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "socket")
        arguments = [*QUIET, "-monitor", f"unix:{path},server,nowait"]
        for _ in range(2):
            process = subprocess.Popen([emulator(), *arguments], stdin=subprocess.DEVNULL)
            wait_until(lambda: is_open(path), "monitor socket")
            second = run(arguments)
            expect(second.returncode == 1, f"status {second.returncode}")
            expect_in(f"UNIX socket '{path}' is in use", second.stderr)
            expect(is_open(path), "the second process has taken the socket of the first")
            process.kill()
            process.wait()
            expect(path.exists() and not is_open(path), "no socket was left to start upon")


def is_open(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


if __name__ == "__main__":
    run_tests(dict(globals()))
