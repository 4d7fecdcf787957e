/* SPDX-License-Identifier: MIT */
/* Run state: whether the machine runs, and if not, why. */
#include "softmmu/run/internal.h"
#include "util/event.h"

static RunState current = RUN_STATE_PRELAUNCH;

typedef struct Listener {
    void (*fn)(void *opaque);
    void *opaque;
} Listener;

static GArray *listeners; /* of Listener */

static const EventType stop_event = {"STOP", "the machine has stopped"};
EVENT(stop_event);
static const EventType resume_event = {"RESUME", "the machine runs again"};
EVENT(resume_event);

static const char *const names[RUN_STATE_COUNT] = {
    [RUN_STATE_PRELAUNCH] = "prelaunch",
    [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_PAUSED] = "paused",
    [RUN_STATE_SHUTDOWN] = "shutdown",
    [RUN_STATE_INTERNAL_ERROR] = "internal-error",
    [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
    [RUN_STATE_DEBUG] = "debug",
    [RUN_STATE_IO_ERROR] = "io-error",
    [RUN_STATE_WATCHDOG] = "watchdog",
};

RunState run_state_get(void)
{
    return __atomic_load_n(&current, __ATOMIC_RELAXED);
}

void run_state_set(RunState state)
{
    __atomic_store_n(&current, state, __ATOMIC_RELAXED);
}

const char *run_state_name(RunState state)
{
    return names[state];
}

bool run_state_needs_reset(void)
{
    RunState state = run_state_get();

    return state == RUN_STATE_SHUTDOWN || state == RUN_STATE_INTERNAL_ERROR ||
           state == RUN_STATE_GUEST_PANICKED;
}

void run_state_listen(void (*fn)(void *opaque), void *opaque)
{
    Listener listener = {fn, opaque};

    if (!listeners) {
        listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
    }
    g_array_append_val(listeners, listener);
}

void run_state_unlisten(void *opaque)
{
    for (guint i = listeners ? listeners->len : 0; i-- > 0;) {
        if (g_array_index(listeners, Listener, i).opaque == opaque) {
            g_array_remove_index(listeners, i);
        }
    }
}

static void tell_listeners(void)
{
    for (guint i = 0; listeners && i < listeners->len; i++) {
        Listener *listener = &g_array_index(listeners, Listener, i);
        listener->fn(listener->opaque);
    }
}

void vm_start(void)
{
    if (run_state_is_running()) {
        return;
    }
    clock_virtual_set_running(true);
    run_state_set(RUN_STATE_RUNNING);
    vcpus_resume();
    event_emit(&resume_event, NULL);
    tell_listeners();
}

void vm_run_parked(void (*fn)(void *opaque), void *opaque)
{
    vcpus_park();
    fn(opaque);
    if (run_state_is_running()) {
        vcpus_resume();
    }
}

/* True: it ran before. */
static bool stop(RunState state)
{
    bool was_running = run_state_is_running();

    g_assert(state != RUN_STATE_RUNNING);
    if (was_running) {
        /* The state is still "running" meanwhile, so that what vCPUs ask is nothing special. */
        vcpus_park();
        clock_virtual_set_running(false);
    }
    run_state_set(state);
    return was_running;
}

void vm_stop(RunState state)
{
    if (stop(state)) {
        event_emit(&stop_event, NULL);
        tell_listeners();
    }
}

void vm_stop_to_end(RunState state)
{
    if (stop(state)) {
        tell_listeners();
    }
}
