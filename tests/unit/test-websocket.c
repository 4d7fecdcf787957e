/* SPDX-License-Identifier: MIT */
/* WebSocket on bytes in memory: the handshake, and what RFC 6455 says of frames. */
#include "ui/char/websocket.h"

#include <string.h>

/* -- Handshake --------------------------------------------------------------------------------- */

#define REQUEST                                                                                    \
    "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"                     \
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"           \
    "Sec-WebSocket-Version: 13\r\n"

static WebsocketStatus ask(const char *request, char **ret_reply, size_t *ret_used)
{
    g_autoptr(GByteArray) reply = g_byte_array_new();
    WebsocketStatus status =
        websocket_handshake((const uint8_t *)request, strlen(request), reply, ret_used);

    *ret_reply = g_strndup((char *)reply->data, reply->len);
    return status;
}

/* The example of RFC 6455, section 1.3. */
static void test_accepted(void)
{
    g_autofree char *reply = NULL, *with_protocol = NULL;
    size_t used = 0;

    g_assert_cmpint(ask(REQUEST "\r\nframe", &reply, &used), ==, WEBSOCKET_ACCEPTED);
    g_assert_cmpuint(used, ==, strlen(REQUEST "\r\n"));
    g_assert_cmpstr(reply, ==,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                    "\r\n");
    g_assert_cmpint(
        ask(REQUEST "sec-websocket-protocol: base64,  binary\r\n\r\n", &with_protocol, &used), ==,
        WEBSOCKET_ACCEPTED);
    g_assert_true(
        g_str_has_suffix(with_protocol, "xOo=\r\nSec-WebSocket-Protocol: binary\r\n\r\n"));
}

static void check_refused(const char *request, const char *status_line)
{
    g_autofree char *reply = NULL;
    size_t used = 0;

    g_assert_cmpint(ask(request, &reply, &used), ==, WEBSOCKET_REFUSED);
    g_assert_true(g_str_has_prefix(reply, status_line));
    g_assert_true(g_str_has_suffix(reply, "\r\n\r\n"));
}

static void test_refused(void)
{
    g_autofree char *none = NULL;
    size_t used;

    g_assert_cmpint(ask(REQUEST, &none, &used), ==, WEBSOCKET_MORE);
    g_assert_null(none);
    check_refused("\r\n\r\n", "HTTP/1.1 400 ");
    check_refused("POST / HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ");
    check_refused("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ");
    check_refused("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                  "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 8\r\n\r\n",
                  "HTTP/1.1 426 ");
    g_autofree char *endless = g_strnfill(WEBSOCKET_REQUEST_MAX, 'x');
    check_refused(endless, "HTTP/1.1 431 ");
}

/* -- Frames ------------------------------------------------------------------------------------ */

/* A client's frame: header bytes as hexadecimal text, then payload under the mask. */
static void add_frame(GByteArray *out, uint8_t first, const char *payload)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t size = strlen(payload);
    uint8_t header[4] = {first, (uint8_t)(0x80 | (size < 126 ? size : 126)), (uint8_t)(size >> 8),
                         (uint8_t)size};

    g_byte_array_append(out, header, size < 126 ? 2 : 4);
    g_byte_array_append(out, mask, 4);
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)payload[i] ^ mask[i % 4];
        g_byte_array_append(out, &byte, 1);
    }
}

static void decode(Websocket *websocket, const GByteArray *in, const char *payload,
                   const void *reply, size_t reply_size)
{
    g_autoptr(GByteArray) answer = g_byte_array_new();
    g_autofree uint8_t *bytes = g_memdup2(in->data, in->len);
    size_t kept = websocket_decode(websocket, bytes, in->len, answer);

    g_assert_cmpmem(bytes, kept, payload, strlen(payload));
    g_assert_cmpmem(answer->data, answer->len, reply, reply_size);
}

static void test_frames(void)
{
    g_autoptr(GByteArray) in = g_byte_array_new();
    g_autofree char *large = g_strnfill(300, 'L');
    g_autofree char *all = g_strconcat("Hello, world", large, "end", NULL);
    Websocket websocket = {0};

    add_frame(in, 0x82, "Hello");
    add_frame(in, 0x01, ", ");   /* text, not the last */
    add_frame(in, 0x89, "ping"); /* inside of a message */
    add_frame(in, 0x00, "wor");
    add_frame(in, 0x80, "ld");
    add_frame(in, 0x82, "");
    add_frame(in, 0x8a, "pong");
    add_frame(in, 0x82, large);
    add_frame(in, 0x82, "end");
    decode(&websocket, in, all, "\x8a\x04ping", 6);
    g_assert_false(websocket.is_closed);
    g_byte_array_set_size(in, 0);
    add_frame(in, 0x88, "\x03\xe8 bye");
    add_frame(in, 0x82, "too late");
    decode(&websocket, in, "", "\x88\x02\x03\xe8", 4);
    g_assert_true(websocket.is_closed);
}

static void check_broken(const char *frame, size_t size)
{
    g_autoptr(GByteArray) in = g_byte_array_new();
    Websocket websocket = {0};

    g_byte_array_append(in, (const uint8_t *)frame, (guint)size);
    decode(&websocket, in, "", "\x88\x02\x03\xea", 4);
    g_assert_true(websocket.is_closed);
}

static void test_broken_frames(void)
{
    check_broken("\x82\x01", 2);                                      /* no mask */
    check_broken("\xc2\x81mask", 6);                                  /* a reserved bit */
    check_broken("\x83\x81mask", 6);                                  /* a reserved opcode */
    check_broken("\x80\x81mask", 6);                                  /* continues nothing */
    check_broken("\x09\x81mask", 6);                                  /* a ping in parts */
    check_broken("\x89\xfe\x00\x7emask", 8);                          /* a ping of 126 bytes */
    check_broken("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00mask", 14); /* 2^63 */
}

static void test_encode(void)
{
    static const size_t sizes[] = {0, 125, 126, 65535, 65536};
    static const char *const headers[] = {"\x82\x00", "\x82\x7d", "\x82\x7e\x00\x7e",
                                          "\x82\x7e\xff\xff",
                                          "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"};
    static const size_t header_sizes[] = {2, 2, 4, 4, 10};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GByteArray) out = g_byte_array_new();
        g_autofree uint8_t *payload = g_malloc0(sizes[i] + 1);
        websocket_encode(out, payload, sizes[i]);
        g_assert_cmpuint(out->len, ==, sizes[i] + header_sizes[i]);
        g_assert_cmpmem(out->data, header_sizes[i], headers[i], header_sizes[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/websocket/accepted", test_accepted);
    g_test_add_func("/websocket/refused", test_refused);
    g_test_add_func("/websocket/frames", test_frames);
    g_test_add_func("/websocket/broken-frames", test_broken_frames);
    g_test_add_func("/websocket/encode", test_encode);
    return g_test_run();
}
