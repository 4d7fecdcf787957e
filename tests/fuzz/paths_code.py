# SPDX-License-Identifier: MIT
"""Random 64-bit code with loops, branches, calls and faults, for the flat guest paths-guest.c.

What traces are made of: paths through several blocks that come back to their beginning, accesses
that share a base, flags that are read late. RBX and R15 point into a buffer, R11 to memory or, now
and then, to what faults; RSP has a frame of zeros above it. A case ends when `counter` is zero.
"""

GENERAL = ["rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r12", "r13", "r14", "rbp"]
SUFFIX = {8: "q", 4: "l", 2: "w", 1: "b"}
ARITHMETIC = ["add", "sub", "and", "or", "xor", "cmp", "adc", "sbb", "cmp", "add", "sub"]
CONDITIONS = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"]
FRAME = 80  # bytes of zeros at RSP
DEEPEST = 4  # branches within branches, calls not counted


def register(name, size):
    if size == 8:
        return "%" + name
    if name[1:].isdigit():
        return "%" + name + {4: "d", 2: "w", 1: "b"}[size]
    low = name[1:]
    if size == 1:
        return "%" + (low[0] + "l" if low[1] == "x" else low + "l")
    return "%" + ("e" if size == 4 else "") + low


class Code:
    """Cases for one seed of `random`, a random.Random()."""

    def __init__(self, random):
        self.random = random
        self.labels = 0
        self.functions = 0
        self.callable = []  # functions of the present case
        self.general = GENERAL  # registers of the present case
        self.has_frame = True
        self.depth = 0
        self.kinds = [kind for kind, weight in (
            (self.two_registers, 5), (self.immediate, 3), (self.one_register, 1), (self.shift, 2),
            (self.move, 1), (self.various, 1), (self.condition, 2), (self.carry, 2),
            (self.load_or_store, 4), (self.with_memory, 4), (self.push_pop, 1), (self.push_flags, 1),
            (self.move_pointer, 1), (self.branch, 2), (self.inner_loop, 1), (self.call, 2),
            (self.fault, 2), (self.string, 1), (self.vector, 2)) for _ in range(weight)]

    def pick(self, *choices):
        return self.random.choice(choices)

    def any(self, size=8):
        return register(self.random.choice(self.general), size)

    def size(self):
        return self.pick(8, 8, 4, 4, 2, 1)

    def memory(self):
        base = self.pick("rbx", "rbx", "r15", "rsp") if self.has_frame else self.pick("rbx", "r15")
        if base == "rsp":
            return f"{8 * self.random.randrange(0, FRAME // 8 - 1)}(%rsp)"
        return f"{self.pick(0, 8, 16, 24, -8, -16, 3, 100, self.random.randrange(-300, 300))}(%{base})"

    def number(self, size):
        far = self.random.randrange(-2**31, 2**31) if size >= 4 else self.random.randrange(-100, 100)
        return f"${self.pick(0, 1, -1, 2, 127, -128, far)}"

    def label(self):
        self.labels += 1
        return f".L{self.labels}"

    # -- Instructions: each a list of lines

    def two_registers(self):
        size = self.size()
        return [f"{self.pick(*ARITHMETIC, 'test')}{SUFFIX[size]} {self.any(size)}, {self.any(size)}"]

    def immediate(self):
        size = self.size()
        name = self.pick(*ARITHMETIC, "test")
        return [f"{name}{SUFFIX[size]} {self.number(size)}, {self.any(size)}"]

    def one_register(self):
        size = self.size()
        return [f"{self.pick('inc', 'dec', 'neg', 'not')}{SUFFIX[size]} {self.any(size)}"]

    def shift(self):
        size = self.size()
        name = self.pick("shl", "shr", "sar", "rol", "ror", "rcl", "rcr")
        count = self.pick("%cl", f"${self.random.randrange(0, 12)}")
        return [f"{name}{SUFFIX[size]} {count}, {self.any(size)}"]

    def move(self):
        size = self.size()
        return [f"mov {self.any(size)}, {self.any(size)}"]

    def various(self):
        size = self.size()
        a, b, c = self.any(), self.any(), self.any()
        return [self.pick(
            f"lea {self.random.randrange(-99, 99)}({a}, {b}, 4), {c}",
            f"xchg {self.any(size)}, {self.any(size)}", f"bswap {a}", f"imul {a}, {b}", f"mul {a}",
            f"popcnt {a}, {b}", f"bsf {a}, {b}", f"movzbl {self.any(1)}, {self.any(4)}",
            f"mulx {a}, {b}, {c}", f"andn {a}, {b}, {c}", f"rorx $7, {a}, {b}",
            f"cmpxchg {a}, {b}", f"xadd {self.any(size)}, {self.any(size)}")]

    def condition(self):
        size = max(self.size(), 2)
        name = self.random.choice(CONDITIONS)
        return [self.pick(f"set{name} {self.any(1)}",
                          f"cmov{name} {self.any(size)}, {self.any(size)}",
                          f"cmov{name}{SUFFIX[size]} {self.memory()}, {self.any(size)}")]

    def carry(self):
        size = self.size()
        return [self.pick("clc", "stc", "cmc", "lahf", "sahf", "bt $3, %rax", "bts $7, %r13",
                          "add %ah, %cl", "mov %dl, %ah",
                          f"adc{SUFFIX[size]} {self.any(size)}, {self.any(size)}",
                          f"sbb{SUFFIX[size]} {self.any(size)}, {self.any(size)}")]

    def load_or_store(self):
        size = self.size()
        if self.random.random() < 0.6:
            return [f"mov{SUFFIX[size]} {self.memory()}, {self.any(size)}"]
        return [f"mov{SUFFIX[size]} {self.any(size)}, {self.memory()}"]

    def with_memory(self):
        size = self.size()
        suffix, memory, general = SUFFIX[size], self.memory(), self.any(size)
        name = self.random.choice(ARITHMETIC)
        return [self.pick(
            f"{name}{suffix} {general}, {memory}", f"{name}{suffix} {memory}, {general}",
            f"{name}{suffix} {self.number(size)}, {memory}", f"inc{suffix} {memory}",
            f"xadd {general}, {memory}", f"lock addq {self.any()}, {memory}",
            f"xchg {general}, {memory}", f"sete {memory}", f"shl{suffix} %cl, {memory}",
            f"cmpxchg {general}, {memory}", f"btsq $5, {memory}")]

    def push_pop(self):
        return [f"push {self.any()}", *self.lines(self.random.randrange(0, 3)), f"pop {self.any()}"]

    def push_flags(self):
        return ["pushfq", "andq $0x8d5, (%rsp)", f"pop {self.any()}"]

    def move_pointer(self):
        return self.pick(
            [f"add ${self.pick(8, -8, 16, -24)}, %rbx"],
            [f"lea {self.pick(0, 8, -64, 4090)}(%rbx), %r15"], ["mov %rbx, %r15"],
            ["add $8, %r15"], ["inc %r15"], ["sub $16, %r15"],
            ["lea -0x80000000(%r15), %r15", "lea 0x7fffffff(%r15), %rdi",
             "lea 0x40000000(%r15), %r15", "lea 0x40000000(%r15), %r15"])

    def branch(self):
        label = self.label()
        return [f"j{self.random.choice(CONDITIONS)} {label}",
                *self.lines(self.random.randrange(1, 4)), f"{label}:"]

    def inner_loop(self):
        """Its count is on the stack: the body may use all registers."""
        if self.depth:
            return ["nop"]
        label = self.label()
        return [f"pushq ${self.random.randrange(1, 6)}", f"{label}:",
                *self.lines(self.random.randrange(1, 4)), "decq (%rsp)", f"jnz {label}",
                "lea 8(%rsp), %rsp"]

    def call(self):
        if not self.callable or self.depth > DEEPEST:
            return ["nop"]
        name = self.random.choice(self.callable)
        if self.random.random() < 0.2:
            return [f"mov ${name}, %eax", "call *%rax"]
        return [f"call {name}"]

    def fault(self):
        """The guest's handlers know how long these are: 7 bytes, DIV 2."""
        if self.random.random() < 0.25:
            return ["div %ecx"]
        return [self.pick(f"btc ${self.pick(63, 40)}, %r11",
                          f"movq %rax, {self.pick(128, 136, 144)}(%r11)",
                          f"movq {self.pick(128, 136, 144, 1000)}(%r11), "
                          f"{self.pick('%rax', '%rdx', '%r13', '%r8')}")]

    def string(self):
        if self.depth:
            return ["nop"]
        return ["mov %rbx, %rdi", f"lea {self.random.randrange(-64, 4096)}(%rbx), %rsi",
                f"mov ${self.pick(0, 1, 7, 33)}, %ecx",
                self.pick("rep movs", "rep stos") + self.pick("b", "w", "l", "q")]

    def vector(self):
        a, b = self.random.randrange(4), self.random.randrange(4)
        return [self.pick(
            f"movups {self.memory()}, %xmm{a}", f"movups %xmm{a}, {self.memory()}",
            f"movq {self.any()}, %xmm{a}", f"movq %xmm{a}, {self.any()}",
            f"paddq %xmm{a}, %xmm{b}", f"movsd {self.memory()}, %xmm{a}",
            f"movlps %xmm{a}, {self.memory()}", f"pinsrw $3, {self.memory()}, %xmm{a}",
            f"ptest %xmm{a}, %xmm{b}")]

    # -- Functions and cases

    def lines(self, count):
        self.depth += 1
        out = []
        if self.depth <= DEEPEST:
            for _ in range(count):
                out += self.random.choice(self.kinds)()
        self.depth -= 1
        return out

    def function(self):
        """Leaves with and without frames; what returns elsewhere is none of them."""
        name = f"f{self.functions}"
        self.functions += 1
        style = self.random.randrange(5)
        self.has_frame = style == 1
        body = self.lines(self.random.randrange(0, 6))
        if style == 0:
            keeps = [line for line in body if "bp" not in line and "bl" not in line.split(",")[-1]]
            body = ["push %rbp", "mov %rsp, %rbp", *keeps, "leave"]
        elif style == 1:
            size = self.pick(FRAME, 88, 600)
            body = [f"sub ${size}, %rsp", *zeros(), *body, f"add ${size}, %rsp"]
        elif style == 2:
            body = ["push %rbp", "mov %rsp, %rbp", "leave", "cmp %rax, %rsp"]
        self.has_frame = True
        return [f"{name}:", *body, "ret"], name

    def some_registers(self):
        """All, or a few, so that traces find registers that nobody uses for R13 and R14."""
        if self.random.random() < 0.4:
            return GENERAL
        return ["r13", "r14", *self.random.sample(GENERAL, self.random.randrange(1, 5))]

    def case(self, number):
        self.callable = []
        self.general = self.some_registers()
        functions, names = [], []
        for _ in range(self.random.randrange(1, 4)):
            lines, name = self.function()
            functions += lines
            names.append(name)
        self.callable = names
        first = self.random.random() < 0.5
        start = self.label()
        out = [f".balign {4096 if self.random.random() < 0.7 else 64}", *(functions if first else []),
               f"case{number}:", f"sub ${FRAME + 48}, %rsp", *zeros(), f"{start}:",
               *self.lines(self.pick(self.random.randrange(1, 8), self.random.randrange(3, 30))),
               self.pick("decl counter(%rip)", "subl $1, counter(%rip)"),
               self.pick(f"jnz {start}", f"jz 2f; jmp {start}"), "2: pushfq",
               "pop saved_flags(%rip)", f"add ${FRAME + 48}, %rsp", "ret"]
        return out + ([] if first else functions)


def zeros():
    return [f"movq ${offset}, {offset}(%rsp)" for offset in range(0, FRAME, 8)]


def program(random, cases):
    """Assembly text: the cases, and a table of them that ends with 0."""
    code = Code(random)
    out = ['.section .note.GNU-stack, "", @progbits', ".text"]
    for number in range(cases):
        out += code.case(number)
    out += [".data", ".globl case_table", "case_table:"]
    out += [f".quad case{number}" for number in range(cases)]
    return "\n".join([*out, ".quad 0", ""])
