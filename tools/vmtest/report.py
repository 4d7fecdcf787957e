# SPDX-License-Identifier: MIT
"""Results: on the terminal, as TAP, as JUnit XML."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

TAIL_LINES = 40
# What XML cannot hold, not even escaped.
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class Result:
    """How a script went."""

    script: object
    state: str  # passed, failed, skipped, wrong, interrupted
    message: str
    transcript: str
    seconds: float
    guest_seconds: float


def clean(text):
    return NO_XML.sub("?", text)


def tail(text):
    lines = text.split("\n")
    return "\n".join((["..."] if len(lines) > TAIL_LINES else []) + lines[-TAIL_LINES:])


class Terminal:
    """A line per test; a failure with the end of its transcript."""

    words = {"passed": "PASS", "failed": "FAIL", "skipped": "SKIP", "wrong": "ERROR",
             "interrupted": "STOP"}

    def begin(self, count):
        pass

    def result(self, result):
        print(f"{self.words[result.state]:<5} {result.script.title} ({result.script.path}, "
              f"{result.seconds:.1f} s, guest {result.guest_seconds:.1f} s)", flush=True)
        if result.state == "skipped":
            print(f"      {result.message}", flush=True)
        elif result.state != "passed":
            print(f"{result.message}\n{tail(result.transcript)}".replace("\n", "\n      "),
                  flush=True)

    def end(self, results):
        counts = [f"{sum(result.state == state for result in results)} {state}"
                  for state in self.words if any(result.state == state for result in results)]
        print(", ".join(counts) or "nothing to run", flush=True)


class Tap:
    """Test Anything Protocol."""

    def __init__(self):
        self.number = 0

    def begin(self, count):
        print(f"1..{count}", flush=True)

    def result(self, result):
        self.number += 1
        if result.state not in ("passed", "skipped"):
            for line in f"{result.message}\n{tail(result.transcript)}".split("\n"):
                print(f"# {line}")
        fine = "ok" if result.state in ("passed", "skipped") else "not ok"
        skip = f" # SKIP {result.message}" if result.state == "skipped" else ""
        title = result.script.title.replace("#", "\\#")
        print(f"{fine} {self.number} {title}{skip}", flush=True)

    def end(self, results):
        pass


def write_junit(path, results):
    """One suite, a case per script."""
    states = [result.state for result in results]
    suite = ET.Element("testsuite", name="vmtest", tests=str(len(results)),
                       failures=str(states.count("failed")), skipped=str(states.count("skipped")),
                       errors=str(states.count("wrong") + states.count("interrupted")),
                       time=f"{sum(result.seconds for result in results):.3f}")
    for result in results:
        case = ET.SubElement(suite, "testcase", name=clean(result.script.title),
                             classname=clean(result.script.path), time=f"{result.seconds:.3f}")
        kind = {"failed": "failure", "skipped": "skipped"}.get(result.state, "error")
        if result.state != "passed":
            note = ET.SubElement(case, kind, message=clean(result.message))
            note.text = clean(tail(result.transcript))
        ET.SubElement(case, "system-out").text = clean(result.transcript)
    tree = ET.ElementTree(suite)
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)
