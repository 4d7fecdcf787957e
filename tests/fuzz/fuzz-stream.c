/* SPDX-License-Identifier: MIT */
/*
 * What strangers may send to a telnet or WebSocket server:
 *
 *     FUZZ_SECONDS=60 FUZZ_SEED=1234 build/tests/fuzz-stream
 *
 * Bytes are made of valid pieces, some of them damaged. How they are cut into reads must not
 * matter: at once and in pieces give the same payload and the same answers. A valid sequence of
 * WebSocket frames gives exactly what was put into it.
 */
#include "ui/char/telnet.h"
#include "ui/char/websocket.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_SECONDS 10
#define REPLY_MAX (1 << 20)

static GRand *random_source;

static guint below(guint limit)
{
    return (guint)g_rand_int_range(random_source, 0, (gint32)limit);
}

static void append_byte(GByteArray *out, guint byte)
{
    guint8 value = (guint8)byte;

    g_byte_array_append(out, &value, 1);
}

static void append_noise(GByteArray *out, guint count)
{
    while (count-- > 0) {
        append_byte(out, below(256));
    }
}

/* Changes, removes or doubles some bytes. */
static void damage(GByteArray *bytes)
{
    for (guint times = 1 + below(3); times > 0 && bytes->len > 0; times--) {
        guint at = below(bytes->len);
        switch (below(3)) {
        case 0:
            bytes->data[at] ^= (guint8)(1u << below(8));
            break;
        case 1:
            g_byte_array_remove_index(bytes, at);
            break;
        default:
            append_byte(bytes, bytes->data[at]);
        }
    }
}

/* -- WebSocket frames -------------------------------------------------------------------------- */

static void append_frame(GByteArray *out, guint8 first, const guint8 *payload, guint size)
{
    guint8 mask[4];

    append_byte(out, first);
    if (size < 126 && below(4)) {
        append_byte(out, 0x80 | size);
    } else if (below(4)) {
        append_byte(out, 0x80 | 126);
        append_byte(out, size >> 8);
        append_byte(out, size & 0xff);
    } else {
        append_byte(out, 0x80 | 127);
        for (guint i = 0; i < 8; i++) {
            append_byte(out, i < 6 ? 0 : size >> (8 * (7 - i)) & 0xff);
        }
    }
    for (guint i = 0; i < 4; i++) {
        mask[i] = (guint8)below(256);
    }
    g_byte_array_append(out, mask, 4);
    for (guint i = 0; i < size; i++) {
        append_byte(out, payload[i] ^ mask[i & 3]);
    }
}

/* Some messages in one or several frames, pings between them; `expected` collects the payload. */
static void append_messages(GByteArray *out, GByteArray *expected)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    for (guint parts = 1 + below(6), in_message = 0; parts > 0; parts--) {
        if (below(3) == 0) {
            g_byte_array_set_size(payload, 0);
            append_noise(payload, below(126));
            append_frame(out, below(2) ? 0x89 : 0x8a, payload->data, payload->len);
        }
        guint is_last = parts == 1 || below(2);
        g_byte_array_set_size(payload, 0);
        append_noise(payload, below(8) ? below(40) : below(3000));
        append_frame(out, (guint8)((is_last ? 0x80 : 0) | (in_message ? 0 : 1 + below(2))),
                     payload->data, payload->len);
        g_byte_array_append(expected, payload->data, payload->len);
        in_message = !is_last;
    }
}

typedef struct Decoded {
    GByteArray *payload, *reply;
    bool is_closed;
} Decoded;

/* In pieces of at most `piece` bytes. */
static Decoded decode_frames(const GByteArray *in, guint piece)
{
    Decoded decoded = {g_byte_array_new(), g_byte_array_new(), false};
    Websocket websocket = {0};

    for (guint at = 0; at < in->len;) {
        guint size = 1 + below(piece);
        size = MIN(size, in->len - at);
        g_autofree guint8 *bytes = g_memdup2(in->data + at, size);
        size_t kept = websocket_decode(&websocket, bytes, size, decoded.reply);
        g_assert_cmpuint(kept, <=, size);
        g_byte_array_append(decoded.payload, bytes, (guint)kept);
        at += size;
    }
    g_assert_cmpuint(decoded.reply->len, <, REPLY_MAX);
    decoded.is_closed = websocket.is_closed;
    return decoded;
}

static void free_decoded(Decoded *decoded)
{
    g_byte_array_unref(decoded->payload);
    g_byte_array_unref(decoded->reply);
}

static void assert_same(const GByteArray *a, const GByteArray *b)
{
    g_assert_cmpmem(a->data, a->len, b->data, b->len);
}

static void frames_case(void)
{
    g_autoptr(GByteArray) in = g_byte_array_new(), expected = g_byte_array_new();
    guint kind = below(4);

    if (kind == 0) {
        append_noise(in, below(400));
    } else {
        append_messages(in, expected);
    }
    if (kind == 1) {
        damage(in);
    }
    Decoded whole = decode_frames(in, 1 << 20), pieces = decode_frames(in, 1 + below(50));
    assert_same(whole.payload, pieces.payload);
    assert_same(whole.reply, pieces.reply);
    g_assert_cmpint(whole.is_closed, ==, pieces.is_closed);
    if (kind > 1) {
        assert_same(whole.payload, expected);
        g_assert_false(whole.is_closed);
    }
    free_decoded(&whole);
    free_decoded(&pieces);
}

/* -- WebSocket handshake ----------------------------------------------------------------------- */

static void append_text(GByteArray *out, const char *text)
{
    g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
}

static void append_request(GByteArray *out)
{
    static const char *const lines[] = {"Host: x",
                                        "Upgrade: websocket",
                                        "Connection: keep-alive, Upgrade",
                                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                                        "Sec-WebSocket-Version: 13",
                                        "Sec-WebSocket-Protocol: binary, base64",
                                        "Cookie: ,,,===",
                                        ":",
                                        ""};

    append_text(out, below(10) ? "GET / HTTP/1.1\r\n" : "\r\n");
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        if (below(10)) {
            append_text(out, lines[i]);
            append_text(out, "\r\n");
        }
    }
}

/* With a few bytes more than the request the result is the same; with fewer there is none. */
static void handshake_case(void)
{
    g_autoptr(GByteArray) in = g_byte_array_new(), reply = g_byte_array_new();
    g_autoptr(GByteArray) again = g_byte_array_new();
    size_t used = 0, used_again = 0;

    append_request(in);
    if (below(2)) {
        damage(in);
    }
    append_noise(in, below(20) ? below(20) : 9000);
    WebsocketStatus status = websocket_handshake(in->data, in->len, reply, &used);
    if (status == WEBSOCKET_MORE) {
        g_assert_cmpuint(reply->len, ==, 0);
        return;
    }
    g_assert_true(g_str_has_prefix((char *)reply->data, "HTTP/1.1 "));
    if (status == WEBSOCKET_ACCEPTED) {
        g_assert_cmpuint(used, <=, in->len);
        g_assert_cmpint(websocket_handshake(in->data, used, again, &used_again), ==, status);
        g_assert_cmpuint(used_again, ==, used);
        assert_same(reply, again);
        g_byte_array_set_size(again, 0);
        g_assert_cmpint(websocket_handshake(in->data, used - 1, again, &used_again), ==,
                        WEBSOCKET_MORE);
    }
}

/* -- Telnet ------------------------------------------------------------------------------------ */

static GByteArray *filter(const GByteArray *in, guint piece, guint *ret_breaks)
{
    GByteArray *out = g_byte_array_new();
    Telnet telnet;

    telnet_reset(&telnet);
    *ret_breaks = 0;
    for (guint at = 0; at < in->len;) {
        guint size = 1 + below(piece);
        size = MIN(size, in->len - at);
        unsigned breaks;
        g_autofree guint8 *bytes = g_memdup2(in->data + at, size);
        size_t kept = telnet_filter(&telnet, bytes, size, &breaks);
        g_assert_cmpuint(kept, <=, size);
        g_byte_array_append(out, bytes, (guint)kept);
        *ret_breaks += breaks;
        at += size;
    }
    return out;
}

static void telnet_case(void)
{
    static const guint8 likely[] = {255, 255, 240, 243, 250, 251, 252, 253, 254, 0, 1, '\r', 'x'};
    g_autoptr(GByteArray) in = g_byte_array_new();
    guint breaks, breaks_again;

    for (guint count = below(300); count > 0; count--) {
        append_byte(in, below(4) ? likely[below(G_N_ELEMENTS(likely))] : below(256));
    }
    g_autoptr(GByteArray) whole = filter(in, 1 << 20, &breaks);
    g_autoptr(GByteArray) pieces = filter(in, 1 + below(5), &breaks_again);
    assert_same(whole, pieces);
    g_assert_cmpuint(breaks, ==, breaks_again);
}

/* -- Running ----------------------------------------------------------------------------------- */

static guint64 number_of(const char *variable, guint64 otherwise)
{
    const char *text = g_getenv(variable);
    guint64 number = text ? g_ascii_strtoull(text, NULL, 10) : 0;

    return number ? number : otherwise;
}

static void test_fuzz(void)
{
    gint64 end = g_get_monotonic_time() +
                 (gint64)number_of("FUZZ_SECONDS", DEFAULT_SECONDS) * G_USEC_PER_SEC;
    guint64 cases = 0;

    while (g_get_monotonic_time() < end) {
        frames_case();
        handshake_case();
        telnet_case();
        cases += 3;
    }
    g_test_message("%" G_GUINT64_FORMAT " cases", cases);
    g_assert_cmpuint(cases, >, 0);
}

int main(int argc, char **argv)
{
    guint32 seed = (guint32)number_of("FUZZ_SEED", (guint64)g_get_real_time());

    g_test_init(&argc, &argv, NULL);
    random_source = g_rand_new_with_seed(seed);
    g_printerr("FUZZ_SEED=%u\n", seed);
    g_test_add_func("/fuzz-stream", test_fuzz);
    return g_test_run();
}
