#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long a command of the monitor keeps the guest from running, as the guest sees it: it looks at
its TSC without end and counts the gaps by powers of two (spin-sector.S).

Run alone: python3 tests/guest/test_pauses.py; it prints a table. A busy host makes gaps of its own:
what counts for a command is the best of several rounds, less what the kernel says that the
emulator's threads have waited for a processor meanwhile. The table has the gaps as they were.
"""

import glob
import os
import re
import tempfile
import time

from machine import ACCEL, Failure, Machine, boot_sector, expect, need_kvm, run_tests
from qmp_session import QmpClient

GAPS, COUNTER, TSC = 0x7e00, 0x7f00, 0x7f08
ROUNDS = 4
MOST_ROUNDS = 50  # of what a busy host had no chance for yet
PAUSE_LIMIT_MS = 10
# Besides everything that `help info` lists and that needs no arguments.
LINES = ["info registers -a", "info registers 3", "info mtree -f", "info fields /machine",
         "info fields ide-hd", "info qom-tree /", "info block -v", "help", "x /100i 0x7c00",
         "xp /1000xb 0", "singlestep", "singlestep off"]


class Questions:
    """Everything that can be asked of a machine."""

    def __init__(self, client):
        self.client = client
        self.commands = {entry["name"] for entry in client.call("query-commands")}
        names = re.findall(r"(?m)^(info \S+)(?: \[[^]]*\])* -- ", self.line("help info"))
        expect("info status" in names and "info fields" not in names, f"{names}")
        self.lines = names + LINES

    def line(self, text):
        return self.client.call("human-monitor-command", **{"command-line": text})

    def actions(self):
        """Name and function of each."""
        for name in sorted(self.commands):
            arguments = {"query-stats": {"target": "vm"}}.get(name, {})
            if name.startswith(("query-", "qom-list-types")) and not name.startswith("query-cpu-model"):
                yield name, lambda n=name, a=arguments: self.client.try_call(n, **a)
        for text in self.lines:
            yield text, lambda t=text: self.line(t)


class Spinning(Questions):
    """A machine whose guest looks at its TSC."""

    def __init__(self, guest, client):
        super().__init__(client)
        self.guest = guest
        self.ticks_per_ms = self.measure()

    def words(self, address, count):
        text = self.line(f"xp /{count}xw {address:#x}")
        return [int(word, 16) for line in text.splitlines()
                for word in re.findall(r" 0x([0-9a-f]{8})", line.partition(":")[2])]

    def tsc(self):
        low, high = self.words(TSC, 2)
        return high << 32 | low

    def measure(self):
        deadline = time.monotonic() + 60
        while not self.words(COUNTER, 1)[0]:
            if time.monotonic() > deadline:
                raise Failure("the guest does not look at its TSC")
            time.sleep(0.05)
        start, began = self.tsc(), time.monotonic()
        time.sleep(1)
        return (self.tsc() - start) / (time.monotonic() - began) / 1000

    def waited_ms(self):
        """How long the emulator's threads could have run and the host ran something else."""
        waited = 0
        for path in glob.glob(f"/proc/{self.guest.process.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                waited += int(file.read().split()[1])
        return waited / 1e6

    def longest_ms(self, action):
        """The upper end of the class of the longest gap while the action runs, and how much of it
        the host's other work does not explain."""
        before, waited = self.words(GAPS, 32), self.waited_ms()
        action()
        looks = self.words(COUNTER, 1)
        while self.words(COUNTER, 1) == looks:  # a gap is counted when it is over
            time.sleep(0.002)
        after = self.words(GAPS, 32)
        while after == before:  # between the two counters
            after = self.words(GAPS, 32)
        longest = max(n for n in range(32) if before[n] != after[n])
        gap = (2 << longest) / self.ticks_per_ms
        return gap, gap - (self.waited_ms() - waited)


def test_pauses():
    if ACCEL.startswith("kvm"):
        need_kvm()
    with tempfile.TemporaryDirectory(prefix="pauses-") as folder:
        path = os.path.join(folder, "qmp")
        disk = boot_sector("spin-sector.S", folder)
        with Machine(["-nodefaults", "-m", "64", "-smp", "4", "-qmp",
                      f"unix:{path},server=on,wait=off", "-drive",
                      f"file={disk},format=raw,if=ide"], serial=False, monitor=False) as guest:
            with QmpClient(path) as client:
                spinning = Spinning(guest, client.negotiate())
                best, gaps = {}, {}
                for number in range(MOST_ROUNDS):
                    for name, action in spinning.actions():
                        if number < ROUNDS or best[name] > PAUSE_LIMIT_MS:
                            gap, pause = spinning.longest_ms(action)
                            gaps[name] = min(gaps.get(name, 1e9), gap)
                            best[name] = min(best.get(name, 1e9), pause)
    for name, longest in sorted(gaps.items(), key=lambda item: -item[1]):
        print(f"# {longest:9.4f} ms  {name}")
    slow = [name for name, longest in best.items() if longest > PAUSE_LIMIT_MS]
    expect(not slow, f"the guest waits more than {PAUSE_LIMIT_MS} ms for {slow}")


if __name__ == "__main__":
    run_tests(globals())
