/* SPDX-License-Identifier: MIT */
/* set-numa-node: programs look in the schema for what -numa takes. Nodes themselves are made with
 * the machine, which exists when the first monitor does. */
#include "hw/numa.h"
#include "softmmu/monitor/monitor-private.h"

static const char *const kinds[] = {"node", "dist", "cpu", "hmat-lb", "hmat-cache", NULL};
#define ENUM(variable, names)                                                                      \
    static const JsonType variable = {.kind = JSON_KIND_ENUM, .values = names}

ENUM(kind_type, kinds);
ENUM(hierarchy_type, numa_hierarchies);
ENUM(data_kind_type, numa_data_types);
ENUM(associativity_type, numa_associativities);
ENUM(policy_type, numa_policies);

static const JsonType numbers_type = {.kind = JSON_KIND_ARRAY, .element = &json_type_int};

#define OPTIONS(variable, ...)                                                                     \
    static const JsonMember variable##_members[] = {__VA_ARGS__, {NULL}};                          \
    static const JsonType variable##_type = {.kind = JSON_KIND_OBJECT,                             \
                                             .members = variable##_members}

OPTIONS(node, {"nodeid", &json_type_int, true}, {"cpus", &numbers_type, true},
        {"mem", &json_type_int, true}, {"memdev", &json_type_string, true},
        {"initiator", &json_type_int, true});
OPTIONS(dist, {"src", &json_type_int}, {"dst", &json_type_int}, {"val", &json_type_int});
OPTIONS(cpu, {"node-id", &json_type_int, true}, {"socket-id", &json_type_int, true},
        {"die-id", &json_type_int, true}, {"core-id", &json_type_int, true},
        {"thread-id", &json_type_int, true});
OPTIONS(hmat_lb, {"initiator", &json_type_int}, {"target", &json_type_int},
        {"hierarchy", &hierarchy_type}, {"data-type", &data_kind_type},
        {"latency", &json_type_int, true}, {"bandwidth", &json_type_int, true});
OPTIONS(hmat_cache, {"node-id", &json_type_int}, {"size", &json_type_int},
        {"level", &json_type_int}, {"associativity", &associativity_type}, {"policy", &policy_type},
        {"line", &json_type_int});

static const JsonType *arguments(void)
{
    static const JsonVariant variants[] = {{"node", &node_type},
                                           {"dist", &dist_type},
                                           {"cpu", &cpu_type},
                                           {"hmat-lb", &hmat_lb_type},
                                           {"hmat-cache", &hmat_cache_type},
                                           {NULL}};
    static const JsonMember members[] = {{"type", &kind_type}, {NULL}};
    static const JsonType whole = {
        .kind = JSON_KIND_OBJECT, .members = members, .tag = "type", .variants = variants};

    return &whole;
}

static bool run_set_numa_node(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return json_type_check(arguments(), monitor_arguments(monitor), "", err) &&
           error_set(err,
                     "the machine is made, and its nodes with it: -numa %s,... says what they "
                     "are",
                     values[0].text);
}

static const MonitorCommand set_numa_node_command = {
    .qmp = "set-numa-node",
    .help = "describe a NUMA node before the machine is made, which it is when there is a monitor",
    .args = {{"type", MONITOR_ARG_WORD, .type = &kind_type}},
    .arguments = arguments,
    .flags = MONITOR_OPEN_ARGS,
    .run = run_set_numa_node,
};
MONITOR_COMMAND(set_numa_node_command);
