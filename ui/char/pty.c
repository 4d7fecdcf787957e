/* SPDX-License-Identifier: MIT */
/* pty: a pseudo terminal for minicom, screen and friends. */
#include "chardev-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

typedef struct PtyChardev {
    FdChardev fds;
    int slave_fd; /* kept open, so that the terminal stays while nobody else has it open */
    char *path;
} PtyChardev;

static bool open_slave(PtyChardev *pty, int master, Error **err)
{
    char name[64];
    struct termios settings;

    if (grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) != 0) {
        return error_set_errno(err, errno, "cannot set up a pseudo terminal");
    }
    pty->slave_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (pty->slave_fd < 0) {
        return error_set_errno(err, errno, "cannot open '%s'", name);
    }
    tcgetattr(pty->slave_fd, &settings);
    cfmakeraw(&settings);
    tcsetattr(pty->slave_fd, TCSANOW, &settings);
    pty->path = g_strdup(name);
    pty->fds.chardev.filename = g_strdup_printf("pty:%s", name);
    return true;
}

static bool pty_open(Chardev *chardev, KeyVal *options, Error **err)
{
    PtyChardev *pty = (PtyChardev *)chardev;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

    if (master < 0) {
        return error_set_errno(err, errno, "cannot make a pseudo terminal");
    }
    pty->fds.in_fd = master;
    pty->fds.owns_in = true;
    pty->fds.out_fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
    if (!open_slave(pty, master, err)) {
        return false;
    }
    /* Programs that drive us read the name out of this line. */
    printf("char device redirected to %s (label %s)\n", pty->path, chardev->label);
    fflush(stdout);
    fd_chardev_start(&pty->fds);
    return true;
}

static void pty_close(Chardev *chardev)
{
    PtyChardev *pty = (PtyChardev *)chardev;

    fd_chardev_close(chardev);
    if (pty->slave_fd >= 0) {
        close(pty->slave_fd);
    }
}

static void pty_init(Object *obj)
{
    ((PtyChardev *)obj)->slave_fd = -1;
}

static const ChardevInfo pty_info = {
    .backend = "pty",
    .open = pty_open,
    .close = pty_close,
    .write = fd_chardev_write,
    .update_read = fd_chardev_update_read,
    .watch_writable = fd_chardev_watch_writable,
};

static const Field pty_fields[] = {
    PROP(PtyChardev, path, .read_only = true, .desc = "terminal to connect to"),
    DERIVED(PtyChardev, slave_fd),
    FIELDS_END,
};

static const Type pty_type = {
    .name = "chardev-pty",
    .parent = &fd_chardev_type,
    .size = sizeof(PtyChardev),
    .desc = "makes a pseudo terminal and prints its name",
    .fields = pty_fields,
    .info = &pty_info,
    .init = pty_init,
};
OBJECT_TYPE(pty_type);
