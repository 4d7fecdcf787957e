/* SPDX-License-Identifier: MIT */
/* What a monitor does to character devices: add, remove, change, ring buffers, lists. */
#include "chardev-fixture.h"

#include <sys/socket.h>
#include <unistd.h>

static Chardev *add(const char *text, Error **err)
{
    g_autoptr(KeyVal) options = keyval_parse(text, "backend", NULL);

    return chardev_add(options, err);
}

static bool change(const char *id, const char *text, Error **err)
{
    g_autoptr(KeyVal) options = keyval_parse(text, "backend", NULL);

    return chardev_change(id, options, err);
}

static void describe(const Chardev *chardev, void *opaque)
{
    g_string_append_printf(opaque, "%s=%s,%d ", chardev->label, chardev_filename(chardev),
                           chardev_is_frontend_open(chardev));
}

static void check_list(const char *expected)
{
    GString *text = g_string_new(NULL);

    chardev_foreach(describe, text);
    g_assert_cmpstr(text->str, ==, expected);
    g_string_free(text, TRUE);
}

static void check_remove_error(const char *id, const char *expected)
{
    g_autoptr(Error) error = NULL;

    g_assert_false(chardev_remove(id, &error));
    g_assert_cmpstr(error_message(error), ==, expected);
}

static void test_add_remove(void)
{
    g_autofree char *path = path_of("socket");
    g_autofree char *server = g_strdup_printf("socket,id=s,path=%s,server=on", path);
    g_autofree char *listed =
        g_strdup_printf("n=null,1 m-base=null,1 m=mux,1 s=disconnected:unix:%s,server=on,0 ", path);
    Front *front = front_new(), *second = front_new();

    Chardev *null = attach(add("null,id=n", NULL), front, false);
    Chardev *port = attach(add("null,id=m,mux=on", NULL), second, false);
    g_assert_nonnull(add(server, NULL)); /* does not wait for a client */
    check_list(listed);
    check_remove_error("x", "there is no character device 'x'");
    check_remove_error("n", "character device 'n' is in use");
    check_remove_error("m", "character device 'm' is in use");
    check_remove_error("m-base", "character device 'm-base' is in use");
    chardev_detach(null);
    chardev_detach(port);
    g_assert_true(chardev_remove("n", NULL) && chardev_remove("m", NULL));
    g_assert_true(chardev_remove("s", NULL));
    check_list("");
    front_free(front);
    front_free(second);
}

static void test_change(void)
{
    g_autofree char *path = path_of("out"), *ring = NULL;
    g_autofree char *text = NULL;
    g_autofree char *option = g_strdup_printf("file,path=%s", path);
    g_autoptr(Error) error = NULL;
    Front *front = front_new();
    size_t count;

    Chardev *chardev = attach(add("ringbuf,id=c", NULL), front, false);
    chardev_write(chardev, "one", 3);
    g_assert_false(change("c", "file,path=/nonexistent/x", &error));
    g_assert_false(change("c", "null,mux=on", NULL));
    g_assert_false(change("d", "null", NULL));
    ring = (char *)chardev_ringbuf_read("c", 100, &count, NULL);
    g_assert_cmpstr(ring, ==, "one");
    g_assert_cmpstr(front->events->str, ==, "o");
    g_assert_true(change("c", option, NULL));
    g_assert_cmpstr(front->events->str, ==, "oco");
    chardev_write(chardev, "two", 3);
    g_assert_true(change("c", "ringbuf,size=8", NULL));
    chardev_write(chardev, "three", 5);
    g_free(ring);
    ring = (char *)chardev_ringbuf_read("c", 100, &count, NULL);
    g_assert_cmpstr(ring, ==, "three");
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "two");
    check_list("c=ringbuf,1 ");
    check_remove_error("c", "character device 'c' is in use");
    chardev_detach(chardev);
    g_assert_true(chardev_remove("c", NULL));
    front_free(front);
}

/* A monitor may be told through the very back end that goes: each input asks for the next one. */
static int next_fds[4];
static unsigned changes;

static void change_on_input(void *opaque, const uint8_t *bytes, size_t count)
{
    g_autofree char *option = g_strdup_printf("socket,fd=%d", next_fds[changes % 4]);

    g_assert_true(change("c", changes < 4 ? option : "null", NULL));
    changes++;
}

static size_t any_room(void *opaque)
{
    return 100;
}

static void test_change_from_inside(void)
{
    ChardevFrontend frontend = {.can_receive = any_room, .receive = change_on_input};
    int peers[5], pair[2];

    for (int i = 0; i < 5; i++) {
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
        peers[i] = pair[1];
        if (i > 0) {
            next_fds[i - 1] = pair[0];
        } else {
            g_autofree char *option = g_strdup_printf("socket,id=c,fd=%d", pair[0]);
            g_assert_nonnull(chardev_attach(add(option, NULL), &frontend, NULL));
        }
    }
    for (int i = 0; i < 5; i++) {
        send_text(peers[i], "next");
        turn(3);
        g_assert_cmpuint(changes, ==, i + 1);
    }
    check_list("c=null,1 ");
    object_free(&chardev_find("c")->obj);
    for (int i = 0; i < 5; i++) {
        close(peers[i]);
    }
}

static void test_change_below_mux(void)
{
    g_autofree char *path = path_of("socket");
    g_autofree char *option = g_strdup_printf("socket,path=%s,server=on,wait=off", path);
    Front *front = front_new();

    Chardev *port = attach(add("null,id=m,mux=on", NULL), front, false);
    g_assert_true(change("m", option, NULL));
    g_assert_cmpstr(front->events->str, ==, "oic");
    int client = connect_unix(path);
    turn_until_events(front, "oico");
    chardev_write(port, "x", 1);
    check_available(client, "x");
    send_text(client, "y\1b");
    turn_until_received(front, "y");
    g_assert_true(change("m", "null,mux=on", NULL));
    g_assert_cmpstr(front->events->str, ==, "oicobco");
    chardev_detach(port);
    g_assert_true(chardev_remove("m", NULL));
    close(client);
    front_free(front);
}

static void test_ringbuf(void)
{
    g_autoptr(Error) error = NULL;
    size_t count = 0;

    check_option_error("ringbuf,id=r,size=1000",
                       "the size of a ring buffer has to be a power of two");
    check_option_error("ringbuf,id=r,size=0", "the size of a ring buffer has to be a power of two");
    check_option_error("ringbuf,id=r,size=2G", "a ring buffer has 1 GiB at most");
    Chardev *chardev = make_option("memory,id=r,size=8");
    chardev_write(chardev, "0123456789", 10);
    g_assert_true(chardev_ringbuf_write("r", "ab", 2, NULL));
    g_autofree uint8_t *first = chardev_ringbuf_read("r", 3, &count, NULL);
    g_assert_cmpmem(first, count, "456", 3);
    g_autofree uint8_t *rest = chardev_ringbuf_read("r", 100, &count, NULL);
    g_assert_cmpmem(rest, count, "789ab", 5);
    g_autofree uint8_t *none = chardev_ringbuf_read("r", 100, &count, NULL);
    g_assert_cmpuint(count, ==, 0);
    g_assert_true(chardev_remove("r", NULL));
    chardev = make_option("null,id=n");
    g_assert_null(chardev_ringbuf_read("n", 1, &count, &error));
    g_assert_cmpstr(error_message(error), ==, "character device 'n' is not a ring buffer");
    g_assert_true(chardev_remove("n", NULL));
}

/* Output of the time without a client waits for the next where that was asked for. */
static void test_backlog(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    Chardev *chardev = make("unix:%s,server=on,wait=off,backlog=8", path);

    attach(chardev, front, false);
    chardev_write(chardev, "0123456789", 10);
    g_assert_cmpuint(chardev_write_room(chardev), ==, CHARDEV_BUFFER_SIZE);
    int client = connect_unix(path);
    turn_until_events(front, "o");
    chardev_write(chardev, "now", 3);
    turn(3);
    check_available(client, "23456789now");
    close(client);
    turn_until_events(front, "oc");
    chardev_write(chardev, "later", 5);
    client = connect_unix(path);
    turn_until_events(front, "oco");
    turn(3);
    check_available(client, "later");
    close(client);
    object_free(&chardev->obj);
    front_free(front);
}

static void append_name(const char *backend, const char *desc, void *opaque)
{
    g_string_append_printf(opaque, "%s ", backend);
}

static void test_backends(void)
{
    GString *names = g_string_new(NULL);

    chardev_foreach_backend(append_name, names);
    g_assert_cmpstr(names->str, ==,
                    "file hub null parallel pipe pty ringbuf serial socket stdio udp vc ");
    g_string_free(names, TRUE);
}

static void add_tests(void)
{
    g_test_add_func("/chardev/control/add-remove", test_add_remove);
    g_test_add_func("/chardev/control/change", test_change);
    g_test_add_func("/chardev/control/change-from-inside", test_change_from_inside);
    g_test_add_func("/chardev/control/change-below-mux", test_change_below_mux);
    g_test_add_func("/chardev/control/ringbuf", test_ringbuf);
    g_test_add_func("/chardev/control/backlog", test_backlog);
    g_test_add_func("/chardev/control/backends", test_backends);
}

int main(int argc, char **argv)
{
    return run_chardev_tests(argc, argv, add_tests);
}
