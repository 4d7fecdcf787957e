/* SPDX-License-Identifier: MIT */
/*
 * socket: a UNIX or TCP stream, as a server (one client at a time, the next waits in the backlog)
 * or as a client. Nothing here waits but a server with wait=on at start-up; a client that has to be
 * connected again is by a worker.
 */
#include "chardev-private.h"
#include "socket-address.h"
#include "telnet.h"
#include "util/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct ConnectJob ConnectJob;

typedef struct SocketChardev {
    Chardev chardev;
    SocketAddress address;
    bool is_server, is_telnet;
    uint64_t reconnect_s; /* 0: a lost connection stays lost */
    int listen_fd, fd;
    LoopWatch *listen_watch, *watch;
    bool wants_read, wants_write;
    Telnet telnet;
    Timer reconnect_timer;
    ConnectJob *job;    /* a connection under way */
    BottomHalf *hangup; /* a write has failed: tell the front end from the loop */
} SocketChardev;

struct ConnectJob {
    SocketChardev *owner; /* NULL: closed meanwhile */
    SocketAddress address;
    int fd;
};

static void socket_update_watch(SocketChardev *self)
{
    if (self->watch) {
        loop_watch_enable(self->watch, self->wants_read, self->wants_write);
    }
}

/* -- Connecting -------------------------------------------------------------------------------- */

static void socket_connected(SocketChardev *self, int fd);

/* As query-chardev shows it: "tcp:LOCAL,server=on <-> PEER", "disconnected:unix:PATH". */
static void update_filename(SocketChardev *self)
{
    const char *prefix = self->is_telnet ? "telnet" : "tcp";
    const char *server = self->is_server ? ",server=on" : "";
    struct sockaddr_storage local, peer;
    socklen_t local_size = sizeof(local), peer_size = sizeof(peer);
    int fd = self->fd >= 0 ? self->fd : self->listen_fd;
    g_autofree char *here = NULL, *there = NULL;

    if (getsockname(fd, (struct sockaddr *)&local, &local_size) == 0) {
        here = socket_name_text((struct sockaddr *)&local, local_size, prefix);
    }
    if (here && getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0) {
        there = socket_name_text((struct sockaddr *)&peer, peer_size, "");
    }
    if (!here) {
        here = socket_address_text(&self->address, prefix);
    }
    g_free(self->chardev.filename);
    self->chardev.filename =
        g_strdup_printf("%s%s%s%s%s", self->fd >= 0 ? "" : "disconnected:", here, server,
                        there ? " <-> " : "", there ? there : "");
}

static void connect_work(void *opaque)
{
    ConnectJob *job = opaque;

    job->fd = socket_connect(&job->address, NULL);
}

static void retry_later(SocketChardev *self)
{
    timer_mod_ns(&self->reconnect_timer,
                 clock_now_ns(CLOCK_TYPE_REALTIME) + (int64_t)self->reconnect_s * NS_PER_SECOND);
}

static void connect_done(void *opaque)
{
    ConnectJob *job = opaque;

    if (job->owner) {
        job->owner->job = NULL;
        if (job->fd >= 0) {
            socket_connected(job->owner, job->fd);
        } else {
            retry_later(job->owner);
        }
    } else if (job->fd >= 0) {
        close(job->fd);
    }
    socket_address_clear(&job->address);
    g_free(job);
}

static void start_connect(void *opaque)
{
    SocketChardev *self = opaque;
    ConnectJob *job = g_new0(ConnectJob, 1);

    job->owner = self;
    job->address = (SocketAddress){.path = g_strdup(self->address.path),
                                   .is_abstract = self->address.is_abstract,
                                   .host = g_strdup(self->address.host),
                                   .port = g_strdup(self->address.port),
                                   .family = self->address.family,
                                   .fd = -1};
    self->job = job;
    worker_submit(worker_pool_shared(), main_loop(), connect_work, connect_done, job);
}

static void socket_disconnect(SocketChardev *self)
{
    if (self->fd < 0) {
        return;
    }
    bottom_half_cancel(self->hangup); /* it was meant for this client, not for the next */
    loop_watch_remove(g_steal_pointer(&self->watch));
    close(self->fd);
    self->fd = -1;
    update_filename(self);
    chardev_event(&self->chardev, CHARDEV_CLOSED);
    if (self->listen_watch) {
        loop_watch_enable(self->listen_watch, true, false);
    } else if (self->reconnect_s > 0) {
        retry_later(self);
    }
}

static void socket_hangup(void *opaque)
{
    socket_disconnect(opaque);
}

/* -- Data -------------------------------------------------------------------------------------- */

static void socket_readable(void *opaque)
{
    SocketChardev *self = opaque;
    uint8_t buffer[4096];
    unsigned breaks = 0;
    size_t room = chardev_can_receive(&self->chardev);

    if (room == 0) {
        self->wants_read = false;
        socket_update_watch(self);
        return;
    }
    ssize_t count = recv(self->fd, buffer, MIN(room, sizeof(buffer)), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        socket_disconnect(self);
        return;
    }
    size_t kept = (size_t)count;
    if (self->is_telnet) {
        kept = telnet_filter(&self->telnet, buffer, kept, &breaks);
    }
    for (; breaks > 0; breaks--) {
        chardev_event(&self->chardev, CHARDEV_BREAK);
    }
    chardev_receive(&self->chardev, buffer, kept);
}

static void socket_writable(void *opaque)
{
    chardev_write_ready(opaque);
}

static size_t send_some(SocketChardev *self, const uint8_t *bytes, size_t count)
{
    ssize_t sent = fd_write_some(self->fd, FD_KIND_SOCKET, bytes, count);

    if (sent < 0) {
        /* The front end called us: it hears of the end later. */
        bottom_half_post(self->hangup);
        return count;
    }
    return (size_t)sent;
}

/* 0xff goes out twice; its second byte may have to wait. */
static size_t send_telnet(SocketChardev *self, const uint8_t *bytes, size_t count)
{
    static const uint8_t escape[2] = {TELNET_IAC, TELNET_IAC};
    size_t taken = 0;

    while (taken < count) {
        if (self->telnet.half_output) {
            if (send_some(self, escape, 1) == 0) {
                break;
            }
            self->telnet.half_output = false;
        }
        const uint8_t *next = memchr(bytes + taken, TELNET_IAC, count - taken);
        size_t plain = next ? (size_t)(next - bytes) - taken : count - taken;
        if (plain > 0) {
            size_t sent = send_some(self, bytes + taken, plain);
            taken += sent;
            if (sent < plain) {
                break;
            }
        } else {
            size_t sent = send_some(self, escape, 2);
            if (sent == 0) {
                break;
            }
            taken++;
            self->telnet.half_output = sent == 1;
        }
    }
    return taken;
}

static size_t socket_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    SocketChardev *self = (SocketChardev *)chardev;

    return self->is_telnet ? send_telnet(self, bytes, count) : send_some(self, bytes, count);
}

static void socket_update_read(Chardev *chardev)
{
    SocketChardev *self = (SocketChardev *)chardev;

    if (self->fd >= 0) {
        self->wants_read = chardev_can_receive(chardev) > 0;
        socket_update_watch(self);
    }
}

static void socket_watch_writable(Chardev *chardev, bool on)
{
    SocketChardev *self = (SocketChardev *)chardev;

    self->wants_write = on;
    socket_update_watch(self);
}

/* -- Clients come and go ----------------------------------------------------------------------- */

static void socket_connected(SocketChardev *self, int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* refused on UNIX sockets */
    self->fd = fd;
    self->wants_write = false;
    self->watch = loop_watch_fd(main_loop(), fd, socket_readable, socket_writable, self);
    update_filename(self);
    telnet_reset(&self->telnet);
    if (self->is_telnet) {
        send_some(self, telnet_greeting, sizeof(telnet_greeting));
    }
    chardev_event(&self->chardev, CHARDEV_OPENED);
    if (self->fd >= 0) {
        self->wants_read = chardev_can_receive(&self->chardev) > 0;
        socket_update_watch(self);
    }
}

/* The client is gone, and what it sent waits for a front end that does not read. One that reads
 * finds the end by itself. */
static bool client_is_gone(SocketChardev *self)
{
    struct pollfd state = {.fd = self->fd, .events = POLLRDHUP};

    poll(&state, 1, 0);
    return state.revents & (POLLHUP | POLLERR | POLLRDHUP) &&
           chardev_can_receive(&self->chardev) == 0;
}

static void socket_acceptable(void *opaque)
{
    SocketChardev *self = opaque;

    if (self->fd >= 0 && client_is_gone(self)) {
        socket_disconnect(self);
    }
    if (self->fd >= 0) {
        loop_watch_enable(self->listen_watch, false, false); /* the next one waits */
        return;
    }
    int fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        socket_connected(self, fd);
    }
}

static bool wait_for_client(SocketChardev *self, Error **err)
{
    int fd;

    info_report("QEMU waiting for connection on: %s", self->chardev.filename);
    do {
        if (!signal_wait_readable(self->listen_fd, err)) {
            error_prefix(err, "waiting for a client: ");
            return false;
        }
        fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd >= 0) {
        socket_connected(self, fd);
    }
    return true;
}

static bool open_server(SocketChardev *self, bool wait, Error **err)
{
    int is_listening = 1;
    socklen_t size = sizeof(is_listening);

    self->listen_fd = socket_listen(&self->address, err);
    if (self->listen_fd < 0) {
        return false;
    }
    getsockopt(self->listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size);
    if (!is_listening && listen(self->listen_fd, 1) < 0) {
        return error_set_errno(err, errno, "cannot listen on fd=%d", self->listen_fd);
    }
    update_filename(self); /* the port that port=0 has found */
    if (wait && chardev_may_wait && !wait_for_client(self, err)) {
        return false;
    }
    self->listen_watch = loop_watch_fd(main_loop(), self->listen_fd, socket_acceptable, NULL, self);
    return true;
}

static bool open_client(SocketChardev *self, Error **err)
{
    if (self->reconnect_s > 0 && self->address.fd < 0) {
        start_connect(self);
        return true;
    }
    int fd = socket_connect(&self->address, err);
    if (fd < 0) {
        return false;
    }
    socket_connected(self, fd);
    return true;
}

static bool socket_open(Chardev *chardev, KeyVal *options, Error **err)
{
    SocketChardev *self = (SocketChardev *)chardev;
    bool has_wait = keyval_get(options, "wait") || keyval_get(options, "nowait");
    bool wait = true, delay = false;

    self->hangup = bottom_half_new(main_loop(), socket_hangup, self);
    timer_init(&self->reconnect_timer, main_loop(), CLOCK_TYPE_REALTIME, start_connect, self);
    if (!keyval_get_bool(options, "server", &self->is_server, err) ||
        !keyval_get_bool(options, "wait", &wait, err) ||
        !keyval_get_bool(options, "delay", &delay, err) ||
        !keyval_get_bool(options, "telnet", &self->is_telnet, err) ||
        !keyval_get_u64(options, "reconnect", &self->reconnect_s, err) ||
        !socket_address_parse(&self->address, options, err)) {
        return false;
    }
    if (has_wait && wait && !self->is_server) {
        return error_set(err, "wait= is for a server: add server=on");
    }
    if (self->reconnect_s > 0 && self->is_server) {
        return error_set(err, "reconnect= is for a client: leave server=on away");
    }
    if (self->reconnect_s > 1000000) {
        return error_set(err, "reconnect= takes seconds, up to 1000000");
    }
    update_filename(self);
    if (!self->is_server) {
        return open_client(self, err);
    }
    signals_hold();
    bool is_open = open_server(self, wait, err);
    signals_release();
    return is_open;
}

static void socket_close(Chardev *chardev)
{
    SocketChardev *self = (SocketChardev *)chardev;

    if (self->job) {
        self->job->owner = NULL;
    }
    if (self->reconnect_timer.loop) {
        timer_del(&self->reconnect_timer);
    }
    bottom_half_free(self->hangup);
    loop_watch_remove(self->watch);
    loop_watch_remove(self->listen_watch);
    if (self->fd >= 0) {
        close(self->fd);
    }
    if (self->listen_fd >= 0) {
        close(self->listen_fd);
        socket_address_remove_file(&self->address);
    }
    socket_address_clear(&self->address);
}

static void socket_init(Object *obj)
{
    SocketChardev *self = (SocketChardev *)obj;

    self->fd = self->listen_fd = self->address.fd = -1;
}

static const char *const socket_options[] = {
    "path",   "abstract", "tight",  "host",    "port",  "to",        "ipv4", "ipv6",
    "server", "wait",     "telnet", "nodelay", "delay", "reconnect", "fd",   NULL};

static const ChardevInfo socket_info = {
    .backend = "socket",
    .options = socket_options,
    .open = socket_open,
    .close = socket_close,
    .write = socket_write,
    .update_read = socket_update_read,
    .watch_writable = socket_watch_writable,
};

static const Field socket_fields[] = {
    DERIVED(SocketChardev, address),
    DERIVED(SocketChardev, is_server),
    DERIVED(SocketChardev, is_telnet),
    DERIVED(SocketChardev, reconnect_s),
    DERIVED(SocketChardev, listen_fd),
    DERIVED(SocketChardev, fd),
    DERIVED(SocketChardev, listen_watch),
    DERIVED(SocketChardev, watch),
    DERIVED(SocketChardev, wants_read),
    DERIVED(SocketChardev, wants_write),
    DERIVED(SocketChardev, telnet),
    DERIVED(SocketChardev, reconnect_timer),
    DERIVED(SocketChardev, job),
    DERIVED(SocketChardev, hangup),
    FIELDS_END,
};

static const Type socket_type = {
    .name = "chardev-socket",
    .parent = &chardev_type,
    .size = sizeof(SocketChardev),
    .desc = "UNIX or TCP stream: path= or host=,port=; server=, wait=, telnet=, reconnect=, fd=",
    .fields = socket_fields,
    .info = &socket_info,
    .init = socket_init,
};
OBJECT_TYPE(socket_type);
