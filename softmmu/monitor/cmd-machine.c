/* SPDX-License-Identifier: MIT */
/* Commands about the machine as it was configured: its name, memory, ROMs, boot order; and what it
 * could have and has not: a balloon, a network, sleep. */
#include "hw/fw-cfg.h"
#include "hw/machine.h"
#include "softmmu/monitor/monitor-private.h"

#include <inttypes.h>
#include <string.h>

static Machine *machine(Error **err)
{
    Machine *current = machine_current();

    if (!current) {
        error_set(err, "there is no machine");
    }
    return current;
}

/* -- Name, UUID -------------------------------------------------------------------------------- */

static const JsonMember name_members[] = {{"name", &json_type_string, true}, {NULL}};
static const JsonType name_type = {.kind = JSON_KIND_OBJECT, .members = name_members};

static bool run_info_name(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Machine *current = machine(err);
    json_t *result;

    if (!current) {
        return false;
    }
    result = json_object();
    if (current->guest_name) {
        json_object_set_new(result, "name", json_text(current->guest_name));
    }
    monitor_return(monitor, result);
    return true;
}

static void print_name(Monitor *monitor, const json_t *result)
{
    const char *name = json_string_value(json_object_get(result, "name"));

    if (name) {
        monitor_printf(monitor, "%s\n", name);
    }
}

static const MonitorCommand info_name_command = {
    .name = "info name",
    .qmp = "query-name",
    .help = "show the name of the guest",
    .returns = &name_type,
    .run = run_info_name,
    .print = print_name,
};
MONITOR_COMMAND(info_name_command);

static const JsonMember uuid_members[] = {{"UUID", &json_type_string}, {NULL}};
static const JsonType uuid_type = {.kind = JSON_KIND_OBJECT, .members = uuid_members};

static bool run_info_uuid(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Machine *current = machine(err);
    g_autofree char *uuid = current ? object_get(&current->obj, "uuid", err) : NULL;

    if (uuid) {
        monitor_return(monitor, json_pack("{s:s}", "UUID", uuid));
    }
    return uuid;
}

static void print_uuid(Monitor *monitor, const json_t *result)
{
    monitor_printf(monitor, "%s\n", json_string_value(json_object_get(result, "UUID")));
}

static const MonitorCommand info_uuid_command = {
    .name = "info uuid",
    .qmp = "query-uuid",
    .help = "show the UUID of the guest",
    .returns = &uuid_type,
    .run = run_info_uuid,
    .print = print_uuid,
};
MONITOR_COMMAND(info_uuid_command);

/* -- Memory ------------------------------------------------------------------------------------ */

static const JsonMember memory_size_members[] = {
    {"base-memory", &json_type_int}, {"plugged-memory", &json_type_int}, {NULL}};
static const JsonType memory_size_type = {.kind = JSON_KIND_OBJECT, .members = memory_size_members};

static bool run_info_memory_size(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Machine *current = machine(err);

    if (!current) {
        return false;
    }
    monitor_return(monitor, json_pack("{s:I, s:i}", "base-memory", (json_int_t)current->ram_size,
                                      "plugged-memory", 0));
    return true;
}

static void print_memory_size(Monitor *monitor, const json_t *result)
{
    monitor_printf(monitor, "base memory: %" JSON_INTEGER_FORMAT "\nplugged memory: 0\n",
                   json_integer_value(json_object_get(result, "base-memory")));
}

static const MonitorCommand info_memory_size_command = {
    .name = "info memory_size_summary",
    .qmp = "query-memory-size-summary",
    .help = "show the size of memory in bytes, and of what was plugged in later",
    .returns = &memory_size_type,
    .run = run_info_memory_size,
    .print = print_memory_size,
};
MONITOR_COMMAND(info_memory_size_command);

static bool run_info_numa(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Machine *current = machine_current();
    const Numa *numa = current ? current->numa : NULL;
    unsigned count = numa ? numa->count : 0;

    monitor_printf(monitor, "%u nodes\n", count);
    for (unsigned node = 0; node < count; node++) {
        monitor_printf(monitor, "node %u cpus:", node);
        for (unsigned cpu = 0; cpu < current->cpus.count; cpu++) {
            if (numa->node_of_cpu[cpu] == node) {
                monitor_printf(monitor, " %u", cpu);
            }
        }
        monitor_printf(monitor, "\nnode %u size: %" PRIu64 " MB\nnode %u plugged: 0 MB\n", node,
                       numa->nodes[node].size >> 20, node);
    }
    return true;
}

static const MonitorCommand info_numa_command = {
    .name = "info numa",
    .help = "show the NUMA nodes: their CPUs and memory (-numa)",
    .run = run_info_numa,
};
MONITOR_COMMAND(info_numa_command);

static bool run_info_balloon(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return error_set_class(err, ERROR_DEVICE_NOT_ACTIVE, "The machine has no balloon");
}

static const JsonMember balloon_members[] = {{"actual", &json_type_int}, {NULL}};
static const JsonType balloon_type = {.kind = JSON_KIND_OBJECT, .members = balloon_members};

static const MonitorCommand info_balloon_command = {
    .name = "info balloon",
    .qmp = "query-balloon",
    .help = "show how much memory a balloon leaves to the guest",
    .returns = &balloon_type,
    .run = run_info_balloon,
};
MONITOR_COMMAND(info_balloon_command);

/* -- ROMs -------------------------------------------------------------------------------------- */

static void print_rom_regions(Monitor *monitor, const Region *region, uint64_t base)
{
    if (region->kind == REGION_ROM && region->enabled) {
        monitor_printf(monitor, "addr=%016" PRIx64 " size=0x%06" PRIx64 " mem=rom name=\"%s\"\n",
                       base, region->size, region->name);
    }
    for (guint i = 0; region->children && i < region->children->len; i++) {
        const Region *child = region->children->pdata[i];

        print_rom_regions(monitor, child, base + child->address);
    }
}

static bool run_info_roms(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const FwCfg *fw_cfg = fw_cfg_find();
    const char *name;

    if (address_space_memory.root) {
        print_rom_regions(monitor, address_space_memory.root, 0);
    }
    for (unsigned i = 0; fw_cfg && (name = fw_cfg_file_name(fw_cfg, i)) != NULL; i++) {
        size_t size = g_bytes_get_size(fw_cfg_get_file(fw_cfg, name));

        if (g_str_has_prefix(name, "genroms/")) {
            monitor_printf(monitor, "fw=%s size=0x%06zx name=\"%s\"\n", name, size,
                           name + strlen("genroms/"));
        } else if (g_str_has_prefix(name, "etc/acpi/") || g_str_equal(name, "etc/table-loader")) {
            monitor_printf(monitor, "/rom@%s size=0x%06zx name=\"%s\"\n", name, size, name);
        }
    }
    return true;
}

static const MonitorCommand info_roms_command = {
    .name = "info roms",
    .help = "show ROM images, and what firmware loads as one",
    .run = run_info_roms,
};
MONITOR_COMMAND(info_roms_command);

/* -- Boot order -------------------------------------------------------------------------------- */

static bool run_boot_set(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Machine *current = machine(err);

    if (!current || !machine_set_boot_order(current, values[0].text, err)) {
        return false;
    }
    monitor_printf(monitor, "boot device list now set to %s\n", values[0].text);
    return true;
}

static const MonitorCommand boot_set_command = {
    .name = "boot_set",
    .help = "choose what the machine boots from after the next reset, as -boot order=",
    .args = {{"bootdevice", MONITOR_ARG_WORD}},
    .run = run_boot_set,
};
MONITOR_COMMAND(boot_set_command);

/* -- What there is not ------------------------------------------------------------------------- */

static bool run_nothing(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return true;
}

static const MonitorCommand info_network_command = {
    .name = "info network",
    .help = "show the network: nothing, as there is none",
    .run = run_nothing,
};
MONITOR_COMMAND(info_network_command);

static const MonitorCommand announce_self_command = {
    .name = "announce_self",
    .help = "have network cards tell where they are: there are none",
    .args = {{"interfaces", MONITOR_ARG_WORD, .optional = true},
             {"id", MONITOR_ARG_WORD, .optional = true}},
    .run = run_nothing,
};
MONITOR_COMMAND(announce_self_command);

static bool run_system_wakeup(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return error_set(err, "the guest does not sleep");
}

static const MonitorCommand system_wakeup_command = {
    .name = "system_wakeup",
    .qmp = "system_wakeup",
    .help = "wake a guest that sleeps",
    .run = run_system_wakeup,
};
MONITOR_COMMAND(system_wakeup_command);

static bool run_exit_preconfig(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return error_set(err, "the machine has been made: that was to be said before");
}

static const MonitorCommand exit_preconfig_command = {
    .name = "exit_preconfig",
    .qmp = "x-exit-preconfig",
    .help = "go on to make the machine, which it is when there is a monitor",
    .run = run_exit_preconfig,
};
MONITOR_COMMAND(exit_preconfig_command);
