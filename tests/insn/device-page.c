/* SPDX-License-Identifier: MIT */
/* A device of two pages of plain bytes, behind the guest's RAM; page table entries are turned to
 * it. */
#include "tests/insn/device-page.h"

#include "accel/tcg.h"
#include "softmmu/memory.h"
#include "softmmu/run.h"
#include "tests/insn/guest-cpu.h"

#include <string.h>

#define DEVICE_ADDRESS 0x10000000ull
#define PAGES 2u
#define FIRST_PAGE 2u /* in case_pages: data 0 */
#define ENTRY_ADDRESS 0xffffffffff000ull

static uint8_t bytes[PAGES * CASE_PAGE];
static uint64_t kept_entry[PAGES];
static Region region;

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, bytes + offset, size);
    return value;
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    memcpy(bytes + offset, &value, size);
}

static const RegionOps device_ops = {
    .read = device_read, .write = device_write, .impl_min = 1, .impl_max = 8, .unaligned = true};

static uint64_t load(uint64_t physical)
{
    MemResult result;
    return address_space_load(&address_space_memory, physical, 8, &result);
}

/* Physical address of the page table entry for a page of the case. */
static uint64_t entry_address(unsigned page)
{
    uint64_t table = guest_cpu()->cr3, linear = case_pages[page].linear;

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        table = load((table & ENTRY_ADDRESS) + (linear >> shift & 511) * 8) & ENTRY_ADDRESS;
    }
    return table + (linear >> 12 & 511) * 8;
}

static void make_region(void)
{
    RegionDesc desc = {
        .name = "device pages", .kind = REGION_IO, .size = sizeof(bytes), .ops = &device_ops};

    if (!region.name) {
        region_init(&region, &desc);
        region_add(address_space_memory.root, DEVICE_ADDRESS, &region, 0);
    }
}

void device_pages_begin(const CaseMemory *image)
{
    machine_lock();
    make_region();
    for (unsigned i = 0; i < PAGES; i++) {
        uint64_t at = entry_address(FIRST_PAGE + i);
        memcpy(bytes + i * CASE_PAGE, image->page[FIRST_PAGE + i], CASE_PAGE);
        kept_entry[i] = load(at);
        address_space_store(&address_space_memory, at,
                            (kept_entry[i] & ~ENTRY_ADDRESS) | (DEVICE_ADDRESS + i * CASE_PAGE), 8);
    }
    machine_unlock();
    tcg_flush_tlb(guest_cpu());
}

void device_pages_end(CaseMemory *ret_memory)
{
    machine_lock();
    for (unsigned i = 0; i < PAGES; i++) {
        memcpy(ret_memory->page[FIRST_PAGE + i], bytes + i * CASE_PAGE, CASE_PAGE);
        address_space_store(&address_space_memory, entry_address(FIRST_PAGE + i), kept_entry[i], 8);
    }
    machine_unlock();
    tcg_flush_tlb(guest_cpu());
}
