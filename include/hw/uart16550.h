/* SPDX-License-Identifier: MIT */
/* The 16550A UART as a chip, to be embedded by what puts it on a bus. Under the machine lock. */
#ifndef HW_UART16550_H
#define HW_UART16550_H

#include "hw/irq.h"
#include "softmmu/memory.h"
#include "ui/chardev.h"

#define UART_REGISTER_COUNT 8
#define UART_FIFO_SIZE 16

typedef struct Uart {
    Object obj;
    Chardev *chardev;
    Irq irq;
    Region registers; /* 8 bytes, for the shell to map */

    uint16_t divisor;
    uint8_t ier, fcr, lcr, mcr, scr;
    uint8_t line_errors;   /* LSR bits that reading LSR clears */
    uint8_t modem_changes; /* MSR bits 3-0 */
    bool thre_pending;     /* "transmitter empty" has happened and nobody has looked yet */
    uint8_t rx[UART_FIFO_SIZE];
    uint8_t rx_head, rx_count;
    uint8_t tx[UART_FIFO_SIZE]; /* what the host side has no room for */
    uint8_t tx_count;
    int64_t tx_patience_until_ns; /* 0: the host side keeps up */
    int64_t rx_idle_since_ns;
    Timer rx_timer, tx_timer;
} Uart;

extern const Type uart_type; /* "serial" */

/* Connects a realized chip to its line and the host side (NULL: none); fails when the chardev is
 * taken. */
bool uart_connect(Uart *uart, Chardev *chardev, Irq irq, Error **err);
void uart_disconnect(Uart *uart);

#endif
