/* SPDX-License-Identifier: MIT */
/* A triple fault: an exception without a table of handlers. */
#include "kvm-guest.h"

void main(void)
{
    static const struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } none = {0, 0};

    print("before\n");
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
    print("after\n");
}
