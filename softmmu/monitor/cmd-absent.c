/* SPDX-License-Identifier: MIT */
/* What clients ask of every machine about things that this one has none of: queries give the empty
 * list that says so, commands say what is missing. */
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
EMPTY_LIST(tpm_command, "query-tpm", "list the TPMs: none");
EMPTY_LIST(acpi_status_command, "query-acpi-ospm-status",
           "list what the guest said about plugged devices: none");
EMPTY_LIST(pr_managers_command, "query-pr-managers", "list the managers of reservations: none");
EMPTY_LIST(exports_command, "query-block-exports", "list the exported images: none");
EMPTY_LIST(vnc_servers_command, "query-vnc-servers", "list the VNC servers: none");
EMPTY_LIST(jobs_command, "query-jobs", "list the block jobs: none");
EMPTY_LIST(block_jobs_command, "query-block-jobs", "list the block jobs: none");

/* HMP says so, too, where it has a name for it. */
static bool run_nothing(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return true;
}

#define NOTHING(variable, line, text)                                                              \
    static const MonitorCommand variable = {.name = line, .help = text, .run = run_nothing};       \
    MONITOR_COMMAND(variable)

NOTHING(info_iothreads_command, "info iothreads", "show the I/O threads: none");
NOTHING(info_memory_devices_command, "info memory-devices", "show the memory devices: none");
NOTHING(info_tpm_command, "info tpm", "show the TPMs: none");

static bool run_info_block_jobs(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_printf(monitor, "No active jobs\n");
    return true;
}

static const MonitorCommand info_block_jobs_command = {
    .name = "info block-jobs",
    .help = "show the block jobs: none",
    .run = run_info_block_jobs,
};
MONITOR_COMMAND(info_block_jobs_command);

/* -- Network ----------------------------------------------------------------------------------- */

static bool run_query_rx_filter(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (values[0].present) {
        return error_set(err, "there is no network card '%s'", values[0].text);
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

static bool run_set_link(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return error_set_class(err, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", values[0].text);
}

static const MonitorCommand set_link_command = {
    .name = "set_link",
    .qmp = "set_link",
    .help = "plug a network card's cable in or out: there are no cards",
    .args = {{"name", MONITOR_ARG_WORD}, {"up", MONITOR_ARG_BOOL}},
    .run = run_set_link,
};
MONITOR_COMMAND(set_link_command);

static const MonitorCommand announce_command = {
    .qmp = "announce-self",
    .help = "have network cards tell where they are: there are none",
    .args = {{"initial", MONITOR_ARG_INT},
             {"max", MONITOR_ARG_INT},
             {"rounds", MONITOR_ARG_INT},
             {"step", MONITOR_ARG_INT},
             {"interfaces", MONITOR_ARG_JSON, .optional = true, .type = &json_type_strings},
             {"id", MONITOR_ARG_WORD, .optional = true}},
    .run = run_nothing,
};
MONITOR_COMMAND(announce_command);

/* -- Migration --------------------------------------------------------------------------------- */

/* Clients that start a machine switch this one on before they know whether they will migrate it. */
static bool wants_events;

static const char *const capability_names[] = {"events", NULL};
static const JsonType capability_enum = {.kind = JSON_KIND_ENUM, .values = capability_names};
static const JsonMember capability_members[] = {
    {"capability", &capability_enum}, {"state", &json_type_bool}, {NULL}};
static const JsonType capability_type = {.kind = JSON_KIND_OBJECT, .members = capability_members};
static const JsonType capabilities_type = {.kind = JSON_KIND_ARRAY, .element = &capability_type};

static bool run_query_capabilities(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, json_pack("[{s:s, s:b}]", "capability", capability_names[0], "state",
                                      wants_events));
    return true;
}

static void print_capabilities(Monitor *monitor, const json_t *result)
{
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *entry = json_array_get(result, i);

        monitor_printf(monitor, "%s: %s\n", json_string_value(json_object_get(entry, "capability")),
                       json_is_true(json_object_get(entry, "state")) ? "on" : "off");
    }
}

static const MonitorCommand migrate_capabilities_command = {
    .name = "info migrate_capabilities",
    .qmp = "query-migrate-capabilities",
    .help = "list the capabilities of migration: its events, and there are none yet",
    .returns = &capabilities_type,
    .run = run_query_capabilities,
    .print = print_capabilities,
};
MONITOR_COMMAND(migrate_capabilities_command);

static bool run_set_capabilities(Monitor *monitor, const MonitorValue *values, Error **err)
{
    for (size_t i = 0; i < json_array_size(values[0].json); i++) {
        const json_t *entry = json_array_get(values[0].json, i);

        wants_events = json_is_true(json_object_get(entry, "state"));
    }
    return true;
}

static const MonitorCommand set_capabilities_command = {
    .qmp = "migrate-set-capabilities",
    .help = "switch capabilities of migration on or off",
    .args = {{"capabilities", MONITOR_ARG_JSON, .type = &capabilities_type}},
    .run = run_set_capabilities,
};
MONITOR_COMMAND(set_capabilities_command);

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

/* -- Balloon, screens -------------------------------------------------------------------------- */

static bool run_balloon(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return error_set_class(err, ERROR_DEVICE_NOT_ACTIVE, "The machine has no balloon");
}

static const MonitorCommand balloon_command = {
    .name = "balloon",
    .qmp = "balloon",
    .help = "have a balloon leave so much memory to the guest: there is no balloon",
    .args = {{"value", MONITOR_ARG_SIZE}},
    .run = run_balloon,
};
MONITOR_COMMAND(balloon_command);

static const JsonMember display_members[] = {{"type", &json_type_string}, {NULL}};
static const JsonType display_type = {.kind = JSON_KIND_OBJECT, .members = display_members};

static bool run_query_display(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, json_pack("{s:s}", "type", "none"));
    return true;
}

static const MonitorCommand query_display_command = {
    .qmp = "query-display-options",
    .help = "tell which display there is: none",
    .returns = &display_type,
    .run = run_query_display,
};
MONITOR_COMMAND(query_display_command);

static const JsonMember vnc_members[] = {{"enabled", &json_type_bool}, {NULL}};
static const JsonType vnc_type = {.kind = JSON_KIND_OBJECT, .members = vnc_members};

static bool run_query_vnc(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, json_pack("{s:b}", "enabled", false));
    return true;
}

static const MonitorCommand query_vnc_command = {
    .qmp = "query-vnc",
    .help = "tell whether there is a VNC server: no",
    .returns = &vnc_type,
    .run = run_query_vnc,
};
MONITOR_COMMAND(query_vnc_command);

static const char *const protocol_names[] = {"vnc", "spice", NULL};
static const JsonType protocol_enum = {.kind = JSON_KIND_ENUM, .values = protocol_names};
static const char *const connected_names[] = {"keep", "fail", "disconnect", NULL};
static const JsonType connected_enum = {.kind = JSON_KIND_ENUM, .values = connected_names};

static bool run_set_password(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return error_set(err, "Could not set password: there is no %s server", values[0].text);
}

static const MonitorCommand set_password_command = {
    .qmp = "set_password",
    .help = "set the password of a remote display: there is none",
    .args = {{"protocol", MONITOR_ARG_WORD, .type = &protocol_enum},
             {"password", MONITOR_ARG_WORD},
             {"connected", MONITOR_ARG_WORD, .optional = true, .type = &connected_enum},
             {"display", MONITOR_ARG_WORD, .optional = true}},
    .run = run_set_password,
};
MONITOR_COMMAND(set_password_command);

static bool run_expire_password(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return error_set(err, "Could not set password expire time: there is no %s server",
                     values[0].text);
}

static const MonitorCommand expire_password_command = {
    .qmp = "expire_password",
    .help = "set when the password of a remote display ends: there is none",
    .args = {{"protocol", MONITOR_ARG_WORD, .type = &protocol_enum},
             {"time", MONITOR_ARG_WORD},
             {"display", MONITOR_ARG_WORD, .optional = true}},
    .run = run_expire_password,
};
MONITOR_COMMAND(expire_password_command);
