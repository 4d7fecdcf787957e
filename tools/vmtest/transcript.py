# SPDX-License-Identifier: MIT
"""Who said what and when: the readable record of a test, and what of the guest's bytes is text."""

import re
import threading

# Escape sequences of terminals: CSI ... letter, OSC ... BEL, and ESC with one more character.
ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[^\[\]])")
BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07]{0,200})?$")


class PlainText:
    """Takes escape sequences, carriage returns and zero bytes out of a stream."""

    def __init__(self):
        self.rest = b""

    def feed(self, piece):
        piece = self.rest + piece
        begun = BEGUN.search(piece)
        self.rest = begun.group() if begun else b""
        if begun:
            piece = piece[:begun.start()]
        return ESCAPE.sub(b"", piece).replace(b"\r", b"").replace(b"\0", b"")


class Transcript:
    """Lines "TIME WHO TEXT"; TIME is the machine's clock."""

    def __init__(self, follow=None):
        """`follow(line)` is called for each line."""
        self.lines = []
        self.partial = b""
        self.partial_stamp = 0.0
        self.stamp = lambda: 0.0
        self.guest_seconds = 0.0  # of the test so far, for the summary
        self.follow = follow
        self.lock = threading.RLock()

    def put(self, stamp, who, text):
        for line in text.split("\n"):
            self.lines.append(f"{stamp:10.3f} {who:<8} {line}".rstrip())
            if self.follow:
                self.follow(self.lines[-1])

    def say(self, who, text):
        """Someone other than the guest."""
        with self.lock:
            self.flush()
            self.put(self.stamp(), who, text)

    def guest(self, piece):
        """Plain bytes from the guest; lines are put when they are whole."""
        with self.lock:
            if not self.partial:
                self.partial_stamp = self.stamp()
            *whole, self.partial = (self.partial + piece).split(b"\n")
            for line in whole:
                self.put(self.partial_stamp, "guest", line.decode("utf-8", "replace"))
                self.partial_stamp = self.stamp()

    def flush(self):
        with self.lock:
            if self.partial:
                self.put(self.partial_stamp, "guest", self.partial.decode("utf-8", "replace"))
                self.partial = b""

    def text(self, last=None):
        with self.lock:
            self.flush()
            lines = self.lines if last is None else self.lines[-last:]
            return "\n".join(lines)
