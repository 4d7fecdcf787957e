/* SPDX-License-Identifier: MIT */
/* What keys of character devices do that other tests leave at their usual values. */
#include "chardev-fixture.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void write_and_end(Chardev *chardev, const char *text)
{
    Front *front = front_new();

    attach(chardev, front, false);
    chardev_write(chardev, text, strlen(text));
    turn(2);
    object_free(&chardev->obj);
    front_free(front);
}

static void check_file(const char *path, const char *expected)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, expected);
}

/* A log begins anew with each run, or goes on; the same with a file. */
static void test_append(void)
{
    g_autofree char *log = path_of("log"), *out = path_of("out");

    write_and_end(make_option("null,id=a,logfile=%s", log), "one");
    write_and_end(make_option("null,id=a,logfile=%s", log), "two");
    check_file(log, "two");
    write_and_end(make_option("null,id=a,logappend=on,logfile=%s", log), "three");
    check_file(log, "twothree");
    write_and_end(make_option("null,id=a,logappend=off,logfile=%s", log), "four");
    check_file(log, "four");
    write_and_end(make_option("file,id=a,path=%s", out), "one");
    write_and_end(make_option("file,id=a,append=on,path=%s", out), "two");
    check_file(out, "onetwo");
    write_and_end(make_option("file,id=a,append=off,path=%s", out), "three");
    check_file(out, "three");
    write_and_end(make("file:%s", out), "four");
    check_file(out, "four");
}

/* -- TCP --------------------------------------------------------------------------------------- */

/* The emulator's end of a connection to that port of the test's; -1: there is none. */
static int own_end(int port)
{
    for (int fd = 3; fd < 100; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t size = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == port) {
            return fd;
        }
    }
    return -1;
}

static int get_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    g_assert_cmpint(getsockopt(fd, level, name, &value, &size), ==, 0);
    return value;
}

static void test_tcp_options(void)
{
    static const struct {
        const char *keys;
        bool is_undelayed, is_kept_alive;
    } rows[] = {
        {"", true, false},
        {"delay=on", false, false},
        {"delay=off,keep-alive=on", true, true},
        {"nodelay,keep-alive=off", true, false},
        {"nodelay=on", true, false},
        {"ipv4=on,ipv6=off", true, false},
    };
    int port, listener = listen_tcp(&port);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Front *front = front_new();
        Chardev *chardev = attach(make_option("socket,id=a,host=127.0.0.1,port=%d%s%s", port,
                                              *rows[i].keys ? "," : "", rows[i].keys),
                                  front, false);
        int fd = accept(listener, NULL, NULL);

        turn_until_events(front, "o");
        int own = own_end(port);
        g_assert_cmpint(own, >=, 0);
        g_assert_cmpint(get_option(own, IPPROTO_TCP, TCP_NODELAY) != 0, ==, rows[i].is_undelayed);
        g_assert_cmpint(get_option(own, SOL_SOCKET, SO_KEEPALIVE) != 0, ==, rows[i].is_kept_alive);
        close(fd);
        object_free(&chardev->obj);
        front_free(front);
    }
    close(listener);
    check_option_error("socket,id=a,host=x,port=1,tn3270=on", "tn3270= is for mainframe terminals");
}

/* reconnect-ms= is reconnect= with more digits. */
static void test_reconnect(void)
{
    int port, listener = listen_tcp(&port);
    Front *front = front_new();
    Chardev *chardev = make_option("socket,id=a,host=127.0.0.1,port=%d,reconnect-ms=5", port);

    attach(chardev, front, false);
    turn_until_events(front, "o");
    close(accept(listener, NULL, NULL));
    turn_until_events(front, "oco");
    close(accept(listener, NULL, NULL));
    close(listener);
    object_free(&chardev->obj);
    front_free(front);
    check_option_error("socket,id=a,path=x,reconnect=1,reconnect-ms=1",
                       "reconnect= and reconnect-ms= say the same");
    check_option_error("socket,id=a,path=x,server=on,wait=off,reconnect=1",
                       "reconnect= is for a client: leave server=on away");
    check_option_error("socket,id=a,path=x,reconnect=1000001",
                       "reconnect= takes seconds, up to 1000000");
}

/* -- Datagrams --------------------------------------------------------------------------------- */

static int bind_udp(int *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, size), ==, 0);
    getsockname(fd, (struct sockaddr *)&name, &size);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

/* Both ends by name: what the other side answers to is the local port that was asked for. */
static void test_udp(void)
{
    struct sockaddr_in from = {0};
    socklen_t size = sizeof(from);
    int port, local_port;
    char buffer[8] = "";
    Front *front = front_new();
    int peer = bind_udp(&port);

    close(bind_udp(&local_port));
    Chardev *chardev = attach(
        make_option("udp,id=u,host=127.0.0.1,port=%d,localaddr=127.0.0.1,localport=%d,ipv4=on",
                    port, local_port),
        front, false);
    chardev_write(chardev, "one", 3);
    g_assert_cmpint(recvfrom(peer, buffer, 8, 0, (struct sockaddr *)&from, &size), ==, 3);
    g_assert_cmpint(ntohs(from.sin_port), ==, local_port);
    g_assert_cmpint(sendto(peer, "two", 3, 0, (struct sockaddr *)&from, size), ==, 3);
    turn_until_received(front, "two");
    close(peer);
    object_free(&chardev->obj);
    front_free(front);
    check_option_error(
        "udp,id=u,host=127.0.0.1,port=1,localport=x",
        "cannot connect to '127.0.0.1:1' from ':x': Cannot assign requested address");
}

static void add_tests(void)
{
    g_test_add_func("/chardev/options/append", test_append);
    g_test_add_func("/chardev/options/tcp", test_tcp_options);
    g_test_add_func("/chardev/options/reconnect", test_reconnect);
    g_test_add_func("/chardev/options/udp", test_udp);
}

int main(int argc, char **argv)
{
    return run_chardev_tests(argc, argv, add_tests);
}
