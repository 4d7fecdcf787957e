# SPDX-License-Identifier: MIT
"""Reads scripts: lines of words become steps. docs/howto/vmtest.md has the grammar."""

import re
from dataclasses import dataclass
from pathlib import Path

INCLUDE_DEPTH = 8
NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
VARIABLE = re.compile(r"\$\{(" + NAME + r")\}")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "e": "\x1b", "\\": "\\", '"': '"', "$": "\0"}


class ScriptError(Exception):
    """What is wrong with a script, with its place."""

    def __init__(self, place, message):
        super().__init__(f"{place}: {message}")


@dataclass
class Word:
    """A word of a line; its variables are put in when the step runs."""

    text: str
    kind: str  # bare, text ("..."), literal ('...'), regex (r"...")

    def expand(self, variables):
        """The text with values for ${NAME}; KeyError for an unknown one."""
        if self.kind == "literal":
            return self.text
        quote = re.escape if self.kind == "regex" else str
        return VARIABLE.sub(lambda match: quote(str(variables[match.group(1)])),
                            self.text).replace("\0", "$")


@dataclass
class Step:
    """A line: its keyword, its words, and what stood behind `within`, `as`, `is`..."""

    keyword: str
    words: list
    options: dict
    place: str  # FILE:LINE
    source: str  # the line


# Keyword: words it takes (least, most), options it knows.
MATCHES = {"is", "contains", "matches"}
STEPS = {
    "test": (1, 1, set()),
    "include": (1, 1, set()),
    "set": (2, 2, set()),
    "default": (2, 2, set()),
    "need": (1, None, set()),
    "host": (1, None, set()),
    "timeout": (1, 1, set()),
    "start": (0, None, set()),
    "never": (1, 1, set()),
    "wait": (1, 1, {"within", "as"}),
    "type": (1, 1, {"within"}),
    "send": (1, 1, set()),
    "monitor": (1, 1, MATCHES | {"as"}),
    "qmp": (1, 1, MATCHES | {"as"}),
    "event": (1, 1, {"within"}),
    "pause": (1, 1, set()),
    "signal": (1, 1, set()),
    "check": (1, 1, MATCHES),
    "expect": (1, 1, {"within"}),
}
OUTCOMES = ("guest-shutdown", "guest-reset", "host-reset", "triple-fault", "panic", "hang",
            "debug-exit", "quit", "host-signal", "error")
RAW_WORDS = {"start", "host", "need"}  # may hold words that look like options
NUMBERS = {"timeout", "pause"}


def unescape(text, place):
    def one(match):
        name = match.group(1)
        if name[0] == "x":
            return chr(int(name[1:], 16))
        if name not in ESCAPES:
            raise ScriptError(place, f"there is no escape '\\{name}'; \\n \\r \\t \\e \\\" \\\\ "
                              "\\$ \\xHH are")
        return ESCAPES[name]
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", one, text)


TOKEN = re.compile(r"""
    (?P<blank>[ \t]+) | (?P<comment>\#.*) |
    r"(?P<regex>(?:[^"\\]|\\.)*)" | "(?P<text>(?:[^"\\]|\\.)*)" | '(?P<literal>[^']*)' |
    (?P<bare>[^\s"'\#][^\s"']*)""", re.VERBOSE)


def split_words(line, place):
    """The words of a line."""
    words, at, after_word = [], 0, False
    while at < len(line):
        match = TOKEN.match(line, at)
        if not match:
            raise ScriptError(place, f"a quote is not closed: {line[at:]}")
        kind = match.lastgroup
        if kind not in ("blank", "comment"):
            if after_word:
                raise ScriptError(place, f"a blank is missing before {line[at:]}")
            text = match.group(kind)
            if kind == "text":
                text = unescape(text, place)
            if kind == "regex":
                text = text.replace('\\"', '"')
                check_regex(text, place)
            words.append(Word(text, kind))
        after_word = kind not in ("blank", "comment")
        at = match.end()
    return words


def check_regex(text, place):
    try:
        re.compile(VARIABLE.sub("x", text))
    except re.error as error:
        raise ScriptError(place, f"regular expression: {error}") from error


def nearest(name, names):
    import difflib
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean '{close[0]}'?" if close else ""


def split_options(keyword, words, known, place):
    """Words before the options, and the options: a bare word that is one of `known`, and the next
    word."""
    rest, options = [], {}
    while words:
        word = words.pop(0)
        if word.kind != "bare" or word.text not in known:
            if options:
                raise ScriptError(place, f"'{word.text}' cannot stand behind an option of {keyword}")
            rest.append(word)
            continue
        if word.text in options or (word.text in MATCHES and MATCHES & set(options)):
            raise ScriptError(place, f"'{word.text}' comes twice")
        if not words:
            raise ScriptError(place, f"'{word.text}' needs a word behind it")
        options[word.text] = words.pop(0)
    return rest, options


def check_number(word, what, place):
    """Numbers are checked at once where they hold no variable."""
    if not VARIABLE.search(word.text) and not is_number(word.text):
        raise ScriptError(place, f"{what} '{word.text}' is not a number of seconds")


def is_number(text):
    return re.fullmatch(r"\d+(\.\d+)?", text) is not None


def check_options(step):
    options, place = step.options, step.place
    if "within" in options:
        check_number(options["within"], "within", place)
    if "matches" in options and options["matches"].kind != "regex":
        raise ScriptError(place, 'matches needs a regular expression: r"..."')
    if "as" in options and not re.fullmatch(NAME, options["as"].text):
        raise ScriptError(place, f"'{options['as'].text}' is no name of a variable")
    if step.keyword == "check" and not options:
        raise ScriptError(place, "check needs one of is, contains, matches")


def check_words(step):
    least, most, _ = STEPS[step.keyword]
    count = len(step.words)
    if count < least or (most is not None and count > most):
        wanted = str(least) if most == least else f"at least {least}"
        raise ScriptError(step.place, f"{step.keyword} takes {wanted} "
                          f"word{'' if least == 1 else 's'}, not {count}")
    if step.keyword in NUMBERS:
        check_number(step.words[0], step.keyword, step.place)
    if step.keyword == "expect" and step.words[0].text not in OUTCOMES:
        raise ScriptError(step.place, f"there is no outcome '{step.words[0].text}'"
                          f"{nearest(step.words[0].text, OUTCOMES)}")
    if step.keyword in ("set", "default") and not re.fullmatch(NAME, step.words[0].text):
        raise ScriptError(step.place, f"'{step.words[0].text}' is no name of a variable")


def parse_line(line, place):
    """The step of a line, or None for an empty one."""
    words = split_words(line, place)
    if not words:
        return None
    keyword = words.pop(0)
    if keyword.kind != "bare" or keyword.text not in STEPS:
        raise ScriptError(place, f"there is no step '{keyword.text}'"
                          f"{nearest(keyword.text, STEPS)}")
    known = STEPS[keyword.text][2]
    if keyword.text not in RAW_WORDS:
        words, options = split_options(keyword.text, words, known, place)
    else:
        options = {}
    step = Step(keyword.text, words, options, place, line.strip())
    check_words(step)
    check_options(step)
    return step


def read_steps(path, depth, place):
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScriptError(place or path, f"cannot read '{path}': {reason}") from error
    steps = []
    for number, line in enumerate(lines, 1):
        step = parse_line(line, f"{path}:{number}")
        if step and step.keyword == "include":
            if depth == INCLUDE_DEPTH:
                raise ScriptError(step.place, "files include each other")
            if VARIABLE.search(step.words[0].text):
                raise ScriptError(step.place, "include takes no variables")
            name = Path(path).parent / step.words[0].text
            steps += read_steps(str(name), depth + 1, step.place)
        elif step:
            steps.append(step)
    return steps


@dataclass
class Script:
    """A file with its title and its steps, those of included files in their place."""

    path: str
    title: str
    steps: list


def read_script(path):
    """Raises ScriptError."""
    steps = read_steps(str(path), 0, None)
    titles = [step for step in steps if step.keyword == "test"]
    if len(titles) > 1:
        raise ScriptError(titles[1].place, "there is a title already")
    if not any(step.keyword == "start" for step in steps):
        raise ScriptError(path, "the script starts no machine")
    title = titles[0].words[0].text if titles else Path(path).stem
    return Script(str(path), title, [step for step in steps if step.keyword != "test"])
