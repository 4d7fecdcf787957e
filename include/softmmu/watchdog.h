/* SPDX-License-Identifier: MIT */
/* What a guest that is lost leads to: the action of a watchdog, reports of a panic, and NMI. Under
 * the machine lock, any thread. */
#ifndef SOFTMMU_WATCHDOG_H
#define SOFTMMU_WATCHDOG_H

#include <stdbool.h>

/* -action watchdog= */
typedef enum WatchdogAction {
    WATCHDOG_ACTION_RESET,
    WATCHDOG_ACTION_SHUTDOWN, /* presses the power button */
    WATCHDOG_ACTION_POWEROFF, /* ends the process */
    WATCHDOG_ACTION_PAUSE,
    WATCHDOG_ACTION_DEBUG, /* says so on stderr */
    WATCHDOG_ACTION_NONE,
    WATCHDOG_ACTION_INJECT_NMI
} WatchdogAction;
extern WatchdogAction run_watchdog_action;
extern const char *const watchdog_action_names[]; /* ends with NULL */

/* A watchdog device ran out of time. */
void system_watchdog_fired(void);

/* The guest says that it has panicked (run_panic_action follows), or that its crash kernel will
 * deal with it. */
void system_guest_panicked(void);
void system_guest_crash_loaded(void);
/* It did since the last reset. */
bool run_guest_panicked(void);

/* The NMI button: LINT1 of the local APICs, which the board knows. False: it has none. */
void system_set_nmi_handler(void (*fn)(void *opaque), void *opaque);
bool system_inject_nmi(void);

#endif
