/* SPDX-License-Identifier: MIT */
/* Telnet: its commands taken out of what a client sends (RFC 854, 856, 857, 858). */
#include "telnet.h"

enum { SE = 240, BRK = 243, SB = 250, WILL = 251, WONT = 252, DO = 253, DONT = 254 };
enum { OPTION_BINARY = 0, OPTION_ECHO = 1, OPTION_NO_GO_AHEAD = 3 };

const uint8_t telnet_greeting[12] = {
    TELNET_IAC, WILL, OPTION_ECHO,   TELNET_IAC, WILL, OPTION_NO_GO_AHEAD,
    TELNET_IAC, WILL, OPTION_BINARY, TELNET_IAC, DO,   OPTION_BINARY,
};

void telnet_reset(Telnet *telnet)
{
    *telnet = (Telnet){.state = TELNET_DATA};
}

/* True when the byte is data. */
static bool take_data(Telnet *telnet, uint8_t byte)
{
    bool after_return = telnet->saw_return;

    if (byte == TELNET_IAC) {
        telnet->state = TELNET_COMMAND;
        return false;
    }
    telnet->saw_return = byte == '\r' && !telnet->is_binary;
    return !(after_return && byte == 0);
}

static bool take_command(Telnet *telnet, uint8_t byte, unsigned *ret_breaks)
{
    telnet->state = TELNET_DATA;
    switch (byte) {
    case TELNET_IAC:
        return true;
    case BRK:
        (*ret_breaks)++;
        break;
    case SB:
        telnet->state = TELNET_SUB;
        break;
    case WILL:
    case WONT:
    case DO:
    case DONT:
        telnet->verb = byte;
        telnet->state = TELNET_OPTION;
        break;
    }
    return false;
}

static bool take_byte(Telnet *telnet, uint8_t byte, unsigned *ret_breaks)
{
    switch (telnet->state) {
    case TELNET_DATA:
        return take_data(telnet, byte);
    case TELNET_COMMAND:
        return take_command(telnet, byte, ret_breaks);
    case TELNET_OPTION:
        if (byte == OPTION_BINARY && (telnet->verb == WILL || telnet->verb == WONT)) {
            telnet->is_binary = telnet->verb == WILL;
        }
        telnet->state = TELNET_DATA;
        return false;
    case TELNET_SUB:
        if (byte == TELNET_IAC) {
            telnet->state = TELNET_SUB_IAC;
        }
        return false;
    case TELNET_SUB_IAC:
        telnet->state = byte == SE ? TELNET_DATA : TELNET_SUB;
        return false;
    }
    return false;
}

size_t telnet_filter(Telnet *telnet, uint8_t *bytes, size_t count, unsigned *ret_breaks)
{
    size_t kept = 0;

    *ret_breaks = 0;
    for (size_t i = 0; i < count; i++) {
        if (take_byte(telnet, bytes[i], ret_breaks)) {
            bytes[kept++] = bytes[i];
        }
    }
    return kept;
}
