/* SPDX-License-Identifier: MIT */
/* What a translator that follows hot paths may get wrong: shared checks of memory, flags that are
 * made again, and what the silicon says when such a path faults. */
#include "cpu-test.h"

#define ROUNDS 1500

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

int main(void);
int main(void)
{
    compare_stack_pointer();
    return 0;
}
