/* SPDX-License-Identifier: MIT */
/* Framing of gdb's remote protocol: $data#xx, acknowledged by + and -. */
#ifndef SOFTMMU_GDBSTUB_PACKET_H
#define SOFTMMU_GDBSTUB_PACKET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes between $ and #, as told by qSupported; g with the registers of AVX-512 has 4992. */
#define PACKET_MAX 0x2000

typedef enum PacketEvent {
    PACKET_NOTHING,   /* more bytes are needed, or it is noise */
    PACKET_COMPLETE,  /* parser.data holds a packet: acknowledge by + */
    PACKET_BAD,       /* wrong checksum or too long: ask again by - */
    PACKET_ACK,       /* the client has our last packet */
    PACKET_NAK,       /* the client wants our last packet again */
    PACKET_INTERRUPT, /* Ctrl-C */
} PacketEvent;

/* All zero at rest. */
typedef struct PacketParser {
    enum { PACKET_IDLE, PACKET_DATA, PACKET_ESCAPED, PACKET_SUM_HIGH, PACKET_SUM_LOW } state;
    size_t size;
    bool too_long;
    uint8_t sum, wanted;
    uint8_t data[PACKET_MAX + 1]; /* `size` bytes unescaped, then a 0 */
} PacketParser;

PacketEvent packet_feed(PacketParser *parser, uint8_t byte);

/* The packet that carries these bytes, escaped where needed. */
GString *packet_encode(const void *data, size_t size);

/* -- Hexadecimal numbers of packets ------------------------------------------------------------ */

/* Value of a digit, -1 for none. */
int packet_digit(uint8_t character);
/* Reads digits from *text on and moves it behind them; false: none there or more than 64 bits. */
bool packet_number(const char **text, uint64_t *ret_value);
/* Two digits a byte, exactly `count` bytes. */
bool packet_bytes(const char *text, uint8_t *ret_bytes, size_t count);
void packet_append_bytes(GString *text, const void *bytes, size_t count);

#endif
