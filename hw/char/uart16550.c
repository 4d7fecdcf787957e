/* SPDX-License-Identifier: MIT */
/* 16550A UART. Datasheet: National Semiconductor PC16550D. Sending takes no time: bytes go to the
 * host side at once, and wait in the FIFO only while that has no room. */
#include "hw/uart16550.h"

#include "util/trace.h"

#include <string.h>
#include <sys/ioctl.h>

enum { /* registers */
       UART_DATA = 0,
       UART_IER = 1,
       UART_IIR = 2, /* read */
       UART_FCR = 2, /* write */
       UART_LCR = 3,
       UART_MCR = 4,
       UART_LSR = 5,
       UART_MSR = 6,
       UART_SCR = 7
};

enum {
    IER_RX = 0x01,
    IER_THRE = 0x02,
    IER_LINE = 0x04,
    IER_MODEM = 0x08,
    IER_WRITABLE = 0x0f,
    IIR_MODEM = 0x00,
    IIR_NONE = 0x01,
    IIR_THRE = 0x02,
    IIR_RX = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFO = 0xc0,
    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,
    FCR_CLEAR_TX = 0x04,
    FCR_STORED = 0xc9,
    LCR_STOP_BITS = 0x04,
    LCR_PARITY = 0x08,
    LCR_EVEN = 0x10,
    LCR_BREAK = 0x40,
    LCR_DLAB = 0x80,
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_LOOP = 0x10,
    MCR_OUT2 = 0x08,
    MCR_WRITABLE = 0x1f,
    LSR_DATA_READY = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_BREAK = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    MSR_RI_CHANGE = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80
};

#define BASE_CLOCK_HZ 1843200
#define TIMEOUT_CHARACTERS 4
/* How often, and for how long at a stretch, a full host side holds the guest back: a slow reader
 * loses nothing, and one that does not read stalls nobody. */
#define TX_RETRY_NS 1000000
#define TX_PATIENCE_NS 250000000

static const uint8_t trigger_levels[] = {1, 4, 8, 14};

static bool fifo_enabled(const Uart *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static unsigned fifo_size(const Uart *uart)
{
    return fifo_enabled(uart) ? UART_FIFO_SIZE : 1;
}

static unsigned rx_trigger(const Uart *uart)
{
    return fifo_enabled(uart) ? trigger_levels[uart->fcr >> 6] : 1;
}

static int64_t character_ns(const Uart *uart)
{
    unsigned bits = 1 + 5 + (uart->lcr & 3u) + (uart->lcr & LCR_PARITY ? 1 : 0) +
                    (uart->lcr & LCR_STOP_BITS ? 2 : 1);

    return NS_PER_SECOND * 16 * bits * MAX(uart->divisor, 1) / BASE_CLOCK_HZ;
}

static uint8_t line_status(const Uart *uart)
{
    return uart->line_errors | (uart->rx_count ? LSR_DATA_READY : 0) |
           (uart->tx_count ? 0 : LSR_THRE | LSR_TEMT);
}

/* Upper half of MSR. The host side is always ready; in loop-back MCR's outputs come back. */
static uint8_t modem_lines(const Uart *uart)
{
    if (!(uart->mcr & MCR_LOOP)) {
        return MSR_DCD | MSR_DSR | MSR_CTS;
    }
    return (uint8_t)((uart->mcr & 2) << 3 | (uart->mcr & 1) << 5 | (uart->mcr & 0xc) << 4);
}

/* Time at which waiting bytes below the trigger level are reported, TIMER_OFF: never. */
static int64_t timeout_at_ns(const Uart *uart)
{
    if (!fifo_enabled(uart) || !uart->rx_count || uart->rx_count >= rx_trigger(uart)) {
        return TIMER_OFF;
    }
    return uart->rx_idle_since_ns + TIMEOUT_CHARACTERS * character_ns(uart);
}

/* Interrupt identification, without the FIFO bits. */
static uint8_t interrupt_id(const Uart *uart)
{
    if (uart->ier & IER_LINE && uart->line_errors) {
        return IIR_LINE;
    }
    if (uart->ier & IER_RX && uart->rx_count >= rx_trigger(uart)) {
        return IIR_RX;
    }
    if (uart->ier & IER_RX && timeout_at_ns(uart) <= clock_now_ns(CLOCK_TYPE_VIRTUAL)) {
        return IIR_TIMEOUT;
    }
    if (uart->ier & IER_THRE && uart->thre_pending) {
        return IIR_THRE;
    }
    if (uart->ier & IER_MODEM && uart->modem_changes) {
        return IIR_MODEM;
    }
    return IIR_NONE;
}

static void uart_sync(Object *obj)
{
    Uart *uart = (Uart *)obj;
    int64_t timeout = uart->ier & IER_RX ? timeout_at_ns(uart) : TIMER_OFF;

    irq_set(uart->irq, interrupt_id(uart) != IIR_NONE);
    if (timeout == TIMER_OFF || timeout <= clock_now_ns(CLOCK_TYPE_VIRTUAL)) {
        timer_del(&uart->rx_timer);
    } else {
        timer_mod_ns(&uart->rx_timer, timeout);
    }
    if (!uart->tx_count) {
        timer_del(&uart->tx_timer);
    } else if (!timer_pending(&uart->tx_timer)) {
        timer_mod_ns(&uart->tx_timer, clock_now_ns(CLOCK_TYPE_VIRTUAL) + TX_RETRY_NS);
    }
}

static void push_rx(Uart *uart, uint8_t byte)
{
    uart->rx_idle_since_ns = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    if (uart->rx_count >= fifo_size(uart)) {
        uart->line_errors |= LSR_OVERRUN;
        return;
    }
    uart->rx[(uart->rx_head + uart->rx_count) % UART_FIFO_SIZE] = byte;
    uart->rx_count++;
}

static uint8_t pop_rx(Uart *uart)
{
    uint8_t byte = uart->rx[uart->rx_head % UART_FIFO_SIZE];

    if (!uart->rx_count) {
        return 0;
    }
    uart->rx_idle_since_ns = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    uart->rx_head = (uint8_t)((uart->rx_head + 1) % UART_FIFO_SIZE);
    uart->rx_count--;
    return byte;
}

/* The host side is full, and has not been so for too long. */
static bool must_wait(Uart *uart, size_t bytes)
{
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);

    if (chardev_write_room(uart->chardev) >= bytes) {
        uart->tx_patience_until_ns = 0;
        return false;
    }
    if (!uart->tx_patience_until_ns) {
        uart->tx_patience_until_ns = now + TX_PATIENCE_NS;
    }
    return now < uart->tx_patience_until_ns;
}

static void flush_tx(Uart *uart)
{
    if (uart->tx_count && !must_wait(uart, uart->tx_count)) {
        chardev_write(uart->chardev, uart->tx, uart->tx_count);
        uart->tx_count = 0;
        uart->thre_pending = true;
    }
}

static void transmit(Uart *uart, uint8_t byte)
{
    uart->thre_pending = false;
    if (uart->mcr & MCR_LOOP) {
        push_rx(uart, byte);
    } else if (uart->tx_count || must_wait(uart, 1)) {
        if (uart->tx_count < fifo_size(uart)) {
            uart->tx[uart->tx_count++] = byte;
        }
        return;
    } else {
        chardev_write(uart->chardev, &byte, 1);
    }
    uart->thre_pending = true;
}

static void write_ier(Uart *uart, uint8_t value)
{
    uint8_t newly = value & (uint8_t)~uart->ier;

    uart->ier = value & IER_WRITABLE;
    if (newly & IER_THRE && !uart->tx_count) {
        uart->thre_pending = true;
    }
}

static void write_fcr(Uart *uart, uint8_t value)
{
    bool switched = (value ^ uart->fcr) & FCR_ENABLE;

    uart->fcr = value & FCR_ENABLE ? value & FCR_STORED : 0;
    if (switched || value & FCR_CLEAR_RX) {
        uart->rx_count = 0;
    }
    if (uart->tx_count && (switched || value & FCR_CLEAR_TX)) {
        uart->tx_count = 0;
        uart->thre_pending = true;
    }
    chardev_accept_input(uart->chardev);
}

/* A serial port of the host transmits as ours is programmed to. */
static void set_host_line(const Uart *uart)
{
    const ChardevLine line = {.speed = BASE_CLOCK_HZ / 16 / MAX(uart->divisor, 1),
                              .data_bits = 5 + (uart->lcr & 3u),
                              .stop_bits = uart->lcr & LCR_STOP_BITS ? 2 : 1,
                              .parity = uart->lcr & LCR_PARITY ? (uart->lcr & LCR_EVEN ? 'E' : 'O')
                                                               : 'N'};

    chardev_set_line(uart->chardev, &line);
}

/* In loop-back they are inactive. */
static void set_host_outputs(const Uart *uart)
{
    uint8_t outputs = uart->mcr & MCR_LOOP ? 0 : uart->mcr;

    chardev_set_modem(uart->chardev,
                      (outputs & MCR_DTR ? TIOCM_DTR : 0u) | (outputs & MCR_RTS ? TIOCM_RTS : 0u));
}

static void write_lcr(Uart *uart, uint8_t value)
{
    if (value & (uint8_t)~uart->lcr & LCR_BREAK) {
        chardev_send_break(uart->chardev);
    }
    uart->lcr = value;
    if (!(value & LCR_DLAB)) {
        set_host_line(uart); /* the divisor is complete */
    }
}

static void write_mcr(Uart *uart, uint8_t value)
{
    uint8_t before = modem_lines(uart), changed;
    bool was_loop = uart->mcr & MCR_LOOP;

    uart->mcr = value & MCR_WRITABLE;
    set_host_outputs(uart);
    changed = before ^ modem_lines(uart);
    /* RI reports its falling edge only. */
    uart->modem_changes |= (uint8_t)((changed & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4 |
                                     (changed & before & MSR_RI ? MSR_RI_CHANGE : 0));
    if (was_loop && !(uart->mcr & MCR_LOOP)) {
        chardev_accept_input(uart->chardev);
    }
}

static void write_data(Uart *uart, uint8_t value)
{
    if (uart->lcr & LCR_DLAB) {
        uart->divisor = (uint16_t)((uart->divisor & 0xff00) | value);
    } else {
        transmit(uart, value);
    }
}

static void registers_write(void *opaque, uint64_t offset, uint64_t wide, unsigned size)
{
    Uart *uart = opaque;
    uint8_t value = (uint8_t)wide;

    TRACE(uart_write, "register %u value 0x%02x", (unsigned)offset, value);
    switch (offset) {
    case UART_DATA:
        write_data(uart, value);
        break;
    case UART_IER:
        if (uart->lcr & LCR_DLAB) {
            uart->divisor = (uint16_t)(value << 8 | (uart->divisor & 0xff));
        } else {
            write_ier(uart, value);
        }
        break;
    case UART_FCR:
        write_fcr(uart, value);
        break;
    case UART_LCR:
        write_lcr(uart, value);
        break;
    case UART_MCR:
        write_mcr(uart, value);
        break;
    case UART_SCR:
        uart->scr = value;
        break;
    default: /* LSR and MSR are read-only */
        break;
    }
}

/* Reads have side effects on these four, so the interrupt line is looked at again. */
static uint8_t read_data(Uart *uart)
{
    uint8_t value = pop_rx(uart);

    uart_sync(&uart->obj);
    chardev_accept_input(uart->chardev);
    return value;
}

static uint8_t read_iir(Uart *uart)
{
    uint8_t id = interrupt_id(uart);

    if (id == IIR_THRE) {
        uart->thre_pending = false;
        uart_sync(&uart->obj);
    }
    return id | (fifo_enabled(uart) ? IIR_FIFO : 0);
}

static uint8_t read_lsr(Uart *uart)
{
    uint8_t value = line_status(uart);

    if (uart->line_errors) {
        uart->line_errors = 0;
        uart_sync(&uart->obj);
    }
    return value;
}

static uint8_t read_msr(Uart *uart)
{
    uint8_t value = modem_lines(uart) | uart->modem_changes;

    if (uart->modem_changes) {
        uart->modem_changes = 0;
        uart_sync(&uart->obj);
    }
    return value;
}

static uint64_t registers_read(void *opaque, uint64_t offset, unsigned size)
{
    Uart *uart = opaque;

    switch (offset) {
    case UART_DATA:
        return uart->lcr & LCR_DLAB ? uart->divisor & 0xff : read_data(uart);
    case UART_IER:
        return uart->lcr & LCR_DLAB ? uart->divisor >> 8 : uart->ier;
    case UART_IIR:
        return read_iir(uart);
    case UART_LCR:
        return uart->lcr;
    case UART_MCR:
        return uart->mcr;
    case UART_LSR:
        return read_lsr(uart);
    case UART_MSR:
        return read_msr(uart);
    default:
        return uart->scr;
    }
}

static size_t can_receive(void *opaque)
{
    const Uart *uart = opaque;

    return uart->mcr & MCR_LOOP || uart->rx_count >= fifo_size(uart)
               ? 0
               : fifo_size(uart) - uart->rx_count;
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    Uart *uart = opaque;

    for (size_t i = 0; i < count; i++) {
        push_rx(uart, bytes[i]);
    }
    uart_sync(&uart->obj);
}

static void line_event(void *opaque, ChardevEvent event)
{
    Uart *uart = opaque;

    if (event == CHARDEV_BREAK && !(uart->mcr & MCR_LOOP)) {
        uart->line_errors |= LSR_BREAK;
        push_rx(uart, 0);
        uart_sync(&uart->obj);
    }
}

static void rx_timer_expired(void *opaque)
{
    uart_sync(opaque);
}

static void tx_timer_expired(void *opaque)
{
    flush_tx(opaque);
    uart_sync(opaque);
}

bool uart_connect(Uart *uart, Chardev *chardev, Irq irq, Error **err)
{
    const ChardevFrontend frontend = {.can_receive = can_receive,
                                      .receive = receive,
                                      .event = line_event,
                                      .opaque = uart,
                                      .is_console = true};

    if (chardev) {
        uart->chardev = chardev_attach(chardev, &frontend, err);
        if (!uart->chardev) {
            return false;
        }
    }
    uart->irq = irq;
    return true;
}

void uart_disconnect(Uart *uart)
{
    if (uart->chardev) {
        chardev_detach(uart->chardev);
        uart->chardev = NULL;
    }
    timer_del(&uart->rx_timer);
    timer_del(&uart->tx_timer);
}

static const RegionOps registers_ops = {
    .read = registers_read, .write = registers_write, .impl_min = 1, .impl_max = 1};

static void uart_init(Object *obj)
{
    Uart *uart = (Uart *)obj;

    timer_init(&uart->rx_timer, main_loop(), CLOCK_TYPE_VIRTUAL, rx_timer_expired, uart);
    timer_init(&uart->tx_timer, main_loop(), CLOCK_TYPE_VIRTUAL, tx_timer_expired, uart);
    region_init(&uart->registers, &(RegionDesc){.name = "serial",
                                                .kind = REGION_IO,
                                                .size = UART_REGISTER_COUNT,
                                                .owner = obj,
                                                .ops = &registers_ops,
                                                .opaque = uart});
}

static void uart_finalize(Object *obj)
{
    region_fini(&((Uart *)obj)->registers);
}

static void uart_reset_exit(Object *obj)
{
    chardev_accept_input(((Uart *)obj)->chardev);
}

static const Field uart_fields[] = {LINK(Uart, chardev),
                                    LINK(Uart, irq),
                                    DERIVED(Uart, registers),
                                    STATE(Uart, divisor, .init = 12),
                                    STATE(Uart, ier),
                                    STATE(Uart, fcr),
                                    STATE(Uart, lcr),
                                    STATE(Uart, mcr, .init = MCR_OUT2),
                                    STATE(Uart, scr),
                                    STATE(Uart, line_errors),
                                    STATE(Uart, modem_changes),
                                    STATE(Uart, thre_pending),
                                    STATE_ARRAY(Uart, rx),
                                    STATE(Uart, rx_head),
                                    STATE(Uart, rx_count),
                                    STATE_ARRAY(Uart, tx),
                                    STATE(Uart, tx_count),
                                    STATE(Uart, tx_patience_until_ns),
                                    STATE(Uart, rx_idle_since_ns),
                                    STATE_TIMER(Uart, rx_timer),
                                    STATE_TIMER(Uart, tx_timer),
                                    FIELDS_END};

const Type uart_type = {
    .name = "serial",
    .parent = &object_type,
    .size = sizeof(Uart),
    .desc = "16550A UART",
    .fields = uart_fields,
    .init = uart_init,
    .finalize = uart_finalize,
    .reset_exit = uart_reset_exit,
    .sync = uart_sync,
};
OBJECT_TYPE(uart_type);
