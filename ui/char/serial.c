/* SPDX-License-Identifier: MIT */
/* serial: a serial port of the host, or another terminal device, path=/dev/ttyS0. */
#include "chardev-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define BREAK_NS (NS_PER_SECOND / 4)

typedef struct SerialChardev {
    FdChardev fds;
    struct termios before; /* put back at the end */
    bool has_before;
    Timer break_timer; /* ends the break */
} SerialChardev;

static const struct {
    unsigned speed;
    speed_t code;
} speeds[] = {
    {50, B50},       {75, B75},         {110, B110},       {134, B134},     {150, B150},
    {200, B200},     {300, B300},       {600, B600},       {1200, B1200},   {1800, B1800},
    {2400, B2400},   {4800, B4800},     {9600, B9600},     {19200, B19200}, {38400, B38400},
    {57600, B57600}, {115200, B115200}, {230400, B230400},
};

/* The nearest one from below that the host has: a guest may write any divisor. */
static speed_t speed_code(unsigned speed)
{
    speed_t code = speeds[0].code;

    for (size_t i = 0; i < G_N_ELEMENTS(speeds) && speeds[i].speed <= speed; i++) {
        code = speeds[i].code;
    }
    return code;
}

static void serial_set_line(Chardev *chardev, const ChardevLine *line)
{
    static const tcflag_t sizes[] = {CS5, CS6, CS7, CS8};
    struct termios settings;
    int fd = ((SerialChardev *)chardev)->fds.in_fd;

    if (tcgetattr(fd, &settings) < 0) {
        return;
    }
    cfmakeraw(&settings);
    settings.c_cflag &= ~(tcflag_t)(CSIZE | CSTOPB | PARENB | PARODD | CRTSCTS);
    settings.c_cflag |= CLOCAL | CREAD | sizes[CLAMP(line->data_bits, 5, 8) - 5];
    if (line->stop_bits > 1) {
        settings.c_cflag |= CSTOPB;
    }
    if (line->parity != 'N') {
        settings.c_cflag |= PARENB | (line->parity == 'O' ? PARODD : 0);
    }
    cfsetispeed(&settings, speed_code(line->speed));
    cfsetospeed(&settings, speed_code(line->speed));
    tcsetattr(fd, TCSANOW, &settings);
}

static bool serial_get_modem(Chardev *chardev, unsigned *ret_lines)
{
    int lines;

    if (ioctl(((SerialChardev *)chardev)->fds.in_fd, TIOCMGET, &lines) < 0) {
        return false; /* a terminal without such lines */
    }
    *ret_lines = (unsigned)lines;
    return true;
}

static void serial_set_modem(Chardev *chardev, unsigned lines)
{
    int fd = ((SerialChardev *)chardev)->fds.in_fd, now;

    if (ioctl(fd, TIOCMGET, &now) == 0) {
        now = (now & ~(TIOCM_DTR | TIOCM_RTS)) | (int)(lines & (TIOCM_DTR | TIOCM_RTS));
        ioctl(fd, TIOCMSET, &now);
    }
}

static void end_break(void *opaque)
{
    ioctl(((SerialChardev *)opaque)->fds.in_fd, TIOCCBRK);
}

static void serial_send_break(Chardev *chardev)
{
    SerialChardev *serial = (SerialChardev *)chardev;

    ioctl(serial->fds.in_fd, TIOCSBRK);
    timer_mod_ns(&serial->break_timer, clock_now_ns(CLOCK_TYPE_REALTIME) + BREAK_NS);
}

static bool serial_open(Chardev *chardev, KeyVal *options, Error **err)
{
    static const ChardevLine start = {115200, 8, 1, 'N'};
    SerialChardev *serial = (SerialChardev *)chardev;
    const char *path = keyval_get(options, "path");

    timer_init(&serial->break_timer, main_loop(), CLOCK_TYPE_REALTIME, end_break, serial);
    if (!path || !*path) {
        return error_set(err, "a serial character device needs path=");
    }
    serial->fds.owns_in = true;
    serial->fds.in_fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (serial->fds.in_fd < 0) {
        return error_set_errno(err, errno, "cannot open serial port '%s'", path);
    }
    if (tcgetattr(serial->fds.in_fd, &serial->before) < 0) {
        return error_set_errno(err, errno, "'%s' is not a serial port", path);
    }
    serial->has_before = true;
    serial->fds.out_fd = fcntl(serial->fds.in_fd, F_DUPFD_CLOEXEC, 3);
    serial_set_line(chardev, &start);
    chardev->filename = g_strdup_printf("serial:%s", path);
    fd_chardev_start(&serial->fds);
    return true;
}

static void serial_close(Chardev *chardev)
{
    SerialChardev *serial = (SerialChardev *)chardev;

    if (timer_pending(&serial->break_timer)) {
        end_break(serial);
    }
    timer_del(&serial->break_timer);
    if (serial->has_before) {
        tcsetattr(serial->fds.in_fd, TCSANOW, &serial->before);
    }
    fd_chardev_close(chardev);
}

static const char *const serial_options[] = {"path", NULL};

static const ChardevInfo serial_info = {
    .backend = "serial",
    .alias = "tty",
    .options = serial_options,
    .open = serial_open,
    .close = serial_close,
    .write = fd_chardev_write,
    .update_read = fd_chardev_update_read,
    .watch_writable = fd_chardev_watch_writable,
    .send_break = serial_send_break,
    .set_line = serial_set_line,
    .get_modem = serial_get_modem,
    .set_modem = serial_set_modem,
};

static const Field serial_fields[] = {
    DERIVED(SerialChardev, before),
    DERIVED(SerialChardev, has_before),
    DERIVED(SerialChardev, break_timer),
    FIELDS_END,
};

static const Type serial_type = {
    .name = "chardev-serial",
    .parent = &fd_chardev_type,
    .size = sizeof(SerialChardev),
    .desc = "a serial port of the host: path=/dev/ttyS0",
    .fields = serial_fields,
    .info = &serial_info,
};
OBJECT_TYPE(serial_type);
