/* SPDX-License-Identifier: MIT */
/* Transfers of any length, and guest RAM as host pointers. */
#include "softmmu/memory/internal.h"

/*
 * The next step of a transfer: how many bytes at `address` lie in one range, or in the gap before
 * the next one. Looked up anew for each step: the callback of the last one may have changed the
 * map.
 */
static const FlatRange *next_step(const AddressSpace *as, uint64_t address, size_t left,
                                  size_t *ret_size)
{
    const FlatView *view = as->view;
    const FlatRange *range = address_space_lookup(as, address);
    uint64_t end = range ? range_end(range) : UINT64_MAX;

    for (size_t i = 0; !range && i < view->count; i++) {
        if (view->ranges[i].start > address) {
            end = view->ranges[i].start;
            break;
        }
    }
    *ret_size = end > address ? MIN(left, end - address) : left;
    return range;
}

/* Size of one access of a long transfer to registers: as wide as the region and alignment allow. */
static unsigned io_step(const FlatRange *range, uint64_t address, size_t left)
{
    const RegionOps *ops = range->region->ops;
    unsigned size = ops && ops->valid_max ? ops->valid_max : 8;

    while (size > left || address % size != 0) {
        size /= 2;
    }
    return size;
}

static MemResult read_registers(const FlatRange *range, uint64_t address, uint8_t *buffer,
                                size_t left, size_t *ret_size)
{
    unsigned size = io_step(range, address, left);
    uint64_t value;
    MemResult result =
        region_read(range->region, range->region_offset + (address - range->start), size, &value);

    memcpy(buffer, &value, size);
    *ret_size = size;
    return result;
}

static MemResult write_registers(const FlatRange *range, uint64_t address, const uint8_t *buffer,
                                 size_t left, size_t *ret_size)
{
    unsigned size = io_step(range, address, left);
    uint64_t value = 0;

    memcpy(&value, buffer, size);
    *ret_size = size;
    return region_write(range->region, range->region_offset + (address - range->start), size,
                        value);
}

MemResult address_space_read(AddressSpace *as, uint64_t address, void *buffer, size_t size)
{
    MemResult result = MEM_OK;
    uint8_t *to = buffer;

    for (size_t done = 0, step; done < size; done += step) {
        uint64_t at = address + done;
        const FlatRange *range = next_step(as, at, size - done, &step);

        if (!range) {
            memset(to + done, 0xff, step);
            result |= MEM_UNASSIGNED;
        } else if (range->host) {
            memcpy(to + done, range->host + (at - range->start), step);
        } else {
            result |= read_registers(range, at, to + done, step, &step);
        }
    }
    return result;
}

MemResult address_space_write(AddressSpace *as, uint64_t address, const void *buffer, size_t size)
{
    MemResult result = MEM_OK;
    const uint8_t *from = buffer;

    for (size_t done = 0, step; done < size; done += step) {
        uint64_t at = address + done;
        const FlatRange *range = next_step(as, at, size - done, &step);

        if (!range) {
            result |= MEM_UNASSIGNED;
        } else if (range_write_pointer(range, at)) {
            uint8_t *host = range_write_pointer(range, at);
            uint64_t offset;
            RamBlock *block = ram_block_from_host(host, &offset);

            memcpy(host, from + done, step);
            ram_block_mark_dirty(block, offset, step);
        } else if (range->region->ops) {
            result |= write_registers(range, at, from + done, step, &step);
        }
    }
    return result;
}

void *address_space_map(AddressSpace *as, uint64_t address, uint64_t *size, bool is_write,
                        RamBlock **ret_block)
{
    const FlatRange *range = address_space_lookup(as, address);

    if (*size == 0 || !range || !range->host || (is_write && range->read_only)) {
        return NULL;
    }
    *size = MIN(*size, range_end(range) - address);
    *ret_block = ram_block_ref(range->region->ram);
    return range->host + (address - range->start);
}

void address_space_unmap(RamBlock *block, void *host, uint64_t written)
{
    if (written > 0) {
        ram_block_mark_dirty(block, (uint64_t)((uint8_t *)host - block->host), written);
    }
    ram_block_unref(block);
}
