/* SPDX-License-Identifier: MIT */
/*
 * Which pages the guest has written: the kernel's log of a slot, or rings, one a vCPU, become bits
 * of RamBlock.dirty, where our own writes (DMA) already are. Asked for when a client that logs a
 * block (ram_block_log) looks at it.
 *
 * A ring entry names slot and page. The entries a vCPU has put there are taken, marked and handed
 * back; the kernel write-protects the pages anew when told so (KVM_RESET_DIRTY_RINGS).
 *
 * A ring is never full to its last entry: a vCPU leaves the guest before. But there are KVMs in
 * software that note each store and look whether there is room only now and then. They write over
 * what nobody has taken, so all pages count as written, and go on further on in the ring than we
 * do: the entries between are handed back as if they were taken, up to the next that is written.
 * A vCPU with so much in between that it never gets to write one has some handed back blindly:
 * fewer than it is ahead, or its ring would not be full for it.
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

static uint32_t ring_entries(void)
{
    return (uint32_t)(kvm.dirty_ring_bytes / sizeof(struct kvm_dirty_gfn));
}

static struct kvm_dirty_gfn *ring_entry(const KvmVcpu *kv, uint32_t number)
{
    return &kv->dirty_ring[number % ring_entries()];
}

static bool is_written(const struct kvm_dirty_gfn *entry)
{
    return __atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY;
}

static void hand_back(KvmVcpu *kv, uint32_t count)
{
    for (; count > 0; count--) {
        __atomic_store_n(&ring_entry(kv, kv->dirty_next++)->flags, KVM_DIRTY_GFN_F_RESET,
                         __ATOMIC_RELEASE);
    }
}

/* Entries up to the next written one, of `count` that follow; 0: there is none. */
static uint32_t find_written(const KvmVcpu *kv, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_written(ring_entry(kv, kv->dirty_next + i))) {
            return i;
        }
    }
    return 0;
}

static void mark_all(void)
{
    for (unsigned space = 0; space < kvm.space_count; space++) {
        GArray *slots = kvm_slots(space);

        for (guint i = 0; i < slots->len; i++) {
            const KvmSlot *slot = &g_array_index(slots, KvmSlot, i);

            if (slot->size && slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
                ram_block_mark_dirty(slot->block, slot->block_offset, slot->size);
            }
        }
    }
}

static uint32_t collect_ring(KvmVcpu *kv)
{
    uint32_t size = ring_entries(), count = 0;

    while (count < size) {
        const struct kvm_dirty_gfn *entry = ring_entry(kv, kv->dirty_next);
        uint32_t step = 1;

        if (is_written(entry)) {
            const KvmSlot *slot = kvm_slot_find(entry->slot);

            if (slot) {
                mark_page(slot, entry->offset);
            }
        } else {
            step = kv->dirty_overrun ? find_written(kv, size - count) : 0;
        }
        if (!step) {
            break;
        }
        hand_back(kv, step);
        count += step;
    }
    if (count == size) {
        kvm_complain("keeping within a ring of written pages", -ENOBUFS);
        kv->dirty_overrun = true;
        mark_all();
    } else if (count) {
        kv->dirty_overrun = false;
    }
    kv->dirty_stuck &= !count;
    return count;
}

static void reset_rings(void)
{
    int result = kvm_ioctl(kvm.fd, KVM_RESET_DIRTY_RINGS, NULL);

    if (result < 0) {
        kvm_complain("handing ring entries back", result);
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
        reset_rings();
    }
}

/* Others may be in KVM_RUN: their rings are left alone. */
void kvm_dirty_ring_full(KvmVcpu *kv)
{
    uint32_t count = collect_ring(kv);

    if (!count && kv->dirty_overrun && kv->dirty_stuck) {
        count = ring_entries() / 4;
        hand_back(kv, count);
    }
    if (count) {
        reset_rings();
    }
    kv->dirty_stuck = kv->dirty_overrun;
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
