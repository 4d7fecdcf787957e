/* SPDX-License-Identifier: MIT */
/* MC146818A real-time clock with CMOS RAM. Datasheet: Motorola MC146818A/D. The time is an offset
 * to a host clock; flags are worked out when somebody looks, and a timer runs only for an
 * interrupt. */
#include "hw/rtc.h"

#include "hw/isa.h"
#include "util/event.h"
#include "util/trace.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    RTC_SECONDS,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_DAY_OF_WEEK,
    RTC_DAY_OF_MONTH,
    RTC_MONTH,
    RTC_YEAR,
    RTC_REG_A,
    RTC_REG_B,
    RTC_REG_C,
    RTC_REG_D,
    RTC_CENTURY = 0x32,
    RTC_CENTURY_PS2 = 0x37
};

enum {
    REG_A_UIP = 0x80,
    REG_A_DIVIDER_RESET = 0x60, /* both bits: the divider chain is held */
    REG_A_RATE = 0x0f,
    REG_B_SET = 0x80,
    REG_B_PIE = 0x40,
    REG_B_AIE = 0x20,
    REG_B_UIE = 0x10,
    REG_B_SQWE = 0x08,
    REG_B_BINARY = 0x04,
    REG_B_24H = 0x02,
    REG_C_IRQF = 0x80,
    REG_C_PF = 0x40,
    REG_C_AF = 0x20,
    REG_C_UF = 0x10,
    REG_D_VALID = 0x80
};

enum {
    HOURS_PM = 0x80,
    ALARM_ANY = 0xc0, /* both bits: matches every value */
    INDEX_MASK = 0x7f,
    SECONDS_PER_DAY = 86400
};

#define CRYSTAL_HZ 32768
#define LOST_TICKS_MAX 65536
#define UIP_NS (8 * NS_PER_SECOND / CRYSTAL_HZ)

typedef struct Rtc {
    IsaDevice isa;
    uint32_t iobase, irq;
    char *base;
    uint32_t clock, driftfix, lost_tick_policy;
    Region ports;

    uint8_t index; /* with the NMI mask in bit 7 */
    uint8_t reg_a, reg_b, flags;
    uint8_t cmos[RTC_CMOS_SIZE]; /* time registers: valid while the time stands still */
    int64_t offset_ns;           /* RTC time since 1970 = clock + offset */
    int64_t start_ns;            /* the offset it started with */
    int64_t checked_ns;          /* clock time up to which flags are up to date */
    uint32_t lost_ticks;         /* periodic interrupts to be made up for */
    Timer timer;
} Rtc;

static const char *const clock_names[] = {"host", "rt", "vm", NULL};
static const ClockType clock_types[] = {CLOCK_TYPE_HOST, CLOCK_TYPE_REALTIME, CLOCK_TYPE_VIRTUAL};
static const char *const driftfix_names[] = {"none", "slew", NULL};
static const char *const tick_policy_names[] = {"discard", "slew", NULL};

static int64_t clock_ns(const Rtc *rtc)
{
    return clock_now_ns(clock_types[rtc->clock]);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool divider_runs(const Rtc *rtc)
{
    return (rtc->reg_a & REG_A_DIVIDER_RESET) != REG_A_DIVIDER_RESET;
}

/* The time advances; otherwise it stands in cmos[]. */
static bool time_runs(const Rtc *rtc)
{
    return divider_runs(rtc) && !(rtc->reg_b & REG_B_SET);
}

static uint8_t encode(const Rtc *rtc, int value)
{
    return (uint8_t)(rtc->reg_b & REG_B_BINARY ? value : value / 10 << 4 | value % 10);
}

static int decode(const Rtc *rtc, uint8_t value)
{
    return rtc->reg_b & REG_B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const Rtc *rtc, int hour)
{
    if (rtc->reg_b & REG_B_24H) {
        return encode(rtc, hour);
    }
    return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0);
}

static int decode_hour(const Rtc *rtc, uint8_t value)
{
    if (rtc->reg_b & REG_B_24H) {
        return decode(rtc, value);
    }
    return decode(rtc, value & (uint8_t)~HOURS_PM) % 12 + (value & HOURS_PM ? 12 : 0);
}

/* Writes the running time into the time registers. */
static void store_time(Rtc *rtc, int64_t now)
{
    time_t seconds = floor_div(now + rtc->offset_ns, NS_PER_SECOND);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm)) { /* a year beyond int: an offset no guest can make */
        return;
    }
    rtc->cmos[RTC_SECONDS] = encode(rtc, tm.tm_sec);
    rtc->cmos[RTC_MINUTES] = encode(rtc, tm.tm_min);
    rtc->cmos[RTC_HOURS] = encode_hour(rtc, tm.tm_hour);
    rtc->cmos[RTC_DAY_OF_WEEK] = encode(rtc, tm.tm_wday + 1);
    rtc->cmos[RTC_DAY_OF_MONTH] = encode(rtc, tm.tm_mday);
    rtc->cmos[RTC_MONTH] = encode(rtc, tm.tm_mon + 1);
    rtc->cmos[RTC_YEAR] = encode(rtc, (tm.tm_year + 1900) % 100);
    rtc->cmos[RTC_CENTURY] = encode(rtc, (tm.tm_year + 1900) / 100);
}

/* Sets the running time from the time registers, `fraction_ns` into the second. */
static void load_time(Rtc *rtc, int64_t now, int64_t fraction_ns)
{
    struct tm tm = {
        .tm_sec = decode(rtc, rtc->cmos[RTC_SECONDS]),
        .tm_min = decode(rtc, rtc->cmos[RTC_MINUTES]),
        .tm_hour = decode_hour(rtc, rtc->cmos[RTC_HOURS]),
        .tm_mday = decode(rtc, rtc->cmos[RTC_DAY_OF_MONTH]),
        .tm_mon = decode(rtc, rtc->cmos[RTC_MONTH]) - 1,
        .tm_year =
            decode(rtc, rtc->cmos[RTC_CENTURY]) * 100 + decode(rtc, rtc->cmos[RTC_YEAR]) - 1900,
    };
    /* What 64 bits of nanoseconds hold around 1970: years 1843 to 2255. */
    int64_t seconds = CLAMP(timegm(&tm), -4000000000ll, 9000000000ll);

    rtc->offset_ns = seconds * NS_PER_SECOND + fraction_ns - now;
    rtc->checked_ns = now;
}

static const JsonMember change_members[] = {
    {"offset", &json_type_int}, {"qom-path", &json_type_string}, {NULL}};
static const JsonType change_type = {.kind = JSON_KIND_OBJECT, .members = change_members};
static const EventType change_event = {"RTC_CHANGE", "the guest has set its clock", &change_type,
                                       .is_throttled = true};
EVENT(change_event);

static void tell_change(Rtc *rtc)
{
    json_int_t offset = (rtc->offset_ns - rtc->start_ns) / NS_PER_SECOND;
    g_autofree char *path = object_path((Object *)rtc);

    event_emit(&change_event, json_pack("{s:I, s:s}", "offset", offset, "qom-path", path));
}

static int64_t fraction_ns(const Rtc *rtc, int64_t now)
{
    int64_t time = now + rtc->offset_ns;

    return time - floor_div(time, NS_PER_SECOND) * NS_PER_SECOND;
}

static bool alarm_matches(int alarm, int value)
{
    return alarm < 0 || alarm == value;
}

/* Value an alarm register asks for, -1: any. */
static int alarm_value(const Rtc *rtc, unsigned index)
{
    uint8_t value = rtc->cmos[index];

    if ((value & ALARM_ANY) == ALARM_ANY) {
        return -1;
    }
    return index == RTC_HOURS_ALARM ? decode_hour(rtc, value) : decode(rtc, value);
}

/* First second of the day, not before `from`, at which the alarm goes off; -1: none. */
static int alarm_in_day(const Rtc *rtc, int from)
{
    int hour = alarm_value(rtc, RTC_HOURS_ALARM);
    int minute = alarm_value(rtc, RTC_MINUTES_ALARM);
    int second = alarm_value(rtc, RTC_SECONDS_ALARM);

    if (hour > 23 || minute > 59 || second > 59) {
        return -1;
    }
    for (int t = from; t < SECONDS_PER_DAY;) {
        if (!alarm_matches(hour, t / 3600)) {
            t += 3600 - t % 3600;
        } else if (!alarm_matches(minute, t / 60 % 60)) {
            t += 60 - t % 60;
        } else if (!alarm_matches(second, t % 60)) {
            t++;
        } else {
            return t;
        }
    }
    return -1;
}

/* First RTC second after `seconds` at which the alarm goes off; INT64_MAX: never. */
static int64_t next_alarm(const Rtc *rtc, int64_t seconds)
{
    int64_t day = floor_div(seconds + 1, SECONDS_PER_DAY) * SECONDS_PER_DAY;
    int at = alarm_in_day(rtc, (int)(seconds + 1 - day));

    if (at < 0) {
        day += SECONDS_PER_DAY;
        at = alarm_in_day(rtc, 0);
    }
    return at < 0 ? INT64_MAX : day + at;
}

/* Crystal ticks between periodic interrupts; 0: none. */
static int64_t periodic_ticks(const Rtc *rtc)
{
    unsigned rate = rtc->reg_a & REG_A_RATE;

    if (!rate || !divider_runs(rtc)) {
        return 0;
    }
    return 1ll << ((rate <= 2 ? rate + 7 : rate) - 1);
}

/* Crystal ticks at an RTC time. */
static int64_t crystal_ticks(int64_t ns)
{
    int64_t seconds = floor_div(ns, NS_PER_SECOND);

    return seconds * CRYSTAL_HZ + (ns - seconds * NS_PER_SECOND) * CRYSTAL_HZ / NS_PER_SECOND;
}

/* The first RTC time at which that many ticks have passed. */
static int64_t crystal_ns(int64_t ticks)
{
    int64_t seconds = floor_div(ticks, CRYSTAL_HZ);
    int64_t rest = ticks - seconds * CRYSTAL_HZ;

    return seconds * NS_PER_SECOND + (rest * NS_PER_SECOND + CRYSTAL_HZ - 1) / CRYSTAL_HZ;
}

static bool makes_up_for_ticks(const Rtc *rtc)
{
    return rtc->driftfix || rtc->lost_tick_policy;
}

/* So many periodic interrupts are due, and one can be pending. */
static void raise_periodic(Rtc *rtc, int64_t count)
{
    if (rtc->reg_b & REG_B_PIE && makes_up_for_ticks(rtc)) {
        count += (int64_t)rtc->lost_ticks - !(rtc->flags & REG_C_PF);
        rtc->lost_ticks = (uint32_t)MIN(count, LOST_TICKS_MAX);
    }
    rtc->flags |= REG_C_PF;
}

static void forget_lost_ticks(Object *at)
{
    for (guint i = 0; i < at->children->len; i++) {
        Object *child = at->children->pdata[i];

        if (g_str_equal(child->type->name, "mc146818rtc")) {
            ((Rtc *)child)->lost_ticks = 0;
        }
        forget_lost_ticks(child);
    }
}

void rtc_reset_reinjection(void)
{
    forget_lost_ticks(object_root());
}

/* Sets the flags of everything that has happened since the last look. */
static void update_flags(Rtc *rtc, int64_t now)
{
    int64_t from = rtc->checked_ns + rtc->offset_ns;
    int64_t to = now + rtc->offset_ns;
    int64_t first = floor_div(from, NS_PER_SECOND);
    int64_t last = floor_div(to, NS_PER_SECOND);
    int64_t period = periodic_ticks(rtc);

    rtc->checked_ns = now;
    if (period) {
        int64_t count =
            floor_div(crystal_ticks(to), period) - floor_div(crystal_ticks(from), period);
        if (count > 0) {
            raise_periodic(rtc, count);
        }
    }
    if (last <= first || !time_runs(rtc)) {
        return;
    }
    rtc->flags |= REG_C_UF;
    if (next_alarm(rtc, first) <= last) {
        rtc->flags |= REG_C_AF;
    }
}

/* RTC time of the next event that raises the interrupt line; INT64_MAX: none. */
static int64_t next_event(const Rtc *rtc, int64_t now)
{
    int64_t time = now + rtc->offset_ns;
    int64_t second = floor_div(time, NS_PER_SECOND);
    int64_t period = periodic_ticks(rtc);
    int64_t next = INT64_MAX;

    if (rtc->reg_b & REG_B_PIE && period) {
        next = crystal_ns((floor_div(crystal_ticks(time), period) + 1) * period);
    }
    if (rtc->reg_b & REG_B_UIE && time_runs(rtc)) {
        next = MIN(next, (second + 1) * NS_PER_SECOND);
    }
    if (rtc->reg_b & REG_B_AIE && time_runs(rtc)) {
        int64_t alarm = next_alarm(rtc, second);
        next = alarm == INT64_MAX ? next : MIN(next, alarm * NS_PER_SECOND);
    }
    return next;
}

static bool irq_level(const Rtc *rtc)
{
    return rtc->flags & rtc->reg_b & (REG_B_PIE | REG_B_AIE | REG_B_UIE);
}

static void rtc_sync(Object *obj)
{
    Rtc *rtc = (Rtc *)obj;
    int64_t now = clock_ns(rtc);
    int64_t next;

    update_flags(rtc, now);
    irq_set(isa_irq(&rtc->isa, rtc->irq), irq_level(rtc));
    next = irq_level(rtc) ? INT64_MAX : next_event(rtc, now);
    if (next == INT64_MAX) {
        timer_del(&rtc->timer);
    } else {
        timer_mod_ns(&rtc->timer, next - rtc->offset_ns);
    }
}

static bool is_time_register(unsigned index)
{
    return index == RTC_SECONDS || index == RTC_MINUTES || index == RTC_HOURS ||
           (index >= RTC_DAY_OF_WEEK && index <= RTC_YEAR) || index == RTC_CENTURY;
}

static unsigned selected_register(const Rtc *rtc)
{
    unsigned index = rtc->index & INDEX_MASK;

    return index == RTC_CENTURY_PS2 ? RTC_CENTURY : index;
}

/* Registers A and B start and stop the time and change how it is written. */
static void write_control(Rtc *rtc, unsigned index, uint8_t value, int64_t now)
{
    bool ran = time_runs(rtc), divider_ran = divider_runs(rtc);

    if (ran) {
        store_time(rtc, now);
    }
    if (index == RTC_REG_A) {
        rtc->reg_a = value & (uint8_t)~REG_A_UIP;
    } else {
        rtc->reg_b = value & REG_B_SET ? value & (uint8_t)~REG_B_UIE : value;
    }
    if (index == RTC_REG_A || !(value & REG_B_PIE)) {
        rtc->lost_ticks = 0;
    }
    if (ran && time_runs(rtc)) {
        store_time(rtc, now); /* the data mode may be another one now */
    } else if (!ran && time_runs(rtc)) {
        load_time(rtc, now, divider_ran ? fraction_ns(rtc, now) : NS_PER_SECOND / 2);
        tell_change(rtc);
    }
}

static void data_write(Rtc *rtc, uint8_t value, int64_t now)
{
    unsigned index = selected_register(rtc);

    TRACE(rtc_write, "register 0x%02x value 0x%02x", index, value);
    update_flags(rtc, now);
    if (index == RTC_REG_A || index == RTC_REG_B) {
        write_control(rtc, index, value, now);
    } else if (is_time_register(index) && time_runs(rtc)) {
        store_time(rtc, now);
        rtc->cmos[index] = value;
        load_time(rtc, now, fraction_ns(rtc, now));
        tell_change(rtc);
    } else if (index != RTC_REG_C && index != RTC_REG_D) {
        rtc->cmos[index] = value;
    }
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Rtc *rtc = opaque;

    if (offset == 0) {
        rtc->index = (uint8_t)value;
    } else {
        data_write(rtc, (uint8_t)value, clock_ns(rtc));
    }
}

static bool update_in_progress(const Rtc *rtc, int64_t now)
{
    return time_runs(rtc) && fraction_ns(rtc, now) >= NS_PER_SECOND - UIP_NS;
}

/* Reading register C clears it. */
static uint8_t read_flags(Rtc *rtc, int64_t now)
{
    uint8_t value;

    update_flags(rtc, now);
    value = rtc->flags | (irq_level(rtc) ? REG_C_IRQF : 0);
    rtc->flags = 0;
    rtc_sync(&rtc->isa.dev.obj);
    if (rtc->lost_ticks) { /* the next one follows at once */
        rtc->lost_ticks--;
        rtc->flags |= REG_C_PF;
        rtc_sync(&rtc->isa.dev.obj);
    }
    return value;
}

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    Rtc *rtc = opaque;
    unsigned index = selected_register(rtc);
    int64_t now = clock_ns(rtc);

    if (offset == 0) { /* the index is write-only */
        return 0xff;
    }
    switch (index) {
    case RTC_REG_A:
        return rtc->reg_a | (update_in_progress(rtc, now) ? REG_A_UIP : 0);
    case RTC_REG_B:
        return rtc->reg_b;
    case RTC_REG_C:
        return read_flags(rtc, now);
    case RTC_REG_D:
        return REG_D_VALID;
    default:
        if (is_time_register(index) && time_runs(rtc)) {
            store_time(rtc, now);
        }
        return rtc->cmos[index];
    }
}

static void timer_expired(void *opaque)
{
    rtc_sync(opaque);
}

void rtc_set_cmos(Device *dev, unsigned index, uint8_t value)
{
    g_assert(index > RTC_REG_D && index < RTC_CMOS_SIZE);
    ((Rtc *)dev)->cmos[index] = value;
}

uint8_t rtc_get_cmos(const Device *dev, unsigned index)
{
    g_assert(index > RTC_REG_D && index < RTC_CMOS_SIZE);
    return ((const Rtc *)dev)->cmos[index];
}

/* Seconds since 1970 the RTC shows at start, from "utc", "localtime" or a date in UTC. */
static bool parse_base(const char *base, int64_t *ret_seconds, Error **err)
{
    time_t now = (time_t)(clock_now_ns(CLOCK_TYPE_HOST) / NS_PER_SECOND);
    struct tm tm = {0};
    int end = 0;

    if (!base || !strcmp(base, "utc")) {
        *ret_seconds = now;
        return true;
    }
    if (!strcmp(base, "localtime")) {
        localtime_r(&now, &tm);
        *ret_seconds = timegm(&tm);
        return true;
    }
    sscanf(base, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &end);
    if (end && base[end] == 'T') {
        int date_end = end;
        end = 0;
        sscanf(base + date_end, "T%2d:%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end);
        end = end ? date_end + end : 0;
    }
    if (!end || base[end] || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59) {
        return error_set(err,
                         "invalid date '%s': expected utc, localtime, YYYY-MM-DD or "
                         "YYYY-MM-DDThh:mm:ss",
                         base);
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_seconds = timegm(&tm);
    return true;
}

static const RegionOps ports_ops = {
    .read = ports_read, .write = ports_write, .impl_min = 1, .impl_max = 1};

static void rtc_init(Object *obj)
{
    Rtc *rtc = (Rtc *)obj;

    timer_init(&rtc->timer, main_loop(), CLOCK_TYPE_HOST, timer_expired, rtc);
}

static bool rtc_realize(Object *obj, Error **err)
{
    Rtc *rtc = (Rtc *)obj;
    int64_t seconds = 0;

    if (rtc->irq >= ISA_IRQ_COUNT) {
        return error_set(err, "irq %u: an ISA bus has lines 0 to %d", rtc->irq, ISA_IRQ_COUNT - 1);
    }
    if (!parse_base(rtc->base, &seconds, err)) {
        return false;
    }
    timer_init(&rtc->timer, main_loop(), clock_types[rtc->clock], timer_expired, rtc);
    rtc->checked_ns = clock_ns(rtc);
    rtc->offset_ns = seconds * NS_PER_SECOND - rtc->checked_ns;
    if (rtc->clock == 0 && (!rtc->base || !strcmp(rtc->base, "utc"))) {
        rtc->offset_ns = 0; /* in step with the host to the nanosecond */
    }
    rtc->start_ns = rtc->offset_ns;
    rtc->reg_a = 0x26; /* 32768 Hz, 1024 interrupts a second */
    rtc->reg_b = REG_B_24H;
    region_init(&rtc->ports, &(RegionDesc){.name = "rtc",
                                           .kind = REGION_IO,
                                           .size = 2,
                                           .owner = obj,
                                           .ops = &ports_ops,
                                           .opaque = rtc,
                                           .posted_size = 1 /* the index */});
    isa_map_io(&rtc->isa, &rtc->ports, (uint16_t)rtc->iobase);
    return true;
}

static void rtc_unrealize(Object *obj)
{
    Rtc *rtc = (Rtc *)obj;

    timer_del(&rtc->timer);
    region_fini(&rtc->ports);
}

static void rtc_reset_hold(Object *obj)
{
    Rtc *rtc = (Rtc *)obj;

    rtc->reg_b &= (uint8_t) ~(REG_B_PIE | REG_B_AIE | REG_B_UIE | REG_B_SQWE);
}

static const Field rtc_fields[] = {
    PROP(Rtc, iobase, .init = 0x70, .desc = "first of the two ports"),
    PROP(Rtc, irq, .init = 8, .desc = "ISA interrupt line"),
    PROP(Rtc, base, .desc = "utc, localtime or a date"),
    PROP_ENUM(Rtc, clock, .choices = clock_names, .init_text = "host", .desc = "what drives it"),
    PROP_ENUM(Rtc, driftfix, .choices = driftfix_names, .init_text = "none",
              .desc = "slew: periodic interrupts that came too late are made up for"),
    PROP_ENUM(Rtc, lost_tick_policy, .choices = tick_policy_names, .init_text = "discard",
              .desc = "the same by another name"),
    DERIVED(Rtc, ports),
    STATE(Rtc, index),
    STATE(Rtc, reg_a, .keep = true),
    STATE(Rtc, reg_b, .keep = true),
    STATE(Rtc, flags),
    STATE_ARRAY(Rtc, cmos, .keep = true),
    STATE(Rtc, offset_ns, .keep = true),
    STATE(Rtc, checked_ns, .keep = true),
    STATE(Rtc, start_ns, .keep = true),
    STATE(Rtc, lost_ticks),
    STATE_TIMER(Rtc, timer),
    FIELDS_END};

static const Type rtc_type = {
    .name = "mc146818rtc",
    .parent = &isa_device_type,
    .size = sizeof(Rtc),
    .desc = "real-time clock and CMOS RAM",
    .fields = rtc_fields,
    .init = rtc_init,
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset_hold = rtc_reset_hold,
    .sync = rtc_sync,
};
DEVICE(rtc_type);
