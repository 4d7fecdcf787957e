/* SPDX-License-Identifier: MIT */
/* parallel: a parallel port of the host, path=/dev/parport0, by the kernel's ppdev. */
#include "chardev-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ppdev.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct ParallelChardev {
    Chardev chardev;
    int fd;
    bool is_claimed;
} ParallelChardev;

static bool parallel_open(Chardev *chardev, KeyVal *options, Error **err)
{
    ParallelChardev *port = (ParallelChardev *)chardev;
    const char *path = keyval_get(options, "path");

    if (!path || !*path) {
        return error_set(err, "a parallel character device needs path=");
    }
    port->fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (port->fd < 0) {
        return error_set_errno(err, errno, "cannot open parallel port '%s'", path);
    }
    if (ioctl(port->fd, PPCLAIM) < 0) {
        return error_set_errno(err, errno, "'%s' is not a parallel port", path);
    }
    port->is_claimed = true;
    chardev->filename = g_strdup_printf("parallel:%s", path);
    chardev_event(chardev, CHARDEV_OPENED);
    return true;
}

static void parallel_close(Chardev *chardev)
{
    ParallelChardev *port = (ParallelChardev *)chardev;

    if (port->is_claimed) {
        ioctl(port->fd, PPRELEASE);
    }
    if (port->fd >= 0) {
        close(port->fd);
    }
}

/* A parallel port is its registers; bytes without handshake go nowhere. */
static size_t parallel_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    return count;
}

static bool parallel_access(Chardev *chardev, ChardevParallel which, bool is_write, uint8_t *value)
{
    static const unsigned long reads[] = {PPRDATA, PPRSTATUS, PPRCONTROL};
    static const unsigned long writes[] = {PPWDATA, 0, PPWCONTROL};
    unsigned long request = is_write ? writes[which] : reads[which];

    return request && ioctl(((ParallelChardev *)chardev)->fd, request, value) == 0;
}

static void parallel_init(Object *obj)
{
    ((ParallelChardev *)obj)->fd = -1;
}

static const char *const parallel_options[] = {"path", NULL};

static const ChardevInfo parallel_info = {
    .backend = "parallel",
    .alias = "parport",
    .options = parallel_options,
    .open = parallel_open,
    .close = parallel_close,
    .write = parallel_write,
    .parallel = parallel_access,
};

static const Field parallel_fields[] = {
    DERIVED(ParallelChardev, fd),
    DERIVED(ParallelChardev, is_claimed),
    FIELDS_END,
};

static const Type parallel_type = {
    .name = "chardev-parallel",
    .parent = &chardev_type,
    .size = sizeof(ParallelChardev),
    .desc = "a parallel port of the host: path=/dev/parport0",
    .fields = parallel_fields,
    .info = &parallel_info,
    .init = parallel_init,
};
OBJECT_TYPE(parallel_type);
