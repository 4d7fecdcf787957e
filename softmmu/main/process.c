/* SPDX-License-Identifier: MIT */
/* The process around the machine: daemon, pid file, signals. */
#include "softmmu/main/startup.h"

#include "softmmu/run-end.h"
#include "util/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- Daemon ------------------------------------------------------------------------------------ */

static int ready_pipe = -1; /* in the daemon: one byte tells the parent that all went well */
static int null_fd = -1;    /* opened before another root folder may hide it */

/* The parent's end: waits for the byte, or takes over the child's exit status. */
static int wait_for_child(pid_t child, int pipe_fd)
{
    char byte;
    int status = 0;
    ssize_t count;

    do {
        count = read(pipe_fd, &byte, 1);
    } while (count < 0 && errno == EINTR);
    if (count == 1) {
        return 0;
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

bool process_daemonize(Error **err)
{
    int fds[2];

    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0) {
        return error_set_errno(err, errno, "-daemonize: cannot open '/dev/null'");
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return error_set_errno(err, errno, "-daemonize: pipe");
    }
    pid_t child = fork();
    if (child < 0) {
        int os_error = errno;
        close(fds[0]);
        close(fds[1]);
        return error_set_errno(err, os_error, "-daemonize: fork");
    }
    if (child > 0) {
        close(fds[1]);
        _exit(wait_for_child(child, fds[0]));
    }
    close(fds[0]);
    ready_pipe = fds[1];
    setsid();
    return true;
}

bool process_leave_folder(Error **err)
{
    return ready_pipe < 0 || chdir("/") == 0 ||
           error_set_errno(err, errno, "-daemonize: cannot go to '/'");
}

bool process_ready(Error **err)
{
    if (ready_pipe < 0) {
        return true;
    }
    if (write(ready_pipe, "", 1) != 1) {
        return error_set_errno(err, errno, "-daemonize: the parent is gone");
    }
    close(ready_pipe);
    ready_pipe = -1;
    for (int fd = 0; fd <= 2; fd++) {
        dup2(null_fd, fd);
    }
    close(null_fd);
    return true;
}

/* -- Pid file ---------------------------------------------------------------------------------- */

static char *pidfile_path;
static int pidfile_fd = -1;

/* Only such a file is emptied before and removed after: not a pipe, not a device. */
static bool is_regular(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

bool process_write_pidfile(const char *path, Error **err)
{
    char text[32];
    int length = g_snprintf(text, sizeof(text), "%d\n", (int)getpid());
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);

    if (fd < 0) {
        return error_set_errno(err, errno, "cannot create '%s'", path);
    }
    if (lockf(fd, F_TLOCK, 0) < 0) {
        close(fd);
        error_set(err, "'%s' is in use by another process, whose number it holds", path);
        error_hint(err, "End that one, or name another file");
        return false;
    }
    bool is_file = is_regular(fd);
    ssize_t written = is_file && ftruncate(fd, 0) < 0 ? -1 : write(fd, text, (size_t)length);
    if (written != length) {
        int os_error = written < 0 ? errno : ENOSPC;

        if (is_file) {
            unlink(path);
        }
        close(fd);
        return error_set_errno(err, os_error, "cannot write '%s'", path);
    }
    pidfile_fd = fd;
    pidfile_path = is_file ? g_canonicalize_filename(path, NULL) : NULL;
    return true;
}

void process_remove_pidfile(void)
{
    if (pidfile_path) {
        unlink(pidfile_path);
        close(pidfile_fd);
        g_clear_pointer(&pidfile_path, g_free);
    }
}

/* -- Signals ----------------------------------------------------------------------------------- */

/* "from pid 12 (bash)"; a signal of a terminal has no sender. */
static void signal_arrived(void *opaque, int sender)
{
    int number = GPOINTER_TO_INT(opaque);
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", sender);
    g_autofree char *program = NULL;

    if (sender) {
        g_file_get_contents(path, &program, NULL, NULL);
        plain_report("terminating on signal %d from pid %d (%s)", number, sender,
                     program && *program ? program : "<unknown process>");
    } else {
        plain_report("terminating on signal %d", number);
    }
    system_kill(number, sender);
}

bool process_watch_signals(Error **err)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!loop_watch_signal(main_loop(), numbers[i], signal_arrived, GINT_TO_POINTER(numbers[i]),
                               err)) {
            return false;
        }
    }
    return true;
}
