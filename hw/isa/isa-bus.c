/* SPDX-License-Identifier: MIT */
/* ISA bus: hands its devices a port, a memory range and interrupt lines. */
#include "hw/isa.h"

static const Field isa_bus_fields[] = {
    LINK(IsaBus, io),
    LINK(IsaBus, memory),
    LINK(IsaBus, irqs),
    FIELDS_END,
};

const Type isa_bus_type = {
    .name = "ISA",
    .parent = &bus_type,
    .size = sizeof(IsaBus),
    .fields = isa_bus_fields,
};
OBJECT_TYPE(isa_bus_type);

static const BusDeviceInfo isa_device_info = {.bus_type = &isa_bus_type};

const Type isa_device_type = {
    .name = "isa-device",
    .parent = &device_type,
    .size = sizeof(IsaDevice),
    .info = &isa_device_info,
    .abstract = true,
};
OBJECT_TYPE(isa_device_type);

void isa_bus_init(IsaBus *bus, Device *owner, const char *name, Region *io, Region *memory)
{
    bus_init(&bus->bus, &isa_bus_type, owner, name);
    bus->io = io;
    bus->memory = memory;
}

void isa_map_io(IsaDevice *dev, Region *region, uint16_t port)
{
    region_add(((IsaBus *)dev->dev.bus)->io, port, region, 0);
}

Irq isa_irq(IsaDevice *dev, unsigned irq)
{
    g_assert(irq < ISA_IRQ_COUNT);
    return ((IsaBus *)dev->dev.bus)->irqs[irq];
}

IsaBus *isa_bus_find(void)
{
    return (IsaBus *)bus_find(&isa_bus_type, NULL);
}
