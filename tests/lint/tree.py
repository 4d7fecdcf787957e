# SPDX-License-Identifier: MIT
"""The source tree as the lint rules see it: files, their text without comments, functions."""

import re
from pathlib import Path

# Folders that hold the project's own sources, in the order findings are printed.
FOLDERS = ["include", "util", "block", "net", "ui", "softmmu", "accel", "target", "hw", "tools",
           "tests"]
SUFFIXES = {".c", ".h", ".S", ".py", ".sh", ".build"}


class Finding:
    """One broken rule at one place."""

    def __init__(self, path, line, text):
        self.path, self.line, self.text = path, line, text

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


def blank_comments(text, keep_strings=False):
    """Returns C text with comments (and string contents) turned into blanks; lines stay lines."""

    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        return token if keep_strings else token[0] + " " * (len(token) - 2) + token[-1]

    pattern = r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, blank, text, flags=re.DOTALL)


class SourceFile:
    """One file with its path from the root."""

    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.splitlines()
        self.is_c = path.suffix in (".c", ".h")
        self.is_header = path.suffix == ".h"
        self._code = None

    @property
    def code(self):
        """C text without comments and strings."""
        if self._code is None:
            self._code = blank_comments(self.text)
        return self._code

    def includes(self):
        """Yields (line number, name) of each include in quotes."""
        lines = blank_comments(self.text, keep_strings=True).splitlines()
        for number, line in enumerate(lines, 1):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if match:
                yield number, match.group(1)

    def functions(self):
        """Yields (first line number, name, body lines) of each function; the style puts the braces
        of a function, and of nothing else but data, into the first column."""
        start = None
        lines = self.code.splitlines()
        for number, line in enumerate(lines, 1):
            if line.rstrip() == "{":
                start = number
            elif line.startswith("}") and start:
                if line.rstrip() == "}":
                    yield start, function_name(lines, start), lines[start:number - 1]
                start = None


def function_name(lines, brace_line):
    """The name of the function whose opening brace is on line `brace_line`."""
    head = " ".join(lines[max(0, brace_line - 6):brace_line - 1])
    names = re.findall(r"(\w+)\s*\(", head)
    return names[-1] if names else "?"


class Tree:
    """All files below the root that the rules look at."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.files = []
        for folder in FOLDERS:
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                    self.files.append(SourceFile(self.root, path))

    def c_files(self):
        return [file for file in self.files if file.is_c]

    def sources(self):
        """C files of the programs, without the tests."""
        return [file for file in self.c_files() if not file.path.startswith("tests/")]

    def headers(self):
        return [file for file in self.sources() if file.is_header]
