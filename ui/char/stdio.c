/* SPDX-License-Identifier: MIT */
/*
 * stdio: the terminal, or whatever standard input and output are. A terminal is in raw mode while
 * we run in its foreground; signal=off makes Ctrl-C, Ctrl-Z and Ctrl-\ the guest's.
 */
#include "chardev-private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* Process-wide: there is one terminal. */
static struct termios settings_before;
static bool are_settings_changed;
static bool are_signals_kept;
static bool is_settled; /* the loop runs: until then Ctrl-C ends a start-up that waits */
static bool is_in_use;

void chardev_restore_terminal(void)
{
    if (are_settings_changed && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        tcsetattr(STDIN_FILENO, TCSANOW, &settings_before);
    }
}

static void make_raw(void)
{
    struct termios raw;

    /* From the background it would stop us, and upset who is in the foreground. */
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp()) {
        return;
    }
    if (!are_settings_changed) {
        if (tcgetattr(STDIN_FILENO, &settings_before) < 0) {
            return;
        }
        are_settings_changed = true;
        atexit(chardev_restore_terminal);
    }
    raw = settings_before;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST; /* other programs' newlines on it stay newlines */
    if (are_signals_kept || !is_settled) {
        raw.c_lflag |= ISIG;
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void stdio_settle(void *opaque)
{
    is_settled = true;
    if (is_in_use) {
        make_raw();
    }
}

static void stdio_continued(void *opaque, int sender)
{
    if (is_in_use) {
        make_raw();
    }
}

static bool stdio_open(Chardev *chardev, KeyVal *options, Error **err)
{
    static bool is_watching_signal;
    FdChardev *stdio = (FdChardev *)chardev;
    bool keep_signals = true;

    if (!keyval_get_bool(options, "signal", &keep_signals, err)) {
        return false;
    }
    if (is_in_use) {
        return error_set(err, "stdio is in use by another character device");
    }
    stdio->in_fd = STDIN_FILENO;
    stdio->out_fd = fd_open_own(STDOUT_FILENO, &stdio->out_kind);
    if (stdio->out_fd < 0) {
        return error_set_errno(err, errno, "cannot use standard output");
    }
    if (isatty(STDIN_FILENO) && !is_watching_signal) {
        if (!loop_watch_signal(main_loop(), SIGCONT, stdio_continued, NULL, err)) {
            return false;
        }
        is_watching_signal = true;
    }
    is_in_use = true;
    are_signals_kept = keep_signals;
    make_raw();
    loop_post(main_loop(), stdio_settle, NULL);
    fd_chardev_start(stdio);
    return true;
}

static void stdio_close(Chardev *chardev)
{
    if (((FdChardev *)chardev)->in || chardev->connected) {
        chardev_restore_terminal();
        is_in_use = false;
    }
    fd_chardev_close(chardev);
}

static const char *const stdio_options[] = {"signal", NULL};

static const ChardevInfo stdio_info = {
    .backend = "stdio",
    .options = stdio_options,
    .open = stdio_open,
    .close = stdio_close,
    .write = fd_chardev_write,
    .update_read = fd_chardev_update_read,
    .watch_writable = fd_chardev_watch_writable,
};

static const Type stdio_type = {
    .name = "chardev-stdio",
    .parent = &fd_chardev_type,
    .size = sizeof(FdChardev),
    .desc = "the terminal: signal=on|off (Ctrl-C ends us or goes to the guest)",
    .info = &stdio_info,
};
OBJECT_TYPE(stdio_type);
