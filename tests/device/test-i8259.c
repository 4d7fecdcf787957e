/* SPDX-License-Identifier: MIT */
/* 8259 pair: priorities, cascade, edge and level, end-of-interrupt forms, poll,
 * spurious vectors. */
#include "tests/device/isa-bench.h"

#include "hw/i8259.h"

static I8259 *master, *slave;

static void set_up(void)
{
    master = (I8259 *)bench_device("isa-i8259", "master", "on");
    slave = (I8259 *)bench_device("isa-i8259", "iobase", "0xa0");
    g_assert_true(object_set((Object *)slave, "elcr_addr", "0x4d1", NULL));
    g_assert_true(object_set((Object *)slave, "elcr_mask", "0xde", NULL));
    i8259_set_slave(master, slave);
    i8259_set_output(master, bench_irq(0));
    i8259_set_output(slave, i8259_pin(master, 2));
    bench_start(master);
    bench_start(slave);
}

static void tear_down(void)
{
    object_free((Object *)slave);
    object_free((Object *)master);
}

static void initialise(uint8_t icw4)
{
    out8(0x20, 0x11);
    out8(0x21, 0x30);
    out8(0x21, 0x04);
    out8(0x21, icw4);
    out8(0xa0, 0x11);
    out8(0xa1, 0x70);
    out8(0xa1, 0x02);
    out8(0xa1, icw4 & ~0x10);
}

static void set_line(unsigned irq, bool level)
{
    irq_set(i8259_pin(irq < 8 ? master : slave, irq % 8), level);
}

static void test_priority_and_nesting(void)
{
    set_up();
    initialise(0x01);
    set_line(5, true);
    g_assert_true(bench.levels[0]);
    set_line(3, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x33);
    g_assert_false(bench.levels[0]); /* 5 waits for 3 */
    set_line(1, true);
    g_assert_true(bench.levels[0]); /* 1 does not */
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x31);
    out8(0x20, 0x20);
    g_assert_false(bench.levels[0]);
    out8(0x20, 0x63); /* specific, 3 */
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x35);
    out8(0x20, 0x20);
    out8(0x20, 0x0b);
    g_assert_cmphex(in8(0x20), ==, 0);
    out8(0x20, 0x0a);
    g_assert_cmphex(in8(0x20), ==, 0);
    tear_down();
}

static void test_mask_and_registers(void)
{
    set_up();
    initialise(0x01);
    out8(0x21, 0xfe);
    g_assert_cmphex(in8(0x21), ==, 0xfe);
    set_line(4, true);
    g_assert_false(bench.levels[0]);
    g_assert_cmphex(in8(0x20), ==, 0x10);
    out8(0x21, 0xef);
    g_assert_true(bench.levels[0]);
    set_line(4, false); /* it must stay high until the acknowledge cycle */
    g_assert_cmphex(in8(0x20), ==, 0);
    g_assert_false(bench.levels[0]);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x37);
    set_line(4, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x34);
    out8(0x20, 0x20);
    g_assert_false(bench.levels[0]); /* high, but no new edge */
    tear_down();
}

/* Bit 3 of ICW1 is not there any more: the ELCR decides. */
static void test_level_by_icw1(void)
{
    set_up();
    out8(0x20, 0x19);
    out8(0x21, 0x30);
    out8(0x21, 0x04);
    out8(0x21, 0x01);
    set_line(4, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x34);
    out8(0x20, 0x20);
    g_assert_false(bench.levels[0]);
    tear_down();
}

static void test_cascade(void)
{
    set_up();
    initialise(0x01);
    set_line(12, true);
    set_line(9, true);
    g_assert_true(bench.levels[0]);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x71);
    g_assert_false(bench.levels[0]);
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
    g_assert_true(bench.levels[0]);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x74);
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
    g_assert_false(bench.levels[0]);
    tear_down();
}

static void test_special_fully_nested(void)
{
    set_up();
    initialise(0x11);
    set_line(12, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x74);
    set_line(8, true); /* a more urgent one of the same slave */
    g_assert_true(bench.levels[0]);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x70);
    set_line(3, true); /* but nothing less urgent than the slave */
    g_assert_false(bench.levels[0]);
    set_line(1, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x31);
    tear_down();
    set_up();
    initialise(0x01); /* without the mode it waits */
    set_line(12, true);
    i8259_acknowledge(master);
    set_line(8, true);
    g_assert_false(bench.levels[0]);
    tear_down();
}

static void test_level(void)
{
    set_up();
    initialise(0x01);
    out8(0x4d1, 0xff);
    g_assert_cmphex(in8(0x4d1), ==, 0xde);
    out8(0x4d0, 0xff);
    g_assert_cmphex(in8(0x4d0), ==, 0xf8);
    set_line(11, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x73);
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
    g_assert_true(bench.levels[0]); /* still asserted */
    set_line(11, false);
    g_assert_false(bench.levels[0]);
    tear_down();
}

static void test_spurious(void)
{
    set_up();
    initialise(0x01);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x37);
    out8(0x20, 0x0b);
    g_assert_cmphex(in8(0x20), ==, 0);
    out8(0x4d1, 0x08);
    set_line(11, true);
    /* The slave gives up between INT and the acknowledge cycle of the master alone. */
    out8(0x20, 0x0c);
    g_assert_cmphex(in8(0x20), ==, 0x82);
    set_line(11, false);
    g_assert_cmphex(i8259_acknowledge(slave), ==, 0x77);
    tear_down();
}

static void test_rotation(void)
{
    set_up();
    initialise(0x01);
    set_line(0, true);
    set_line(4, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x30);
    out8(0x20, 0xa0); /* rotate on EOI: 0 is last now */
    set_line(0, false);
    set_line(0, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x34);
    out8(0x20, 0x20);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x30);
    out8(0x20, 0x20);
    out8(0x20, 0xc5); /* 5 is last, 6 first */
    set_line(5, true);
    set_line(6, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x36);
    out8(0x20, 0xe6);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x35);
    tear_down();
}

static void test_auto_eoi(void)
{
    set_up();
    initialise(0x03);
    set_line(6, true);
    set_line(7, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x36);
    g_assert_true(bench.levels[0]);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x37);
    g_assert_false(bench.levels[0]);
    out8(0x20, 0x80); /* and rotate */
    set_line(6, false);
    set_line(6, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x36);
    set_line(0, true);
    set_line(6, false);
    set_line(6, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x30);
    tear_down();
}

static void test_special_mask(void)
{
    set_up();
    initialise(0x01);
    set_line(1, true);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x31);
    set_line(5, true);
    g_assert_false(bench.levels[0]);
    out8(0x21, 0x02);
    g_assert_false(bench.levels[0]);
    out8(0x20, 0x68);
    g_assert_true(bench.levels[0]);
    g_assert_cmphex(i8259_acknowledge(master), ==, 0x35);
    out8(0x20, 0x20); /* ends 5, for 1 is masked in this mode */
    out8(0x20, 0x0b);
    g_assert_cmphex(in8(0x20), ==, 0x02);
    set_line(6, true);
    g_assert_true(bench.levels[0]);
    out8(0x20, 0x48);
    g_assert_false(bench.levels[0]);
    out8(0x20, 0x20);
    g_assert_true(bench.levels[0]);
    tear_down();
}

static void test_poll(void)
{
    set_up();
    initialise(0x01);
    out8(0x20, 0x0c);
    g_assert_cmphex(in8(0x20), ==, 0);
    set_line(3, true);
    out8(0x20, 0x0c);
    g_assert_cmphex(in8(0x20), ==, 0x83);
    g_assert_false(bench.levels[0]);
    out8(0x20, 0x0b);
    g_assert_cmphex(in8(0x20), ==, 0x08);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/i8259/priority", test_priority_and_nesting);
    g_test_add_func("/i8259/mask", test_mask_and_registers);
    g_test_add_func("/i8259/cascade", test_cascade);
    g_test_add_func("/i8259/special-fully-nested", test_special_fully_nested);
    g_test_add_func("/i8259/level", test_level);
    g_test_add_func("/i8259/level-by-icw1", test_level_by_icw1);
    g_test_add_func("/i8259/spurious", test_spurious);
    g_test_add_func("/i8259/rotation", test_rotation);
    g_test_add_func("/i8259/auto-eoi", test_auto_eoi);
    g_test_add_func("/i8259/special-mask", test_special_mask);
    g_test_add_func("/i8259/poll", test_poll);
    return g_test_run();
}
