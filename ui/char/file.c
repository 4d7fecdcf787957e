/* SPDX-License-Identifier: MIT */
/* file: what the guest prints goes to a file; with input-path= it also reads one. */
#include "chardev-private.h"
#include "util/fd-sets.h"

#include <errno.h>
#include <fcntl.h>

static bool file_open(Chardev *chardev, KeyVal *options, Error **err)
{
    FdChardev *file = (FdChardev *)chardev;
    const char *path = keyval_get(options, "path");
    const char *input_path = keyval_get(options, "input-path");
    bool append = false;

    if (!path || !*path) {
        return error_set(err, "a file character device needs path=");
    }
    if (!keyval_get_bool(options, "append", &append, err)) {
        return false;
    }
    int flags = O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY;
    file->out_name = g_strdup_printf("'%s'", path);
    file->out_fd = fd_open(path, flags | (append ? O_APPEND : O_TRUNC), 0666);
    if (file->out_fd < 0) {
        return error_set_errno(err, errno, "cannot open '%s' for writing", path);
    }
    if (input_path) {
        file->owns_in = true;
        file->in_fd = fd_open(input_path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
        if (file->in_fd < 0) {
            return error_set_errno(err, errno, "cannot open '%s' for reading", input_path);
        }
    }
    fd_chardev_start(file);
    return true;
}

static const char *const file_options[] = {"path", "append", "input-path", NULL};

static const ChardevInfo file_info = {
    .backend = "file",
    .options = file_options,
    .open = file_open,
    .close = fd_chardev_close,
    .write = fd_chardev_write,
    .update_read = fd_chardev_update_read,
    .watch_writable = fd_chardev_watch_writable,
};

static const Type file_type = {
    .name = "chardev-file",
    .parent = &fd_chardev_type,
    .size = sizeof(FdChardev),
    .desc = "writes to a file: path=, append=on|off, input-path= (read by the guest)",
    .info = &file_info,
};
OBJECT_TYPE(file_type);
