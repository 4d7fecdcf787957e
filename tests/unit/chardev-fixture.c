/* SPDX-License-Identifier: MIT */
/* What the tests of character devices share. */
#include "chardev-fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

char *directory;

static size_t front_can_receive(void *opaque)
{
    Front *front = opaque;

    return front->limit > front->received->len ? front->limit - front->received->len : 0;
}

static void front_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    Front *front = opaque;

    g_assert_cmpuint(count, <=, front_can_receive(front));
    g_string_append_len(front->received, (const char *)bytes, (gssize)count);
}

static void front_event(void *opaque, ChardevEvent event)
{
    static const char letters[] = "ocbiu";

    g_string_append_c(((Front *)opaque)->events, letters[event]);
}

Front *front_new(void)
{
    Front *front = g_new0(Front, 1);

    front->received = g_string_new(NULL);
    front->events = g_string_new(NULL);
    front->limit = 100000;
    return front;
}

void front_free(Front *front)
{
    g_string_free(front->received, TRUE);
    g_string_free(front->events, TRUE);
    g_free(front);
}

Chardev *attach(Chardev *chardev, Front *front, bool is_monitor)
{
    ChardevFrontend frontend = {.can_receive = front_can_receive,
                                .receive = front_receive,
                                .event = front_event,
                                .opaque = front,
                                .is_monitor = is_monitor};

    return chardev_attach(chardev, &frontend, NULL);
}

Chardev *make(const char *format, ...)
{
    va_list args;
    Error *error = NULL;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    Chardev *chardev = chardev_new_short("serial0", text, &error);
    if (error) {
        g_error("%s: %s", text, error_message(error));
    }
    g_assert_nonnull(chardev);
    return chardev;
}

void turn(int times)
{
    while (times-- > 0) {
        main_loop_wait(false);
    }
}

char *path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

Chardev *make_option(const char *format, ...)
{
    va_list args;
    Error *error = NULL;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autoptr(KeyVal) options = keyval_parse(text, "backend", NULL);
    Chardev *chardev = chardev_new(options, &error);
    if (error) {
        g_error("%s: %s", text, error_message(error));
    }
    return chardev;
}

void check_option_error(const char *text, const char *expected)
{
    g_autoptr(Error) error = NULL;
    g_autoptr(KeyVal) options = keyval_parse(text, "backend", NULL);

    g_assert_null(chardev_new(options, &error));
    g_assert_cmpstr(error ? error_message(error) : NULL, ==, expected);
}

void turn_until_events(Front *front, const char *events)
{
    for (int i = 0; i < 10000 && front->events->len < strlen(events); i++) {
        turn(1);
        usleep(1000);
    }
    g_assert_cmpstr(front->events->str, ==, events);
}

void turn_until_received(Front *front, const char *text)
{
    for (int i = 0; i < 10000 && front->received->len < strlen(text); i++) {
        turn(1);
        usleep(1000);
    }
    g_assert_cmpstr(front->received->str, ==, text);
}

/* -- Peers ------------------------------------------------------------------------------------- */

int connect_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(name.sun_path, path, sizeof(name.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&name, sizeof(name)), ==, 0);
    return fd;
}

char *read_available(int fd)
{
    char *text = g_malloc0(1 << 20);
    size_t used = 0;
    ssize_t count;

    while ((count = recv(fd, text + used, (1 << 20) - 1 - used, MSG_DONTWAIT)) > 0) {
        used += (size_t)count;
    }
    return text;
}

void check_available(int fd, const char *expected)
{
    g_autofree char *text = read_available(fd);

    g_assert_cmpstr(text, ==, expected);
}

void send_text(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), 0), ==, strlen(text));
}

int listen_tcp(int *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, size) | listen(fd, 5), ==, 0);
    getsockname(fd, (struct sockaddr *)&name, &size);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

int connect_tcp(int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(connect(fd, (struct sockaddr *)&name, sizeof(name)), ==, 0);
    return fd;
}

static pid_t directory_owner;

/* Also when a test's subprocess ends by exit() in its middle; not when a forked child ends. */
static void remove_directory(void)
{
    if (getpid() != directory_owner) {
        return;
    }
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", directory);

    if (system(command) != 0) {
        g_printerr("cannot remove %s\n", directory);
    }
}

int run_chardev_tests(int argc, char **argv, void (*add_tests)(void))
{
    g_test_init(&argc, &argv, NULL);
    main_loop_set(loop_new("main", NULL, NULL));
    directory = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_assert_nonnull(directory);
    directory_owner = getpid();
    g_assert_cmpint(atexit(remove_directory), ==, 0);
    add_tests();
    return g_test_run();
}
