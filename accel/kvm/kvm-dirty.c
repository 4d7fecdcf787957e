/* SPDX-License-Identifier: MIT */
/*
 * Which pages the guest has written: the kernel's log of a slot, or rings, one a vCPU, become bits
 * of RamBlock.dirty, where our own writes (DMA) already are. Asked for when a client that logs a
 * block (ram_block_log) looks at it.
 *
 * A ring entry names slot and page. The entries a vCPU has put there are taken, marked and handed
 * back; the kernel write-protects the pages anew when told so (KVM_RESET_DIRTY_RINGS).
 */
#include "accel/kvm/kvm-slots.h"

#include <errno.h>
#include <sys/mman.h>

#define BITS_PER_WORD 64

static void mark_page(const KvmSlot *slot, uint64_t page)
{
    uint64_t offset = page << TARGET_PAGE_BITS;

    if (offset < slot->size) {
        ram_block_mark_dirty(slot->block, slot->block_offset + offset, TARGET_PAGE_SIZE);
    }
}

static void collect_log(unsigned space, const KvmSlot *slot)
{
    size_t words = (slot->size / TARGET_PAGE_SIZE + BITS_PER_WORD - 1) / BITS_PER_WORD;
    g_autofree uint64_t *bitmap = g_new0(uint64_t, words);
    struct kvm_dirty_log log = {.slot = space << 16 | slot->id, .dirty_bitmap = bitmap};
    int result = kvm_ioctl(kvm.fd, KVM_GET_DIRTY_LOG, &log);

    if (result < 0) {
        kvm_complain("reading the log of written pages", result);
        return;
    }
    for (size_t i = 0; i < words; i++) {
        for (uint64_t word = bitmap[i]; word; word &= word - 1) {
            mark_page(slot, i * BITS_PER_WORD + (unsigned)__builtin_ctzll(word));
        }
    }
}

void kvm_dirty_collect(unsigned space, const KvmSlot *slot)
{
    if (kvm.dirty_ring_bytes) {
        kvm_dirty_ring_collect();
    } else {
        collect_log(space, slot);
    }
}

/* -- Rings ------------------------------------------------------------------------------------- */

static uint32_t collect_ring(KvmVcpu *kv)
{
    uint32_t size = (uint32_t)(kvm.dirty_ring_bytes / sizeof(*kv->dirty_ring)), count = 0;

    for (;;) {
        struct kvm_dirty_gfn *entry = &kv->dirty_ring[kv->dirty_next % size];
        const KvmSlot *slot;

        if (!(__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY)) {
            return count;
        }
        slot = kvm_slot_find(entry->slot);
        if (slot) {
            mark_page(slot, entry->offset);
        }
        __atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
        kv->dirty_next++;
        count++;
    }
}

void kvm_dirty_ring_collect(void)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < vcpu_count(); i++) {
        KvmVcpu *kv = kvm_of(vcpu_get(i));

        count += kv && kv->dirty_ring ? collect_ring(kv) : 0;
    }
    if (count) {
        int result = kvm_ioctl(kvm.fd, KVM_RESET_DIRTY_RINGS, NULL);

        if (result < 0) {
            kvm_complain("handing ring entries back", result);
        }
    }
}

bool kvm_dirty_ring_init(KvmVcpu *kv, Error **err)
{
    void *ring;

    if (!kvm.dirty_ring_bytes) {
        return true;
    }
    ring = mmap(NULL, kvm.dirty_ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, kv->fd,
                (off_t)(KVM_DIRTY_LOG_PAGE_OFFSET * TARGET_PAGE_SIZE));
    if (ring == MAP_FAILED) {
        return error_set_errno(err, errno, "kvm: cannot map the ring of CPU %u", kv->vcpu->index);
    }
    kv->dirty_ring = ring;
    return true;
}

static bool enable_rings(Error **err)
{
    uint64_t bytes = kvm_options.dirty_ring_size * sizeof(struct kvm_dirty_gfn);
    unsigned capability = kvm_check(KVM_CAP_DIRTY_LOG_RING_ACQ_REL) ? KVM_CAP_DIRTY_LOG_RING_ACQ_REL
                                                                    : KVM_CAP_DIRTY_LOG_RING;
    uint64_t most = (uint64_t)kvm_check(capability);
    int result;

    if (bytes & (bytes - 1)) {
        return error_set(err, "dirty-ring-size is a power of two");
    }
    if (!most) {
        return error_set(err, "dirty-ring-size: the kernel's KVM has no such rings (Linux 5.11)");
    }
    if (bytes > most || bytes < TARGET_PAGE_SIZE) {
        return error_set(err, "dirty-ring-size: %llu to %llu entries are possible",
                         TARGET_PAGE_SIZE / sizeof(struct kvm_dirty_gfn),
                         (unsigned long long)(most / sizeof(struct kvm_dirty_gfn)));
    }
    result = kvm_enable(capability, bytes, 0);
    if (result < 0) {
        return error_set_errno(err, -result, "dirty-ring-size");
    }
    kvm.dirty_ring_bytes = (unsigned)bytes;
    return true;
}

/* -- What clients ask -------------------------------------------------------------------------- */

static void on_dirty_wanted(RamBlock *block, uint64_t offset, uint64_t size)
{
    if (kvm.dirty_ring_bytes) {
        /* what a running vCPU has written is told when it leaves the guest */
        kvm_gate_close();
        kvm_dirty_ring_collect();
        kvm_gate_open();
        return;
    }
    for (unsigned space = 0; space < kvm.space_count; space++) {
        GArray *slots = kvm_slots(space);

        for (guint i = 0; i < slots->len; i++) {
            const KvmSlot *slot = &g_array_index(slots, KvmSlot, i);

            if (slot->block == block && slot->flags & KVM_MEM_LOG_DIRTY_PAGES &&
                slot->block_offset < offset + size && offset < slot->block_offset + slot->size) {
                collect_log(space, slot);
            }
        }
    }
}

bool kvm_dirty_init(Error **err)
{
    if (kvm_options.dirty_ring_size && !enable_rings(err)) {
        return false;
    }
    ram_dirty_wanted = on_dirty_wanted;
    ram_log_changed = kvm_slots_update_flags;
    return true;
}
