/* SPDX-License-Identifier: MIT */
/* Framing of gdb's remote protocol: "Debugging with GDB", appendix E.1. */
#include "softmmu/gdbstub/packet.h"

#define INTERRUPT 0x03
#define ESCAPE '}'
#define ESCAPE_XOR 0x20

int packet_digit(uint8_t character)
{
    return g_ascii_xdigit_value((char)character);
}

static PacketEvent idle(PacketParser *parser, uint8_t byte)
{
    switch (byte) {
    case '$':
        parser->state = PACKET_DATA;
        parser->size = 0;
        parser->sum = 0;
        parser->too_long = false;
        return PACKET_NOTHING;
    case '+':
        return PACKET_ACK;
    case '-':
        return PACKET_NAK;
    case INTERRUPT:
        return PACKET_INTERRUPT;
    default:
        return PACKET_NOTHING;
    }
}

static void store(PacketParser *parser, uint8_t byte)
{
    if (parser->size == PACKET_MAX) {
        parser->too_long = true;
    } else {
        parser->data[parser->size++] = byte;
    }
}

static void data(PacketParser *parser, uint8_t byte)
{
    if (byte == '$') { /* the one before was cut off */
        parser->state = PACKET_IDLE;
        idle(parser, byte);
        return;
    }
    if (byte == '#') {
        parser->state = PACKET_SUM_HIGH;
        return;
    }
    parser->sum = (uint8_t)(parser->sum + byte);
    if (byte == ESCAPE) {
        parser->state = PACKET_ESCAPED;
    } else {
        store(parser, byte);
    }
}

static PacketEvent finish(PacketParser *parser, int digit)
{
    bool is_right = digit >= 0 && (parser->wanted | digit) == parser->sum && !parser->too_long;

    parser->state = PACKET_IDLE;
    parser->data[parser->size] = 0;
    return is_right ? PACKET_COMPLETE : PACKET_BAD;
}

PacketEvent packet_feed(PacketParser *parser, uint8_t byte)
{
    int digit = packet_digit(byte);

    switch (parser->state) {
    case PACKET_IDLE:
        return idle(parser, byte);
    case PACKET_DATA:
        data(parser, byte);
        return PACKET_NOTHING;
    case PACKET_ESCAPED:
        parser->sum = (uint8_t)(parser->sum + byte);
        store(parser, byte ^ ESCAPE_XOR);
        parser->state = PACKET_DATA;
        return PACKET_NOTHING;
    case PACKET_SUM_HIGH:
        if (digit < 0) {
            return finish(parser, -1);
        }
        parser->wanted = (uint8_t)(digit << 4);
        parser->state = PACKET_SUM_LOW;
        return PACKET_NOTHING;
    default:
        return finish(parser, digit);
    }
}

GString *packet_encode(const void *data, size_t size)
{
    GString *packet = g_string_sized_new(size + 4);
    const uint8_t *bytes = data;
    uint8_t sum = 0;

    g_string_append_c(packet, '$');
    for (size_t i = 0; i < size; i++) {
        bool escaped = bytes[i] == '#' || bytes[i] == '$' || bytes[i] == '*' || bytes[i] == ESCAPE;
        uint8_t byte = escaped ? bytes[i] ^ ESCAPE_XOR : bytes[i];

        if (escaped) {
            g_string_append_c(packet, ESCAPE);
            sum = (uint8_t)(sum + ESCAPE);
        }
        g_string_append_c(packet, (char)byte);
        sum = (uint8_t)(sum + byte);
    }
    g_string_append_printf(packet, "#%02x", sum);
    return packet;
}

bool packet_number(const char **text, uint64_t *ret_value)
{
    const char *start = *text, *next = start;
    uint64_t value = 0;

    while (packet_digit((uint8_t)*next) >= 0) {
        if (value >> 60) {
            return false;
        }
        value = value << 4 | (uint64_t)packet_digit((uint8_t)*next++);
    }
    if (next == start) {
        return false;
    }
    *text = next;
    *ret_value = value;
    return true;
}

bool packet_bytes(const char *text, uint8_t *ret_bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int high = packet_digit((uint8_t)text[2 * i]);
        int low = high < 0 ? -1 : packet_digit((uint8_t)text[2 * i + 1]);

        if (low < 0) {
            return false;
        }
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void packet_append_bytes(GString *text, const void *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        uint8_t byte = ((const uint8_t *)bytes)[i];

        g_string_append_c(text, digits[byte >> 4]);
        g_string_append_c(text, digits[byte & 15]);
    }
}
