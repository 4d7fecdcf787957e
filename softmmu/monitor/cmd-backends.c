/* SPDX-License-Identifier: MIT */
/* What guest memory is made of: info memdev (back ends), info ramblock (all of it). */
#include "softmmu/memory-backend.h"
#include "softmmu/monitor/monitor-private.h"

#include <inttypes.h>

/* -- info memdev ------------------------------------------------------------------------------- */

static const char *const policy_names[] = {"default", "preferred", "bind", "interleave", NULL};
static const JsonType policy_type = {.kind = JSON_KIND_ENUM, .values = policy_names};
static const JsonType nodes_type = {.kind = JSON_KIND_ARRAY, .element = &json_type_int};
static const JsonMember memdev_members[] = {
    {"id", &json_type_string, true},    {"size", &json_type_int},
    {"merge", &json_type_bool},         {"dump", &json_type_bool},
    {"prealloc", &json_type_bool},      {"share", &json_type_bool},
    {"reserve", &json_type_bool, true}, {"host-nodes", &nodes_type},
    {"policy", &policy_type},           {NULL}};
static const JsonType memdev_type = {.kind = JSON_KIND_OBJECT, .members = memdev_members};
static const JsonType memdevs_type = {.kind = JSON_KIND_ARRAY, .element = &memdev_type};

static json_t *list_nodes(const MemoryBackend *backend)
{
    json_t *list = json_array();

    for (unsigned node = 0; node < 8 * sizeof(backend->host_nodes); node++) {
        if (backend->host_nodes[node / 64] >> node % 64 & 1) {
            json_array_append_new(list, json_integer(node));
        }
    }
    return list;
}

static json_t *describe_backend(const MemoryBackend *backend)
{
    return json_pack("{s:o, s:I, s:b, s:b, s:b, s:b, s:b, s:o, s:s}", "id",
                     json_text(backend->obj.name), "size", (json_int_t)backend->size, "merge",
                     backend->merge, "dump", backend->dump, "prealloc", backend->prealloc, "share",
                     backend->block && backend->block->shared, "reserve", backend->reserve,
                     "host-nodes", list_nodes(backend), "policy", policy_names[backend->policy]);
}

static bool run_info_memdev(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const GPtrArray *objects = object_container("/objects")->children;
    json_t *list = json_array();

    for (guint i = 0; i < objects->len; i++) {
        if (object_is_a(objects->pdata[i], &memory_backend_type)) {
            json_array_append_new(list, describe_backend(objects->pdata[i]));
        }
    }
    monitor_return(monitor, list);
    return true;
}

static void print_flag(Monitor *monitor, const json_t *backend, const char *name)
{
    bool on = json_is_true(json_object_get(backend, name));

    monitor_printf(monitor, "  %s: %s\n", name, on ? "true" : "false");
}

/* Rising numbers as "0-1,3". */
static void print_ranges(Monitor *monitor, const json_t *numbers)
{
    size_t count = json_array_size(numbers);

    for (size_t first = 0, last; first < count; first = last + 1) {
        json_int_t start = json_integer_value(json_array_get(numbers, first)), end = start;

        for (last = first; last + 1 < count; last++, end++) {
            if (json_integer_value(json_array_get(numbers, last + 1)) != end + 1) {
                break;
            }
        }
        monitor_printf(monitor, "%s%" JSON_INTEGER_FORMAT, first ? "," : "", start);
        if (end > start) {
            monitor_printf(monitor, "-%" JSON_INTEGER_FORMAT, end);
        }
    }
}

static void print_memdevs(Monitor *monitor, const json_t *result)
{
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *backend = json_array_get(result, i);

        monitor_printf(monitor, "memory backend: %s\n  size:  %" JSON_INTEGER_FORMAT "\n",
                       json_string_value(json_object_get(backend, "id")),
                       json_integer_value(json_object_get(backend, "size")));
        print_flag(monitor, backend, "merge");
        print_flag(monitor, backend, "dump");
        print_flag(monitor, backend, "prealloc");
        print_flag(monitor, backend, "share");
        print_flag(monitor, backend, "reserve");
        monitor_printf(monitor, "  policy: %s\n  host nodes: ",
                       json_string_value(json_object_get(backend, "policy")));
        print_ranges(monitor, json_object_get(backend, "host-nodes"));
        monitor_printf(monitor, "\n");
    }
}

static const MonitorCommand info_memdev_command = {
    .name = "info memdev",
    .qmp = "query-memdev",
    .help = "show the memory back ends that were made",
    .returns = &memdevs_type,
    .run = run_info_memdev,
    .print = print_memdevs,
};
MONITOR_COMMAND(info_memdev_command);

/* -- info ramblock ----------------------------------------------------------------------------- */

static void print_block(const RamBlock *block, void *opaque)
{
    monitor_printf(opaque, "%24s    4 KiB  0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016" PRIx64 "\n",
                   block->name, block->ram_address, block->size, block->size);
}

static bool run_info_ramblock(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_printf(monitor, "%24s %8s  %18s %18s %18s\n", "Block Name", "PSize", "Offset", "Used",
                   "Total");
    ram_block_foreach(print_block, monitor);
    return true;
}

static const MonitorCommand info_ramblock_command = {
    .name = "info ramblock",
    .help = "show all blocks of guest memory and their place among each other",
    .run = run_info_ramblock,
};
MONITOR_COMMAND(info_ramblock_command);
