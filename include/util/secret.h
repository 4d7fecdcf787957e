/* SPDX-License-Identifier: MIT */
/* -object secret: passwords and keys that do not stand on a command line. Main thread, under the
 * machine lock. */
#ifndef UTIL_SECRET_H
#define UTIL_SECRET_H

#include "util/error.h"

#include <stddef.h>
#include <stdint.h>

/* The bytes of the secret `id`, followed by a NUL that is not counted; caller frees with
 * secret_free(). NULL on failure. */
uint8_t *secret_get(const char *id, size_t *ret_size, Error **err);
/* The same as text, which has to be UTF-8 without a NUL. */
char *secret_get_text(const char *id, Error **err);
/* Overwrites, then frees; NULL is fine. */
void secret_free(void *secret, size_t size);

#endif
