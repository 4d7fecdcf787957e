/* SPDX-License-Identifier: MIT */
/* Keyboard controller with keyboard and mouse: what firmware and Linux ask of them. */
#include "tests/device/isa-bench.h"

#include "hw/ps2.h"

static I8042 *controller;
static Object *keyboard, *mouse;

static void set_up(void)
{
    controller = (I8042 *)bench_device("i8042", NULL, NULL);
    i8042_set_a20(controller, bench_irq(15));
    keyboard = &i8042_keyboard(controller)->obj;
    mouse = &i8042_mouse(controller)->obj;
    bench_start(controller);
    bench.rises[1] = 0;
    bench.rises[12] = 0;
}

static void tear_down(void)
{
    object_free((Object *)controller);
}

static void assert_bytes(bool is_aux, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        g_assert_cmphex(in8(0x64) & 0x21, ==, is_aux ? 0x21 : 0x01);
        g_assert_cmphex(in8(0x60), ==, bytes[i]);
    }
    g_assert_cmphex(in8(0x64) & 0x01, ==, 0);
}

#define ASSERT_KEYBOARD(...)                                                                       \
    assert_bytes(false, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define ASSERT_MOUSE(...)                                                                          \
    assert_bytes(true, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void to_mouse(uint8_t byte)
{
    out8(0x64, 0xd4);
    out8(0x60, byte);
}

static void test_controller(void)
{
    set_up();
    g_assert_cmphex(in8(0x64), ==, 0x18);
    out8(0x64, 0xaa);
    ASSERT_KEYBOARD(0x55);
    g_assert_cmphex(in8(0x64), ==, 0x1c);
    out8(0x64, 0xab);
    ASSERT_KEYBOARD(0x00);
    out8(0x64, 0x60);
    out8(0x60, 0x74);
    out8(0x64, 0x20);
    ASSERT_KEYBOARD(0x74);
    out8(0x64, 0xae);
    out8(0x64, 0xa8);
    out8(0x64, 0x20);
    ASSERT_KEYBOARD(0x44);
    out8(0x64, 0xd2);
    out8(0x60, 0x12);
    ASSERT_KEYBOARD(0x12);
    out8(0x64, 0xd3);
    out8(0x60, 0xa5);
    ASSERT_MOUSE(0xa5);
    tear_down();
}

static void test_a20(void)
{
    set_up();
    out8(0x64, 0xd0);
    ASSERT_KEYBOARD(0xcf);
    out8(0x64, 0xd1);
    out8(0x60, 0xdf);
    g_assert_true(bench.levels[15]);
    out8(0x64, 0xd1);
    out8(0x60, 0xdd);
    g_assert_false(bench.levels[15]);
    out8(0x64, 0xdf);
    g_assert_true(bench.levels[15]);
    tear_down();
}

static void test_keyboard_commands(void)
{
    set_up();
    out8(0x60, 0xff);
    ASSERT_KEYBOARD(0xfa, 0xaa);
    g_assert_cmpuint(bench.rises[1], ==, 2); /* an edge for each byte */
    out8(0x60, 0xf2);
    ASSERT_KEYBOARD(0xfa, 0xab, 0x83);
    out8(0x60, 0xed);
    ASSERT_KEYBOARD(0xfa);
    out8(0x60, 0x05);
    ASSERT_KEYBOARD(0xfa);
    g_assert_cmphex(ps2_keyboard_leds(keyboard), ==, 5);
    out8(0x60, 0xee);
    ASSERT_KEYBOARD(0xee);
    out8(0x60, 0xfe);
    ASSERT_KEYBOARD(0xee); /* the last reply again */
    out8(0x60, 0xf0);
    out8(0x60, 0x00);
    ASSERT_KEYBOARD(0xfa, 0xfa, 0x02);
    out8(0x60, 0x01);
    ASSERT_KEYBOARD(0xfe);
    out8(0x60, 0xf5);
    ps2_keyboard_key(keyboard, 0x1e, true);
    ASSERT_KEYBOARD(0xfa);
    tear_down();
}

static void press(unsigned key)
{
    ps2_keyboard_key(keyboard, key, true);
    ps2_keyboard_key(keyboard, key, false);
}

static void test_scan_sets(void)
{
    set_up();
    press(0x1e);
    ASSERT_KEYBOARD(0x1c, 0xf0, 0x1c);
    press(0x80 | 0x48);
    ASSERT_KEYBOARD(0xe0, 0x75, 0xe0, 0xf0, 0x75);
    press(0x41); /* F7 */
    ASSERT_KEYBOARD(0x83, 0xf0, 0x83);
    press(PS2_KEY_PAUSE);
    ASSERT_KEYBOARD(0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
    out8(0x64, 0x60);
    out8(0x60, 0x43); /* translated */
    press(0x1e);
    ASSERT_KEYBOARD(0x1e, 0x9e);
    press(0x80 | 0x48);
    ASSERT_KEYBOARD(0xe0, 0x48, 0xe0, 0xc8);
    press(0x41);
    ASSERT_KEYBOARD(0x41, 0xc1);
    press(PS2_KEY_PRINT);
    ASSERT_KEYBOARD(0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa);
    press(PS2_KEY_PAUSE);
    ASSERT_KEYBOARD(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    out8(0x60, 0xf2);
    ASSERT_KEYBOARD(0xfa, 0xab, 0x41); /* translation knows no exceptions */
    tear_down();
}

static void test_every_key_translates_back(void)
{
    set_up();
    out8(0x64, 0x60);
    out8(0x60, 0x43);
    for (uint8_t key = 1; key <= 0x58; key++) {
        ps2_keyboard_key(keyboard, key, true);
        ASSERT_KEYBOARD(key);
    }
    out8(0x64, 0x60);
    out8(0x60, 0x03);
    out8(0x60, 0xf0);
    out8(0x60, 0x03);
    ASSERT_KEYBOARD(0xfa, 0xfa);
    press(0x1d);
    ASSERT_KEYBOARD(0x11, 0xf0, 0x11);
    press(0x80 | 0x48);
    ASSERT_KEYBOARD(0x63, 0xf0, 0x63);
    tear_down();
}

static void test_queue_overflow(void)
{
    set_up();
    for (unsigned i = 0; i < 100; i++) {
        ps2_keyboard_key(keyboard, 0x80 | 0x48, true);
    }
    out8(0x60, 0xee);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(in8(0x60), ==, 0xe0);
        g_assert_cmphex(in8(0x60), ==, 0x75);
    }
    ASSERT_KEYBOARD(0xee); /* the reply found room */
    tear_down();
}

static void test_disabled(void)
{
    set_up();
    out8(0x64, 0xad);
    press(0x1e);
    g_assert_cmphex(in8(0x64) & 1, ==, 0);
    out8(0x64, 0xae);
    ASSERT_KEYBOARD(0x1c, 0xf0, 0x1c);
    tear_down();
}

static void test_mouse(void)
{
    set_up();
    to_mouse(0xff);
    ASSERT_MOUSE(0xfa, 0xaa, 0x00);
    g_assert_cmpuint(bench.rises[12], ==, 3);
    ps2_mouse_event(mouse, 5, 5, 0, 1);
    g_assert_cmphex(in8(0x64) & 1, ==, 0); /* not enabled yet */
    to_mouse(0xf4);
    ASSERT_MOUSE(0xfa);
    ps2_mouse_event(mouse, 5, 3, 0, 1);
    ASSERT_MOUSE(0x29, 0x05, 0xfd);
    ps2_mouse_event(mouse, -300, 0, 0, 0);
    ASSERT_MOUSE(0x18, 0x01, 0x00, 0x18, 0xd3, 0x00);
    to_mouse(0xe9);
    ASSERT_MOUSE(0xfa, 0x20, 0x02, 0x64);
    to_mouse(0xe8);
    to_mouse(3);
    ASSERT_MOUSE(0xfa, 0xfa);
    to_mouse(0xe1);
    ASSERT_MOUSE(0xfe);
    tear_down();
}

static void set_rates(uint8_t a, uint8_t b, uint8_t c)
{
    const uint8_t rates[] = {a, b, c};

    for (unsigned i = 0; i < 3; i++) {
        to_mouse(0xf3);
        to_mouse(rates[i]);
        ASSERT_MOUSE(0xfa, 0xfa);
    }
}

static void test_wheel(void)
{
    set_up();
    set_rates(200, 100, 80);
    to_mouse(0xf2);
    ASSERT_MOUSE(0xfa, 0x03);
    to_mouse(0xf4);
    ASSERT_MOUSE(0xfa);
    ps2_mouse_event(mouse, 0, 0, -1, 0);
    ASSERT_MOUSE(0x08, 0x00, 0x00, 0xff);
    set_rates(200, 200, 80);
    to_mouse(0xf2);
    ASSERT_MOUSE(0xfa, 0x04);
    ps2_mouse_event(mouse, 0, 0, 1, 8);
    ASSERT_MOUSE(0x08, 0x00, 0x00, 0x11);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/i8042/controller", test_controller);
    g_test_add_func("/i8042/a20", test_a20);
    g_test_add_func("/i8042/disabled", test_disabled);
    g_test_add_func("/keyboard/commands", test_keyboard_commands);
    g_test_add_func("/keyboard/scan-sets", test_scan_sets);
    g_test_add_func("/keyboard/every-key", test_every_key_translates_back);
    g_test_add_func("/keyboard/overflow", test_queue_overflow);
    g_test_add_func("/mouse/packets", test_mouse);
    g_test_add_func("/mouse/wheel", test_wheel);
    return g_test_run();
}
