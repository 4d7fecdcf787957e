/* SPDX-License-Identifier: MIT */
/* Run state: whether the machine runs, and if not, why. */
#include "softmmu/run/internal.h"

static RunState current = RUN_STATE_PRELAUNCH;

static const char *const names[RUN_STATE_COUNT] = {
    [RUN_STATE_PRELAUNCH] = "prelaunch",
    [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_PAUSED] = "paused",
    [RUN_STATE_SHUTDOWN] = "shutdown",
    [RUN_STATE_INTERNAL_ERROR] = "internal-error",
    [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
    [RUN_STATE_DEBUG] = "debug",
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

void vm_start(void)
{
    if (run_state_is_running()) {
        return;
    }
    clock_virtual_set_running(true);
    run_state_set(RUN_STATE_RUNNING);
    vcpus_resume();
}

void vm_stop(RunState state)
{
    g_assert(state != RUN_STATE_RUNNING);
    if (run_state_is_running()) {
        /* The state is still "running" meanwhile, so that what vCPUs ask is nothing special. */
        vcpus_park();
        clock_virtual_set_running(false);
    }
    run_state_set(state);
}
