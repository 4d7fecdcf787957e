/* SPDX-License-Identifier: MIT */
/* The server's side of WebSocket (RFC 6455): handshake and frames, on bytes in memory. */
#ifndef UI_CHAR_WEBSOCKET_H
#define UI_CHAR_WEBSOCKET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define WEBSOCKET_REQUEST_MAX 8192
#define WEBSOCKET_CONTROL_MAX 125

typedef struct Websocket {
    uint8_t header[14]; /* of the frame that is coming in */
    unsigned header_size;
    bool in_payload;
    uint64_t payload_left;
    uint64_t payload_done; /* for the mask */
    uint8_t control[WEBSOCKET_CONTROL_MAX];
    unsigned control_size;
    bool in_message; /* the last data frame said that more of it comes */
    bool is_closed;  /* a close frame came, or something that is none of RFC 6455 */
} Websocket;

typedef enum WebsocketStatus {
    WEBSOCKET_MORE,
    WEBSOCKET_ACCEPTED,
    WEBSOCKET_REFUSED
} WebsocketStatus;

/*
 * Looks at what a client has sent so far. ACCEPTED and REFUSED append the answer to `reply`;
 * ACCEPTED tells how many bytes the request had, frames follow.
 */
WebsocketStatus websocket_handshake(const uint8_t *request, size_t size, GByteArray *reply,
                                    size_t *ret_used);

/*
 * Takes the frames off bytes[0..count) in place and returns how much payload is left there. What
 * has to be answered (ping, close) is appended to `reply`. Sets is_closed at the end.
 */
size_t websocket_decode(Websocket *websocket, uint8_t *bytes, size_t count, GByteArray *reply);

/* Appends a binary frame with that payload. */
void websocket_encode(GByteArray *out, const uint8_t *bytes, size_t count);

#endif
