/* SPDX-License-Identifier: MIT */
/* QMP commands about CPUs: those of the machine, and the models there are. */
#include "hw/machine.h"
#include "softmmu/monitor/monitor-private.h"
#include "target/i386/cpu-query.h"
#include "target/i386/cpu.h"

#include <string.h>

/* -- CPUs of the machine ----------------------------------------------------------------------- */

static const JsonMember place_members[] = {
    {"socket-id", &json_type_int, true}, {"die-id", &json_type_int, true},
    {"core-id", &json_type_int, true},   {"thread-id", &json_type_int, true},
    {"node-id", &json_type_int, true},   {NULL}};
static const JsonType place_type = {.kind = JSON_KIND_OBJECT, .members = place_members};
static const char *const target_names[] = {"x86_64", NULL};
static const JsonType target_type = {.kind = JSON_KIND_ENUM, .values = target_names};
static const JsonMember cpu_members[] = {
    {"cpu-index", &json_type_int}, {"qom-path", &json_type_string}, {"thread-id", &json_type_int},
    {"props", &place_type, true},  {"target", &target_type},        {NULL}};
static const JsonType cpu_info_type = {.kind = JSON_KIND_OBJECT, .members = cpu_members};
static const JsonType cpus_type = {.kind = JSON_KIND_ARRAY, .element = &cpu_info_type};

static json_t *place_json(unsigned index)
{
    const Machine *machine = machine_current();
    CpuPlace place = machine ? machine_cpu_place(machine, index) : (CpuPlace){.socket = index};
    int node = machine ? machine_cpu_node(machine, index) : -1;
    json_t *json = json_pack("{s:i, s:i, s:i}", "socket-id", (int)place.socket, "core-id",
                             (int)place.core, "thread-id", (int)place.thread);

    if (machine && machine->cpus.dies > 1) {
        json_object_set_new(json, "die-id", json_integer(place.die));
    }
    if (node >= 0) {
        json_object_set_new(json, "node-id", json_integer(node));
    }
    return json;
}

static json_t *path_json(const X86Cpu *cpu)
{
    g_autofree char *path = cpu->object ? object_path(cpu->object) : NULL;

    return json_text(path);
}

static bool run_query_cpus(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < vcpu_count(); i++) {
        json_array_append_new(list, json_pack("{s:i, s:o, s:i, s:o, s:s}", "cpu-index", (int)i,
                                              "qom-path", path_json(cpu_get(i)), "thread-id",
                                              vcpu_get(i)->thread_id, "props", place_json(i),
                                              "target", target_names[0]));
    }
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand query_cpus_command = {
    .qmp = "query-cpus-fast",
    .help = "list the CPUs and their threads",
    .returns = &cpus_type,
    .run = run_query_cpus,
};
MONITOR_COMMAND(query_cpus_command);

static const JsonMember slot_members[] = {{"type", &json_type_string},
                                          {"vcpus-count", &json_type_int},
                                          {"props", &place_type},
                                          {"qom-path", &json_type_string, true},
                                          {NULL}};
static const JsonType slot_type = {.kind = JSON_KIND_OBJECT, .members = slot_members};
static const JsonType slots_type = {.kind = JSON_KIND_ARRAY, .element = &slot_type};

static bool run_query_slots(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    for (unsigned i = vcpu_count(); i-- > 0;) {
        const X86Cpu *cpu = cpu_get(i);
        json_array_append_new(list,
                              json_pack("{s:s, s:i, s:o, s:o}", "type",
                                        cpu->object ? cpu->object->type->name : "", "vcpus-count",
                                        1, "props", place_json(i), "qom-path", path_json(cpu)));
    }
    monitor_return(monitor, list);
    return true;
}

static void print_slots(Monitor *monitor, const json_t *result)
{
    monitor_printf(monitor, "Hotpluggable CPUs:\n");
    for (size_t i = 0; i < json_array_size(result); i++) {
        json_t *slot = json_array_get(result, i);
        json_t *place = json_object_get(slot, "props"), *number;
        const char *key;

        monitor_printf(monitor, "  type: \"%s\"\n  vcpus_count: \"1\"\n  qom_path: \"%s\"\n",
                       json_string_value(json_object_get(slot, "type")),
                       json_string_value(json_object_get(slot, "qom-path")));
        monitor_printf(monitor, "  CPUInstance Properties:\n");
        json_object_foreach(place, key, number)
        {
            monitor_printf(monitor, "    %s: \"%" JSON_INTEGER_FORMAT "\"\n", key,
                           json_integer_value(number));
        }
    }
}

static const MonitorCommand query_slots_command = {
    .name = "info hotpluggable-cpus",
    .qmp = "query-hotpluggable-cpus",
    .help = "list the places for CPUs, last first; all are taken",
    .returns = &slots_type,
    .run = run_query_slots,
    .print = print_slots,
};
MONITOR_COMMAND(query_slots_command);

/* -- Models ------------------------------------------------------------------------------------ */

static const JsonMember definition_members[] = {{"name", &json_type_string},
                                                {"typename", &json_type_string},
                                                {"migration-safe", &json_type_bool, true},
                                                {"static", &json_type_bool},
                                                {"deprecated", &json_type_bool},
                                                {"unavailable-features", &json_type_strings, true},
                                                {"alias-of", &json_type_string, true},
                                                {NULL}};
static const JsonType definition_type = {.kind = JSON_KIND_OBJECT, .members = definition_members};
static const JsonType definitions_type = {.kind = JSON_KIND_ARRAY, .element = &definition_type};

static bool run_query_definitions(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, json_incref((json_t *)cpu_definitions_json()));
    return true;
}

static const MonitorCommand query_definitions_command = {
    .qmp = "query-cpu-definitions",
    .help = "list the CPU models, and what of each this host cannot offer",
    .returns = &definitions_type,
    .run = run_query_definitions,
};
MONITOR_COMMAND(query_definitions_command);

static const JsonType props_type = {.kind = JSON_KIND_OBJECT, .open = true};
static const JsonMember model_members[] = {
    {"name", &json_type_string}, {"props", &props_type, true}, {NULL}};
static const JsonType model_type = {.kind = JSON_KIND_OBJECT, .members = model_members};
static const JsonMember answer_members[] = {{"model", &model_type}, {NULL}};
static const JsonType answer_type = {.kind = JSON_KIND_OBJECT, .members = answer_members};

static const char *const expansion_names[] = {"static", "full", NULL};
static const JsonType expansion_enum = {.kind = JSON_KIND_ENUM, .values = expansion_names};

/* Takes the answer over; NULL: it failed. */
static bool return_answer(Monitor *monitor, json_t *answer)
{
    if (answer) {
        monitor_return(monitor, answer);
    }
    return answer != NULL;
}

static bool run_query_expansion(Monitor *monitor, const MonitorValue *values, Error **err)
{
    bool full = strcmp(values[0].text, "full") == 0;

    return return_answer(monitor, cpu_model_expansion_json(values[1].json, full, err));
}

static const MonitorCommand query_expansion_command = {
    .qmp = "query-cpu-model-expansion",
    .help = "tell all features of a CPU model as this host offers it",
    .args = {{"type", MONITOR_ARG_WORD, .type = &expansion_enum},
             {"model", MONITOR_ARG_JSON, .type = &model_type}},
    .returns = &answer_type,
    .run = run_query_expansion,
};
MONITOR_COMMAND(query_expansion_command);

static const char *const comparison_names[] = {"identical", "superset", "subset", "incompatible",
                                               NULL};
static const JsonType comparison_enum = {.kind = JSON_KIND_ENUM, .values = comparison_names};
static const JsonMember comparison_members[] = {
    {"result", &comparison_enum}, {"responsible-properties", &json_type_strings}, {NULL}};
static const JsonType comparison_type = {.kind = JSON_KIND_OBJECT, .members = comparison_members};

static bool run_query_comparison(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return return_answer(monitor, cpu_model_comparison_json(values[0].json, values[1].json, err));
}

static const MonitorCommand query_comparison_command = {
    .qmp = "query-cpu-model-comparison",
    .help = "tell which of two CPU models has features that the other lacks",
    .args = {{"modela", MONITOR_ARG_JSON, .type = &model_type},
             {"modelb", MONITOR_ARG_JSON, .type = &model_type}},
    .returns = &comparison_type,
    .run = run_query_comparison,
};
MONITOR_COMMAND(query_comparison_command);

static bool run_query_baseline(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return return_answer(monitor, cpu_model_baseline_json(values[0].json, values[1].json, err));
}

static const MonitorCommand query_baseline_command = {
    .qmp = "query-cpu-model-baseline",
    .help = "make a CPU model of the features that two have in common",
    .args = {{"modela", MONITOR_ARG_JSON, .type = &model_type},
             {"modelb", MONITOR_ARG_JSON, .type = &model_type}},
    .returns = &answer_type,
    .run = run_query_baseline,
};
MONITOR_COMMAND(query_baseline_command);
