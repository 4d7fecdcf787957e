/* SPDX-License-Identifier: MIT */
/* Slots of translated code: the piece of host memory an access found last (slots.c, light). */
#ifndef ACCEL_TCG_SLOTS_H
#define ACCEL_TCG_SLOTS_H

#include "accel/tcg.h"

/* Which slot an access uses. */
typedef struct TlbSlotUse {
    uint16_t slot;
    uint8_t log2; /* of the size it is for, at least that of the access */
} TlbSlotUse;

/* One for an access of that many bytes that no other access in this address space uses. False:
 * there is none so large, or all that were looked at are in use. With the code lock. */
bool slot_choose(const X86Cpu *cpu, unsigned size, bool is_write, TlbSlotUse *ret_use);
/* From translated code: the access of the current context at `linear`, whose entry is filled, has
 * missed its slot, TlbSlotUse.slot | log2 << 16. */
void tlb_fill_slot(X86Cpu *cpu, uint64_t linear, unsigned use);
/* Of this CPU, which stands still or is the caller's: a right has been taken away. Also what is
 * known of stores beside code goes. */
void slots_empty(X86Cpu *cpu);
void slots_init(X86Cpu *cpu);

#endif
