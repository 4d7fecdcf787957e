/* SPDX-License-Identifier: MIT */
/* What HMP and QMP sessions share: output to a client that may be slow, and the call of a command.
 */
#include "softmmu/monitor/monitor-private.h"

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
    size_t done = 0, room;
    while (done < monitor->text->len && (room = chardev_write_room(monitor->chardev)) > 0) {
        size_t chunk = MIN(monitor->text->len - done, room);
        chardev_write(monitor->chardev, monitor->text->str + done, chunk);
        done += chunk;
    }
    g_string_erase(monitor->text, 0, (gssize)done);
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

bool monitor_call(Monitor *monitor, const MonitorCommand *command, const MonitorValue *values,
                  json_t **ret_result, Error **err)
{
    json_t *outer = g_steal_pointer(&monitor->result); /* of human-monitor-command */
    bool fine = command->run(monitor, values, err);

    *ret_result = monitor->result;
    monitor->result = outer;
    if (!fine) {
        json_decref(*ret_result);
        *ret_result = NULL;
    }
    return fine;
}
