/* SPDX-License-Identifier: MIT */
/* What the guests about system management mode share: where SMRAM lies, who opens it to data, and
 * the port that raises an SMI. Include once, in the guest's file. Intel 290549 (the host bridge)
 * and 290562 (power management of the PIIX4). */
#ifndef TESTS_CPU_SMM_H
#define TESTS_CPU_SMM_H

#include "cpu-test.h"

#define SMRAM 0xa0000u
#define SMM_ENTRY 0x8000u
enum { CF8 = 0xcf8, CFC = 0xcfc, HOST_SMRAM = 0x72, PM_FUNCTION = 0xb, PM_DEVACTB = 0x58 };
enum { SMRAM_USUAL = 0x0a, SMRAM_OPEN = 0x40 };

static void set_host_smram(uint8_t value)
{
    outl(CF8, 0x80000000 | (HOST_SMRAM & 0xfc));
    outb(CFC + (HOST_SMRAM & 3), value);
}

static bool find_power_management(void)
{
    outl(CF8, 0x80000000 | PM_FUNCTION << 8);
    if (inl(CFC) != 0x71138086) {
        return false;
    }
    outl(CF8, 0x80000000 | PM_FUNCTION << 8 | PM_DEVACTB);
    outl(CFC, inl(CFC) | 1u << 25); /* APMC_EN: a write of port B2h is an SMI */
    return true;
}

#endif
