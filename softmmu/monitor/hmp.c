/* SPDX-License-Identifier: MIT */
/* HMP: a session of the human monitor on a character device, or one line run for its output. */
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"
#include "util/version.h"

#include <string.h>

#define PROMPT "(qemu) "
#define GREETING "QEMU " QEMU_COMPAT_VERSION " monitor - type 'help' for more information\n"

/* -- The session ------------------------------------------------------------------------------- */

static void session_print(void *opaque, const char *text)
{
    monitor_printf(opaque, "%s", text);
}

static void session_line(void *opaque, const char *line)
{
    Monitor *monitor = opaque;

    monitor_run_line(monitor, line);
    if (!monitor->is_ending && !monitor->pending) {
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

    return monitor_is_behind(monitor) || monitor->is_ending || monitor->pending ? 0 : 4096;
}

static void session_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    Monitor *monitor = opaque;

    if (!monitor->was_greeted) {
        session_show(monitor);
    }
    for (size_t i = 0; i < count && !monitor->is_ending; i++) {
        if (monitor->pending) {
            g_string_append_len(monitor->unread, (const char *)bytes + i, (gssize)(count - i));
            break;
        }
        readline_put(monitor->readline, bytes[i]);
    }
    monitor_flush(monitor);
}

static void session_finished(Monitor *monitor, const MonitorCommand *command, json_t *result,
                             Error *error)
{
    size_t count = monitor->unread->len;
    g_autofree uint8_t *typed = g_memdup2(monitor->unread->str, count); /* zero bytes, too */

    g_string_truncate(monitor->unread, 0);
    monitor_show_answer(monitor, command, result, error);
    if (!monitor->is_ending) {
        readline_start(monitor->readline);
    }
    session_receive(monitor, typed, count);
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
        monitor_abandon(monitor);
        g_string_truncate(monitor->unread, 0);
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

    monitor->unread = g_string_new(NULL);
    monitor->finished = session_finished;
    monitor->readline = readline_new(PROMPT, &ops, monitor);
    monitor->show = bottom_half_new(main_loop(), session_show, monitor);
    monitor->has_focus = !chardev->is_mux;
    chardev_mux_key = mux_key;
    return monitor_attach(monitor, chardev, &frontend, err);
}

static unsigned debugger_cpu; /* that lines without a monitor have chosen */

/* A monitor for one line, on behalf of the one that speaks. */
static Monitor *new_for_line(void)
{
    Monitor *monitor = monitor_new();

    monitor->cpu = monitor_speaker() ? monitor_speaker()->cpu : debugger_cpu;
    return monitor;
}

char *monitor_run_hmp(const char *line)
{
    Monitor *monitor = new_for_line();

    monitor_run_line(monitor, line);
    if (!monitor_speaker()) {
        debugger_cpu = monitor->cpu;
    }
    char *text = g_string_free(g_steal_pointer(&monitor->text), FALSE);
    monitor_free(monitor);
    return text;
}

static void end_line(Monitor *monitor)
{
    char *text = g_string_free(g_steal_pointer(&monitor->text), FALSE);

    monitor->then(text, monitor->then_opaque);
    monitor_free(monitor);
}

static void line_finished(Monitor *monitor, const MonitorCommand *command, json_t *result,
                          Error *error)
{
    monitor_show_answer(monitor, command, result, error);
    end_line(monitor);
}

void monitor_run_hmp_then(const char *line, void (*then)(char *text, void *opaque), void *opaque)
{
    Monitor *monitor = new_for_line();

    monitor->finished = line_finished;
    monitor->then = then;
    monitor->then_opaque = opaque;
    monitor_run_line(monitor, line);
    if (!monitor->pending) {
        end_line(monitor);
    }
}
