/* SPDX-License-Identifier: MIT */
/* Where a socket is: from options to a listening or connected descriptor. */
#ifndef UI_CHAR_SOCKET_ADDRESS_H
#define UI_CHAR_SOCKET_ADDRESS_H

#include "util/keyval.h"

#include <sys/socket.h>

typedef struct SocketAddress {
    char *path;       /* UNIX; then host and port are NULL */
    bool is_abstract; /* the path is a name without a file */
    bool is_tight;    /* such a name ends with its last character */
    bool is_datagram; /* UDP */
    char *host;       /* "": all addresses, or this machine */
    char *port;
    char *local_host; /* UDP: where datagrams are expected; NULL: anywhere */
    char *local_port;
    uint64_t port_to; /* last port to try when listening; 0: just the one */
    int family;       /* AF_UNSPEC, AF_INET, AF_INET6 */
    int fd;           /* fd=: there already; -1: none */
    bool owns_fd;     /* nobody has taken it yet: socket_address_take_fd() */
    char *bound_path; /* absolute, to be removed at the end; NULL: none */
} SocketAddress;

/* Takes path=, abstract=, tight=, host=, port=, to=, ipv4=, ipv6=, fd=.
 * socket_address_clear() in any case. */
bool socket_address_parse(SocketAddress *address, KeyVal *options, Error **err);
/* Takes host=, port=, localaddr=, localport=, ipv4=, ipv6=. */
bool socket_address_parse_udp(SocketAddress *address, KeyVal *options, Error **err);
void socket_address_clear(SocketAddress *address);
/* A deep copy of what connecting needs; `to` is empty before. */
void socket_address_copy(SocketAddress *to, const SocketAddress *from);

/* "unix:PATH" or "tcp:HOST:PORT" (tcp being the prefix); caller frees. */
char *socket_address_text(const SocketAddress *address, const char *tcp_prefix);
/* The same of an IPv4 or IPv6 name, an IPv6 host in brackets; "HOST:PORT" for the prefix "". NULL
 * for others. */
char *socket_name_text(const struct sockaddr *name, socklen_t size, const char *tcp_prefix);

/* A descriptor, or -1. A socket file that nobody listens on any more is replaced; resolves only
 * addresses, unless start-up may wait for a name server. */
int socket_listen(SocketAddress *address, bool may_wait, Error **err);
/* The descriptor of fd=, for who closes it from now on; -1: none. socket_listen() does that, too.
 */
int socket_address_take_fd(SocketAddress *address);
/* Waits: for workers. */
int socket_connect(const SocketAddress *address, Error **err);
/* Does not wait: for UNIX sockets. */
int socket_connect_at_once(const SocketAddress *address, Error **err);

/* Removes the file that socket_listen() made. */
void socket_address_remove_file(SocketAddress *address);

#endif
