/* SPDX-License-Identifier: MIT */
/*
 * Code that is written as it runs, thousands of times: immediates, displacements, operations, the
 * instruction behind the store, data beside code, two linear addresses, a second CPU. A translator
 * that finds such pages out and treats them in another way must not be seen to do so.
 * Intel SDM vol. 3, 8.1.3 and 11.6: a processor sees its own stores to code at the next branch, and
 * those since the 486 at the next instruction.
 */
#include "cpu-test.h"

#define ROUNDS 3000
#define SOURCE "SDM 3A 11.6"
#define CALM_TICKS (5ull << 30) /* longer than a page is thought to be written all the time */

static uint8_t page[2 * 4096] __attribute__((aligned(4096)));
typedef uint64_t Function(uint64_t a, const void *p);
static volatile uint32_t words[4] = {0x11111111, 0x22222222, 0x33333333, 0x44444444};

static uint64_t call(unsigned at, uint64_t a)
{
    Function *volatile function = (Function *)&page[at];
    return function(a, (const void *)words);
}

static unsigned write_bytes(unsigned at, const char *bytes, unsigned size)
{
    memcpy(&page[at], bytes, size);
    return at + size;
}

static unsigned write_u32(unsigned at, uint32_t value)
{
    memcpy(&page[at], &value, 4);
    return at + 4;
}

/* -- Immediates and displacements -------------------------------------------------------------- */

#define WANT(name, expression)                                                                     \
    static uint64_t want_##name(uint64_t a, int32_t value)                                         \
    {                                                                                              \
        return expression;                                                                         \
    }
WANT(mov, (uint32_t)value)
WANT(mov_signed, (uint64_t)(int64_t)value)
WANT(lea, a + (uint64_t)(int64_t)value)
WANT(lea_32, (uint32_t)(a + (uint64_t)(int64_t)value))
WANT(lea_scaled, a * 9 + (uint64_t)(int64_t)value)
WANT(add, (uint32_t)a + (uint32_t)value)
WANT(add_64, a + (uint64_t)(int64_t)value)
WANT(sub, (uint32_t)a - (uint32_t)value)
WANT(xor, (uint32_t)a ^ (uint32_t)value)
WANT(adc, (uint32_t)(a + (uint32_t)value + 1))
WANT(cmp, (uint32_t)a < (uint32_t)value)
WANT(carry, ((a & 0xffffffff) + (uint32_t)value) >> 32)
WANT(load, words[(unsigned)value >> 2 & 3])

/* Code with a 32-bit value at its end and more behind it, then RET; what it returns for RDI = a,
 * RSI = words. */
static const struct {
    const char *name, *code, *behind;
    unsigned size, behind_size;
    uint64_t (*want)(uint64_t a, int32_t value);
} forms[] = {
#define FORM(name, code, behind, want)                                                             \
    {                                                                                              \
        name, code, behind, sizeof(code) - 1, sizeof(behind) - 1, want                             \
    }
    FORM("mov", "\xb8", "", want_mov),                       /* mov $v, %eax */
    FORM("mov-rm", "\xc7\xc0", "", want_mov),                /* the same, other encoding */
    FORM("mov-signed", "\x48\xc7\xc0", "", want_mov_signed), /* mov $v, %rax */
    FORM("lea", "\x48\x8d\x87", "", want_lea),               /* lea v(%rdi), %rax */
    FORM("lea-32", "\x8d\x87", "", want_lea_32),
    FORM("lea-scaled", "\x48\x8d\x84\xff", "", want_lea_scaled), /* lea v(%rdi,%rdi,8), %rax */
    FORM("add", "\x89\xf8\x05", "", want_add),                   /* mov %edi, %eax; add $v, %eax */
    FORM("add-64", "\x48\x89\xf8\x48\x05", "", want_add_64),
    FORM("add-rm", "\x81\xc7", "\x89\xf8", want_add), /* add $v, %edi; mov %edi, %eax */
    FORM("sub", "\x89\xf8\x81\xe8", "", want_sub), FORM("xor", "\x89\xf8\x35", "", want_xor),
    FORM("adc", "\x89\xf8\xf9\x15", "", want_adc), /* stc; adc $v, %eax */
    /* cmp $v, %edi; setb %al; movzx %al, %eax */
    FORM("cmp", "\x81\xff", "\x0f\x92\xc0\x0f\xb6\xc0", want_cmp),
    FORM("carry", "\x81\xc7", "\x0f\x92\xc0\x0f\xb6\xc0", want_carry),
    FORM("load", "\x8b\x86", "", want_load), /* mov v(%rsi), %eax */
};

static void values(void)
{
    char name[40];

    for (unsigned f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        unsigned wrong = 0, at = 256 + f * 32, value_at;
        value_at = write_bytes(at, forms[f].code, forms[f].size);
        write_bytes(write_bytes(value_at + 4, forms[f].behind, forms[f].behind_size), "\xc3", 1);
        for (unsigned i = 0; i < ROUNDS; i++) {
            uint32_t value = forms[f].want == want_load ? i % 4 * 4 : i * 2654435761u;
            uint64_t a = i * 0x9e3779b97f4a7c15ull;
            write_u32(value_at, value);
            wrong += call(at, a) != forms[f].want(a, (int32_t)value);
            wrong += call(at, ~a) != forms[f].want(~a, (int32_t)value);
        }
        format(name, sizeof(name), "value-%s", forms[f].name);
        check(name, wrong, 0, SOURCE);
    }
}

/* -- Operations and lengths -------------------------------------------------------------------- */

/* Each round other instructions at the same place. */
static void operations(void)
{
    static const struct {
        const char *code;
        unsigned size;
        uint64_t factor, term;
    } variants[] = {
        {"\x48\x8d\x47\x05\xc3", 5, 1, 5},                      /* lea 5(%rdi), %rax */
        {"\x48\x89\xf8\x48\x01\xf8\xc3", 7, 2, 0},              /* mov; add %rdi, %rax */
        {"\x48\x6b\xc7\x07\x48\xff\xc8\xc3", 8, 7, UINT64_MAX}, /* imul $7; dec */
        {"\x31\xc0\x48\x83\xc0\x09\xc3", 7, 0, 9},              /* xor; add $9 */
        {"\x48\x89\xf8\xeb\x01\x90\xc3", 7, 1, 0},              /* a jump over a NOP */
        {"\x57\x58\xc3", 3, 1, 0},                              /* push %rdi; pop %rax */
    };
    unsigned wrong = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned v = (i ^ i >> 3) % 6;
        write_bytes(1024, variants[v].code, variants[v].size);
        wrong += call(1024, i) != i * variants[v].factor + variants[v].term;
    }
    check("operations", wrong, 0, SOURCE);
}

/* -- Code that writes itself ------------------------------------------------------------------- */

/* movl %edi, 1f+1(%rip); 1: movl $0, %eax; ret: the store is right before what it changes. */
static void next_instruction(void)
{
    unsigned at = 1280, wrong = 0;

    at = write_bytes(at, "\x89\x3d\x01\x00\x00\x00", 6);
    at = write_bytes(at, "\xb8\x00\x00\x00\x00\xc3", 6);
    for (unsigned i = 0; i < ROUNDS; i++) {
        wrong += call(1280, i * 77) != i * 77;
    }
    check("next-instruction", wrong, 0, SOURCE);
}

/* The same by PUSH, the stack pointer being in the code: 1: movabs $0, %rax. */
static void by_push(void)
{
    unsigned at = 1344, wrong = 0;

    at = write_bytes(at, "\x48\x89\xe2", 3);                 /* mov %rsp, %rdx */
    at = write_bytes(at, "\x48\x8d\x25\x0b\x00\x00\x00", 7); /* lea 1f+10(%rip), %rsp */
    at = write_bytes(at, "\x57", 1);                         /* push %rdi */
    at = write_bytes(at, "\x48\xb8\0\0\0\0\0\0\0\0", 10);    /* 1: movabs */
    write_bytes(at, "\x48\x89\xd4\xc3", 4);                  /* mov %rdx, %rsp; ret */
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t value = i * 0x123456789abcdull;
        wrong += call(1344, value) != value;
    }
    check("by-push", wrong, 0, SOURCE);
}

/* REP STOSB over the next two instructions with the byte of RDI: 90h leaves RAX 5, 50h and C0h.. no
 * others are used. */
static void by_string(void)
{
    unsigned at = 1408, wrong = 0;

    at = write_bytes(at, "\x89\xf8", 2);                     /* mov %edi, %eax */
    at = write_bytes(at, "\x48\x8d\x3d\x0b\x00\x00\x00", 7); /* lea 1f(%rip), %rdi */
    at = write_bytes(at, "\xb9\x04\x00\x00\x00", 5);         /* mov $4, %ecx */
    at = write_bytes(at, "\xf3\xaa", 2);                     /* rep stosb */
    at = write_bytes(at, "\x31\xc0\x31\xd2", 4);             /* xor %eax, %eax; xor %edx, %edx */
    write_bytes(at, "\x90\x90\x90\x90\x0f\xb6\xc0\xc3", 8);  /* 1: nops; movzx %al, %eax; ret */
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned adds = i & 1;
        write_bytes(at, adds ? "\x0c\x11\x34\x22" : "\x90\x90\x90\x90", 4);
        wrong += call(1408, 0x90) != 0; /* whatever it was, it is NOPs now */
    }
    check("by-string", wrong, 0, SOURCE);
}

/* -- Data beside code -------------------------------------------------------------------------- */

static void beside(void)
{
    volatile uint64_t *data = (volatile uint64_t *)&page[3072];
    uint64_t sum = 0, want = 0;

    write_bytes(1536, "\x48\x8d\x47\x01\xc3", 5); /* lea 1(%rdi), %rax; ret */
    for (unsigned i = 0; i < 8 * ROUNDS; i++) {
        data[i % 32] += call(1536, i);
    }
    for (unsigned i = 0; i < 32; i++) {
        sum += data[i];
    }
    for (unsigned i = 0; i < 8 * ROUNDS; i++) {
        want += i + 1;
    }
    check("data-beside-code", sum, want, SOURCE);
}

/* An instruction across the page's end, its value on both sides of it: mov $v, %eax; ret. */
static void across_pages(void)
{
    unsigned at = 4096 - 3, wrong = 0;

    write_bytes(at, "\xb8\0\0\0\0\xc3", 6);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t value = i * 2654435761u;
        write_u32(at + 1, value);
        wrong += call(at, 0) != value;
    }
    check("across-pages", wrong, 0, SOURCE);
}

/* Written at another linear address: above 1 GiB is the first GiB again. */
static void by_alias(void)
{
    uint64_t *root = (uint64_t *)(read_cr3() & ~0xfffull);
    volatile uint32_t *alias = (volatile uint32_t *)(0x8000000000ull + (word)&page[1601]);
    unsigned wrong = 0;

    root[1] = root[0];
    write_bytes(1600, "\xb8\0\0\0\0\xc3", 6);
    for (unsigned i = 0; i < ROUNDS; i++) {
        *alias = i * 31;
        wrong += call(1600, 0) != i * 31;
    }
    check("by-alias", wrong, 0, SOURCE);
}

/* Hot and left alone for seconds, then written again. */
static void after_a_rest(void)
{
    uint64_t start = read_tsc();
    unsigned wrong = 0;

    write_bytes(1664, "\xb8\0\0\0\0\xc3", 6);
    write_u32(1665, 1234);
    while (read_tsc() - start < CALM_TICKS) {
        wrong += call(1664, 0) != 1234;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        write_u32(1665, i);
        wrong += call(1664, 0) != i;
    }
    check("after-a-rest", wrong, 0, SOURCE);
}

/* -- Two CPUs ---------------------------------------------------------------------------------- */

static volatile bool stop;
static volatile uint64_t written;

/* Counts in the page whose code the other CPU writes and runs. */
static void count(void *argument)
{
    volatile uint32_t *counters = (volatile uint32_t *)&page[3584];
    uint64_t n = 0;

    while (!stop) {
        counters[n % 64]++;
        n++;
    }
    written = n;
}

static void two_cpus(void)
{
    const volatile uint32_t *counters = (const volatile uint32_t *)&page[3584];
    uint64_t sum = 0;
    unsigned wrong = 0;

    if (cpu_count() < 2) {
        check_skip("two-cpus", "one CPU");
        return;
    }
    memset(&page[3584], 0, 256);
    cpus_start();
    write_bytes(1728, "\x8d\x87\0\0\0\0\x81\xc7\0\0\0\0\xc3", 13);
    cpu_run(1, count, NULL);
    for (unsigned i = 0; i < 20 * ROUNDS; i++) {
        write_u32(1730, i);
        if (i % 64 == 0) {
            write_bytes(1734, i & 64 ? "\x81\xef" : "\x81\xc7", 2);
        }
        wrong += call(1728, 5) != i + 5;
    }
    stop = true;
    cpu_wait(1);
    for (unsigned i = 0; i < 64; i++) {
        sum += counters[i];
    }
    check("two-cpus-code", wrong, 0, SOURCE);
    check("two-cpus-data", sum, written, "SDM 3A 8.2.2");
}

int main(void);
int main(void)
{
    values();
    operations();
    next_instruction();
    by_push();
    by_string();
    beside();
    across_pages();
    by_alias();
    after_a_rest();
    two_cpus();
    return 0;
}
