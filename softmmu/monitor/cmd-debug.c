/* SPDX-License-Identifier: MIT */
/* Commands for who looks for an error: log, logfile, trace-event, info trace-events, singlestep. */
#include "accel/accel.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"
#include "util/trace.h"

#include <string.h>

static bool run_log(Monitor *monitor, const MonitorValue *values, Error **err)
{
    uint32_t before = log_enabled_items;

    log_enabled_items = 0;
    if (g_str_equal(values[0].text, "none") || log_enable(values[0].text, err)) {
        return true;
    }
    log_enabled_items = before;
    return false;
}

/* The item behind the last comma. */
static void offer_item(const char *name, void *opaque)
{
    MonitorOffer *offer = opaque;
    const char *comma = strrchr(offer->prefix, ',');
    int before = comma ? (int)(comma + 1 - offer->prefix) : 0;
    g_autofree char *word = g_strdup_printf("%.*s%s", before, offer->prefix, name);

    monitor_offer(offer, word);
}

static void complete_items(const char *prefix, GPtrArray *words)
{
    MonitorOffer offer = {prefix, words};

    log_foreach(offer_item, &offer);
    monitor_offer(&offer, "none");
}

static const MonitorCommand log_command = {
    .name = "log",
    .help = "log these items, as -d does, or none",
    .args = {{"items", MONITOR_ARG_WORD, .complete = complete_items}},
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
    .args = {{"path", MONITOR_ARG_WORD, .complete = monitor_complete_file}},
    .run = run_logfile,
};
MONITOR_COMMAND(logfile_command);

static void offer_point(const TracePoint *point, void *opaque)
{
    monitor_offer(opaque, point->name);
}

static void complete_point(const char *prefix, GPtrArray *words)
{
    trace_foreach("*", offer_point, &(MonitorOffer){prefix, words});
}

static bool run_trace_event(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return values[1].number ? trace_enable(values[0].text, err)
                            : trace_disable(values[0].text, err);
}

static const MonitorCommand trace_event_command = {
    .name = "trace-event",
    .help = "switch the trace points that match a pattern on or off",
    .args = {{"pattern", MONITOR_ARG_WORD, .complete = complete_point},
             {"on|off", MONITOR_ARG_BOOL}},
    .run = run_trace_event,
};
MONITOR_COMMAND(trace_event_command);

static void print_point(const TracePoint *point, void *opaque)
{
    monitor_printf(opaque, "%s : state %d\n", point->name, point->enabled);
}

static bool no_trace_point(const char *name, Error **err)
{
    return error_set(err, "there is no trace point '%s'", name);
}

static bool run_info_trace_events(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const char *pattern = values[0].present ? values[0].text : "*";

    return trace_foreach(pattern, print_point, monitor) || strchr(pattern, '*') ||
           no_trace_point(pattern, err);
}

static const MonitorCommand info_trace_events_command = {
    .name = "info trace-events",
    .help = "list the trace points, or those that match a pattern, and which are on",
    .args = {{"pattern", MONITOR_ARG_WORD, .optional = true, .complete = complete_point}},
    .run = run_info_trace_events,
};
MONITOR_COMMAND(info_trace_events_command);

/* -- The same for programs --------------------------------------------------------------------- */

static const char *const state_names[] = {"unavailable", "disabled", "enabled", NULL};
static const JsonType state_type = {.kind = JSON_KIND_ENUM, .values = state_names};
static const JsonMember point_members[] = {
    {"name", &json_type_string}, {"state", &state_type}, {"vcpu", &json_type_bool}, {NULL}};
static const JsonType point_type = {.kind = JSON_KIND_OBJECT, .members = point_members};
static const JsonType points_type = {.kind = JSON_KIND_ARRAY, .element = &point_type};

static void add_point(const TracePoint *point, void *opaque)
{
    json_array_append_new(opaque, json_pack("{s:s, s:s, s:b}", "name", point->name, "state",
                                            state_names[point->enabled ? 2 : 1], "vcpu", false));
}

static bool run_trace_get(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    if (!trace_foreach(values[0].text, add_point, list) && !strchr(values[0].text, '*')) {
        json_decref(list);
        return no_trace_point(values[0].text, err);
    }
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand trace_get_command = {
    .qmp = "trace-event-get-state",
    .help = "list the trace points that match a pattern, and which are on",
    .args = {{"name", MONITOR_ARG_WORD}, {"vcpu", MONITOR_ARG_INT, .optional = true}},
    .returns = &points_type,
    .run = run_trace_get,
};
MONITOR_COMMAND(trace_get_command);

static bool run_trace_set(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return values[1].number ? trace_enable(values[0].text, err)
                            : trace_disable(values[0].text, err);
}

static const MonitorCommand trace_set_command = {
    .qmp = "trace-event-set-state",
    .help = "switch the trace points that match a pattern on or off",
    .args = {{"name", MONITOR_ARG_WORD},
             {"enable", MONITOR_ARG_BOOL},
             {"ignore-unavailable", MONITOR_ARG_BOOL, .optional = true},
             {"vcpu", MONITOR_ARG_INT, .optional = true}},
    .run = run_trace_set,
};
MONITOR_COMMAND(trace_set_command);

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
