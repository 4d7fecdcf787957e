# SPDX-License-Identifier: MIT
"""Guest time: how long the machine ran, less what the host kept its threads waiting for a CPU."""

import glob
import time

from qmp_client import QmpError

LEAST_PROGRESS = 0.02  # of the time that the machine ran: no wait is for ever


def thread_delays(pid):
    """Seconds each thread of a process has waited for a CPU so far, by its number; empty where the
    kernel does not say."""
    delays = {}
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path, encoding="ascii") as file:
                delays[path] = int(file.read().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            continue  # the thread has ended
    return delays


def longest_delay(before, after):
    """Of the delays since `before`, that of the thread which waited most."""
    return max((after[path] - before.get(path, 0) for path in after), default=0)


class GuestTime:
    """Asks the machine for its clock. An emulator that does not tell it counts as one whose clock
    is that of the host."""

    def __init__(self, qmp, pid):
        self.qmp, self.pid = qmp, pid
        self.begin = time.monotonic()
        self.running = True
        self.seconds = 0.0  # for time limits
        self.clock = 0.0  # of the machine, at the time of asking
        self.asked = self.begin
        self.delays = thread_delays(pid)
        self.is_told = True

    def ask(self):
        """Clock of the machine; notes whether it runs."""
        if self.is_told:
            try:
                answer = self.qmp.execute("x-query-clock")
                self.running = answer["running"]
                return answer["guest-ns"] / 1e9
            except QmpError as error:
                if error.kind != "CommandNotFound":
                    raise
                self.is_told = False
        self.running = self.qmp.execute("query-status")["running"]
        return time.monotonic() - self.begin

    def read(self):
        """Seconds of guest time so far."""
        clock, delays = self.ask(), thread_delays(self.pid)
        passed = max(clock - self.clock, 0)
        delay = longest_delay(self.delays, delays)
        self.seconds += max(passed - delay, passed * LEAST_PROGRESS)
        self.clock, self.delays, self.asked = clock, delays, time.monotonic()
        return self.seconds

    def stamp(self):
        """The machine's clock by now, without asking."""
        return self.clock + (time.monotonic() - self.asked if self.running else 0)
