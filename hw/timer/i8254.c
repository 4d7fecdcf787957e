/* SPDX-License-Identifier: MIT */
/* 8254 programmable interval timer. Datasheet: Intel 231164, "82C54 CHMOS Programmable Interval
 * Timer". Counters are not counted: every value follows from the guest clock and the load time. */
#include "hw/i8254.h"

#include "util/trace.h"

enum { /* control word */
       CONTROL_PORT = 3,
       CONTROL_BCD = 0x01,
       CONTROL_SELECT_READ_BACK = 3, /* bits 7-6 */
       READ_BACK_NO_COUNT = 0x20,
       READ_BACK_NO_STATUS = 0x10,
       STATUS_OUT = 0x80,
       STATUS_NULL_COUNT = 0x40
};

enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

enum {
    MODE_TERMINAL_COUNT,
    MODE_ONE_SHOT,
    MODE_RATE,
    MODE_SQUARE,
    MODE_SOFT_STROBE,
    MODE_HARD_STROBE
};

/* Interrupts of a periodic channel closer than this are merged: no guest can take them. */
#define MIN_PERIOD_NS 20000
/* Edges that a busy host made late, or for whose CPU it had no time, come at LATE_RATE times the
 * rate until none is owed: a guest that counts them for time, or waits for the fourth to believe in
 * the timer, needs them all, and a CPU that runs for moments only has to get them in these. Not
 * more of them than MAX_OWED_NS is worth. */
#define LATE_RATE 16
/* How often within a period it is tried whether a starved CPU has taken the last one. */
#define RETRY_RATE 4
#define MAX_OWED_NS NS_PER_SECOND

typedef struct Channel {
    uint32_t count;  /* ticks of the period under way, 1-65536 */
    uint32_t reload; /* of the periods after it */
    int64_t start_ns;
    uint64_t frozen;      /* ticks elapsed while not counting */
    uint64_t edges;       /* rising edges of OUT since start that the output has seen */
    int64_t late_ns;      /* before this none that is late comes */
    uint64_t reload_tick; /* since start, at which `reload` takes over; 0: it has */
    bool counting, gate, bcd, null_count;
    bool has_count; /* one was written since the control word */
    uint8_t mode, access;
    uint8_t write_low;
    bool write_high_next, read_high_next;
    uint8_t latched_bytes; /* of latched_count still to be read */
    uint16_t latched_count;
    bool status_latched;
    uint8_t latched_status;
} Channel;

struct I8254 {
    IsaDevice isa;
    uint32_t iobase;
    Region ports;
    Irq output;
    bool is_heard;
    Channel channels[I8254_CHANNEL_COUNT];
    Timer timer;
};

static uint64_t ns_to_ticks(int64_t ns)
{
    return ns <= 0 ? 0 : (uint64_t)((unsigned __int128)ns * I8254_FREQUENCY_HZ / NS_PER_SECOND);
}

/* The first nanosecond at which that many ticks have passed. */
static int64_t ticks_to_ns(uint64_t ticks)
{
    return (int64_t)(((unsigned __int128)ticks * NS_PER_SECOND + I8254_FREQUENCY_HZ - 1) /
                     I8254_FREQUENCY_HZ);
}

static bool is_periodic(const Channel *c)
{
    return c->mode == MODE_RATE || c->mode == MODE_SQUARE;
}

/* Started by a rising gate alone. */
static bool is_triggered(const Channel *c)
{
    return c->mode == MODE_ONE_SHOT || c->mode == MODE_HARD_STROBE;
}

/* Ticks OUT is high in a period of mode 3. */
static uint32_t high_ticks(uint32_t count)
{
    return (count + 1) / 2;
}

static uint64_t elapsed_ticks(const Channel *c, int64_t now)
{
    return c->counting ? ns_to_ticks(now - c->start_ns) : c->frozen;
}

static bool out_level(const Channel *c, int64_t now)
{
    uint64_t elapsed = elapsed_ticks(c, now);

    switch (c->mode) {
    case MODE_TERMINAL_COUNT:
        return !c->null_count && elapsed >= c->count;
    case MODE_ONE_SHOT:
        return !c->counting || elapsed >= c->count;
    case MODE_RATE:
        return !c->counting || elapsed % c->count != c->count - 1;
    case MODE_SQUARE:
        return !c->counting || elapsed % c->count < high_ticks(c->count);
    default:
        return !c->counting || elapsed != c->count;
    }
}

/* Tick of rising edge number `edge` (from 1) of OUT since start; UINT64_MAX: there is none. */
static uint64_t edge_tick(const Channel *c, uint64_t edge)
{
    if (is_periodic(c)) {
        return edge * c->count;
    }
    if (edge > 1) {
        return UINT64_MAX;
    }
    return c->mode == MODE_SOFT_STROBE || c->mode == MODE_HARD_STROBE ? c->count + 1 : c->count;
}

static uint64_t edges_until(const Channel *c, int64_t now)
{
    uint64_t elapsed = elapsed_ticks(c, now);

    return is_periodic(c) ? elapsed / c->count : elapsed >= edge_tick(c, 1);
}

static uint16_t to_bcd(uint32_t value)
{
    return (uint16_t)(value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 |
                      value / 1000 % 10 << 12);
}

static uint32_t from_bcd(uint16_t bcd)
{
    return (bcd & 15u) + (bcd >> 4 & 15u) * 10 + (bcd >> 8 & 15u) * 100 + (bcd >> 12) * 1000u;
}

/* What a read of the counting element gives. */
static uint16_t counter_value(const Channel *c, int64_t now)
{
    uint64_t elapsed = elapsed_ticks(c, now);
    uint32_t modulus = c->bcd ? 10000 : 0x10000;
    uint32_t high = high_ticks(c->count);
    uint32_t phase = (uint32_t)(elapsed % c->count);
    uint32_t value;

    switch (c->mode) {
    case MODE_RATE:
        value = c->count - phase;
        break;
    case MODE_SQUARE: /* by two, once through each half */
        value = (c->count & ~1u) - 2 * (phase < high ? phase : phase - high);
        break;
    default:
        value = c->count + modulus - (uint32_t)(elapsed % modulus);
        break;
    }
    value %= modulus;
    return c->bcd ? to_bcd(value) : (uint16_t)value;
}

static void start_counting(Channel *c, int64_t now, uint64_t elapsed)
{
    c->start_ns = now - ticks_to_ns(elapsed);
    c->counting = true;
    c->reload_tick = 0;
    c->edges = edges_until(c, now);
    c->late_ns = now;
}

static void stop_counting(Channel *c, int64_t now)
{
    c->frozen = elapsed_ticks(c, now);
    c->counting = false;
}

/* Mode 2: the next count takes over at the end of the period; mode 3: of the half period. */
static void schedule_reload(Channel *c, int64_t now)
{
    uint64_t periods = elapsed_ticks(c, now) / c->count;

    c->start_ns += ticks_to_ns(periods * c->count);
    c->edges = 0;
    c->null_count = true;
    c->reload_tick = c->count;
    if (c->mode == MODE_SQUARE && elapsed_ticks(c, now) < high_ticks(c->count)) {
        c->reload_tick = high_ticks(c->count);
    }
}

/* True when OUT has risen by it. */
static bool apply_reload(Channel *c, int64_t now)
{
    bool is_end = c->reload_tick == c->count;

    if (!c->reload_tick || !c->counting || elapsed_ticks(c, now) < c->reload_tick) {
        return false;
    }
    c->start_ns += ticks_to_ns(c->reload_tick);
    if (!is_end) { /* the low half of a period with the new count begins */
        c->start_ns -= ticks_to_ns(high_ticks(c->reload));
    }
    c->count = c->reload;
    c->reload_tick = 0;
    c->edges = 0;
    c->null_count = false;
    return is_end;
}

/* True when the output sees an edge now: the next one owed, if it is not too close to the last. */
static bool take_edge(Channel *c, Irq output, int64_t now)
{
    uint64_t edges, most = ns_to_ticks(MAX_OWED_NS) / c->count;

    if (apply_reload(c, now)) { /* what was owed of the old count is forgotten */
        c->edges = edges_until(c, now);
        c->late_ns = now;
        return true;
    }
    edges = edges_until(c, now);
    if (!c->counting || edges <= c->edges || (is_periodic(c) && now < c->late_ns)) {
        return false;
    }
    bool is_lost = is_periodic(c) && irq_state(output) == IRQ_STARVED;
    int64_t spacing = ticks_to_ns(c->count) / (is_lost ? RETRY_RATE : LATE_RATE);
    c->late_ns = now + MAX(spacing, MIN_PERIOD_NS);
    if (is_lost) {
        return false;
    }
    c->edges++;
    if (is_periodic(c) && edges - c->edges > most) {
        c->edges = edges - most;
    }
    return true;
}

/* When there is something to do next; INT64_MAX: never. */
static int64_t next_deadline_ns(const Channel *c)
{
    uint64_t next = c->counting ? edge_tick(c, c->edges + 1) : UINT64_MAX;
    int64_t deadline;

    next = c->counting && c->reload_tick ? MIN(next, c->reload_tick) : next;
    if (next == UINT64_MAX) {
        return INT64_MAX;
    }
    deadline = c->start_ns + ticks_to_ns(next);
    return is_periodic(c) ? MAX(deadline, c->late_ns) : deadline;
}

/* Nobody listens: edges go by, and nothing is owed. */
static void let_edges_pass(Channel *c, int64_t now)
{
    apply_reload(c, now);
    c->edges = edges_until(c, now);
}

static void i8254_sync(Object *obj)
{
    I8254 *pit = (I8254 *)obj;
    Channel *c = &pit->channels[0];
    int64_t deadline, now = clock_now_ns(CLOCK_TYPE_VIRTUAL);

    if (!pit->is_heard) {
        let_edges_pass(c, now);
        timer_del(&pit->timer);
        return;
    }
    if (take_edge(c, pit->output, now)) {
        irq_lower(pit->output);
    }
    /* Only edges are visible to the receivers, so the timer sleeps through the falling ones. */
    irq_set(pit->output,
            out_level(c, now) || (c->counting && is_periodic(c) && edges_until(c, now)));
    deadline = next_deadline_ns(c);
    if (deadline == INT64_MAX) {
        timer_del(&pit->timer);
    } else {
        timer_mod_ns(&pit->timer, deadline);
    }
}

/* Brings all channels up to now; channel 0 with its edges. */
static void settle(I8254 *pit, int64_t now)
{
    i8254_sync(&pit->isa.dev.obj);
    for (unsigned i = 1; i < I8254_CHANNEL_COUNT; i++) {
        apply_reload(&pit->channels[i], now);
    }
}

static void load_count(Channel *c, uint16_t value, int64_t now)
{
    uint32_t count = c->bcd ? from_bcd(value) : value;

    c->reload = count ? count : c->bcd ? 10000 : 0x10000;
    c->has_count = true;
    if (is_triggered(c)) { /* a pulse under way keeps its length */
        c->null_count = true;
        return;
    }
    if (is_periodic(c) && c->counting) {
        schedule_reload(c, now);
        return;
    }
    c->count = c->reload;
    c->null_count = false;
    c->frozen = 0;
    if (c->gate) {
        start_counting(c, now, 0);
    }
}

static void write_counter(Channel *c, uint8_t value, int64_t now)
{
    if (c->access == ACCESS_LOW) {
        load_count(c, value, now);
    } else if (c->access == ACCESS_HIGH) {
        load_count(c, (uint16_t)(value << 8), now);
    } else if (!c->write_high_next) {
        c->write_low = value;
        c->write_high_next = true;
        if (c->mode == MODE_TERMINAL_COUNT) { /* the first byte stops it and lowers OUT */
            stop_counting(c, now);
            c->null_count = true;
        }
    } else {
        c->write_high_next = false;
        load_count(c, (uint16_t)(value << 8 | c->write_low), now);
    }
}

static void latch_count(Channel *c, int64_t now)
{
    if (!c->latched_bytes) {
        c->latched_count = counter_value(c, now);
        c->latched_bytes = c->access == ACCESS_BOTH ? 2 : 1;
    }
}

static void latch_status(Channel *c, int64_t now)
{
    if (!c->status_latched) {
        c->status_latched = true;
        c->latched_status = (uint8_t)((out_level(c, now) ? STATUS_OUT : 0) |
                                      (c->null_count ? STATUS_NULL_COUNT : 0) | c->access << 4 |
                                      c->mode << 1 | c->bcd);
    }
}

static void read_back(I8254 *pit, uint8_t value, int64_t now)
{
    for (unsigned i = 0; i < I8254_CHANNEL_COUNT; i++) {
        if (!(value & 2u << i)) {
            continue;
        }
        if (!(value & READ_BACK_NO_COUNT)) {
            latch_count(&pit->channels[i], now);
        }
        if (!(value & READ_BACK_NO_STATUS)) {
            latch_status(&pit->channels[i], now);
        }
    }
}

static void set_mode(Channel *c, uint8_t value)
{
    unsigned mode = value >> 1 & 7;

    c->mode = (uint8_t)(mode > MODE_HARD_STROBE ? mode - 4 : mode);
    c->access = value >> 4 & 3;
    c->bcd = value & CONTROL_BCD;
    c->write_high_next = false;
    c->read_high_next = false;
    c->latched_bytes = 0;
    c->counting = false;
    c->frozen = 0;
    c->null_count = true;
    c->reload_tick = 0;
    c->has_count = false;
}

static void write_control(I8254 *pit, uint8_t value, int64_t now)
{
    unsigned channel = value >> 6;

    if (channel == CONTROL_SELECT_READ_BACK) {
        read_back(pit, value, now);
    } else if ((value >> 4 & 3) == ACCESS_LATCH) {
        latch_count(&pit->channels[channel], now);
    } else {
        set_mode(&pit->channels[channel], value);
    }
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8254 *pit = opaque;
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);

    TRACE(i8254_write, "port %u value 0x%02x", (unsigned)offset, (unsigned)value);
    settle(pit, now);
    if (offset == CONTROL_PORT) {
        write_control(pit, (uint8_t)value, now);
    } else {
        write_counter(&pit->channels[offset], (uint8_t)value, now);
    }
}

/* The byte of a 16-bit count that the access mode and the byte toggle select. */
static uint8_t select_byte(Channel *c, uint16_t value)
{
    bool high = c->access == ACCESS_HIGH;

    if (c->access == ACCESS_BOTH) {
        high = c->read_high_next;
        c->read_high_next = !c->read_high_next;
    }
    return (uint8_t)(high ? value >> 8 : value);
}

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    I8254 *pit = opaque;
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    Channel *c;

    if (offset == CONTROL_PORT) { /* write-only: the bus floats */
        return 0xff;
    }
    c = &pit->channels[offset];
    settle(pit, now);
    if (c->status_latched) {
        c->status_latched = false;
        return c->latched_status;
    }
    if (c->latched_bytes) {
        c->latched_bytes--;
        return select_byte(c, c->latched_count);
    }
    return select_byte(c, counter_value(c, now));
}

static void timer_expired(void *opaque)
{
    i8254_sync(opaque);
}

void i8254_set_output(I8254 *pit, Irq output)
{
    pit->output = output;
}

void i8254_set_heard(I8254 *pit, bool is_heard)
{
    if (pit->is_heard == is_heard) {
        return;
    }
    let_edges_pass(&pit->channels[0], clock_now_ns(CLOCK_TYPE_VIRTUAL));
    pit->is_heard = is_heard;
    i8254_sync(&pit->isa.dev.obj);
}

void i8254_set_gate(I8254 *pit, unsigned channel, bool level)
{
    Channel *c = &pit->channels[channel];
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    bool triggered = is_triggered(c);

    g_assert(channel < I8254_CHANNEL_COUNT);
    if (c->gate == level) {
        return;
    }
    settle(pit, now);
    c->gate = level;
    if (!level && !triggered) {
        stop_counting(c, now);
    } else if (level && c->has_count && !(c->mode == MODE_TERMINAL_COUNT && c->null_count)) {
        c->count = c->reload;
        c->null_count = false;
        start_counting(c, now, triggered || is_periodic(c) ? 0 : c->frozen);
    }
    i8254_sync(&pit->isa.dev.obj);
}

bool i8254_output_level(I8254 *pit, unsigned channel)
{
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);

    g_assert(channel < I8254_CHANNEL_COUNT);
    settle(pit, now);
    return out_level(&pit->channels[channel], now);
}

static const RegionOps ports_ops = {
    .read = ports_read, .write = ports_write, .impl_min = 1, .impl_max = 1};

static void i8254_init(Object *obj)
{
    I8254 *pit = (I8254 *)obj;

    timer_init(&pit->timer, main_loop(), CLOCK_TYPE_VIRTUAL, timer_expired, pit);
    pit->is_heard = true;
    fields_reset(obj->type->fields, obj); /* no channel may ever have a count of zero */
}

static bool i8254_realize(Object *obj, Error **err)
{
    I8254 *pit = (I8254 *)obj;

    region_init(&pit->ports, &(RegionDesc){.name = "pit",
                                           .kind = REGION_IO,
                                           .size = 4,
                                           .owner = obj,
                                           .ops = &ports_ops,
                                           .opaque = pit});
    isa_map_io(&pit->isa, &pit->ports, (uint16_t)pit->iobase);
    return true;
}

static void i8254_unrealize(Object *obj)
{
    I8254 *pit = (I8254 *)obj;

    timer_del(&pit->timer);
    region_fini(&pit->ports);
}

static const Field channel_fields[] = {STATE(Channel, count, .init = 0x10000),
                                       STATE(Channel, reload, .init = 0x10000),
                                       STATE(Channel, start_ns),
                                       STATE(Channel, frozen),
                                       STATE(Channel, edges),
                                       STATE(Channel, late_ns),
                                       STATE(Channel, reload_tick),
                                       STATE(Channel, counting),
                                       STATE(Channel, gate, .init = true),
                                       STATE(Channel, bcd),
                                       STATE(Channel, null_count, .init = true),
                                       STATE(Channel, has_count),
                                       STATE(Channel, mode, .init = MODE_SQUARE),
                                       STATE(Channel, access, .init = ACCESS_BOTH),
                                       STATE(Channel, write_low),
                                       STATE(Channel, write_high_next),
                                       STATE(Channel, read_high_next),
                                       STATE(Channel, latched_bytes),
                                       STATE(Channel, latched_count),
                                       STATE(Channel, status_latched),
                                       STATE(Channel, latched_status),
                                       FIELDS_END};

static const Field i8254_fields[] = {
    PROP(I8254, iobase, .init = 0x40, .desc = "first of the four ports"),
    DERIVED(I8254, ports),
    LINK(I8254, output),
    DERIVED(I8254, is_heard),
    STATE_STRUCTS(I8254, channels, channel_fields),
    STATE_TIMER(I8254, timer),
    FIELDS_END};

static const Type i8254_type = {
    .name = "isa-pit",
    .parent = &isa_device_type,
    .size = sizeof(I8254),
    .desc = "8254 interval timer",
    .fields = i8254_fields,
    .init = i8254_init,
    .realize = i8254_realize,
    .unrealize = i8254_unrealize,
    .sync = i8254_sync,
};
DEVICE(i8254_type);
