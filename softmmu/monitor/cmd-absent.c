/* SPDX-License-Identifier: MIT */
/* QMP queries that clients make of every machine, about what this one has none of: each gives the
 * empty list that says so. */
#include "softmmu/monitor/monitor-private.h"

static const JsonType list_type = {.kind = JSON_KIND_ARRAY, .element = &json_type_any};

static bool run_empty_list(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, json_array());
    return true;
}

#define EMPTY_LIST(variable, name, text)                                                           \
    static const MonitorCommand variable = {                                                       \
        .qmp = name, .help = text, .returns = &list_type, .run = run_empty_list};                  \
    MONITOR_COMMAND(variable)

EMPTY_LIST(tpm_models_command, "query-tpm-models", "list the models of TPMs: none");
EMPTY_LIST(tpm_types_command, "query-tpm-types", "list the back ends of TPMs: none");
EMPTY_LIST(iothreads_command, "query-iothreads", "list the I/O threads: none");
EMPTY_LIST(memory_devices_command, "query-memory-devices", "list the memory devices: none");
EMPTY_LIST(jobs_command, "query-jobs", "list the block jobs: none");
EMPTY_LIST(block_jobs_command, "query-block-jobs", "list the block jobs: none");
EMPTY_LIST(migrate_capabilities_command, "query-migrate-capabilities",
           "list the capabilities of migration: none");

/* -- query-rx-filter, query-migrate ------------------------------------------------------------ */

static bool run_query_rx_filter(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (values[0].present) {
        return error_set(err, "invalid net client name: %s", values[0].text);
    }
    return run_empty_list(monitor, values, err);
}

static const MonitorCommand rx_filter_command = {
    .qmp = "query-rx-filter",
    .help = "list the receive filters of network cards: none",
    .args = {{"name", MONITOR_ARG_WORD, .optional = true}},
    .returns = &list_type,
    .run = run_query_rx_filter,
};
MONITOR_COMMAND(rx_filter_command);

static const JsonType migrate_type = {.kind = JSON_KIND_OBJECT, .open = true};

static bool run_query_migrate(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return true;
}

static const MonitorCommand migrate_command = {
    .qmp = "query-migrate",
    .help = "tell how the last migration goes: there was none",
    .returns = &migrate_type,
    .run = run_query_migrate,
};
MONITOR_COMMAND(migrate_command);

/* -- Statistics -------------------------------------------------------------------------------- */

static const char *const provider_names[] = {"kvm", NULL};
static const JsonType provider_enum = {.kind = JSON_KIND_ENUM, .values = provider_names};

static const MonitorCommand stats_schemas_command = {
    .qmp = "query-stats-schemas",
    .help = "list the statistics that there are: none",
    .args = {{"provider", MONITOR_ARG_WORD, .optional = true, .type = &provider_enum}},
    .returns = &list_type,
    .run = run_empty_list,
};
MONITOR_COMMAND(stats_schemas_command);

static const char *const target_names[] = {"vm", "vcpu", NULL};
static const JsonType target_enum = {.kind = JSON_KIND_ENUM, .values = target_names};
static const JsonMember request_members[] = {
    {"provider", &provider_enum}, {"names", &json_type_strings, true}, {NULL}};
static const JsonType request_type = {.kind = JSON_KIND_OBJECT, .members = request_members};
static const JsonType requests_type = {.kind = JSON_KIND_ARRAY, .element = &request_type};

static const MonitorCommand stats_command = {
    .qmp = "query-stats",
    .help = "list the values of statistics: none",
    .args = {{"target", MONITOR_ARG_WORD, .type = &target_enum},
             {"vcpus", MONITOR_ARG_JSON, .optional = true, .type = &json_type_strings},
             {"providers", MONITOR_ARG_JSON, .optional = true, .type = &requests_type}},
    .returns = &list_type,
    .run = run_empty_list,
};
MONITOR_COMMAND(stats_command);
