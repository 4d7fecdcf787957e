/* SPDX-License-Identifier: MIT */
/* QMP commands about what kind of machine this is: target, accelerator, boards. */
#include "accel/accel.h"
#include "hw/machine.h"
#include "softmmu/monitor/monitor-private.h"

/* -- Target and accelerator -------------------------------------------------------------------- */

static const char *const target_names[] = {"x86_64", NULL};
static const JsonType target_enum = {.kind = JSON_KIND_ENUM, .values = target_names};
static const JsonMember target_members[] = {{"arch", &target_enum}, {NULL}};
static const JsonType target_type = {.kind = JSON_KIND_OBJECT, .members = target_members};

static bool run_query_target(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, json_pack("{s:s}", "arch", target_names[0]));
    return true;
}

static const MonitorCommand query_target_command = {
    .qmp = "query-target",
    .help = "tell the architecture of the guest",
    .returns = &target_type,
    .run = run_query_target,
};
MONITOR_COMMAND(query_target_command);

static const JsonMember kvm_members[] = {
    {"enabled", &json_type_bool}, {"present", &json_type_bool}, {NULL}};
static const JsonType kvm_type = {.kind = JSON_KIND_OBJECT, .members = kvm_members};

static bool run_query_kvm(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Accel *kvm = accel_find("kvm");

    monitor_return(monitor, json_pack("{s:b, s:b}", "enabled", kvm && kvm == accel_current(),
                                      "present", kvm != NULL));
    return true;
}

static const MonitorCommand query_kvm_command = {
    .qmp = "query-kvm",
    .help = "tell whether KVM is used, and whether this build has it",
    .returns = &kvm_type,
    .run = run_query_kvm,
};
MONITOR_COMMAND(query_kvm_command);

/* -- Boards ------------------------------------------------------------------------------------ */

static const JsonMember machine_members[] = {{"name", &json_type_string},
                                             {"alias", &json_type_string, true},
                                             {"is-default", &json_type_bool, true},
                                             {"cpu-max", &json_type_int},
                                             {"hotpluggable-cpus", &json_type_bool},
                                             {"numa-mem-supported", &json_type_bool},
                                             {"deprecated", &json_type_bool},
                                             {"default-ram-id", &json_type_string, true},
                                             {NULL}};
static const JsonType machine_info_type = {.kind = JSON_KIND_OBJECT, .members = machine_members};
static const JsonType machines_type = {.kind = JSON_KIND_ARRAY, .element = &machine_info_type};

static json_t *machine_json(const MachineInfo *info, const char *name)
{
    json_t *json = json_pack("{s:s, s:i, s:b, s:b, s:b}", "name", name, "cpu-max",
                             (int)(info->max_cpus ? info->max_cpus : 1), "hotpluggable-cpus", false,
                             "numa-mem-supported", false, "deprecated", info->deprecated != NULL);

    /* No default-cpu-type: it is a model of our own, and who knows none of that name would not use
     * a board that has it. */
    if (info->ram_id) {
        json_object_set_new(json, "default-ram-id", json_string(info->ram_id));
    }
    return json;
}

/* The first alias stands for the newest version ("pc"), the others are older versions' names: those
 * are listed as boards, for clients write them down for good. */
static void add_machine(const Type *type, void *opaque)
{
    const MachineInfo *info = type->info;
    const char *const *alias = info->aliases;
    json_t *json = machine_json(info, info->name);

    if (info->is_default) {
        json_object_set_new(json, "is-default", json_true());
    }
    if (alias && *alias) {
        json_object_set_new(json, "alias", json_string(*alias++));
    }
    json_array_append_new(opaque, json);
    for (; alias && *alias; alias++) {
        json_array_append_new(opaque, machine_json(info, *alias));
    }
}

static bool run_query_machines(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    type_foreach(&machine_type, add_machine, list);
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand query_machines_command = {
    .qmp = "query-machines",
    .help = "list the boards",
    .returns = &machines_type,
    .run = run_query_machines,
};
MONITOR_COMMAND(query_machines_command);

static const JsonMember current_members[] = {{"wakeup-suspend-support", &json_type_bool}, {NULL}};
static const JsonType current_type = {.kind = JSON_KIND_OBJECT, .members = current_members};

static bool run_query_current(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, json_pack("{s:b}", "wakeup-suspend-support", false));
    return true;
}

static const MonitorCommand query_current_command = {
    .qmp = "query-current-machine",
    .help = "tell what the board of this machine can do",
    .returns = &current_type,
    .run = run_query_current,
};
MONITOR_COMMAND(query_current_command);
