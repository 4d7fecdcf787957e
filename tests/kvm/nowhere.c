/* SPDX-License-Identifier: MIT */
/* Goes on where there is no memory, which no KVM can fetch instructions from. */
#include "kvm-guest.h"

void main(void)
{
    print("before\n");
    ((void (*)(void))0xd0000000u)();
}
