/* SPDX-License-Identifier: MIT */
/* pipe: two FIFOs, PATH.in and PATH.out, or one that goes both ways. */
#include "chardev-private.h"

#include <errno.h>
#include <fcntl.h>

/* Opened for both directions, so that it neither waits for the other end nor sees it go. */
static int open_fifo(const char *path, const char *suffix)
{
    g_autofree char *name = g_strconcat(path, suffix, NULL);

    return open(name, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool pipe_open(Chardev *chardev, KeyVal *options, Error **err)
{
    FdChardev *pipe = (FdChardev *)chardev;
    const char *path = keyval_get(options, "path");

    if (!path || !*path) {
        return error_set(err, "a pipe character device needs path=");
    }
    pipe->owns_in = true;
    pipe->in_fd = open_fifo(path, ".in");
    pipe->out_fd = open_fifo(path, ".out");
    if (pipe->in_fd < 0 && pipe->out_fd < 0) {
        pipe->in_fd = open_fifo(path, "");
        pipe->out_fd = open_fifo(path, "");
    }
    if (pipe->in_fd < 0 || pipe->out_fd < 0) {
        error_set_errno(err, errno, "cannot open the pipe '%s'", path);
        error_hint(err, "Make it by: mkfifo %s.in %s.out", path, path);
        return false;
    }
    fd_chardev_start(pipe);
    return true;
}

static const char *const pipe_options[] = {"path", NULL};

static const ChardevInfo pipe_info = {
    .backend = "pipe",
    .options = pipe_options,
    .open = pipe_open,
    .close = fd_chardev_close,
    .write = fd_chardev_write,
    .update_read = fd_chardev_update_read,
    .watch_writable = fd_chardev_watch_writable,
};

static const Type pipe_type = {
    .name = "chardev-pipe",
    .parent = &fd_chardev_type,
    .size = sizeof(FdChardev),
    .desc = "two FIFOs, PATH.in and PATH.out: path=",
    .info = &pipe_info,
};
OBJECT_TYPE(pipe_type);
