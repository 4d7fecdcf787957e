/* SPDX-License-Identifier: MIT */
/*
 * socket: a UNIX or TCP stream, as a server (one client at a time, the next waits in the backlog)
 * or as a client. A connection is first taken through its handshakes (TLS, WebSocket), for which
 * the other side has some seconds; then the front end hears of it. Nothing here waits but start-up:
 * a server with wait=on for a client, a client for its connection.
 */
#include "chardev-private.h"
#include "connect.h"
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_NS (10 * NS_PER_SECOND)
#define ACCEPT_PAUSE_NS (NS_PER_SECOND / 5)

typedef struct SocketChardev {
    Chardev chardev;
    SocketAddress address;
    bool is_server, is_telnet, is_websocket, is_delayed, is_kept_alive;
    bool was_failure_reported;
    uint64_t reconnect_ms; /* 0: a lost connection stays lost */
    char *tls_creds;       /* id of the credentials; NULL: in clear */
    char *tls_hostname;    /* that has to stand in the server's certificate */
    int listen_fd;
    LoopWatch *listen_watch, *watch;
    bool wants_read, wants_write;
    Stream stream;
    Timer reconnect_timer, handshake_timer;
    Timer accept_timer;    /* ends a pause in which no client is taken */
    ConnectJob *job;       /* a connection under way */
    BottomHalf *hangup;    /* a write has failed: tell the front end from the loop */
    BottomHalf *read_more; /* there is input that no poll reports */
} SocketChardev;

static void update_watch(SocketChardev *self)
{
    if (self->watch) {
        bool is_open = self->stream.stage == STREAM_OPEN;
        loop_watch_enable(self->watch,
                          !is_open || (self->wants_read && stream_can_read(&self->stream)),
                          stream_wants_write(&self->stream) || (is_open && self->wants_write));
    }
}

/* As query-chardev shows it: "tcp:LOCAL,server=on <-> PEER", "disconnected:unix:PATH". */
static void update_filename(SocketChardev *self)
{
    const char *prefix = self->is_telnet ? "telnet" : self->is_websocket ? "websocket" : "tcp";
    bool is_open = self->stream.fd >= 0 && self->stream.stage == STREAM_OPEN;
    struct sockaddr_storage local, peer;
    socklen_t local_size = sizeof(local), peer_size = sizeof(peer);
    int fd = is_open ? self->stream.fd : self->listen_fd;
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
    self->chardev.filename = g_strdup_printf("%s%s%s%s%s", is_open ? "" : "disconnected:", here,
                                             self->is_server ? ",server=on" : "",
                                             there ? " <-> " : "", there ? there : "");
}

/* Once: whoever connects could fill the terminal. */
static void report_failure(SocketChardev *self, Error *error)
{
    if (!self->was_failure_reported) {
        warn_report("character device '%s': %s", self->chardev.label, error_message(error));
    }
    self->was_failure_reported = true;
    error_free(error);
}

/* -- Coming and going -------------------------------------------------------------------------- */

static void connect_again(void *opaque);

static void retry_later(SocketChardev *self)
{
    if (self->reconnect_ms > 0) {
        timer_mod_ns(&self->reconnect_timer,
                     clock_now_ns(CLOCK_TYPE_REALTIME) + (int64_t)self->reconnect_ms * 1000000);
    }
}

static void socket_disconnect(SocketChardev *self)
{
    if (self->stream.fd < 0) {
        return;
    }
    bottom_half_cancel(self->hangup); /* it was meant for this client, not for the next */
    bottom_half_cancel(self->read_more);
    timer_del(&self->handshake_timer);
    loop_watch_remove(g_steal_pointer(&self->watch));
    stream_close(&self->stream);
    update_filename(self);
    if (self->chardev.connected) {
        chardev_event(&self->chardev, CHARDEV_CLOSED);
    }
    if (self->listen_watch) {
        loop_watch_enable(self->listen_watch, !timer_pending(&self->accept_timer), false);
    } else {
        retry_later(self);
    }
}

static void socket_hangup(void *opaque)
{
    socket_disconnect(opaque);
}

static void socket_update_read(Chardev *chardev)
{
    SocketChardev *self = (SocketChardev *)chardev;

    if (self->stream.fd >= 0) {
        self->wants_read = chardev_can_receive(chardev) > 0;
        if (self->wants_read && stream_has_input(&self->stream)) {
            bottom_half_post(self->read_more);
        }
        update_watch(self);
    }
}

/* Takes the handshakes on; when they are done, the front end hears of it. */
static void socket_progress(SocketChardev *self)
{
    Error *error = NULL;

    if (!stream_handshake(&self->stream, &error)) {
        report_failure(self, error);
        socket_disconnect(self);
        return;
    }
    if (self->stream.stage == STREAM_OPEN) {
        timer_del(&self->handshake_timer);
        update_filename(self);
        chardev_event(&self->chardev, CHARDEV_OPENED);
        socket_update_read(&self->chardev);
    }
    update_watch(self);
}

static void handshake_too_slow(void *opaque)
{
    SocketChardev *self = opaque;
    Error *error = NULL;

    error_set(&error, "the other side did not finish its handshake in %d seconds",
              (int)(HANDSHAKE_NS / NS_PER_SECOND));
    report_failure(self, error);
    socket_disconnect(self);
}

/* -- Data -------------------------------------------------------------------------------------- */

static void socket_readable(void *opaque)
{
    SocketChardev *self = opaque;
    uint8_t buffer[4096];
    unsigned breaks = 0;

    if (self->stream.stage != STREAM_OPEN) {
        socket_progress(self);
        return;
    }
    size_t room = chardev_can_receive(&self->chardev);
    if (room == 0) {
        self->wants_read = false;
        update_watch(self);
        return;
    }
    ssize_t count = stream_read(&self->stream, buffer, MIN(room, sizeof(buffer)), &breaks);
    if (count < 0 || !stream_flush(&self->stream)) {
        if (count > 0) {
            chardev_receive(&self->chardev, buffer, (size_t)count);
        }
        socket_disconnect(self);
        return;
    }
    for (; breaks > 0; breaks--) {
        chardev_event(&self->chardev, CHARDEV_BREAK);
    }
    chardev_receive(&self->chardev, buffer, (size_t)count);
    socket_update_read(&self->chardev);
}

static void socket_read_more(void *opaque)
{
    SocketChardev *self = opaque;

    if (self->stream.fd >= 0 && stream_has_input(&self->stream)) {
        socket_readable(self);
    }
}

static void socket_writable(void *opaque)
{
    SocketChardev *self = opaque;

    if (self->stream.stage != STREAM_OPEN) {
        socket_progress(self);
    } else if (!stream_flush(&self->stream)) {
        socket_disconnect(self);
    } else {
        chardev_write_ready(&self->chardev);
        update_watch(self);
    }
}

static size_t socket_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    SocketChardev *self = (SocketChardev *)chardev;
    ssize_t taken = stream_write(&self->stream, bytes, count);

    if (taken < 0) {
        /* The front end called us: it hears of the end later. */
        bottom_half_post(self->hangup);
        return count;
    }
    update_watch(self);
    return (size_t)taken;
}

static void socket_watch_writable(Chardev *chardev, bool on)
{
    SocketChardev *self = (SocketChardev *)chardev;

    self->wants_write = on;
    update_watch(self);
}

static int socket_take_fd(Chardev *chardev)
{
    return stream_take_fd(&((SocketChardev *)chardev)->stream);
}

/* -- Connections ------------------------------------------------------------------------------- */

static TlsSession *new_session(SocketChardev *self, int fd, Error **err)
{
    TlsCredentials *credentials = tls_credentials_find(self->tls_creds, self->is_server, err);
    const char *hostname = self->tls_hostname ? self->tls_hostname : self->address.host;

    return credentials
               ? tls_session_new(credentials, fd, hostname && *hostname ? hostname : NULL, err)
               : NULL;
}

/* Takes the descriptor over. */
static void socket_connected(SocketChardev *self, int fd)
{
    int is_undelayed = !self->is_delayed, is_kept_alive = self->is_kept_alive;
    TlsSession *tls = NULL;
    Error *error = NULL;

    /* Both are refused on UNIX sockets, where they mean nothing. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &is_undelayed, sizeof(is_undelayed));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &is_kept_alive, sizeof(is_kept_alive));
    if (self->tls_creds) {
        tls = new_session(self, fd, &error);
        if (!tls) {
            report_failure(self, error);
            close(fd);
            retry_later(self);
            return;
        }
    }
    stream_init(&self->stream, fd, tls, self->is_telnet, self->is_websocket);
    self->wants_write = false;
    self->wants_read = true;
    self->watch = loop_watch_fd(main_loop(), fd, socket_readable, socket_writable, self);
    if (self->stream.stage != STREAM_OPEN) {
        timer_mod_ns(&self->handshake_timer, clock_now_ns(CLOCK_TYPE_REALTIME) + HANDSHAKE_NS);
    }
    socket_progress(self);
}

static void connect_done(void *opaque, int fd, Error *error)
{
    SocketChardev *self = opaque;

    self->job = NULL;
    if (fd >= 0) {
        socket_connected(self, fd);
        return;
    }
    report_failure(self, error);
    retry_later(self);
}

static void connect_again(void *opaque)
{
    SocketChardev *self = opaque;

    self->job = connect_start(&self->address, connect_done, self);
}

/* The client is gone, and what it sent waits for a front end that does not read. One that reads
 * finds the end by itself. */
static bool client_is_gone(SocketChardev *self)
{
    struct pollfd state = {.fd = self->stream.fd, .events = POLLRDHUP};

    poll(&state, 1, 0);
    return state.revents & (POLLHUP | POLLERR | POLLRDHUP) &&
           chardev_can_receive(&self->chardev) == 0;
}

/* The client stays in the backlog: the loop would come back for it at once. */
static bool is_out_of_resources(int os_error)
{
    return os_error == EMFILE || os_error == ENFILE || os_error == ENOBUFS || os_error == ENOMEM;
}

static void accept_again(void *opaque)
{
    SocketChardev *self = opaque;

    loop_watch_enable(self->listen_watch, true, false);
}

static void pause_accepting(SocketChardev *self)
{
    Error *error = NULL;

    error_set_errno(&error, errno, "a client has to wait");
    report_failure(self, error);
    loop_watch_enable(self->listen_watch, false, false);
    timer_mod_ns(&self->accept_timer, clock_now_ns(CLOCK_TYPE_REALTIME) + ACCEPT_PAUSE_NS);
}

static void socket_acceptable(void *opaque)
{
    SocketChardev *self = opaque;

    if (self->stream.fd >= 0 && client_is_gone(self)) {
        socket_disconnect(self);
    }
    if (self->stream.fd >= 0) {
        loop_watch_enable(self->listen_watch, false, false); /* the next one waits */
        return;
    }
    int fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        socket_connected(self, fd);
    } else if (is_out_of_resources(errno)) {
        pause_accepting(self);
    }
}

/* -- What a monitor does ----------------------------------------------------------------------- */

static bool socket_add_client(Chardev *chardev, int fd, Error **err)
{
    SocketChardev *self = (SocketChardev *)chardev;
    int type = 0, is_listening = 0;
    socklen_t size = sizeof(type);

    if (self->stream.fd >= 0) {
        return error_set(err, "character device '%s' has a client", chardev->label);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM) {
        return error_set(err, "the descriptor is no stream socket");
    }
    size = sizeof(is_listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) == 0 && is_listening) {
        return error_set(err, "the descriptor is a socket that waits for clients itself");
    }
    connect_cancel(g_steal_pointer(&self->job)); /* whoever it was looking for is here */
    timer_del(&self->reconnect_timer);
    socket_connected(self, fd);
    return true;
}

/* Later: what asks for it may have come in here. */
static void socket_hang_up(Chardev *chardev)
{
    SocketChardev *self = (SocketChardev *)chardev;

    if (self->stream.fd >= 0) {
        bottom_half_post(self->hangup);
    }
}

/* -- Start-up: until the first client is there ------------------------------------------------- */

/* Through its handshakes, too. The loop does not run yet. */
static bool finish_handshake(SocketChardev *self, Error **err)
{
    while (self->stream.fd >= 0 && self->stream.stage != STREAM_OPEN) {
        if (!signal_wait_ready(self->stream.fd, stream_wants_write(&self->stream),
                               HANDSHAKE_NS / 1000000, err)) {
            return false;
        }
        socket_progress(self);
    }
    return true;
}

static bool wait_for_client(SocketChardev *self, Error **err)
{
    info_report("QEMU waiting for connection on: %s", self->chardev.filename);
    while (self->stream.fd < 0) {
        bool goes_on = signal_wait_ready(self->listen_fd, false, -1, err);
        int fd = goes_on ? accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd >= 0) {
            socket_connected(self, fd);
            goes_on = finish_handshake(self, err);
        } else if (goes_on && is_out_of_resources(errno)) {
            goes_on = error_set_errno(err, errno, "cannot take it");
        }
        if (!goes_on) {
            error_prefix(err, "waiting for a client: ");
            return false;
        }
    }
    return true;
}

static bool open_server(SocketChardev *self, bool wait, Error **err)
{
    int is_listening = 1;
    socklen_t size = sizeof(is_listening);

    self->listen_fd = socket_listen(&self->address, chardev_may_wait, err);
    if (self->listen_fd < 0) {
        return false;
    }
    getsockopt(self->listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size);
    if (!is_listening && listen(self->listen_fd, 1) < 0) {
        return error_set_errno(err, errno, "cannot listen on fd=%d", self->listen_fd);
    }
    update_filename(self); /* the port that port=0 has found */
    if (wait && !wait_for_client(self, err)) {
        return false;
    }
    self->listen_watch = loop_watch_fd(main_loop(), self->listen_fd, socket_acceptable, NULL, self);
    return true;
}

static bool open_client(SocketChardev *self, Error **err)
{
    bool connects_later = self->reconnect_ms > 0 || (!chardev_may_wait && !self->address.path);
    int fd = socket_address_take_fd(&self->address);

    if (fd < 0 && connects_later) {
        connect_again(self);
        return true;
    }
    if (fd < 0) {
        fd = chardev_may_wait ? connect_wait(&self->address, err)
                              : socket_connect_at_once(&self->address, err);
    }
    if (fd < 0) {
        return false;
    }
    socket_connected(self, fd);
    return self->stream.fd >= 0 || error_set(err, "the connection could not be used");
}

/* -- Options ----------------------------------------------------------------------------------- */

#define RECONNECT_MAX_MS (1000000ull * 1000)

static bool parse_reconnect(SocketChardev *self, KeyVal *options, Error **err)
{
    uint64_t seconds = 0;

    if (!keyval_get_u64(options, "reconnect", &seconds, err) ||
        !keyval_get_u64(options, "reconnect-ms", &self->reconnect_ms, err)) {
        return false;
    }
    if (seconds > 0 && self->reconnect_ms > 0) {
        return error_set(err, "reconnect= and reconnect-ms= say the same");
    }
    self->reconnect_ms = MAX(self->reconnect_ms, MIN(seconds, RECONNECT_MAX_MS) * 1000);
    if (self->reconnect_ms > 0 && self->is_server) {
        return error_set(err, "reconnect= is for a client: leave server=on away");
    }
    return self->reconnect_ms <= RECONNECT_MAX_MS ||
           error_set(err, "reconnect= takes seconds, up to 1000000");
}

static bool parse_tls(SocketChardev *self, KeyVal *options, Error **err)
{
    self->tls_creds = g_strdup(keyval_get(options, "tls-creds"));
    self->tls_hostname = g_strdup(keyval_get(options, "tls-hostname"));
    if (keyval_get(options, "tls-authz")) {
        return error_set(err, "tls-authz= is not offered; verify-peer=on of the credentials is");
    }
    if (self->tls_hostname && (!self->tls_creds || self->is_server)) {
        return error_set(err, "tls-hostname= is for a client with tls-creds=");
    }
    return !self->tls_creds || tls_credentials_find(self->tls_creds, self->is_server, err);
}

static bool parse_layers(SocketChardev *self, KeyVal *options, Error **err)
{
    bool is_tn3270 = false;

    if (!keyval_get_bool(options, "telnet", &self->is_telnet, err) ||
        !keyval_get_bool(options, "websocket", &self->is_websocket, err) ||
        !keyval_get_bool(options, "tn3270", &is_tn3270, err) ||
        !keyval_get_bool(options, "delay", &self->is_delayed, err) ||
        !keyval_get_bool(options, "keep-alive", &self->is_kept_alive, err)) {
        return false;
    }
    if (is_tn3270) {
        return error_set(err, "tn3270= is for mainframe terminals");
    }
    if (self->is_telnet && self->is_websocket) {
        return error_set(err, "telnet= and websocket= exclude each other");
    }
    return !self->is_websocket || self->is_server ||
           error_set(err, "websocket= is for a server: add server=on");
}

static bool parse_options(SocketChardev *self, KeyVal *options, bool *ret_wait, Error **err)
{
    bool has_wait = keyval_get(options, "wait") || keyval_get(options, "nowait");
    bool wait = true;

    if (!keyval_get_bool(options, "server", &self->is_server, err) ||
        !keyval_get_bool(options, "wait", &wait, err) ||
        !socket_address_parse(&self->address, options, err) || !parse_layers(self, options, err) ||
        !parse_reconnect(self, options, err) || !parse_tls(self, options, err)) {
        return false;
    }
    if (has_wait && wait && !self->is_server) {
        return error_set(err, "wait= is for a server: add server=on");
    }
    if (has_wait && wait && !chardev_may_wait) {
        return error_set(err, "wait=on would stop the guest; a client can come at any time");
    }
    *ret_wait = wait && chardev_may_wait;
    return true;
}

/* -- Life -------------------------------------------------------------------------------------- */

static bool socket_open(Chardev *chardev, KeyVal *options, Error **err)
{
    SocketChardev *self = (SocketChardev *)chardev;
    bool wait = false;

    self->hangup = bottom_half_new(main_loop(), socket_hangup, self);
    self->read_more = bottom_half_new(main_loop(), socket_read_more, self);
    timer_init(&self->reconnect_timer, main_loop(), CLOCK_TYPE_REALTIME, connect_again, self);
    timer_init(&self->accept_timer, main_loop(), CLOCK_TYPE_REALTIME, accept_again, self);
    timer_init(&self->handshake_timer, main_loop(), CLOCK_TYPE_REALTIME, handshake_too_slow, self);
    if (!parse_options(self, options, &wait, err)) {
        return false;
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

    connect_cancel(g_steal_pointer(&self->job));
    timer_del(&self->reconnect_timer);
    timer_del(&self->handshake_timer);
    timer_del(&self->accept_timer);
    bottom_half_free(g_steal_pointer(&self->hangup));
    bottom_half_free(g_steal_pointer(&self->read_more));
    loop_watch_remove(g_steal_pointer(&self->watch));
    loop_watch_remove(g_steal_pointer(&self->listen_watch));
    stream_close(&self->stream);
    if (self->listen_fd >= 0) {
        close(self->listen_fd);
        self->listen_fd = -1;
        socket_address_remove_file(&self->address);
    }
    socket_address_clear(&self->address);
    g_clear_pointer(&self->tls_creds, g_free);
    g_clear_pointer(&self->tls_hostname, g_free);
}

static void socket_init(Object *obj)
{
    SocketChardev *self = (SocketChardev *)obj;

    self->stream.fd = self->listen_fd = self->address.fd = -1;
}

static const char *const socket_options[] = {
    "path",   "abstract",  "tight",     "host",         "port",      "to",
    "ipv4",   "ipv6",      "server",    "wait",         "telnet",    "websocket",
    "tn3270", "delay",     "nodelay",   "keep-alive",   "reconnect", "reconnect-ms",
    "fd",     "tls-creds", "tls-authz", "tls-hostname", NULL};

static const ChardevInfo socket_info = {
    .backend = "socket",
    .options = socket_options,
    .open = socket_open,
    .close = socket_close,
    .write = socket_write,
    .update_read = socket_update_read,
    .watch_writable = socket_watch_writable,
    .take_fd = socket_take_fd,
    .add_client = socket_add_client,
    .hang_up = socket_hang_up,
};

static const Field socket_fields[] = {
    DERIVED(SocketChardev, address),
    DERIVED(SocketChardev, is_server),
    DERIVED(SocketChardev, is_telnet),
    DERIVED(SocketChardev, is_websocket),
    DERIVED(SocketChardev, is_delayed),
    DERIVED(SocketChardev, is_kept_alive),
    DERIVED(SocketChardev, was_failure_reported),
    DERIVED(SocketChardev, reconnect_ms),
    DERIVED(SocketChardev, tls_creds),
    DERIVED(SocketChardev, tls_hostname),
    DERIVED(SocketChardev, listen_fd),
    DERIVED(SocketChardev, listen_watch),
    DERIVED(SocketChardev, watch),
    DERIVED(SocketChardev, wants_read),
    DERIVED(SocketChardev, wants_write),
    DERIVED(SocketChardev, stream),
    DERIVED(SocketChardev, reconnect_timer),
    DERIVED(SocketChardev, handshake_timer),
    DERIVED(SocketChardev, accept_timer),
    DERIVED(SocketChardev, job),
    DERIVED(SocketChardev, hangup),
    DERIVED(SocketChardev, read_more),
    FIELDS_END,
};

static const Type socket_type = {
    .name = "chardev-socket",
    .parent = &chardev_type,
    .size = sizeof(SocketChardev),
    .desc = "UNIX or TCP stream: path= or host=,port= or fd=; server=, wait=, reconnect=, telnet=, "
            "websocket=, tls-creds=",
    .fields = socket_fields,
    .info = &socket_info,
    .init = socket_init,
};
OBJECT_TYPE(socket_type);
