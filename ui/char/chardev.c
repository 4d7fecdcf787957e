/* SPDX-License-Identifier: MIT */
/* Chardev: attaching front ends, events, and the bounded buffer before a slow client. */
#include "chardev-private.h"
#include "util/fd-sets.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const ChardevInfo *info_of(const Chardev *chardev)
{
    return chardev->obj.type->info;
}

/* -- The ring of bytes not yet taken ----------------------------------------------------------- */

static size_t ring_size(const Chardev *chardev)
{
    return MAX(chardev->backlog, CHARDEV_BUFFER_SIZE);
}

/* What it may hold now: of a client that is away, only what was asked for. */
static size_t ring_limit(const Chardev *chardev)
{
    return chardev->connected ? ring_size(chardev) : chardev->backlog;
}

static void ring_drop_oldest(Chardev *chardev, size_t count)
{
    chardev->out_start = (chardev->out_start + count) % ring_size(chardev);
    chardev->out_used -= count;
    chardev->out_dropped += count;
}

static void ring_put(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    size_t size = ring_size(chardev), limit = ring_limit(chardev);

    if (!chardev->out) {
        chardev->out = g_malloc(size);
    }
    if (count > limit) {
        chardev->out_dropped += count - limit;
        bytes += count - limit;
        count = limit;
    }
    if (chardev->out_used + count > limit) {
        ring_drop_oldest(chardev, chardev->out_used + count - limit);
    }
    size_t end = (chardev->out_start + chardev->out_used) % size;
    size_t first = MIN(count, size - end);
    memcpy(chardev->out + end, bytes, first);
    memcpy(chardev->out, bytes + first, count - first);
    chardev->out_used += count;
}

static void ring_clear(Chardev *chardev)
{
    g_clear_pointer(&chardev->out, g_free);
    chardev->out_start = chardev->out_used = 0;
}

void chardev_write_ready(Chardev *chardev)
{
    while (chardev->out_used > 0) {
        size_t chunk = MIN(chardev->out_used, ring_size(chardev) - chardev->out_start);
        size_t taken = info_of(chardev)->write(chardev, chardev->out + chardev->out_start, chunk);
        chardev->out_start = (chardev->out_start + taken) % ring_size(chardev);
        chardev->out_used -= taken;
        if (taken < chunk) {
            return;
        }
    }
    ring_clear(chardev);
    if (info_of(chardev)->watch_writable) {
        info_of(chardev)->watch_writable(chardev, false);
    }
}

void chardev_report_loss(Chardev *chardev, const char *where, int os_error)
{
    if (!chardev->was_loss_reported) {
        chardev->was_loss_reported = true;
        warn_report(
            "character device '%s': cannot write to %s: %s; output is lost, the guest goes on",
            chardev->label, where, g_strerror(os_error));
    }
}

static void log_bytes(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(chardev->log_fd, bytes, count);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            chardev_report_loss(chardev, chardev->logfile, written < 0 ? errno : ENOSPC);
            return;
        }
        bytes += written;
        count -= (size_t)written;
    }
}

static ChardevConsoleWatch *console_watch;

void chardev_watch_consoles(ChardevConsoleWatch *fn)
{
    console_watch = fn;
}

void chardev_write(Chardev *chardev, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;

    chardev = chardev_live(chardev);
    if (!chardev || count == 0) {
        return;
    }
    if (console_watch && chardev->frontend.is_console) {
        console_watch(chardev, from, count);
    }
    if (chardev->log_fd >= 0) {
        log_bytes(chardev, from, count);
    }
    if (!chardev->connected && info_of(chardev)->check_open) {
        info_of(chardev)->check_open(chardev);
    }
    if (!chardev->connected && !chardev->backlog) {
        return;
    }
    if (chardev->connected && chardev->out_used == 0) {
        size_t taken = info_of(chardev)->write(chardev, from, count);
        from += taken;
        count -= taken;
    }
    if (count > 0) {
        ring_put(chardev, from, count);
        if (chardev->connected) {
            info_of(chardev)->watch_writable(chardev, true);
        }
    }
}

size_t chardev_write_room(Chardev *chardev)
{
    chardev = chardev_live(chardev);
    if (chardev && info_of(chardev)->write_room) {
        return info_of(chardev)->write_room(chardev);
    }
    /* Nobody is waited for who is not there. */
    return chardev && chardev->connected ? ring_size(chardev) - chardev->out_used
                                         : CHARDEV_BUFFER_SIZE;
}

void chardev_send_break(Chardev *chardev)
{
    chardev = chardev_live(chardev);
    if (chardev && chardev->connected && info_of(chardev)->send_break) {
        info_of(chardev)->send_break(chardev);
    }
}

/* -- Front ends -------------------------------------------------------------------------------- */

static void update_read(Chardev *chardev)
{
    if (info_of(chardev)->update_read) {
        info_of(chardev)->update_read(chardev);
    }
}

Chardev *chardev_attach(Chardev *handle, const ChardevFrontend *frontend, Error **err)
{
    Chardev *chardev = chardev_live(handle);

    if (chardev->is_mux) {
        return chardev_mux_attach(chardev, frontend, err);
    }
    if (chardev->attached) {
        error_set(err, "character device '%s' is in use", chardev->label);
        error_hint(err, "Two front ends can share one that was made with mux=on.");
        return NULL;
    }
    chardev->frontend = *frontend;
    chardev->attached = true;
    if (chardev->connected && frontend->event) {
        frontend->event(frontend->opaque, CHARDEV_OPENED);
    }
    update_read(chardev);
    return handle;
}

void chardev_detach(Chardev *chardev)
{
    chardev = chardev_live(chardev);
    if (!chardev || !chardev->attached) {
        return;
    }
    chardev->attached = false;
    memset(&chardev->frontend, 0, sizeof(chardev->frontend));
    if (chardev->obj.type == &chardev_mux_port_type) {
        chardev_mux_detach(chardev);
    }
    update_read(chardev);
}

void chardev_accept_input(Chardev *chardev)
{
    chardev = chardev_live(chardev);
    if (chardev && chardev->attached) {
        update_read(chardev);
    }
}

size_t chardev_can_receive(Chardev *chardev)
{
    return chardev->attached ? chardev->frontend.can_receive(chardev->frontend.opaque) : 0;
}

void chardev_receive(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    if (chardev->attached && count > 0) {
        chardev->frontend.receive(chardev->frontend.opaque, bytes, count);
    }
}

void chardev_event(Chardev *chardev, ChardevEvent event)
{
    if (event == CHARDEV_OPENED || event == CHARDEV_CLOSED) {
        chardev->connected = event == CHARDEV_OPENED;
        if (!chardev->backlog) {
            ring_clear(chardev);
        } else if (chardev->out_used > ring_limit(chardev)) {
            ring_drop_oldest(chardev, chardev->out_used - ring_limit(chardev));
        }
    }
    if (event == CHARDEV_OPENED && chardev->out_used > 0) {
        info_of(chardev)->watch_writable(chardev, true);
    }
    if (chardev->attached && chardev->frontend.event) {
        chardev->frontend.event(chardev->frontend.opaque, event);
    }
}

/* -- Host ports -------------------------------------------------------------------------------- */

void chardev_set_line(Chardev *chardev, const ChardevLine *line)
{
    chardev = chardev_live(chardev);
    if (chardev && info_of(chardev)->set_line) {
        info_of(chardev)->set_line(chardev, line);
    }
}

bool chardev_get_modem(Chardev *chardev, unsigned *ret_lines)
{
    chardev = chardev_live(chardev);
    return chardev && info_of(chardev)->get_modem &&
           info_of(chardev)->get_modem(chardev, ret_lines);
}

void chardev_set_modem(Chardev *chardev, unsigned lines)
{
    chardev = chardev_live(chardev);
    if (chardev && info_of(chardev)->set_modem) {
        info_of(chardev)->set_modem(chardev, lines);
    }
}

bool chardev_parallel_read(Chardev *chardev, ChardevParallel which, uint8_t *ret_value)
{
    chardev = chardev_live(chardev);
    return chardev && info_of(chardev)->parallel &&
           info_of(chardev)->parallel(chardev, which, false, ret_value);
}

bool chardev_parallel_write(Chardev *chardev, ChardevParallel which, uint8_t value)
{
    chardev = chardev_live(chardev);
    return chardev && info_of(chardev)->parallel &&
           info_of(chardev)->parallel(chardev, which, true, &value);
}

int chardev_take_fd(Chardev *chardev)
{
    chardev = chardev_live(chardev);
    return chardev && info_of(chardev)->take_fd ? info_of(chardev)->take_fd(chardev) : -1;
}

/* -- Life -------------------------------------------------------------------------------------- */

#define BACKLOG_MAX (64 << 20)

static bool open_log(Chardev *chardev, KeyVal *options, Error **err)
{
    const char *path = keyval_get(options, "logfile");
    bool append = false;

    if (!keyval_get_bool(options, "logappend", &append, err)) {
        return false;
    }
    if (!path) {
        return true;
    }
    /* A FIFO whose reader sleeps must not stop the guest. */
    int flags = O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | (append ? O_APPEND : O_TRUNC);
    chardev->log_fd = fd_open(path, flags, 0666);
    chardev->logfile = g_strdup_printf("logfile '%s'", path);
    return chardev->log_fd >= 0 || error_set_errno(err, errno, "cannot open logfile '%s'", path);
}

static bool parse_backlog(Chardev *chardev, KeyVal *options, Error **err)
{
    if (!keyval_get_size(options, "backlog", &chardev->backlog, err)) {
        return false;
    }
    return chardev->backlog <= BACKLOG_MAX ||
           error_set(err, "backlog= takes up to %d MiB", BACKLOG_MAX >> 20);
}

Chardev *chardev_create(const Type *type, const char *label, KeyVal *options, Error **err)
{
    const ChardevInfo *info = type->info;
    Chardev *chardev = (Chardev *)object_new(type);

    chardev->label = g_strdup(label);
    if (!open_log(chardev, options, err) || !parse_backlog(chardev, options, err) ||
        !info->open(chardev, options, err)) {
        object_free(&chardev->obj);
        return NULL;
    }
    if (!chardev->filename) {
        chardev->filename = g_strdup(info->backend);
    }
    return chardev;
}

void chardev_enrol(Chardev *chardev)
{
    object_add_child(object_container("/chardevs"), chardev->label, &chardev->obj);
    chardev->obj.realized = true;
}

void chardev_close(Chardev *chardev)
{
    if (!chardev->is_closed && info_of(chardev)->close) {
        info_of(chardev)->close(chardev);
    }
    chardev->is_closed = true;
    chardev->connected = false;
    ring_clear(chardev);
    if (chardev->log_fd >= 0) {
        close(chardev->log_fd);
        chardev->log_fd = -1;
    }
}

static void chardev_init(Object *obj)
{
    ((Chardev *)obj)->log_fd = -1;
}

static void chardev_finalize(Object *obj)
{
    Chardev *chardev = (Chardev *)obj;

    if (chardev->attached && chardev->frontend.released) {
        chardev->frontend.released(chardev->frontend.opaque);
    }
    chardev->attached = false;
    chardev_close(chardev);
    g_free(chardev->logfile);
}

static const Field chardev_fields[] = {
    PROP(Chardev, label, .read_only = true, .desc = "id"),
    PROP(Chardev, filename, .read_only = true, .desc = "what is behind it"),
    LINK(Chardev, frontend),
    DERIVED(Chardev, attached),
    DERIVED(Chardev, connected),
    DERIVED(Chardev, is_mux),
    DERIVED(Chardev, is_closed),
    DERIVED(Chardev, was_loss_reported),
    DERIVED(Chardev, out),
    DERIVED(Chardev, out_start),
    DERIVED(Chardev, out_used),
    DERIVED(Chardev, out_dropped),
    DERIVED(Chardev, backlog),
    DERIVED(Chardev, log_fd),
    DERIVED(Chardev, logfile),
    LINK(Chardev, successor),
    LINK(Chardev, retired),
    FIELDS_END,
};

const Type chardev_type = {
    .name = "chardev",
    .parent = &object_type,
    .size = sizeof(Chardev),
    .desc = "host side of a serial line, debug console or monitor",
    .fields = chardev_fields,
    .id_container = "/chardevs",
    .init = chardev_init,
    .finalize = chardev_finalize,
    .abstract = true,
};
OBJECT_TYPE(chardev_type);
