/* SPDX-License-Identifier: MIT */
/* Commands for who looks for an error: log, logfile, trace-event, info trace-events, singlestep. */
#include "accel/accel.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"
#include "util/trace.h"

static bool run_log(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (g_str_equal(values[0].text, "none")) {
        log_enabled_items = 0;
        return true;
    }
    return log_enable(values[0].text, err);
}

static const MonitorCommand log_command = {
    .name = "log",
    .help = "log these items too, as -d does, or none",
    .args = {{"items", MONITOR_ARG_WORD}},
    .run = run_log,
};
MONITOR_COMMAND(log_command);

static bool run_logfile(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return log_set_file(values[0].text, err);
}

static const MonitorCommand logfile_command = {
    .name = "logfile",
    .help = "send the log to this file",
    .args = {{"path", MONITOR_ARG_WORD}},
    .run = run_logfile,
};
MONITOR_COMMAND(logfile_command);

static bool run_trace_event(Monitor *monitor, const MonitorValue *values, Error **err)
{
    bool on;

    if (!parse_bool(values[1].text, &on, err)) {
        return false;
    }
    return on ? trace_enable(values[0].text, err) : trace_disable(values[0].text, err);
}

static const MonitorCommand trace_event_command = {
    .name = "trace-event",
    .help = "switch the trace points that match a pattern on or off",
    .args = {{"pattern", MONITOR_ARG_WORD}, {"on|off", MONITOR_ARG_WORD}},
    .run = run_trace_event,
};
MONITOR_COMMAND(trace_event_command);

static bool run_info_trace_events(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autofree char *names = trace_help();

    monitor_printf(monitor, "%s", names);
    return true;
}

static const MonitorCommand info_trace_events_command = {
    .name = "info trace-events",
    .help = "list the trace points",
    .run = run_info_trace_events,
};
MONITOR_COMMAND(info_trace_events_command);

/* -- singlestep -------------------------------------------------------------------------------- */

typedef struct OneInsn {
    bool on, is_fine;
    Error **err;
} OneInsn;

static void set_one_insn(void *opaque)
{
    OneInsn *request = opaque;

    request->is_fine = accel_current()->set_one_insn(request->on, request->err);
}

static bool run_singlestep(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Accel *accel = accel_current();
    OneInsn request = {.on = !values[0].present || values[0].number, .err = err};

    if (!accel || !accel->set_one_insn) {
        return error_set(err, "blocks of one instruction are only available with accel=tcg");
    }
    vm_run_parked(set_one_insn, &request);
    return request.is_fine;
}

static const MonitorCommand singlestep_command = {
    .name = "singlestep|one-insn-per-tb",
    .help = "translate guest code by single instructions, so that each is logged (default: on)",
    .args = {{"on|off", MONITOR_ARG_BOOL, .optional = true}},
    .run = run_singlestep,
};
MONITOR_COMMAND(singlestep_command);
