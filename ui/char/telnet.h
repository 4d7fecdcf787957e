/* SPDX-License-Identifier: MIT */
/* Telnet: its commands taken out of what a client sends (RFC 854, 856, 857, 858). */
#ifndef UI_CHAR_TELNET_H
#define UI_CHAR_TELNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TELNET_IAC 0xff

typedef struct Telnet {
    enum { TELNET_DATA, TELNET_COMMAND, TELNET_OPTION, TELNET_SUB, TELNET_SUB_IAC } state;
    uint8_t verb;    /* WILL, WONT, DO, DONT before its option */
    bool is_binary;  /* the client has agreed to send 8 bits */
    bool saw_return; /* the NUL after a CR is no character */
} Telnet;

/* What we say first: we echo, no go-ahead, 8 bits both ways. */
extern const uint8_t telnet_greeting[12];

void telnet_reset(Telnet *telnet);

/* Takes commands out of bytes[0..count) in place; returns what is left, counts breaks. */
size_t telnet_filter(Telnet *telnet, uint8_t *bytes, size_t count, unsigned *ret_breaks);

#endif
