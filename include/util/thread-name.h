/* SPDX-License-Identifier: MIT */
/* Names of threads, as ps -L and top -H show them. */
#ifndef UTIL_THREAD_NAME_H
#define UTIL_THREAD_NAME_H

#include <glib.h>
#include <stdbool.h>

/* Whether threads that begin from now on take names; otherwise they have that of the process. */
void thread_names_enable(bool enabled);

/* Names the calling thread; what is longer than the kernel's 15 characters is cut. */
void thread_set_name(const char *format, ...) G_GNUC_PRINTF(1, 2);

#endif
