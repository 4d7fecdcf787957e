/* SPDX-License-Identifier: MIT */
/* iBASE 700 watchdog: a write to port 443h arms it, one to 441h disarms it. Source: the interface
 * Linux's drivers/watchdog/ib700wdt.c describes. */
#include "hw/isa.h"
#include "softmmu/watchdog.h"

enum { PORT_STOP = 0x441, PORT_START = 0x443 };

/* The low four bits written to PORT_START count down from 30 seconds in steps of two. */
#define LONGEST_SECONDS 30

typedef struct Ib700 {
    IsaDevice isa;
    Timer timer;
    Region stop, start;
} Ib700;

static void ib700_fired(void *opaque)
{
    system_watchdog_fired();
}

static uint64_t ib700_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0xff; /* both ports are write-only */
}

static void ib700_stop(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    timer_del(&((Ib700 *)opaque)->timer);
}

static void ib700_start(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    int64_t seconds = LONGEST_SECONDS - 2 * (int64_t)(value & 0xf);

    timer_mod_ns(&((Ib700 *)opaque)->timer,
                 clock_now_ns(CLOCK_TYPE_VIRTUAL) + seconds * NS_PER_SECOND);
}

static const RegionOps stop_ops = {
    .read = ib700_read, .write = ib700_stop, .impl_min = 1, .impl_max = 1};
static const RegionOps start_ops = {
    .read = ib700_read, .write = ib700_start, .impl_min = 1, .impl_max = 1};

static void map_port(Ib700 *self, Region *region, const char *name, const RegionOps *ops,
                     uint16_t port)
{
    region_init(region, &(RegionDesc){.name = name,
                                      .kind = REGION_IO,
                                      .size = 1,
                                      .owner = &self->isa.dev.obj,
                                      .ops = ops,
                                      .opaque = self});
    isa_map_io(&self->isa, region, port);
}

static bool ib700_realize(Object *obj, Error **err)
{
    Ib700 *self = (Ib700 *)obj;

    timer_init(&self->timer, main_loop(), CLOCK_TYPE_VIRTUAL, ib700_fired, self);
    map_port(self, &self->stop, "ib700-stop", &stop_ops, PORT_STOP);
    map_port(self, &self->start, "ib700-start", &start_ops, PORT_START);
    return true;
}

static void ib700_unrealize(Object *obj)
{
    Ib700 *self = (Ib700 *)obj;

    timer_del(&self->timer);
    region_fini(&self->start);
    region_fini(&self->stop);
}

static const Field ib700_fields[] = {
    STATE_TIMER(Ib700, timer),
    DERIVED(Ib700, stop),
    DERIVED(Ib700, start),
    FIELDS_END,
};

static const Type ib700_type = {
    .name = "ib700",
    .parent = &isa_device_type,
    .size = sizeof(Ib700),
    .desc = "iBASE 700 watchdog; -action watchdog= says what it does",
    .fields = ib700_fields,
    .realize = ib700_realize,
    .unrealize = ib700_unrealize,
    .user_creatable = true,
};
DEVICE(ib700_type);
