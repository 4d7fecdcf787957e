/* SPDX-License-Identifier: MIT */
/* Real mode: the vector table and its limit, 64 KiB limits and what replaces them ("unreal" mode,
 * big stacks), A20, wrapping addresses, and the instructions that protected mode only has. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/*
 * Real mode code is copied to 1000:0000 and entered by IRET with all registers of `in`; its first
 * interrupt, whichever vector, comes back here: `out`. What carries it over lies at 0800:0000, with
 * `in` at 0800:0400, `out` at 0800:0500 and an entry for each vector from 0800:0600 on.
 */
typedef struct Real {
    uint32_t ax, cx, dx, bx, sp, bp, si, di, ip, flags;
    uint16_t es, cs, ss, ds, fs, gs;
    uint16_t hidden[6]; /* selectors loaded before PE is cleared: ES CS SS DS FS GS */
    uint16_t idt_limit;
    uint32_t idt_base;
} __attribute__((packed)) Real;

typedef struct Out {
    uint16_t gs, fs, es, ds;
    uint32_t di, si, bp, sp, bx, dx, cx, ax;
    uint16_t vector, ip, cs, flags;
} __attribute__((packed)) Out;

enum {
    CODE = 0x10000,
    CARRIER = 0x8000,
    SEL_FLAT = SEL_FREE,    /* data with 4 GiB and a 16-bit stack pointer */
    SEL_BIG = SEL_FREE + 8, /* data with 4 GiB and a 32-bit stack pointer */
    INT3 = 3
};
#define IN ((volatile Real *)0x8400)

__asm__(".text\n .code32\n"
        "real_enter: pushal\n pushfl\n movl %esp, real_sp\n"
        " ljmp $0x20, $0x8000\n"
        "real_back: movl $0x10, %eax\n movl %eax, %ds\n movl %eax, %es\n movl %eax, %fs\n"
        " movl %eax, %gs\n movl %eax, %ss\n movl real_sp, %esp\n lidt real_idt\n popfl\n popal\n"
        " ret\n"
        " .code16\n"
        "real_start: movw 0x8434, %ax\n movw %ax, %es\n movw 0x8438, %ax\n movw %ax, %ss\n"
        " movw 0x843c, %ax\n movw %ax, %fs\n movw 0x843e, %ax\n movw %ax, %gs\n"
        " lidtl 0x8440\n movw 0x843a, %ax\n movw %ax, %ds\n"
        " movl %cr0, %eax\n andb $0xfe, %al\n movl %eax, %cr0\n"
        " ljmp $0x800, $1f - real_start\n"
        "1: movw %cs:0x42c, %ss\n movl %cs:0x410, %esp\n"
        " pushw %cs:0x424\n pushw %cs:0x42a\n pushw %cs:0x420\n"
        " movw %cs:0x428, %es\n movw %cs:0x42e, %ds\n movw %cs:0x430, %fs\n movw %cs:0x432, %gs\n"
        " movl %cs:0x400, %eax\n movl %cs:0x404, %ecx\n movl %cs:0x408, %edx\n"
        " movl %cs:0x40c, %ebx\n movl %cs:0x414, %ebp\n movl %cs:0x418, %esi\n"
        " movl %cs:0x41c, %edi\n iretw\n"
        "real_common: pushal\n pushw %ds\n pushw %es\n pushw %fs\n pushw %gs\n"
        " movw %ss, %cs:0x500\n movl %esp, %cs:0x504\n"
        " lgdtl %cs:2f - real_start\n movl %cr0, %eax\n orb $1, %al\n movl %eax, %cr0\n"
        " ljmpl $0x18, $real_back\n"
        "2: .word 256 * 8 - 1\n .long gdt\n"
        "real_end:\n .code32\n .data\n"
        "real_sp: .long 0\nreal_idt: .word 256 * 8 - 1\n .long idt\n .text\n");
void real_enter(void);
extern const uint8_t real_start[], real_common[], real_end[];

#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[], name##_end[];                                                     \
    __asm__(".text\n .code16\n" #name ": " code "\n int3\n" #name "_end:\n .code32\n")

static void carrier_init(void)
{
    uint8_t *carrier = (uint8_t *)CARRIER;
    memcpy(carrier, real_start, (size_t)(real_end - real_start));
    for (unsigned n = 0; n < 256; n++) {
        unsigned at = 0x600 + 5 * n, to = (unsigned)(real_common - real_start);
        carrier[at] = 0x6a; /* push n */
        carrier[at + 1] = (uint8_t)n;
        carrier[at + 2] = 0xe9; /* jmp real_common */
        memcpy(carrier + at + 3, &(uint16_t){(uint16_t)(to - at - 5)}, 2);
        uint32_t vector = 0x8000000 | at;
        memcpy((void *)(4 * n), &vector, 4);
    }
    gdt[SEL_FLAT / 8] = descriptor(0, 0xfffff, 0x93, 8);
    gdt[SEL_BIG / 8] = descriptor(0, 0xfffff, 0x93, 12);
}

static Real begin(void)
{
    Real in = {.sp = 0x1000,
               .flags = 2,
               .es = 0x2000,
               .cs = CODE >> 4,
               .ss = 0x3000,
               .ds = 0x2000,
               .fs = 0x2000,
               .gs = 0x2000,
               .idt_limit = 0x3ff};
    for (unsigned i = 0; i < 6; i++) {
        in.hidden[i] = SEL_DATA16;
    }
    return in;
}

static Out run_real(const Real *in, const uint8_t *code, const uint8_t *end)
{
    memset((void *)CODE, 0xcc, 0x100);
    memcpy((void *)(CODE + in->ip), code, (size_t)(end - code));
    memcpy((void *)IN, in, sizeof(*in));
    real_enter();
    Out out;
    uint32_t ss = *(volatile uint16_t *)0x8500, sp = *(volatile uint32_t *)0x8504;
    if (in->hidden[2] != SEL_BIG) {
        sp &= 0xffff;
    }
    memcpy(&out, (const void *)(ss * 16 + sp), sizeof(out));
    out.vector &= 0xff;
    return out;
}

/* -- Which vector, where, and what is in CX ---------------------------------------------------- */

SNIPPET(int_20, "int $0x20");
SNIPPET(divide, "xorw %cx, %cx; divw %cx");
SNIPPET(undefined, "ud2");
SNIPPET(into, "movb $0x7f, %al; incb %al; into");
SNIPPET(bound, "movw $5, %cx; boundw %cx, (%bx)");
SNIPPET(byte_end, "movb (%bx), %cl");
SNIPPET(word_end, "movw (%bx), %cx");
SNIPPET(dword_end, "movl (%bx), %ecx");
SNIPPET(word_store, "movw %cx, (%bx)");
SNIPPET(ss_word, "movw %ss:(%bx), %cx");
SNIPPET(bp_word, "movw (%bp), %cx");
SNIPPET(addr32_byte, "addr32 movb (%ebx), %cl");
SNIPPET(addr32_ebp, "addr32 movb (%ebp), %cl");
SNIPPET(lods_end, "lodsw");
SNIPPET(movs_end, "movsw");
SNIPPET(lldt, "lldt %ax");
SNIPPET(ltr, "ltr %ax");
SNIPPET(sldt, "sldt %ax");
SNIPPET(str, "str %ax");
SNIPPET(lar, "lar %ax, %cx");
SNIPPET(lsl, "lsl %ax, %cx");
SNIPPET(verr, "verr %ax");
SNIPPET(verw, "verw %ax");
SNIPPET(arpl, "arpl %ax, %cx");
SNIPPET(sysenter, "sysenter");
SNIPPET(sysexit, "sysexit");
SNIPPET(lock_nop, ".byte 0xf0, 0x90");
SNIPPET(mov_cs, ".byte 0x8e, 0xc8");
SNIPPET(paging, "movl %cr0, %eax; orl $0x80000000, %eax; movl %eax, %cr0");
SNIPPET(jump_far_off, ".byte 0x66, 0xe9; .long 0x20000");
SNIPPET(jump_eax, "movl $0x10000, %eax; .byte 0x66, 0xff, 0xe0");
SNIPPET(ljmp_32, ".byte 0x66, 0xea; .long 0x10000; .word 0x1000");
SNIPPET(ret_32, "pushl $0x10000; retl");
SNIPPET(vex, ".byte 0xc5, 0xf8, 0x77");

static const struct {
    const char *name;
    const uint8_t *code, *end;
    uint16_t bx, bp, si, di;
    uint8_t vector, offset;
    const char *source;
} cases[] = {
#define CASE(name) name, name##_end
    {"int", CASE(int_20), 0, 0, 0, 0, 0x20, 2, "SDM 3B 20.1.4"},
    {"divide", CASE(divide), 0, 0, 0, 0, 0, 2, "SDM 3B 20.1.4"},
    {"undefined", CASE(undefined), 0, 0, 0, 0, 6, 0, "SDM 3B 20.1.4"},
    {"into", CASE(into), 0, 0, 0, 0, 4, 5, "SDM 3B 20.1.4"},
    {"bound", CASE(bound), 0x100, 0, 0, 0, 5, 3, "SDM 3B 20.1.4"},
    {"byte-end", CASE(byte_end), 0xffff, 0, 0, 0, INT3, 3, "SDM 3B 20.1.1"},
    {"word-end", CASE(word_end), 0xffff, 0, 0, 0, 13, 0, "SDM 3A 6.15 #GP"},
    {"word-fits", CASE(word_end), 0xfffe, 0, 0, 0, INT3, 3, "SDM 3B 20.1.1"},
    {"dword-end", CASE(dword_end), 0xfffd, 0, 0, 0, 13, 0, "SDM 3A 6.15 #GP"},
    {"store-end", CASE(word_store), 0xffff, 0, 0, 0, 13, 0, "SDM 3A 6.15 #GP"},
    {"ss-end", CASE(ss_word), 0xffff, 0, 0, 0, 12, 0, "SDM 3A 6.15 #SS"},
    {"bp-end", CASE(bp_word), 0, 0xffff, 0, 0, 12, 0, "SDM 3A 6.15 #SS"},
    {"lods-end", CASE(lods_end), 0, 0, 0xffff, 0, 13, 0, "SDM 3A 6.15 #GP"},
    {"movs-end", CASE(movs_end), 0, 0, 0, 0xffff, 13, 0, "SDM 3A 6.15 #GP"},
    {"lldt", CASE(lldt), 0, 0, 0, 0, 6, 0, "SDM 2A LLDT"},
    {"ltr", CASE(ltr), 0, 0, 0, 0, 6, 0, "SDM 2A LTR"},
    {"sldt", CASE(sldt), 0, 0, 0, 0, 6, 0, "SDM 2B SLDT"},
    {"str", CASE(str), 0, 0, 0, 0, 6, 0, "SDM 2B STR"},
    {"lar", CASE(lar), 0, 0, 0, 0, 6, 0, "SDM 2A LAR"},
    {"lsl", CASE(lsl), 0, 0, 0, 0, 6, 0, "SDM 2A LSL"},
    {"verr", CASE(verr), 0, 0, 0, 0, 6, 0, "SDM 2B VERR"},
    {"verw", CASE(verw), 0, 0, 0, 0, 6, 0, "SDM 2B VERW"},
    {"arpl", CASE(arpl), 0, 0, 0, 0, 6, 0, "SDM 2A ARPL"},
    {"sysenter", CASE(sysenter), 0, 0, 0, 0, 13, 0, "SDM 2B SYSENTER"},
    {"sysexit", CASE(sysexit), 0, 0, 0, 0, 13, 0, "SDM 2B SYSEXIT"},
    {"lock-nop", CASE(lock_nop), 0, 0, 0, 0, 6, 0, "SDM 2A LOCK"},
    {"mov-cs", CASE(mov_cs), 0, 0, 0, 0, 6, 0, "SDM 2B MOV"},
    {"paging", CASE(paging), 0, 0, 0, 0, 13, 9, "SDM 2B MOV"},
    {"jmp-outside", CASE(jump_far_off), 0, 0, 0, 0, 13, 0, "SDM 2A JMP"},
    {"jmp-register-outside", CASE(jump_eax), 0, 0, 0, 0, 13, 6, "SDM 2A JMP"},
    {"ljmp-outside", CASE(ljmp_32), 0, 0, 0, 0, 13, 0, "SDM 2A JMP"},
    {"ret-outside", CASE(ret_32), 0, 0, 0, 0, 13, 6, "SDM 2B RET"},
    {"vex", CASE(vex), 0, 0, 0, 0, 6, 0, "SDM 2A 2.8"},
};

static void vectors(void)
{
    char name[40];
    memset((void *)0x20000, 0, 0x10000);
    for (unsigned i = 0; i < COUNT(cases); i++) {
        Real in = begin();
        in.bx = cases[i].bx, in.bp = cases[i].bp, in.si = cases[i].si, in.di = cases[i].di;
        Out out = run_real(&in, cases[i].code, cases[i].end);
        format(name, sizeof(name), "real-%s", cases[i].name);
        check(name, (uint64_t)out.vector << 16 | out.ip,
              (uint64_t)cases[i].vector << 16 | cases[i].offset, cases[i].source);
    }
    Real in = begin();
    in.flags = 0x7ad7;
    Out out = run_real(&in, int_20, int_20_end);
    check("int-frame", (uint64_t)out.cs << 16 | out.flags, 0x10007ad7, "SDM 3B 20.1.4");
    static const uint8_t pushf[] = {0x9c, 0x59, 0xcc};
    in.flags = 2;
    memcpy((void *)0x3000, pushf, 3); /* a handler that looks at its flags */
    uint32_t vector = 0x03000000;
    uint32_t old;
    memcpy(&old, (void *)(0x21 * 4), 4);
    memcpy((void *)(0x21 * 4), &vector, 4);
    static const uint8_t int_21[] = {0xcd, 0x21};
    in.flags = 0x7ad7;
    out = run_real(&in, int_21, int_21 + 2);
    check("int-clears-if", out.cx & 0xffff, 0x78d7, "SDM 2A INT n");
    memcpy((void *)(0x21 * 4), &old, 4);
}

/* -- The vector table
 * ------------------------------------------------------------------------------ */

static void vector_table(void)
{
    Real in = begin();
    in.idt_limit = 0x20 * 4 + 2; /* one byte short for vector 20h */
    Out out = run_real(&in, int_20, int_20_end);
    check("table-limit", (uint64_t)out.vector << 16 | out.ip, 13 << 16, "SDM 3B 20.1.4");
    in.idt_limit = 0x20 * 4 + 3;
    out = run_real(&in, int_20, int_20_end);
    check("table-inside", out.vector, 0x20, "SDM 3B 20.1.4");
    in.idt_limit = 12 * 4; /* no #GP either: double fault, which has one */
    out = run_real(&in, int_20, int_20_end);
    check("table-double", (uint64_t)out.vector << 16 | out.ip, 8 << 16, "SDM 3A 6.15 #DF");
    memcpy((void *)0x50000, (void *)0, 0x400);
    memcpy((void *)(0x50000 + 0x20 * 4), (void *)(0x21 * 4), 4);
    in.idt_limit = 0x3ff;
    in.idt_base = 0x50000;
    out = run_real(&in, int_20, int_20_end);
    check("table-base", out.vector, 0x21, "SDM 3B 20.1.4");
}

/* -- Hidden parts that stay
 * ------------------------------------------------------------------------- */

SNIPPET(unreal_read, "movb %fs:(%ebx), %cl");
SNIPPET(unreal_reload, "movw $0x2000, %ax; movw %ax, %fs; movb %fs:(%ebx), %cl");
SNIPPET(unreal_store, "movl %ecx, %fs:(%ebx)");
SNIPPET(unreal_strings, "addr32 rep stosb");
SNIPPET(big_push, "pushw %cx; pushl %ecx");
SNIPPET(big_bp, "movl (%ebp), %ecx");

static void unreal(void)
{
    Real in = begin();
    in.bx = 0x300000 - 0x20000;
    memset((void *)0x300000, 0x77, 16);
    Out out = run_real(&in, unreal_read, unreal_read_end);
    check("limit-stays", out.vector, 13, "SDM 3A 9.9.2");
    in.hidden[4] = SEL_FLAT;
    out = run_real(&in, unreal_read, unreal_read_end);
    check("unreal-read", (uint64_t)out.vector << 16 | (out.cx & 0xff), INT3 << 16 | 0x77,
          "SDM 3A 9.9.2");
    out = run_real(&in, unreal_reload, unreal_reload_end);
    check("unreal-reload", (uint64_t)out.vector << 16 | (out.cx & 0xff), INT3 << 16 | 0x77,
          "SDM 3A 9.9.2");
    in.cx = 0x12345678;
    out = run_real(&in, unreal_store, unreal_store_end);
    check("unreal-store", *(volatile uint32_t *)0x300000, 0x12345678, "SDM 3A 9.9.2");
    in.hidden[0] = SEL_FLAT;
    in.di = in.bx, in.cx = 5, in.ax = 0x99;
    out = run_real(&in, unreal_strings, unreal_strings_end);
    check("unreal-stos", *(volatile uint8_t *)0x300004 << 8 | (out.cx & 0xff), 0x9900,
          "SDM 3A 9.9.2");
    check("unreal-stos-edi", out.di, in.di + 5, "SDM 3A 9.9.2");
    in.fs = 0xffff; /* base and offset add up within 32 bits */
    in.bx = 0xfff00510;
    memset((void *)0x500, 0x31, 1);
    out = run_real(&in, unreal_read, unreal_read_end);
    check("unreal-wrap", (uint64_t)out.vector << 16 | (out.cx & 0xff), INT3 << 16 | 0x31,
          "SDM 3A 3.3");
    /* a stack with 32 bits of ESP */
    in = begin();
    in.hidden[2] = SEL_BIG;
    in.ss = 0;
    in.sp = 0x200000;
    in.cx = 0x89abcdef;
    out = run_real(&in, big_push, big_push_end);
    check("big-stack-sp", out.sp, 0x200000 - 6 - 8, "SDM 1 6.2.3");
    check("big-stack-value", *(volatile uint32_t *)(0x200000 - 6), 0x89abcdef, "SDM 1 6.2.3");
    in.bp = 0x300000;
    *(volatile uint32_t *)0x300000 = 0x13572468;
    out = run_real(&in, big_bp, big_bp_end);
    check("big-stack-ebp", out.cx, 0x13572468, "SDM 1 6.2.3");
}

/* -- Wrapping addresses and A20
 * ----------------------------------------------------------------------- */

SNIPPET(base_index_wrap, "movb 0x20(%bx,%si), %cl");
SNIPPET(push_wrap, "pushw %cx; movw %sp, %dx; movw $0x1000, %sp");
SNIPPET(push_sp, "pushw %sp; popw %cx");
SNIPPET(rep_wrap, "rep lodsb");
SNIPPET(above_1m, "movb %es:(%bx), %cl");
SNIPPET(a20_fast, "inb $0x92, %al; andb $0xfc, %al; outb %al, $0x92; movb %es:(%bx), %cl;"
                  "orb $2, %al; outb %al, $0x92; movb %es:(%bx), %ch");
#define WAIT_8042 "1: inb $0x64, %al; testb $2, %al; jnz 1b;"
SNIPPET(a20_8042, WAIT_8042
        "movb $0xd1, %al; outb %al, $0x64;" WAIT_8042 "movb $0xdd, %al; outb %al, $0x60;" WAIT_8042
        "movb $0xff, %al; outb %al, $0x64;" WAIT_8042
        "movb %es:(%bx), %cl; movb $0xd1, %al; outb %al, $0x64;" WAIT_8042
        "movb $0xdf, %al; outb %al, $0x60;" WAIT_8042 "movb $0xff, %al; outb %al, $0x64;" WAIT_8042
        "movb %es:(%bx), %ch");
SNIPPET(far_round, "lcall $0x1000, $1f - far_round; int3; 1: popw %cx; popw %dx");
SNIPPET(iret_flags, "pushw $0x7ad7; pushw %cs; pushw $1f - iret_flags; iret; nop;"
                    "1: pushf; popw %cx; pushw $2; popf");
SNIPPET(popf_iopl, "pushw $0x7002; popfw; pushfw; popw %cx; pushw $2; popfw");
SNIPPET(lmsw, "smsw %ax; orb $9, %al; lmsw %ax; smsw %cx; movl %cr0, %eax; andb $0xf6, %al;"
              "movl %eax, %cr0; smsw %dx");
SNIPPET(segment_base, "movw $0x2345, %ax; movw %ax, %fs; movb %fs:1, %cl; movw %fs, %dx");
SNIPPET(pe_and_back, "movl %cr0, %eax; orb $1, %al; movl %eax, %cr0; movb (%bx), %cl;"
                     "andb $0xfe, %al; movl %eax, %cr0; movb (%bx), %ch");

static void wrapping(void)
{
    Real in = begin();
    memset((void *)0x20000, 0, 0x10000);
    *(uint8_t *)0x20010 = 0x42;
    in.bx = 0xfff0, in.si = 0x0;
    Out out = run_real(&in, base_index_wrap, base_index_wrap_end);
    check("address-wrap", out.cx & 0xff, 0x42, "SDM 1 3.3.5");
    in = begin();
    in.sp = 0;
    in.cx = 0x5a5a;
    out = run_real(&in, push_wrap, push_wrap_end);
    check("push-wrap", (out.dx & 0xffff) << 16 | *(volatile uint16_t *)0x3fffe, 0xfffe5a5a,
          "SDM 3B 20.1.1");
    in = begin();
    out = run_real(&in, push_sp, push_sp_end);
    check("push-sp", out.cx & 0xffff, 0x1000, "SDM 2B PUSH");
    in.si = 0xfffe, in.cx = 4;
    out = run_real(&in, rep_wrap, rep_wrap_end);
    check("rep-wrap", (out.si & 0xffff) << 16 | (out.cx & 0xffff), 2 << 16, "SDM 2B REP");
    in = begin();
    out = run_real(&in, far_round, far_round_end);
    check("far-call", (out.dx & 0xffff) << 16 | (out.cx & 0xffff), 0x10000005, "SDM 2A CALL");
    out = run_real(&in, iret_flags, iret_flags_end);
    check("iret-flags", out.cx & 0xffff, 0x7ad7, "SDM 2A IRET");
    out = run_real(&in, popf_iopl, popf_iopl_end);
    check("popf-iopl", out.cx & 0xffff, 0x7002, "SDM 2B POPF");
    out = run_real(&in, lmsw, lmsw_end);
    check("lmsw-pe", (out.cx & 9) << 4 | (out.dx & 9), 0x90, "SDM 2A LMSW");
    *(uint8_t *)0x23451 = 0x17;
    out = run_real(&in, segment_base, segment_base_end);
    check("segment-base", (out.dx & 0xffff) << 8 | (out.cx & 0xff), 0x234517, "SDM 3B 20.1.1");
    *(uint8_t *)0x20100 = 0x33;
    in.bx = 0x100;
    out = run_real(&in, pe_and_back, pe_and_back_end);
    check("pe-and-back", out.cx & 0xffff, 0x3333, "SDM 3A 9.9");

    in = begin();
    in.es = 0xffff, in.bx = 0x510; /* 100500h, or 500h */
    uint8_t upper = *(volatile uint8_t *)0x100500;
    memset((void *)0x500, (uint8_t)~upper, 1);
    out = run_real(&in, above_1m, above_1m_end);
    check("above-1m", out.cx & 0xff, upper, "SDM 3B 20.1.1");
    out = run_real(&in, a20_fast, a20_fast_end);
    check("a20-port-92", out.cx & 0xffff, (unsigned)upper << 8 | (uint8_t)~upper,
          "SDM 3A 8.7.13.4");
    out = run_real(&in, a20_8042, a20_8042_end);
    check("a20-8042", out.cx & 0xffff, (unsigned)upper << 8 | (uint8_t)~upper, "SDM 3A 8.7.13.4");
}

int main(void);
int main(void)
{
    carrier_init();
    vectors();
    vector_table();
    unreal();
    wrapping();
    return 0;
}
