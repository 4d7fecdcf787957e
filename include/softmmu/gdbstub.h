/* SPDX-License-Identifier: MIT */
/* gdb's remote protocol: one server, one client at a time. Main thread, under the lock. */
#ifndef SOFTMMU_GDBSTUB_H
#define SOFTMMU_GDBSTUB_H

#include "util/error.h"

/* Serves `device`: tcp:[HOST]:PORT and unix:PATH listen, "none" ends the service, anything else is
 * a character device in short form ("stdio", "chardev:ID"). Takes the place of the one before. */
bool gdbstub_start(const char *device, Error **err);

/* Tells the client that the machine has ended with this status; no-op without one. */
void gdbstub_exit(int status);

#endif
