/* SPDX-License-Identifier: MIT */
/* The parent of the back ends that read one descriptor and write another. */
#include "chardev-private.h"

#include <errno.h>
#include <unistd.h>

static void fd_readable(void *opaque)
{
    FdChardev *self = opaque;
    uint8_t buffer[4096];
    size_t room = chardev_can_receive(&self->chardev);

    if (room == 0) {
        loop_watch_enable(self->in, false, false);
        return;
    }
    ssize_t count = read(self->in_fd, buffer, MIN(room, sizeof(buffer)));
    if (count > 0) {
        chardev_receive(&self->chardev, buffer, (size_t)count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        loop_watch_remove(g_steal_pointer(&self->in)); /* the end: output may go on */
    }
}

static void fd_writable(void *opaque)
{
    chardev_write_ready(opaque);
}

void fd_chardev_start(FdChardev *self)
{
    if (self->in_fd >= 0) {
        self->in = loop_watch_fd(main_loop(), self->in_fd, fd_readable, NULL, self);
        loop_watch_enable(self->in, false, false);
    }
    chardev_event(&self->chardev, CHARDEV_OPENED);
}

void fd_chardev_close(Chardev *chardev)
{
    FdChardev *self = (FdChardev *)chardev;

    loop_watch_remove(g_steal_pointer(&self->in));
    loop_watch_remove(g_steal_pointer(&self->out));
    if (self->in_fd >= 0 && self->owns_in) {
        close(self->in_fd);
    }
    if (self->out_fd >= 0) {
        close(self->out_fd);
    }
    g_clear_pointer(&self->out_name, g_free);
}

size_t fd_chardev_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    FdChardev *self = (FdChardev *)chardev;
    ssize_t written = fd_write_some(self->out_fd, self->out_kind, bytes, count);

    if (written < 0) {
        chardev_report_loss(chardev, self->out_name ? self->out_name : chardev->filename, errno);
        return count; /* nobody will ever take it */
    }
    return (size_t)written;
}

void fd_chardev_update_read(Chardev *chardev)
{
    FdChardev *self = (FdChardev *)chardev;

    if (self->in) {
        loop_watch_enable(self->in, chardev_can_receive(chardev) > 0, false);
    }
}

void fd_chardev_watch_writable(Chardev *chardev, bool on)
{
    FdChardev *self = (FdChardev *)chardev;

    if (on && !self->out) {
        self->out = loop_watch_fd(main_loop(), self->out_fd, NULL, fd_writable, self);
    } else if (!on) {
        loop_watch_remove(g_steal_pointer(&self->out));
    }
}

static void fd_chardev_init(Object *obj)
{
    FdChardev *self = (FdChardev *)obj;

    self->in_fd = self->out_fd = -1;
}

static const Field fd_chardev_fields[] = {
    DERIVED(FdChardev, in_fd),    DERIVED(FdChardev, out_fd),
    DERIVED(FdChardev, out_kind), DERIVED(FdChardev, out_name),
    DERIVED(FdChardev, owns_in),  DERIVED(FdChardev, in),
    DERIVED(FdChardev, out),      FIELDS_END,
};

const Type fd_chardev_type = {
    .name = "chardev-fd",
    .parent = &chardev_type,
    .size = sizeof(FdChardev),
    .desc = "reads and writes descriptors",
    .fields = fd_chardev_fields,
    .init = fd_chardev_init,
    .abstract = true,
};
OBJECT_TYPE(fd_chardev_type);
