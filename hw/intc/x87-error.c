/* SPDX-License-Identifier: MIT */
/* How a PC/AT hears of x87 errors: FERR# of the CPUs sets a latch, which is IRQ 13; port F0h clears
 * it and makes the CPU go on. Source: Intel SDM vol. 1, appendix D. */
#include "hw/x87-error.h"

#include "target/i386/cpu.h"

enum { CLEAR_PORT = 0xf0, ERROR_IRQ = 13 };

struct X87ErrorLatch {
    IsaDevice isa;
    Region region;
    X86Cpu *source; /* whose FERR# has set the latch */

    bool is_set;
};

static void latch_sync(Object *obj)
{
    X87ErrorLatch *latch = (X87ErrorLatch *)obj;

    irq_set(isa_irq(&latch->isa, ERROR_IRQ), latch->is_set);
}

static void set_latch(void *board, X86Cpu *cpu)
{
    X87ErrorLatch *latch = board;

    latch->source = cpu;
    latch->is_set = true;
    latch_sync((Object *)latch);
}

void x87_error_attach(X87ErrorLatch *latch, X86Cpu *cpu)
{
    cpu->signal_x87_error = set_latch;
    cpu->x87_error_board = latch;
}

static uint64_t latch_read(void *opaque, uint64_t offset, unsigned size)
{
    return UINT64_MAX;
}

/* IGNNE# stays until the error is gone, which is the CPU's to say. */
static void latch_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    X87ErrorLatch *latch = opaque;

    if (latch->is_set && latch->source) {
        latch->source->ignores_x87_error = true;
    }
    latch->is_set = false;
    latch_sync(opaque);
}

static bool latch_realize(Object *obj, Error **err)
{
    static const RegionOps ops = {
        .read = latch_read, .write = latch_write, .impl_min = 1, .impl_max = 1};
    X87ErrorLatch *latch = (X87ErrorLatch *)obj;

    region_init(&latch->region, &(RegionDesc){.name = "x87-error",
                                              .kind = REGION_IO,
                                              .size = 1,
                                              .owner = obj,
                                              .ops = &ops,
                                              .opaque = latch});
    isa_map_io(&latch->isa, &latch->region, CLEAR_PORT);
    return true;
}

static void latch_unrealize(Object *obj)
{
    region_fini(&((X87ErrorLatch *)obj)->region);
}

static const Field latch_fields[] = {
    DERIVED(X87ErrorLatch, region),
    LINK(X87ErrorLatch, source),
    STATE(X87ErrorLatch, is_set),
    FIELDS_END,
};

static const Type latch_type = {
    .name = "x87-error",
    .parent = &isa_device_type,
    .size = sizeof(X87ErrorLatch),
    .desc = "IRQ 13 of x87 errors",
    .fields = latch_fields,
    .realize = latch_realize,
    .unrealize = latch_unrealize,
    .sync = latch_sync,
};
DEVICE(latch_type);
