/* SPDX-License-Identifier: MIT */
/* Character devices: options, files, pipes and terminals against a real peer. */
#include "chardev-fixture.h"
#include "util/fd-sets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* -- Options ----------------------------------------------------------------------------------- */

static void check_error(const char *text, const char *expected)
{
    g_autoptr(Error) error = NULL;

    g_assert_null(chardev_new_short("serial0", text, &error));
    g_assert_cmpstr(error ? error_message(error) : NULL, ==, expected);
    g_assert_null(chardev_find("serial0"));
}

static void test_errors(void)
{
    check_error("none", NULL);
    check_error("sdtio", "'sdtio' is not a character device; did you mean 'stdio'?");
    check_error("tpc:localhost:1",
                "'tpc:localhost:1' is not a character device; did you mean 'tcp:'?");
    check_error("", "'' is not a character device");
    check_error("unix:", "a socket needs one of path=, port= and fd=");
    check_error("unix:x,wiat=off", "unknown parameter 'wiat'; did you mean 'wait'?");
    check_error("unix:x", "cannot connect to UNIX socket 'x': No such file or directory");
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
                       "parameter 'fd': descriptor 99 cannot be used: Bad file descriptor");
    check_option_error("socket,id=a,fd=x", "parameter 'fd': there is no descriptor named 'x'");
    check_option_error("socket,id=a,pth=x", "unknown parameter 'pth'; did you mean 'path'?");
    check_option_error("socket,id=a,nosrever,path=x",
                       "unknown parameter 'nosrever'; did you mean 'server'?");
    check_option_error("spicevmc,id=a,name=vdagent",
                       "character back end 'spicevmc' is not offered: there is no SPICE server");
    check_error("vc:80", "'vc:80' is not vc:WIDTHxHEIGHT or vc:COLUMNSCxROWSC");
    check_error("vc:80Cxfoo", "'vc:80Cxfoo' is not vc:WIDTHxHEIGHT or vc:COLUMNSCxROWSC");
    check_option_error("vc,id=a,cols=x",
                       "parameter 'cols': 'x' is not a number from 0 to 2^64 - 1");
    check_option_error("null,id=a/b", "-chardev null needs id= without '/'");
    check_option_error("null,id=a,backlog=65M", "backlog= takes up to 64 MiB");
    check_option_error("serial,id=a,path=/dev/null",
                       "'/dev/null' is not a serial port: Inappropriate ioctl for device");
    check_option_error("parallel,id=a,path=/dev/null",
                       "'/dev/null' is not a parallel port: Inappropriate ioctl for device");
    check_error("/dev/parport99",
                "cannot open parallel port '/dev/parport99': No such file or directory");
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

/* A console that no display shows. */
static void test_vc(void)
{
    Chardev *chardev = make("vc:80Cx25C");

    g_assert_cmpstr(chardev_filename(chardev), ==, "vc");
    g_assert_true(chardev->connected);
    chardev_write(chardev, "unseen", 6);
    object_free(&chardev->obj);
    chardev = make_option("vc,id=a,width=640,height=480");
    object_free(&chardev->obj);
}

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

static void test_file_input(void)
{
    g_autofree char *in = path_of("in");
    Front *front = front_new();

    g_assert_true(g_file_set_contents(in, "0123456789", -1, NULL));
    front->limit = 4;
    Chardev *chardev = make_option("file,id=f,path=/dev/null,input-path=%s", in);
    attach(chardev, front, false);
    turn_until_received(front, "0123");
    front->limit = 100;
    chardev_accept_input(chardev);
    turn_until_received(front, "0123456789");
    object_free(&chardev->obj);
    front_free(front);
}

/* A disk that is full: the guest goes on, and the user hears of it once. */
static void lose_output(const char *option)
{
    Chardev *chardev = make_option("%s", option);

    for (int i = 0; i < 3; i++) {
        chardev_write(chardev, "text", 4);
        turn(1);
    }
    g_assert_cmpuint(chardev_write_room(chardev), ==, CHARDEV_BUFFER_SIZE);
    object_free(&chardev->obj);
    exit(0);
}

static void test_full_disk(void)
{
    static const struct {
        const char *option, *said;
    } cases[] = {
        {"file,id=f,path=/dev/full", "cannot write to '/dev/full': No space left on device"},
        {"null,id=f,logfile=/dev/full",
         "cannot write to logfile '/dev/full': No space left on device"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (g_test_subprocess()) {
            lose_output(g_getenv("FULL_DISK"));
        }
        g_setenv("FULL_DISK", cases[i].option, TRUE);
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_autofree char *expected = g_strdup_printf(
            "*warning: character device 'f': %s; output is lost, the guest goes on\n",
            cases[i].said);
        g_autofree char *twice = g_strconcat(expected, expected, NULL);
        g_test_trap_assert_stderr(expected);
        g_test_trap_assert_stderr_unmatched(twice);
    }
}

static void test_fd_set(void)
{
    g_autofree char *path = path_of("handed");
    g_autofree char *text = NULL;
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    g_assert_cmpint(fd_set_add(7, fd, NULL, NULL), ==, 7);
    Chardev *chardev = make_option("file,id=f,path=/dev/fdset/7,logfile=/dev/fdset/7");
    chardev_write(chardev, "x", 1);
    object_free(&chardev->obj);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "xx");
    check_option_error("file,id=f,path=/dev/fdset/8",
                       "cannot open '/dev/fdset/8' for writing: No such file or directory");
    check_option_error("file,id=f,path=/dev/null,input-path=/dev/fdset/7",
                       "cannot open '/dev/fdset/7' for reading: Permission denied");
    g_assert_true(fd_set_remove(7, -1, NULL));
}

/* A pseudo terminal stands for the serial port: its settings can be asked for. */
static void test_serial(void)
{
    static const ChardevLine line = {9600, 7, 2, 'E'};
    struct termios settings;
    unsigned lines;
    char buffer[8] = "";
    Front *front = front_new();
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    g_assert_cmpint(grantpt(master) | unlockpt(master), ==, 0);
    Chardev *chardev = make("%s", ptsname(master));
    attach(chardev, front, false);
    g_assert_true(g_str_has_prefix(chardev_filename(chardev), "serial:/dev/pts/"));
    chardev_write(chardev, "a\n", 2);
    g_assert_cmpint(read(master, buffer, 8), ==, 2);
    g_assert_cmpint(write(master, "b", 1), ==, 1);
    turn_until_received(front, "b");
    chardev_set_line(chardev, &line);
    tcgetattr(master, &settings);
    g_assert_cmpuint(cfgetospeed(&settings), ==, B9600);
    g_assert_cmpuint(settings.c_cflag & CSTOPB, ==, CSTOPB);
    g_assert_false(chardev_get_modem(chardev, &lines));
    chardev_send_break(chardev);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    object_free(&chardev->obj);
    tcgetattr(slave, &settings);
    g_assert_true(settings.c_lflag & ICANON);
    close(slave);
    close(master);
    front_free(front);
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
    g_assert_cmpstr(front->events->str, ==, "");
    chardev_write(chardev, "a\r\n", 3); /* finds that the terminal is open */
    g_assert_cmpstr(front->events->str, ==, "o");
    g_assert_cmpint(read(fd, buffer, 8), ==, 3);
    g_assert_cmpstr(buffer, ==, "a\r\n");
    g_assert_cmpint(write(fd, "x\3\r", 3), ==, 3);
    turn_until_received(front, "x\3\r");
    close(fd);
    turn_until_events(front, "oc");
    chardev_write(chardev, "lost", 4);
    fd = open(path, O_RDWR | O_NOCTTY);
    turn_until_events(front, "oco");
    chardev_write(chardev, "seen", 4);
    g_assert_cmpint(read(fd, buffer, 8), ==, 4);
    g_assert_cmpmem(buffer, 4, "seen", 4);
    /* Writing finds the end, too. */
    front->limit = 0;
    close(fd);
    chardev_write(chardev, "lost", 4);
    turn_until_events(front, "ococ");
    object_free(&chardev->obj);
    front_free(front);
}

/* The child's part of the terminal test: prints, reads until 'q', ends by exit(). */
static void run_on_terminal(const char *text)
{
    Front *front = front_new();
    Chardev *chardev =
        strstr(text, "id=") ? make_option("%s", text) : chardev_new_short("serial0", text, NULL);

    chardev = attach(chardev, front, false);
    turn(2); /* until the loop runs, Ctrl-C is ours */
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
    check_terminal("stdio,id=s,signal=off", false);
    check_terminal("stdio,id=s,signal=on", true);
}

static void add_tests(void)
{
    g_test_add_func("/chardev/stdio", test_stdio);
    g_test_add_func("/chardev/errors", test_errors);
    g_test_add_func("/chardev/null", test_null_and_ids);
    g_test_add_func("/chardev/vc", test_vc);
    g_test_add_func("/chardev/file", test_file);
    g_test_add_func("/chardev/file-input", test_file_input);
    g_test_add_func("/chardev/full-disk", test_full_disk);
    g_test_add_func("/chardev/fd-set", test_fd_set);
    g_test_add_func("/chardev/serial", test_serial);
    g_test_add_func("/chardev/pipe", test_pipe);
    g_test_add_func("/chardev/pty", test_pty);
}

int main(int argc, char **argv)
{
    return run_chardev_tests(argc, argv, add_tests);
}
