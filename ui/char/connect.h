/* SPDX-License-Identifier: MIT */
/* Connecting in the background: names are resolved and sockets connected by a worker. */
#ifndef UI_CHAR_CONNECT_H
#define UI_CHAR_CONNECT_H

#include "socket-address.h"

typedef struct ConnectJob ConnectJob;

/* `fd` is the callee's, -1 with an error (the callee's, too) on failure. The job is gone. */
typedef void ConnectDone(void *opaque, int fd, Error *error);

/* Calls `done` from the main loop. */
ConnectJob *connect_start(const SocketAddress *address, ConnectDone *done, void *opaque);
/* Nobody is interested any more; NULL is fine. */
void connect_cancel(ConnectJob *job);
/* The same in the foreground, for start-up: waits, until a signal ends it. -1 on failure. */
int connect_wait(const SocketAddress *address, Error **err);

#endif
