/* SPDX-License-Identifier: MIT */
/* What HMP and QMP sessions share: output to a client that may be slow, and the call of a command.
 */
#include "softmmu/monitor/monitor-private.h"
#include "util/fd-sets.h"

#include <string.h>

/* A client that does not read its answers is asked to stop asking, then loses them. */
#define TEXT_ENOUGH (256 * 1024)
#define TEXT_TOO_MUCH (16 * 1024 * 1024)
#define FLUSH_AGAIN_NS 5000000

/* -- Output ------------------------------------------------------------------------------------ */

void monitor_append(Monitor *monitor, const char *text)
{
    if (monitor->text->len > TEXT_TOO_MUCH) {
        return;
    }
    for (const char *newline; (newline = strchr(text, '\n')) != NULL; text = newline + 1) {
        g_string_append_len(monitor->text, text, newline - text);
        g_string_append(monitor->text, "\r\n");
    }
    g_string_append(monitor->text, text);
}

void monitor_printf(Monitor *monitor, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    if (!monitor->qmp) {
        monitor_append(monitor, text);
    }
}

bool monitor_is_behind(const Monitor *monitor)
{
    return monitor->text->len >= TEXT_ENOUGH;
}

void monitor_flush(Monitor *monitor)
{
    if (!monitor->chardev) {
        return;
    }
    /* Writing may find the client gone, which empties the text, or have this called again. */
    size_t room;
    while (monitor->text->len > 0 && (room = chardev_write_room(monitor->chardev)) > 0) {
        size_t chunk = MIN(monitor->text->len, room);
        g_autofree char *bytes = g_memdup2(monitor->text->str, chunk);
        g_string_erase(monitor->text, 0, (gssize)chunk);
        chardev_write(monitor->chardev, bytes, chunk);
    }
    if (monitor->text->len > 0) {
        timer_mod_ns(&monitor->flush_timer, clock_now_ns(CLOCK_TYPE_REALTIME) + FLUSH_AGAIN_NS);
    } else {
        chardev_accept_input(monitor->chardev);
    }
}

static void flush_again(void *opaque)
{
    monitor_flush(opaque);
}

/* -- Life -------------------------------------------------------------------------------------- */

static Monitor *speaker;

Monitor *monitor_speaker(void)
{
    return speaker;
}

Monitor *monitor_set_speaker(Monitor *monitor)
{
    Monitor *before = speaker;

    speaker = monitor;
    return before;
}

Monitor *monitor_new(void)
{
    Monitor *monitor = g_new0(Monitor, 1);

    monitor->text = g_string_new(NULL);
    monitor->format = 'x';
    monitor->size = 'w';
    if (main_loop()) {
        timer_init(&monitor->flush_timer, main_loop(), CLOCK_TYPE_REALTIME, flush_again, monitor);
    }
    return monitor;
}

void monitor_free(void *opaque)
{
    Monitor *monitor = opaque;

    if (monitor->flush_timer.loop) {
        timer_del(&monitor->flush_timer);
    }
    if (monitor->text) {
        g_string_free(monitor->text, TRUE);
    }
    monitor_abandon(monitor);
    if (monitor->unread) {
        g_string_free(monitor->unread, TRUE);
    }
    fd_names_drop(monitor);
    json_decref(monitor->result);
    readline_free(monitor->readline);
    bottom_half_free(monitor->show);
    g_free(monitor);
}

bool monitor_attach(Monitor *monitor, Chardev *chardev, const ChardevFrontend *frontend,
                    Error **err)
{
    Chardev *attached = chardev_attach(chardev, frontend, err);

    if (!attached) {
        frontend->released(monitor);
        return false;
    }
    monitor->chardev = attached;
    monitor->is_open = attached->connected;
    return true;
}

/* -- Calling a command ------------------------------------------------------------------------- */

void monitor_return(Monitor *monitor, json_t *result)
{
    json_decref(monitor->result);
    monitor->result = result;
}

const json_t *monitor_arguments(const Monitor *monitor)
{
    return monitor->arguments;
}

struct MonitorPending {
    Monitor *monitor; /* NULL: gone, or of another client now */
    const MonitorCommand *command;
};

bool monitor_can_wait(const Monitor *monitor)
{
    return monitor->finished && !monitor->is_nested;
}

MonitorPending *monitor_defer(Monitor *monitor)
{
    MonitorPending *pending = g_new0(MonitorPending, 1);

    g_assert(monitor_can_wait(monitor) && !monitor->pending);
    pending->monitor = monitor;
    pending->command = monitor->command;
    monitor->pending = pending;
    return pending;
}

void monitor_finish(MonitorPending *pending, json_t *result, Error *error)
{
    const MonitorCommand *command = pending->command;
    Monitor *monitor = pending->monitor;

    g_free(pending);
    if (monitor) {
        monitor->pending = NULL;
        monitor->finished(monitor, command, result, error);
    } else {
        json_decref(result);
        error_free(error);
    }
}

void monitor_abandon(Monitor *monitor)
{
    if (monitor->pending) {
        monitor->pending->monitor = NULL;
        monitor->pending = NULL;
    }
}

bool monitor_call(Monitor *monitor, const MonitorCommand *command, const MonitorValue *values,
                  json_t **ret_result, Error **err)
{
    json_t *outer = g_steal_pointer(&monitor->result); /* of human-monitor-command */
    MonitorPending *before = g_steal_pointer(&monitor->pending);

    monitor->command = command;
    monitor->is_nested = before;
    const void *outer_names = fd_names_select(monitor);
    if (outer_names) {
        fd_names_select(outer_names); /* of the monitor that human-monitor-command came on */
    }
    Monitor *outer_speaker = monitor_set_speaker(monitor);
    bool fine = command->run(monitor, values, err);
    monitor_set_speaker(outer_speaker);
    fd_names_select(outer_names);
    monitor->is_nested = false;
    monitor->command = NULL;
    if (before) {
        monitor->pending = before;
    }
    *ret_result = monitor->result;
    monitor->result = outer;
    if (!fine) {
        json_decref(*ret_result);
        *ret_result = NULL;
    }
    return fine;
}
