/* SPDX-License-Identifier: MIT */
/* One access of a CPU or a bus master: to RAM directly, to a region's callbacks in the sizes they
 * declare. */
#include "softmmu/memory/internal.h"
#include "softmmu/region-event.h"
#include "util/log.h"
#include "util/object.h"

#include <inttypes.h>

/* MMIO -> DMA -> MMIO ... nests no deeper in any sane machine; a guest may try. */
#define NESTING_MAX 8

/* The regions whose callbacks are on this thread's stack. */
static __thread const Region *active[NESTING_MAX];
static __thread unsigned nesting;

/*
 * A device programmed to DMA into its own registers would find itself half way through its own
 * callback. No hardware does anything sensible then; here the inner access gets no answer.
 */
static bool region_enter(const Region *region)
{
    bool refused = nesting == NESTING_MAX;

    for (unsigned i = 0; i < nesting; i++) {
        refused |= active[i] == region;
    }
    if (refused) {
        LOG(LOG_GUEST_ERROR, "%s: access from inside its own access refused\n", region->name);
        return false;
    }
    active[nesting++] = region;
    return true;
}

/* What was written before comes first. */
static void take_posted(void)
{
    if (region_posted_wanted && nesting == 0) {
        region_posted_wanted();
    }
}

static void region_leave(void)
{
    nesting--;
}

typedef struct AccessSizes {
    unsigned impl_min, impl_max, valid_min, valid_max;
} AccessSizes;

static AccessSizes access_sizes(const RegionOps *ops)
{
    return (AccessSizes){
        .impl_min = ops->impl_min ? ops->impl_min : 1,
        .impl_max = ops->impl_max ? ops->impl_max : 4,
        .valid_min = ops->valid_min ? ops->valid_min : 1,
        .valid_max = ops->valid_max ? ops->valid_max : 8,
    };
}

/* The largest piece at `offset` that the callbacks take, ignoring impl_min: a power of two. */
static unsigned piece_size(const RegionOps *ops, const AccessSizes *sizes, uint64_t offset,
                           unsigned left)
{
    unsigned size = sizes->impl_max;

    while (size > left || (!ops->unaligned && offset % size != 0)) {
        size /= 2;
    }
    return size;
}

static uint64_t read_piece(const Region *region, const AccessSizes *sizes, uint64_t offset,
                           unsigned size)
{
    uint64_t unit = offset & ~(uint64_t)(sizes->impl_min - 1);

    if (size >= sizes->impl_min) {
        return region->ops->read(region->opaque, offset, size) & all_ones(size);
    }
    return region->ops->read(region->opaque, unit, sizes->impl_min) >> (8 * (offset - unit)) &
           all_ones(size);
}

static void write_piece(const Region *region, const AccessSizes *sizes, uint64_t offset,
                        uint64_t value, unsigned size)
{
    uint64_t unit = offset & ~(uint64_t)(sizes->impl_min - 1);

    value &= all_ones(size);
    if (size >= sizes->impl_min) {
        region->ops->write(region->opaque, offset, value, size);
    } else {
        region->ops->write(region->opaque, unit, value << (8 * (offset - unit)), sizes->impl_min);
    }
    if (region->owner) {
        object_sync(region->owner);
    }
}

static bool size_is_valid(const Region *region, const AccessSizes *sizes, uint64_t offset,
                          unsigned size, const char *what)
{
    if (size >= sizes->valid_min && size <= sizes->valid_max) {
        return true;
    }
    LOG(LOG_GUEST_ERROR, "%s: %s of %u bytes at 0x%" PRIx64 " refused\n", region->name, what, size,
        offset);
    return false;
}

MemResult region_read(Region *region, uint64_t offset, unsigned size, uint64_t *ret_value)
{
    const RegionOps *ops = region->ops;

    *ret_value = all_ones(size);
    if (region->kind != REGION_IO || !ops->read) {
        return MEM_OK;
    }
    take_posted();
    AccessSizes sizes = access_sizes(ops);

    if (!size_is_valid(region, &sizes, offset, size, "read") || !region_enter(region)) {
        return MEM_REFUSED;
    }
    uint64_t value = 0;

    for (unsigned done = 0, piece; done < size; done += piece) {
        piece = piece_size(ops, &sizes, offset + done, size - done);
        value |= read_piece(region, &sizes, offset + done, piece) << (8 * done);
    }
    region_leave();
    *ret_value = value;
    return MEM_OK;
}

MemResult region_write(Region *region, uint64_t offset, unsigned size, uint64_t value)
{
    const RegionOps *ops = region->ops;

    if (region->kind == REGION_RESERVED || !ops || !ops->write) {
        return MEM_OK;
    }
    take_posted();
    if (region->events && region_event_count(region, offset, value, size)) {
        return MEM_OK;
    }
    AccessSizes sizes = access_sizes(ops);

    if (!size_is_valid(region, &sizes, offset, size, "write") || !region_enter(region)) {
        return MEM_REFUSED;
    }
    for (unsigned done = 0, piece; done < size; done += piece) {
        piece = piece_size(ops, &sizes, offset + done, size - done);
        write_piece(region, &sizes, offset + done, value >> (8 * done), piece);
    }
    region_leave();
    return MEM_OK;
}

/* Whole accesses to RAM are single moves: a vCPU that polls a ring never sees half a value. */
static uint64_t host_load(const uint8_t *host, unsigned size)
{
    switch (size) {
    case 1:
        return *host;
    case 2:
        return __atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
    }
}

static void host_store(uint8_t *host, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        *host = (uint8_t)value;
        break;
    case 2:
        __atomic_store_n((uint16_t *)host, (uint16_t)value, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)host, (uint32_t)value, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)host, value, __ATOMIC_RELAXED);
        break;
    }
}

/* The range that holds all bytes of the access, or NULL. */
static const FlatRange *lookup_whole(const AddressSpace *as, uint64_t address, unsigned size)
{
    const FlatRange *range = address_space_lookup(as, address);

    return range && range_end(range) - address >= size ? range : NULL;
}

uint64_t address_space_load(AddressSpace *as, uint64_t address, unsigned size,
                            MemResult *ret_result)
{
    const FlatRange *range = lookup_whole(as, address, size);
    uint64_t value = 0;
    MemResult result = MEM_OK;

    g_assert(size == 1 || size == 2 || size == 4 || size == 8);
    if (!range) {
        result = address_space_read(as, address, &value, size);
    } else if (range->host) {
        value = host_load(range->host + (address - range->start), size);
    } else {
        result = region_read(range->region, range->region_offset + (address - range->start), size,
                             &value);
    }
    if (ret_result) {
        *ret_result = result;
    }
    return value;
}

MemResult address_space_store(AddressSpace *as, uint64_t address, uint64_t value, unsigned size)
{
    const FlatRange *range = lookup_whole(as, address, size);

    g_assert(size == 1 || size == 2 || size == 4 || size == 8);
    if (!range) {
        return address_space_write(as, address, &value, size);
    }
    uint64_t offset = range->region_offset + (address - range->start);

    uint8_t *host = range_write_pointer(range, address);

    if (!host) {
        return region_write(range->region, offset, size, value);
    }
    host_store(host, value, size);
    if (range->read_only) {
        RamBlock *beside = ram_block_from_host(host, &offset);

        ram_block_mark_dirty(beside, offset, size);
    } else {
        ram_block_mark_dirty(range->region->ram, range->region->ram_offset + offset, size);
    }
    return MEM_OK;
}
