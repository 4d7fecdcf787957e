#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/vmtest: its examples, and what it says when something goes wrong.

Run alone: python3 tests/guest/test_vmtest.py [NAME...]
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from machine import ROOT, SCALE, boot_sector, emulator, expect, expect_in, linux_files, run_tests

import guest_time
from script import ScriptError, read_script
from transcript import PlainText

TOOL = ROOT / "tools" / "vmtest" / "vmtest.py"
EXAMPLES = ROOT / "tools" / "vmtest" / "examples"
START = "start -m 16 -drive file=${image},format=raw -device isa-debug-exit\n"


def limit(seconds):
    """A script's limit as messages have it."""
    return f"{seconds * SCALE:g} s"


def command(*words):
    return [sys.executable, str(TOOL), "-e", emulator(), *[str(word) for word in words]]


def vmtest(*words, status=0):
    """Runs the tool and returns what it printed."""
    result = subprocess.run(command(*words), capture_output=True, text=True,
                            timeout=600 * SCALE, check=False)
    text = result.stdout + result.stderr
    expect(result.returncode == status, f"status {result.returncode}, not {status}:\n{text}")
    return text


class Folder:
    """Scripts in a scratch folder, and the boot sector that does what it is told."""

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.path = Path(self.scratch.name)
        self.image = boot_sector("commands.S", self.path)
        return self

    def __exit__(self, *_):
        self.scratch.cleanup()

    def script(self, text, name="script.vmtest"):
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, text, *words, status=0):
        return vmtest(self.script(text), "-D", f"image={self.image}", *words, status=status)


def test_examples():
    kernel, initrd = linux_files()
    begin = time.monotonic()
    text = vmtest(EXAMPLES, "-D", f"kernel={kernel}", "-D", f"initrd={initrd}", "-j", "2")
    expect_in("5 passed\n", text)
    print(f"# {time.monotonic() - begin:.1f} s")


WRONG = [
    ("strat\nstart", ":1: there is no step 'strat'; did you mean 'start'?"),
    ('start\nwait "abc', ":2: a quote is not closed"),
    ('start\n\nwait "a"b', ":3: a blank is missing before b"),
    ("start\nwait", ":2: wait takes 1 word, not 0"),
    ("start\nwait a b", ":2: wait takes 1 word, not 2"),
    ("start\nset a", ":2: set takes 2 words, not 1"),
    ("start\nset 1a b", ":2: '1a' is no name of a variable"),
    ('start\nwait r"(a"', ":2: regular expression: missing )"),
    ('start\nwait "a\\q"', ":2: there is no escape '\\q'"),
    ("start\nwait a within b", ":2: within 'b' is not a number of seconds"),
    ("start\nwait a within", ":2: 'within' needs a word behind it"),
    ("start\nwait a within 1 within 2", ":2: 'within' comes twice"),
    ("start\nwait a within 1 b", ":2: 'b' cannot stand behind an option of wait"),
    ("start\ncheck a", ":2: check needs one of is, contains, matches"),
    ("start\ncheck a matches b", ':2: matches needs a regular expression: r"..."'),
    ("start\ntimeout soon", ":2: timeout 'soon' is not a number of seconds"),
    ("start\ninclude none.inc", ":2: cannot read"),
    ("start\ninclude script.vmtest", "files include each other"),
    ("test a\ntest b\nstart", ":2: there is a title already"),
    ("set a b", "the script starts no machine"),
    ("start\nexpect painc", ":2: there is no outcome 'painc'; did you mean 'panic'?"),
]


def test_wrong_scripts():
    with Folder() as folder:
        for text, message in WRONG:
            try:
                read_script(folder.script(text))
                found = "nothing"
            except ScriptError as error:
                found = str(error)
            expect(message in found, f"{text!r}: {found!r} has no {message!r}")
        expect_in("script.vmtest:2: there is no step 'wiat'; did you mean 'wait'?",
                  folder.run("start\nwiat a", status=2))
        expect_in("there is no script", vmtest(folder.path / "none", status=2))
        expect_in("the form is NAME=VALUE",
                  vmtest(folder.script("start"), "-D", "a", status=2))


def test_wrong_when_run():
    """What only shows when a step runs is the script's fault, too."""
    with Folder() as folder:
        expect_in(":2: there is no variable 'imag'; did you mean 'image'?",
                  folder.run("# a\nstart ${imag}\n", status=2))
        expect_in(":2: there is no signal 'SIGTREM'",
                  folder.run(START + "signal TREM\n", status=2))
        expect_in(":3: 'long' is not a number", folder.run(
            START + "set time long\nwait a within ${time}\n", status=2))


def test_steps():
    with Folder() as folder:
        folder.script("set greeting \"tell me\"\n", "more.inc")
        text = folder.run(
            'test "Each step # once"\ninclude more.inc\ndefault image none\n' + START +
            'wait ${greeting}\nwait "\\n"\ntype "xyz"\nsend n\nwait r"^$" as empty\n'
            'check "[${empty}]" is "[]"\nqmp \'{"execute": "stop"}\' contains return as answer\n'
            'check ${answer} matches r"^\\{"\nevent STOP\nmonitor "info status" contains paused\n'
            'monitor cont\nevent RESUME within 10\npause 0.2\n'
            'host sh -c "echo $((6 * 7)) > result"\nhost grep 42 ${tmp}/result\nneed ${tmp}/result sh\n'
            'send o\nexpect guest-shutdown within 20\ncheck ${outcome.state} is running\n'
            + START + 'wait "tell me"\nsend d\nexpect debug-exit\ncheck ${outcome.status} is 33\n')
        expect_in("PASS  Each step # once (", text)
        expect_in("1 passed", text)


def test_need():
    with Folder() as folder:
        text = folder.run("need ${image} /nowhere/kernel\n" + START)
        expect_in("SKIP  script", text)
        expect_in(":1: lacking /nowhere/kernel", text)
        expect_in("ok 1 script # SKIP", folder.run("need /nowhere/a\nstart\n", "--tap"))


def test_timeout():
    with Folder() as folder:
        text = folder.run(START + 'wait "never said" within 0.5\n', status=1)
        expect_in('script.vmtest:2: wait "never said" within 0.5: '
                  f'not never said within {limit(0.5)} of guest time', text)
        expect_in("guest    tell me", text)
        text = folder.run(START + 'wait "tell me"\nsend h\nwait h\ntype "b" within 0.5\n', status=1)
        expect_in(f"not an echo of 'b' within {limit(0.5)}", text)
        text = folder.run(START + "expect quit within 1\n", status=1)
        expect_in(f"not the end of the run within {limit(1)}", text)
        text = folder.run(START + "timeout 0.5\nevent RESET\n", status=1)
        expect_in(f"not event RESET within {limit(0.5)}", text)


def test_scale():
    """GUEST_TIMEOUT_SCALE stretches a script's limits."""
    with Folder() as folder:
        script = folder.script(START + "wait no within 0.1\n")
        done = subprocess.run(command(script, "-D", f"image={folder.image}"), capture_output=True,
                              env={**os.environ, "GUEST_TIMEOUT_SCALE": "7"}, text=True,
                              timeout=600 * SCALE, check=False)
        expect(done.returncode == 1, done.stdout)
        expect_in("not no within 0.7 s of guest time", done.stdout)


def test_stopped_machine():
    with Folder() as folder:
        text = folder.run(START + 'wait "tell me"\nmonitor stop\nwait more within 1\n', status=1)
        expect_in("the machine is stopped, so more cannot come", text)


def test_never():
    with Folder() as folder:
        text = folder.run('never r"pan[i]c"\n' + START + 'wait "tell me"\nsend p\nwait "told so"\n',
                          status=1)
        expect_in("the guest said 'panic' (", text)


def test_emulator_ends():
    with Folder() as folder:
        text = folder.run(START + "monitor quit\nwait more\n", status=1)
        expect_in(":3: wait more: the emulator ended (outcome quit, status 0) before more", text)
        text = folder.run("start -nosuch\nwait a\n", status=1)
        expect_in(":1: start -nosuch: the emulator ended (outcome error, status 1) before it could "
                  "be driven; it said: ", text)
        expect_in("there is no option '-nosuch'", text)
        text = folder.run(START + "wait tell\nsend o\nexpect panic\n", status=1)
        expect_in("the run ended by 'guest-shutdown', not 'panic'", text)
        text = folder.run(START + "signal KILL\nwait more\n", status=1)
        expect_in("the emulator ended (status -9) before", text)
        text = folder.run(START + "signal KILL\nexpect quit\n", status=1)
        expect_in("the emulator left no record (status -9)", text)
        text = folder.run(START + "wait tell\nsend o\nevent SHUTDOWN\npause 5\n", status=1)
        expect_in("outcome guest-shutdown, status 0", text)


def test_told_to_end():
    with Folder() as folder:
        for step in ("monitor quit", "signal TERM"):
            folder.run(START + f"wait tell\n{step}\nhost sleep 1\n")
        text = folder.run(START + "wait tell\nsend o\nhost sleep 1\n", status=1)
        expect_in("the emulator ended (outcome guest-shutdown, status 0) before the script expected it",
                  text)


def test_parallel():
    """Two that wait for each other."""
    with Folder() as folder:
        for mine, other in (("a", "b"), ("b", "a")):
            folder.script("host cp ${image} ${tmp}/disk\n" + START.replace("${image}", "${tmp}/disk")
                          + f"wait tell\nhost touch {folder.path}/{mine}\n"
                          f"host sh -c 'until [ -e {folder.path}/{other} ]; do sleep 0.1; done'\n",
                          f"{mine}.vmtest")
        junit, logs = folder.path / "junit.xml", folder.path / "logs"
        text = vmtest(folder.path, "-D", f"image={folder.image}", "-j", "2", "--junit", junit, "-o",
                      logs)
        expect_in("2 passed", text)
        suite = ET.parse(junit).getroot()
        expect((suite.get("tests"), suite.get("failures")) == ("2", "0"), suite.attrib)
        expect({case.get("name") for case in suite} == {"a", "b"}, "names")
        expect_in("guest    tell me", suite[0].find("system-out").text)
        expect(len(os.listdir(logs)) == 2, os.listdir(logs))


def test_reports():
    with Folder() as folder:
        folder.script(START + "wait no within 0.2\n", "bad.vmtest")
        folder.script('test "Good # one"\n' + START + "wait tell\n", "good.vmtest")
        junit = folder.path / "junit.xml"
        options = ["-D", f"image={folder.image}"]
        text = vmtest(folder.path, *options, "--junit", junit, "--tap", status=1)
        lines = [line for line in text.split("\n") if not line.startswith("#")]
        expect(lines == ["1..2", "not ok 1 bad", "ok 2 Good \\# one", ""], lines)
        suite = ET.parse(junit).getroot()
        expect(suite.get("failures") == "1", suite.attrib)
        expect_in(f"not no within {limit(0.2)}", suite[0].find("failure").get("message"))
        expect(vmtest(folder.path, "--list") == f"{folder.path}/bad.vmtest: bad\n"
               f"{folder.path}/good.vmtest: Good # one\n", "list")
        expect(vmtest(folder.path, "--check") == "", "check")
        expect_in("start ", vmtest(folder.path / "good.vmtest", *options, "-v"))
        expect_in("-m 32", vmtest(folder.path / "good.vmtest", *options, "-v", "--", "-m", "32"))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2]


def test_interrupt():
    """Ctrl-C and SIGTERM leave no emulator behind, and what came out so far is reported."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with Folder() as folder:
            pidfile, junit = folder.path / "pid", folder.path / "junit.xml"
            script = folder.script(START.rstrip() + f" -pidfile {pidfile}\nwait never\n")
            with subprocess.Popen(command(script, "-D", f"image={folder.image}", "--junit", junit),
                                  stdout=subprocess.PIPE, text=True) as process:
                while not pidfile.exists() or not pidfile.read_text(encoding="ascii").strip():
                    time.sleep(0.05)
                pid = int(pidfile.read_text(encoding="ascii"))
                process.send_signal(number)
                output = process.communicate(timeout=60 * SCALE)[0]
            expect(process.returncode == 128 + number, f"status {process.returncode}")
            expect_in("1 interrupted", output)
            expect(not is_alive(pid), "the emulator is left")
            expect(ET.parse(junit).getroot().get("errors") == "1", "junit")


def test_interrupted_host_program():
    with Folder() as folder:
        script = folder.script(f"host sh -c 'echo > {folder.path}/begun; exec sleep 200'\nstart\n")
        with subprocess.Popen(command(script), stdout=subprocess.DEVNULL) as process:
            while not (folder.path / "begun").exists():
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            expect(process.wait(60 * SCALE) == 143, f"status {process.returncode}")


def test_plain_text():
    """Escape sequences go, however they are cut."""
    said = b"\x1b[2J\x1b[01;31mred\x1b[m\r\n\x1b]0;title\x07a\x1b7b\0c\x1b[6n"
    for size in range(1, len(said)):
        plain = PlainText()
        got = b"".join(plain.feed(said[at:at + size]) for at in range(0, len(said), size))
        expect(got == b"red\nabc", (size, got))


class FakeQmp:
    """A machine whose clock the test sets."""

    def __init__(self):
        self.ns = 0

    def execute(self, _command):
        return {"guest-ns": self.ns, "running": True}


def test_guest_time():
    """What the threads wait for a CPU does not count, but some of it always does."""
    qmp, delays = FakeQmp(), {"a": 0.0, "b": 0.0}
    asked, guest_time.thread_delays = guest_time.thread_delays, lambda pid: dict(delays)
    try:
        clock = guest_time.GuestTime(qmp, 1)
        qmp.ns = 2_000_000_000
        expect(clock.read() == 2.0, clock.seconds)
        qmp.ns, delays["a"], delays["b"] = 12_000_000_000, 3.0, 7.5
        expect(clock.read() == 4.5, clock.seconds)
        qmp.ns, delays["a"], delays["c"] = 13_000_000_000, 5.0, 1.0
        expect(abs(clock.read() - 4.52) < 1e-9, clock.seconds)
    finally:
        guest_time.thread_delays = asked
    expect(guest_time.thread_delays(os.getpid()), "this kernel tells no delays")


if __name__ == "__main__":
    run_tests(dict(globals()))
