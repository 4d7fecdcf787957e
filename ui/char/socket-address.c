/* SPDX-License-Identifier: MIT */
/* Where a socket is: from options to a listening or connected descriptor. */
#include "socket-address.h"
#include "util/fd-sets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool parse_family(SocketAddress *address, KeyVal *options, Error **err)
{
    bool ipv4 = true, ipv6 = true;
    bool has_ipv4 = keyval_get(options, "ipv4"), has_ipv6 = keyval_get(options, "ipv6");

    if (!keyval_get_bool(options, "ipv4", &ipv4, err) ||
        !keyval_get_bool(options, "ipv6", &ipv6, err)) {
        return false;
    }
    if (!ipv4 && !ipv6) {
        return error_set(err, "neither IPv4 nor IPv6 is left to use");
    }
    /* ipv4=on alone means no IPv6, and the other way round. */
    if (!ipv6 || (has_ipv4 && ipv4 && !has_ipv6)) {
        address->family = AF_INET;
    } else if (!ipv4 || (has_ipv6 && !has_ipv4)) {
        address->family = AF_INET6;
    }
    return true;
}

static bool parse_fd(SocketAddress *address, KeyVal *options, Error **err)
{
    const char *text = keyval_get(options, "fd");
    int type, fd = fd_parse(text, err);
    socklen_t size = sizeof(type);

    if (fd < 0) {
        error_prefix(err, "parameter 'fd': ");
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
        return error_set_errno(err, errno, "descriptor fd=%s cannot be used as a socket", text);
    }
    address->fd = fd;
    return true;
}

bool socket_address_parse(SocketAddress *address, KeyVal *options, Error **err)
{
    const char *path = keyval_get(options, "path");
    const char *host = keyval_get(options, "host");
    const char *port = keyval_get(options, "port");
    bool has_fd = keyval_get(options, "fd");

    *address = (SocketAddress){.fd = -1, .family = AF_UNSPEC, .is_tight = true};
    if ((path != NULL) + (port != NULL) + has_fd != 1) {
        return error_set(err, "a socket needs one of path=, port= and fd=");
    }
    if (!keyval_get_bool(options, "abstract", &address->is_abstract, err) ||
        !keyval_get_bool(options, "tight", &address->is_tight, err)) {
        return false;
    }
    if (has_fd) {
        return parse_fd(address, options, err);
    }
    if (path) {
        if (!*path) {
            return error_set(err, "the path of a UNIX socket is empty");
        }
        if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
            error_set(err, "the path of UNIX socket '%s' is too long", path);
            error_hint(err, "It may have %zu characters.",
                       sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
            return false;
        }
        address->path = g_strdup(path);
        return true;
    }
    address->host = g_strdup(host ? host : "");
    address->port = g_strdup(port);
    return keyval_get_u64(options, "to", &address->port_to, err) &&
           parse_family(address, options, err);
}

void socket_address_clear(SocketAddress *address)
{
    g_free(address->path);
    g_free(address->host);
    g_free(address->port);
    g_free(address->bound_path);
    *address = (SocketAddress){.fd = -1};
}

char *socket_address_text(const SocketAddress *address, const char *tcp_prefix)
{
    if (address->path) {
        return g_strdup_printf("unix:%s%s", address->path,
                               !address->is_abstract ? ""
                               : address->is_tight   ? ",abstract=on,tight=on"
                                                     : ",abstract=on");
    }
    if (address->port) {
        return g_strdup_printf("%s:%s:%s", tcp_prefix, address->host, address->port);
    }
    return g_strdup_printf("fd:%d", address->fd);
}

char *socket_name_text(const struct sockaddr *name, socklen_t size, const char *tcp_prefix)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int flags = NI_NUMERICHOST | NI_NUMERICSERV;

    if ((name->sa_family != AF_INET && name->sa_family != AF_INET6) ||
        getnameinfo(name, size, host, sizeof(host), port, sizeof(port), flags) != 0) {
        return NULL;
    }
    bool is_v6 = name->sa_family == AF_INET6;
    return g_strdup_printf("%s%s%s%s%s:%s", tcp_prefix, *tcp_prefix ? ":" : "", is_v6 ? "[" : "",
                           host, is_v6 ? "]" : "", port);
}

/* -- UNIX -------------------------------------------------------------------------------------- */

static socklen_t unix_address(const SocketAddress *address, struct sockaddr_un *ret_name)
{
    size_t length = strlen(address->path);

    *ret_name = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_name->sun_path + (address->is_abstract ? 1 : 0), address->path, length);
    if (address->is_abstract && !address->is_tight) {
        return sizeof(*ret_name); /* the zeros behind it belong to the name */
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
}

/* Asks without a connection that the listener would see: a datagram socket is refused as the wrong
 * type by a stream socket that is open, and as nobody by a file that is left over. */
static bool is_listened_to(const struct sockaddr_un *name, socklen_t size)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_open =
        fd >= 0 && connect(fd, (const struct sockaddr *)name, size) < 0 && errno == EPROTOTYPE;

    if (fd >= 0) {
        close(fd);
    }
    return is_open;
}

static void remove_socket_file(const char *path)
{
    struct stat status;

    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode)) {
        unlink(path);
    }
}

void socket_address_remove_file(SocketAddress *address)
{
    if (address->bound_path) {
        remove_socket_file(address->bound_path);
        g_clear_pointer(&address->bound_path, g_free);
    }
}

static int unix_open(SocketAddress *address, bool listens, Error **err)
{
    struct sockaddr_un name;
    socklen_t size = unix_address(address, &name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && listens) {
        if (!address->is_abstract) {
            if (is_listened_to(&name, size)) {
                close(fd);
                error_set(err, "UNIX socket '%s' is in use", address->path);
                error_hint(err, "Somebody listens on it now; another path is free.");
                return -1;
            }
            remove_socket_file(address->path);
        }
        if (bind(fd, (struct sockaddr *)&name, size) == 0 && listen(fd, 1) == 0) {
            address->bound_path =
                address->is_abstract ? NULL : g_canonicalize_filename(address->path, NULL);
            return fd;
        }
    } else if (fd >= 0 && connect(fd, (struct sockaddr *)&name, size) == 0) {
        return fd;
    }
    int saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    error_set_errno(err, saved, "cannot %s UNIX socket '%s'", listens ? "listen on" : "connect to",
                    address->path);
    return -1;
}

/* -- TCP --------------------------------------------------------------------------------------- */

static int tcp_try(const struct addrinfo *info, bool listens)
{
    int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    bool ok;
    if (listens) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        ok = bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, 1) == 0;
    } else {
        ok = connect(fd, info->ai_addr, info->ai_addrlen) == 0;
    }
    if (!ok) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* IPv4 first: "localhost" is then where a client that says 127.0.0.1 looks as well. */
static int tcp_try_all(const struct addrinfo *list, bool listens)
{
    for (int round = 0; round < 2; round++) {
        for (const struct addrinfo *info = list; info; info = info->ai_next) {
            int fd = (info->ai_family == AF_INET) == (round == 0) ? tcp_try(info, listens) : -1;
            if (fd >= 0) {
                return fd;
            }
        }
    }
    return -1;
}

static int tcp_open_port(const SocketAddress *address, const char *port, bool listens, Error **err)
{
    struct addrinfo hints = {.ai_family = address->family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = listens ? AI_PASSIVE : 0};
    struct addrinfo *list = NULL;
    int failure = getaddrinfo(*address->host ? address->host : NULL, port, &hints, &list);

    if (failure) {
        error_set(err, "cannot resolve '%s:%s': %s", address->host, port, gai_strerror(failure));
        return -1;
    }
    int fd = tcp_try_all(list, listens);
    int saved = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        error_set_errno(err, saved, "cannot %s '%s:%s'", listens ? "listen on" : "connect to",
                        address->host, port);
    }
    return fd;
}

static int tcp_listen(const SocketAddress *address, Error **err)
{
    uint64_t first;

    if (!address->port_to) {
        return tcp_open_port(address, address->port, true, err);
    }
    if (!parse_u64(address->port, &first, err)) {
        return -1;
    }
    for (uint64_t port = first; port <= MIN(address->port_to, 65535); port++) {
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, port);
        int fd = tcp_open_port(address, text, true, NULL);
        if (fd >= 0) {
            return fd;
        }
    }
    error_set(err, "no port from %s to %" G_GUINT64_FORMAT " is free on '%s'", address->port,
              address->port_to, address->host);
    return -1;
}

int socket_listen(SocketAddress *address, Error **err)
{
    if (address->fd >= 0) {
        return address->fd;
    }
    return address->path ? unix_open(address, true, err) : tcp_listen(address, err);
}

int socket_connect(const SocketAddress *address, Error **err)
{
    if (address->fd >= 0) {
        return address->fd;
    }
    return address->path ? unix_open((SocketAddress *)address, false, err)
                         : tcp_open_port(address, address->port, false, err);
}
