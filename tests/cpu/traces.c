/* SPDX-License-Identifier: MIT */
/* What a translator that follows hot paths may get wrong: shared checks of memory, flags that are
 * made again, and what the silicon says when such a path faults. */
#include "cpu-test.h"

#define ROUNDS 1500
#define P 1ull
#define W 2ull
#define PS 0x80ull
#define A 0x20ull
#define WINDOW 0x8000000000ull
#define SMALL 4096ull
#define LARGE (1ull << 21)
#define OTHER_FRAME (16 * LARGE)
#define ARITHMETIC 0x8d5u
#define VECTOR_GP 13

typedef uint64_t Table[512] __attribute__((aligned(4096)));
static Table window3, window2, window1;
static uint8_t bytes[2 * SMALL] __attribute__((aligned(4096)));

/* Flags of the stack pointer, which the return itself moves; nobody asks for them behind it. */
static void compare_stack_pointer(void)
{
    word rounds = ROUNDS;

    __asm__ volatile(".balign 128\n"
                     "1: call 2f\n"
                     "xor %%edx, %%edx\n"
                     "dec %0\n"
                     "jnz 1b\n"
                     "jmp 3f\n"
                     "2: push %%rbp\n"
                     "mov %%rsp, %%rbp\n"
                     "leave\n"
                     "cmp %%rax, %%rsp\n"
                     "ret\n"
                     "3:"
                     : "+r"(rounds)
                     :
                     : "rdx", "cc", "memory");
    check("compared-stack-pointer", rounds, 0, "SDM 1 6.4.1");
}

/* A byte 8 below what a displacement of -2 GiB reaches: its distance takes 33 bits. */
static void reach_far(void)
{
    uint64_t *root = (uint64_t *)(read_cr3() & ~0xfffull);
    uint64_t *level3 = (uint64_t *)(root[0] & ~0xfffull);
    uint64_t old = level3[4], low = 0, high = 0;
    unsigned wrong = 0;

    memset(window2, 0, sizeof(window2));
    for (unsigned i = 0; i < 512; i++) {
        window2[i] = OTHER_FRAME | P | W | PS;
    }
    level3[4] = (word)window2 | P | W;
    write_cr3(read_cr3());
    memset((uint8_t *)(word)OTHER_FRAME + ((word)bytes & (LARGE - 1)), 0xee, sizeof(bytes));
    for (unsigned i = 0; i < 128; i++) {
        bytes[i] = (uint8_t)i;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        __asm__ volatile("lea -8(%2), %%rcx\n\t"
                         "mov -0x80000000(%2), %0\n\t"
                         "mov -0x80000000(%%rcx), %1"
                         : "=&r"(high), "=&r"(low)
                         : "r"((word)&bytes[64] + 0x80000000ull)
                         : "rcx", "memory");
        wrong += low != 0x3f3e3d3c3b3a3938ull || high != 0x4746454443424140ull;
    }
    level3[4] = old;
    write_cr3(read_cr3());
    check("reached-two-gib-below", wrong, 0, "SDM 1 3.7.5");
}

/* A misaligned operand faults with the flags of before, although the next instruction would
 * rewrite them and what they were made of is gone. */
static __attribute__((noinline)) void exchange_at(uint8_t *to)
{
    word carry = 1;

    CATCH("cmp $2, %%rax\n\t"
          "mov %%rdx, 64(%1)\n\t"
          "mov $9, %%eax\n\t"
          "cmpxchg16b (%1)\n\t"
          "xor %%edx, %%edx",
          "+a"(carry)
          : "r"(to)
          : "rdx", "cc", "memory");
}

static void fault_with_flags(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        exchange_at(bytes);
    }
    check("exchange-aligned", caught.vector, NO_TRAP, "SDM 2A CMPXCHG16B");
    exchange_at(bytes + 8);
    check("exchange-misaligned", caught.vector, VECTOR_GP, "SDM 2A CMPXCHG16B");
    check("exchange-misaligned-flags", caught.regs.flags & ARITHMETIC, 0x95, "SDM 3A 6.5");
}

/* XMM0 gets what two reads and an addition make of it. */
static __attribute__((noinline)) uint64_t add_behind_reads(word from)
{
    uint64_t result, first, second;

    __asm__ volatile("pxor %%xmm0, %%xmm0\n\t"
                     "pcmpeqd %%xmm1, %%xmm1\n\t"
                     "jmp 1f\n"
                     "1: mov (%3), %1\n\t"
                     "mov 8(%3), %2\n\t"
                     "psubq %%xmm1, %%xmm0\n\t"
                     "jmp 2f\n"
                     "2: movq %%xmm0, %0"
                     : "=r"(result), "=&r"(first), "=&r"(second)
                     : "r"(from)
                     : "memory");
    return result;
}

/* The walk of a shared check sets a bit in a page of tables that holds code as well. */
static void walk_through_code(void)
{
    uint64_t *root = (uint64_t *)(read_cr3() & ~0xfffull);
    void (*volatile function)(void) = (void (*)(void)) & window1[256];
    unsigned wrong = 0;

    memset(window2, 0, sizeof(window2));
    root[WINDOW >> 39] = (word)window3 | P | W;
    window3[0] = (word)window2 | P | W;
    window2[0] = (word)window1 | P | W;
    for (unsigned i = 0; i < 3; i++) {
        window1[i] = (word)bytes | P | W;
    }
    window1[256] = 0xc3; /* ret */
    write_cr3(read_cr3());
    for (unsigned i = 0; i < ROUNDS; i++) {
        wrong += add_behind_reads(WINDOW + SMALL - 8) != 1;
        wrong += add_behind_reads(WINDOW + 2 * SMALL + 64) != 1;
    }
    check("added-beside-page-end", wrong, 0, "SDM 1 4.8");
    for (unsigned i = 0; i < ROUNDS; i++) {
        function();
        window1[2] &= ~A;
        __asm__ volatile("invlpg (%0)" : : "r"(WINDOW + 2 * SMALL) : "memory");
        wrong += add_behind_reads(WINDOW + 2 * SMALL + 64) != 1;
        wrong += !(window1[2] & A);
    }
    check("added-behind-walk-through-code", wrong, 0, "SDM 3A 4.8");
}

/* The longest code for the fewest bytes: 96 copies in one path, over pages where some leave it. */
static void copy_often(void)
{
    static const uint64_t from[4] = {1, 2, 3, 4};
    unsigned wrong = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t *to = (uint64_t *)&bytes[i % SMALL & ~7ull];
        const void *source = from;
        word count = 4;
        to[3] = 0;
        __asm__ volatile("rep movsq\n\t"
                         ".rept 92\n\t"
                         "rep movsq\n\t"
                         ".endr"
                         : "+c"(count), "+S"(source), "+D"(to)
                         :
                         : "memory");
        wrong += to[-1] != 4 || count;
    }
    check("copied-often", wrong, 0, "SDM 2B REP");
}

int main(void);
int main(void)
{
    reach_far();
    fault_with_flags();
    walk_through_code();
    copy_often();
    compare_stack_pointer();
    return 0;
}
