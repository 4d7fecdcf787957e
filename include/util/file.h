/* SPDX-License-Identifier: MIT */
/* Whole files of the user. */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include "util/error.h"

/* All bytes of a file, pipe or /dev/stdin; a zero byte follows them. Caller frees with g_free();
 * NULL and "cannot read 'PATH': ..." on failure. `ret_size` may be NULL where a zero byte within
 * is an error. */
char *file_read(const char *path, size_t *ret_size, Error **err);

#endif
