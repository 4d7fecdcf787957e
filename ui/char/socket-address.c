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
    address->fd = fd;
    address->owns_fd = true;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ||
           error_set_errno(err, errno, "descriptor fd=%s cannot be used as a socket", text);
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

bool socket_address_parse_udp(SocketAddress *address, KeyVal *options, Error **err)
{
    const char *host = keyval_get(options, "host"), *port = keyval_get(options, "port");
    const char *local_host = keyval_get(options, "localaddr");
    const char *local_port = keyval_get(options, "localport");

    *address = (SocketAddress){.fd = -1, .family = AF_UNSPEC, .is_datagram = true};
    if (!port || !*port) {
        return error_set(err, "udp needs port=, the one on the other side");
    }
    address->host = g_strdup(host && *host ? host : "localhost");
    address->port = g_strdup(port);
    address->local_host = g_strdup(local_host && *local_host ? local_host : NULL);
    address->local_port = g_strdup(local_port && *local_port ? local_port : "0");
    return parse_family(address, options, err);
}

void socket_address_copy(SocketAddress *to, const SocketAddress *from)
{
    *to = *from;
    to->owns_fd = false;
    to->path = g_strdup(from->path);
    to->host = g_strdup(from->host);
    to->port = g_strdup(from->port);
    to->local_host = g_strdup(from->local_host);
    to->local_port = g_strdup(from->local_port);
    to->bound_path = NULL;
}

int socket_address_take_fd(SocketAddress *address)
{
    address->owns_fd = false;
    return address->fd;
}

void socket_address_clear(SocketAddress *address)
{
    if (address->owns_fd) {
        close(address->fd);
    }
    g_free(address->path);
    g_free(address->host);
    g_free(address->port);
    g_free(address->local_host);
    g_free(address->local_port);
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

/* -1 and errno on failure. */
static int unix_bind(SocketAddress *address, int fd, const struct sockaddr_un *name, socklen_t size)
{
    if (!address->is_abstract) {
        remove_socket_file(address->path);
    }
    if (bind(fd, (const struct sockaddr *)name, size) < 0 || listen(fd, 1) < 0) {
        return -1;
    }
    address->bound_path =
        address->is_abstract ? NULL : g_canonicalize_filename(address->path, NULL);
    return 0;
}

static int unix_listen(SocketAddress *address, Error **err)
{
    struct sockaddr_un name;
    socklen_t size = unix_address(address, &name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && !address->is_abstract && is_listened_to(&name, size)) {
        close(fd);
        error_set(err, "UNIX socket '%s' is in use", address->path);
        error_hint(err, "Somebody listens on it now; another path is free.");
        return -1;
    }
    if (fd < 0 || unix_bind(address, fd, &name, size) < 0) {
        error_set_errno(err, errno, "cannot listen on UNIX socket '%s'", address->path);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static int unix_connect(const SocketAddress *address, bool waits, Error **err)
{
    struct sockaddr_un name;
    socklen_t size = unix_address(address, &name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&name, size) < 0) {
        error_set_errno(err, errno, "cannot connect to UNIX socket '%s'", address->path);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* -- TCP and UDP ------------------------------------------------------------------------------- */

/* Binds a socket for datagrams to where they are expected. -1 and errno on failure. */
static int bind_local(const SocketAddress *address, int fd, int family)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;

    if (!address->local_host && g_str_equal(address->local_port, "0")) {
        return 0;
    }
    if (getaddrinfo(address->local_host, address->local_port, &hints, &list) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int status = bind(fd, list->ai_addr, list->ai_addrlen), saved = errno;
    freeaddrinfo(list);
    errno = saved;
    return status;
}

static int inet_try(const SocketAddress *address, const struct addrinfo *info, bool listens)
{
    int on = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    bool ok;
    if (listens) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        ok = bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, 1) == 0;
    } else {
        ok = (!address->is_datagram || bind_local(address, fd, info->ai_family) == 0) &&
             connect(fd, info->ai_addr, info->ai_addrlen) == 0;
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
static int inet_try_all(const SocketAddress *address, const struct addrinfo *list, bool listens)
{
    for (int round = 0; round < 2; round++) {
        for (const struct addrinfo *info = list; info; info = info->ai_next) {
            bool is_turn = (info->ai_family == AF_INET) == (round == 0);
            int fd = is_turn ? inet_try(address, info, listens) : -1;
            if (fd >= 0) {
                return fd;
            }
        }
    }
    return -1;
}

static int inet_open_port(const SocketAddress *address, const char *port, bool listens,
                          int extra_flags, Error **err)
{
    struct addrinfo hints = {.ai_family = address->family,
                             .ai_socktype = address->is_datagram ? SOCK_DGRAM : SOCK_STREAM,
                             .ai_flags = (listens ? AI_PASSIVE : 0) | extra_flags};
    struct addrinfo *list = NULL;
    int failure = getaddrinfo(*address->host ? address->host : NULL, port, &hints, &list);

    if (failure) {
        error_set(err, "cannot resolve '%s:%s': %s", address->host, port, gai_strerror(failure));
        return -1;
    }
    int fd = inet_try_all(address, list, listens);
    int saved = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        bool is_local = address->local_host || g_strcmp0(address->local_port, "0") != 0;
        g_autofree char *local =
            address->is_datagram && is_local
                ? g_strdup_printf(" from '%s:%s'", address->local_host ? address->local_host : "",
                                  address->local_port)
                : NULL;
        error_set_errno(err, saved, "cannot %s '%s:%s'%s", listens ? "listen on" : "connect to",
                        address->host, port, local ? local : "");
    }
    return fd;
}

static int tcp_listen(const SocketAddress *address, bool may_wait, Error **err)
{
    int flags = may_wait || g_str_equal(address->host, "localhost") ? 0 : AI_NUMERICHOST;
    uint64_t first;

    if (!address->port_to) {
        return inet_open_port(address, address->port, true, flags, err);
    }
    if (!parse_u64(address->port, &first, err)) {
        return -1;
    }
    for (uint64_t port = first; port <= MIN(address->port_to, 65535); port++) {
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, port);
        int fd = inet_open_port(address, text, true, flags, NULL);
        if (fd >= 0) {
            return fd;
        }
    }
    error_set(err, "no port from %s to %" G_GUINT64_FORMAT " is free on '%s'", address->port,
              address->port_to, address->host);
    return -1;
}

int socket_listen(SocketAddress *address, bool may_wait, Error **err)
{
    if (address->fd >= 0) {
        return socket_address_take_fd(address);
    }
    return address->path ? unix_listen(address, err) : tcp_listen(address, may_wait, err);
}

int socket_connect(const SocketAddress *address, Error **err)
{
    return address->path ? unix_connect(address, true, err)
                         : inet_open_port(address, address->port, false, 0, err);
}

int socket_connect_at_once(const SocketAddress *address, Error **err)
{
    return unix_connect(address, false, err);
}
