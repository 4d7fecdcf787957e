/* SPDX-License-Identifier: MIT */
/* Memory slots as they are in the kernel: for the log of written pages. */
#ifndef ACCEL_KVM_SLOTS_H
#define ACCEL_KVM_SLOTS_H

#include "accel/kvm/kvm-internal.h"
#include "softmmu/memory.h"

typedef struct KvmSlot {
    uint64_t start, size; /* guest physical, whole pages */
    uint8_t *host;
    bool read_only;
    unsigned id;    /* number in its space */
    unsigned flags; /* KVM_MEM_* */
    RamBlock *block;
    uint64_t block_offset; /* of `host` */
} KvmSlot;

/* Those of address space `space`, sorted. Under the lock. */
GArray *kvm_slots(unsigned space);
/* By the number the kernel has for it: space << 16 | id; NULL: it is gone. */
const KvmSlot *kvm_slot_find(uint32_t number);
/* Gives slots of the block that are logged, or no longer, the flag. */
void kvm_slots_update_flags(RamBlock *block);
/* Pages of the slot that were written become dirty ones of ours. */
void kvm_dirty_collect(unsigned space, const KvmSlot *slot);

#endif
