#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows each lint rule a file that breaks it and one that does not. Run alone: python3 test_lint.py"""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import count_results  # noqa: E402
import fields  # noqa: E402
import headers  # noqa: E402
import layering  # noqa: E402
import light  # noqa: E402
import sizes  # noqa: E402
import text_rules  # noqa: E402
from tree import Tree  # noqa: E402

SPDX = "/* SPDX-License-Identifier: MIT */\n"


class LintTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)

    def write(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def texts(self, rule):
        return [str(finding) for finding in rule(Tree(self.root))]

    def expect(self, rule, path, text, *wanted):
        """The rule finds exactly one thing per wanted text in that file."""
        self.write(path, text)
        found = self.texts(rule)
        self.assertEqual(len(found), len(wanted), found)
        for one, line in zip(wanted, found):
            self.assertIn(one, line)

    def test_layering(self):
        self.write("include/hw/pci.h", SPDX)
        self.write("include/util/loop.h", SPDX)
        self.expect(layering.check, "hw/ide/a.c", SPDX + '#include "util/loop.h"\n')
        self.expect(layering.check, "util/base/b.c", SPDX + '#include "util/loop.h"\n',
                    "layer 0 includes")
        self.expect(layering.check, "util/base/b.c", SPDX + '/* #include "util/loop.h" */\n')
        self.expect(layering.check, "block/core/c.c", SPDX + '#include "hw/pci.h"\n', "hw/pci.h")

    def test_cpu_is_known_to_few(self):
        self.write("include/target/i386/cpu.h", SPDX)
        text = SPDX + '#include "target/i386/cpu.h"\n'
        self.expect(layering.check, "hw/intc/lapic.c", text)
        self.expect(layering.check, "hw/char/uart.c", text, "may know a CPU")

    def test_unknown_folder(self):
        self.expect(layering.check, "hw/ide/a.c", SPDX + '#include "nowhere/x.h"\n', "unknown")

    def test_licence(self):
        self.expect(text_rules.check, "util/base/a.c", "int x;\n", "SPDX")
        self.expect(text_rules.check, "util/base/a.c", SPDX)

    def test_process_end(self):
        self.expect(text_rules.check, "util/base/a.c", SPDX + "void f(void)\n{\n    abort();\n}\n",
                    "abort(")
        self.expect(text_rules.check, "util/base/a.c", SPDX + 'char *s = "abort()"; /* exit(1) */\n')
        self.expect(text_rules.check, "util/base/a.c", SPDX + "int y = a->exit(1) + on_exit(2);\n")
        self.expect(text_rules.check, "softmmu/main/a.c", SPDX + "int y = exit(1);\n", )

    def test_void_error(self):
        self.expect(text_rules.check, "util/base/a.c", SPDX + "void f(int a,\n       Error **err);\n",
                    "f() takes Error **")
        self.expect(text_rules.check, "util/base/a.c",
                    SPDX + "void f(void (*fn)(void *opaque), Error **err);\n", "f() takes Error **")
        self.expect(text_rules.check, "util/base/a.c", SPDX + "bool f(int a, Error **err);\n")
        self.expect(text_rules.check, "util/base/a.c",
                    SPDX + "bool f(void (*fn)(void *opaque), Error **err);\n")

    def test_locks(self):
        text = SPDX + "static pthread_mutex_t lock;\n"
        self.expect(text_rules.check, "util/loop/a.c", text)
        self.expect(text_rules.check, "hw/char/a.c", text, "pthread_mutex_t")

    def test_left_overs(self):
        self.expect(text_rules.check, "util/base/a.c", SPDX + "/* " + "TO" + "DO: x */\n", "note")
        self.expect(text_rules.check, "util/base/a.c", SPDX + "#if" + " 0\n", "dead code")
        self.expect(text_rules.check, "util/base/a.c", SPDX + 'char *p = "/ho' + 'me/me/x";\n',
                    "path of one machine")

    def test_function_length(self):
        long = "int f(void)\n{\n" + "    if (a) {\n    }\n" * 51 + "}\n"
        self.expect(sizes.check, "util/base/a.c", SPDX + long, "f() has 102 lines")
        flat = "int f(int x)\n{\n    switch (x) {\n" + "    case 1:\n        return 2;\n" * 80
        self.expect(sizes.check, "util/base/a.c", SPDX + flat + "    }\n}\n")

    def test_file_length(self):
        self.expect(sizes.check, "util/base/a.c", SPDX + "int x;\n" * 1500, "longer than 1500")
        self.expect(sizes.check, "util/base/a.c", SPDX + "int x;\n" * 1499)

    def test_header_size(self):
        self.expect(sizes.check, "include/util/a.h", SPDX + "int x;\n" * 250, "longer than 250")
        self.expect(sizes.check, "include/util/a.h", SPDX + "#include <stdio.h>\n" * 6, "6 includes")

    def test_header_alone(self):
        self.expect(headers.check, "include/util/a.h", SPDX + "uint8_t x(void);\n", "alone")
        self.expect(headers.check, "include/util/a.h", SPDX + "#include <stdint.h>\nuint8_t x(void);\n")

    def test_field_rows(self):
        struct = """typedef struct Uart {
    Device dev; /* first: the parent */
    uint8_t lsr, regs[4];
    bool (*hook)(int a, int b);
    struct { int x; } nested __attribute__((aligned(8)));
    unsigned small : 3;
} Uart;
"""
        rows = """static const Field uart_fields[] = {
    PROP(Uart, hook), STATE(Uart, lsr), STATE_ARRAY(Uart, regs, .init = 1),
    LINK(Uart, nested.x), DERIVED(Uart, small),
};
"""
        self.write("include/hw/device.h", SPDX + "typedef struct Device {\n    Object obj;\n} Device;\n")
        self.expect(fields.check, "hw/char/a.c", SPDX + struct + rows)
        for row, member in (("PROP(Uart, hook),", "hook"), ("STATE(Uart, lsr),", "lsr"),
                            ("LINK(Uart, nested.x),", "nested"), ("DERIVED(Uart, small),", "small"),
                            ("STATE_ARRAY(Uart, regs, .init = 1),", "regs")):
            self.expect(fields.check, "hw/char/a.c", SPDX + struct + rows.replace(row, ""),
                        f"declares member '{member}' of Uart")
        twice = rows.replace("STATE(Uart, lsr)", "STATE(Uart, lsr), DERIVED(Uart, lsr)")
        self.expect(fields.check, "hw/char/a.c", SPDX + struct + twice, "more than one row")

    def test_light_list_needs_reasons(self):
        self.write(light.LIST, "memcpy\nfree  because\n")
        findings = []
        self.assertEqual(set(light.read_list(Tree(self.root), findings)), {"memcpy", "free"})
        self.assertEqual(len(findings), 1)

    def test_light_symbols(self):
        self.write(light.LIST, "allowed  because\n")
        self.write("a.c", "int known(void); int foreign(void); int allowed(void);\n"
                   "int one(void) { return known() + foreign() + allowed(); }\n")
        self.write("b.c", "int known(void); int known(void) { return 2; }\n")
        for name in "ab":
            subprocess.run(["gcc", "-O0", "-c", f"{name}.c"], cwd=self.root, check=True)
        subprocess.run(["ar", "rcsT", "light.a", "a.o", "b.o"], cwd=self.root, check=True)
        found = light.check(Tree(self.root), self.root / "light.a")
        self.assertEqual(len(found), 1, [str(finding) for finding in found])
        self.assertIn("refers to foreign", str(found[0]))

    def test_counts(self):
        tap = "1..3\nok 1 /a\nnot ok 2 /b\nok 3 /c # SKIP no kvm\n"
        self.assertEqual(count_results.count_points(tap), (1, 1, 1))
        self.assertEqual(count_results.count_entry({"result": "TIMEOUT", "stdout": "ok 1\n"}), (1, 1, 0))
        self.assertEqual(count_results.count_entry({"result": "OK", "stdout": ""}), (1, 0, 0))
        self.assertEqual(count_results.count_entry({"result": "SKIP"}), (0, 0, 1))

    def test_failures(self):
        tap = "1..3\n# fine\nok 1 a\n# because\nnot ok 2 b\nok 3 c\n"
        entry = {"name": "t", "result": "ERROR", "stdout": tap, "stderr": "crashed\n"}
        self.assertEqual(count_results.failures(entry),
                         ["t: ERROR", "    # because", "    not ok 2 b", "    crashed"])
        self.assertEqual(count_results.failures({"name": "t", "result": "TIMEOUT"}), ["t: TIMEOUT"])
        self.assertEqual(count_results.failures({"name": "t", "result": "OK", "stdout": "ok 1\n"}), [])


if __name__ == "__main__":
    unittest.main()
