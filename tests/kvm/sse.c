/* SPDX-License-Identifier: MIT */
/* An SSE instruction in ring 0, which a KVM without hardware cannot carry out. */
#include "kvm-guest.h"

void main(void)
{
    static uint32_t vector[4];

    vector[1] = 0x12345678;
    print("before\n");
    __asm__ volatile("movl %%cr4, %%eax; orl $0x600, %%eax; movl %%eax, %%cr4\n\t"
                     "movups %0, %%xmm0\n\t"
                     "pshufd $1, %%xmm0, %%xmm0\n\t"
                     "movups %%xmm0, %0"
                     : "+m"(vector)
                     :
                     : "eax");
    result("element", vector[0]);
    finish();
}
