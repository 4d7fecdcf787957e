/* SPDX-License-Identifier: MIT */
/* Descriptors that whoever started us hands over: sets of them, opened as "/dev/fdset/N", and ones
 * with a name. Main thread, under the machine lock. */
#ifndef UTIL_FD_SETS_H
#define UTIL_FD_SETS_H

#include "util/error.h"

#include <stdint.h>
#include <sys/types.h>

/* -- Sets (-add-fd, add-fd): several descriptors of one file with different access modes ------- */

#define FD_SET_NEW (-1)

/*
 * Puts `fd` into a set, FD_SET_NEW: the first number that is free. Takes the descriptor over (also
 * when it fails). Returns the set's number, -1 on failure. `opaque` is a text for query-fdsets, or
 * NULL.
 */
int64_t fd_set_add(int64_t set, int fd, const char *opaque, Error **err);

/* What -add-fd does: a duplicate of descriptor number `fd`, which is closed when the last such
 * option has been seen (fd_set_close_inherited()). Refuses 0, 1, 2 and our own. */
bool fd_set_add_inherited(int64_t set, int fd, const char *opaque, Error **err);
void fd_set_close_inherited(void);

/* Closes one descriptor of a set, or all (`fd` -1). What was opened from it stays open. */
bool fd_set_remove(int64_t set, int fd, Error **err);

/* Calls fn for every descriptor, by rising set number, in the order they came. */
void fd_set_foreach(void (*fn)(int64_t set, int fd, const char *opaque_text, void *opaque),
                    void *opaque);

/*
 * open() with O_CLOEXEC, to which "/dev/fdset/N" is a duplicate of the descriptor in set N that
 * has the access mode of `flags`. -1 and errno on failure: ENOENT no such set, EACCES no
 * descriptor of that mode. A duplicate shares its offset with the original, and also the flags
 * O_APPEND, O_DIRECT and O_NONBLOCK, which become those asked for; O_TRUNC empties the file.
 */
int fd_open(const char *path, int flags, mode_t mode);

/* -- Names (getfd, closefd) -------------------------------------------------------------------- */

/* Each monitor has names of its own: those of `owner` are meant from now on. Returns whose they were
 * before; NULL: nobody's. */
const void *fd_names_select(const void *owner);
/* Closes all that `owner` has named. */
void fd_names_drop(const void *owner);

/* Takes `fd` over; the descriptor that had the name is closed. Fails for a name that begins with a
 * digit or is empty. */
bool fd_name_set(const char *name, int fd, Error **err);
/* Hands it out and forgets the name; -1: there is none. */
int fd_name_take(const char *name);
bool fd_name_close(const char *name, Error **err);

/* fd=TEXT of an option: a number, or a name that is taken; in a monitor a name only. -1 on failure. */
int fd_parse(const char *text, Error **err);

#endif
