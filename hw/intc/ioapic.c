/* SPDX-License-Identifier: MIT */
/* I/O APIC with 24 pins. Datasheet: Intel 290566, "82093AA I/O Advanced Programmable Interrupt
 * Controller"; version 20h adds the EOI register of later south bridges. */
#include "hw/ioapic.h"

#include "accel/kvm.h"
#include "hw/apic.h"
#include "hw/interrupt-info.h"
#include "util/trace.h"

#include <inttypes.h>

enum { /* byte offsets of the window */
       WINDOW_SELECT = 0x00,
       WINDOW_DATA = 0x10,
       WINDOW_EOI = 0x40,
       WINDOW_SIZE = 0x1000
};

enum { /* indirect registers */
       INDEX_ID = 0x00,
       INDEX_VERSION = 0x01,
       INDEX_ARBITRATION = 0x02,
       INDEX_REDIRECTION = 0x10
};

enum { /* low half of a redirection entry */
       ENTRY_LOGICAL = 1 << 11,
       ENTRY_ACTIVE_LOW = 1 << 13,
       ENTRY_REMOTE_IRR = 1 << 14,
       ENTRY_LEVEL = 1 << 15,
       ENTRY_MASKED = 1 << 16,
       ENTRY_WRITABLE = 0x1afff
};

enum { VERSION_WITH_EOI = 0x20 };

struct IoApic {
    Device dev;
    uint8_t version;
    Region *memory;
    Region window;
    uint8_t select;
    uint8_t id;
    uint32_t lines;   /* levels at the pins as their drivers mean them: 1 asks */
    uint32_t latched; /* rising edges not delivered yet, of edge-triggered pins */
    uint64_t entries[IOAPIC_PIN_COUNT];
    uint64_t asked[IOAPIC_PIN_COUNT]; /* for `info irq`: rising edges of each pin */
};

/* All realized I/O APICs, for the broadcast of the local ones. */
static GPtrArray *members;

static ApicDelivery delivery_mode(uint64_t entry)
{
    return (ApicDelivery)(entry >> 8 & 7);
}

/* 3.2.4: SMI, NMI, INIT and ExtINT are edges whatever the trigger mode says. */
static bool is_level(uint64_t entry)
{
    return entry & ENTRY_LEVEL && delivery_mode(entry) <= APIC_LOWEST_PRIORITY;
}

static bool asks(const IoApic *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->entries[pin];

    if (entry & ENTRY_MASKED) {
        return false;
    }
    if (is_level(entry)) {
        return ioapic->lines >> pin & 1 && !(entry & ENTRY_REMOTE_IRR);
    }
    return ioapic->latched >> pin & 1;
}

static void deliver(IoApic *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->entries[pin];
    bool level = is_level(entry);

    ioapic->latched &= ~(1u << pin);
    if (level) {
        ioapic->entries[pin] |= ENTRY_REMOTE_IRR;
    }
    TRACE(ioapic_deliver, "pin %u vector 0x%02x level %d", pin, (unsigned)(entry & 0xff), level);
    apic_deliver((uint8_t)(entry >> 56), entry & ENTRY_LOGICAL, delivery_mode(entry),
                 (uint8_t)entry, level);
}

/* Local APICs of the kernel report the end of those interrupts only that may be ours. */
static void tell_kernel(const IoApic *ioapic)
{
    for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
        uint64_t entry = ioapic->entries[pin];

        if (!(entry & ENTRY_MASKED)) {
            kvm_route_pin(pin, apic_msi_address((uint8_t)(entry >> 56), entry & ENTRY_LOGICAL),
                          apic_msi_data(delivery_mode(entry), (uint8_t)entry, is_level(entry)));
        }
    }
}

static void ioapic_sync(Object *obj)
{
    IoApic *ioapic = (IoApic *)obj;

    if (kvm_irqchip() == KVM_IRQCHIP_SPLIT) {
        tell_kernel(ioapic);
    }
    for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
        if (asks(ioapic, pin)) {
            deliver(ioapic, pin);
        }
    }
}

/*
 * Polarity (3.2.4, INTPOL) tells the chip at which voltage a line asks. The lines of the machine
 * carry no voltage: their drivers say "asks", whether the wire under it idles high, as INTx# and
 * SCI do, or low, as the ISA timer does. So the bit is kept and read back, as firmware tables
 * ("active high" for the PIIX's PCI interrupts, whose router inverts them) and systems disagree
 * about it from board to board, and a pin asks when its driver does, whatever the bit says.
 */
static void set_pin(void *owner, unsigned n, bool level)
{
    IoApic *ioapic = owner;
    uint32_t bit = 1u << n;

    if (!!(ioapic->lines & bit) == level) {
        return;
    }
    if (!level) {
        ioapic->lines &= ~bit;
        return;
    }
    ioapic->asked[n]++;
    ioapic->lines |= bit;
    if (!(ioapic->entries[n] & ENTRY_MASKED)) { /* an edge at a masked pin is lost */
        ioapic->latched |= bit;
    }
    if (asks(ioapic, n)) {
        deliver(ioapic, n);
    }
}

static IrqState pin_state(void *owner, unsigned n)
{
    const IoApic *ioapic = owner;
    uint64_t entry = ioapic->entries[n];

    if (entry & ENTRY_MASKED) {
        return IRQ_DEAF;
    }
    return !is_level(entry) && delivery_mode(entry) <= APIC_LOWEST_PRIORITY &&
                   apic_is_starved((uint8_t)(entry >> 56), entry & ENTRY_LOGICAL, (uint8_t)entry)
               ? IRQ_STARVED
               : IRQ_FREE;
}

Irq ioapic_pin(IoApic *ioapic, unsigned pin)
{
    g_assert(pin < IOAPIC_PIN_COUNT);
    return (Irq){.set = set_pin, .state = pin_state, .owner = ioapic, .n = pin};
}

void ioapic_set_memory(IoApic *ioapic, Region *memory)
{
    ioapic->memory = memory;
}

static void end_of_interrupt(IoApic *ioapic, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
        uint64_t *entry = &ioapic->entries[pin];

        if (*entry & ENTRY_LEVEL && (uint8_t)*entry == vector) {
            *entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
        }
    }
}

void ioapic_end_of_interrupt(uint8_t vector)
{
    for (guint i = 0; members && i < members->len; i++) {
        IoApic *ioapic = members->pdata[i];

        end_of_interrupt(ioapic, vector);
        ioapic_sync(&ioapic->dev.obj);
    }
}

static uint32_t read_indirect(const IoApic *ioapic)
{
    unsigned index = ioapic->select - INDEX_REDIRECTION;

    switch (ioapic->select) {
    case INDEX_ID:
    case INDEX_ARBITRATION:
        return (uint32_t)ioapic->id << 24;
    case INDEX_VERSION:
        return ioapic->version | (IOAPIC_PIN_COUNT - 1) << 16;
    default:
        if (index >= 2 * IOAPIC_PIN_COUNT) {
            return 0;
        }
        return (uint32_t)(ioapic->entries[index / 2] >> 32 * (index % 2));
    }
}

static void write_entry(IoApic *ioapic, unsigned index, uint32_t value)
{
    uint64_t *entry = &ioapic->entries[index / 2];

    if (index % 2) {
        *entry = (uint32_t)*entry | (uint64_t)(value & 0xff000000u) << 32;
        return;
    }
    *entry = (*entry & (0xffffffff00000000ull | ENTRY_REMOTE_IRR)) | (value & ENTRY_WRITABLE);
    if (!is_level(*entry)) { /* drivers clear a stuck remote IRR this way */
        *entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
    }
    if (*entry & ENTRY_MASKED) {
        ioapic->latched &= ~(1u << index / 2);
    }
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    const IoApic *ioapic = opaque;

    switch (offset) {
    case WINDOW_SELECT:
        return ioapic->select;
    case WINDOW_DATA:
        return read_indirect(ioapic);
    default:
        return 0;
    }
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    IoApic *ioapic = opaque;
    unsigned index = ioapic->select - INDEX_REDIRECTION;

    if (offset == WINDOW_SELECT) {
        ioapic->select = (uint8_t)value;
    } else if (offset == WINDOW_DATA && ioapic->select == INDEX_ID) {
        ioapic->id = value >> 24 & 15;
    } else if (offset == WINDOW_DATA && index < 2 * IOAPIC_PIN_COUNT) {
        write_entry(ioapic, index, (uint32_t)value);
    } else if (offset == WINDOW_EOI && ioapic->version >= VERSION_WITH_EOI) {
        end_of_interrupt(ioapic, (uint8_t)value);
    }
}

static const RegionOps window_ops = {
    .read = window_read, .write = window_write, .impl_min = 4, .impl_max = 4};

static bool ioapic_realize(Object *obj, Error **err)
{
    IoApic *ioapic = (IoApic *)obj;

    if (ioapic->version != 0x11 && ioapic->version != VERSION_WITH_EOI) {
        return error_set(err, "version 0x%x: an I/O APIC is of version 0x11 or 0x20",
                         ioapic->version);
    }
    region_init(&ioapic->window, &(RegionDesc){.name = "ioapic",
                                               .kind = REGION_IO,
                                               .size = WINDOW_SIZE,
                                               .owner = obj,
                                               .ops = &window_ops,
                                               .opaque = ioapic});
    if (ioapic->memory) {
        region_add(ioapic->memory, IOAPIC_DEFAULT_BASE, &ioapic->window, 0);
    }
    if (!members) {
        members = g_ptr_array_new();
    }
    g_ptr_array_add(members, ioapic);
    return true;
}

static void ioapic_unrealize(Object *obj)
{
    IoApic *ioapic = (IoApic *)obj;

    g_ptr_array_remove(members, ioapic);
    if (!members->len) {
        g_ptr_array_free(members, TRUE);
        members = NULL;
    }
    region_fini(&ioapic->window);
}

static const Field ioapic_fields[] = {
    PROP(IoApic, version, .init = VERSION_WITH_EOI, .desc = "0x11, or 0x20 with an EOI register"),
    LINK(IoApic, memory),
    DERIVED(IoApic, window),
    DERIVED(IoApic, asked),
    STATE(IoApic, select),
    STATE(IoApic, id),
    STATE(IoApic, lines),
    STATE(IoApic, latched),
    STATE_ARRAY(IoApic, entries, .init = ENTRY_MASKED),
    FIELDS_END};

static const Type ioapic_type = {
    .name = "ioapic",
    .parent = &device_type,
    .size = sizeof(IoApic),
    .desc = "I/O APIC",
    .fields = ioapic_fields,
    .realize = ioapic_realize,
    .unrealize = ioapic_unrealize,
    .sync = ioapic_sync,
};
DEVICE(ioapic_type);

/* -- For people -------------------------------------------------------------------------------- */

static void print_entry(uint64_t entry, unsigned pin, GString *out)
{
    static const char *const modes[] = {"fixed", "lowest", "SMI", "...",
                                        "NMI",   "INIT",   "...", "extINT"};
    bool logical = entry & ENTRY_LOGICAL;

    g_string_append_printf(out, "  pin %-2u 0x%016" PRIx64 " dest=%" PRIx64 " vec=%-3u ", pin,
                           entry, entry >> 56, (unsigned)(entry & 0xff));
    g_string_append_printf(
        out, "%s %s %s %s %s\n", entry & ENTRY_ACTIVE_LOW ? "active-lo" : "active-hi",
        entry & ENTRY_LEVEL ? "level" : "edge ", entry & ENTRY_MASKED ? "masked" : "      ",
        modes[delivery_mode(entry)], logical ? "logical" : "physical");
}

static void print_pins(const char *title, uint32_t pins, GString *out)
{
    g_string_append_printf(out, "  %-10s%s", title, pins ? "" : " (none)");
    for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
        if (pins >> pin & 1) {
            g_string_append_printf(out, " %u", pin);
        }
    }
    g_string_append_c(out, '\n');
}

void ioapic_print_pins(const uint64_t entries[IOAPIC_PIN_COUNT], uint32_t asking, GString *out)
{
    uint32_t remote = 0;

    for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
        print_entry(entries[pin], pin, out);
        remote |= entries[pin] & ENTRY_REMOTE_IRR ? 1u << pin : 0;
    }
    print_pins("IRR", asking, out);
    print_pins("Remote IRR", remote, out);
}

static void print_info(const Object *obj, GString *out)
{
    const IoApic *ioapic = (const IoApic *)obj;
    uint32_t asking = ioapic->latched;

    g_string_append_printf(out, "ioapic%d: ver=0x%x id=0x%02x sel=0x%02x\n", 0, ioapic->version,
                           ioapic->id, ioapic->select);
    for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
        asking |= is_level(ioapic->entries[pin]) ? ioapic->lines & 1u << pin : 0;
    }
    ioapic_print_pins(ioapic->entries, asking, out);
}

static const uint64_t *count_info(Object *obj, unsigned *ret_count)
{
    *ret_count = IOAPIC_PIN_COUNT;
    return ((IoApic *)obj)->asked;
}

static const InterruptInfo ioapic_info = {
    .type = &ioapic_type, .command = "ioapic", .print = print_info, .counts = count_info};
INTERRUPT_INFO(ioapic_info);
