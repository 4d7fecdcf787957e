/* SPDX-License-Identifier: MIT */
/* The teaching device of docs/howto/new-device.md: counting, interrupt, reset, removal. */
#include "tests/device/isa-bench.h"

#include "util/keyval.h"

enum { COUNT = 0x2a0, LIMIT, CONTROL, STATUS };
enum { RUN = 1, IRQ_ENABLE = 2, REACHED = 1 };
enum { LINE = 5 };

#define MILLISECOND 1000000

static Device *counter;

static void restart(void)
{
    object_reset(&counter->obj);
    bench.rises[LINE] = 0;
}

static void test_reset_values(void)
{
    restart();
    g_assert_cmphex(in8(COUNT), ==, 0);
    g_assert_cmphex(in8(LIMIT), ==, 0xff);
    g_assert_cmphex(in8(CONTROL), ==, 0);
    g_assert_cmphex(in8(STATUS), ==, 0);
    g_assert_cmphex(in8(COUNT - 1), ==, 0xff); /* nobody there */
    g_assert_cmphex(in8(STATUS + 1), ==, 0xff);
}

static void test_counts(void)
{
    restart();
    advance_ns(5 * MILLISECOND);
    g_assert_cmpuint(in8(COUNT), ==, 0); /* does not run yet */
    out8(CONTROL, RUN);
    advance_ns(7 * MILLISECOND);
    g_assert_cmpuint(in8(COUNT), ==, 7);
    out8(CONTROL, 0);
    advance_ns(7 * MILLISECOND);
    g_assert_cmpuint(in8(COUNT), ==, 7);
    out8(COUNT, 1); /* read-only */
    g_assert_cmpuint(in8(COUNT), ==, 7);
    g_assert_false(bench.levels[LINE]);
}

static void test_interrupt(void)
{
    restart();
    out8(LIMIT, 3);
    out8(CONTROL, RUN | IRQ_ENABLE | 0xf0);
    g_assert_cmphex(in8(CONTROL), ==, RUN | IRQ_ENABLE);
    advance_ns(2 * MILLISECOND);
    g_assert_false(bench.levels[LINE]);
    advance_ns(1 * MILLISECOND);
    g_assert_true(bench.levels[LINE]);
    g_assert_cmpuint(in8(COUNT), ==, 0);
    advance_ns(4 * MILLISECOND); /* still asked for: one level, not two edges */
    g_assert_cmpuint(bench.rises[LINE], ==, 1);
    out8(CONTROL, RUN);
    g_assert_false(bench.levels[LINE]); /* masked, the status stays */
    g_assert_cmphex(in8(STATUS), ==, REACHED);
    out8(CONTROL, RUN | IRQ_ENABLE);
    g_assert_true(bench.levels[LINE]);
    out8(STATUS, REACHED);
    g_assert_false(bench.levels[LINE]);
    g_assert_cmphex(in8(STATUS), ==, 0);
}

static void test_reset_lowers_line(void)
{
    restart();
    out8(LIMIT, 1);
    out8(CONTROL, RUN | IRQ_ENABLE);
    advance_ns(1 * MILLISECOND);
    g_assert_true(bench.levels[LINE]);
    object_reset(&counter->obj);
    g_assert_false(bench.levels[LINE]);
    advance_ns(300 * MILLISECOND);
    g_assert_cmpuint(in8(COUNT), ==, 0);
}

static Device *add(const char *text, Error **err)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "driver", NULL);

    return device_add(kv, err);
}

static void test_as_user_device(void)
{
    Device *dev = add("edu-counter,id=c1,iobase=0x300,irq=7,period-us=10", NULL);

    g_assert_nonnull(dev);
    g_assert_true(object_resolve("/machine/peripheral/c1") == &dev->obj);
    object_reset(&dev->obj);
    out8(0x302, RUN);
    advance_ns(50 * 1000);
    g_assert_cmpuint(in8(0x300), ==, 5);
    object_free(&dev->obj);
    g_assert_cmphex(in8(0x300), ==, 0xff);
    advance_ns(MILLISECOND); /* its timer is gone with it */
    g_assert_cmpuint(bench.bus.bus.devices->len, ==, 1);
}

static void test_user_errors(void)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"edu-counter,irq=16", "irq=16, period-us=1000: an irq below 16 and a period are needed"},
        {"edu-counter,period-us=0", "irq=5, period-us=0: an irq below 16 and a period are needed"},
        {"edu-countre", "unknown device 'edu-countre'; did you mean 'edu-counter'?"},
        {"edu-counter,iobse=1", "edu-counter has no property 'iobse'; did you mean 'iobase'?"},
        {"edu-counter,id=1x", "id '1x' does not start with a letter"},
        {"edu-counter,bus=isa.1", "there is no bus 'isa.1'; did you mean 'isa.0'?"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Error) err = NULL;
        g_assert_null(add(rows[i].text, &err));
        g_assert_cmpstr(error_message(err), ==, rows[i].message);
        g_assert_cmpuint(bench.bus.bus.devices->len, ==, 1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    counter = bench_device("edu-counter", NULL, NULL);
    bench_start(counter);
    g_test_add_func("/teaching/reset-values", test_reset_values);
    g_test_add_func("/teaching/counts", test_counts);
    g_test_add_func("/teaching/interrupt", test_interrupt);
    g_test_add_func("/teaching/reset-lowers-line", test_reset_lowers_line);
    g_test_add_func("/teaching/as-user-device", test_as_user_device);
    g_test_add_func("/teaching/user-errors", test_user_errors);
    return g_test_run();
}
