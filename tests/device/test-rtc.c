/* SPDX-License-Identifier: MIT */
/* MC146818: time in all forms, setting it, alarm, periodic and update interrupts, and that no timer
 * runs without need. */
#include "tests/device/isa-bench.h"

#include "hw/rtc.h"
#include "util/event.h"

#include <string.h>

static Device *rtc;

static uint8_t get(uint8_t index)
{
    out8(0x70, index);
    return in8(0x71);
}

static void set(uint8_t index, uint8_t value)
{
    out8(0x70, index);
    out8(0x71, value);
}

static void set_up(const char *base)
{
    rtc = bench_device("mc146818rtc", "base", base);
    g_assert_true(object_set(&rtc->obj, "clock", "vm", NULL));
    bench_start(rtc);
    bench.rises[8] = 0;
}

static void tear_down(void)
{
    object_free(&rtc->obj);
}

static void assert_time(const char *expected)
{
    g_autofree char *text = g_strdup_printf("%02x%02x-%02x-%02x %02x:%02x:%02x", get(0x32), get(9),
                                            get(8), get(7), get(4), get(2), get(0));
    g_assert_cmpstr(text, ==, expected);
}

static void test_time(void)
{
    set_up("2024-02-28T23:59:58");
    assert_time("2024-02-28 23:59:58");
    g_assert_cmphex(get(6), ==, 4); /* a Wednesday */
    advance_ns(2 * NS_PER_SECOND);
    assert_time("2024-02-29 00:00:00");
    g_assert_cmphex(get(0x37), ==, 0x20);
    g_assert_cmphex(get(0x0d), ==, 0x80);
    set(0x0b, 0x04); /* binary, 12 hours */
    assert_time("1418-02-1d 0c:00:00");
    advance_ns(13 * 3600 * NS_PER_SECOND);
    g_assert_cmphex(get(4), ==, 0x81);
    tear_down();
}

static json_int_t told_offset;

static void note_change(const EventType *type, const json_t *data, int64_t host_us, void *opaque)
{
    told_offset = json_integer_value(json_object_get(data, "offset"));
}

/* Clients are told how far the guest's clock is from where it started. */
static void test_change_event(void)
{
    event_listen(note_change, &told_offset);
    set_up("2024-02-28T12:00:00");
    set(0x0b, 0x82); /* stands still */
    set(4, 0x13);
    g_assert_cmpint(told_offset, ==, 0);
    set(0x0b, 0x02);
    g_assert_cmpint(told_offset, ==, 3600);
    event_unlisten(&told_offset);
    tear_down();
}

static void test_set_time(void)
{
    set_up("2024-01-01");
    set(0x0b, 0x82);
    set(0, 0x30);
    set(2, 0x59);
    set(4, 0x12);
    set(7, 0x31);
    set(8, 0x12);
    set(9, 0x99);
    set(0x32, 0x19);
    advance_ns(5 * NS_PER_SECOND); /* stands still */
    assert_time("1999-12-31 12:59:30");
    set(0x0b, 0x02);
    advance_ns(30 * NS_PER_SECOND);
    assert_time("1999-12-31 13:00:00");
    set(4, 0x23); /* while it runs */
    advance_ns(3600 * NS_PER_SECOND);
    assert_time("2000-01-01 00:00:00");
    object_reset(&rtc->obj);
    assert_time("2000-01-01 00:00:00");
    tear_down();
}

static void test_update_in_progress(void)
{
    set_up("2024-01-01");
    g_assert_false(get(0x0a) & 0x80);
    advance_ns(NS_PER_SECOND - 100000);
    g_assert_true(get(0x0a) & 0x80);
    advance_ns(100000);
    g_assert_false(get(0x0a) & 0x80);
    g_assert_true(get(0x0c) & 0x10);
    g_assert_false(get(0x0c) & 0x10);
    tear_down();
}

static void test_divider_reset(void)
{
    set_up("2024-01-01");
    set(0x0a, 0x76);
    advance_ns(10 * NS_PER_SECOND);
    set(0x0a, 0x26);
    advance_ns(NS_PER_SECOND / 2 - 1000);
    g_assert_cmphex(get(0), ==, 0);
    advance_ns(1000);
    g_assert_cmphex(get(0), ==, 1);
    tear_down();
}

static void test_periodic(void)
{
    set_up("2024-01-01");
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    set(0x0b, 0x42);
    advance_ns(NS_PER_SECOND / 2);
    g_assert_cmpuint(bench.rises[8], ==, 1); /* nobody has read register C */
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    bench.rises[8] = 0;
    for (unsigned i = 0; i < 1024; i++) {
        g_assert_cmphex(get(0x0c) & 0xc0, ==, 0xc0);
        g_assert_false(bench.levels[8]);
        advance_ns(NS_PER_SECOND / 1024 + 1);
    }
    g_assert_cmpuint(bench.rises[8], ==, 1024);
    tear_down();
}

static void check_made_up(const char *property, bool is_made_up)
{
    unsigned count = 0;

    rtc = bench_device("mc146818rtc", "base", "2024-01-01");
    g_assert_true(object_set(&rtc->obj, "clock", "vm", NULL));
    g_assert_true(!property || object_set(&rtc->obj, property, "slew", NULL));
    bench_start(rtc);
    get(0x0c);
    set(0x0b, 0x42);
    advance_ns(NS_PER_SECOND / 1024 * 10 + 1000); /* ten, and nobody reads register C */
    bench.rises[8] = 0;
    while (bench.levels[8]) {
        g_assert_cmphex(get(0x0c) & 0xc0, ==, 0xc0);
        count++;
    }
    g_assert_cmpuint(count, ==, is_made_up ? 10 : 1);
    g_assert_cmpuint(bench.rises[8], ==, count - 1); /* an edge each */
    advance_ns(NS_PER_SECOND / 1024 * 10);
    set(0x0b, 0x02); /* no longer wanted: nothing to make up for */
    get(0x0c);
    g_assert_false(bench.levels[8]);
    tear_down();
}

static void test_lost_ticks(void)
{
    check_made_up(NULL, false);
    check_made_up("driftfix", true);
    check_made_up("lost-tick-policy", true);
}

static void test_update_interrupt(void)
{
    set_up("2024-01-01");
    set(0x0b, 0x12);
    advance_ns(NS_PER_SECOND - 1);
    g_assert_false(bench.levels[8]);
    advance_ns(1);
    g_assert_true(bench.levels[8]);
    g_assert_cmphex(get(0x0c) & 0xb0, ==, 0x90);
    set(0x0b, 0x92); /* SET clears the enable */
    g_assert_cmphex(get(0x0b), ==, 0x82);
    tear_down();
}

static void test_alarm(void)
{
    set_up("2024-01-01T10:00:00");
    set(1, 0x05);
    set(3, 0x30);
    set(5, 0x09);
    set(0x0b, 0x22);
    advance_ns(23ll * 3600 * NS_PER_SECOND);
    g_assert_false(bench.levels[8]);
    advance_ns((30 * 60 + 5) * NS_PER_SECOND);
    g_assert_true(bench.levels[8]);
    assert_time("2024-01-02 09:30:05");
    g_assert_cmphex(get(0x0c) & 0xb0, ==, 0xb0);
    set(5, 0xff);
    set(3, 0xc0);
    bench.rises[8] = 0;
    for (unsigned i = 0; i < 600; i++) {
        advance_ns(NS_PER_SECOND);
        get(0x0c);
    }
    g_assert_cmpuint(bench.rises[8], ==, 10); /* once a minute */
    set(5, 0x25);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    tear_down();
}

static void test_old_years(void)
{
    set_up("2024-01-01");
    set(9, 0x95);
    set(0x32, 0x18);
    assert_time("1895-01-01 00:00:00");
    set(0x32, 0x01); /* out of reach: the time stays one that can be shown */
    g_assert_cmphex(get(0x32), ==, 0x18);
    tear_down();
}

static void test_cmos(void)
{
    set_up("2024-01-01");
    rtc_set_cmos(rtc, 0x34, 0xab);
    g_assert_cmphex(get(0x34 | 0x80), ==, 0xab);
    set(0x50, 0x12);
    object_reset(&rtc->obj);
    g_assert_cmphex(rtc_get_cmos(rtc, 0x50), ==, 0x12);
    g_assert_cmphex(in8(0x70), ==, 0xff);
    tear_down();
}

static void test_base(void)
{
    static const char *const bad[] = {"yesterday", "2024-13-01", "2024-01-01T25:00:00",
                                      "2024-01-01x", ""};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Error) err = NULL;
        rtc = bench_device("mc146818rtc", "base", bad[i]);
        g_assert_false(object_realize(&rtc->obj, &err));
        g_assert_nonnull(strstr(error_message(err), "YYYY-MM-DD"));
        object_free(&rtc->obj);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/rtc/time", test_time);
    g_test_add_func("/rtc/change-event", test_change_event);
    g_test_add_func("/rtc/set-time", test_set_time);
    g_test_add_func("/rtc/update-in-progress", test_update_in_progress);
    g_test_add_func("/rtc/divider", test_divider_reset);
    g_test_add_func("/rtc/periodic", test_periodic);
    g_test_add_func("/rtc/lost-ticks", test_lost_ticks);
    g_test_add_func("/rtc/update", test_update_interrupt);
    g_test_add_func("/rtc/alarm", test_alarm);
    g_test_add_func("/rtc/old-years", test_old_years);
    g_test_add_func("/rtc/cmos", test_cmos);
    g_test_add_func("/rtc/base", test_base);
    return g_test_run();
}
