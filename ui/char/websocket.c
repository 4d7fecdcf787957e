/* SPDX-License-Identifier: MIT */
/* The server's side of WebSocket (RFC 6455). */
#include "websocket.h"

#include <string.h>

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* section 1.3 */

enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };
enum {
    OP_CONTINUATION = 0,
    OP_TEXT = 1,
    OP_BINARY = 2,
    OP_CLOSE = 8,
    OP_PING = 9,
    OP_PONG = 10,
    OP_IS_CONTROL = 8
};
enum { LENGTH_16 = 126, LENGTH_64 = 127 };

/* -- Handshake --------------------------------------------------------------------------------- */

/* The value of a header, several joined by commas; NULL: not there. Caller frees. */
static char *find_header(char **lines, const char *name)
{
    GString *value = NULL;

    for (char **line = lines; *line; line++) {
        const char *colon = strchr(*line, ':');
        if (!colon || (size_t)(colon - *line) != strlen(name) ||
            g_ascii_strncasecmp(*line, name, strlen(name)) != 0) {
            continue;
        }
        g_autofree char *stripped = g_strstrip(g_strdup(colon + 1));
        value = value ? g_string_append(value, ",") : g_string_new(NULL);
        g_string_append(value, stripped);
    }
    return value ? g_string_free(value, FALSE) : NULL;
}

/* True when one of the comma-separated items is `word`, in any case. */
static bool has_item(const char *list, const char *word)
{
    g_auto(GStrv) items = g_strsplit(list ? list : "", ",", -1);

    for (char **item = items; *item; item++) {
        if (g_ascii_strcasecmp(g_strstrip(*item), word) == 0) {
            return true;
        }
    }
    return false;
}

static void append_text(GByteArray *out, const char *text)
{
    g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
}

static WebsocketStatus refuse(GByteArray *reply, const char *status)
{
    g_autofree char *text =
        g_strdup_printf("HTTP/1.1 %s\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n"
                        "Content-Length: 0\r\n\r\n",
                        status);

    append_text(reply, text);
    return WEBSOCKET_REFUSED;
}

static char *accept_value(const char *key)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA1);
    guint8 digest[20];
    gsize size = sizeof(digest);

    g_checksum_update(checksum, (const guchar *)key, -1);
    g_checksum_update(checksum, (const guchar *)ACCEPT_GUID, -1);
    g_checksum_get_digest(checksum, digest, &size);
    return g_base64_encode(digest, size);
}

static WebsocketStatus answer(char **lines, GByteArray *reply)
{
    g_autofree char *upgrade = find_header(lines, "Upgrade");
    g_autofree char *connection = find_header(lines, "Connection");
    g_autofree char *version = find_header(lines, "Sec-WebSocket-Version");
    g_autofree char *key = find_header(lines, "Sec-WebSocket-Key");
    g_autofree char *protocols = find_header(lines, "Sec-WebSocket-Protocol");

    if (!g_str_has_prefix(lines[0], "GET ") || !g_str_has_suffix(lines[0], " HTTP/1.1")) {
        return refuse(reply, "405 Method Not Allowed");
    }
    if (!has_item(upgrade, "websocket") || !has_item(connection, "upgrade") || !key || !*key) {
        return refuse(reply, "400 Bad Request");
    }
    if (!version || !g_str_equal(version, "13")) {
        return refuse(reply, "426 Upgrade Required");
    }
    g_autofree char *accept = accept_value(key);
    g_autofree char *text = g_strdup_printf(
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n%s\r\n",
        accept, has_item(protocols, "binary") ? "Sec-WebSocket-Protocol: binary\r\n" : "");
    append_text(reply, text);
    return WEBSOCKET_ACCEPTED;
}

WebsocketStatus websocket_handshake(const uint8_t *request, size_t size, GByteArray *reply,
                                    size_t *ret_used)
{
    static const char end[] = "\r\n\r\n";
    size_t visible = MIN(size, WEBSOCKET_REQUEST_MAX);
    const uint8_t *found = memmem(request, visible, end, strlen(end));

    if (!found) {
        return visible < WEBSOCKET_REQUEST_MAX
                   ? WEBSOCKET_MORE
                   : refuse(reply, "431 Request Header Fields Too Large");
    }
    size_t head = (size_t)(found - request);
    if (memchr(request, 0, head)) {
        return refuse(reply, "400 Bad Request");
    }
    g_autofree char *text = g_strndup((const char *)request, head);
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    *ret_used = head + strlen(end);
    return lines[0] ? answer(lines, reply) : refuse(reply, "400 Bad Request");
}

/* -- Frames ------------------------------------------------------------------------------------ */

static void append_header(GByteArray *out, uint8_t opcode, size_t count)
{
    uint8_t header[10] = {(uint8_t)(FIN | opcode)};
    unsigned size = 2;

    if (count < LENGTH_16) {
        header[1] = (uint8_t)count;
    } else {
        unsigned bytes = count <= UINT16_MAX ? 2 : 8;
        header[1] = bytes == 2 ? LENGTH_16 : LENGTH_64;
        for (unsigned i = 0; i < bytes; i++) {
            header[2 + i] = (uint8_t)((uint64_t)count >> (8 * (bytes - 1 - i)));
        }
        size += bytes;
    }
    g_byte_array_append(out, header, size);
}

void websocket_encode(GByteArray *out, const uint8_t *bytes, size_t count)
{
    append_header(out, OP_BINARY, count);
    g_byte_array_append(out, bytes, (guint)count);
}

/* Bytes the header needs, as far as it is known. */
static unsigned header_needs(const Websocket *websocket)
{
    if (websocket->header_size < 2) {
        return 2;
    }
    uint8_t length = websocket->header[1] & LENGTH;
    unsigned mask = websocket->header[1] & MASKED ? 4 : 0;
    return 2 + mask + (length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0);
}

static uint8_t opcode_of(const Websocket *websocket)
{
    return websocket->header[0] & OPCODE;
}

static uint64_t payload_size(const Websocket *websocket)
{
    uint8_t length = websocket->header[1] & LENGTH;
    unsigned bytes = length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0;
    uint64_t size = 0;

    for (unsigned i = 0; i < bytes; i++) {
        size = size << 8 | websocket->header[2 + i];
    }
    return bytes ? size : length;
}

/* What RFC 6455 says of a client's frames, section 5. */
static bool is_valid(const Websocket *websocket)
{
    bool is_final = websocket->header[0] & FIN;
    uint8_t opcode = opcode_of(websocket);

    if (websocket->header[0] & RESERVED || !(websocket->header[1] & MASKED) ||
        websocket->payload_left >> 63) {
        return false;
    }
    switch (opcode) {
    case OP_CONTINUATION:
        return websocket->in_message;
    case OP_TEXT:
    case OP_BINARY:
        return !websocket->in_message;
    case OP_CLOSE:
    case OP_PING:
    case OP_PONG:
        return is_final && websocket->payload_left <= WEBSOCKET_CONTROL_MAX;
    default:
        return false;
    }
}

static void append_control(GByteArray *reply, uint8_t opcode, const uint8_t *bytes, size_t count)
{
    append_header(reply, opcode, count);
    g_byte_array_append(reply, bytes, (guint)count);
}

static void fail(Websocket *websocket, GByteArray *reply)
{
    static const uint8_t protocol_error[] = {1002 >> 8, 1002 & 0xff};

    websocket->is_closed = true;
    append_control(reply, OP_CLOSE, protocol_error, sizeof(protocol_error));
}

static void frame_ended(Websocket *websocket, GByteArray *reply)
{
    uint8_t opcode = opcode_of(websocket);

    if (opcode == OP_CLOSE) {
        websocket->is_closed = true;
        append_control(reply, OP_CLOSE, websocket->control, MIN(websocket->control_size, 2));
    } else if (opcode == OP_PING) {
        append_control(reply, OP_PONG, websocket->control, websocket->control_size);
    } else if (opcode < OP_IS_CONTROL) {
        websocket->in_message = !(websocket->header[0] & FIN);
    }
    websocket->in_payload = false;
    websocket->header_size = 0;
}

static void take_header_byte(Websocket *websocket, uint8_t byte, GByteArray *reply)
{
    websocket->header[websocket->header_size++] = byte;
    if (websocket->header_size < header_needs(websocket)) {
        return;
    }
    websocket->in_payload = true;
    websocket->payload_left = payload_size(websocket);
    websocket->payload_done = 0;
    websocket->control_size = 0;
    if (!is_valid(websocket)) {
        fail(websocket, reply);
    } else if (websocket->payload_left == 0) {
        frame_ended(websocket, reply);
    }
}

size_t websocket_decode(Websocket *websocket, uint8_t *bytes, size_t count, GByteArray *reply)
{
    size_t kept = 0;

    for (size_t i = 0; i < count && !websocket->is_closed; i++) {
        if (!websocket->in_payload) {
            take_header_byte(websocket, bytes[i], reply);
            continue;
        }
        const uint8_t *mask = websocket->header + websocket->header_size - 4;
        uint8_t byte = bytes[i] ^ mask[websocket->payload_done++ & 3];
        if (opcode_of(websocket) >= OP_IS_CONTROL) {
            websocket->control[websocket->control_size++] = byte;
        } else {
            bytes[kept++] = byte;
        }
        if (--websocket->payload_left == 0) {
            frame_ended(websocket, reply);
        }
    }
    return kept;
}
