/* SPDX-License-Identifier: MIT */
/* Image locks: keep two programs from writing one image. */
#ifndef BLOCK_CORE_LOCK_H
#define BLOCK_CORE_LOCK_H

#include "util/error.h"

/*
 * Locks the open image for reading, or for reading and writing, until its file description is
 * closed. A conflict fails with the holder's process id where the host tells it. File systems
 * without such locks are taken as they are.
 */
bool image_lock_take(int fd, const char *filename, bool is_writer, Error **err);

#endif
