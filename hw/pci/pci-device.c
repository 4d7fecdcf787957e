/* SPDX-License-Identifier: MIT */
/* PCI device: the type 0 header, base addresses, capabilities, INTx and DMA that every function
 * has. PCI Local Bus 3.0, 6.2. */
#include "hw/pci.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hw/pci/pci-internal.h"

#define DEFAULT_SUBSYSTEM_VENDOR 0x1af4
#define DEFAULT_SUBSYSTEM 0x1100
#define CONFIG_HEADER_SIZE 0x40
#define HEADER_MULTIFUNCTION 0x80
#define ROM_ENABLE 1u
#define NOT_MAPPED UINT64_MAX

enum { BAR_FLAG_IO = 1, BAR_FLAG_64 = 4, BAR_FLAG_PREFETCH = 8 };

#define COMMAND_SERR 0x100
#define STATUS_ERRORS 0xf900 /* write one to clear */

const PciDeviceInfo *pci_device_info(const PciDevice *dev)
{
    const Type *type = dev->dev.obj.type;
    while (type != &pci_device_type && !type->info) {
        type = type->parent;
    }
    return type == &pci_device_type ? NULL : type->info;
}

static PciBus *pci_bus_of(const PciDevice *dev)
{
    return (PciBus *)dev->dev.bus;
}

static uint32_t config_get_long(const PciDevice *dev, unsigned offset)
{
    return pci_get_word(dev, offset) | (uint32_t)pci_get_word(dev, offset + 2) << 16;
}

static void set_long(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

void pci_config_capture(PciDevice *dev)
{
    if (!dev->config_captured) {
        memcpy(dev->config_reset, dev->config, sizeof(dev->config));
        dev->config_captured = true;
    }
}

/* -- Base addresses ---------------------------------------------------------------------------- */

static unsigned bar_offset(unsigned index)
{
    return index == PCI_ROM_SLOT ? PCI_ROM_ADDRESS : PCI_BAR0 + 4 * index;
}

static bool bar_is_64(PciBarKind kind)
{
    return kind == PCI_BAR_MEM64 || kind == PCI_BAR_MEM64_PREFETCH;
}

void pci_register_bar(PciDevice *dev, unsigned index, PciBarKind kind, Region *region)
{
    static const uint8_t flags[] = {
        [PCI_BAR_IO] = BAR_FLAG_IO,
        [PCI_BAR_MEM32] = 0,
        [PCI_BAR_MEM64] = BAR_FLAG_64,
        [PCI_BAR_MEM64_PREFETCH] = BAR_FLAG_64 | BAR_FLAG_PREFETCH,
    };

    assert(index <= PCI_ROM_SLOT && kind != PCI_BAR_NONE && !dev->bars[index]);
    assert(region->size >= 4 && (region->size & (region->size - 1)) == 0);
    uint64_t mask = ~(region->size - 1);
    unsigned offset = bar_offset(index);
    dev->bars[index] = region;
    dev->bar_kinds[index] = kind;
    dev->bar_mapped_at[index] = NOT_MAPPED;
    set_long(&dev->config[offset], flags[kind]);
    set_long(&dev->write_mask[offset], (uint32_t)mask | (index == PCI_ROM_SLOT ? ROM_ENABLE : 0));
    if (bar_is_64(kind)) {
        assert(index < PCI_BAR_COUNT - 1);
        set_long(&dev->write_mask[offset + 4], (uint32_t)(mask >> 32));
    }
}

/* Where the guest wants the BAR; an address that is zero or leaves its space (as while the guest
 * measures the size by writing ones) maps nowhere. */
static uint64_t bar_address(const PciDevice *dev, unsigned index)
{
    PciBarKind kind = dev->bar_kinds[index];
    uint16_t command = pci_get_word(dev, PCI_COMMAND);
    uint64_t size = dev->bars[index]->size;
    uint64_t limit = kind == PCI_BAR_IO ? 0xffff : UINT32_MAX - 1;
    uint64_t address = config_get_long(dev, bar_offset(index));

    if (!(command & (kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)) ||
        (index == PCI_ROM_SLOT && !(address & ROM_ENABLE))) {
        return NOT_MAPPED;
    }
    if (bar_is_64(kind)) {
        address |= (uint64_t)config_get_long(dev, bar_offset(index) + 4) << 32;
        limit = UINT64_MAX - 1;
    }
    address &= ~(size - 1);
    uint64_t last = address + size - 1;
    return address == 0 || last < address || last > limit ? NOT_MAPPED : address;
}

static void bar_map(PciDevice *dev, unsigned index, uint64_t address)
{
    Region *region = dev->bars[index];

    if (address == dev->bar_mapped_at[index]) {
        return;
    }
    region_del(region);
    dev->bar_mapped_at[index] = address;
    if (address != NOT_MAPPED) {
        PciBus *bus = pci_bus_of(dev);
        region_add(dev->bar_kinds[index] == PCI_BAR_IO ? bus->io : bus->memory, address, region, 1);
    }
}

/* -- Interrupts -------------------------------------------------------------------------------- */

static void intx_update(PciDevice *dev)
{
    PciBus *bus = pci_bus_of(dev);
    unsigned slot = (unsigned)dev->devfn >> 3;
    unsigned pin = dev->config[PCI_INTERRUPT_PIN];

    if (pin == 0 || pin > 4 || !bus) {
        return;
    }
    dev->config[PCI_STATUS] = (uint8_t)((dev->config[PCI_STATUS] & ~PCI_STATUS_INTERRUPT) |
                                        (dev->intx_level ? PCI_STATUS_INTERRUPT : 0));
    if (bus->set_intx) {
        bus->set_intx(bus->intx_owner, slot, pin - 1, pci_bus_intx_level(bus, slot, pin - 1));
    }
}

void pci_set_intx(PciDevice *dev, bool level)
{
    if (dev->intx_level != level) {
        dev->intx_level = level;
        intx_update(dev);
    }
}

void pci_device_sync(PciDevice *dev)
{
    if (!dev->dev.bus || dev->devfn < 0) {
        return;
    }
    region_transaction_begin();
    for (unsigned i = 0; i <= PCI_ROM_SLOT; i++) {
        if (dev->bars[i]) {
            bar_map(dev, i, bar_address(dev, i));
        }
    }
    region_transaction_commit();
    intx_update(dev);
}

/* -- Capabilities and DMA ---------------------------------------------------------------------- */

static uint64_t dword_bits(unsigned offset, unsigned size)
{
    unsigned first = offset / 4, last = (offset + size - 1) / 4;
    return (UINT64_MAX << first) & (UINT64_MAX >> (63 - last));
}

unsigned pci_add_capability(PciDevice *dev, uint8_t id, unsigned offset, unsigned size)
{
    if (offset == 0) {
        offset = CONFIG_HEADER_SIZE;
        while (offset + size <= PCI_CONFIG_SIZE &&
               (dev->capability_map & dword_bits(offset, size))) {
            offset += 4;
        }
    }
    assert(size >= 2 && offset >= CONFIG_HEADER_SIZE && offset + size <= PCI_CONFIG_SIZE);
    assert(!(dev->capability_map & dword_bits(offset, size)));
    dev->capability_map |= dword_bits(offset, size);
    memset(&dev->config[offset], 0, size);
    memset(&dev->write_mask[offset], 0, size);
    dev->config[offset] = id;
    dev->config[offset + 1] = dev->config[PCI_CAPABILITY_LIST];
    dev->config[PCI_CAPABILITY_LIST] = (uint8_t)offset;
    dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    return offset;
}

static bool is_master(const PciDevice *dev)
{
    return pci_get_word(dev, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

bool pci_dma_read(PciDevice *dev, uint64_t address, void *buffer, size_t size)
{
    if (!is_master(dev)) {
        memset(buffer, 0, size);
        return false;
    }
    return address_space_read(&address_space_memory, address, buffer, size) == MEM_OK;
}

bool pci_dma_write(PciDevice *dev, uint64_t address, const void *buffer, size_t size)
{
    return is_master(dev) &&
           address_space_write(&address_space_memory, address, buffer, size) == MEM_OK;
}

/* -- Life -------------------------------------------------------------------------------------- */

/* addr=SLOT[.FUNCTION], both hexadecimal. */
static bool devfn_parse(const Field *field, void *address, const char *text, Error **err)
{
    char *end;
    unsigned long slot = strtoul(text, &end, 16), function = 0;
    bool is_good = end != text;

    if (is_good && *end == '.') {
        char *start = end + 1;
        function = strtoul(start, &end, 16);
        is_good = end != start;
    }
    if (!is_good || *end || slot > 31 || function > 7) {
        return error_set(err,
                         "'%s' is not a PCI address; use SLOT[.FUNCTION] in hexadecimal, "
                         "slot up to 1f, function up to 7",
                         text);
    }
    *(int32_t *)address = (int32_t)PCI_DEVFN(slot, function);
    return true;
}

/* As a number of JSON: slot and function in one. */
static bool devfn_parse_integer(const Field *field, void *address, int64_t value, Error **err)
{
    if (value < 0 || value > 255) {
        return error_set(err, "%" G_GINT64_FORMAT " is not a PCI address; slot * 8 + function is",
                         (gint64)value);
    }
    *(int32_t *)address = (int32_t)value;
    return true;
}

static void devfn_print(const Field *field, const void *address, GString *out)
{
    int32_t devfn = *(const int32_t *)address;
    if (devfn >= 0) {
        g_string_append_printf(out, "%02x.%x", (unsigned)devfn >> 3, (unsigned)devfn & 7);
    } else {
        g_string_append(out, "auto");
    }
}

static const FieldType devfn_field_type = {
    .name = "pci-address",
    .size = sizeof(int32_t),
    .parse = devfn_parse,
    .parse_integer = devfn_parse_integer,
    .print = devfn_print,
};

static bool choose_devfn(PciDevice *dev, Error **err)
{
    PciBus *bus = pci_bus_of(dev);

    for (int32_t devfn = 0; dev->devfn < 0 && devfn < 256; devfn += 8) {
        if (!bus->devices[devfn]) {
            dev->devfn = devfn;
        }
    }
    if (dev->devfn < 0) {
        return error_set(err, "PCI bus '%s' has no free slot for '%s'", bus->bus.obj.name,
                         dev->dev.obj.type->name);
    }
    const PciDevice *there = bus->devices[dev->devfn];
    if (there) {
        return error_set(err, "PCI address %02x.%x of '%s' is taken by '%s'",
                         (unsigned)dev->devfn >> 3, (unsigned)dev->devfn & 7,
                         dev->dev.obj.type->name, there->dev.obj.type->name);
    }
    return true;
}

static void fill_header(PciDevice *dev, const PciDeviceInfo *info)
{
    pci_set_word(dev, PCI_VENDOR_ID, info->vendor_id);
    pci_set_word(dev, PCI_DEVICE_ID, info->device_id);
    dev->config[PCI_REVISION_ID] = info->revision;
    dev->config[PCI_CLASS_PROG] = (uint8_t)info->class_code;
    pci_set_word(dev, PCI_CLASS_DEVICE, (uint16_t)(info->class_code >> 8));
    dev->config[PCI_HEADER_TYPE] = dev->multifunction ? HEADER_MULTIFUNCTION : 0;
    bool has_subsystem = info->subsystem_vendor_id || info->subsystem_id;
    pci_set_word(dev, PCI_SUBSYSTEM_VENDOR_ID,
                 has_subsystem ? info->subsystem_vendor_id : DEFAULT_SUBSYSTEM_VENDOR);
    pci_set_word(dev, PCI_SUBSYSTEM_ID, has_subsystem ? info->subsystem_id : DEFAULT_SUBSYSTEM);
    dev->config[PCI_INTERRUPT_PIN] = info->interrupt_pin;

    uint16_t command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | COMMAND_SERR |
                       PCI_COMMAND_INTX_DISABLE;
    dev->write_mask[PCI_COMMAND] = (uint8_t)command;
    dev->write_mask[PCI_COMMAND + 1] = (uint8_t)(command >> 8);
    dev->w1c_mask[PCI_STATUS + 1] = STATUS_ERRORS >> 8;
    dev->write_mask[PCI_CACHE_LINE_SIZE] = 0xff;
    dev->write_mask[PCI_LATENCY_TIMER] = 0xff;
    dev->write_mask[PCI_INTERRUPT_LINE] = 0xff;
}

static bool pci_device_realize(Object *obj, Error **err)
{
    PciDevice *dev = (PciDevice *)obj;
    const PciDeviceInfo *info = pci_device_info(dev);

    if (!dev->dev.bus || !object_is_a(&dev->dev.bus->obj, &pci_bus_type)) {
        return error_set(err, "'%s' needs a PCI bus", obj->type->name);
    }
    if (!choose_devfn(dev, err)) {
        return false;
    }
    if (info) {
        dev->multifunction = dev->multifunction || info->multifunction;
        fill_header(dev, info);
    }
    for (unsigned i = 0; i <= PCI_ROM_SLOT; i++) {
        dev->bar_mapped_at[i] = NOT_MAPPED;
    }
    pci_bus_of(dev)->devices[dev->devfn] = dev;
    return true;
}

static void pci_device_unrealize(Object *obj)
{
    PciDevice *dev = (PciDevice *)obj;

    pci_set_intx(dev, false);
    for (unsigned i = 0; i <= PCI_ROM_SLOT; i++) {
        if (dev->bars[i]) {
            bar_map(dev, i, NOT_MAPPED);
            dev->bars[i] = NULL;
        }
    }
    if (dev->dev.bus) { /* a bus may go before what is plugged into it */
        pci_bus_of(dev)->devices[dev->devfn] = NULL;
    }
    dev->config_captured = false;
}

static void pci_device_reset_hold(Object *obj)
{
    PciDevice *dev = (PciDevice *)obj;

    pci_config_capture(dev);
    memcpy(dev->config, dev->config_reset, sizeof(dev->config));
    pci_device_sync(dev);
}

static void pci_device_sync_object(Object *obj)
{
    pci_device_sync((PciDevice *)obj);
}

static const Field pci_device_fields[] = {
    PROP_TYPED(PciDevice, devfn, &devfn_field_type, .init = -1, .prop_name = "addr",
               .desc = "slot and function on the bus; the first free slot by default"),
    PROP(PciDevice, multifunction, .desc = "function 0 of a slot with more functions"),
    STATE_ARRAY(PciDevice, config, .keep = true),
    DERIVED(PciDevice, config_reset),
    DERIVED(PciDevice, config_captured),
    DERIVED(PciDevice, capability_map),
    DERIVED(PciDevice, write_mask),
    DERIVED(PciDevice, w1c_mask),
    LINK(PciDevice, bars),
    DERIVED(PciDevice, bar_kinds),
    DERIVED(PciDevice, bar_mapped_at),
    STATE(PciDevice, intx_level),
    FIELDS_END,
};

static const BusDeviceInfo pci_bus_device_info = {.bus_type = &pci_bus_type};

const Type pci_device_type = {
    .name = "pci-device",
    .parent = &device_type,
    .size = sizeof(PciDevice),
    .fields = pci_device_fields,
    .info = &pci_bus_device_info,
    .realize = pci_device_realize,
    .unrealize = pci_device_unrealize,
    .reset_hold = pci_device_reset_hold,
    .sync = pci_device_sync_object,
    .abstract = true,
};
DEVICE(pci_device_type);
