/* SPDX-License-Identifier: MIT */
/*
 * Flat views: what a region tree shows, as a sorted array; and the address spaces that publish
 * them.
 *
 * A view is painted from the front: regions are visited in falling priority and each takes only the
 * gaps that are left, so a range once placed never moves. An alias paints its target shifted, seen
 * through the alias's window. Positions are signed 128-bit numbers on the way, because the start of
 * a target may lie below address zero of the space; clipped, they are plain addresses again.
 *
 *     container 0-fff                              painted, in order of visits
 *       alias  "pam"  c00-cff  prio 1 -> ram+c00   ram c00-cff            (from the alias)
 *       io     "vga"  a00-bff  prio 0              vga a00-bff
 *       alias  "low"  000-fff  prio -1 -> ram+000  ram 000-9ff, ram d00-fff
 *     merged: ram 000-9ff, vga a00-bff, ram c00-fff
 *
 * Write-only regions are left out of that. Where there are any, a second view is painted with them,
 * and each range of the first takes from it where its writes go.
 *
 * Readers do not lock: they load the pointer and use the view until their next safe point. So a
 * view never changes, and a replaced one goes through vcpu_defer(). It holds references on the RAM
 * blocks it shows, so that a host pointer found in it stays mapped as long as the view is in use.
 */
#include "softmmu/memory/internal.h"
#include "softmmu/run.h"

/* Deeper nesting of containers and aliases is a loop in the board's own wiring. */
#define TREE_DEPTH_MAX 64

typedef __int128 Position;

typedef struct Window {
    uint64_t start, end; /* of the address space; end is exclusive */
} Window;

AddressSpace address_space_memory, address_space_smm, address_space_smm_code, address_space_io;
GPtrArray *address_spaces;

typedef struct Listener {
    AddressSpaceListener *fn;
    void *opaque;
} Listener;

typedef struct Painting {
    GArray *ranges;
    bool is_of_writes;  /* write-only regions are painted as well */
    bool lacks_regions; /* some were left out */
} Painting;

static FlatRange leaf_range(const Region *region, Position base, Window part, bool read_only)
{
    FlatRange range;

    memset(&range, 0, sizeof(range)); /* padding too: views are compared as bytes */
    range.start = part.start;
    range.size = part.end - part.start;
    range.region = (Region *)region;
    range.region_offset = (uint64_t)(part.start - base);
    range.read_only = read_only;
    if (region->ram) {
        range.host = region->ram->host + region->ram_offset + range.region_offset;
    }
    return range;
}

/* Puts the leaf into the gaps that are left between window.start and window.end. */
static void paint_leaf(GArray *ranges, const Region *region, Position base, Window window,
                       bool read_only)
{
    guint at = 0;

    while (at < ranges->len && range_end(&g_array_index(ranges, FlatRange, at)) <= window.start) {
        at++;
    }
    while (window.start < window.end) {
        const FlatRange *next = at < ranges->len ? &g_array_index(ranges, FlatRange, at) : NULL;
        uint64_t gap_end = next ? MIN(next->start, window.end) : window.end;
        uint64_t next_end = next ? range_end(next) : UINT64_MAX;

        if (window.start < gap_end) {
            FlatRange range = leaf_range(region, base, (Window){window.start, gap_end}, read_only);

            g_array_insert_val(ranges, at, range);
            at++;
        }
        window.start = MAX(gap_end, next_end);
        at++;
    }
}

static void paint(Painting *to, const Region *region, Position base, Window window, bool read_only,
                  unsigned depth)
{
    Position end = base + region->size;

    if (!region->enabled || base >= window.end || end <= window.start) {
        return;
    }
    g_assert(depth < TREE_DEPTH_MAX);
    if (region->write_only && !to->is_of_writes) {
        to->lacks_regions = true;
        return;
    }
    window.start = MAX(base, window.start);
    window.end = MIN(end, window.end);
    read_only |= region->read_only;
    switch (region->kind) {
    case REGION_CONTAINER:
        for (guint i = 0; i < region->children->len; i++) {
            const Region *child = g_ptr_array_index(region->children, i);

            paint(to, child, base + child->address, window, read_only, depth + 1);
        }
        break;
    case REGION_ALIAS:
        paint(to, region->target, base - region->target_offset, window, read_only, depth + 1);
        break;
    default:
        paint_leaf(to->ranges, region, base, window, read_only);
        break;
    }
}

/* The part of `range` from `start` to `end`. */
static FlatRange range_part(const FlatRange *range, uint64_t start, uint64_t end)
{
    uint64_t skipped = start - range->start;
    FlatRange part;

    memcpy(&part, range, sizeof(part)); /* with its padding */
    part.start = start;
    part.size = end - start;
    part.region_offset += skipped;
    part.host = range->host ? range->host + skipped : NULL;
    return part;
}

/* Ranges of `reads`, split where what lies in front of them in `writes` begins and ends. All that
 * is in the former is covered by the latter. */
static GArray *with_writes(const GArray *reads, const GArray *writes)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(FlatRange));
    guint i = 0, n = 0;

    while (i < reads->len && n < writes->len) {
        const FlatRange *read = &g_array_index(reads, FlatRange, i);
        const FlatRange *write = &g_array_index(writes, FlatRange, n);
        uint64_t start = MAX(read->start, write->start);
        uint64_t end = MIN(range_end(read), range_end(write));

        if (start < end) {
            FlatRange part = range_part(read, start, end);

            if (write->region != read->region && write->host && !write->read_only) {
                part.write_host = write->host + (start - write->start);
                part.read_only = true;
            }
            g_array_append_val(ranges, part);
        }
        if (range_end(read) <= range_end(write)) {
            i++;
        } else {
            n++;
        }
    }
    return ranges;
}

static GArray *paint_all(const Region *root)
{
    const Window everywhere = {0, UINT64_MAX};
    Painting reads = {.ranges = g_array_new(FALSE, FALSE, sizeof(FlatRange))};

    paint(&reads, root, 0, everywhere, false, 0);
    if (!reads.lacks_regions) {
        return reads.ranges;
    }
    Painting writes = {.ranges = g_array_new(FALSE, FALSE, sizeof(FlatRange)),
                       .is_of_writes = true};

    paint(&writes, root, 0, everywhere, false, 0);
    GArray *ranges = with_writes(reads.ranges, writes.ranges);

    g_array_unref(reads.ranges);
    g_array_unref(writes.ranges);
    return ranges;
}

static bool ranges_join(const FlatRange *low, const FlatRange *high)
{
    return range_end(low) == high->start && low->region == high->region &&
           low->region_offset + low->size == high->region_offset &&
           low->read_only == high->read_only &&
           (low->write_host ? low->write_host + low->size : NULL) == high->write_host;
}

FlatView *flat_view_new(const Region *root)
{
    g_autoptr(GArray) ranges = paint_all(root);

    FlatView *view = g_malloc0(sizeof(*view) + ranges->len * sizeof(FlatRange));

    view->references = 1;
    for (guint i = 0; i < ranges->len; i++) {
        const FlatRange *range = &g_array_index(ranges, FlatRange, i);

        if (view->count > 0 && ranges_join(&view->ranges[view->count - 1], range)) {
            view->ranges[view->count - 1].size += range->size;
            continue;
        }
        memcpy(&view->ranges[view->count++], range, sizeof(*range));
    }
    for (size_t i = 0; i < view->count; i++) {
        uint64_t offset;

        if (view->ranges[i].host) {
            ram_block_ref(view->ranges[i].region->ram);
        }
        if (view->ranges[i].write_host) {
            ram_block_ref(ram_block_from_host(view->ranges[i].write_host, &offset));
        }
    }
    return view;
}

/* The region may be gone by now, hence the way from host address to block. */
static void range_release_ram(const FlatRange *range)
{
    uint64_t offset;

    if (range->host) {
        ram_block_unref(ram_block_from_host(range->host, &offset));
    }
    if (range->write_host) {
        ram_block_unref(ram_block_from_host(range->write_host, &offset));
    }
}

void flat_view_unref(FlatView *view)
{
    if (!view || __atomic_sub_fetch(&view->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (size_t i = 0; i < view->count; i++) {
        range_release_ram(&view->ranges[i]);
    }
    g_free(view);
}

static void view_release(void *opaque)
{
    flat_view_unref(opaque);
}

static void address_space_update(AddressSpace *as)
{
    FlatView *old = as->view;
    FlatView *view = flat_view_new(as->root);

    if (old && old->count == view->count &&
        memcmp(old->ranges, view->ranges, view->count * sizeof(FlatRange)) == 0) {
        flat_view_unref(view);
        return;
    }
    __atomic_store_n(&as->view, view, __ATOMIC_RELEASE);
    for (guint i = 0; i < as->listeners->len; i++) {
        const Listener *listener = g_ptr_array_index(as->listeners, i);

        listener->fn(as, listener->opaque);
    }
    if (old) {
        vcpu_defer(view_release, old);
    }
}

void flat_views_update(void)
{
    for (guint i = 0; address_spaces && i < address_spaces->len; i++) {
        address_space_update(g_ptr_array_index(address_spaces, i));
    }
}

void address_space_init(AddressSpace *as, Region *root, const char *name)
{
    *as = (AddressSpace){.name = g_intern_string(name), .root = root};
    as->listeners = g_ptr_array_new_with_free_func(g_free);
    if (!address_spaces) {
        address_spaces = g_ptr_array_new();
    }
    g_ptr_array_add(address_spaces, as);
    address_space_update(as);
}

void address_space_fini(AddressSpace *as)
{
    g_ptr_array_remove(address_spaces, as);
    if (address_spaces->len == 0) {
        g_clear_pointer(&address_spaces, g_ptr_array_unref);
    }
    vcpu_defer(view_release, as->view);
    as->view = NULL;
    as->root = NULL;
    g_clear_pointer(&as->listeners, g_ptr_array_unref);
}

void address_space_listen(AddressSpace *as, AddressSpaceListener *fn, void *opaque)
{
    Listener *listener = g_new(Listener, 1);

    *listener = (Listener){fn, opaque};
    g_ptr_array_add(as->listeners, listener);
}

void address_space_unlisten(AddressSpace *as, void *opaque)
{
    for (guint i = as->listeners ? as->listeners->len : 0; i-- > 0;) {
        if (((Listener *)g_ptr_array_index(as->listeners, i))->opaque == opaque) {
            g_ptr_array_remove_index(as->listeners, i);
        }
    }
}
