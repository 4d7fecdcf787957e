/* SPDX-License-Identifier: MIT */
/* Teaching device: an ISA counter that counts up at a fixed rate and interrupts when it reaches a
 * limit. docs/howto/new-device.md explains it line by line. */
#include "hw/isa.h"

enum { REG_COUNT, REG_LIMIT, REG_CONTROL, REG_STATUS, REGISTER_COUNT };
enum { CONTROL_RUN = 1, CONTROL_IRQ_ENABLE = 2 };
enum { STATUS_REACHED = 1 };

typedef struct EduCounter {
    IsaDevice isa;
    uint16_t iobase;
    uint8_t irq;
    uint32_t period_us;
    uint8_t count, limit, control, status;
    Timer tick;
    Region registers;
} EduCounter;

static void edu_counter_sync(Object *obj)
{
    EduCounter *self = (EduCounter *)obj;
    bool running = self->control & CONTROL_RUN;

    if (running && !timer_pending(&self->tick)) {
        timer_mod_ns(&self->tick, clock_now_ns(CLOCK_TYPE_VIRTUAL) + self->period_us * 1000ll);
    } else if (!running) {
        timer_del(&self->tick);
    }
    irq_set(isa_irq(&self->isa, self->irq),
            (self->status & STATUS_REACHED) && (self->control & CONTROL_IRQ_ENABLE));
}

static void edu_counter_tick(void *opaque)
{
    EduCounter *self = opaque;

    self->count++;
    if (self->count == self->limit) {
        self->count = 0;
        self->status |= STATUS_REACHED;
    }
    edu_counter_sync(opaque);
}

static uint64_t edu_counter_read(void *opaque, uint64_t offset, unsigned size)
{
    EduCounter *self = opaque;
    uint8_t values[REGISTER_COUNT] = {self->count, self->limit, self->control, self->status};

    return values[offset];
}

static void edu_counter_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    EduCounter *self = opaque;

    switch (offset) {
    case REG_LIMIT:
        self->limit = (uint8_t)value;
        break;
    case REG_CONTROL:
        self->control = value & (CONTROL_RUN | CONTROL_IRQ_ENABLE);
        break;
    case REG_STATUS: /* write one to clear */
        self->status &= ~value;
        break;
    default:
        guest_error(self, "write of 0x%02x to the read-only count", (unsigned)value);
    }
}

static const RegionOps edu_counter_ops = {
    .read = edu_counter_read,
    .write = edu_counter_write,
    .impl_min = 1,
    .impl_max = 1,
};

static bool edu_counter_realize(Object *obj, Error **err)
{
    EduCounter *self = (EduCounter *)obj;

    if (self->irq >= ISA_IRQ_COUNT || !self->period_us) {
        return error_set(err, "irq=%u, period-us=%u: an irq below %d and a period are needed",
                         self->irq, self->period_us, ISA_IRQ_COUNT);
    }
    timer_init(&self->tick, main_loop(), CLOCK_TYPE_VIRTUAL, edu_counter_tick, self);
    region_init(&self->registers, &(RegionDesc){.name = "edu-counter",
                                                .kind = REGION_IO,
                                                .size = REGISTER_COUNT,
                                                .owner = obj,
                                                .ops = &edu_counter_ops,
                                                .opaque = self});
    isa_map_io(&self->isa, &self->registers, self->iobase);
    return true;
}

static void edu_counter_unrealize(Object *obj)
{
    EduCounter *self = (EduCounter *)obj;

    irq_lower(isa_irq(&self->isa, self->irq));
    timer_del(&self->tick);
    region_fini(&self->registers);
}

static const Field edu_counter_fields[] = {
    PROP(EduCounter, iobase, .init = 0x2a0, .desc = "first of the four ports"),
    PROP(EduCounter, irq, .init = 5, .desc = "ISA interrupt line"),
    PROP(EduCounter, period_us, .init = 1000, .desc = "time of one count"),
    STATE(EduCounter, count),
    STATE(EduCounter, limit, .init = 0xff),
    STATE(EduCounter, control),
    STATE(EduCounter, status),
    STATE_TIMER(EduCounter, tick),
    DERIVED(EduCounter, registers),
    FIELDS_END,
};

static const Type edu_counter_type = {
    .name = "edu-counter",
    .parent = &isa_device_type,
    .size = sizeof(EduCounter),
    .desc = "counter that the manual explains",
    .fields = edu_counter_fields,
    .realize = edu_counter_realize,
    .unrealize = edu_counter_unrealize,
    .sync = edu_counter_sync,
    .user_creatable = true,
};
DEVICE(edu_counter_type);
