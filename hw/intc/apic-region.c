/* SPDX-License-Identifier: MIT */
/* Where local APICs are in memory: their registers, and the range that takes messages. Intel SDM
 * vol. 3, 11.4.1, 11.4.4 and 11.11.
 *
 * Each CPU finds its own registers at the same address, and it alone may move them. A moved page is
 * therefore a region on top of all others that looks who asks: to the CPUs whose base is there it
 * is registers, to all others, and to devices, what lies beneath. */
#include "hw/intc/lapic-internal.h"

enum { REGISTER_SPACE = 0x1000, FIRST_REGISTER = 0x20, UNIT = 4 };

/* What CPUs see, and what of it is no APIC's; NULL: pages cannot be moved. */
static Region *view_root, *system_root;
/* The space of system_root, once somebody has moved a page. */
static AddressSpace beneath;

void apic_set_memory(Region *view, Region *system)
{
    if (beneath.root) {
        address_space_fini(&beneath);
        beneath.root = NULL;
    }
    view_root = view;
    system_root = system;
}

/* The APIC of the CPU whose thread makes the access, NULL: it is none's. */
static Apic *accessing_apic(void)
{
    const Vcpu *vcpu = vcpu_self();

    return vcpu ? ((X86Cpu *)vcpu->cpu)->apic : NULL;
}

static bool has_registers_at(const Apic *apic, uint64_t page)
{
    return apic && apic_is_enabled(apic) && !apic_is_x2apic(apic) && apic_page(apic) == page;
}

static uint32_t read_unit(Apic *apic, uint64_t offset)
{
    uint32_t value = 0;

    if (offset & 15) { /* only the first four bytes of each sixteen are there */
        return 0;
    }
    if (!apic_read_register(apic, (unsigned)(offset >> 4), &value)) {
        apic_set_error(apic, ESR_ILLEGAL_REGISTER);
        return 0;
    }
    return value;
}

static void write_unit(Apic *apic, uint64_t offset, uint32_t value)
{
    if (offset & 15) {
        return;
    }
    if (!apic_write_register(apic, (unsigned)(offset >> 4), value)) {
        apic_set_error(apic, ESR_ILLEGAL_REGISTER);
    }
}

/* -- The usual place --------------------------------------------------------------------------- */

/* Debuggers and tests, which are no CPU, see the first one's. */
static Apic *apic_at_default(void)
{
    Apic *apic = vcpu_self() ? accessing_apic() : apic_bus_first();

    return has_registers_at(apic, APIC_DEFAULT_BASE) ? apic : NULL;
}

static uint64_t region_read(void *opaque, uint64_t offset, unsigned size)
{
    Apic *apic = apic_at_default();

    return apic && offset < REGISTER_SPACE ? read_unit(apic, offset) : UINT32_MAX;
}

/* Messages and registers share the range and never an address: the first page as messages means
 * destination 0 at offset 0 to 15, where no register is. */
static void region_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Apic *apic = apic_at_default();

    if (!apic || offset >= REGISTER_SPACE || offset < FIRST_REGISTER) {
        apic_deliver_msi(offset, (uint32_t)value);
    } else {
        write_unit(apic, offset, (uint32_t)value);
    }
}

static const RegionOps region_ops = {
    .read = region_read, .write = region_write, .impl_min = UNIT, .impl_max = UNIT};

void apic_region_init(Region *region, Object *owner)
{
    region_init(region, &(RegionDesc){.name = "apic-msi",
                                      .kind = REGION_IO,
                                      .size = APIC_REGION_SIZE,
                                      .owner = owner,
                                      .ops = &region_ops});
}

/* -- A moved page ------------------------------------------------------------------------------ */

static uint64_t page_read(void *opaque, uint64_t offset, unsigned size)
{
    const Apic *owner = opaque;
    Apic *apic = accessing_apic();
    uint64_t unit = offset & ~(uint64_t)(UNIT - 1);

    if (!has_registers_at(apic, owner->moved_page.address)) {
        return address_space_load(&beneath, owner->moved_page.address + offset, size, NULL);
    }
    return read_unit(apic, unit) >> (8 * (offset - unit));
}

static void page_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    const Apic *owner = opaque;
    Apic *apic = accessing_apic();
    uint64_t unit = offset & ~(uint64_t)(UNIT - 1);

    if (!has_registers_at(apic, owner->moved_page.address)) {
        address_space_store(&beneath, owner->moved_page.address + offset, value, size);
        return;
    }
    write_unit(apic, unit, (uint32_t)(value << (8 * (offset - unit))));
}

static const RegionOps page_ops = {
    .read = page_read, .write = page_write, .impl_min = 1, .impl_max = UNIT};

void apic_page_init(Apic *apic)
{
    if (!view_root) {
        return;
    }
    region_init(&apic->moved_page, &(RegionDesc){.name = "apic-moved",
                                                 .kind = REGION_IO,
                                                 .size = REGISTER_SPACE,
                                                 .ops = &page_ops,
                                                 .opaque = apic});
    region_transaction_begin();
    region_set_enabled(&apic->moved_page, false);
    region_add(view_root, 0, &apic->moved_page, 1);
    region_transaction_commit();
}

void apic_page_fini(Apic *apic)
{
    region_fini(&apic->moved_page);
}

void apic_page_sync(Apic *apic)
{
    uint64_t page = apic_page(apic);
    bool is_moved = page != APIC_DEFAULT_BASE && has_registers_at(apic, page);
    Region *region = &apic->moved_page;

    if (region->enabled == is_moved && (!is_moved || region->address == page)) {
        return;
    }
    if (!region->container) {
        if (is_moved) {
            guest_unimplemented(apic, "local APIC registers at another address");
        }
        return;
    }
    if (is_moved && !beneath.root) {
        address_space_init(&beneath, system_root, "memory-without-apics");
    }
    region_transaction_begin();
    region_set_address(region, page);
    region_set_enabled(region, is_moved);
    region_transaction_commit();
}
