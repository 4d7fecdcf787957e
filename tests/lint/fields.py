# SPDX-License-Identifier: MIT
"""Every member of a struct that has field rows is named by exactly one of them.

The test test-fields finds undeclared members of enrolled types at run time by looking for bytes no
row covers; this rule reads the source and finds those that hide where padding could be.
"""

import re

from tree import Finding

ROW = re.compile(r"\b(?:PROP|STATE|LINK|DERIVED|CHILD)(?:_[A-Z]+)?\s*\(\s*(\w+)\s*,\s*"
                 r"(\w+)(?:\.(\w+))?")
STRUCT = re.compile(r"\bstruct\s+(\w+)\s*\{")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)", re.DOTALL)


def matching_brace(code, start):
    """Index behind the brace that closes the one at `start`."""
    depth = 0
    for index in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[index], 0)
        if depth == 0:
            return index + 1
    return len(code)


def declarations(body):
    """Splits a struct body into its declarations, nested bodies kept whole."""
    depth, start = 0, 0
    for index, char in enumerate(body):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == ";" and depth == 0:
            yield body[start:index].strip()
            start = index + 1


def declared_names(declaration):
    """Member names of one declaration: arrays, pointers, functions, bit fields, comma lists."""
    text = ATTRIBUTE.sub("", declaration)
    nested = text.find("{")
    if nested >= 0:
        end = matching_brace(text, nested)
        tail = text[end:].strip()
        if not tail:  # anonymous: its members are members of the outer struct
            return [name for inner in declarations(text[nested + 1:end - 1])
                    for name in declared_names(inner)]
        text = "x " + tail
    function = re.search(r"\(\s*\*\s*(\w+)", text)
    if function:
        return [function.group(1)]
    text = re.sub(r"\[[^\]]*\]", "", text)
    names = []
    for part in text.split(","):
        words = re.findall(r"[A-Za-z_]\w*", part.split(":")[0])
        if words:
            names.append(words[-1])
    return names


def collect_structs(tree):
    """{struct name: (file, line, [(member, first word of its declaration)])}"""
    structs = {}
    for file in tree.files:
        if not file.is_c:
            continue
        for match in STRUCT.finditer(file.code):
            brace = match.end() - 1
            body = file.code[brace + 1:matching_brace(file.code, brace) - 1]
            members = [(name, declaration.split()[0]) for declaration in declarations(body)
                       if declaration for name in declared_names(declaration)]
            line = file.code.count("\n", 0, match.start()) + 1
            structs[file.path, match.group(1)] = (file, line, members)
    return structs


def collect_rows(file):
    """{struct name: {member: [line]}} of the rows in one file."""
    rows = {}
    for match in ROW.finditer(file.code):
        line_start = file.code.rfind("\n", 0, match.start()) + 1
        if file.code[line_start:match.start()].lstrip().startswith("#"):
            continue  # the macro's own definition
        struct, member, part = match.groups()
        line = file.code.count("\n", 0, match.start()) + 1
        rows.setdefault(struct, {}).setdefault(member, []).append((line, part))
    return rows


def find_struct(structs, file, name):
    """The struct of that name: in the same file, else in a header, else anywhere."""
    if (file.path, name) in structs:
        return structs[file.path, name]
    found = [entry for (_, other), entry in structs.items() if other == name]
    headers = [entry for entry in found if entry[0].is_header]
    return (headers or found or [None])[0]


def starts_with_object(structs, file, type_name):
    """True for Object and for structs whose first member is (of such) an object."""
    while type_name != "Object":
        entry = find_struct(structs, file, type_name)
        if not entry or not entry[2]:
            return False
        type_name = entry[2][0][1]
    return True


def check_struct(structs, file, name, rows):
    entry = find_struct(structs, file, name)
    if not entry:
        return
    struct_file, line, members = entry
    for index, (member, first_word) in enumerate(members):
        if index == 0 and starts_with_object(structs, struct_file, first_word):
            continue
        if member not in rows:
            yield Finding(struct_file.path, line,
                          f"no row of {file.path} declares member '{member}' of {name}")
    for member, places in rows.items():
        if len({part for _, part in places}) < len(places):
            yield Finding(file.path, places[-1][0],
                          f"member '{member}' of {name} has more than one row")


def check(tree):
    structs = collect_structs(tree)
    findings = []
    for file in tree.files:
        if not file.is_c or file.path == "include/util/field.h" or file.path.startswith("tests/"):
            continue
        for name, rows in collect_rows(file).items():
            findings += check_struct(structs, file, name, rows)
    return findings
