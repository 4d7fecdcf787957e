/* SPDX-License-Identifier: MIT */
/* udp: what is written together goes out as one datagram; what comes in is one stream of bytes. */
#include "chardev-private.h"
#include "connect.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 65507 /* of UDP over IPv4 */

typedef struct UdpChardev {
    Chardev chardev;
    SocketAddress address;
    int fd;
    LoopWatch *watch;
    ConnectJob *job; /* the name is being looked up */
    uint8_t *bytes;  /* the datagram the front end has not taken yet */
    size_t size, taken;
} UdpChardev;

/* Gives the front end what it takes of the datagram; true when all is gone. */
static bool deliver(UdpChardev *udp)
{
    while (udp->taken < udp->size) {
        size_t count = MIN(udp->size - udp->taken, chardev_can_receive(&udp->chardev));
        if (count == 0) {
            return false;
        }
        udp->taken += count;
        chardev_receive(&udp->chardev, udp->bytes + udp->taken - count, count);
    }
    return true;
}

static void udp_update_read(Chardev *chardev)
{
    UdpChardev *udp = (UdpChardev *)chardev;

    if (udp->watch) {
        bool has_room = deliver(udp) && chardev_can_receive(chardev) > 0;
        loop_watch_enable(udp->watch, has_room, false);
    }
}

static void udp_readable(void *opaque)
{
    UdpChardev *udp = opaque;

    if (deliver(udp)) {
        /* A negative count is an earlier datagram that found nobody: no end. */
        ssize_t count = recv(udp->fd, udp->bytes, DATAGRAM_MAX, MSG_DONTWAIT);
        udp->taken = 0;
        udp->size = count > 0 ? (size_t)count : 0;
    }
    udp_update_read(&udp->chardev);
}

/* A datagram that does not go out is lost, as on the way. */
static size_t udp_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    for (size_t done = 0; done < count; done += DATAGRAM_MAX) {
        send(((UdpChardev *)chardev)->fd, bytes + done, MIN(count - done, DATAGRAM_MAX),
             MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return count;
}

static void udp_watch_writable(Chardev *chardev, bool on)
{
    if (on) {
        chardev_write_ready(chardev); /* only a backlog waits, and udp_write takes all */
    }
}

static void start(UdpChardev *udp, int fd)
{
    udp->fd = fd;
    udp->bytes = g_malloc(DATAGRAM_MAX);
    udp->watch = loop_watch_fd(main_loop(), fd, udp_readable, NULL, udp);
    loop_watch_enable(udp->watch, false, false);
    chardev_event(&udp->chardev, CHARDEV_OPENED);
    udp_update_read(&udp->chardev);
}

static void connect_done(void *opaque, int fd, Error *error)
{
    UdpChardev *udp = opaque;

    udp->job = NULL;
    if (fd >= 0) {
        start(udp, fd);
        return;
    }
    warn_report("character device '%s': %s", udp->chardev.label, error_message(error));
    error_free(error);
}

static bool udp_open(Chardev *chardev, KeyVal *options, Error **err)
{
    UdpChardev *udp = (UdpChardev *)chardev;

    if (!socket_address_parse_udp(&udp->address, options, err)) {
        return false;
    }
    if (!chardev_may_wait) {
        udp->job = connect_start(&udp->address, connect_done, udp);
        return true;
    }
    int fd = connect_wait(&udp->address, err);
    if (fd < 0) {
        return false;
    }
    start(udp, fd);
    return true;
}

static void udp_close(Chardev *chardev)
{
    UdpChardev *udp = (UdpChardev *)chardev;

    connect_cancel(g_steal_pointer(&udp->job));
    loop_watch_remove(g_steal_pointer(&udp->watch));
    g_clear_pointer(&udp->bytes, g_free);
    if (udp->fd >= 0) {
        close(udp->fd);
    }
    socket_address_clear(&udp->address);
}

static void udp_init(Object *obj)
{
    UdpChardev *udp = (UdpChardev *)obj;

    udp->fd = udp->address.fd = -1;
}

static const char *const udp_options[] = {"host", "port", "localaddr", "localport",
                                          "ipv4", "ipv6", NULL};

static const ChardevInfo udp_info = {
    .backend = "udp",
    .options = udp_options,
    .open = udp_open,
    .close = udp_close,
    .write = udp_write,
    .update_read = udp_update_read,
    .watch_writable = udp_watch_writable,
};

static const Field udp_fields[] = {
    DERIVED(UdpChardev, address), DERIVED(UdpChardev, fd),
    DERIVED(UdpChardev, watch),   DERIVED(UdpChardev, job),
    DERIVED(UdpChardev, bytes),   DERIVED(UdpChardev, size),
    DERIVED(UdpChardev, taken),   FIELDS_END,
};

static const Type udp_type = {
    .name = "chardev-udp",
    .parent = &chardev_type,
    .size = sizeof(UdpChardev),
    .desc = "datagrams: host=, port=, localaddr=, localport=",
    .fields = udp_fields,
    .info = &udp_info,
    .init = udp_init,
};
OBJECT_TYPE(udp_type);
