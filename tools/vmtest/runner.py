# SPDX-License-Identifier: MIT
"""Carries out the steps of one script."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from guest_machine import SCALE, Failure, Machine, Skip, emulator
from guest_time import GuestTime
from qmp_client import QmpError
from script import ScriptError, is_number, nearest
from transcript import PlainText, Transcript

TIMEOUT = 60  # seconds of guest time, where a script says nothing
HOST_TIMEOUT = 300  # for `host`
EXIT_SECONDS = 30  # from the end of the session to the end of the process
ASK_SECONDS = 1.0  # how often the machine's clock is asked for at least
SHOWN_MAX = 500  # characters of a text in a message
STOPPED_SECONDS = 5  # a wait for a machine that is stopped lasts so long at least

interrupted = threading.Event()


class Interrupted(Exception):
    """The whole run was ended by the user."""


def flatten(name, value):
    """The members of a record as variables."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from flatten(f"{name}.{key.replace(' ', '-')}", member)
    elif isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        yield name, "\n".join(value)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from flatten(f"{name}.{number}", entry)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


def shortened(text):
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "..."


@functools.lru_cache(maxsize=None)
def knows_outcome(program):
    """Whether the emulator leaves a record of how a run ended."""
    result = subprocess.run([program, "-help"], capture_output=True, text=True, timeout=60,
                            check=False)
    return "-outcome" in result.stdout


class Runner:
    """One script, its machine and its variables."""

    def __init__(self, script, variables=None, arguments=(), follow=None, keep=False):
        self.script, self.arguments, self.keep = script, list(arguments), keep
        self.folder = tempfile.mkdtemp(prefix="vmtest-")
        self.given = dict(variables or {})
        self.variables = {"tmp": self.folder, **self.given}
        self.transcript = Transcript(follow)
        self.timeout = float(TIMEOUT)
        self.nevers = []
        self.machine = self.qmp = self.time = None
        self.is_told_to_end = False  # by the script
        self.step = None

    def run(self):
        """Raises Failure, Skip or ScriptError; the text begins with the place of the step."""
        try:
            for self.step in self.script.steps:
                self.run_step(self.step)
            self.expect_alive_or_told()
        finally:
            self.close()

    def run_step(self, step):
        if interrupted.is_set():
            raise Interrupted
        try:
            getattr(self, "do_" + step.keyword)(*[self.expand(word) for word in step.words])
        except Skip:
            raise
        except (Failure, QmpError) as error:
            if interrupted.is_set():
                raise Interrupted from error
            error = self.explain(error)
            message = f"{step.place}: {step.source}: {error}"
            self.transcript.say("FAILED", message)
            raise Failure(message) from error

    def explain(self, error):
        """An emulator that has ended is why a session did."""
        if isinstance(error, QmpError) and self.machine and self.has_ended(seconds=1):
            try:
                self.fail_ended("the step was done")
            except Failure as ended:
                return ended
        return error

    def close(self):
        self.leave_machine()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def leave_machine(self):
        if self.time:
            self.transcript.guest_seconds += self.time.clock
        if self.qmp:
            self.qmp.close()
        if self.machine:
            self.machine.kill()
        self.machine = self.qmp = self.time = None

    # -- Words --

    def expand(self, word):
        here = os.path.abspath(os.path.dirname(self.step.place.rpartition(":")[0]))
        try:
            return word.expand({"here": here, **self.variables})
        except KeyError as error:
            name = error.args[0]
            raise ScriptError(self.step.place, f"there is no variable '{name}'"
                              f"{nearest(name, self.variables)}") from None

    def option(self, name):
        word = self.step.options.get(name)
        return None if word is None else self.expand(word)

    def number(self, text):
        if not is_number(text):
            raise ScriptError(self.step.place, f"'{text}' is not a number of seconds")
        return float(text)

    def limit(self):
        within = self.option("within")
        return (self.timeout if within is None else self.number(within)) * SCALE

    def pattern(self, text):
        """A bytes pattern of the first word, which was expanded to `text`."""
        if self.step.words[0].kind != "regex":
            text = re.escape(text)
        return re.compile(text.encode(), re.MULTILINE)

    def match(self, output):
        """Checks `is`, `contains` or `matches`, and keeps the output for `as`."""
        wanted = {name: self.expand(word) for name, word in self.step.options.items()
                  if name in ("is", "contains", "matches")}
        for how, text in wanted.items():
            fine = {"is": lambda: output.strip() == text.strip(),
                    "contains": lambda: text in output,
                    "matches": lambda: re.search(text, output, re.MULTILINE)}[how]()
            if not fine:
                raise Failure(f"{how} {text!r} is not so: it is {shortened(output.strip())!r}")
        name = self.option("as")
        if name:
            self.variables[name] = output.strip()

    # -- Waiting --

    def need_machine(self):
        if not self.machine:
            raise Failure("no machine runs: start one before")
        return self.machine

    def check_nevers(self):
        for pattern, source in self.nevers:
            match = pattern.search(self.machine.serial.data)
            if match:
                raise Failure(f"the guest said {match.group().decode('utf-8', 'replace')!r} "
                              f"({source})")

    def fail_ended(self, what):
        """The emulator is gone: says how."""
        status = self.machine.wait_exit(EXIT_SECONDS)
        record = self.machine.outcome() if self.machine.outcome_path else None
        how = f"outcome {record['outcome']}, " if record else ""
        errors = self.machine.error_text().strip()
        raise Failure(f"the emulator ended ({how}status {status}) before {what}"
                      + (f"; it said: {errors}" if errors else ""))

    def now(self):
        """Guest time, that of the last asking when the emulator has ended since."""
        try:
            return self.time.read()
        except QmpError:
            if not self.has_ended():
                raise
            return self.time.seconds

    def is_over(self):
        return self.machine.process.poll() is not None and self.machine.serial.closed

    def until(self, ready, changed, seconds, what, may_end=False, ask=ASK_SECONDS):
        """Calls ready() until it gives something other than None, for at most so many seconds of
        guest time. `changed` is the condition that is notified when it may."""
        end = self.now() + seconds
        stopped = None
        while True:
            with changed:
                result = ready()
                if result is None and not self.is_over():
                    changed.wait(min(ask, max(end - self.time.seconds, 0.02)))
                    result = ready()
            self.check_nevers()
            if result is not None:
                return result
            if interrupted.is_set():
                raise Interrupted
            if self.is_over():
                if may_end:
                    return None
                self.fail_ended(what)
            now = self.now()
            if self.is_over():
                continue
            stopped = None if self.time.running else stopped or time.monotonic()
            if stopped and time.monotonic() - stopped > max(seconds, STOPPED_SECONDS):
                raise Failure(f"the machine is stopped, so {what} cannot come")
            if now >= end:
                raise Failure(f"not {what} within {seconds:g} s of guest time")

    def has_ended(self, seconds=EXIT_SECONDS):
        """The session ends a moment before the process."""
        try:
            self.machine.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self.machine.serial.wait_for(rb"(?!)", EXIT_SECONDS)
        return True

    def wait_serial(self, pattern, seconds, what):
        stream = self.machine.serial

        def ready():
            match = pattern.search(stream.data, stream.at)
            if match:
                stream.at = match.end()
            return match
        return self.until(ready, stream.changed, seconds, what)

    # -- Steps: what they need --

    def do_set(self, name, value):
        self.variables[name] = value

    def do_default(self, name, value):
        self.variables.setdefault(name, value)

    def do_timeout(self, seconds):
        self.timeout = self.number(seconds)

    def do_need(self, *paths):
        for path in paths:
            if not (shutil.which(path) if "/" not in path else os.path.exists(path)):
                raise Skip(f"{self.step.place}: lacking {path}")

    def do_host(self, *words):
        self.transcript.say("host", " ".join(words))
        try:
            process = subprocess.Popen(words, cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except OSError as error:
            raise Failure(f"cannot run '{words[0]}': {error.strerror}") from error
        with process:
            output = self.output_of(process)
        if process.returncode:
            raise Failure(f"status {process.returncode}: {shortened(output.strip())}")

    @staticmethod
    def output_of(process):
        """What it says until it ends."""
        deadline = time.monotonic() + HOST_TIMEOUT * SCALE
        while True:
            try:
                return process.communicate(timeout=ASK_SECONDS)[0]
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline and not interrupted.is_set():
                    continue
                process.kill()
                raise Failure(f"still running after {HOST_TIMEOUT} s") from None

    # -- Steps: the machine --

    def do_start(self, *words):
        self.expect_alive_or_told()
        self.leave_machine()
        plain = PlainText()

        def keep(piece):
            piece = plain.feed(piece)
            self.transcript.guest(piece)
            return piece
        self.machine = Machine(self.arguments + list(words), monitor=False, qmp=True,
                               outcome=knows_outcome(emulator()), keep=keep)
        self.is_told_to_end = False
        self.transcript.say("start", " ".join(self.machine.command))
        try:
            self.qmp = self.machine.connect_qmp(self.note_event)
            self.time = GuestTime(self.qmp, self.machine.process.pid)
            self.transcript.stamp = self.time.stamp
            self.time.read()
        except (Failure, QmpError):
            if self.has_ended(seconds=1):
                self.fail_ended("it could be driven")
            raise

    def note_event(self, event):
        data = event.get("data")
        self.transcript.say("event", event["event"] + (f" {json.dumps(data)}" if data else ""))

    def expect_alive_or_told(self):
        """A machine that nobody told to end has to be there."""
        if self.machine and not self.is_told_to_end and self.machine.process.poll() is not None:
            self.fail_ended("the script expected it")

    def do_never(self, text):
        self.nevers.append((self.pattern(text), self.step.place))

    def do_wait(self, text):
        self.need_machine()
        match = self.wait_serial(self.pattern(text), self.limit(), self.step.words[0].text)
        name = self.option("as")
        if name:
            found = match.group(1 if match.re.groups else 0) or b""
            self.variables[name] = found.decode("utf-8", "replace")

    def do_send(self, text):
        machine = self.need_machine()
        self.transcript.say("send", json.dumps(text, ensure_ascii=False))
        machine.type(text)

    def do_type(self, text):
        """Each character waits for the echo of the one before."""
        machine = self.need_machine()
        self.transcript.say("type", json.dumps(text, ensure_ascii=False))
        with machine.serial.changed:
            machine.serial.at = len(machine.serial.data)
        for character in text:
            machine.type(character)
            if character == "\n" or character.isprintable():
                self.wait_serial(re.compile(re.escape(character.encode())), self.limit(),
                                 f"an echo of {character!r}")

    def do_monitor(self, line):
        self.need_machine()
        self.transcript.say("monitor", f"> {line}")
        is_quit = line.split()[:1] in (["quit"], ["q"])
        self.is_told_to_end |= is_quit
        try:
            output = self.qmp.execute("human-monitor-command", {"command-line": line})
        except QmpError:
            if not is_quit:
                raise
            output = ""
        output = output.replace("\r", "")
        if output:
            self.transcript.say("monitor", output.rstrip("\n"))
        self.match(output)

    def do_qmp(self, text):
        self.need_machine()
        try:
            request = json.loads(text)
        except ValueError as error:
            raise Failure(f"not JSON: {error}") from error
        if not isinstance(request, dict):
            raise Failure("not a JSON object")
        self.transcript.say("qmp", f"> {text}")
        answer = self.qmp.request(request)
        answer.pop("id", None)
        output = json.dumps(answer)
        self.transcript.say("qmp", output)
        self.match(output)

    def do_event(self, name):
        self.need_machine()

        def ready():
            for number, event in enumerate(self.qmp.events):
                if event["event"] == name:
                    del self.qmp.events[:number + 1]
                    return event
            return None
        self.until(ready, self.qmp.changed, self.limit(), f"event {name}")

    def do_pause(self, seconds):
        self.need_machine()
        length = self.number(seconds) * SCALE
        end = self.now() + length
        self.until(lambda: True if self.time.seconds >= end else None, self.machine.serial.changed,
                   length + self.timeout, "the end of the pause", ask=min(length, ASK_SECONDS) / 4)

    def do_signal(self, name):
        machine = self.need_machine()
        name = name if name.startswith("SIG") else "SIG" + name
        if name not in signal.Signals.__members__:
            raise ScriptError(self.step.place, f"there is no signal '{name}'"
                              f"{nearest(name, signal.Signals.__members__)}")
        self.transcript.say("signal", name)
        self.is_told_to_end = True
        machine.process.send_signal(signal.Signals[name])

    def do_check(self, text):
        self.match(text)

    def do_expect(self, outcome):
        machine = self.need_machine()
        if not machine.outcome_path:
            raise Failure(f"{machine.command[0]} has no -outcome")
        stream = machine.serial
        self.until(lambda: None, stream.changed, self.limit(), "the end of the run", may_end=True)
        status = machine.wait_exit(EXIT_SECONDS)
        record = machine.outcome()
        if not record:
            raise Failure(f"the emulator left no record (status {status}); "
                          f"it said: {machine.error_text().strip()}")
        for name in [name for name in self.variables if name.startswith("outcome.")]:
            del self.variables[name]
        self.variables.update(flatten("outcome", record))
        self.transcript.say("outcome", f"{record['outcome']}, status {status}")
        self.leave_machine()
        if record["outcome"] != outcome:
            raise Failure(f"the run ended by '{record['outcome']}', not '{outcome}': "
                          f"{json.dumps({key: record[key] for key in record if key in DETAILS})}")


DETAILS = ("error", "signal", "panic", "triple_fault", "hang", "debug_exit", "status", "console")


def run_script(script, **options):
    """Runs it; the result as (state, message, transcript, seconds): state passed, failed, skipped,
    wrong (the script is) or interrupted."""
    runner = Runner(script, **options)
    begin = time.monotonic()
    state, message = "passed", ""
    try:
        runner.run()
    except Skip as reason:
        state, message = "skipped", str(reason)
    except ScriptError as error:
        state, message = "wrong", str(error)
    except Interrupted:
        state, message = "interrupted", "interrupted"
    except Failure as error:
        state, message = "failed", str(error)
    if runner.keep:
        runner.transcript.say("kept", runner.folder)
    return state, message, runner.transcript, time.monotonic() - begin


def write_transcript(transcript, folder, script):
    Path(folder).mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", script.path.lstrip("./")) + ".log"
    Path(folder, name).write_text(transcript.text() + "\n", encoding="utf-8")
