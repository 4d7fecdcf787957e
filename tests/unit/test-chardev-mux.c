/* SPDX-License-Identifier: MIT */
/* Several front ends on one character device, and one on several. */
#include "chardev-fixture.h"

#include <unistd.h>

/* -- Mux --------------------------------------------------------------------------------------- */

static char seen_key;

static void note_key(char key)
{
    seen_key = key;
}

static void test_mux(void)
{
    g_autofree char *path = path_of("socket");
    Front *serial = front_new(), *monitor = front_new();
    Chardev *mux = make("mon:unix:%s,server,nowait", path);

    g_assert_true(mux->is_mux);
    Chardev *monitor_port = attach(mux, monitor, true);
    Chardev *serial_port = attach(mux, serial, false);
    g_assert_cmpstr(monitor->events->str, ==, "iu");
    g_assert_cmpstr(serial->events->str, ==, "i");
    int client = connect_unix(path);
    turn(2);
    g_assert_cmpstr(serial->events->str, ==, "io");
    send_text(client, "abc\1cinfo\1c\1\1\1bd");
    turn(2);
    g_assert_cmpstr(serial->received->str, ==, "abc\1d");
    g_assert_cmpstr(monitor->received->str, ==, "info");
    g_assert_cmpstr(serial->events->str, ==, "iouib");
    g_assert_cmpuint(chardev_write_room(serial_port), ==, CHARDEV_BUFFER_SIZE);
    chardev_write(serial_port, "s", 1);
    chardev_write(monitor_port, "m", 1);
    check_available(client, "sm");
    send_text(client, "\1");
    turn(1);
    send_text(client, "t");
    turn(1);
    chardev_write(serial_port, "x\ny", 3);
    g_autofree char *stamped = read_available(client);
    g_assert_true(g_pattern_match_simple("[00:00:0?.???] x\n[00:00:0?.???] y", stamped));
    chardev_mux_key = note_key;
    send_text(client, "\1t\1h\1x");
    turn(1);
    g_autofree char *help = read_available(client);
    g_assert_nonnull(strstr(help, "C-a x    exit"));
    g_assert_cmpint(seen_key, ==, 'x');
    chardev_mux_prefix = 2; /* -echr 2 */
    send_text(client, "\1\2h");
    turn(1);
    g_autofree char *other_help = read_available(client);
    g_assert_nonnull(strstr(other_help, "C-b x    exit"));
    g_assert_cmpstr(serial->received->str, ==, "abc\1d\1");
    chardev_mux_prefix = 1;
    close(client);
    turn(2);
    g_assert_true(g_str_has_suffix(monitor->events->str, "c"));
    object_free(&mux->obj);
    object_free(&chardev_find("serial0-base")->obj);
    front_free(serial);
    front_free(monitor);
}

/* Input for a front end that is busy waits in the mux; its commands still work. */
static void test_mux_busy_front(void)
{
    g_autofree char *path = path_of("socket");
    Front *serial = front_new(), *monitor = front_new();
    Chardev *mux = make("mon:unix:%s,server,nowait", path);

    attach(mux, monitor, true);
    serial->limit = 1;
    Chardev *port = attach(mux, serial, false);
    int client = connect_unix(path);
    send_text(client, "abc\1cquit");
    turn(4);
    g_assert_cmpstr(serial->received->str, ==, "a");
    g_assert_cmpstr(monitor->received->str, ==, "quit");
    serial->limit = 10;
    chardev_accept_input(port);
    turn(2);
    g_assert_cmpstr(serial->received->str, ==, "abc");
    close(client);
    object_free(&mux->obj);
    object_free(&chardev_find("serial0-base")->obj);
    front_free(serial);
    front_free(monitor);
}

/* A port whose front end has gone is another's; the focus moves on. */
static void test_mux_detach(void)
{
    Front *fronts[6];
    Chardev *ports[6];
    g_autoptr(Error) error = NULL;
    Chardev *mux = make_option("ringbuf,id=m,mux=on");

    for (int i = 0; i < 6; i++) {
        fronts[i] = front_new();
    }
    for (int i = 0; i < 4; i++) {
        ports[i] = attach(mux, fronts[i], false);
    }
    g_assert_null(attach(mux, fronts[4], false));
    chardev_detach(ports[3]);
    g_assert_cmpstr(fronts[0]->events->str, ==, "oiui");
    chardev_detach(ports[1]);
    for (int i = 0; i < 50; i++) {
        ports[4] = attach(mux, fronts[4], false);
        chardev_detach(ports[4]);
    }
    g_assert_nonnull(attach(mux, fronts[4], false));
    g_assert_nonnull(attach(mux, fronts[5], false));
    g_assert_null(attach(mux, fronts[1], false));
    object_free(&mux->obj);
    object_free(&chardev_find("m-base")->obj);
    for (int i = 0; i < 6; i++) {
        front_free(fronts[i]);
    }
}

static void test_hub(void)
{
    g_autofree char *path = path_of("socket"), *path2 = path_of("socket2");
    Front *front = front_new();

    Chardev *a = make_option("socket,id=a,path=%s,server=on,wait=off", path);
    Chardev *b = make_option("socket,id=b,path=%s,server=on,wait=off", path2);
    check_option_error("hub,id=h", "a hub needs chardevs.0=ID, chardevs.1=ID, up to 3");
    check_option_error("hub,id=h,chardevs.1=a", "chardevs.1 is given and chardevs.0 is not");
    check_option_error("hub,id=h,chardevs.0=a,chardevs.1=a", "character device 'a' is in use");
    check_option_error("hub,id=h,chardevs.0=c", "there is no character device 'c'");
    Chardev *hub = make_option("hub,id=h,chardevs.0=a,chardevs.1=b");
    attach(hub, front, false);
    int first = connect_unix(path);
    turn_until_events(front, "o");
    int second = connect_unix(path2);
    turn(3);
    chardev_write(hub, "out", 3);
    check_available(first, "out");
    check_available(second, "out");
    send_text(first, "1");
    turn_until_received(front, "1");
    send_text(second, "2");
    turn_until_received(front, "12");
    close(first);
    turn(3);
    g_assert_cmpstr(front->events->str, ==, "o");
    close(second);
    turn_until_events(front, "oc");
    object_free(&b->obj); /* before the hub */
    chardev_write(hub, "x", 1);
    object_free(&hub->obj);
    object_free(&a->obj);
    front_free(front);
}

static void add_tests(void)
{
    g_test_add_func("/chardev/mux/keys", test_mux);
    g_test_add_func("/chardev/mux/busy", test_mux_busy_front);
    g_test_add_func("/chardev/mux/detach", test_mux_detach);
    g_test_add_func("/chardev/hub", test_hub);
}

int main(int argc, char **argv)
{
    return run_chardev_tests(argc, argv, add_tests);
}
