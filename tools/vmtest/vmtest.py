#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs scripted tests of virtual machines; docs/howto/vmtest.md explains it.

Exit status: 0 all passed or were skipped, 1 some failed, 2 a script or the command line is wrong,
130 or 143 ended by SIGINT or SIGTERM.
"""

import argparse
import concurrent.futures
import os
import re
import signal
import sys
from pathlib import Path

import runner
from guest_machine import Machine, Skip, emulator
from report import Result, Tap, Terminal, write_junit
from script import NAME, ScriptError, read_script


class UsageError(Exception):
    """The command line is wrong."""


class Ended(Exception):
    """A signal asks for the end."""

    def __init__(self, number):
        super().__init__(f"signal {number}")
        self.number = number


def parse_arguments(words):
    parser = argparse.ArgumentParser(
        prog="vmtest", description="Runs scripted tests of virtual machines.",
        epilog="Words behind -- are added to the options of every machine.")
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT|FOLDER",
                        help="script, or folder of *.vmtest")
    parser.add_argument("-e", "--emulator", metavar="PROGRAM",
                        help="emulator to run; else $EMULATOR, else the one built here")
    parser.add_argument("-D", "--define", action="append", default=[], metavar="NAME=VALUE",
                        help="give a variable of the scripts its value")
    parser.add_argument("-j", "--jobs", type=int, default=1, metavar="N",
                        help="run so many at once")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="write transcripts there")
    parser.add_argument("--junit", metavar="FILE", help="write results as JUnit XML")
    parser.add_argument("--tap", action="store_true", help="print results as TAP")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="print the transcripts while they grow")
    parser.add_argument("-l", "--list", action="store_true", help="list the tests, run nothing")
    parser.add_argument("--check", action="store_true", help="read the scripts, run nothing")
    parser.add_argument("-k", "--keep", action="store_true",
                        help="keep the folders of ${tmp}; the transcripts name them")
    before, _, behind = partition(words, "--")
    options = parser.parse_args(before)
    options.arguments = behind
    if options.jobs < 1:
        parser.error("-j needs a number from 1 up")
    if not options.scripts:
        parser.error("a script or a folder of scripts is needed")
    return options


def partition(words, separator):
    if separator not in words:
        return words, None, []
    at = words.index(separator)
    return words[:at], separator, words[at + 1:]


def find_scripts(names):
    """Paths, those of a folder in order."""
    paths = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(path.glob("*.vmtest"))
            if not found:
                raise UsageError(f"there is no *.vmtest in '{name}'")
            paths += found
        elif path.exists():
            paths.append(path)
        else:
            raise UsageError(f"there is no script '{name}'")
    return paths


def read_definitions(texts):
    variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(NAME, name):
            raise UsageError(f"-D {text}: the form is NAME=VALUE")
        variables[name] = value
    return variables


def read_all(paths):
    """All scripts; says what is wrong with each that cannot be read."""
    scripts, wrong = [], []
    for path in paths:
        try:
            scripts.append(read_script(path))
        except ScriptError as error:
            wrong.append(str(error))
    if wrong:
        raise UsageError("\n".join(wrong))
    return scripts


def run_one(script, options, variables):
    follow = None
    if options.verbose:
        prefix = f"{Path(script.path).stem}: " if options.jobs > 1 else ""

        def follow(line):
            print(("# " if options.tap else "") + prefix + line, flush=True)
    state, message, transcript, seconds = runner.run_script(
        script, variables=variables, arguments=options.arguments, follow=follow,
        keep=options.keep)
    if options.output:
        runner.write_transcript(transcript, options.output, script)
    return Result(script, state, message, transcript.text(), seconds, transcript.guest_seconds)


def run_all(scripts, options, variables, report):
    """Results in the order in which they came; a signal ends what runs."""
    results = []
    ended = None
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        pending = {pool.submit(run_one, script, options, variables) for script in scripts}
        while pending:
            try:
                done, pending = concurrent.futures.wait(
                    pending, 0.5, concurrent.futures.FIRST_COMPLETED)
            except Ended as error:
                ended = error.number
                runner.interrupted.set()
                pending = {future for future in pending if not future.cancel()}
                Machine.kill_all()
                continue
            for future in done:
                results.append(future.result())
                report.result(results[-1])
    return results, ended


def end_by_signal(number, _frame):
    signal.signal(number, signal.SIG_IGN)
    raise Ended(number)


def status_of(results):
    states = {result.state for result in results}
    return 2 if "wrong" in states else 1 if states & {"failed", "interrupted"} else 0


def main(words):
    options = parse_arguments(words)
    try:
        variables = read_definitions(options.define)
        scripts = read_all(find_scripts(options.scripts))
    except UsageError as error:
        print(f"vmtest: {error}", file=sys.stderr)
        return 2
    if options.list:
        for script in scripts:
            print(f"{script.path}: {script.title}")
    if options.list or options.check:
        return 0
    if options.emulator:
        os.environ["EMULATOR"] = options.emulator
    try:
        emulator()
    except Skip as missing:
        print(f"vmtest: {missing}", file=sys.stderr)
        return 2
    report = Tap() if options.tap else Terminal()
    report.begin(len(scripts))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end_by_signal)
    results, ended = run_all(scripts, options, variables, report)
    report.end(results)
    if options.junit:
        write_junit(options.junit, results)
    return 128 + ended if ended else status_of(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
