/* SPDX-License-Identifier: MIT */
/* 16550A behind isa-serial: data both ways, FIFO, every interrupt, loop-back, break,
 * a full host. */
#include "tests/device/isa-bench.h"

#include "ui/chardev.h"

#include <string.h>
#include <sys/ioctl.h>

/* -- A host side that records and can be full -------------------------------------------------- */

static GString *sent;
static bool is_stuck;
static unsigned breaks;
static Chardev *host;
static Device *serial;

static size_t host_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    if (is_stuck) {
        return 0;
    }
    g_string_append_len(sent, (const char *)bytes, (gssize)count);
    return count;
}

static void host_watch(Chardev *chardev, bool on)
{
}

static void host_break(Chardev *chardev)
{
    breaks++;
}

static ChardevLine host_line;
static unsigned host_outputs;

static void host_set_line(Chardev *chardev, const ChardevLine *line)
{
    host_line = *line;
}

static void host_set_modem(Chardev *chardev, unsigned lines)
{
    host_outputs = lines;
}

static const ChardevInfo host_info = {.backend = "bench",
                                      .write = host_write,
                                      .watch_writable = host_watch,
                                      .send_break = host_break,
                                      .set_line = host_set_line,
                                      .set_modem = host_set_modem};
static const Type host_type = {
    .name = "chardev-bench", .parent = &chardev_type, .size = sizeof(Chardev), .info = &host_info};
OBJECT_TYPE(host_type);

enum { BASE = 0x3f8 };

static uint8_t get(unsigned n)
{
    return in8((uint16_t)(BASE + n));
}

static void set(unsigned n, uint8_t value)
{
    out8((uint16_t)(BASE + n), value);
}

static void set_up(void)
{
    host = (Chardev *)object_new(&host_type);
    object_add_child(object_container("/chardevs"), "host", &host->obj);
    host->label = g_strdup("host");
    chardev_event(host, CHARDEV_OPENED);
    serial = bench_device("isa-serial", "chardev", "host");
    bench_start(serial);
    sent = g_string_new(NULL);
    is_stuck = false;
    breaks = 0;
    bench.rises[4] = 0;
}

static void tear_down(void)
{
    object_free(&serial->obj);
    object_free(&host->obj);
    g_string_free(sent, TRUE);
}

static void type(const char *text)
{
    g_assert_cmpuint(chardev_can_receive(host), >=, strlen(text));
    chardev_receive(host, (const uint8_t *)text, strlen(text));
}

static void test_send(void)
{
    set_up();
    g_assert_cmphex(get(5), ==, 0x60);
    set(1, 0x02); /* enabling it tells that the transmitter is empty */
    g_assert_true(bench.levels[4]);
    g_assert_cmphex(get(2), ==, 0x02);
    g_assert_false(bench.levels[4]);
    g_assert_cmphex(get(2), ==, 0x01);
    set(0, 'h');
    g_assert_true(bench.levels[4]);
    set(0, 'i');
    g_assert_cmpstr(sent->str, ==, "hi");
    g_assert_cmphex(get(2), ==, 0x02);
    g_assert_false(bench.levels[4]);
    tear_down();
}

static void test_receive_without_fifo(void)
{
    set_up();
    set(1, 0x01);
    g_assert_cmpuint(chardev_can_receive(host), ==, 1);
    type("x");
    g_assert_true(bench.levels[4]);
    g_assert_cmpuint(chardev_can_receive(host), ==, 0);
    g_assert_cmphex(get(2), ==, 0x04);
    g_assert_cmphex(get(5), ==, 0x61);
    g_assert_cmphex(get(0), ==, 'x');
    g_assert_false(bench.levels[4]);
    g_assert_cmphex(get(5), ==, 0x60);
    tear_down();
}

static void test_fifo_and_timeout(void)
{
    set_up();
    set(3, 0x83);
    set(0, 1); /* 115200 baud */
    set(1, 0);
    set(3, 0x03);
    set(2, 0x81); /* trigger at 8 */
    set(1, 0x01);
    g_assert_cmpuint(chardev_can_receive(host), ==, 16);
    type("abc");
    g_assert_false(bench.levels[4]);
    advance_ns(340000); /* four characters are 347 us */
    g_assert_false(bench.levels[4]);
    advance_ns(10000);
    g_assert_true(bench.levels[4]);
    g_assert_cmphex(get(2), ==, 0xcc);
    g_assert_cmphex(get(0), ==, 'a');
    g_assert_false(bench.levels[4]); /* and the time starts again */
    type("defghi");
    g_assert_cmphex(get(2), ==, 0xc4);
    for (char c = 'b'; c <= 'i'; c++) {
        g_assert_cmphex(get(0), ==, c);
    }
    g_assert_cmphex(get(2), ==, 0xc1);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    type("xyz");
    set(2, 0x83); /* clears the receiver */
    g_assert_cmphex(get(5), ==, 0x60);
    tear_down();
}

static void test_loop_back(void)
{
    set_up();
    set(4, 0x1a); /* loop, OUT2, RTS */
    g_assert_cmphex(get(6) & 0xf0, ==, 0x90);
    set(4, 0x10);
    g_assert_cmphex(get(6), ==, 0x09);
    g_assert_cmphex(get(6), ==, 0x00);
    set(4, 0x14);
    set(4, 0x10);
    g_assert_cmphex(get(6), ==, 0x04); /* RI fell */
    set(0, 0x55);
    g_assert_cmphex(get(0), ==, 0x55);
    g_assert_cmpuint(sent->len, ==, 0);
    set(0, 1);
    set(0, 2);
    g_assert_cmphex(get(5), ==, 0x63); /* overrun */
    g_assert_cmphex(get(5), ==, 0x61);
    g_assert_cmpuint(chardev_can_receive(host), ==, 0);
    set(4, 0);
    g_assert_cmphex(get(6) & 0xf0, ==, 0xb0);
    tear_down();
}

static void test_modem_and_line_interrupts(void)
{
    set_up();
    set(1, 0x0c);
    set(4, 0x10);
    g_assert_true(bench.levels[4]);
    g_assert_cmphex(get(2), ==, 0x00);
    get(6);
    g_assert_false(bench.levels[4]);
    set(4, 0x00);
    get(6);
    chardev_event(host, CHARDEV_BREAK);
    g_assert_cmphex(get(2), ==, 0x06);
    g_assert_cmphex(get(5), ==, 0x71);
    g_assert_false(bench.levels[4]);
    set(3, 0x43);
    set(3, 0x43);
    g_assert_cmpuint(breaks, ==, 1);
    tear_down();
}

static void test_full_host(void)
{
    static const char filling[65536];

    set_up();
    is_stuck = true;
    chardev_write(host, filling, sizeof(filling));
    g_assert_cmpuint(chardev_write_room(host), ==, 0);
    set(2, 0x01);
    set(1, 0x02);
    get(2);
    set(0, 'a');
    set(0, 'b');
    g_assert_cmphex(get(5), ==, 0x00);
    is_stuck = false;
    chardev_write_ready(host);
    advance_ns(2000000);
    g_assert_cmphex(get(5), ==, 0x60);
    g_assert_true(bench.levels[4]);
    g_assert_cmpuint(sent->len, ==, sizeof(filling) + 2);
    is_stuck = true; /* for good: the guest goes on */
    chardev_write(host, filling, sizeof(filling));
    set(0, 'c');
    g_assert_cmphex(get(5), ==, 0x00);
    advance_ns(251000000);
    g_assert_cmphex(get(5), ==, 0x60);
    set(0, 'd');
    g_assert_cmphex(get(5), ==, 0x60);
    tear_down();
}

/* What the guest programs reaches a serial port of the host. */
static void test_host_line(void)
{
    set_up();
    set(3, 0x80); /* divisor 12: 9600 baud */
    set(0, 12);
    set(1, 0);
    set(3, 0x1e); /* 7 bits, even, 2 stop bits */
    g_assert_cmpuint(host_line.speed, ==, 9600);
    g_assert_cmpuint(host_line.data_bits, ==, 7);
    g_assert_cmpuint(host_line.stop_bits, ==, 2);
    g_assert_cmpint(host_line.parity, ==, 'E');
    set(3, 0x03);
    g_assert_cmpuint(host_line.data_bits, ==, 8);
    g_assert_cmpuint(host_line.stop_bits, ==, 1);
    g_assert_cmpint(host_line.parity, ==, 'N');
    set(4, 0x01);
    g_assert_cmpuint(host_outputs, ==, TIOCM_DTR);
    set(4, 0x0b);
    g_assert_cmpuint(host_outputs, ==, TIOCM_DTR | TIOCM_RTS);
    set(4, 0x13); /* loop-back */
    g_assert_cmpuint(host_outputs, ==, 0);
    tear_down();
}

static void test_resources(void)
{
    Device *second;
    g_autoptr(Error) err = NULL;

    set_up();
    second = bench_device("isa-serial", NULL, NULL);
    bench_start(second);
    out8(0x2ff, 0x5a);
    g_assert_cmphex(in8(0x2ff), ==, 0x5a);
    object_free(&second->obj);
    g_assert_cmphex(in8(0x2ff), ==, 0xff);
    second = bench_device("isa-serial", "chardev", "host");
    g_assert_false(object_realize(&second->obj, &err));
    g_assert_cmpstr(error_message(err), ==, "character device 'host' is in use");
    object_free(&second->obj);
    second = bench_device("isa-serial", "irq", "16");
    g_assert_false(object_realize(&second->obj, NULL));
    object_free(&second->obj);
    set(7, 0xa5);
    set(0, 'z');
    object_reset(&serial->obj);
    g_assert_cmphex(get(7), ==, 0);
    g_assert_cmphex(get(5), ==, 0x60);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/uart/send", test_send);
    g_test_add_func("/uart/receive", test_receive_without_fifo);
    g_test_add_func("/uart/fifo", test_fifo_and_timeout);
    g_test_add_func("/uart/loop-back", test_loop_back);
    g_test_add_func("/uart/modem-and-line", test_modem_and_line_interrupts);
    g_test_add_func("/uart/full-host", test_full_host);
    g_test_add_func("/uart/host-line", test_host_line);
    g_test_add_func("/uart/resources", test_resources);
    return g_test_run();
}
