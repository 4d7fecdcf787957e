/* SPDX-License-Identifier: MIT */
/* What follows when a watchdog device ran out of time, and the NMI button. */
#include "softmmu/watchdog.h"

#include "softmmu/run/internal.h"
#include "util/event.h"

#include <stdio.h>

WatchdogAction run_watchdog_action = WATCHDOG_ACTION_RESET;

const char *const watchdog_action_names[] = {
    [WATCHDOG_ACTION_RESET] = "reset",           [WATCHDOG_ACTION_SHUTDOWN] = "shutdown",
    [WATCHDOG_ACTION_POWEROFF] = "poweroff",     [WATCHDOG_ACTION_PAUSE] = "pause",
    [WATCHDOG_ACTION_DEBUG] = "debug",           [WATCHDOG_ACTION_NONE] = "none",
    [WATCHDOG_ACTION_INJECT_NMI] = "inject-nmi", [WATCHDOG_ACTION_INJECT_NMI + 1] = NULL,
};
static const JsonType action_type = {.kind = JSON_KIND_ENUM, .values = watchdog_action_names};
static const JsonMember members[] = {{"action", &action_type}, {NULL}};
static const JsonType data = {.kind = JSON_KIND_OBJECT, .members = members};
static const EventType watchdog_event = {"WATCHDOG", "a watchdog device ran out of time", &data,
                                         .is_throttled = true};
EVENT(watchdog_event);

static void (*nmi_handler)(void *opaque);
static void *nmi_opaque;

void system_set_nmi_handler(void (*fn)(void *opaque), void *opaque)
{
    nmi_handler = fn;
    nmi_opaque = opaque;
}

bool system_inject_nmi(void)
{
    if (nmi_handler) {
        nmi_handler(nmi_opaque);
    }
    return nmi_handler != NULL;
}

void system_watchdog_fired(void)
{
    event_emit(&watchdog_event,
               json_pack("{s:s}", "action", watchdog_action_names[run_watchdog_action]));
    switch (run_watchdog_action) {
    case WATCHDOG_ACTION_RESET:
    case WATCHDOG_ACTION_POWEROFF:
        run_request_after_hang(run_watchdog_action == WATCHDOG_ACTION_POWEROFF);
        break;
    case WATCHDOG_ACTION_SHUTDOWN:
        system_powerdown_request();
        break;
    case WATCHDOG_ACTION_PAUSE:
        vm_stop_request(RUN_STATE_WATCHDOG);
        break;
    case WATCHDOG_ACTION_DEBUG:
        fprintf(stderr, "watchdog: timer fired\n");
        break;
    case WATCHDOG_ACTION_NONE:
        break;
    case WATCHDOG_ACTION_INJECT_NMI:
        system_inject_nmi();
        break;
    }
}
