/* SPDX-License-Identifier: MIT */
/* HMP: a session of the human monitor on a character device, or one line run for its output. */
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"
#include "util/version.h"

#include <string.h>

#define PROMPT "(qemu) "
#define GREETING "QEMU " QEMU_COMPAT_VERSION " monitor - type 'help' for more information\n"

/* A client that does not read its answers is asked to stop asking, then loses them. */
#define TEXT_ENOUGH (256 * 1024)
#define TEXT_TOO_MUCH (16 * 1024 * 1024)
#define FLUSH_AGAIN_NS 5000000

/* -- Output ------------------------------------------------------------------------------------ */

static void append_text(Monitor *monitor, const char *text)
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
    append_text(monitor, text);
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

/* -- The session ------------------------------------------------------------------------------- */

static void session_print(void *opaque, const char *text)
{
    append_text(opaque, text);
}

static void session_line(void *opaque, const char *line)
{
    Monitor *monitor = opaque;

    monitor_run_line(monitor, line);
    if (!monitor->is_ending) {
        readline_start(monitor->readline);
    }
}

static size_t session_complete(void *opaque, const char *text, GPtrArray *words)
{
    return monitor_complete(text, words);
}

static void session_show(void *opaque)
{
    Monitor *monitor = opaque;

    if (!monitor->is_open || !monitor->has_focus) {
        return;
    }
    if (monitor->was_greeted) {
        monitor_printf(monitor, "\n");
        readline_show(monitor->readline);
    } else {
        monitor->was_greeted = true;
        monitor_printf(monitor, GREETING);
        readline_start(monitor->readline);
    }
    monitor_flush(monitor);
}

static size_t session_can_receive(void *opaque)
{
    Monitor *monitor = opaque;

    return monitor->text->len < TEXT_ENOUGH && !monitor->is_ending ? 4096 : 0;
}

static void session_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    Monitor *monitor = opaque;

    if (!monitor->was_greeted) {
        session_show(monitor);
    }
    for (size_t i = 0; i < count && !monitor->is_ending; i++) {
        readline_put(monitor->readline, bytes[i]);
    }
    monitor_flush(monitor);
}

static void session_event(void *opaque, ChardevEvent event)
{
    Monitor *monitor = opaque;

    switch (event) {
    case CHARDEV_OPENED:
        monitor->is_open = true;
        monitor->was_greeted = false;
        bottom_half_post(monitor->show);
        break;
    case CHARDEV_CLOSED:
        monitor->is_open = false;
        g_string_truncate(monitor->text, 0);
        timer_del(&monitor->flush_timer);
        break;
    case CHARDEV_MUX_IN:
        monitor->has_focus = true;
        bottom_half_post(monitor->show);
        break;
    case CHARDEV_MUX_OUT:
        monitor->has_focus = false;
        break;
    default:
        break;
    }
}

static void mux_key(char key)
{
    if (key == 'x') {
        system_exit_request(0, SHUTDOWN_CAUSE_HOST_QUIT);
    }
}

static Monitor *monitor_new(void)
{
    Monitor *monitor = g_new0(Monitor, 1);

    monitor->text = g_string_new(NULL);
    monitor->format = 'x';
    monitor->size = 'w';
    return monitor;
}

static void monitor_free(void *opaque)
{
    Monitor *monitor = opaque;

    timer_del(&monitor->flush_timer);
    g_string_free(monitor->text, TRUE);
    readline_free(monitor->readline);
    bottom_half_free(monitor->show);
    g_free(monitor);
}

bool monitor_new_hmp(Chardev *chardev, Error **err)
{
    static const ReadlineOps ops = {session_print, session_line, session_complete};
    Monitor *monitor = monitor_new();
    ChardevFrontend frontend = {.can_receive = session_can_receive,
                                .receive = session_receive,
                                .event = session_event,
                                .released = monitor_free,
                                .opaque = monitor,
                                .is_monitor = true};

    monitor->readline = readline_new(PROMPT, &ops, monitor);
    monitor->show = bottom_half_new(main_loop(), session_show, monitor);
    timer_init(&monitor->flush_timer, main_loop(), CLOCK_TYPE_REALTIME, flush_again, monitor);
    monitor->has_focus = !chardev->is_mux;
    chardev_mux_key = mux_key;
    Chardev *attached = chardev_attach(chardev, &frontend, err);
    if (!attached) {
        monitor_free(monitor);
        return false;
    }
    monitor->chardev = attached;
    monitor->is_open = attached->connected;
    return true;
}

char *monitor_run_hmp(const char *line)
{
    Monitor *monitor = monitor_new();

    monitor_run_line(monitor, line);
    char *text = g_string_free(g_steal_pointer(&monitor->text), FALSE);
    g_free(monitor);
    return text;
}
