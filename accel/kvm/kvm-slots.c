/* SPDX-License-Identifier: MIT */
/*
 * Memory slots: RAM and ROM of the flat views, as the kernel maps them into the guest. Whatever is
 * in no slot makes an exit and is served from the view, so a slot may be left out but may never
 * show anything else than the view does.
 *
 * A new view is compared with the slots there are. What stayed the same stays; the rest goes, then
 * what is new comes. A vCPU that ran in between would miss memory that only changed its bounds or
 * rights, which for an instruction fetch is fatal: then the others are kept out of KVM_RUN. So they
 * are while a slot whose written pages are logged goes, or their last stores would not be told.
 */
#include "accel/kvm/kvm-slots.h"

#include <errno.h>

#define MAX_SPACES 2
#define PAGE_MASK (TARGET_PAGE_SIZE - 1)

static GArray *spaces[MAX_SPACES]; /* of KvmSlot */
static bool *used_ids[MAX_SPACES];

static AddressSpace *const views[MAX_SPACES] = {&address_space_memory, &address_space_smm};

GArray *kvm_slots(unsigned space)
{
    return spaces[space];
}

const KvmSlot *kvm_slot_find(uint32_t number)
{
    GArray *slots = number >> 16 < kvm.space_count ? spaces[number >> 16] : NULL;

    for (guint i = 0; slots && i < slots->len; i++) {
        const KvmSlot *slot = &g_array_index(slots, KvmSlot, i);

        if (slot->id == (number & 0xffff)) {
            return slot;
        }
    }
    return NULL;
}

/* -- The view as slots ------------------------------------------------------------------------- */

/* Whole pages of the range; false: there are none, or writes go elsewhere than reads. */
static bool slot_from_range(const FlatRange *range, KvmSlot *ret_slot)
{
    uint64_t start = (range->start + PAGE_MASK) & ~PAGE_MASK;
    uint64_t end = (range->start + range->size) & ~PAGE_MASK;
    uint8_t *host = range->host + (start - range->start);

    if (!range->host || end <= start || (uintptr_t)host & PAGE_MASK || range->write_host) {
        return false;
    }
    *ret_slot =
        (KvmSlot){.start = start, .size = end - start, .host = host, .read_only = range->read_only};
    ret_slot->block = ram_block_from_host(host, &ret_slot->block_offset);
    return ret_slot->block;
}

static bool continues(const KvmSlot *slot, const KvmSlot *next)
{
    return slot->start + slot->size == next->start && slot->host + slot->size == next->host &&
           slot->read_only == next->read_only && slot->block == next->block;
}

static GArray *slots_from_view(const FlatView *view)
{
    GArray *slots = g_array_new(FALSE, TRUE, sizeof(KvmSlot));

    for (size_t i = 0; i < view->count; i++) {
        KvmSlot slot, *last = slots->len ? &g_array_index(slots, KvmSlot, slots->len - 1) : NULL;

        if (!slot_from_range(&view->ranges[i], &slot)) {
            continue;
        }
        if (last && continues(last, &slot)) {
            last->size += slot.size;
        } else {
            g_array_append_val(slots, slot);
        }
    }
    return slots;
}

/* -- Into the kernel --------------------------------------------------------------------------- */

static bool is_logged(const KvmSlot *slot)
{
    return slot->block->logged_clients && !slot->read_only;
}

static void set_region(unsigned space, const KvmSlot *slot, bool remove)
{
    struct kvm_userspace_memory_region region = {
        .slot = space << 16 | slot->id,
        .flags = slot->flags,
        .guest_phys_addr = slot->start,
        .memory_size = remove ? 0 : slot->size,
        .userspace_addr = (uintptr_t)slot->host,
    };
    int result = kvm_ioctl(kvm.fd, KVM_SET_USER_MEMORY_REGION, &region);

    if (result < 0) {
        kvm_complain(remove ? "removing a memory slot"
                            : "adding a memory slot, whose memory is slow now:",
                     result);
    }
}

static void remove_slot(unsigned space, const KvmSlot *slot)
{
    if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
        kvm_dirty_collect(space, slot);
    }
    set_region(space, slot, true);
    used_ids[space][slot->id] = false;
}

static void add_slot(unsigned space, KvmSlot *slot)
{
    while (slot->id < kvm.slot_count && used_ids[space][slot->id]) {
        slot->id++;
    }
    if (slot->id == kvm.slot_count) {
        kvm_complain("finding a free memory slot", -ENOSPC);
        slot->size = 0;
        return;
    }
    slot->flags =
        (slot->read_only ? KVM_MEM_READONLY : 0) | (is_logged(slot) ? KVM_MEM_LOG_DIRTY_PAGES : 0);
    used_ids[space][slot->id] = true;
    set_region(space, slot, false);
}

static bool is_same(const KvmSlot *a, const KvmSlot *b)
{
    return a->start == b->start && a->size == b->size && a->host == b->host &&
           a->read_only == b->read_only;
}

/* Of a sorted list, the slot that is the same, or NULL. */
static KvmSlot *find_same(GArray *slots, const KvmSlot *wanted)
{
    for (guint i = 0; i < slots->len; i++) {
        KvmSlot *slot = &g_array_index(slots, KvmSlot, i);

        if (is_same(slot, wanted)) {
            return slot;
        }
    }
    return NULL;
}

/* Does a part of it stay visible? */
static bool is_split(const KvmSlot *old, GArray *wanted)
{
    for (guint i = 0; i < wanted->len; i++) {
        const KvmSlot *slot = &g_array_index(wanted, KvmSlot, i);

        if (slot->start < old->start + old->size && old->start < slot->start + slot->size) {
            return true;
        }
    }
    return false;
}

static void replace_slots(unsigned space, GArray *wanted)
{
    GArray *old = spaces[space];
    bool close_gate = false;

    for (guint i = 0; i < old->len; i++) {
        const KvmSlot *slot = &g_array_index(old, KvmSlot, i);
        close_gate |= !find_same(wanted, slot) &&
                      (slot->flags & KVM_MEM_LOG_DIRTY_PAGES || is_split(slot, wanted));
    }
    if (close_gate) {
        kvm_gate_close();
    }
    for (guint i = 0; i < old->len; i++) {
        const KvmSlot *slot = &g_array_index(old, KvmSlot, i);
        if (slot->size && !find_same(wanted, slot)) {
            remove_slot(space, slot);
        }
    }
    for (guint i = 0; i < wanted->len; i++) {
        KvmSlot *slot = &g_array_index(wanted, KvmSlot, i), *same = find_same(old, slot);
        if (same) {
            *slot = *same;
        } else {
            add_slot(space, slot);
        }
    }
    if (close_gate) {
        kvm_gate_open();
    }
    g_array_unref(old);
    spaces[space] = wanted;
}

static void on_map_changed(AddressSpace *as, void *opaque)
{
    unsigned space = as == views[0] ? 0 : 1;

    replace_slots(space, slots_from_view(as->view));
}

void kvm_slots_update_flags(RamBlock *block)
{
    for (unsigned space = 0; space < kvm.space_count; space++) {
        GArray *slots = spaces[space];

        for (guint i = 0; slots && i < slots->len; i++) {
            KvmSlot *slot = &g_array_index(slots, KvmSlot, i);
            unsigned log = is_logged(slot) ? KVM_MEM_LOG_DIRTY_PAGES : 0;

            if (slot->block != block || (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) == log) {
                continue;
            }
            if (!log) {
                kvm_gate_close();
                kvm_dirty_collect(space, slot);
                kvm_gate_open();
            }
            slot->flags = (slot->flags & ~(unsigned)KVM_MEM_LOG_DIRTY_PAGES) | log;
            set_region(space, slot, false);
        }
    }
}

/* Before the board makes its spaces: listeners belong to the space for good. */
void kvm_slots_init(void)
{
    kvm.space_count = MIN(kvm.space_count, MAX_SPACES);
    for (unsigned space = 0; space < kvm.space_count; space++) {
        g_clear_pointer(&spaces[space], g_array_unref); /* of the last machine */
        g_free(used_ids[space]);
        spaces[space] = g_array_new(FALSE, TRUE, sizeof(KvmSlot));
        used_ids[space] = g_new0(bool, kvm.slot_count);
    }
}

/* The board has its address spaces. */
void kvm_slots_follow(void)
{
    for (unsigned space = 0; space < kvm.space_count; space++) {
        if (views[space]->root) {
            address_space_listen(views[space], on_map_changed, NULL);
            on_map_changed(views[space], NULL);
        }
    }
}

void kvm_slots_unfollow(void)
{
    for (unsigned space = 0; space < kvm.space_count; space++) {
        if (views[space]->root) {
            address_space_unlisten(views[space], NULL);
        }
    }
}
