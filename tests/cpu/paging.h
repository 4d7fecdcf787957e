/* SPDX-License-Identifier: MIT */
/* What the guests about paging share: bits of entries and registers, and one access in ring 0 or 3
 * with all that came of it in one number. Define USER_CODE and CODE_FRAME, the linear and the
 * physical address of a page that ring 3 executes, then include once, in the guest's file. */
#ifndef TESTS_CPU_PAGING_H
#define TESTS_CPU_PAGING_H

#include "cpu-test.h"

#define BIT(n) (1ull << (n))
#define P BIT(0)
#define W BIT(1)
#define U BIT(2)
#define A BIT(5)
#define D BIT(6)
#define PS BIT(7)
#define G BIT(8)
#define NX BIT(63)

#define CR0_WP 0x10000u
#define CR4_PGE 0x80u
#define CR4_SMEP 0x100000u
#define CR4_SMAP 0x200000u
#define MSR_EFER 0xc0000080u
#define EFER_NXE 0x800u
#define FLAGS_AC 0x40000u
#define UNTOUCHED_CR2 0xdeadbee0u

typedef enum Access { READ, WRITE, CHANGE, FETCH, USER = 8 } Access;

static void set_efer_nxe(bool on)
{
    uint64_t efer = read_msr(MSR_EFER);
    write_msr(MSR_EFER, on ? efer | EFER_NXE : efer & ~(uint64_t)EFER_NXE);
}

/* One access, with EFLAGS.AC set or clear. INT3 follows: vector 3 says that it was made. */
static Trap touch(unsigned access, word address, bool ac)
{
    static const uint8_t code[4][4] = {
        {0x8a, 0x08, 0xcc}, /* mov (%rax), %cl, or by EAX */
        {0x88, 0x08, 0xcc}, /* mov %cl, (%rax) */
        {0xfe, 0x00, 0xcc}, /* incb (%rax) */
        {0xff, 0xe0, 0xcc}, /* jmp *%rax */
    };
    bool user = access & USER;
    Regs regs = {.cs = user ? SEL_USER : SEL_CODE,
                 .ss = user ? SEL_USER_DATA : SEL_DATA,
                 .sp = user_stack_top(),
                 .flags = 2 | (ac ? FLAGS_AC : 0),
                 .ax = address,
                 .cx = 0xcc};
    memcpy((void *)CODE_FRAME, code, sizeof(code));
    regs.ip = user ? USER_CODE + 4 * (access & 3) : (word)code[access & 3];
    write_cr2(UNTOUCHED_CR2);
    return run(&regs);
}

#define DONE 0x30000u /* INT3: no fault */

/* Vector and error code as one number; bit 31: CR2 is not what it should be. */
static uint32_t outcome(const Trap *trap, word address)
{
    word want_cr2 = trap->vector == 14 ? address : UNTOUCHED_CR2;
    return trap->vector << 16 | (trap->vector == 3 ? 0 : trap->error) |
           (trap->cr2 != want_cr2 ? (uint32_t)BIT(31) : 0);
}

static uint32_t page_fault(uint32_t error)
{
    return 14 << 16 | error;
}

#endif
