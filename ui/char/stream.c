/* SPDX-License-Identifier: MIT */
/*
 * Stream: a connected socket with what may lie on it. From the wire upwards: TLS, then WebSocket
 * or telnet. Output that is encoded waits in `pending` until the socket takes it; a writer is
 * refused meanwhile, so that this stays small.
 */
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 4096

void stream_init(Stream *stream, int fd, TlsSession *tls, bool is_telnet, bool is_websocket)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);

    *stream = (Stream){.fd = fd, .tls = tls, .is_telnet = is_telnet, .is_websocket = is_websocket};
    stream->stage = tls ? STREAM_TLS : is_websocket ? STREAM_WEBSOCKET : STREAM_OPEN;
    stream->is_unix =
        getsockname(fd, (struct sockaddr *)&name, &size) == 0 && name.ss_family == AF_UNIX;
    stream->pending = g_byte_array_new();
    stream->early = g_byte_array_new();
    telnet_reset(&stream->telnet);
}

static void close_fds(Stream *stream)
{
    while (stream->fd_next < stream->fd_count) {
        close(stream->fds[stream->fd_next++]);
    }
    stream->fd_count = stream->fd_next = 0;
}

void stream_close(Stream *stream)
{
    tls_session_free(g_steal_pointer(&stream->tls));
    close_fds(stream);
    g_clear_pointer(&stream->pending, g_byte_array_unref);
    g_clear_pointer(&stream->early, g_byte_array_unref);
    if (stream->fd >= 0) {
        close(stream->fd);
        stream->fd = -1;
    }
}

/* -- The wire ---------------------------------------------------------------------------------- */

static void keep_fds(Stream *stream, struct msghdr *message)
{
    for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        close_fds(stream);
        size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(stream->fds, CMSG_DATA(item), count * sizeof(int));
        stream->fd_count = (unsigned)count;
    }
}

/* Room for STREAM_FDS; the kernel closes those that are too many. */
static ssize_t receive_with_fds(Stream *stream, uint8_t *buffer, size_t size)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[CMSG_SPACE(STREAM_FDS * sizeof(int))];
    } control;
    struct iovec part = {buffer, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t count = recvmsg(stream->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (count >= 0) {
        keep_fds(stream, &message);
    }
    return count;
}

static ssize_t raw_read(Stream *stream, uint8_t *buffer, size_t size)
{
    if (stream->early->len > 0 && stream->stage == STREAM_OPEN) {
        size = MIN(size, stream->early->len);
        memcpy(buffer, stream->early->data, size);
        g_byte_array_remove_range(stream->early, 0, (guint)size);
        return (ssize_t)size;
    }
    if (stream->tls) {
        return tls_session_read(stream->tls, buffer, size);
    }
    ssize_t count = stream->is_unix ? receive_with_fds(stream, buffer, size)
                                    : recv(stream->fd, buffer, size, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    return count > 0 ? count : -1;
}

static ssize_t raw_write(Stream *stream, const uint8_t *bytes, size_t count)
{
    if (stream->tls) {
        return tls_session_write(stream->tls, bytes, count);
    }
    ssize_t sent = send(stream->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    return sent;
}

bool stream_flush(Stream *stream)
{
    while (stream->pending->len > 0) {
        ssize_t sent = raw_write(stream, stream->pending->data, stream->pending->len);
        if (sent < 0) {
            return false;
        }
        if (sent == 0) {
            return true;
        }
        g_byte_array_remove_range(stream->pending, 0, (guint)sent);
    }
    return !stream->is_ending;
}

/* -- Handshakes -------------------------------------------------------------------------------- */

static bool websocket_step(Stream *stream, Error **err)
{
    uint8_t buffer[1024];
    size_t used = 0;
    ssize_t count = raw_read(stream, buffer, sizeof(buffer));

    if (count < 0) {
        return error_set(err, "the client left during the WebSocket handshake");
    }
    g_byte_array_append(stream->early, buffer, (guint)count);
    switch (websocket_handshake(stream->early->data, stream->early->len, stream->pending, &used)) {
    case WEBSOCKET_REFUSED:
        stream_flush(stream);
        return error_set(err, "the client's request is no WebSocket handshake");
    case WEBSOCKET_ACCEPTED:
        g_byte_array_remove_range(stream->early, 0, (guint)used);
        stream->stage = STREAM_OPEN;
        break;
    case WEBSOCKET_MORE:
        break;
    }
    return true;
}

static bool tls_step(Stream *stream, Error **err)
{
    TlsStatus status = tls_session_handshake(stream->tls, err);

    stream->wants_write = status == TLS_WANTS_WRITE;
    if (status == TLS_DONE) {
        stream->stage = stream->is_websocket ? STREAM_WEBSOCKET : STREAM_OPEN;
    }
    return status != TLS_FAILED;
}

bool stream_handshake(Stream *stream, Error **err)
{
    if (stream->stage == STREAM_TLS && !tls_step(stream, err)) {
        return false;
    }
    while (stream->stage == STREAM_WEBSOCKET) {
        if (!websocket_step(stream, err)) {
            return false;
        }
        if (!stream->tls || tls_session_pending(stream->tls) == 0) {
            break; /* the socket tells when there is more */
        }
    }
    if (stream->stage == STREAM_OPEN && stream->is_telnet) {
        g_byte_array_append(stream->pending, telnet_greeting, sizeof(telnet_greeting));
    }
    if (stream->stage == STREAM_OPEN && !stream_flush(stream)) {
        return error_set(err, "the other side left");
    }
    return true;
}

/* -- Data -------------------------------------------------------------------------------------- */

ssize_t stream_read(Stream *stream, uint8_t *buffer, size_t size, unsigned *ret_breaks)
{
    *ret_breaks = 0;
    ssize_t count = raw_read(stream, buffer, size);
    if (count <= 0) {
        return count;
    }
    if (stream->is_telnet) {
        return (ssize_t)telnet_filter(&stream->telnet, buffer, (size_t)count, ret_breaks);
    }
    if (!stream->is_websocket) {
        return count;
    }
    size_t kept = websocket_decode(&stream->websocket, buffer, (size_t)count, stream->pending);
    stream->is_ending = stream->websocket.is_closed;
    return (ssize_t)kept;
}

/* 0xff goes out twice. */
static void encode_telnet(GByteArray *out, const uint8_t *bytes, size_t count)
{
    static const uint8_t escape = TELNET_IAC;

    while (count > 0) {
        const uint8_t *next = memchr(bytes, TELNET_IAC, count);
        size_t plain = next ? (size_t)(next - bytes) + 1 : count;
        g_byte_array_append(out, bytes, (guint)plain);
        if (next) {
            g_byte_array_append(out, &escape, 1);
        }
        bytes += plain;
        count -= plain;
    }
}

static void encode(Stream *stream, const uint8_t *bytes, size_t count)
{
    if (stream->is_websocket) {
        websocket_encode(stream->pending, bytes, count);
    } else if (stream->is_telnet) {
        encode_telnet(stream->pending, bytes, count);
    } else {
        g_byte_array_append(stream->pending, bytes, (guint)count);
    }
}

ssize_t stream_write(Stream *stream, const uint8_t *bytes, size_t count)
{
    bool is_plain = !stream->tls && !stream->is_telnet && !stream->is_websocket;
    size_t taken = 0;

    if (!stream_flush(stream)) {
        return -1;
    }
    if (is_plain && stream->pending->len == 0) {
        return raw_write(stream, bytes, count);
    }
    while (taken < count && stream->pending->len == 0) {
        size_t chunk = MIN(count - taken, CHUNK);
        encode(stream, bytes + taken, chunk);
        taken += chunk;
        if (!stream_flush(stream)) {
            return -1;
        }
    }
    return (ssize_t)taken;
}

bool stream_wants_write(const Stream *stream)
{
    return stream->wants_write || stream->pending->len > 0;
}

/* Who asks and does not read the answers is not asked on. */
bool stream_can_read(const Stream *stream)
{
    return stream->pending->len < STREAM_PENDING_MAX && !stream->is_ending;
}

bool stream_has_input(const Stream *stream)
{
    return stream->stage == STREAM_OPEN && stream_can_read(stream) &&
           (stream->early->len > 0 || (stream->tls && tls_session_pending(stream->tls) > 0));
}

int stream_take_fd(Stream *stream)
{
    return stream->fd_next < stream->fd_count ? stream->fds[stream->fd_next++] : -1;
}
