/* SPDX-License-Identifier: MIT */
/*
 * pty: a pseudo terminal for minicom, screen and friends. It counts as connected while somebody
 * has the terminal open; the kernel reports that end, but not the beginning, which is asked for
 * now and then, and before a write.
 */
#include "chardev-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define CHECK_NS (NS_PER_SECOND / 5)

typedef struct PtyChardev {
    FdChardev fds;
    char *path;
    Timer check_timer;  /* while nobody has it open */
    BottomHalf *hangup; /* a write found it closed: tell the front end from the loop */
} PtyChardev;

/* Raw, until somebody sets it otherwise: settings stay while we have the master. */
static bool prepare_slave(PtyChardev *pty, int master, Error **err)
{
    char name[64];
    struct termios settings;

    if (grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) != 0) {
        return error_set_errno(err, errno, "cannot set up a pseudo terminal");
    }
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        return error_set_errno(err, errno, "cannot open '%s'", name);
    }
    tcgetattr(slave, &settings);
    cfmakeraw(&settings);
    tcsetattr(slave, TCSANOW, &settings);
    close(slave);
    pty->path = g_strdup(name);
    pty->fds.chardev.filename = g_strdup_printf("pty:%s", name);
    return true;
}

static bool is_slave_open(const PtyChardev *pty)
{
    struct pollfd state = {.fd = pty->fds.in_fd};

    poll(&state, 1, 0);
    return !(state.revents & POLLHUP);
}

static void check_later(PtyChardev *pty)
{
    timer_mod_ns(&pty->check_timer, clock_now_ns(CLOCK_TYPE_REALTIME) + CHECK_NS);
}

static void pty_closed(void *opaque)
{
    PtyChardev *pty = opaque;

    bottom_half_cancel(pty->hangup);
    loop_watch_remove(g_steal_pointer(&pty->fds.in));
    loop_watch_remove(g_steal_pointer(&pty->fds.out));
    if (pty->fds.chardev.connected) {
        chardev_event(&pty->fds.chardev, CHARDEV_CLOSED);
    }
    check_later(pty);
}

static void pty_readable(void *opaque)
{
    PtyChardev *pty = opaque;
    uint8_t buffer[4096];
    size_t room = chardev_can_receive(&pty->fds.chardev);

    if (room == 0) {
        loop_watch_enable(pty->fds.in, false, false);
        return;
    }
    ssize_t count = read(pty->fds.in_fd, buffer, MIN(room, sizeof(buffer)));
    if (count > 0) {
        chardev_receive(&pty->fds.chardev, buffer, (size_t)count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        pty_closed(pty);
    }
}

static void pty_check_open(Chardev *chardev)
{
    PtyChardev *pty = (PtyChardev *)chardev;

    if (chardev->connected || !is_slave_open(pty)) {
        return;
    }
    timer_del(&pty->check_timer);
    pty->fds.in = loop_watch_fd(main_loop(), pty->fds.in_fd, pty_readable, NULL, pty);
    chardev_event(chardev, CHARDEV_OPENED);
    fd_chardev_update_read(chardev);
}

static void check_timer_expired(void *opaque)
{
    PtyChardev *pty = opaque;

    pty_check_open(&pty->fds.chardev);
    if (!pty->fds.chardev.connected) {
        check_later(pty);
    }
}

static size_t pty_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    PtyChardev *pty = (PtyChardev *)chardev;

    if (!is_slave_open(pty)) {
        bottom_half_post(pty->hangup);
        return count;
    }
    return fd_chardev_write(chardev, bytes, count);
}

static bool pty_open(Chardev *chardev, KeyVal *options, Error **err)
{
    PtyChardev *pty = (PtyChardev *)chardev;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

    timer_init(&pty->check_timer, main_loop(), CLOCK_TYPE_REALTIME, check_timer_expired, pty);
    if (master < 0) {
        return error_set_errno(err, errno, "cannot make a pseudo terminal");
    }
    pty->hangup = bottom_half_new(main_loop(), pty_closed, pty);
    pty->fds.in_fd = master;
    pty->fds.owns_in = true;
    pty->fds.out_fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
    if (!prepare_slave(pty, master, err)) {
        return false;
    }
    /* Programs that drive us read the name out of this line. */
    printf("char device redirected to %s (label %s)\n", pty->path, chardev->label);
    fflush(stdout);
    check_later(pty);
    return true;
}

static void pty_close(Chardev *chardev)
{
    PtyChardev *pty = (PtyChardev *)chardev;

    timer_del(&pty->check_timer);
    bottom_half_free(pty->hangup);
    fd_chardev_close(chardev);
}

static const ChardevInfo pty_info = {
    .backend = "pty",
    .open = pty_open,
    .close = pty_close,
    .write = pty_write,
    .update_read = fd_chardev_update_read,
    .watch_writable = fd_chardev_watch_writable,
    .check_open = pty_check_open,
};

static const Field pty_fields[] = {
    PROP(PtyChardev, path, .read_only = true, .desc = "terminal to connect to"),
    DERIVED(PtyChardev, check_timer),
    DERIVED(PtyChardev, hangup),
    FIELDS_END,
};

static const Type pty_type = {
    .name = "chardev-pty",
    .parent = &fd_chardev_type,
    .size = sizeof(PtyChardev),
    .desc = "makes a pseudo terminal and prints its name",
    .fields = pty_fields,
    .info = &pty_info,
};
OBJECT_TYPE(pty_type);
