/* SPDX-License-Identifier: MIT */
/* What a monitor does to character devices while the guest runs. */
#include "chardev-private.h"

#include <string.h>

Chardev *chardev_add(KeyVal *options, Error **err)
{
    chardev_may_wait = false;
    Chardev *chardev = chardev_new(options, err);
    chardev_may_wait = true;
    return chardev;
}

static bool is_in_use(const Chardev *chardev)
{
    return chardev->is_mux ? chardev_mux_has_frontend(chardev) : chardev_live(chardev)->attached;
}

bool chardev_remove(const char *id, Error **err)
{
    Chardev *chardev = chardev_find_or_suggest(id, err);

    if (!chardev) {
        return false;
    }
    if (is_in_use(chardev)) {
        return error_set(err, "character device '%s' is in use", id);
    }
    Chardev *base = chardev->is_mux ? chardev_mux_base(chardev) : NULL;
    object_free(&chardev->obj);
    object_free(base ? &base->obj : NULL);
    return true;
}

/* The front end moves over; the old back end ends. What asked for it may have come in by the old
 * one, which is on the stack then: its object goes with the next change. */
static void replace(Chardev *handle, Chardev *new)
{
    Chardev *old = chardev_live(handle);
    ChardevFrontend frontend = old->frontend;
    bool was_attached = old->attached;

    if (old->connected) {
        chardev_event(old, CHARDEV_CLOSED);
    }
    old->attached = false;
    chardev_close(old);
    if (handle->retired) {
        object_free(&handle->retired->obj);
    }
    handle->retired = old == handle ? NULL : old; /* front ends point at the handle: it stays */
    handle->successor = new;
    bool is_taken = object_child(&handle->obj, "backend") != NULL;
    object_add_child(&handle->obj, is_taken ? "backend-next" : "backend", &new->obj);
    new->obj.realized = true;
    if (was_attached) {
        chardev_attach(handle, &frontend, NULL);
    }
}

bool chardev_change(const char *id, KeyVal *options, Error **err)
{
    Chardev *handle = chardev_find_or_suggest(id, err);
    const Type *type = handle ? chardev_parse_backend(options, err) : NULL;
    bool wants_mux = false;

    if (!type || !keyval_get_bool(options, "mux", &wants_mux, err)) {
        return false;
    }
    if (wants_mux && !handle->is_mux) {
        return error_set(err, "character device '%s' was made without mux=on", id);
    }
    if (handle->is_mux) {
        handle = chardev_mux_base(handle);
    }
    chardev_may_wait = false;
    Chardev *new = chardev_create(type, handle->label, options, err);
    chardev_may_wait = true;
    if (new) {
        replace(handle, new);
    }
    return new != NULL;
}

bool chardev_break(const char *id, Error **err)
{
    Chardev *chardev = chardev_find_or_suggest(id, err);

    if (chardev) {
        chardev_send_break(chardev->is_mux ? chardev_mux_base(chardev) : chardev);
    }
    return chardev != NULL;
}

/* -- Connections ------------------------------------------------------------------------------- */

/* Of a mux the one below it. */
static Chardev *worker_of(const Chardev *chardev)
{
    return chardev_live(chardev->is_mux ? chardev_mux_base((Chardev *)chardev) : chardev);
}

static const ChardevInfo *info_of(const Chardev *chardev)
{
    return chardev->obj.type->info;
}

bool chardev_add_client(const char *id, int fd, Error **err)
{
    Chardev *chardev = chardev_find_or_suggest(id, err);

    if (!chardev) {
        return false;
    }
    chardev = worker_of(chardev);
    return info_of(chardev)->add_client
               ? info_of(chardev)->add_client(chardev, fd, err)
               : error_set(err, "character device '%s' takes no clients: it is not a socket", id);
}

bool chardev_can_hang_up(const Chardev *chardev)
{
    return !chardev->is_mux && info_of(worker_of(chardev))->hang_up;
}

void chardev_hang_up(Chardev *chardev)
{
    chardev = worker_of(chardev);
    info_of(chardev)->hang_up(chardev);
}

/* -- Asking ------------------------------------------------------------------------------------ */

void chardev_foreach(void (*fn)(const Chardev *chardev, void *opaque), void *opaque)
{
    GPtrArray *all = object_container("/chardevs")->children;

    for (guint i = 0; i < all->len; i++) {
        fn(all->pdata[i], opaque);
    }
}

typedef struct BackendVisit {
    void (*fn)(const char *backend, const char *desc, void *opaque);
    void *opaque;
} BackendVisit;

static void visit_backend(const Type *type, void *opaque)
{
    const ChardevInfo *info = type->info;
    BackendVisit *visit = opaque;

    if (info->backend) {
        visit->fn(info->backend, type->desc, visit->opaque);
    }
}

void chardev_foreach_backend(void (*fn)(const char *backend, const char *desc, void *opaque),
                             void *opaque)
{
    BackendVisit visit = {fn, opaque};

    type_foreach(&chardev_type, visit_backend, &visit);
}

const char *chardev_filename(const Chardev *chardev)
{
    return chardev_live(chardev)->filename;
}

bool chardev_is_frontend_open(const Chardev *chardev)
{
    return is_in_use(chardev);
}

const char *chardev_pty_path(const Chardev *chardev)
{
    const char *filename = chardev_filename(chardev);

    if (chardev->is_mux && chardev_mux_base((Chardev *)chardev)) {
        filename = chardev_filename(chardev_mux_base((Chardev *)chardev));
    }
    return g_str_has_prefix(filename, "pty:") ? filename + strlen("pty:") : NULL;
}
