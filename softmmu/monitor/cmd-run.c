/* SPDX-License-Identifier: MIT */
/* Commands about the machine as a whole: help, quit, stop and go, reset, power, status. */
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"
#include "util/version.h"

static bool run_help(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return monitor_print_help(monitor, values[0].text, err);
}

static const MonitorCommand help_command = {
    .name = "help|?",
    .help = "show the help of a command, or of all",
    .args = {{"command", MONITOR_ARG_REST, .optional = true}},
    .run = run_help,
};
MONITOR_COMMAND(help_command);

static bool run_quit(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor->is_ending = true;
    monitor_flush(monitor);
    system_exit_request(0, SHUTDOWN_CAUSE_HOST_QUIT);
    return true;
}

static const MonitorCommand quit_command = {
    .name = "quit|q",
    .help = "quit the emulator",
    .run = run_quit,
};
MONITOR_COMMAND(quit_command);

static bool run_stop(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (run_state_is_running()) {
        vm_stop(RUN_STATE_PAUSED);
    }
    return true;
}

static const MonitorCommand stop_command = {
    .name = "stop|s",
    .help = "stop the machine",
    .run = run_stop,
};
MONITOR_COMMAND(stop_command);

static bool run_cont(Monitor *monitor, const MonitorValue *values, Error **err)
{
    RunState state = run_state_get();

    if (state == RUN_STATE_SHUTDOWN || state == RUN_STATE_INTERNAL_ERROR ||
        state == RUN_STATE_GUEST_PANICKED) {
        return error_set(err, "Resetting the Virtual Machine is required");
    }
    vm_start();
    return true;
}

static const MonitorCommand cont_command = {
    .name = "cont|c",
    .help = "let the machine run on",
    .run = run_cont,
};
MONITOR_COMMAND(cont_command);

static bool run_system_reset(Monitor *monitor, const MonitorValue *values, Error **err)
{
    system_reset_request(SHUTDOWN_CAUSE_HOST_RESET);
    return true;
}

static const MonitorCommand system_reset_command = {
    .name = "system_reset",
    .help = "reset the machine, as its button does",
    .run = run_system_reset,
};
MONITOR_COMMAND(system_reset_command);

static bool run_system_powerdown(Monitor *monitor, const MonitorValue *values, Error **err)
{
    system_powerdown_request();
    return true;
}

static const MonitorCommand system_powerdown_command = {
    .name = "system_powerdown",
    .help = "press the power button",
    .run = run_system_powerdown,
};
MONITOR_COMMAND(system_powerdown_command);

static bool run_info_status(Monitor *monitor, const MonitorValue *values, Error **err)
{
    RunState state = run_state_get();

    monitor_printf(monitor, "VM status: %s", state == RUN_STATE_RUNNING ? "running" : "paused");
    if (state != RUN_STATE_RUNNING && state != RUN_STATE_PAUSED) {
        monitor_printf(monitor, " (%s)", run_state_name(state));
    }
    monitor_printf(monitor, "\n");
    return true;
}

static const MonitorCommand info_status_command = {
    .name = "info status",
    .help = "show whether the machine runs, or why not",
    .run = run_info_status,
};
MONITOR_COMMAND(info_status_command);

static bool run_info_version(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_printf(monitor, QEMU_COMPAT_VERSION " (Mimus " MIMUS_VERSION ")\n");
    return true;
}

static const MonitorCommand info_version_command = {
    .name = "info version",
    .help = "show the version",
    .run = run_info_version,
};
MONITOR_COMMAND(info_version_command);
