/* SPDX-License-Identifier: MIT */
/* Machine checks: errors of the hardware that somebody wants a CPU to report (Intel SDM volume 3,
 * "Machine-Check Architecture"). */
#ifndef TARGET_I386_MACHINE_CHECK_H
#define TARGET_I386_MACHINE_CHECK_H

#include "target/i386/cpu.h"
#include "util/error.h"

/* IA32_MCi_STATUS */
#define MCI_STATUS_VAL (1ull << 63)
#define MCI_STATUS_OVER (1ull << 62)  /* there was another error in this bank */
#define MCI_STATUS_UC (1ull << 61)    /* not corrected */
#define MCI_STATUS_EN (1ull << 60)    /* its reporting was switched on */
#define MCI_STATUS_MISCV (1ull << 59) /* MISC and ADDR of the bank are valid */
#define MCI_STATUS_ADDRV (1ull << 58)
#define MCI_STATUS_S (1ull << 56)   /* signalled by a machine check... */
#define MCI_STATUS_AR (1ull << 55)  /* ...and software has to act before it goes on */
#define MCI_DATA_LOAD 0x134         /* error code: a load found bad data */
#define MCI_MISC_PHYSICAL (2u << 6) /* ADDR is a physical address, ... */
#define MCI_MISC_PAGE 12u           /* ...of which so many low bits do not count */

/* IA32_MCG_STATUS */
#define MCG_STATUS_RIPV 0x1u /* the guest can go on at RIP, ... */
#define MCG_STATUS_EIPV 0x2u /* ...where the error is to be blamed on */

typedef struct MachineCheck {
    unsigned bank;
    uint64_t status, address, misc; /* what the bank's registers tell */
    uint64_t global;                /* IA32_MCG_STATUS: RIPV and EIPV; MCIP goes without saying */
} MachineCheck;

typedef enum MachineCheckResult {
    MACHINE_CHECK_OFF,    /* the guest has switched off that errors of this bank are reported */
    MACHINE_CHECK_LOGGED, /* in the bank, which the guest may read: it was corrected */
    MACHINE_CHECK_RAISED, /* the same, and #MC is on its way */
    MACHINE_CHECK_LOST    /* the guest cannot take it (now), which shuts the CPU down */
} MachineCheckResult;

/* Fails when the CPU has no such bank, or the status is none of an error. */
bool machine_check_is_possible(const X86Cpu *cpu, const MachineCheck *check, Error **err);
/* Whether all CPUs hear of one's errors that were not corrected, as Intel's do since 2006. */
bool machine_check_is_broadcast(const X86Cpu *cpu);
/* Both by vcpu_run_on(), under the lock; they emit MEMORY_FAILURE. The second is for the others
 * when it is broadcast: #MC without an error of their own; one that waits for its SIPI hears
 * nothing. */
MachineCheckResult machine_check_inject(X86Cpu *cpu, const MachineCheck *check);
MachineCheckResult machine_check_join(X86Cpu *cpu);
/* The same event for an error that no CPU can be told of: it stays with us. Under the lock. */
void machine_check_not_told(void);

#endif
