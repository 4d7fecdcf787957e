/* SPDX-License-Identifier: MIT */
/* PCI bus: functions by number, configuration accesses with masks, shared INTx lines. PCI Local Bus
 * 3.0, 3.2 and 6.1. */
#include "hw/pci.h"

#include "util/trace.h"

#include "hw/pci/pci-internal.h"

bool pci_bus_intx_level(const PciBus *bus, unsigned slot, unsigned pin)
{
    for (unsigned function = 0; function < 8; function++) {
        const PciDevice *dev = bus->devices[PCI_DEVFN(slot, function)];
        if (dev && dev->intx_level && dev->config[PCI_INTERRUPT_PIN] == pin + 1 &&
            !(pci_get_word(dev, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE)) {
            return true;
        }
    }
    return false;
}

static PciDevice *find_function(const PciBus *bus, unsigned devfn)
{
    PciDevice *dev = bus->devices[devfn & 0xff];
    return dev && dev->dev.obj.realized ? dev : NULL;
}

uint32_t pci_config_read(PciBus *bus, unsigned devfn, unsigned offset, unsigned size)
{
    const PciDevice *dev = find_function(bus, devfn);
    if (!dev || offset + size > PCI_CONFIG_SIZE) {
        return UINT32_MAX >> (32 - 8 * size);
    }
    uint32_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint32_t)dev->config[offset + i] << (8 * i);
    }
    TRACE(pci_config_read, "%s devfn 0x%02x offset 0x%02x value 0x%x", dev->dev.obj.type->name,
          devfn, offset, value);
    return value;
}

void pci_config_write(PciBus *bus, unsigned devfn, unsigned offset, uint32_t value, unsigned size)
{
    PciDevice *dev = find_function(bus, devfn);
    if (!dev || offset + size > PCI_CONFIG_SIZE) {
        return;
    }
    TRACE(pci_config_write, "%s devfn 0x%02x offset 0x%02x value 0x%x", dev->dev.obj.type->name,
          devfn, offset, value);
    pci_config_capture(dev);
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        uint8_t mask = dev->write_mask[offset + i];
        uint8_t *config = &dev->config[offset + i];
        *config = (uint8_t)((*config & ~mask) | (byte & mask));
        *config &= (uint8_t) ~(byte & dev->w1c_mask[offset + i]);
    }
    pci_device_sync(dev);
    const PciDeviceInfo *info = pci_device_info(dev);
    if (info && info->config_written) {
        info->config_written(dev, offset, size);
    }
    object_sync(&dev->dev.obj);
}

void pci_bus_init(PciBus *bus, Device *owner, const char *name, Region *io, Region *memory)
{
    bus_init(&bus->bus, &pci_bus_type, owner, name);
    bus->io = io;
    bus->memory = memory;
}

static const Field pci_bus_fields[] = {
    LINK(PciBus, devices),  LINK(PciBus, io),         LINK(PciBus, memory), DERIVED(PciBus, number),
    LINK(PciBus, set_intx), LINK(PciBus, intx_owner), FIELDS_END,
};

const Type pci_bus_type = {
    .name = "PCI",
    .parent = &bus_type,
    .size = sizeof(PciBus),
    .fields = pci_bus_fields,
};
OBJECT_TYPE(pci_bus_type);
