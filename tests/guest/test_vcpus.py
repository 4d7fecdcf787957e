#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Life of the vCPUs: names and ids of their threads, and stop and cont while four of them run.

Run alone: python3 tests/guest/test_vcpus.py [NAME...]
"""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from machine import ACCEL, ROOT, SCALE, Machine, expect, need_kvm, run_tests
from qmp_session import QmpClient
from test_pauses import Questions

CPUS = 4
ROUNDS = 1000
LOOK_EVERY = 100


def firmware(folder):
    """The ROM of busy-cpus.S."""
    elf, image = Path(folder, "rom.o"), Path(folder, "rom.bin")
    subprocess.run(["gcc", "-c", "-m32", "-o", elf, ROOT / "tests" / "guest" / "busy-cpus.S"],
                   check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", elf, image], check=True)
    expect(image.stat().st_size == 65536, f"{image.stat().st_size} bytes")
    return image


def start(folder, *more, accel=ACCEL):
    return Machine(["-nodefaults", "-m", "16", "-smp", CPUS, "-bios", firmware(folder), *more],
                   serial=False, accel=accel)


def counters(guest):
    text = guest.monitor(f"xp /{CPUS}wx 0x9000")
    return [int(word, 16) for word in re.findall(r"0x([0-9a-f]{8})\b", text)]


def wait_for_all(guest):
    """Until every CPU counts."""
    deadline = time.monotonic() + 60 * SCALE
    before = after = counters(guest)
    while len(after) != CPUS or any(a == b for a, b in zip(before, after)):
        if time.monotonic() > deadline:
            guest.fail(f"counters stand at {after}, {before} before")
        time.sleep(0.001)
        after = counters(guest)


def stop_and_go(guest, rounds):
    for number in range(rounds):
        guest.monitor("stop")
        if number % LOOK_EVERY == 0:
            before = counters(guest)
            expect("paused" in guest.monitor("info status"), "not paused")
            after = counters(guest)
            expect(before == after, f"a stopped CPU counts: {before}, {after}")
        guest.monitor("cont")
        if number % LOOK_EVERY == 0:
            expect("running" in guest.monitor("info status"), "not running")
            wait_for_all(guest)


def test_stop_and_cont():
    with tempfile.TemporaryDirectory() as folder, start(folder) as guest:
        wait_for_all(guest)
        stop_and_go(guest, ROUNDS)
        guest.monitor_send("quit")
        expect(guest.wait_exit() == 0, "quit")


def test_hot_stops_with_kvm():
    """As above, each asked for before the one before is answered."""
    need_kvm()
    with tempfile.TemporaryDirectory() as folder, start(folder, accel="kvm") as guest:
        wait_for_all(guest)
        for _ in range(ROUNDS // LOOK_EVERY):
            guest.monitor_socket.sendall(b"stop\ncont\n" * LOOK_EVERY)
            for _ in range(2 * LOOK_EVERY):
                guest.wait_prompt(60)
        expect("running" in guest.monitor("info status"), "not running")
        wait_for_all(guest)


def test_resets_between():
    """stop, cont and reset in turn, with one thread for all CPUs where the accelerator has that."""
    more = ["-accel", "tcg,thread=single"] if ACCEL.startswith("tcg") else []
    with tempfile.TemporaryDirectory() as folder, start(folder, *more) as guest:
        for _ in range(10):
            wait_for_all(guest)
            stop_and_go(guest, 10)
            guest.monitor("system_reset")


def ask_everything(accel):
    """Whatever can be asked is answered while four CPUs run, and they go on."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "qmp")
        with start(folder, "-qmp", f"unix:{path},server=on,wait=off", accel=accel) as guest, \
                QmpClient(path) as client:
            client.negotiate()
            wait_for_all(guest)
            questions = Questions(client)
            for _, ask in questions.actions():
                ask()
            wait_for_all(guest)
            client.send("quit")
            expect(guest.wait_exit() == 0, guest.error_text())


def test_questions():
    ask_everything(ACCEL)


def test_questions_with_kvm():
    need_kvm()
    ask_everything("kvm")


def threads(pid):
    """Names of the threads of a process by id."""
    return {int(task): Path(f"/proc/{pid}/task/{task}/comm").read_text(encoding="utf-8").strip()
            for task in os.listdir(f"/proc/{pid}/task")}


def check_names_and_ids(accel):
    for option, wanted in (("debug-threads=on", f"CPU %u/{accel.partition(',')[0].upper()}"),
                           ("debug-threads=off,process=proc", "proc")):
        with tempfile.TemporaryDirectory() as folder, \
                start(folder, "-name", option, accel=accel) as guest:
            ids = [int(text) for text in re.findall(r"thread_id=(\d+)", guest.monitor("info cpus"))]
            expect(len(set(ids)) == CPUS, ids)
            names = threads(guest.process.pid)
            for index, number in enumerate(ids):
                name = wanted.replace("%u", str(index))
                expect(names.get(number) == name, f"CPU {index}: {ids}, {names}")


def test_names_and_ids():
    check_names_and_ids(ACCEL)


def test_names_and_ids_with_kvm():
    need_kvm()
    check_names_and_ids("kvm")


if __name__ == "__main__":
    run_tests(dict(globals()))
