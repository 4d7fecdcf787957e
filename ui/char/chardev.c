/* SPDX-License-Identifier: MIT */
/* Chardev: attaching front ends, events, and the bounded buffer before a slow client. */
#include "chardev-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const ChardevInfo *info_of(const Chardev *chardev)
{
    return chardev->obj.type->info;
}

/* -- The ring of bytes not yet taken ----------------------------------------------------------- */

static void ring_put(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    if (!chardev->out) {
        chardev->out = g_malloc(CHARDEV_BUFFER_SIZE);
    }
    if (count > CHARDEV_BUFFER_SIZE) {
        chardev->out_dropped += count - CHARDEV_BUFFER_SIZE;
        bytes += count - CHARDEV_BUFFER_SIZE;
        count = CHARDEV_BUFFER_SIZE;
    }
    size_t room = CHARDEV_BUFFER_SIZE - chardev->out_used;
    if (count > room) {
        size_t lost = count - room;
        chardev->out_start = (chardev->out_start + lost) % CHARDEV_BUFFER_SIZE;
        chardev->out_used -= lost;
        chardev->out_dropped += lost;
    }
    size_t end = (chardev->out_start + chardev->out_used) % CHARDEV_BUFFER_SIZE;
    size_t first = MIN(count, CHARDEV_BUFFER_SIZE - end);
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
        size_t chunk = MIN(chardev->out_used, CHARDEV_BUFFER_SIZE - chardev->out_start);
        size_t taken = info_of(chardev)->write(chardev, chardev->out + chardev->out_start, chunk);
        chardev->out_start = (chardev->out_start + taken) % CHARDEV_BUFFER_SIZE;
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

static void log_bytes(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(chardev->log_fd, bytes, count);
        if (written <= 0) {
            return; /* a full disk must not stop the guest */
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

    if (!chardev || count == 0) {
        return;
    }
    if (console_watch && chardev->frontend.is_console) {
        console_watch(chardev, from, count);
    }
    if (chardev->log_fd >= 0) {
        log_bytes(chardev, from, count);
    }
    if (!chardev->connected) {
        return;
    }
    if (chardev->out_used == 0) {
        size_t taken = info_of(chardev)->write(chardev, from, count);
        from += taken;
        count -= taken;
    }
    if (count > 0) {
        ring_put(chardev, from, count);
        info_of(chardev)->watch_writable(chardev, true);
    }
}

size_t chardev_write_room(Chardev *chardev)
{
    if (chardev && info_of(chardev)->write_room) {
        return info_of(chardev)->write_room(chardev);
    }
    return chardev ? CHARDEV_BUFFER_SIZE - chardev->out_used : CHARDEV_BUFFER_SIZE;
}

void chardev_send_break(Chardev *chardev)
{
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

Chardev *chardev_attach(Chardev *chardev, const ChardevFrontend *frontend, Error **err)
{
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
    return chardev;
}

void chardev_detach(Chardev *chardev)
{
    if (!chardev || !chardev->attached) {
        return;
    }
    chardev->attached = false;
    memset(&chardev->frontend, 0, sizeof(chardev->frontend));
    update_read(chardev);
}

void chardev_accept_input(Chardev *chardev)
{
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
        ring_clear(chardev);
    }
    if (chardev->attached && chardev->frontend.event) {
        chardev->frontend.event(chardev->frontend.opaque, event);
    }
}

/* -- Life -------------------------------------------------------------------------------------- */

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
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC);
    chardev->log_fd = open(path, flags, 0666);
    return chardev->log_fd >= 0 || error_set_errno(err, errno, "cannot open logfile '%s'", path);
}

Chardev *chardev_create(const Type *type, const char *label, KeyVal *options, Error **err)
{
    const ChardevInfo *info = type->info;
    Chardev *chardev = (Chardev *)object_new(type);

    chardev->label = g_strdup(label);
    if (!open_log(chardev, options, err) || !info->open(chardev, options, err)) {
        object_free(&chardev->obj);
        return NULL;
    }
    if (!chardev->filename) {
        chardev->filename = g_strdup(info->backend);
    }
    object_add_child(object_container("/chardevs"), label, &chardev->obj);
    chardev->obj.realized = true;
    return chardev;
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
    if (info_of(chardev)->close) {
        info_of(chardev)->close(chardev);
    }
    ring_clear(chardev);
    if (chardev->log_fd >= 0) {
        close(chardev->log_fd);
    }
}

static const Field chardev_fields[] = {
    PROP(Chardev, label, .read_only = true, .desc = "id"),
    PROP(Chardev, filename, .read_only = true, .desc = "what is behind it"),
    LINK(Chardev, frontend),
    DERIVED(Chardev, attached),
    DERIVED(Chardev, connected),
    DERIVED(Chardev, is_mux),
    DERIVED(Chardev, out),
    DERIVED(Chardev, out_start),
    DERIVED(Chardev, out_used),
    DERIVED(Chardev, out_dropped),
    DERIVED(Chardev, log_fd),
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
