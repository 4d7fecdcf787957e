/* SPDX-License-Identifier: MIT */
/* Commands about the machine as a whole: help, quit, stop and go, reset, power, status. */
#include "accel/accel.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"
#include "util/version.h"

#include <stdio.h>

static bool run_help(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Error *unknown = NULL;

    if (!monitor_print_help(monitor, values[0].text, &unknown)) {
        monitor_print_error(monitor, "", unknown);
    }
    return true;
}

static const MonitorCommand help_command = {
    .name = "help|?",
    .help = "show the help of a command, or of all",
    .args = {{"command", MONITOR_ARG_REST, .optional = true}},
    .run = run_help,
};
MONITOR_COMMAND(help_command);

static bool run_info_history(Monitor *monitor, const MonitorValue *values, Error **err)
{
    unsigned count = 1;

    for (unsigned i = 0; monitor->readline && i < count; i++) {
        const char *line = readline_history(monitor->readline, i, &count);

        if (line) {
            monitor_printf(monitor, "%u: '%s'\n", i, line);
        }
    }
    return true;
}

static const MonitorCommand info_history_command = {
    .name = "info history",
    .help = "show the lines entered before",
    .run = run_info_history,
};
MONITOR_COMMAND(info_history_command);

static bool run_quit(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor->is_ending = true;
    monitor_flush(monitor);
    system_exit_request(0, SHUTDOWN_CAUSE_HOST_QUIT);
    return true;
}

static const MonitorCommand quit_command = {
    .name = "quit|q",
    .qmp = "quit",
    .help = "quit the emulator",
    .run = run_quit,
};
MONITOR_COMMAND(quit_command);

static bool run_stop(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (!monitor_check_no_dump(err)) {
        return false;
    }
    if (run_state_is_running()) {
        vm_stop(RUN_STATE_PAUSED);
    }
    return true;
}

static const MonitorCommand stop_command = {
    .name = "stop|s",
    .qmp = "stop",
    .help = "stop the machine",
    .run = run_stop,
};
MONITOR_COMMAND(stop_command);

static bool run_cont(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (run_state_needs_reset()) {
        return error_set(err, "the machine has ended and runs again only after system_reset");
    }
    if (!monitor_check_no_dump(err)) {
        return false;
    }
    vm_start();
    return true;
}

static const MonitorCommand cont_command = {
    .name = "cont|c",
    .qmp = "cont",
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
    .qmp = "system_reset",
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
    .qmp = "system_powerdown",
    .help = "press the power button",
    .run = run_system_powerdown,
};
MONITOR_COMMAND(system_powerdown_command);

/* -- Status and version ------------------------------------------------------------------------ */

/* In the order of RunState, and those that clients know but nothing here sets. */
static const char *const state_names[] = {
    "prelaunch", "running",   "paused",    "shutdown",    "internal-error", "guest-panicked",
    "debug",     "io-error",  "inmigrate", "postmigrate", "finish-migrate", "restore-vm",
    "save-vm",   "suspended", "watchdog",  "colo",        "preconfig",      NULL};
static const JsonType run_state_type = {.kind = JSON_KIND_ENUM, .values = state_names};
static const JsonMember status_members[] = {{"running", &json_type_bool},
                                            {"singlestep", &json_type_bool},
                                            {"status", &run_state_type},
                                            {NULL}};
static const JsonType status_type = {.kind = JSON_KIND_OBJECT, .members = status_members};

static bool has_one_insn(void)
{
    const Accel *accel = accel_current();

    return accel && accel->has_one_insn && accel->has_one_insn();
}

static bool run_info_status(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor,
                   json_pack("{s:b, s:b, s:s}", "running", run_state_is_running(), "singlestep",
                             has_one_insn(), "status", run_state_name(run_state_get())));
    return true;
}

static void print_status(Monitor *monitor, const json_t *result)
{
    const char *status = json_string_value(json_object_get(result, "status"));
    bool running = json_is_true(json_object_get(result, "running"));

    monitor_printf(monitor, "VM status: %s", running ? "running" : "paused");
    if (json_is_true(json_object_get(result, "singlestep"))) {
        monitor_printf(monitor, " (single step mode)");
    }
    if (!running && !g_str_equal(status, "paused")) {
        monitor_printf(monitor, " (%s)", status);
    }
    monitor_printf(monitor, "\n");
}

static const MonitorCommand info_status_command = {
    .name = "info status",
    .qmp = "query-status",
    .help = "show whether the machine runs, or why not",
    .returns = &status_type,
    .flags = MONITOR_OOB,
    .run = run_info_status,
    .print = print_status,
};
MONITOR_COMMAND(info_status_command);

static const JsonMember triple_members[] = {
    {"major", &json_type_int}, {"minor", &json_type_int}, {"micro", &json_type_int}, {NULL}};
static const JsonType triple_type = {.kind = JSON_KIND_OBJECT, .members = triple_members};
static const JsonMember version_members[] = {
    {"qemu", &triple_type}, {"package", &json_type_string}, {NULL}};
static const JsonType version_type = {.kind = JSON_KIND_OBJECT, .members = version_members};

json_t *monitor_version_json(void)
{
    int major = 0, minor = 0, micro = 0;

    sscanf(QEMU_COMPAT_VERSION, "%d.%d.%d", &major, &minor, &micro);
    return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", major, "minor", minor, "micro",
                     micro, "package", "Mimus " MIMUS_VERSION);
}

static bool run_info_version(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, monitor_version_json());
    return true;
}

static void print_version(Monitor *monitor, const json_t *result)
{
    monitor_printf(monitor, QEMU_COMPAT_VERSION " (Mimus " MIMUS_VERSION ")\n");
}

static const MonitorCommand info_version_command = {
    .name = "info version",
    .qmp = "query-version",
    .help = "show the version",
    .returns = &version_type,
    .flags = MONITOR_OOB,
    .run = run_info_version,
    .print = print_version,
};
MONITOR_COMMAND(info_version_command);

/* -- HMP for programs -------------------------------------------------------------------------- */

typedef struct Line {
    MonitorPending *pending; /* NULL: not deferred, or not yet */
    char *text;
} Line;

static void take_text(char *text, void *opaque)
{
    Line *line = opaque;

    if (line->pending) {
        monitor_finish(line->pending, json_text(text), NULL);
        g_free(text);
        g_free(line);
    } else {
        line->text = text;
    }
}

static void run_hmp_line(Monitor *monitor, const char *command)
{
    if (!monitor_can_wait(monitor)) {
        g_autofree char *text = monitor_run_hmp(command);
        monitor_return(monitor, json_text(text));
        return;
    }
    Line *line = g_new0(Line, 1);
    monitor_run_hmp_then(command, take_text, line);
    if (line->text) {
        monitor_return(monitor, json_text(line->text));
        g_free(line->text);
        g_free(line);
    } else {
        line->pending = monitor_defer(monitor);
    }
}

/* The CPU is that of this line alone. */
static bool run_human_monitor(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (values[1].present && !monitor_select_cpu(values[1].number, err)) {
        return false;
    }
    run_hmp_line(monitor, values[0].text);
    monitor->cpu = 0;
    return true;
}

static const MonitorCommand human_monitor_command = {
    .qmp = "human-monitor-command",
    .help = "run a line of the human monitor and return what it prints",
    .args = {{"command-line", MONITOR_ARG_REST}, {"cpu-index", MONITOR_ARG_INT, .optional = true}},
    .returns = &json_type_string,
    .run = run_human_monitor,
};
MONITOR_COMMAND(human_monitor_command);
