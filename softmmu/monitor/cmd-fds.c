/* SPDX-License-Identifier: MIT */
/* Commands about descriptors that a client hands over on its socket: sets and names of them. */
#include "softmmu/monitor/monitor-private.h"
#include "ui/chardev.h"
#include "util/fd-sets.h"

#include <limits.h>
#include <unistd.h>

/* The descriptor that came with the request; -1 and *err: none did. */
static int take_fd(const Monitor *monitor, Error **err)
{
    int fd = monitor->chardev ? chardev_take_fd(monitor->chardev) : -1;

    if (fd < 0) {
        error_set(err, "no descriptor came with the request (SCM_RIGHTS)");
    }
    return fd;
}

/* -- Sets -------------------------------------------------------------------------------------- */

static const JsonMember added_members[] = {
    {"fdset-id", &json_type_int}, {"fd", &json_type_int}, {NULL}};
static const JsonType added_type = {.kind = JSON_KIND_OBJECT, .members = added_members};

static bool run_add_fd(Monitor *monitor, const MonitorValue *values, Error **err)
{
    int64_t set = values[0].present ? values[0].number : FD_SET_NEW;
    int fd = take_fd(monitor, err);

    if (fd < 0) {
        return false;
    }
    if (values[0].present && set < 0) {
        close(fd);
        return error_set(err, "Parameter 'fdset-id' expects a non-negative value");
    }
    set = fd_set_add(set, fd, values[1].present ? values[1].text : NULL, err);
    if (set >= 0) {
        monitor_return(monitor, json_pack("{s:I, s:i}", "fdset-id", (json_int_t)set, "fd", fd));
    }
    return set >= 0;
}

static const MonitorCommand add_fd_command = {
    .qmp = "add-fd",
    .help = "put the descriptor that comes with the request into a set, by default a new one",
    .args = {{"fdset-id", MONITOR_ARG_INT, .optional = true},
             {"opaque", MONITOR_ARG_WORD, .optional = true}},
    .returns = &added_type,
    .run = run_add_fd,
};
MONITOR_COMMAND(add_fd_command);

static bool run_remove_fd(Monitor *monitor, const MonitorValue *values, Error **err)
{
    int64_t fd = values[1].present ? values[1].number : -1;

    if (values[1].present && (fd < 0 || fd > INT_MAX)) {
        return error_set(err,
                         "File descriptor named 'fdset-id:%" G_GINT64_FORMAT
                         ", fd:%" G_GINT64_FORMAT "' not found",
                         values[0].number, fd);
    }
    return fd_set_remove(values[0].number, (int)fd, err);
}

static const MonitorCommand remove_fd_command = {
    .qmp = "remove-fd",
    .help = "close a descriptor of a set, or all of it",
    .args = {{"fdset-id", MONITOR_ARG_INT}, {"fd", MONITOR_ARG_INT, .optional = true}},
    .run = run_remove_fd,
};
MONITOR_COMMAND(remove_fd_command);

static const JsonMember fd_members[] = {
    {"fd", &json_type_int}, {"opaque", &json_type_string, true}, {NULL}};
static const JsonType fd_type = {.kind = JSON_KIND_OBJECT, .members = fd_members};
static const JsonType fds_type = {.kind = JSON_KIND_ARRAY, .element = &fd_type};
static const JsonMember set_members[] = {{"fdset-id", &json_type_int}, {"fds", &fds_type}, {NULL}};
static const JsonType set_type = {.kind = JSON_KIND_OBJECT, .members = set_members};
static const JsonType sets_type = {.kind = JSON_KIND_ARRAY, .element = &set_type};

/* Descriptors come set by set. */
static void list_fd(int64_t set, int fd, const char *opaque_text, void *opaque)
{
    size_t count = json_array_size(opaque);
    json_t *last = count ? json_array_get(opaque, count - 1) : NULL;
    json_t *entry = json_pack("{s:i}", "fd", fd);

    if (opaque_text) {
        json_object_set_new(entry, "opaque", json_text(opaque_text));
    }
    if (!last || json_integer_value(json_object_get(last, "fdset-id")) != set) {
        last = json_pack("{s:I, s:[]}", "fdset-id", (json_int_t)set, "fds");
        json_array_append_new(opaque, last);
    }
    json_array_append_new(json_object_get(last, "fds"), entry);
}

static bool run_query_fdsets(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    fd_set_foreach(list_fd, list);
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand query_fdsets_command = {
    .qmp = "query-fdsets",
    .help = "list the sets of descriptors",
    .returns = &sets_type,
    .run = run_query_fdsets,
};
MONITOR_COMMAND(query_fdsets_command);

/* -- Names ------------------------------------------------------------------------------------- */

static bool run_getfd(Monitor *monitor, const MonitorValue *values, Error **err)
{
    int fd = take_fd(monitor, err);

    return fd >= 0 && fd_name_set(values[0].text, fd, err);
}

static const MonitorCommand getfd_command = {
    .name = "getfd",
    .qmp = "getfd",
    .help = "give the descriptor that comes with the request a name",
    .args = {{"fdname", MONITOR_ARG_WORD}},
    .run = run_getfd,
};
MONITOR_COMMAND(getfd_command);

static bool run_closefd(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return fd_name_close(values[0].text, err);
}

static const MonitorCommand closefd_command = {
    .name = "closefd",
    .qmp = "closefd",
    .help = "close the descriptor of that name",
    .args = {{"fdname", MONITOR_ARG_WORD}},
    .run = run_closefd,
};
MONITOR_COMMAND(closefd_command);

/* -- A client that somebody else has let in ---------------------------------------------------- */

/* "vnc", "spice", "dbus-display" are protocols of displays, any other name is a character
 * device's. */
static bool add_client(const char *protocol, int fd, Error **err)
{
    static const char *const displays[] = {"vnc", "spice", "@dbus-display", NULL};

    if (g_strv_contains(displays, protocol)) {
        return error_set(err, "there is no remote display that '%s' could join", protocol);
    }
    return chardev_add_client(protocol, fd, err);
}

static bool run_add_client(Monitor *monitor, const MonitorValue *values, Error **err)
{
    int fd = fd_name_take(values[1].text);

    if (fd < 0) {
        return error_set(err, "there is no descriptor '%s': getfd gives it its name",
                         values[1].text);
    }
    if (!add_client(values[0].text, fd, err)) {
        close(fd);
        return false;
    }
    return true;
}

static const MonitorCommand add_client_command = {
    .qmp = "add_client",
    .help = "let a connected socket, as getfd has named it, be the other side of a character "
            "device that has none",
    .args = {{"protocol", MONITOR_ARG_WORD},
             {"fdname", MONITOR_ARG_WORD},
             {"skipauth", MONITOR_ARG_BOOL, .optional = true},
             {"tls", MONITOR_ARG_BOOL, .optional = true}},
    .run = run_add_client,
};
MONITOR_COMMAND(add_client_command);
