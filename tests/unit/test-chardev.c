/* SPDX-License-Identifier: MIT */
/* Character devices: each back end against a real peer, the bounded buffer, the mux. */
#include "ui/char/telnet.h"
#include "ui/chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* A front end that keeps what it sees. */
typedef struct Front {
    GString *received;
    GString *events; /* a letter each: o c b i u */
    size_t limit;    /* of bytes in `received` */
} Front;

static char *directory;

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

static Front *front_new(void)
{
    Front *front = g_new0(Front, 1);

    front->received = g_string_new(NULL);
    front->events = g_string_new(NULL);
    front->limit = 100000;
    return front;
}

static void front_free(Front *front)
{
    g_string_free(front->received, TRUE);
    g_string_free(front->events, TRUE);
    g_free(front);
}

static Chardev *attach(Chardev *chardev, Front *front, bool is_monitor)
{
    ChardevFrontend frontend = {.can_receive = front_can_receive,
                                .receive = front_receive,
                                .event = front_event,
                                .opaque = front,
                                .is_monitor = is_monitor};

    return chardev_attach(chardev, &frontend, NULL);
}

static Chardev *make(const char *format, ...) G_GNUC_PRINTF(1, 2);
static Chardev *make(const char *format, ...)
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

static void turn(int times)
{
    while (times-- > 0) {
        main_loop_wait(false);
    }
}

static char *path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

/* -- Options ----------------------------------------------------------------------------------- */

static void check_error(const char *text, const char *expected)
{
    g_autoptr(Error) error = NULL;

    g_assert_null(chardev_new_short("serial0", text, &error));
    g_assert_cmpstr(error ? error_message(error) : NULL, ==, expected);
    g_assert_null(chardev_find("serial0"));
}

static void check_option_error(const char *text, const char *expected)
{
    g_autoptr(Error) error = NULL;
    g_autoptr(KeyVal) options = keyval_parse(text, "backend", NULL);

    g_assert_null(chardev_new(options, &error));
    g_assert_cmpstr(error ? error_message(error) : NULL, ==, expected);
}

static void test_errors(void)
{
    check_error("none", NULL);
    check_error("sdtio", "'sdtio' is not a character device; did you mean 'stdio'?");
    check_error("tpc:localhost:1",
                "'tpc:localhost:1' is not a character device; did you mean 'tcp:'?");
    check_error("", "'' is not a character device");
    check_error("unix:", "a socket needs one of path=, port= and fd=");
    check_error("unix:x,wiat=off", "cannot connect to UNIX socket 'x': No such file or directory");
    check_error("unix:/nonexistent/x,server,nowait",
                "cannot listen on UNIX socket '/nonexistent/x': No such file or directory");
    check_error("tcp:localhost", "'localhost' is not HOST:PORT");
    check_error("tcp:localhost:1,server=maybe",
                "parameter 'server': 'maybe' is neither on nor off");
    check_error("file:", "a file character device needs path=");
    check_error("file:/nonexistent/x",
                "cannot open '/nonexistent/x' for writing: No such file or directory");
    check_error("chardev:x", "there is no character device 'x'");
    check_option_error("null", "-chardev null needs id=");
    check_option_error("sockte,id=a",
                       "unknown character back end 'sockte'; did you mean 'socket'?");
    check_option_error("null,id=a,path=x", "unknown parameter 'path'");
    check_option_error("file,id=a,path=/dev/null,apend=on",
                       "unknown parameter 'apend'; did you mean 'append'?");
    check_option_error("socket,id=a,fd=99",
                       "descriptor fd=99 cannot be used as a socket: Bad file descriptor");
    check_option_error("socket,id=a,fd=x",
                       "parameter 'fd': 'x' is not a number from 0 to 2^64 - 1");
    g_assert_null(chardev_find("a"));
    g_autofree char *help = chardev_help();
    g_assert_nonnull(strstr(help, "\n  socket "));
}

static void test_null_and_ids(void)
{
    g_autoptr(KeyVal) options = keyval_parse("null,id=a", "backend", NULL);
    g_autoptr(KeyVal) again = keyval_parse("null,id=a", "backend", NULL);
    g_autoptr(Error) error = NULL;
    Front *front = front_new();
    Chardev *chardev = chardev_new(options, NULL);

    g_assert_true(chardev_find("a") == chardev);
    g_assert_true(chardev_new_short("serial0", "chardev:a", NULL) == chardev);
    g_assert_null(chardev_new(again, &error));
    g_assert_cmpstr(error_message(error), ==, "there are two character devices with id 'a'");
    g_assert_nonnull(attach(chardev, front, false));
    g_assert_null(attach(chardev, front, false));
    g_assert_cmpstr(front->events->str, ==, "o");
    chardev_write(chardev, "x", 1);
    chardev_write(NULL, "x", 1);
    g_assert_cmpuint(chardev_write_room(chardev), ==, CHARDEV_BUFFER_SIZE);
    object_free(&chardev->obj);
    front_free(front);
}

/* -- Files, pipes, terminals ------------------------------------------------------------------- */

static void test_file(void)
{
    g_autofree char *path = path_of("out,put");
    g_autofree char *log = path_of("log");
    g_autofree char *text = NULL;
    g_autofree char *log_text = NULL;

    Chardev *chardev = make("file:%s", path);
    chardev_write(chardev, "one", 3);
    object_free(&chardev->obj);
    g_autofree char *option =
        g_strdup_printf("file,id=f,append=on,logfile=%s,path=%s/out,,put", log, directory);
    g_autoptr(KeyVal) options = keyval_parse(option, "backend", NULL);
    chardev = chardev_new(options, NULL);
    chardev_write(chardev, "two", 3);
    object_free(&chardev->obj);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "onetwo");
    g_assert_true(g_file_get_contents(log, &log_text, NULL, NULL));
    g_assert_cmpstr(log_text, ==, "two");
}

static void test_pipe(void)
{
    g_autofree char *base = path_of("fifo");
    g_autofree char *in = g_strconcat(base, ".in", NULL);
    g_autofree char *out = g_strconcat(base, ".out", NULL);
    char buffer[8] = "";
    Front *front = front_new();

    g_assert_cmpint(mkfifo(in, 0600) | mkfifo(out, 0600), ==, 0);
    Chardev *chardev = make("pipe:%s", base);
    attach(chardev, front, false);
    int write_fd = open(in, O_WRONLY), read_fd = open(out, O_RDONLY);
    g_assert_cmpint(write(write_fd, "abc", 3), ==, 3);
    turn(2);
    g_assert_cmpstr(front->received->str, ==, "abc");
    chardev_write(chardev, "xyz", 3);
    g_assert_cmpint(read(read_fd, buffer, 8), ==, 3);
    g_assert_cmpstr(buffer, ==, "xyz");
    close(write_fd);
    close(read_fd);
    object_free(&chardev->obj);
    front_free(front);
}

/* A pty tells its name on stdout, which is the test's report here. */
static Chardev *make_pty(char **ret_line)
{
    int report = dup(STDOUT_FILENO), told[2];
    char line[200] = "";
    Chardev *chardev;

    fflush(stdout);
    g_assert_cmpint(pipe(told), ==, 0);
    dup2(told[1], STDOUT_FILENO);
    chardev = make("pty");
    dup2(report, STDOUT_FILENO);
    g_assert_cmpint(read(told[0], line, sizeof(line) - 1), >, 0);
    close(report);
    close(told[0]);
    close(told[1]);
    *ret_line = g_strdup(line);
    return chardev;
}

static void test_pty(void)
{
    char buffer[8] = "";
    g_autofree char *told = NULL;
    Front *front = front_new();
    Chardev *chardev = make_pty(&told);

    attach(chardev, front, false);
    g_autofree char *path = object_get(&chardev->obj, "path", NULL);
    g_autofree char *line = g_strdup_printf("char device redirected to %s (label serial0)\n", path);
    g_assert_cmpstr(told, ==, line);
    int fd = open(path, O_RDWR | O_NOCTTY);
    g_assert_cmpint(fd, >=, 0);
    chardev_write(chardev, "a\r\n", 3);
    g_assert_cmpint(read(fd, buffer, 8), ==, 3);
    g_assert_cmpstr(buffer, ==, "a\r\n");
    g_assert_cmpint(write(fd, "x\3\r", 3), ==, 3);
    for (int i = 0; i < 500 && front->received->len < 3; i++) {
        turn(1); /* the kernel hands terminal input over in its own time */
        usleep(1000);
    }
    g_assert_cmpstr(front->received->str, ==, "x\3\r");
    close(fd);
    object_free(&chardev->obj);
    front_free(front);
}

/* The child's part of the terminal test: prints, reads until 'q', ends by exit(). */
static void run_on_terminal(const char *text)
{
    Front *front = front_new();
    Chardev *chardev = chardev_new_short("serial0", text, NULL);

    chardev = attach(chardev, front, false);
    chardev_write(chardev, "ready", 5);
    while (!strchr(front->received->str, 'q')) {
        main_loop_wait(true);
    }
    exit(strchr(front->received->str, 3) ? 3 : 0);
}

static void check_terminal(const char *text, bool keeps_signals)
{
    struct termios settings;
    char buffer[16] = "";
    int status;
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    g_assert_cmpint(grantpt(master) | unlockpt(master), ==, 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        dup2(slave, 0);
        dup2(slave, 1);
        run_on_terminal(text);
    }
    g_assert_cmpint(read(master, buffer, sizeof(buffer)), ==, 5);
    g_assert_cmpstr(buffer, ==, "ready");
    tcgetattr(slave, &settings);
    g_assert_false(settings.c_lflag & (ICANON | ECHO));
    g_assert_true(settings.c_oflag & OPOST);
    g_assert_cmpint(!!(settings.c_lflag & ISIG), ==, keeps_signals);
    g_assert_cmpint(write(master, keeps_signals ? "q" : "\3q", 2 - keeps_signals), >, 0);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, keeps_signals ? 0 : 3);
    tcgetattr(slave, &settings);
    g_assert_true(settings.c_lflag & ICANON);
    close(master);
    close(slave);
}

static void test_stdio(void)
{
    check_terminal("stdio", true);
    check_terminal("mon:stdio", false);
}

/* -- Sockets ----------------------------------------------------------------------------------- */

static int connect_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(name.sun_path, path, sizeof(name.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&name, sizeof(name)), ==, 0);
    return fd;
}

static char *read_available(int fd)
{
    char *text = g_malloc0(1 << 20);
    size_t used = 0;
    ssize_t count;

    while ((count = recv(fd, text + used, (1 << 20) - 1 - used, MSG_DONTWAIT)) > 0) {
        used += (size_t)count;
    }
    return text;
}

static void check_available(int fd, const char *expected)
{
    g_autofree char *text = read_available(fd);

    g_assert_cmpstr(text, ==, expected);
}

static void send_text(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), 0), ==, strlen(text));
}

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

static int listen_tcp(int *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, size) | listen(fd, 5), ==, 0);
    getsockname(fd, (struct sockaddr *)&name, &size);
    *ret_port = ntohs(name.sin_port);
    return fd;
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_set(loop_new("main", NULL, NULL));
    directory = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_test_add_func("/chardev/stdio", test_stdio);
    g_test_add_func("/chardev/errors", test_errors);
    g_test_add_func("/chardev/null", test_null_and_ids);
    g_test_add_func("/chardev/file", test_file);
    g_test_add_func("/chardev/pipe", test_pipe);
    g_test_add_func("/chardev/pty", test_pty);
    g_test_add_func("/chardev/socket/unix-server", test_unix_server);
    g_test_add_func("/chardev/socket/flow-control", test_flow_control);
    g_test_add_func("/chardev/socket/last-words", test_last_words);
    g_test_add_func("/chardev/socket/slow-client", test_slow_client);
    g_test_add_func("/chardev/socket/fd", test_connected_fd);
    g_test_add_func("/chardev/socket/reconnect", test_tcp_client_reconnects);
    g_test_add_func("/chardev/telnet/filter", test_telnet_filter);
    g_test_add_func("/chardev/telnet/server", test_telnet_server);
    g_test_add_func("/chardev/mux/keys", test_mux);
    g_test_add_func("/chardev/mux/busy", test_mux_busy_front);
    int result = g_test_run();
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", directory);
    g_assert_cmpint(system(command), ==, 0);
    return result;
}
