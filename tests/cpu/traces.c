/* SPDX-License-Identifier: MIT */
/* What a translator that follows hot paths may get wrong: shared checks of memory, flags that are
 * made again, and what the silicon says when such a path faults. */
#include "cpu-test.h"

#define ROUNDS 1500
#define SMALL 4096ull
#define ARITHMETIC 0x8d5u
#define VECTOR_GP 13

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

int main(void);
int main(void)
{
    fault_with_flags();
    compare_stack_pointer();
    return 0;
}
