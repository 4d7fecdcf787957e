/* SPDX-License-Identifier: MIT */
/* High precision event timer. Intel, "IA-PC HPET (High Precision Event Timers) Specification" 1.0a;
 * section numbers below are its. The counter is not counted: it follows from the guest clock and
 * the time of the last start, and matches are worked out when somebody looks or a timer is due.
 */
#include "hw/hpet.h"

#include "hw/apic.h"
#include "util/trace.h"

enum { /* register offsets, 2.3.1 */
       REG_CAPABILITIES = 0x000,
       REG_CONFIG = 0x010,
       REG_STATUS = 0x020,
       REG_COUNTER = 0x0f0,
       REG_CHANNELS = 0x100,
       CHANNEL_SIZE = 0x20,
       REG_CHANNEL_CONFIG = 0x00,
       REG_CHANNEL_COMPARATOR = 0x08,
       REG_CHANNEL_ROUTE = 0x10
};

enum { CONFIG_ENABLE = 0x1, CONFIG_LEGACY = 0x2 };

enum { /* timer configuration and capabilities, 2.3.8 */
       CHANNEL_LEVEL = 0x0002,
       CHANNEL_INTERRUPT = 0x0004,
       CHANNEL_PERIODIC = 0x0008,
       CHANNEL_PERIODIC_CAPABLE = 0x0010,
       CHANNEL_64BIT_CAPABLE = 0x0020,
       CHANNEL_SET_VALUE = 0x0040,
       CHANNEL_32BIT = 0x0100,
       CHANNEL_LINE = 0x3e00,
       CHANNEL_LINE_SHIFT = 9,
       CHANNEL_FSB = 0x4000,
       CHANNEL_FSB_CAPABLE = 0x8000,
       CHANNEL_WRITABLE = CHANNEL_LEVEL | CHANNEL_INTERRUPT | CHANNEL_PERIODIC | CHANNEL_SET_VALUE |
                          CHANNEL_32BIT | CHANNEL_LINE
};

enum { CHANNELS_MIN = 3, CHANNELS_MAX = (HPET_SIZE - REG_CHANNELS) / CHANNEL_SIZE };
enum {
    LEGACY_PIT_LINE = 0,
    LEGACY_RTC_LINE = 8,
    LEGACY_LINES = 1 << LEGACY_PIT_LINE | 1 << LEGACY_RTC_LINE
};

#define TICK_NS 10
#define FEMTOSECONDS_PER_TICK (TICK_NS * 1000000ull)

/* Periodic interrupts closer than this are merged, so that a guest cannot keep the main loop busy
 * with them. */
#define MIN_PERIOD_NS 20000
/* Periodic edges that a busy host made late, or for whose CPU it had no time, come at LATE_RATE
 * times the rate until none is owed, as those of the 8254 do: a CPU that runs for moments only has
 * to get them in these. Not more of them than MAX_OWED_NS is worth. */
#define LATE_RATE 16
/* How often within a period it is tried whether a starved CPU has taken the last one. */
#define RETRY_RATE 4
#define MAX_OWED_NS NS_PER_SECOND

typedef struct HpetChannel {
    uint64_t config; /* without capabilities */
    uint64_t comparator;
    uint64_t period; /* written last in periodic mode */
    uint64_t route;  /* of messages: address above, data below */
    bool raised;     /* edge: the line was raised, and stays up until the next match */
    uint32_t owed;   /* matches whose edge is still to come; see owes_edges() */
    int64_t late_ns; /* before this none of them comes */
} HpetChannel;

struct Hpet {
    Device dev;
    uint8_t timers;
    bool msi;
    uint32_t hpet_intcap; /* bit N: timers may use line N */
    Region *memory;
    Region window;
    Irq outputs[HPET_OUTPUT_COUNT];
    Irq pit_heard;

    uint64_t config, status;
    uint64_t counter; /* while halted, and at start_ns while not */
    int64_t start_ns;
    uint64_t seen; /* ticks since start for which matches are accounted */
    bool legacy_levels[HPET_LEGACY_COUNT];
    HpetChannel channels[CHANNELS_MAX];
    Timer timer;
};

static uint64_t elapsed_ticks(const Hpet *hpet, int64_t now)
{
    return hpet->config & CONFIG_ENABLE ? (uint64_t)(now - hpet->start_ns) / TICK_NS : 0;
}

static uint64_t main_counter(const Hpet *hpet, int64_t now)
{
    return hpet->counter + elapsed_ticks(hpet, now);
}

static bool is_periodic(const HpetChannel *c)
{
    return c->config & CHANNEL_PERIODIC;
}

static bool is_32bit(const HpetChannel *c)
{
    return c->config & CHANNEL_32BIT;
}

/* Keeps a value within the timer's width. */
static uint64_t narrow(const HpetChannel *c, uint64_t value)
{
    return is_32bit(c) ? (uint32_t)value : value;
}

/* Ticks after the count `from` to the next interrupt. UINT64_MAX: in 5,800 years. */
static uint64_t ticks_to_match(const HpetChannel *c, uint64_t from)
{
    uint64_t distance = narrow(c, c->comparator - from);

    if (!is_32bit(c)) {
        return distance ? distance : UINT64_MAX;
    }
    distance = distance ? distance : 1ull << 32;
    /* 2.3.9.2.1: a one-shot timer of 32 bits also asks when the counter wraps around. */
    return is_periodic(c) ? distance : MIN(distance, (1ull << 32) - (uint32_t)from);
}

/* -- Lines ------------------------------------------------------------------------------------- */

/* The line a timer's interrupt goes to; HPET_OUTPUT_COUNT: to none. */
static unsigned channel_line(const Hpet *hpet, unsigned n)
{
    unsigned line = (hpet->channels[n].config & CHANNEL_LINE) >> CHANNEL_LINE_SHIFT;

    if (hpet->config & CONFIG_LEGACY && n < HPET_LEGACY_COUNT) {
        return n == 0 ? LEGACY_PIT_LINE : LEGACY_RTC_LINE;
    }
    return line < HPET_OUTPUT_COUNT && hpet->hpet_intcap >> line & 1 ? line : HPET_OUTPUT_COUNT;
}

static void send_message(const Hpet *hpet, const HpetChannel *c)
{
    uint64_t address = c->route >> 32;

    if (address - APIC_DEFAULT_BASE >= APIC_REGION_SIZE) {
        guest_error(hpet, "message to 0x%x, where no local APIC listens", (unsigned)address);
        return;
    }
    apic_deliver_msi(address - APIC_DEFAULT_BASE, (uint32_t)c->route);
}

static void match(Hpet *hpet, unsigned n)
{
    HpetChannel *c = &hpet->channels[n];
    unsigned line = channel_line(hpet, n);

    TRACE(hpet_match, "timer %u line %u", n, line);
    if (c->config & CHANNEL_FSB) {
        if (c->config & CHANNEL_INTERRUPT) {
            send_message(hpet, c);
        }
    } else if (c->config & CHANNEL_LEVEL) {
        hpet->status |= 1u << n; /* with or without an interrupt: 2.3.8, Tn_INT_ENB_CNF */
    } else if (c->config & CHANNEL_INTERRUPT && line < HPET_OUTPUT_COUNT) {
        /* An 8259 forgets edges that do not last; hpet_sync() raises it. */
        irq_lower(hpet->outputs[line]);
        c->raised = true;
    }
}

/* -- Matches ----------------------------------------------------------------------------------- */

/* Each match counts: a guest takes edges or messages for time. Not so fast ones, which nobody can
 * count, and not levels, which stay until the guest has seen them. */
static bool owes_edges(const HpetChannel *c)
{
    return is_periodic(c) && c->config & CHANNEL_INTERRUPT &&
           (c->config & CHANNEL_FSB || !(c->config & CHANNEL_LEVEL)) &&
           c->period >= 2 * MIN_PERIOD_NS / TICK_NS;
}

/* How often `c` matches in `passed` ticks behind the count `from`. */
static uint64_t count_matches(HpetChannel *c, uint64_t from, uint64_t passed)
{
    uint64_t distance = ticks_to_match(c, from), matches = 1;

    if (distance > passed) {
        return 0;
    }
    if (is_periodic(c) && c->period) {
        matches = (passed - distance) / c->period + 1;
        c->comparator = narrow(c, c->comparator + matches * c->period);
    }
    return matches;
}

/* Another edge would be lost, and not by the guest's doing. */
static bool is_starved(const Hpet *hpet, unsigned n)
{
    unsigned line = channel_line(hpet, n);

    return !(hpet->channels[n].config & CHANNEL_FSB) && line < HPET_OUTPUT_COUNT &&
           irq_state(hpet->outputs[line]) == IRQ_STARVED;
}

static void run_channel(Hpet *hpet, unsigned n, uint64_t matches, int64_t now)
{
    HpetChannel *c = &hpet->channels[n];

    if (!owes_edges(c)) {
        if (matches) {
            match(hpet, n);
        }
        return;
    }
    uint64_t most = MAX(MAX_OWED_NS / TICK_NS / c->period, 1);
    c->owed = (uint32_t)MIN(c->owed + matches, most);
    if (c->owed && now >= c->late_ns) {
        bool is_lost = is_starved(hpet, n);
        int64_t spacing = (int64_t)(c->period * TICK_NS / (is_lost ? RETRY_RATE : LATE_RATE));

        c->late_ns = now + MAX(spacing, MIN_PERIOD_NS);
        if (!is_lost) {
            c->owed--;
            match(hpet, n);
        }
    }
}

/* Who programs a channel anew is owed nothing, and waits for nothing. */
static void forget_owed(HpetChannel *c)
{
    c->owed = 0;
    c->late_ns = 0;
}

/* Accounts for everything that has happened since the last look. */
static void run_channels(Hpet *hpet, int64_t now)
{
    uint64_t ticks = elapsed_ticks(hpet, now);
    uint64_t from = hpet->counter + hpet->seen;
    uint64_t passed = ticks - hpet->seen;

    hpet->seen = ticks;
    for (unsigned n = 0; n < hpet->timers; n++) {
        run_channel(hpet, n, count_matches(&hpet->channels[n], from, passed), now);
    }
}

static uint32_t line_levels(const Hpet *hpet)
{
    uint32_t levels = 0;

    if (!(hpet->config & CONFIG_LEGACY)) {
        levels |= (uint32_t)hpet->legacy_levels[HPET_LEGACY_PIT] << LEGACY_PIT_LINE;
        levels |= (uint32_t)hpet->legacy_levels[HPET_LEGACY_RTC] << LEGACY_RTC_LINE;
    }
    if (!(hpet->config & CONFIG_ENABLE)) {
        return levels;
    }
    for (unsigned n = 0; n < hpet->timers; n++) {
        const HpetChannel *c = &hpet->channels[n];

        if ((hpet->status >> n & 1 || c->raised) && c->config & CHANNEL_INTERRUPT) {
            levels |= 1u << channel_line(hpet, n);
        }
    }
    return levels;
}

/* Ticks from now to the next match that somebody shall hear of. */
static uint64_t ticks_to_wake(const Hpet *hpet, uint64_t counter)
{
    uint64_t next = UINT64_MAX;

    for (unsigned n = 0; n < hpet->timers; n++) {
        const HpetChannel *c = &hpet->channels[n];
        uint64_t distance = ticks_to_match(c, counter);

        if (!(c->config & CHANNEL_INTERRUPT) || hpet->status >> n & 1) {
            continue;
        }
        if (is_periodic(c) && c->period < MIN_PERIOD_NS / TICK_NS) {
            distance = MAX(distance, MIN_PERIOD_NS / TICK_NS);
        }
        next = MIN(next, distance);
    }
    return next;
}

/* When there is something to do next; INT64_MAX: never. */
static int64_t next_deadline_ns(const Hpet *hpet, int64_t now)
{
    uint64_t max_ticks = (uint64_t)(INT64_MAX - hpet->start_ns) / TICK_NS; /* the clock's end */
    uint64_t next = ticks_to_wake(hpet, main_counter(hpet, now));
    int64_t deadline = INT64_MAX;

    if (!(hpet->config & CONFIG_ENABLE)) {
        return INT64_MAX;
    }
    if (next <= max_ticks - hpet->seen) {
        deadline = hpet->start_ns + (int64_t)((hpet->seen + next) * TICK_NS);
    }
    for (unsigned n = 0; n < hpet->timers; n++) {
        const HpetChannel *c = &hpet->channels[n];
        deadline = c->owed ? MIN(deadline, c->late_ns) : deadline;
    }
    return deadline;
}

static void hpet_sync(Object *obj)
{
    Hpet *hpet = (Hpet *)obj;
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL), deadline;
    uint32_t levels;

    run_channels(hpet, now);
    levels = line_levels(hpet);
    for (unsigned line = 0; line < HPET_OUTPUT_COUNT; line++) {
        if ((LEGACY_LINES | hpet->hpet_intcap) >> line & 1) { /* others belong to others */
            irq_set(hpet->outputs[line], levels >> line & 1);
        }
    }
    irq_set(hpet->pit_heard, !(hpet->config & CONFIG_LEGACY));
    deadline = next_deadline_ns(hpet, now);
    if (deadline == INT64_MAX) {
        timer_del(&hpet->timer);
    } else {
        timer_mod_ns(&hpet->timer, deadline);
    }
}

static void set_legacy_input(void *owner, unsigned n, bool level)
{
    Hpet *hpet = owner;

    hpet->legacy_levels[n] = level;
    if (!(hpet->config & CONFIG_LEGACY)) {
        hpet_sync(&hpet->dev.obj);
    }
}

/* -- Registers --------------------------------------------------------------------------------- */

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
    return (old & ~mask) | (value & mask);
}

static uint64_t channel_capabilities(const Hpet *hpet)
{
    return CHANNEL_PERIODIC_CAPABLE | CHANNEL_64BIT_CAPABLE |
           (hpet->msi ? CHANNEL_FSB_CAPABLE : 0) | (uint64_t)hpet->hpet_intcap << 32;
}

static uint64_t read_channel(const Hpet *hpet, unsigned n, unsigned reg)
{
    const HpetChannel *c = &hpet->channels[n];

    switch (reg) {
    case REG_CHANNEL_CONFIG:
        return (c->config & ~(uint64_t)CHANNEL_SET_VALUE) | channel_capabilities(hpet);
    case REG_CHANNEL_COMPARATOR:
        return c->comparator;
    case REG_CHANNEL_ROUTE:
        return c->route;
    default:
        return 0;
    }
}

/* The eight bytes at `reg`, a multiple of eight. */
static uint64_t read_register(const Hpet *hpet, unsigned reg)
{
    unsigned n = (reg - REG_CHANNELS) / CHANNEL_SIZE;

    switch (reg) {
    case REG_CAPABILITIES:
        return FEMTOSECONDS_PER_TICK << 32 | HPET_BLOCK_ID(hpet->timers);
    case REG_CONFIG:
        return hpet->config;
    case REG_STATUS:
        return hpet->status;
    case REG_COUNTER:
        return main_counter(hpet, clock_now_ns(CLOCK_TYPE_VIRTUAL));
    default:
        return reg >= REG_CHANNELS && n < hpet->timers ? read_channel(hpet, n, reg % CHANNEL_SIZE)
                                                       : 0;
    }
}

static void write_config(Hpet *hpet, uint64_t value)
{
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    bool ran = hpet->config & CONFIG_ENABLE, runs = value & CONFIG_ENABLE;

    if (ran && !runs) {
        hpet->counter = main_counter(hpet, now);
    }
    if (ran != runs) {
        hpet->start_ns = now;
        hpet->seen = 0;
    }
    value &= CONFIG_ENABLE | CONFIG_LEGACY;
    for (unsigned n = 0; value != hpet->config && n < hpet->timers; n++) {
        hpet->channels[n].raised = false;
        forget_owed(&hpet->channels[n]);
    }
    hpet->config = value;
}

static void write_counter(Hpet *hpet, uint64_t value, uint64_t mask)
{
    if (hpet->config & CONFIG_ENABLE) { /* 2.3.7: only while halted */
        guest_error(hpet, "write to the running main counter");
        return;
    }
    hpet->counter = merge(hpet->counter, value, mask);
}

static void write_channel_config(Hpet *hpet, unsigned n, uint64_t value, uint64_t mask)
{
    HpetChannel *c = &hpet->channels[n];
    uint64_t writable = CHANNEL_WRITABLE | (hpet->msi ? CHANNEL_FSB : 0);
    uint64_t config = merge(c->config, value, mask & writable);
    unsigned line = (config & CHANNEL_LINE) >> CHANNEL_LINE_SHIFT;

    if (!(hpet->hpet_intcap >> line & 1)) { /* an impossible choice is not taken */
        config = merge(config, c->config, CHANNEL_LINE);
    }
    if (!(config & CHANNEL_PERIODIC)) {
        config &= ~(uint64_t)CHANNEL_SET_VALUE;
    }
    if (!(config & CHANNEL_LEVEL)) {
        hpet->status &= ~(1ull << n);
    }
    if ((c->config ^ config) & (CHANNEL_LEVEL | CHANNEL_INTERRUPT | CHANNEL_LINE | CHANNEL_FSB)) {
        c->raised = false;
    }
    forget_owed(c);
    c->config = config;
    c->comparator = narrow(c, c->comparator);
    c->period = narrow(c, c->period);
}

/* In periodic mode a write sets the period, and the next match too when that was asked for. */
static void write_comparator(HpetChannel *c, uint64_t value, uint64_t mask)
{
    if (!is_periodic(c) || c->config & CHANNEL_SET_VALUE) {
        c->comparator = narrow(c, merge(c->comparator, value, mask));
    }
    if (is_periodic(c)) {
        c->period = narrow(c, merge(c->period, value, mask));
    }
    c->config &= ~(uint64_t)CHANNEL_SET_VALUE;
    forget_owed(c);
}

static void write_channel(Hpet *hpet, unsigned n, unsigned reg, uint64_t value, uint64_t mask)
{
    HpetChannel *c = &hpet->channels[n];

    switch (reg) {
    case REG_CHANNEL_CONFIG:
        write_channel_config(hpet, n, value, mask);
        break;
    case REG_CHANNEL_COMPARATOR:
        write_comparator(c, value, mask);
        break;
    case REG_CHANNEL_ROUTE:
        c->route = hpet->msi ? merge(c->route, value, mask) : 0;
        break;
    default:
        break;
    }
}

static void write_register(Hpet *hpet, unsigned reg, uint64_t value, uint64_t mask)
{
    unsigned n = (reg - REG_CHANNELS) / CHANNEL_SIZE;

    switch (reg) {
    case REG_CONFIG:
        write_config(hpet, merge(hpet->config, value, mask));
        break;
    case REG_STATUS: /* ones clear */
        hpet->status &= ~(value & mask);
        break;
    case REG_COUNTER:
        write_counter(hpet, value, mask);
        break;
    default:
        if (reg >= REG_CHANNELS && n < hpet->timers) {
            write_channel(hpet, n, reg % CHANNEL_SIZE, value, mask);
        }
        break;
    }
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    Hpet *hpet = opaque;

    hpet_sync(&hpet->dev.obj);
    return read_register(hpet, (unsigned)offset & ~7u) >> (8 * (offset & 7));
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Hpet *hpet = opaque;
    unsigned shift = 8 * (offset & 7);
    uint64_t mask = size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift;

    TRACE(hpet_write, "register 0x%03x value 0x%llx size %u", (unsigned)offset,
          (unsigned long long)value, size);
    run_channels(hpet, clock_now_ns(CLOCK_TYPE_VIRTUAL));
    write_register(hpet, (unsigned)offset & ~7u, value << shift, mask);
}

/* -- Life -------------------------------------------------------------------------------------- */

static void timer_expired(void *opaque)
{
    hpet_sync(opaque);
}

void hpet_set_memory(Hpet *hpet, Region *memory)
{
    hpet->memory = memory;
}

void hpet_set_output(Hpet *hpet, unsigned n, Irq output)
{
    g_assert(n < HPET_OUTPUT_COUNT);
    hpet->outputs[n] = output;
}

void hpet_set_pit_heard(Hpet *hpet, Irq heard)
{
    hpet->pit_heard = heard;
}

unsigned hpet_timer_count(const Hpet *hpet)
{
    return hpet->timers;
}

static IrqState legacy_state(void *owner, unsigned n)
{
    const Hpet *hpet = owner;

    return hpet->config & CONFIG_LEGACY
               ? IRQ_DEAF
               : irq_state(hpet->outputs[n == HPET_LEGACY_PIT ? LEGACY_PIT_LINE : LEGACY_RTC_LINE]);
}

Irq hpet_legacy_input(Hpet *hpet, HpetLegacy which)
{
    return (Irq){.set = set_legacy_input, .state = legacy_state, .owner = hpet, .n = which};
}

static const RegionOps window_ops = {.read = window_read,
                                     .write = window_write,
                                     .impl_min = 4,
                                     .impl_max = 8,
                                     .valid_min = 4,
                                     .valid_max = 8};

static void hpet_init(Object *obj)
{
    Hpet *hpet = (Hpet *)obj;

    timer_init(&hpet->timer, main_loop(), CLOCK_TYPE_VIRTUAL, timer_expired, hpet);
}

static bool hpet_realize(Object *obj, Error **err)
{
    Hpet *hpet = (Hpet *)obj;

    if (hpet->timers < CHANNELS_MIN || hpet->timers > CHANNELS_MAX) {
        return error_set(err, "timers=%u: an HPET has %d to %d", hpet->timers, CHANNELS_MIN,
                         CHANNELS_MAX);
    }
    region_init(&hpet->window, &(RegionDesc){.name = "hpet",
                                             .kind = REGION_IO,
                                             .size = HPET_SIZE,
                                             .owner = obj,
                                             .ops = &window_ops,
                                             .opaque = hpet});
    if (hpet->memory) {
        region_add(hpet->memory, HPET_BASE, &hpet->window, 0);
    }
    return true;
}

static void hpet_unrealize(Object *obj)
{
    Hpet *hpet = (Hpet *)obj;

    timer_del(&hpet->timer);
    region_fini(&hpet->window);
}

static const Field channel_fields[] = {
    STATE(HpetChannel, config),  STATE(HpetChannel, comparator, .init = -1),
    STATE(HpetChannel, period),  STATE(HpetChannel, route),
    STATE(HpetChannel, raised),  STATE(HpetChannel, owed),
    STATE(HpetChannel, late_ns), FIELDS_END};

static const Field hpet_fields[] = {
    PROP(Hpet, timers, .init = CHANNELS_MIN, .desc = "number of timers, 3 to 24"),
    PROP(Hpet, msi, .desc = "timers can send messages"),
    PROP(Hpet, hpet_intcap, .init = 1 << 2, .desc = "bit N: timers can use interrupt line N"),
    LINK(Hpet, memory),
    DERIVED(Hpet, window),
    LINK(Hpet, outputs),
    LINK(Hpet, pit_heard),
    STATE(Hpet, config),
    STATE(Hpet, status),
    STATE(Hpet, counter),
    STATE(Hpet, start_ns),
    STATE(Hpet, seen),
    STATE_ARRAY(Hpet, legacy_levels, .keep = true),
    STATE_STRUCTS(Hpet, channels, channel_fields),
    STATE_TIMER(Hpet, timer),
    FIELDS_END};

static const Type hpet_type = {
    .name = "hpet",
    .parent = &device_type,
    .size = sizeof(Hpet),
    .desc = "high precision event timer",
    .fields = hpet_fields,
    .init = hpet_init,
    .realize = hpet_realize,
    .unrealize = hpet_unrealize,
    .sync = hpet_sync,
};
DEVICE(hpet_type);
