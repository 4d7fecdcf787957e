/* SPDX-License-Identifier: MIT */
/*
 * Writes that need no exit: those that have no effect before the guest looks, or none at all, wait
 * in a ring of the kernel's; those that are only counted go to their event descriptors. Which they
 * are is derived from the flat views.
 *
 * What waits: writes to the posted bytes of a region, to ROM that drops them, and to RAM that is
 * hidden behind something else for reads. The ring is emptied at each exit that is handled, before
 * a region's callback is called from anywhere, and before a CPU's state is looked at.
 */
#include "accel/kvm/kvm-internal.h"
#include "softmmu/memory.h"
#include "softmmu/region-event.h"
#include "util/log.h"

#include <string.h>

#define RING_ENTRIES                                                                               \
    ((TARGET_PAGE_SIZE - sizeof(struct kvm_coalesced_mmio_ring)) /                                 \
     sizeof(struct kvm_coalesced_mmio))

enum { SPACE_MEMORY, SPACE_IO, SPACES };

static AddressSpace *const views[SPACES] = {&address_space_memory, &address_space_io};
static struct kvm_coalesced_mmio_ring *ring; /* NULL: the kernel has none */
static GArray *zones[SPACES];                /* of struct kvm_coalesced_mmio_zone, as it has them */
static GArray *events;                       /* of KvmIoEvent, likewise */
static int identity;                         /* of the listeners */

/* -- The ring ---------------------------------------------------------------------------------- */

static void make_write(const struct kvm_coalesced_mmio *entry)
{
    AddressSpace *as = views[entry->pio ? SPACE_IO : SPACE_MEMORY];
    unsigned size = MIN(entry->len, sizeof(entry->data));
    uint64_t value = 0;

    if (size == 1 || size == 2 || size == 4 || size == 8) {
        memcpy(&value, entry->data, size);
        address_space_store(as, entry->phys_addr, value, size);
    } else {
        address_space_write(as, entry->phys_addr, entry->data, size);
    }
}

/* No more than there are now: other CPUs may go on filling it. */
void kvm_posted_flush(void)
{
    static bool busy; /* what is written calls callbacks, which ask for this */
    uint32_t last;

    if (!ring || busy) {
        return;
    }
    busy = true;
    last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE) % RING_ENTRIES;
    while (ring->first != last) {
        make_write(&ring->coalesced_mmio[ring->first]);
        __atomic_store_n(&ring->first, (ring->first + 1) % RING_ENTRIES, __ATOMIC_RELEASE);
    }
    busy = false;
}

/* -- Zones ------------------------------------------------------------------------------------- */

static void add_zone(GArray *wanted, uint64_t start, uint64_t size, bool is_port)
{
    struct kvm_coalesced_mmio_zone zone = {
        .addr = start, .size = (uint32_t)MIN(size, UINT32_MAX & ~0xfffu), .pio = is_port};

    g_array_append_val(wanted, zone);
}

static GArray *wanted_zones(unsigned space)
{
    GArray *wanted = g_array_new(FALSE, FALSE, sizeof(struct kvm_coalesced_mmio_zone));
    const FlatView *view = views[space]->view;

    for (size_t i = 0; i < view->count; i++) {
        const FlatRange *range = &view->ranges[i];
        const Region *region = range->region;

        if (range->write_host || (range->host && range->read_only && !region->ops)) {
            add_zone(wanted, range->start, range->size, space == SPACE_IO);
        } else if (region->kind == REGION_IO && range->region_offset < region->posted_size) {
            uint64_t posted = region->posted_size - range->region_offset;
            add_zone(wanted, range->start, MIN(range->size, posted), space == SPACE_IO);
        }
    }
    return wanted;
}

static bool has_zone(GArray *list, const struct kvm_coalesced_mmio_zone *zone)
{
    for (guint i = 0; i < list->len; i++) {
        if (memcmp(&g_array_index(list, struct kvm_coalesced_mmio_zone, i), zone, sizeof(*zone)) ==
            0) {
            return true;
        }
    }
    return false;
}

/* Those of `list` that are not in `other`. */
static void change_zones(GArray *list, GArray *other, unsigned long request)
{
    for (guint i = 0; i < list->len; i++) {
        struct kvm_coalesced_mmio_zone *zone =
            &g_array_index(list, struct kvm_coalesced_mmio_zone, i);
        int result = has_zone(other, zone) ? 0 : kvm_ioctl(kvm.fd, request, zone);

        if (result < 0) {
            kvm_complain("choosing writes that may wait", result);
        }
    }
}

static void update_zones(unsigned space)
{
    GArray *wanted;

    if (!ring || (space == SPACE_IO && !kvm_check(KVM_CAP_COALESCED_PIO))) {
        return;
    }
    wanted = wanted_zones(space);
    change_zones(zones[space], wanted, KVM_UNREGISTER_COALESCED_MMIO);
    change_zones(wanted, zones[space], KVM_REGISTER_COALESCED_MMIO);
    g_array_unref(zones[space]);
    zones[space] = wanted;
    kvm_posted_flush();
}

/* -- Events ------------------------------------------------------------------------------------ */

static void add_events(GArray *wanted, const FlatRange *range, bool is_port)
{
    const GPtrArray *list = range->region->events;

    for (guint i = 0; list && i < list->len; i++) {
        const RegionEvent *event = g_ptr_array_index(list, i);
        uint64_t offset = event->offset - range->region_offset;
        KvmIoEvent io = {.address = range->start + offset,
                         .size = event->size,
                         .is_port = is_port,
                         .must_match = event->must_match,
                         .value = event->value,
                         .fd = event->fd};

        if (event->offset >= range->region_offset && offset < range->size &&
            event->size <= range->size - offset) {
            g_array_append_val(wanted, io);
        }
    }
}

static bool same_event(const KvmIoEvent *a, const KvmIoEvent *b)
{
    return a->address == b->address && a->size == b->size && a->is_port == b->is_port &&
           a->must_match == b->must_match && a->value == b->value && a->fd == b->fd;
}

/* Those of `list` that are not in `other`. One that the kernel does not take makes exits. */
static void change_events(GArray *list, GArray *other, bool add)
{
    for (guint i = 0; i < list->len; i++) {
        const KvmIoEvent *event = &g_array_index(list, KvmIoEvent, i);
        g_autoptr(Error) err = NULL;
        bool is_there = false;

        for (guint n = 0; n < other->len && !is_there; n++) {
            is_there = same_event(event, &g_array_index(other, KvmIoEvent, n));
        }
        if (!is_there && !kvm_ioevent(event, add, &err)) {
            LOG(LOG_UNIMP, "KVM: %s\n", error_message(err));
        }
    }
}

static void update_events(void)
{
    GArray *wanted = g_array_new(FALSE, TRUE, sizeof(KvmIoEvent));

    for (unsigned space = 0; space < SPACES; space++) {
        const FlatView *view = views[space]->view;

        for (size_t i = 0; view && i < view->count; i++) {
            add_events(wanted, &view->ranges[i], space == SPACE_IO);
        }
    }
    change_events(events, wanted, false);
    change_events(wanted, events, true);
    g_array_unref(events);
    events = wanted;
}

/* -- The machine ------------------------------------------------------------------------------- */

static void on_map_changed(AddressSpace *as, void *opaque)
{
    update_zones(as == views[SPACE_IO] ? SPACE_IO : SPACE_MEMORY);
    update_events();
}

void kvm_posted_follow(const KvmVcpu *kv)
{
    int page = kvm_check(KVM_CAP_COALESCED_MMIO);

    if (page > 0 && (size_t)(page + 1) * TARGET_PAGE_SIZE <= kvm.run_size) {
        ring = (void *)((uint8_t *)kv->run + (size_t)page * TARGET_PAGE_SIZE);
    }
    events = g_array_new(FALSE, TRUE, sizeof(KvmIoEvent));
    for (unsigned space = 0; space < SPACES; space++) {
        zones[space] = g_array_new(FALSE, FALSE, sizeof(struct kvm_coalesced_mmio_zone));
        if (views[space]->root) {
            address_space_listen(views[space], on_map_changed, &identity);
            update_zones(space);
        }
    }
    update_events();
    region_events_changed = update_events;
    region_posted_wanted = kvm_posted_flush;
}

/* The kernel's side goes with the VM. */
void kvm_posted_unfollow(void)
{
    region_events_changed = NULL;
    region_posted_wanted = NULL;
    kvm_posted_flush();
    ring = NULL;
    for (unsigned space = 0; space < SPACES; space++) {
        if (views[space]->root) {
            address_space_unlisten(views[space], &identity);
        }
        g_clear_pointer(&zones[space], g_array_unref);
    }
    g_clear_pointer(&events, g_array_unref);
}
