/* SPDX-License-Identifier: MIT */
/* isa-debug-exit: a write to its port ends the emulator with exit status (value << 1) | 1, for test
 * programs that run as a guest. */
#include "hw/isa.h"
#include "softmmu/run-end.h"

typedef struct DebugExit {
    IsaDevice isa;
    uint32_t iobase, iosize;
    Region port;
} DebugExit;

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    system_debug_exit(value);
}

static const RegionOps port_ops = {
    .read = port_read, .write = port_write, .impl_min = 1, .impl_max = 4, .unaligned = true};

static bool debug_exit_realize(Object *obj, Error **err)
{
    DebugExit *self = (DebugExit *)obj;

    if (self->iosize < 1 || self->iosize > 8 || self->iobase > 0x10000 - self->iosize) {
        return error_set(err, "ports 0x%x to 0x%x: 1 to 8 ports up to 0xffff are possible",
                         self->iobase, self->iobase + self->iosize - 1);
    }
    region_init(&self->port, &(RegionDesc){.name = "isa-debug-exit",
                                           .kind = REGION_IO,
                                           .size = self->iosize,
                                           .owner = obj,
                                           .ops = &port_ops,
                                           .opaque = self});
    isa_map_io(&self->isa, &self->port, (uint16_t)self->iobase);
    return true;
}

static void debug_exit_unrealize(Object *obj)
{
    region_fini(&((DebugExit *)obj)->port);
}

static const Field debug_exit_fields[] = {
    PROP(DebugExit, iobase, .init = 0x501, .desc = "first port"),
    PROP(DebugExit, iosize, .init = 2, .desc = "number of ports"), DERIVED(DebugExit, port),
    FIELDS_END};

static const Type debug_exit_type = {
    .name = "isa-debug-exit",
    .parent = &isa_device_type,
    .size = sizeof(DebugExit),
    .desc = "ends the emulator with a status the guest writes",
    .fields = debug_exit_fields,
    .realize = debug_exit_realize,
    .unrealize = debug_exit_unrealize,
    .user_creatable = true,
};
DEVICE(debug_exit_type);
