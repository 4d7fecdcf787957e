/* SPDX-License-Identifier: MIT */
/* Stream: a connected socket with what may lie on it: TLS, WebSocket or telnet. Never waits. */
#ifndef UI_CHAR_STREAM_H
#define UI_CHAR_STREAM_H

#include "telnet.h"
#include "util/tls.h"
#include "websocket.h"

#define STREAM_FDS 16
#define STREAM_PENDING_MAX (64 * 1024)

typedef enum StreamStage { STREAM_TLS, STREAM_WEBSOCKET, STREAM_OPEN } StreamStage;

typedef struct Stream {
    int fd; /* -1: none */
    StreamStage stage;
    bool is_unix, is_telnet, is_websocket;
    bool wants_write; /* the TLS handshake does */
    bool is_ending;   /* what is pending goes out, then it is the end */
    TlsSession *tls;
    Telnet telnet;
    Websocket websocket;
    GByteArray *early;   /* read with the WebSocket request and not yet asked for */
    GByteArray *pending; /* encoded and not yet sent */
    int fds[STREAM_FDS]; /* came with the last message that had any */
    unsigned fd_count, fd_next;
} Stream;

/* Takes over `fd` and, if not NULL, a TLS session on it. */
void stream_init(Stream *stream, int fd, TlsSession *tls, bool is_telnet, bool is_websocket);
/* Closes all; fine for one that was never open (fd -1). */
void stream_close(Stream *stream);

/* The next step of the handshakes: true until one fails; `stage` tells how far they are. */
bool stream_handshake(Stream *stream, Error **err);

/* Payload; 0: none now; -1: the end. `size` is at most what the reader can take. stream_flush() has
 * to follow: a client may have asked something. */
ssize_t stream_read(Stream *stream, uint8_t *buffer, size_t size, unsigned *ret_breaks);
/* How many of the bytes were taken, 0..count; -1: the end. */
ssize_t stream_write(Stream *stream, const uint8_t *bytes, size_t count);
/* Sends what is pending; false: the end. */
bool stream_flush(Stream *stream);

/* Whether the socket's being writable, or readable, is of interest. */
bool stream_wants_write(const Stream *stream);
bool stream_can_read(const Stream *stream);
/* There is input that no poll reports. */
bool stream_has_input(const Stream *stream);

/* The next descriptor that came, the caller's now; -1: none. */
int stream_take_fd(Stream *stream);

#endif
