/* SPDX-License-Identifier: MIT */
/* 8259A programmable interrupt controller with the PC's edge/level register. Datasheet: Intel
 * 231468, "8259A Programmable Interrupt Controller"; ELCR: Intel 82371SB (PIIX3). */
#include "hw/i8259.h"

#include "hw/interrupt-info.h"
#include "util/trace.h"

enum { /* port 0, write */
       ICW1_NEEDS_ICW4 = 0x01,
       ICW1_SINGLE = 0x02,
       ICW1_SELECT = 0x10,
       OCW3_SELECT = 0x08,
       OCW3_READ_ISR = 0x01,
       OCW3_READ = 0x02,
       OCW3_POLL = 0x04,
       OCW3_SPECIAL_MASK = 0x20,
       OCW3_SET_SPECIAL_MASK = 0x40
};

enum { /* port 1, fourth initialisation word */
       ICW4_AUTO_EOI = 0x02,
       ICW4_SPECIAL_FULLY_NESTED = 0x10
};

enum { /* OCW2, bits 7-5 */
       OCW2_CLEAR_ROTATE_AUTO_EOI,
       OCW2_EOI,
       OCW2_NOP,
       OCW2_SPECIFIC_EOI,
       OCW2_SET_ROTATE_AUTO_EOI,
       OCW2_ROTATE_EOI,
       OCW2_SET_PRIORITY,
       OCW2_ROTATE_SPECIFIC_EOI
};

enum { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4 };

enum { PIN_COUNT = 8, SPURIOUS_PIN = 7, POLL_PENDING = 0x80 };

struct I8259 {
    IsaDevice isa;
    uint32_t iobase;
    uint32_t elcr_addr;
    uint8_t elcr_mask;
    bool master;
    Region ports, elcr_port;
    Irq output;
    I8259 *slave;

    uint8_t lines;   /* levels at the pins */
    uint8_t latched; /* rising edges not acknowledged yet */
    uint8_t imr, isr, elcr;
    uint8_t lowest_priority; /* the pin that comes last */
    uint8_t vector_base;
    uint8_t init_state;
    bool needs_icw4, single;
    bool read_isr, poll, special_mask, auto_eoi, rotate_on_auto_eoi, special_fully_nested;
    uint64_t asked[ISA_IRQ_COUNT]; /* for `info irq`: rising edges of each line of the pair */
};

/* Level or edge is the ELCR's choice: bit 3 of ICW1 does nothing in a PIIX3. An edge must stay high
 * until it is acknowledged. */
static uint8_t request_register(const I8259 *pic)
{
    return pic->lines & (pic->elcr | pic->latched);
}

/* Rank of the most urgent of `pins`, 0 (first) to 7; 8: none. */
static unsigned best_rank(const I8259 *pic, uint8_t pins)
{
    unsigned first = pic->lowest_priority + 1u;
    unsigned rank = 0;

    while (rank < PIN_COUNT && !(pins >> ((first + rank) % PIN_COUNT) & 1)) {
        rank++;
    }
    return rank;
}

static unsigned pin_of_rank(const I8259 *pic, unsigned rank)
{
    return (pic->lowest_priority + 1u + rank) % PIN_COUNT;
}

/* The pin INT stands for, -1: none. */
static int pending_pin(const I8259 *pic)
{
    uint8_t in_service = pic->isr;
    unsigned rank = best_rank(pic, request_register(pic) & (uint8_t)~pic->imr);

    if (pic->special_mask) {
        in_service &= (uint8_t)~pic->imr;
    }
    if (rank == PIN_COUNT) {
        return -1;
    }
    unsigned pin = pin_of_rank(pic, rank), served = best_rank(pic, in_service);
    /* A slave may ask again while one of its requests is in service. */
    bool nested = pic->special_fully_nested && pic->master && pin == I8259_CASCADE_PIN;

    return rank < served || (nested && rank == served) ? (int)pin : -1;
}

static void i8259_sync(Object *obj)
{
    I8259 *pic = (I8259 *)obj;

    irq_set(pic->output, pending_pin(pic) >= 0);
}

static void set_pin(void *owner, unsigned n, bool level)
{
    I8259 *pic = owner;
    uint8_t bit = (uint8_t)(1u << n);

    if (!!(pic->lines & bit) == level) {
        return;
    }
    TRACE(i8259_pin, "%s pin %u level %d", pic->master ? "master" : "slave", n, level);
    if (level) {
        pic->asked[pic->master ? n : n + PIN_COUNT]++;
        pic->lines |= bit;
        pic->latched |= bit;
    } else {
        pic->lines &= (uint8_t)~bit;
        pic->latched &= (uint8_t)~bit;
    }
    i8259_sync(&pic->isa.dev.obj);
}

static void end_of_interrupt(I8259 *pic, unsigned pin, bool rotate)
{
    pic->isr &= (uint8_t) ~(1u << pin);
    if (rotate) {
        pic->lowest_priority = (uint8_t)pin;
    }
}

/* What the chip does when a pin is acknowledged; i8259_sync() follows. */
static void take_in_service(I8259 *pic, unsigned pin)
{
    pic->latched &= (uint8_t) ~(1u << pin);
    if (!pic->auto_eoi) {
        pic->isr |= (uint8_t)(1u << pin);
    } else if (pic->rotate_on_auto_eoi) {
        pic->lowest_priority = (uint8_t)pin;
    }
    /* INT falls in every cycle, so that a master sees an edge for what is pending next. */
    irq_lower(pic->output);
}

uint8_t i8259_acknowledge(I8259 *master)
{
    int pin = pending_pin(master);
    uint8_t vector;

    if (pin < 0) {
        vector = (uint8_t)(master->vector_base + SPURIOUS_PIN);
    } else {
        take_in_service(master, (unsigned)pin);
        if (pin == I8259_CASCADE_PIN && master->slave) {
            vector = i8259_acknowledge(master->slave);
        } else {
            vector = (uint8_t)(master->vector_base + pin);
        }
    }
    TRACE(i8259_acknowledge, "%s vector 0x%02x", master->master ? "master" : "slave", vector);
    i8259_sync(&master->isa.dev.obj);
    return vector;
}

static void start_initialisation(I8259 *pic, uint8_t icw1)
{
    pic->latched = 0;
    pic->imr = 0;
    pic->isr = 0;
    pic->lowest_priority = PIN_COUNT - 1;
    pic->special_mask = false;
    pic->read_isr = false;
    pic->poll = false;
    pic->auto_eoi = false;
    pic->rotate_on_auto_eoi = false;
    pic->special_fully_nested = false;
    pic->vector_base = 0;
    pic->needs_icw4 = icw1 & ICW1_NEEDS_ICW4;
    pic->single = icw1 & ICW1_SINGLE;
    pic->init_state = INIT_ICW2;
}

static void write_ocw2(I8259 *pic, uint8_t value)
{
    unsigned pin = value & 7;
    /* A level that special mask mode has masked is out of the way of this, too. */
    unsigned rank = best_rank(pic, pic->special_mask ? pic->isr & (uint8_t)~pic->imr : pic->isr);

    switch (value >> 5) {
    case OCW2_CLEAR_ROTATE_AUTO_EOI:
        pic->rotate_on_auto_eoi = false;
        break;
    case OCW2_SET_ROTATE_AUTO_EOI:
        pic->rotate_on_auto_eoi = true;
        break;
    case OCW2_EOI:
    case OCW2_ROTATE_EOI:
        if (rank < PIN_COUNT) {
            end_of_interrupt(pic, pin_of_rank(pic, rank), value >> 5 == OCW2_ROTATE_EOI);
        }
        break;
    case OCW2_SPECIFIC_EOI:
    case OCW2_ROTATE_SPECIFIC_EOI:
        end_of_interrupt(pic, pin, value >> 5 == OCW2_ROTATE_SPECIFIC_EOI);
        break;
    case OCW2_SET_PRIORITY:
        pic->lowest_priority = (uint8_t)pin;
        break;
    default: /* no operation */
        break;
    }
}

static void write_ocw3(I8259 *pic, uint8_t value)
{
    if (value & OCW3_POLL) {
        pic->poll = true;
    }
    if (value & OCW3_READ) {
        pic->read_isr = value & OCW3_READ_ISR;
    }
    if (value & OCW3_SET_SPECIAL_MASK) {
        pic->special_mask = value & OCW3_SPECIAL_MASK;
    }
}

static void write_data(I8259 *pic, uint8_t value)
{
    switch (pic->init_state) {
    case INIT_DONE:
        pic->imr = value;
        break;
    case INIT_ICW2:
        pic->vector_base = value & 0xf8;
        pic->init_state = !pic->single ? INIT_ICW3 : pic->needs_icw4 ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW3: /* the cascade is wired by the board */
        pic->init_state = pic->needs_icw4 ? INIT_ICW4 : INIT_DONE;
        break;
    default:
        pic->auto_eoi = value & ICW4_AUTO_EOI;
        pic->special_fully_nested = value & ICW4_SPECIAL_FULLY_NESTED;
        pic->init_state = INIT_DONE;
        break;
    }
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8259 *pic = opaque;
    uint8_t byte = (uint8_t)value;

    TRACE(i8259_write, "port 0x%02x value 0x%02x", (unsigned)(pic->iobase + offset), byte);
    if (offset == 1) {
        write_data(pic, byte);
    } else if (byte & ICW1_SELECT) {
        start_initialisation(pic, byte);
    } else if (byte & OCW3_SELECT) {
        write_ocw3(pic, byte);
    } else {
        write_ocw2(pic, byte);
    }
}

/* A read in poll mode is an acknowledge cycle that answers with the pin. */
static uint8_t read_poll(I8259 *pic)
{
    int pin = pending_pin(pic);

    pic->poll = false;
    if (pin < 0) {
        return 0;
    }
    take_in_service(pic, (unsigned)pin);
    i8259_sync(&pic->isa.dev.obj);
    return (uint8_t)(POLL_PENDING | pin);
}

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    I8259 *pic = opaque;

    if (pic->poll) {
        return read_poll(pic);
    }
    if (offset == 1) {
        return pic->imr;
    }
    return pic->read_isr ? pic->isr : request_register(pic);
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned size)
{
    const I8259 *pic = opaque;

    return pic->elcr;
}

static void elcr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8259 *pic = opaque;

    pic->elcr = (uint8_t)value & pic->elcr_mask;
}

static IrqState pin_state(void *owner, unsigned n)
{
    const I8259 *pic = owner;

    return pic->imr >> n & 1 ? IRQ_DEAF : pic->latched >> n & 1 ? IRQ_STARVED : IRQ_FREE;
}

Irq i8259_pin(I8259 *pic, unsigned pin)
{
    g_assert(pin < PIN_COUNT);
    return (Irq){.set = set_pin, .state = pin_state, .owner = pic, .n = pin};
}

void i8259_set_output(I8259 *pic, Irq output)
{
    pic->output = output;
}

void i8259_set_slave(I8259 *master, I8259 *slave)
{
    master->slave = slave;
}

static const RegionOps ports_ops = {
    .read = ports_read, .write = ports_write, .impl_min = 1, .impl_max = 1};
static const RegionOps elcr_ops = {
    .read = elcr_read, .write = elcr_write, .impl_min = 1, .impl_max = 1};

static bool i8259_realize(Object *obj, Error **err)
{
    I8259 *pic = (I8259 *)obj;

    region_init(&pic->ports, &(RegionDesc){.name = "pic",
                                           .kind = REGION_IO,
                                           .size = 2,
                                           .owner = obj,
                                           .ops = &ports_ops,
                                           .opaque = pic});
    region_init(&pic->elcr_port, &(RegionDesc){.name = "elcr",
                                               .kind = REGION_IO,
                                               .size = 1,
                                               .owner = obj,
                                               .ops = &elcr_ops,
                                               .opaque = pic});
    isa_map_io(&pic->isa, &pic->ports, (uint16_t)pic->iobase);
    isa_map_io(&pic->isa, &pic->elcr_port, (uint16_t)pic->elcr_addr);
    return true;
}

static void i8259_unrealize(Object *obj)
{
    I8259 *pic = (I8259 *)obj;

    region_fini(&pic->elcr_port);
    region_fini(&pic->ports);
}

static const Field i8259_fields[] = {
    PROP(I8259, iobase, .init = 0x20, .desc = "first of the two ports"),
    PROP(I8259, elcr_addr, .init = 0x4d0, .desc = "port of the edge/level register"),
    PROP(I8259, elcr_mask, .init = 0xf8, .desc = "pins that may be level triggered"),
    PROP(I8259, master, .desc = "the first of the pair"),
    DERIVED(I8259, ports),
    DERIVED(I8259, elcr_port),
    LINK(I8259, output),
    LINK(I8259, slave),
    DERIVED(I8259, asked),
    STATE(I8259, lines),
    STATE(I8259, latched),
    STATE(I8259, imr),
    STATE(I8259, isr),
    STATE(I8259, elcr),
    STATE(I8259, lowest_priority, .init = PIN_COUNT - 1),
    STATE(I8259, vector_base),
    STATE(I8259, init_state),
    STATE(I8259, needs_icw4),
    STATE(I8259, single),
    STATE(I8259, read_isr),
    STATE(I8259, poll),
    STATE(I8259, special_mask),
    STATE(I8259, auto_eoi),
    STATE(I8259, rotate_on_auto_eoi),
    STATE(I8259, special_fully_nested),
    FIELDS_END};

static const Type i8259_type = {
    .name = "isa-i8259",
    .parent = &isa_device_type,
    .size = sizeof(I8259),
    .desc = "8259A interrupt controller",
    .fields = i8259_fields,
    .realize = i8259_realize,
    .unrealize = i8259_unrealize,
    .sync = i8259_sync,
};
DEVICE(i8259_type);

/* -- For people -------------------------------------------------------------------------------- */

static void print_info(const Object *obj, GString *out)
{
    const I8259 *pic = (const I8259 *)obj;
    uint8_t asking = request_register(pic) & (uint8_t)~pic->imr;
    unsigned rank = best_rank(pic, asking);

    g_string_append_printf(out, "pic%d: irr=%02x imr=%02x isr=%02x hprio=%u irq_base=%02x",
                           pic->master ? 0 : 1, request_register(pic), pic->imr, pic->isr,
                           rank < PIN_COUNT ? pin_of_rank(pic, rank) : 0, pic->vector_base);
    g_string_append_printf(out, " rr_sel=%d elcr=%02x fnm=%d\n", pic->read_isr, pic->elcr,
                           pic->special_fully_nested);
}

/* The master tells for the pair. */
static const uint64_t *count_info(Object *obj, unsigned *ret_count)
{
    I8259 *pic = (I8259 *)obj;

    *ret_count = pic->master ? ISA_IRQ_COUNT : 0;
    for (unsigned pin = PIN_COUNT; pic->slave && pin < ISA_IRQ_COUNT; pin++) {
        pic->asked[pin] = pic->slave->asked[pin];
    }
    return pic->asked;
}

static const InterruptInfo i8259_info = {
    .type = &i8259_type, .print = print_info, .counts = count_info};
INTERRUPT_INFO(i8259_info);
