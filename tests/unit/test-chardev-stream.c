/* SPDX-License-Identifier: MIT */
/* Character devices on sockets with something on them: TLS, WebSocket, descriptors, datagrams. */
#include "chardev-fixture.h"
#include "tls-fixture.h"
#include "util/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- TLS --------------------------------------------------------------------------------------- */

static Object *server_object, *client_object;

static void make_credentials(void)
{
    g_autofree char *server =
        g_strdup_printf("tls-creds-x509,id=server,endpoint=server,dir=%s", directory);
    g_autofree char *client =
        g_strdup_printf("tls-creds-x509,id=client,endpoint=client,dir=%s", directory);

    write_tls_files(directory);
    server_object = make_object(server, NULL);
    client_object = make_object(client, NULL);
}

static void free_credentials(void)
{
    object_free(server_object);
    object_free(client_object);
}

/* Two of ours, one on each side. */
static void test_tls(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new(), *client_front = front_new();
    GString *large = g_string_new(NULL);

    make_credentials();
    Chardev *server = attach(
        make_option("socket,id=s,path=%s,server=on,wait=off,tls-creds=server", path), front, false);
    Chardev *client =
        attach(make_option("socket,id=c,path=%s,tls-creds=client,tls-hostname=localhost", path),
               client_front, false);
    g_assert_cmpstr(client_front->events->str, ==, "");
    turn_until_events(front, "o");
    turn_until_events(client_front, "o");
    for (int i = 0; large->len < 60000; i++) {
        g_string_append_printf(large, "%d,", i);
    }
    chardev_write(client, "to server", 9);
    turn_until_received(front, "to server");
    client_front->limit = 7; /* a record is larger than what the front end takes */
    chardev_write(server, large->str, large->len);
    for (int i = 0; i < 100000 && client_front->received->len < large->len; i++) {
        client_front->limit = client_front->received->len + 777;
        chardev_accept_input(client);
        turn(1);
    }
    g_assert_cmpstr(client_front->received->str, ==, large->str);
    object_free(&client->obj);
    turn_until_events(front, "oc");
    object_free(&server->obj);
    g_string_free(large, TRUE);
    free_credentials();
    front_free(front);
    front_free(client_front);
}

/* In clear to a server that wants TLS: it is refused, and the next one is served. */
static void test_tls_garbage(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    char byte;

    make_credentials();
    Chardev *server = attach(
        make_option("socket,id=s,path=%s,server=on,wait=off,tls-creds=server", path), front, false);
    int fd = connect_unix(path);
    send_text(fd, "hello, is this in clear?\r\n");
    for (int i = 0; i < 1000 && recv(fd, &byte, 1, MSG_DONTWAIT) != 0; i++) {
        turn(1);
    }
    close(fd);
    g_assert_cmpstr(front->events->str, ==, "");
    Chardev *client =
        make_option("socket,id=c,path=%s,tls-creds=client,tls-hostname=localhost", path);
    turn_until_events(front, "o");
    object_free(&client->obj);
    object_free(&server->obj);
    free_credentials();
    front_free(front);
}

static void test_tls_errors(void)
{
    make_credentials();
    check_option_error("socket,id=s,path=x,tls-creds=nope", "there are no TLS credentials 'nope'");
    check_option_error("socket,id=s,path=x,tls-creds=server",
                       "TLS credentials 'server' are those of a server: endpoint=client is needed");
    check_option_error("socket,id=s,path=x,server=on,tls-creds=server,tls-hostname=y",
                       "tls-hostname= is for a client with tls-creds=");
    check_option_error("socket,id=s,path=x,tls-authz=y",
                       "tls-authz= is not offered; verify-peer=on of the credentials is");
    free_credentials();
}

/* -- WebSocket --------------------------------------------------------------------------------- */

static const char request[] =
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

static void test_websocket(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    Chardev *chardev = attach(
        make_option("socket,id=w,path=%s,server=on,wait=off,websocket=on", path), front, false);
    int client = connect_unix(path);

    send_text(client, "GET / HTTP/1.1\r\n");
    turn(5);
    g_assert_cmpstr(front->events->str, ==, "");
    send_text(client, request + strlen("GET / HTTP/1.1\r\n"));
    /* The first frame comes right behind; the mask is zero. */
    g_assert_cmpint(send(client, "\x82\x83\0\0\0\0abc", 9, 0), ==, 9);
    turn_until_events(front, "o");
    turn_until_received(front, "abc");
    g_autofree char *reply = read_available(client);
    g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 101 "));
    chardev_write(chardev, "hello", 5);
    check_available(client, "\x82\x05hello");
    g_assert_cmpint(send(client, "\x89\x81\0\0\0\0p\x88\x80\0\0\0\0", 13, 0), ==, 13);
    turn_until_events(front, "oc");
    check_available(client, "\x8a\x01p\x88");
    close(client);
    client = connect_unix(path);
    send_text(client, "POST / HTTP/1.1\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        turn(1);
    }
    g_autofree char *refusal = read_available(client);
    g_assert_true(g_str_has_prefix(refusal, "HTTP/1.1 405 "));
    close(client);
    object_free(&chardev->obj);
    front_free(front);
}

/* A client that asks and asks and reads no answer: what is kept for it stays small. */
static void test_ping_flood(void)
{
    g_autofree char *path = path_of("socket");
    GString *pings = g_string_new(NULL);
    Front *front = front_new();
    Chardev *chardev = attach(
        make_option("socket,id=w,path=%s,server=on,wait=off,websocket=on", path), front, false);
    int client = connect_unix(path);
    size_t sent = 0;

    for (int i = 0; i < 100; i++) {
        g_string_append_len(pings, "\x89\x84\0\0\0\0ping", 10);
    }
    send_text(client, request);
    turn_until_events(front, "o");
    for (int i = 0; i < 20000; i++) {
        ssize_t count = send(client, pings->str, pings->len, MSG_DONTWAIT);
        sent += count > 0 ? (size_t)count : 0;
        turn(1);
    }
    g_assert_cmpuint(sent, <, 8 << 20); /* the sockets are full, and we stopped reading */
    chardev_write(chardev, "x", 1);
    close(client);
    turn_until_events(front, "oc");
    object_free(&chardev->obj);
    g_string_free(pings, TRUE);
    front_free(front);
}

/* -- Descriptors ------------------------------------------------------------------------------- */

static void send_fds(int socket_fd, const int *fds, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(32 * sizeof(int))];
    } control;
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);

    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(item), fds, count * sizeof(int));
    g_assert_cmpint(sendmsg(socket_fd, &message, 0), ==, 1);
}

static void test_descriptors(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    Chardev *chardev =
        attach(make_option("socket,id=s,path=%s,server=on,wait=off", path), front, false);
    int client = connect_unix(path), fds[20];

    for (int i = 0; i < 20; i++) {
        fds[i] = open("/dev/null", O_RDONLY);
    }
    g_assert_cmpint(chardev_take_fd(chardev), ==, -1);
    send_fds(client, fds, 2);
    turn_until_received(front, "x");
    int first = chardev_take_fd(chardev), second = chardev_take_fd(chardev);
    g_assert_cmpint(fcntl(first, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(fcntl(second, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(chardev_take_fd(chardev), ==, -1);
    close(first);
    close(second);
    send_fds(client, fds, 20); /* more than are kept */
    turn_until_received(front, "xx");
    for (int i = 0; i < 16; i++) {
        int fd = chardev_take_fd(chardev);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
    }
    g_assert_cmpint(chardev_take_fd(chardev), ==, -1);
    send_fds(client, fds, 5); /* nobody takes these */
    turn_until_received(front, "xxx");
    int lowest_free = dup(0);
    object_free(&chardev->obj);
    int lower_free = dup(0);
    g_assert_cmpint(lower_free, <, lowest_free);
    close(lowest_free);
    close(lower_free);
    for (int i = 0; i < 20; i++) {
        close(fds[i]);
    }
    close(client);
    front_free(front);
}

/* -- Names of sockets -------------------------------------------------------------------------- */

static void test_abstract(void)
{
    g_autofree char *name = g_strdup_printf("mimus-test-%d", (int)getpid());
    Front *front = front_new(), *client_front = front_new();

    Chardev *tight = attach(make_option("socket,id=a,path=%s,abstract=on,server=on,wait=off", name),
                            front, false);
    Chardev *loose =
        make_option("socket,id=b,path=%s,abstract=on,tight=off,server=on,wait=off", name);
    Chardev *client =
        attach(make_option("socket,id=c,path=%s,abstract=on", name), client_front, false);
    g_autofree char *tight_name =
        g_strdup_printf("disconnected:unix:%s,abstract=on,tight=on,server=on", name);
    g_autofree char *loose_name =
        g_strdup_printf("disconnected:unix:%s,abstract=on,server=on", name);
    g_assert_cmpstr(chardev_filename(tight), ==, tight_name);
    g_assert_cmpstr(chardev_filename(loose), ==, loose_name);
    turn_until_events(front, "o");
    chardev_write(tight, "x", 1);
    turn_until_received(client_front, "x");
    object_free(&client->obj);
    object_free(&loose->obj);
    object_free(&tight->obj);
    front_free(front);
    front_free(client_front);
}

static void test_tcp_names(void)
{
    Front *front = front_new();
    int port = 0;
    char tail[40];
    Chardev *chardev =
        attach(make("tcp:127.0.0.1:0,server=on,wait=off,keep-alive=on"), front, false);

    g_assert_cmpint(sscanf(chardev_filename(chardev), "disconnected:tcp:127.0.0.1:%d,server=on%39s",
                           &port, tail),
                    ==, 1);
    g_autofree char *range =
        g_strdup_printf("socket,id=r,host=127.0.0.1,port=%d,to=%d,server=on,wait=off", port, port);
    g_autofree char *taken =
        g_strdup_printf("no port from %d to %d is free on '127.0.0.1'", port, port);
    check_option_error(range, taken);
    int client = connect_tcp(port);
    turn_until_events(front, "o");
    g_autofree char *pattern = g_strdup_printf("tcp:127.0.0.1:%d,server=on <-> 127.0.0.1:*", port);
    g_assert_true(g_pattern_match_simple(pattern, chardev_filename(chardev)));
    close(client);
    turn_until_events(front, "oc");
    object_free(&chardev->obj);
    chardev = make("telnet:[::1]:0,server,nowait");
    g_assert_true(g_str_has_prefix(chardev_filename(chardev), "disconnected:telnet:[::1]:"));
    object_free(&chardev->obj);
    check_option_error("socket,id=a,host=x,port=1,ipv4=off,ipv6=off",
                       "neither IPv4 nor IPv6 is left to use");
    front_free(front);
}

/* While the guest runs nothing waits: a connection comes, or fails, in the background. */
static void test_added_client(void)
{
    g_autoptr(Error) error = NULL;
    Front *front = front_new();
    int port, listener = listen_tcp(&port);
    g_autofree char *text = g_strdup_printf("socket,id=c,host=localhost,port=%d", port);
    g_autoptr(KeyVal) options = keyval_parse(text, "backend", NULL);
    g_autoptr(KeyVal) dead = keyval_parse("socket,id=d,path=/nonexistent/x", "backend", NULL);
    g_autoptr(KeyVal) waiting =
        keyval_parse("socket,id=d,path=x,server=on,wait=on", "backend", NULL);

    Chardev *chardev = attach(chardev_add(options, NULL), front, false);
    g_assert_true(g_str_has_prefix(chardev_filename(chardev), "disconnected:tcp:localhost:"));
    turn_until_events(front, "o");
    object_free(&chardev->obj);
    g_assert_null(chardev_add(dead, &error));
    g_assert_cmpstr(error_message(error), ==,
                    "cannot connect to UNIX socket '/nonexistent/x': No such file or directory");
    g_clear_pointer(&error, error_free);
    g_assert_null(chardev_add(waiting, &error));
    g_assert_cmpstr(error_message(error), ==,
                    "wait=on would stop the guest; a client can come at any time");
    close(listener);
    front_free(front);
}

/* -- Datagrams --------------------------------------------------------------------------------- */

static void test_udp(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from;
    socklen_t size = sizeof(name);
    char buffer[8];
    Front *front = front_new();
    int peer = socket(AF_INET, SOCK_DGRAM, 0);

    g_assert_cmpint(bind(peer, (struct sockaddr *)&name, size), ==, 0);
    getsockname(peer, (struct sockaddr *)&name, &size);
    int port = ntohs(name.sin_port);
    Chardev *chardev = attach(make("udp:127.0.0.1:%d@127.0.0.1:0", port), front, false);
    g_assert_cmpstr(chardev_filename(chardev), ==, "udp");
    chardev_write(chardev, "one", 3);
    chardev_write(chardev, "two", 3);
    g_assert_cmpint(recvfrom(peer, buffer, 8, 0, (struct sockaddr *)&from, &size), ==, 3);
    g_assert_cmpint(recv(peer, buffer, 8, 0), ==, 3);
    front->limit = 2;
    g_assert_cmpint(sendto(peer, "abcd", 4, 0, (struct sockaddr *)&from, size), ==, 4);
    g_assert_cmpint(sendto(peer, "ef", 2, 0, (struct sockaddr *)&from, size), ==, 2);
    turn_until_received(front, "ab");
    front->limit = 100;
    chardev_accept_input(chardev);
    turn_until_received(front, "abcdef");
    close(peer);
    chardev_write(chardev, "x", 1); /* nobody is there: no end */
    chardev_write(chardev, "x", 1);
    turn(3);
    g_assert_cmpstr(front->events->str, ==, "o");
    object_free(&chardev->obj);
    check_option_error("udp,id=u", "udp needs port=, the one on the other side");
    front_free(front);
}

static void add_tests(void)
{
    g_test_add_func("/chardev/tls/data", test_tls);
    g_test_add_func("/chardev/tls/garbage", test_tls_garbage);
    g_test_add_func("/chardev/tls/errors", test_tls_errors);
    g_test_add_func("/chardev/websocket/data", test_websocket);
    g_test_add_func("/chardev/websocket/ping-flood", test_ping_flood);
    g_test_add_func("/chardev/socket/descriptors", test_descriptors);
    g_test_add_func("/chardev/socket/abstract", test_abstract);
    g_test_add_func("/chardev/socket/names", test_tcp_names);
    g_test_add_func("/chardev/socket/added-client", test_added_client);
    g_test_add_func("/chardev/udp", test_udp);
}

int main(int argc, char **argv)
{
    return run_chardev_tests(argc, argv, add_tests);
}
