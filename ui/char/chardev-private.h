/* SPDX-License-Identifier: MIT */
/* What the character back ends share among themselves. */
#ifndef UI_CHAR_CHARDEV_PRIVATE_H
#define UI_CHAR_CHARDEV_PRIVATE_H

#include "ui/chardev.h"

extern const Type chardev_mux_type, chardev_mux_port_type;

/* chardev.c: makes a back end and opens it; it has no parent yet. */
Chardev *chardev_create(const Type *type, const char *label, KeyVal *options, Error **err);
/* Hangs it below /chardevs. */
void chardev_enrol(Chardev *chardev);
/* Closes the back end; its object stays. */
void chardev_close(Chardev *chardev);
/* The one that does the work: itself, or its successor. */
static inline Chardev *chardev_live(const Chardev *chardev)
{
    return chardev && chardev->successor ? chardev->successor : (Chardev *)chardev;
}
/* Says once that output is lost; `where` is what could not be written. */
void chardev_report_loss(Chardev *chardev, const char *where, int os_error);

/* options.c: the type and its options, checked for typos; NULL on failure. */
const Type *chardev_parse_backend(KeyVal *options, Error **err);
Chardev *chardev_find_or_suggest(const char *id, Error **err);
/* False while the guest runs: an open() does what takes time in the background. */
extern bool chardev_may_wait;

/* mux.c: a mux named `label` on top of `base`. Fails, and frees base, when that is in use. */
Chardev *chardev_mux_new(const char *label, Chardev *base, Error **err);
/* One more front end; returns its port. */
Chardev *chardev_mux_attach(Chardev *mux, const ChardevFrontend *frontend, Error **err);
/* The front end of this port has gone; another may have it. */
void chardev_mux_detach(Chardev *port);
Chardev *chardev_mux_base(Chardev *mux);
bool chardev_mux_has_frontend(const Chardev *mux);

/* How to write to a descriptor without ever waiting. */
typedef enum FdKind {
    FD_KIND_OWN,    /* O_NONBLOCK, or never blocks */
    FD_KIND_SOCKET, /* MSG_DONTWAIT */
    FD_KIND_SHARED  /* its O_NONBLOCK is other processes' too: asked before each small write */
} FdKind;

/*
 * A descriptor of our own for what `fd` refers to, if the kernel lets us have one (so that
 * O_NONBLOCK does not hit the shell that shares it), else a duplicate. -1 and errno on failure.
 */
int fd_open_own(int fd, FdKind *ret_kind);
/* Writes what fits, 0..count; -1: broken for good. */
ssize_t fd_write_some(int fd, FdKind kind, const uint8_t *bytes, size_t count);

/* fd-chardev.c: the parent of those that read one descriptor and write another. */
typedef struct FdChardev {
    Chardev chardev;
    int in_fd, out_fd; /* -1: none; out_fd is closed at the end, in_fd where owns_in */
    FdKind out_kind;
    char *out_name; /* for messages; NULL: the chardev's file name */
    bool owns_in;
    LoopWatch *in, *out; /* `out` only while there is something to write */
} FdChardev;

extern const Type fd_chardev_type;

/* Starts reading and writing the descriptors set before; they must differ. */
void fd_chardev_start(FdChardev *self);
void fd_chardev_close(Chardev *chardev);
size_t fd_chardev_write(Chardev *chardev, const uint8_t *bytes, size_t count);
void fd_chardev_update_read(Chardev *chardev);
void fd_chardev_watch_writable(Chardev *chardev, bool on);

#endif
