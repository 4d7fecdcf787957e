/* SPDX-License-Identifier: MIT */
/* Guest FPU state between the host's registers and cpu->fpu. Intel SDM vol. 1 ch. 13. */
#include "accel/tcg/tcg-internal.h"
#include "target/i386/helpers/access.h"

/* x87, SSE, AVX, AVX-512: what guests may be offered. */
#define CARRIED_COMPONENTS 0xe7u

static uint32_t components; /* of those, what the host has; 0: not asked yet */

static uint32_t host_components(void)
{
    uint32_t low, high;

    if (!components) {
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        components = low & CARRIED_COMPONENTS;
    }
    return components;
}

void fpu_park(X86Cpu *cpu)
{
    static const uint32_t clean_mxcsr = 0x1f80;
    uint32_t mask = host_components();

    if (!cpu->fpu_live) {
        return;
    }
    __asm__ volatile("xsave64 %0" : "+m"(cpu->fpu) : "a"(mask), "d"(0) : "memory");
    if (mask & 4) {
        __asm__ volatile("vzeroupper");
    }
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(clean_mxcsr));
    cpu->fpu_live = false;
}

void fpu_unpark(X86Cpu *cpu)
{
    if (!cpu->fpu_live) {
        __asm__ volatile("xrstor64 %0"
                         :
                         : "m"(cpu->fpu), "a"(host_components()), "d"(0)
                         : "memory");
        cpu->fpu_live = true;
    }
}
