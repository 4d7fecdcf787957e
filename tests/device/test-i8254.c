/* SPDX-License-Identifier: MIT */
/* 8254: the six modes, BCD, latches, gate and port 61h, and that nothing runs without need. */
#include "tests/device/isa-bench.h"

#include "hw/i8254.h"

#define MS (NS_PER_SECOND / 1000)

static I8254 *pit;
static PcSpeaker *speaker;

static void set_up(void)
{
    pit = (I8254 *)bench_device("isa-pit", NULL, NULL);
    speaker = (PcSpeaker *)bench_device("isa-pcspk", NULL, NULL);
    i8254_set_output(pit, bench_irq(0));
    pc_speaker_set_pit(speaker, pit);
    bench_start(pit);
    bench_start(speaker);
    bench.rises[0] = 0;
}

static void tear_down(void)
{
    object_free((Object *)speaker);
    object_free((Object *)pit);
}

/* Tests start half a tick after the load, so that rounding never decides. */
static void advance_ticks(unsigned ticks)
{
    advance_ns((int64_t)ticks * NS_PER_SECOND / I8254_FREQUENCY_HZ);
}

static void program(unsigned channel, unsigned mode, uint16_t count)
{
    out8(0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
    out8((uint16_t)(0x40 + channel), (uint8_t)count);
    out8((uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
    advance_ns(NS_PER_SECOND / I8254_FREQUENCY_HZ / 2);
}

static uint16_t read_latched(unsigned channel)
{
    uint8_t low;

    out8(0x43, (uint8_t)(channel << 6));
    low = in8((uint16_t)(0x40 + channel));
    return (uint16_t)(low | in8((uint16_t)(0x40 + channel)) << 8);
}

static void test_terminal_count(void)
{
    set_up();
    program(0, 0, 1000);
    g_assert_false(bench.levels[0]);
    advance_ticks(999);
    g_assert_cmpuint(read_latched(0), ==, 1);
    g_assert_false(bench.levels[0]);
    advance_ticks(1);
    g_assert_true(bench.levels[0]);
    advance_ticks(2);
    g_assert_cmphex(read_latched(0), ==, 0xfffe);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    out8(0x40, 10); /* the first byte lowers OUT */
    g_assert_false(bench.levels[0]);
    tear_down();
}

static void test_rate(void)
{
    set_up();
    program(0, 2, 11932);
    for (unsigned i = 0; i < 100; i++) {
        advance_ticks(11932);
    }
    g_assert_cmpuint(bench.rises[0], >=, 99);
    g_assert_cmpuint(bench.rises[0], <=, 101);
    tear_down();
}

/* A host that was busy for five and a half periods: the edges come after all, one by one. */
static void test_late(void)
{
    set_up();
    program(0, 2, 11932);
    bench.rises[0] = 0;
    clock_virtual_set_ns(clock_now_ns(CLOCK_TYPE_VIRTUAL) + 55 * MS);
    advance_ns(MS / 2);
    g_assert_cmpuint(bench.rises[0], ==, 1);
    read_latched(0);
    g_assert_cmpuint(bench.rises[0], ==, 1);
    advance_ns(MS / 2);
    g_assert_cmpuint(bench.rises[0], ==, 2);
    advance_ns(3 * MS);
    g_assert_cmpuint(bench.rises[0], ==, 5);
    advance_ns(100 * MS);
    g_assert_cmpuint(bench.rises[0], ==, 15);
    clock_virtual_set_ns(clock_now_ns(CLOCK_TYPE_VIRTUAL) + 100 * NS_PER_SECOND);
    bench.rises[0] = 0;
    advance_ns(5 * NS_PER_SECOND); /* no more than a second is made good */
    g_assert_cmpuint(bench.rises[0], >=, 595);
    g_assert_cmpuint(bench.rises[0], <=, 605);
    tear_down();
}

static IrqState state;

static IrqState say_state(void *owner, unsigned n)
{
    return state;
}

/* Edges for a CPU that the host does not run come when it does. */
static void test_starved(void)
{
    set_up();
    i8254_set_output(pit, (Irq){.set = bench_set_irq, .state = say_state, .owner = &bench, .n = 0});
    program(0, 2, 11932);
    bench.rises[0] = 0;
    state = IRQ_STARVED;
    advance_ns(55 * MS);
    g_assert_cmpuint(bench.rises[0], ==, 0);
    state = IRQ_FREE;
    advance_ns(4 * MS);
    g_assert_cmpuint(bench.rises[0], >=, 3);
    advance_ns(3 * MS);
    g_assert_cmpuint(bench.rises[0], ==, 6);
    tear_down();
}

static void test_rate_value(void)
{
    set_up();
    program(2, 2, 100);
    out8(0x61, 1);
    advance_ns(400);
    g_assert_cmpuint(read_latched(2), ==, 100);
    g_assert_true(in8(0x61) & 0x20);
    advance_ticks(99);
    g_assert_cmpuint(read_latched(2), ==, 1);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(1);
    g_assert_cmpuint(read_latched(2), ==, 100);
    out8(0x61, 0);
    advance_ticks(30);
    g_assert_true(in8(0x61) & 0x20);
    out8(0x61, 1); /* GATE starts it anew */
    advance_ns(400);
    g_assert_cmpuint(read_latched(2), ==, 100);
    tear_down();
}

static void test_square(void)
{
    set_up();
    out8(0x61, 1);
    program(2, 3, 101);
    g_assert_cmpuint(read_latched(2), ==, 100);
    advance_ticks(50);
    g_assert_true(in8(0x61) & 0x20);
    advance_ticks(1);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(50);
    g_assert_true(in8(0x61) & 0x20);
    program(0, 3, 1000);
    bench.rises[0] = 0;
    advance_ticks(10500);
    g_assert_cmpuint(bench.rises[0], ==, 10);
    tear_down();
}

static void write_count(unsigned channel, uint16_t count)
{
    out8((uint16_t)(0x40 + channel), (uint8_t)count);
    out8((uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static uint8_t read_status(unsigned channel)
{
    out8(0x43, (uint8_t)(0xe0 | 2 << channel));
    return in8((uint16_t)(0x40 + channel));
}

/* Datasheet, "MODE 2": a new count waits for the end of the period, also after many of them. */
static void test_rate_reload(void)
{
    set_up();
    out8(0x61, 1);
    program(2, 2, 100);
    advance_ticks(1030);
    write_count(2, 50);
    g_assert_cmphex(read_status(2), ==, 0xf4); /* null count: not loaded yet */
    g_assert_cmpuint(read_latched(2), ==, 70);
    advance_ticks(69);
    g_assert_cmpuint(read_latched(2), ==, 1);
    advance_ticks(1);
    g_assert_cmpuint(read_latched(2), ==, 50);
    g_assert_cmphex(read_status(2), ==, 0xb4);
    advance_ticks(50);
    g_assert_cmpuint(read_latched(2), ==, 50);
    write_count(2, 50); /* the same again: loaded like any other */
    g_assert_cmphex(read_status(2), ==, 0xf4);
    advance_ticks(50);
    g_assert_cmphex(read_status(2), ==, 0xb4);
    tear_down();
}

/* "MODE 3": it waits for the end of the half period only. */
static void test_square_reload(void)
{
    set_up();
    out8(0x61, 1);
    program(2, 3, 1000);
    advance_ticks(10400);
    write_count(2, 100);
    g_assert_true(in8(0x61) & 0x20);
    advance_ticks(100); /* the high half ends, a low one of 50 begins */
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(49);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(1);
    g_assert_true(in8(0x61) & 0x20);
    tear_down();
    set_up(); /* on the line, in the low half */
    program(0, 3, 1000);
    advance_ticks(10600);
    bench.rises[0] = 0;
    write_count(0, 100);
    advance_ticks(399);
    g_assert_cmpuint(bench.rises[0], ==, 0);
    advance_ticks(1);
    g_assert_cmpuint(bench.rises[0], ==, 1);
    for (unsigned i = 0; i < 10; i++) {
        advance_ticks(100);
    }
    g_assert_cmpuint(bench.rises[0], >=, 10);
    g_assert_cmpuint(bench.rises[0], <=, 11);
    tear_down();
}

/* "MODE 1": a new count does not touch the pulse under way. */
static void test_one_shot_reload(void)
{
    set_up();
    program(2, 1, 500);
    out8(0x61, 1);
    advance_ns(400);
    advance_ticks(100);
    write_count(2, 50);
    g_assert_cmphex(read_status(2), ==, 0x72);
    advance_ticks(399);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(1);
    g_assert_true(in8(0x61) & 0x20);
    out8(0x61, 0);
    out8(0x61, 1);
    advance_ns(400);
    g_assert_cmphex(read_status(2), ==, 0x32);
    advance_ticks(49);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(1);
    g_assert_true(in8(0x61) & 0x20);
    tear_down();
}

static void test_one_shot(void)
{
    set_up();
    program(2, 1, 500);
    g_assert_true(in8(0x61) & 0x20);
    out8(0x61, 1);
    advance_ns(400);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(300);
    out8(0x61, 0);
    out8(0x61, 1); /* retriggers */
    advance_ns(400);
    advance_ticks(499);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(1);
    g_assert_true(in8(0x61) & 0x20);
    tear_down();
}

static void test_strobes(void)
{
    set_up();
    out8(0x61, 1);
    program(2, 4, 50);
    advance_ticks(49);
    g_assert_true(in8(0x61) & 0x20);
    advance_ticks(1);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(1);
    g_assert_true(in8(0x61) & 0x20);
    out8(0x61, 0);
    program(2, 5, 50);
    advance_ticks(50);
    g_assert_true(in8(0x61) & 0x20);
    out8(0x61, 1);
    advance_ns(400);
    advance_ticks(50);
    g_assert_false(in8(0x61) & 0x20);
    tear_down();
}

static void test_gate_pauses(void)
{
    set_up();
    out8(0x61, 1);
    program(2, 0, 1000);
    advance_ticks(400);
    out8(0x61, 0);
    advance_ticks(5000);
    g_assert_cmpuint(read_latched(2), ==, 600);
    out8(0x61, 1);
    advance_ticks(599);
    g_assert_false(in8(0x61) & 0x20);
    advance_ticks(2);
    g_assert_true(in8(0x61) & 0x20);
    tear_down();
}

static void test_bcd_and_read_back(void)
{
    set_up();
    out8(0x61, 1);
    out8(0x43, 0xb1); /* channel 2, both bytes, mode 0, BCD */
    out8(0x43, 0xe8); /* status of channel 2 */
    g_assert_cmphex(in8(0x42), ==, 0x71);
    out8(0x42, 0x00);
    out8(0x42, 0x10);
    advance_ns(400);
    advance_ticks(1);
    g_assert_cmphex(read_latched(2), ==, 0x0999);
    out8(0x43, 0xc8); /* both: status first */
    advance_ticks(2000);
    g_assert_cmphex(in8(0x42), ==, 0x31);
    g_assert_cmphex(in8(0x42), ==, 0x99);
    g_assert_cmphex(in8(0x42), ==, 0x09);
    g_assert_cmphex(read_latched(2), ==, 0x8999);
    tear_down();
}

static void test_reload_waits(void)
{
    set_up();
    out8(0x61, 1);
    program(2, 2, 1000);
    advance_ticks(500);
    out8(0x42, 100);
    out8(0x42, 0);
    g_assert_cmpuint(read_latched(2), ==, 500);
    advance_ticks(500);
    g_assert_cmpuint(read_latched(2), ==, 100);
    tear_down();
}

/* While nobody listens no timer runs, and what was not heard is not made up for. */
static void test_unheard(void)
{
    set_up();
    program(0, 2, 1193);
    advance_ticks(1193);
    g_assert_cmpuint(bench.rises[0], ==, 1);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), !=, TIMER_OFF);
    i8254_set_heard(pit, false);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    advance_ticks(100 * 1193 - 100);
    g_assert_cmpuint(read_latched(0), ==, 100);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    i8254_set_heard(pit, true);
    bench.rises[0] = 0;
    advance_ticks(99);
    g_assert_cmpuint(bench.rises[0], ==, 0);
    advance_ticks(1);
    g_assert_cmpuint(bench.rises[0], ==, 1);
    advance_ticks(1193);
    g_assert_cmpuint(bench.rises[0], ==, 2);
    tear_down();
}

static void test_refresh(void)
{
    unsigned toggles = 0;
    uint8_t last;

    set_up();
    last = in8(0x61) & 0x10;
    for (unsigned i = 0; i < 1000; i++) {
        advance_ns(1000);
        toggles += (in8(0x61) & 0x10) != last;
        last = in8(0x61) & 0x10;
    }
    g_assert_cmpuint(toggles, >=, 65);
    g_assert_cmpuint(toggles, <=, 67);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/i8254/terminal-count", test_terminal_count);
    g_test_add_func("/i8254/rate", test_rate);
    g_test_add_func("/i8254/late", test_late);
    g_test_add_func("/i8254/starved", test_starved);
    g_test_add_func("/i8254/rate-value", test_rate_value);
    g_test_add_func("/i8254/square", test_square);
    g_test_add_func("/i8254/rate-reload", test_rate_reload);
    g_test_add_func("/i8254/square-reload", test_square_reload);
    g_test_add_func("/i8254/one-shot-reload", test_one_shot_reload);
    g_test_add_func("/i8254/one-shot", test_one_shot);
    g_test_add_func("/i8254/strobes", test_strobes);
    g_test_add_func("/i8254/gate", test_gate_pauses);
    g_test_add_func("/i8254/bcd", test_bcd_and_read_back);
    g_test_add_func("/i8254/reload", test_reload_waits);
    g_test_add_func("/i8254/unheard", test_unheard);
    g_test_add_func("/i8254/refresh", test_refresh);
    return g_test_run();
}
