#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What -action makes of a guest's end: events, run state, exit status, for all that can be said.

Run alone: python3 tests/guest/test_actions.py [NAME...]
"""

import contextlib
import tempfile
from pathlib import Path

from machine import Machine, expect, run_tests
from qmp_session import QmpClient


def out(size, port, value):
    """16-bit code that writes to a port."""
    load, store = {1: (b"\xb0", b"\xee"), 2: (b"\xb8", b"\xef"), 4: (b"\x66\xb8", b"\x66\xef")}[size]
    return load + value.to_bytes(size, "little") + b"\xba" + port.to_bytes(2, "little") + store


def config(offset, value):
    """The same to the configuration space of the power management function."""
    return out(4, 0xcf8, 0x80000b00 | offset) + out(4, 0xcfc, value)


WAIT = b"\xf4\xeb\xfd"
POWER_OFF = config(0x40, 0x601) + config(0x80, 1) + out(2, 0x604, 0x2000)
RESET = out(1, 0x92, 1)
TRIPLE_FAULT = b"\x2e\x0f\x01\x1e\x00\x01\x0f\x0b"  # an IDT without entries: lidt %cs:0x100; ud2
PANIC = out(1, 0x505, 1)
WATCHDOG = out(1, 0x443, 0xf)  # no time at all


def shut(reason):
    return f"SHUTDOWN {reason}"


# -action, what the guest does, events, then: a run state, or the status of a process that ended.
ENDS = [
    ("", POWER_OFF, [shut("guest-shutdown")], 0),
    ("shutdown=pause", POWER_OFF, [shut("guest-shutdown"), "STOP"], "shutdown"),
    ("reboot=shutdown", POWER_OFF, [shut("guest-shutdown")], 0),
]
RESETS = [
    ("reboot=shutdown", RESET, [shut("guest-reset")], 0),
    ("reboot=shutdown,shutdown=pause", RESET, [shut("guest-reset"), "STOP"], "shutdown"),
    ("reboot=shutdown", TRIPLE_FAULT, [shut("guest-reset")], 0),
    ("reboot=shutdown,shutdown=pause", TRIPLE_FAULT, [shut("guest-reset"), "STOP"], "shutdown"),
]
PANICS = [
    ("", PANIC, ["GUEST_PANICKED poweroff", shut("guest-panic")], 0),
    ("panic=shutdown", PANIC, ["GUEST_PANICKED poweroff", shut("guest-panic")], 0),
    ("panic=exit-failure", PANIC, ["GUEST_PANICKED poweroff", shut("guest-panic")], 1),
    ("panic=pause", PANIC, ["GUEST_PANICKED pause", "STOP"], "guest-panicked"),
    ("panic=none", PANIC, ["GUEST_PANICKED run"], "running"),
    ("shutdown=pause", PANIC, ["GUEST_PANICKED pause", "STOP"], "guest-panicked"),
    ("shutdown=pause,panic=exit-failure", PANIC,
     ["GUEST_PANICKED poweroff", shut("guest-panic"), "STOP"], "shutdown"),
    ("shutdown=pause,panic=none", PANIC, ["GUEST_PANICKED run"], "running"),
]
WATCHDOGS = [
    ("reboot=shutdown", WATCHDOG, ["WATCHDOG reset", shut("guest-reset")], 0),
    ("reboot=shutdown,shutdown=pause", WATCHDOG,
     ["WATCHDOG reset", shut("guest-reset"), "STOP"], "shutdown"),
    ("watchdog=shutdown", WATCHDOG, ["WATCHDOG shutdown", "POWERDOWN"], "running"),
    ("watchdog=poweroff", WATCHDOG, ["WATCHDOG poweroff", shut("guest-reset")], 0),
    ("watchdog=poweroff,shutdown=pause", WATCHDOG, ["WATCHDOG poweroff", shut("guest-reset")], 0),
    ("watchdog=pause", WATCHDOG, ["WATCHDOG pause", "STOP"], "watchdog"),
    ("watchdog=debug", WATCHDOG, ["WATCHDOG debug"], "running"),
    ("watchdog=none", WATCHDOG, ["WATCHDOG none"], "running"),
    ("watchdog=inject-nmi", WATCHDOG, ["WATCHDOG inject-nmi"], "running"),
]


def name(event):
    """SHUTDOWN guest-reset, GUEST_PANICKED pause, STOP."""
    data = event.get("data", {})
    if event["event"] in ("SHUTDOWN", "RESET"):
        expect(data["guest"] == data["reason"].startswith("guest-"), f"{event}")
    return " ".join([event["event"], *(data[key] for key in ("reason", "action") if key in data)])


def start(folder, code, action):
    """A machine, paused, whose firmware is this code, and a client of it."""
    firmware, path = Path(folder, "firmware"), f"{folder}/qmp"
    image = bytearray(0x10000)
    image[0:len(code + WAIT)] = code + WAIT
    image[0xfff0:0xfff3] = b"\xe9\x0d\x00"  # jmp 0
    firmware.write_bytes(image)
    options = ["-action", action] if action else []
    guest = Machine(["-nodefaults", "-S", "-m", "16", "-bios", firmware, "-device", "pvpanic",
                     "-device", "ib700", "-qmp", f"unix:{path},server=on,wait=off", *options],
                    serial=False, monitor=False)
    return guest, QmpClient(path)


def events_until(client, count):
    """Names of so many events, fewer if the stream ends."""
    found = []
    with contextlib.suppress(EOFError):
        while len(found) < count:
            found.append(name(client.events.popleft() if client.events else client.read()))
    return found


def check(cases):
    for action, code, events, then in cases:
        with tempfile.TemporaryDirectory() as folder:
            guest, client = start(folder, code, action)
            with guest, client:
                client.negotiate()
                client.call("cont")
                wanted = ["RESUME", *events]
                found = events_until(client, len(wanted))
                expect(found == wanted, f"-action {action}: {found}, not {wanted}")
                if isinstance(then, str):
                    state = client.call("query-status")["status"]
                    expect(state == then, f"-action {action}: {state}")
                    client.call("quit")
                    expect(events_until(client, 9) == [shut("host-qmp-quit")], "events of quit")
                    expect(guest.wait_exit() == 0, "quit")
                else:
                    expect(events_until(client, 1) == [], f"-action {action}: more events")
                    expect(guest.wait_exit() == then, f"-action {action}: {guest.wait_exit()}")


def test_power_off():
    check(ENDS)


def test_resets():
    check(RESETS)
    with tempfile.TemporaryDirectory() as folder:
        guest, client = start(folder, RESET, "shutdown=pause")
        with guest, client:
            client.negotiate()
            client.call("cont")
            expect(events_until(client, 3) == ["RESUME"] + ["RESET guest-reset"] * 2, "resets")


def test_panics():
    check(PANICS)


def test_watchdogs():
    check(WATCHDOGS)


if __name__ == "__main__":
    run_tests(dict(globals()))
