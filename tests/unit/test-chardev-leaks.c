/* SPDX-License-Identifier: MIT */
/* Opening and closing each back end 200 times leaves neither descriptors nor memory behind. */
#include "chardev-fixture.h"
#include "tls-fixture.h"
#include "util/fd-sets.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 200
#define WARM_UP 10
#define PATIENCE_US (10 * G_USEC_PER_SEC)
#define MEMORY_SLACK (32 * 1024) /* less than 200 bytes a round */

static unsigned count_fds(void)
{
    GDir *folder = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned count = 0;

    while (g_dir_read_name(folder)) {
        count++;
    }
    g_dir_close(folder);
    return count;
}

/* To be seen when there are more than before. */
static void list_fds(void)
{
    GDir *folder = g_dir_open("/proc/self/fd", 0, NULL);

    for (const char *name; (name = g_dir_read_name(folder));) {
        g_autofree char *path = g_build_filename("/proc/self/fd", name, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);
        g_printerr("descriptor %s: %s\n", name, target ? target : "closed");
    }
    g_dir_close(folder);
}

static size_t used_memory(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void check_rounds(void (*round)(void))
{
    unsigned fds = 0;
    size_t memory = 0;

    for (int i = 0; i < WARM_UP + ROUNDS; i++) {
        if (i == WARM_UP) {
            fds = count_fds();
            memory = used_memory();
        }
        round();
        turn(2);
    }
    /* Connections that were given up are closed and freed when their workers come to them. */
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while ((count_fds() > fds || used_memory() >= memory + MEMORY_SLACK) &&
           g_get_monotonic_time() < end) {
        turn(1);
    }
    if (count_fds() > fds) {
        list_fds();
    }
    g_assert_cmpuint(count_fds(), <=, fds);
    g_assert_cmpuint(used_memory(), <, memory + MEMORY_SLACK);
}

/* -- One round each ---------------------------------------------------------------------------- */

static void simple_round(void)
{
    g_autofree char *file = path_of("file"), *log = path_of("log"), *fifo = path_of("fifo");
    g_autofree char *to_file = g_strdup_printf("file,id=a,path=%s,logfile=%s", file, log);
    g_autofree char *to_pipe = g_strdup_printf("pipe,id=a,path=%s", fifo);
    g_autofree char *to_socket =
        g_strdup_printf("socket,id=a,path=%s,server=on,wait=off,backlog=4k", file);
    const char *const options[] = {
        "null,id=a", "ringbuf,id=a", "null,id=a,mux=on", "udp,id=a,host=127.0.0.1,port=9",
        to_file,     to_pipe,        to_socket};
    Front *front = front_new();

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(options[i], "backend", NULL);
        unlink(file);
        Chardev *chardev = chardev_add(kv, NULL);
        g_assert_nonnull(chardev);
        Chardev *port = attach(chardev, front, false);
        chardev_write(port, "text", 4);
        turn(1);
        chardev_detach(port);
        g_assert_true(chardev_remove("a", NULL));
        unlink(file);
    }
    front_free(front);
}

static void failing_round(void)
{
    static const char *const options[] = {"file,id=a,path=/nonexistent/x",
                                          "file,id=a,path=/dev/null,logfile=/nonexistent/x",
                                          "socket,id=a,path=/nonexistent/x",
                                          "socket,id=a,path=/nonexistent/x,server=on,wait=off",
                                          "ringbuf,id=a,size=3",
                                          "hub,id=a,chardevs.0=b",
                                          "serial,id=a,path=/dev/null",
                                          "parallel,id=a,path=/dev/null",
                                          "socket,id=a,path=x,tls-creds=none",
                                          "null,id=a,x=y",
                                          "udp,id=a,host=127.0.0.1,port=x"};

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(options[i], "backend", NULL);
        g_autoptr(Error) error = NULL;
        g_assert_null(chardev_new(kv, &error));
        g_assert_nonnull(error);
    }
}

/* A descriptor with a name belongs to the device that asks for it, made or not. */
static void failing_name_round(void)
{
    static const struct {
        const char *option;
        bool is_socket;
    } rows[] = {{"socket,id=a,fd=n", false},
                {"socket,id=a,fd=n,server=on,wait=off", false},
                {"socket,id=a,fd=n,websocket=on", true},
                {"socket,id=a,fd=n,reconnect=1,reconnect-ms=1", true},
                {"socket,id=a,fd=n,tls-creds=none", true}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(rows[i].option, "backend", NULL);
        int fd = rows[i].is_socket ? socket(AF_UNIX, SOCK_STREAM, 0) : open("/dev/null", O_RDWR);
        g_assert_true(fd_name_set("n", fd, NULL));
        g_assert_null(chardev_new(kv, NULL));
        g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
        g_assert_cmpint(fd_name_take("n"), ==, -1);
    }
}

static void server_round(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new();
    Chardev *chardev = attach(make("unix:%s,server=on,wait=off", path), front, false);
    int client = connect_unix(path);

    turn_until_events(front, "o");
    send_text(client, "in");
    turn_until_received(front, "in");
    chardev_write(chardev, "out", 3);
    close(client);
    object_free(&chardev->obj);
    front_free(front);
}

static void change_round(void)
{
    g_autofree char *path = path_of("socket");
    g_autofree char *option = g_strdup_printf("socket,path=%s,server=on,wait=off", path);
    g_autoptr(KeyVal) socket = keyval_parse(option, "backend", NULL);
    g_autoptr(KeyVal) null = keyval_parse("null", "backend", NULL);
    Front *front = front_new();
    Chardev *chardev = attach(make_option("null,id=a"), front, false);

    g_assert_true(chardev_change("a", socket, NULL));
    int client = connect_unix(path);
    turn_until_events(front, "oco");
    g_assert_true(chardev_change("a", null, NULL));
    close(client);
    object_free(&chardev->obj);
    front_free(front);
}

static void tls_round(void)
{
    g_autofree char *path = path_of("socket");
    Front *front = front_new(), *client_front = front_new();
    Object *server = make_object("tls-creds-anon,id=server,endpoint=server", NULL);
    Object *client = make_object("tls-creds-anon,id=client,endpoint=client", NULL);

    Chardev *ours = attach(
        make_option("socket,id=s,path=%s,server=on,wait=off,tls-creds=server", path), front, false);
    Chardev *theirs =
        attach(make_option("socket,id=c,path=%s,tls-creds=client", path), client_front, false);
    turn_until_events(client_front, "o");
    chardev_write(theirs, "x", 1);
    turn_until_received(front, "x");
    object_free(&theirs->obj);
    turn_until_events(front, "oc");
    object_free(&ours->obj);
    object_free(client);
    object_free(server);
    front_free(front);
    front_free(client_front);
}

static void test_simple(void)
{
    g_autofree char *in = path_of("fifo.in"), *out = path_of("fifo.out");

    g_assert_cmpint(mkfifo(in, 0600) | mkfifo(out, 0600), ==, 0);
    check_rounds(simple_round);
}

static void test_failing(void)
{
    check_rounds(failing_round);
    check_rounds(failing_name_round);
}

static void test_server(void)
{
    check_rounds(server_round);
}

static void test_change(void)
{
    check_rounds(change_round);
}

static void test_tls(void)
{
    check_rounds(tls_round);
}

static void add_tests(void)
{
    g_test_add_func("/chardev/leaks/simple", test_simple);
    g_test_add_func("/chardev/leaks/failing", test_failing);
    g_test_add_func("/chardev/leaks/server", test_server);
    g_test_add_func("/chardev/leaks/change", test_change);
    g_test_add_func("/chardev/leaks/tls", test_tls);
}

int main(int argc, char **argv)
{
    return run_chardev_tests(argc, argv, add_tests);
}
