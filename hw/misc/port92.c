/* SPDX-License-Identifier: MIT */
/* System control port A (92h) of the PS/2: A20 gate and fast reset. Source: IBM PS/2 Hardware
 * Interface Technical Reference. */
#include "hw/port92.h"

#include "softmmu/run.h"
#include "util/trace.h"

enum { PORT92_ADDRESS = 0x92 };
enum { PORT92_RESET = 0x01, PORT92_A20 = 0x02 };

struct Port92 {
    IsaDevice isa;
    Region region;
    Irq a20;

    uint8_t control;
};

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size)
{
    const Port92 *port = opaque;

    return port->control;
}

/* Reset acts on a rising bit. The keyboard controller drives A20 too: the last word counts. */
static void port92_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Port92 *port = opaque;
    uint8_t changed = port->control ^ (uint8_t)value;

    TRACE(port92_write, "value 0x%02x", (unsigned)value);
    port->control = (uint8_t)value;
    irq_set(port->a20, value & PORT92_A20);
    if (changed & value & PORT92_RESET) {
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

void port92_set_a20(Port92 *port, Irq a20)
{
    port->a20 = a20;
}

static bool port92_realize(Object *obj, Error **err)
{
    static const RegionOps ops = {
        .read = port92_read, .write = port92_write, .impl_min = 1, .impl_max = 1};
    Port92 *port = (Port92 *)obj;

    region_init(&port->region, &(RegionDesc){.name = "port92",
                                             .kind = REGION_IO,
                                             .size = 1,
                                             .owner = obj,
                                             .ops = &ops,
                                             .opaque = port});
    isa_map_io(&port->isa, &port->region, PORT92_ADDRESS);
    return true;
}

static void port92_unrealize(Object *obj)
{
    region_fini(&((Port92 *)obj)->region);
}

static const Field port92_fields[] = {
    DERIVED(Port92, region),
    LINK(Port92, a20),
    STATE(Port92, control),
    FIELDS_END,
};

static const Type port92_type = {
    .name = "port92",
    .parent = &isa_device_type,
    .size = sizeof(Port92),
    .desc = "A20 gate and fast reset",
    .fields = port92_fields,
    .realize = port92_realize,
    .unrealize = port92_unrealize,
};
DEVICE(port92_type);
