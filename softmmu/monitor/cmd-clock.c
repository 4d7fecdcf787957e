/* SPDX-License-Identifier: MIT */
/* The guest's clock, for whoever sets time limits in guest time (tools/vmtest). */
#include "hw/rtc.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"

static const JsonMember clock_members[] = {
    {"guest-ns", &json_type_int}, {"running", &json_type_bool}, {NULL}};
static const JsonType clock_type = {.kind = JSON_KIND_OBJECT, .members = clock_members};

static bool run_info_clock(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor,
                   json_pack("{s:I, s:b}", "guest-ns", (json_int_t)clock_now_ns(CLOCK_TYPE_VIRTUAL),
                             "running", run_state_is_running()));
    return true;
}

static void print_clock(Monitor *monitor, const json_t *result)
{
    json_int_t ns = json_integer_value(json_object_get(result, "guest-ns"));

    monitor_printf(monitor, "guest time: %.6f s%s\n", (double)ns / NS_PER_SECOND,
                   json_is_true(json_object_get(result, "running")) ? "" : " (stopped)");
}

static const MonitorCommand info_clock_command = {
    .name = "info clock",
    .qmp = "x-query-clock",
    .help = "show how long the machine has run",
    .returns = &clock_type,
    .run = run_info_clock,
    .print = print_clock,
};
MONITOR_COMMAND(info_clock_command);

static bool run_rtc_reset(Monitor *monitor, const MonitorValue *values, Error **err)
{
    rtc_reset_reinjection();
    return true;
}

static const MonitorCommand rtc_reset_command = {
    .qmp = "rtc-reset-reinjection",
    .help = "let the clock chip forget the periodic interrupts it still owes",
    .run = run_rtc_reset,
};
MONITOR_COMMAND(rtc_reset_command);
