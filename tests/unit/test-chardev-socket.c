/* SPDX-License-Identifier: MIT */
/* Character devices on sockets: servers, clients, telnet, and the buffer before a slow client. */
#include "chardev-fixture.h"
#include "ui/char/telnet.h"
#include "util/loop.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- Sockets ----------------------------------------------------------------------------------- */

static void test_unix_server(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    Chardev *chardev = make("unix:%s,server,nowait", path);

    attach(chardev, front, false);
    chardev_write(chardev, "nobody hears", 12);
    int first = connect_unix(path), second = connect_unix(path);
    turn(3);
    g_assert_cmpstr(front->events->str, ==, "o");
    send_text(first, "abc");
    send_text(second, "later");
    turn(3);
    g_assert_cmpstr(front->received->str, ==, "abc");
    chardev_write(chardev, "hello", 5);
    check_available(first, "hello");
    close(first);
    turn(5);
    g_assert_cmpstr(front->events->str, ==, "oco");
    g_assert_cmpstr(front->received->str, ==, "abclater");
    chardev_write(chardev, "again", 5);
    check_available(second, "again");
    close(second);
    chardev_write(chardev, "x", 1); /* fails: a hang-up, not a signal */
    turn(3);
    g_assert_cmpstr(front->events->str, ==, "ococ");
    object_free(&chardev->obj);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    front_free(front);
}

static void test_flow_control(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    Chardev *chardev = make("unix:%s,server=on,wait=off", path);

    front->limit = 2;
    attach(chardev, front, false);
    int client = connect_unix(path);
    send_text(client, "abcdef");
    turn(4);
    g_assert_cmpstr(front->received->str, ==, "ab");
    front->limit = 5;
    turn(2);
    g_assert_cmpstr(front->received->str, ==, "ab");
    chardev_accept_input(chardev);
    turn(2);
    g_assert_cmpstr(front->received->str, ==, "abcde");
    /* A client that leaves unread input behind does not keep the next one out. */
    close(client);
    client = connect_unix(path);
    turn(4);
    chardev_write(chardev, "x", 1);
    check_available(client, "x");
    close(client);
    object_free(&chardev->obj);
    front_free(front);
}

static void set_true(void *opaque)
{
    *(bool *)opaque = true;
}

/* Turns of the loop in 100 ms. */
static unsigned count_turns(void)
{
    bool over = false;
    unsigned turns = 0;
    Timer timer;

    timer_init(&timer, main_loop(), CLOCK_TYPE_REALTIME, set_true, &over);
    timer_mod_ns(&timer, clock_now_ns(CLOCK_TYPE_REALTIME) + NS_PER_SECOND / 10);
    for (; !over; turns++) {
        main_loop_wait(true);
    }
    return turns;
}

/* Without descriptors no client is taken, and nobody turns round and round about that. */
static void test_no_descriptors(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    Chardev *chardev = make("unix:%s,server=on,wait=off", path);
    struct rlimit before, none = {0};

    attach(chardev, front, false);
    getrlimit(RLIMIT_NOFILE, &before);
    int client = connect_unix(path);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    g_assert_cmpuint(count_turns(), <, 50);
    g_assert_cmpstr(front->events->str, ==, "");
    setrlimit(RLIMIT_NOFILE, &before);
    turn_until_events(front, "o");
    send_text(client, "abc");
    turn_until_received(front, "abc");
    close(client);
    object_free(&chardev->obj);
    front_free(front);
}

/* What a client sent before it left is read, also when the next one waits already. */
static void test_last_words(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    Chardev *chardev = make("unix:%s,server=on,wait=off", path);

    attach(chardev, front, false);
    int first = connect_unix(path);
    turn(2);
    for (int i = 0; i < 4; i++) {
        int next = connect_unix(path);
        send_text(first, "last words");
        close(first);
        turn(4);
        g_assert_cmpstr(front->received->str, ==, "last words");
        g_string_truncate(front->received, 0);
        first = next;
    }
    g_assert_cmpstr(front->events->str, ==, "ococococo");
    close(first);
    object_free(&chardev->obj);
    front_free(front);
}

/* 8 MiB to a client that does not read: no waiting, the newest 64 KiB survive, in order. */
static void test_slow_client(void)
{
    enum { LINES = 8 << 20 >> 4 };
    g_autofree char *path = path_of("socket");
    Chardev *chardev = make("unix:%s,server,nowait", path);
    int client = connect_unix(path);
    char line[17];

    turn(2);
    for (int i = 0; i < LINES; i++) {
        g_snprintf(line, sizeof(line), "%014d\r\n", i);
        chardev_write(chardev, line, 16);
    }
    g_assert_cmpuint(chardev_write_room(chardev), ==, 0);
    g_assert_cmpuint(chardev->out_dropped, >, 4 << 20);
    GString *all = g_string_new(NULL);
    for (int quiet = 0; quiet < 3;) {
        g_autofree char *part = read_available(client);
        quiet = *part ? 0 : quiet + 1;
        g_string_append(all, part);
        turn(2);
    }
    g_assert_cmpuint(all->len + chardev->out_dropped, ==, LINES * 16);
    g_assert_true(g_str_has_suffix(all->str, line));
    g_assert_cmpuint(chardev_write_room(chardev), ==, CHARDEV_BUFFER_SIZE);
    g_assert_cmpint(memcmp(all->str + all->len - CHARDEV_BUFFER_SIZE + 14, "\r\n", 2), ==, 0);
    g_string_free(all, TRUE);
    close(client);
    object_free(&chardev->obj);
}

static void test_connected_fd(void)
{
    int pair[2];
    Front *front = front_new();

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    g_autofree char *option = g_strdup_printf("socket,id=s,fd=%d", pair[0]);
    g_autoptr(KeyVal) options = keyval_parse(option, "backend", NULL);
    Chardev *chardev = chardev_new(options, NULL);
    g_assert_nonnull(chardev);
    attach(chardev, front, false);
    g_assert_cmpstr(front->events->str, ==, "o");
    send_text(pair[1], "x");
    turn(2);
    g_assert_cmpstr(front->received->str, ==, "x");
    close(pair[1]);
    turn(2);
    g_assert_cmpstr(front->events->str, ==, "oc");
    object_free(&chardev->obj);
    front_free(front);
}

static void test_tcp_client_reconnects(void)
{
    int port;
    int listener = listen_tcp(&port);
    Front *front = front_new();
    Chardev *chardev = make("tcp:localhost:%d,reconnect=1", port);

    attach(chardev, front, false);
    for (int round = 0; round < 2; round++) {
        int fd = -1;
        for (int i = 0; i < 300 && !chardev->connected; i++) {
            turn(1);
            usleep(10000);
        }
        g_assert_true(chardev->connected);
        fd = accept(listener, NULL, NULL);
        chardev_write(chardev, "hi", 2);
        char buffer[4] = "";
        g_assert_cmpint(read(fd, buffer, 4), ==, 2);
        close(fd);
        for (int i = 0; i < 100 && chardev->connected; i++) {
            turn(1);
            usleep(1000);
        }
    }
    g_assert_cmpstr(front->events->str, ==, "ococ");
    close(listener);
    object_free(&chardev->obj);
    front_free(front);
}

static void test_telnet_filter(void)
{
    uint8_t bytes[] = "a\xff\xfd\x01"
                      "b\xff\xff"
                      "c\xff\xfa\x18\x01\xff\xff\xff\xf0"
                      "d\r\0e\xff\xf3\xff\xfb\x00"
                      "\r\0f";
    unsigned breaks = 0, all_breaks = 0;
    Telnet telnet;
    GString *out = g_string_new(NULL);

    telnet_reset(&telnet);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        size_t kept = telnet_filter(&telnet, bytes + i, 1, &breaks);
        g_string_append_len(out, (char *)bytes + i, (gssize)kept);
        all_breaks += breaks;
    }
    g_assert_cmpuint(all_breaks, ==, 1);
    g_assert_cmpmem(out->str, out->len,
                    "ab\xff"
                    "cd\re\r\0f",
                    10);
    g_string_free(out, TRUE);
}

static void test_telnet_server(void)
{
    g_autofree char *path = path_of("socket");
    g_autofree char *option = g_strdup_printf("socket,id=t,path=%s,server,nowait,telnet", path);
    g_autoptr(KeyVal) options = keyval_parse(option, "backend", NULL);
    Chardev *chardev = chardev_new(options, NULL);
    uint8_t bytes[32];
    int client = connect_unix(path);

    turn(2);
    chardev_write(chardev,
                  "a\xff\xff"
                  "b",
                  4);
    g_assert_cmpint(recv(client, bytes, sizeof(bytes), 0), ==, 18);
    g_assert_cmpmem(bytes, 12, telnet_greeting, 12);
    g_assert_cmpmem(bytes + 12, 6,
                    "a\xff\xff\xff\xff"
                    "b",
                    6);
    close(client);
    object_free(&chardev->obj);
}

static void add_tests(void)
{
    g_test_add_func("/chardev/socket/unix-server", test_unix_server);
    g_test_add_func("/chardev/socket/flow-control", test_flow_control);
    g_test_add_func("/chardev/socket/last-words", test_last_words);
    g_test_add_func("/chardev/socket/no-descriptors", test_no_descriptors);
    g_test_add_func("/chardev/socket/slow-client", test_slow_client);
    g_test_add_func("/chardev/socket/fd", test_connected_fd);
    g_test_add_func("/chardev/socket/reconnect", test_tcp_client_reconnects);
    g_test_add_func("/chardev/telnet/filter", test_telnet_filter);
    g_test_add_func("/chardev/telnet/server", test_telnet_server);
}

int main(int argc, char **argv)
{
    return run_chardev_tests(argc, argv, add_tests);
}
