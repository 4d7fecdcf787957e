/* SPDX-License-Identifier: MIT */
/* pvpanic: a port by which a guest says that it has panicked. Reading tells which events are known.
 * Source: docs/specs/pvpanic of QEMU, as Linux's drivers/misc/pvpanic uses it. */
#include "hw/pvpanic.h"

#include "softmmu/watchdog.h"

enum { EVENT_PANICKED = 0x01, EVENT_CRASH_LOADED = 0x02 };
enum { EVENTS_KNOWN = EVENT_PANICKED | EVENT_CRASH_LOADED };

typedef struct PvPanic {
    IsaDevice isa;
    uint16_t ioport;
    uint8_t events;
    Region port;
} PvPanic;

static const Type pvpanic_type;

static uint64_t pvpanic_read(void *opaque, uint64_t offset, unsigned size)
{
    const PvPanic *self = opaque;

    return self->events;
}

/* What is masked out by events= acts all the same, as in QEMU: the mask is what the guest is
 * told. */
static void pvpanic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (value & ~(uint64_t)EVENTS_KNOWN) {
        guest_error(opaque, "unknown event in 0x%02x", (unsigned)value);
    }
    if (value & EVENT_PANICKED) {
        system_guest_panicked();
    } else if (value & EVENT_CRASH_LOADED) {
        system_guest_crash_loaded();
    }
}

static const RegionOps pvpanic_ops = {
    .read = pvpanic_read, .write = pvpanic_write, .impl_min = 1, .impl_max = 1};

static bool pvpanic_realize(Object *obj, Error **err)
{
    PvPanic *self = (PvPanic *)obj;

    region_init(&self->port, &(RegionDesc){.name = "pvpanic",
                                           .kind = REGION_IO,
                                           .size = 1,
                                           .owner = obj,
                                           .ops = &pvpanic_ops,
                                           .opaque = self});
    isa_map_io(&self->isa, &self->port, self->ioport);
    return true;
}

static void pvpanic_unrealize(Object *obj)
{
    region_fini(&((PvPanic *)obj)->port);
}

uint16_t pvpanic_port(const IsaBus *bus)
{
    for (guint i = 0; i < bus->bus.devices->len; i++) {
        const Device *dev = bus->bus.devices->pdata[i];
        if (type_is_a(dev->obj.type, &pvpanic_type)) {
            return ((const PvPanic *)dev)->ioport;
        }
    }
    return 0;
}

static const Field pvpanic_fields[] = {
    PROP(PvPanic, ioport, .init = 0x505, .desc = "port"),
    PROP(PvPanic, events, .init = EVENTS_KNOWN,
         .desc = "events the guest is told of: 1 panicked, 2 crash kernel loaded"),
    DERIVED(PvPanic, port),
    FIELDS_END,
};

static const Type pvpanic_type = {
    .name = "pvpanic",
    .parent = &isa_device_type,
    .size = sizeof(PvPanic),
    .desc = "tells the host that the guest has panicked",
    .fields = pvpanic_fields,
    .realize = pvpanic_realize,
    .unrealize = pvpanic_unrealize,
    .user_creatable = true,
};
DEVICE(pvpanic_type);
