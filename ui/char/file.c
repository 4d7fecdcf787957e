/* SPDX-License-Identifier: MIT */
/* file: what the guest prints goes to a file; nothing is read. */
#include "chardev-private.h"

#include <errno.h>
#include <fcntl.h>

static bool file_open(Chardev *chardev, KeyVal *options, Error **err)
{
    FdChardev *file = (FdChardev *)chardev;
    const char *path = keyval_get(options, "path");
    bool append = false;

    if (!path || !*path) {
        return error_set(err, "a file character device needs path=");
    }
    if (!keyval_get_bool(options, "append", &append, err)) {
        return false;
    }
    int flags = O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    file->out_fd = open(path, flags | (append ? O_APPEND : O_TRUNC), 0666);
    if (file->out_fd < 0) {
        return error_set_errno(err, errno, "cannot open '%s' for writing", path);
    }
    fd_chardev_start(file);
    return true;
}

static const char *const file_options[] = {"path", "append", NULL};

static const ChardevInfo file_info = {
    .backend = "file",
    .options = file_options,
    .open = file_open,
    .close = fd_chardev_close,
    .write = fd_chardev_write,
    .watch_writable = fd_chardev_watch_writable,
};

static const Type file_type = {
    .name = "chardev-file",
    .parent = &fd_chardev_type,
    .size = sizeof(FdChardev),
    .desc = "writes to a file: path=, append=on|off",
    .info = &file_info,
};
OBJECT_TYPE(file_type);
