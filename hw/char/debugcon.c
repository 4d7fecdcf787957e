/* SPDX-License-Identifier: MIT */
/* isa-debugcon: a port whose bytes go to a character device; what firmware prints on (402h) and
 * what Bochs calls port E9h. A read tells by its value that it is there. */
#include "hw/isa.h"
#include "ui/chardev.h"

typedef struct DebugCon {
    IsaDevice isa;
    uint32_t iobase, readback;
    Chardev *chardev;
    Region port;
    Chardev *host; /* what chardev_attach() gave for writing */
} DebugCon;

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((const DebugCon *)opaque)->readback;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    uint8_t byte = (uint8_t)value;

    chardev_write(((DebugCon *)opaque)->host, &byte, 1);
}

static const RegionOps port_ops = {
    .read = port_read, .write = port_write, .impl_min = 1, .impl_max = 1};

static size_t can_receive(void *opaque)
{
    return 0;
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
}

static bool debugcon_realize(Object *obj, Error **err)
{
    DebugCon *self = (DebugCon *)obj;
    const ChardevFrontend frontend = {
        .can_receive = can_receive, .receive = receive, .opaque = self, .is_console = true};

    if (self->iobase > 0xffff) {
        return error_set(err, "iobase 0x%x: ports end at 0xffff", self->iobase);
    }
    if (self->chardev) {
        self->host = chardev_attach(self->chardev, &frontend, err);
        if (!self->host) {
            return false;
        }
    }
    region_init(&self->port, &(RegionDesc){.name = "isa-debugcon",
                                           .kind = REGION_IO,
                                           .size = 1,
                                           .owner = obj,
                                           .ops = &port_ops,
                                           .opaque = self});
    isa_map_io(&self->isa, &self->port, (uint16_t)self->iobase);
    return true;
}

static void debugcon_unrealize(Object *obj)
{
    DebugCon *self = (DebugCon *)obj;

    region_fini(&self->port);
    if (self->host) {
        chardev_detach(self->host);
        self->host = NULL;
    }
}

static const Field debugcon_fields[] = {
    PROP(DebugCon, iobase, .init = 0xe9, .desc = "the port"),
    PROP(DebugCon, readback, .init = 0xe9, .desc = "what a read gives"),
    PROP_LINK(DebugCon, chardev, .link_type = &chardev_type, .desc = "where the bytes go"),
    DERIVED(DebugCon, port),
    DERIVED(DebugCon, host),
    FIELDS_END};

static const Type debugcon_type = {
    .name = "isa-debugcon",
    .parent = &isa_device_type,
    .size = sizeof(DebugCon),
    .desc = "debug console",
    .fields = debugcon_fields,
    .realize = debugcon_realize,
    .unrealize = debugcon_unrealize,
    .user_creatable = true,
};
DEVICE(debugcon_type);
