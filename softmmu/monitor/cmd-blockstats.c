/* SPDX-License-Identifier: MIT */
/* info blockstats: what was read from and written to images. */
#include "block/block.h"
#include "softmmu/monitor/monitor-private.h"
#include "util/object.h"

/* -- Shape ------------------------------------------------------------------------------------- */

/* The kinds of requests by QMP's names; writing zeroes is writing. */
static const struct Kind {
    const char *name;
    BlockOp op;
    bool has_size;
} kinds[] = {
    {"rd", BLOCK_READ, true},
    {"wr", BLOCK_WRITE, true},
    {"unmap", BLOCK_DISCARD, true},
    {"flush", BLOCK_FLUSH, false},
};

#define KIND_MEMBERS(kind)                                                                         \
    {kind "_operations", &json_type_int}, {kind "_total_time_ns", &json_type_int},                 \
        {"failed_" kind "_operations", &json_type_int},                                            \
    {                                                                                              \
        "invalid_" kind "_operations", &json_type_int                                              \
    }
#define SIZED_MEMBERS(kind)                                                                        \
    {kind "_bytes", &json_type_int},                                                               \
    {                                                                                              \
        kind "_merged", &json_type_int                                                             \
    }

static const JsonType timed_type = {.kind = JSON_KIND_ARRAY, .element = &json_type_any};
static const JsonMember figures_members[] = {KIND_MEMBERS("rd"),
                                             KIND_MEMBERS("wr"),
                                             KIND_MEMBERS("unmap"),
                                             KIND_MEMBERS("flush"),
                                             SIZED_MEMBERS("rd"),
                                             SIZED_MEMBERS("wr"),
                                             SIZED_MEMBERS("unmap"),
                                             {"wr_highest_offset", &json_type_int},
                                             {"idle_time_ns", &json_type_int, true},
                                             {"account_invalid", &json_type_bool},
                                             {"account_failed", &json_type_bool},
                                             {"timed_stats", &timed_type},
                                             {NULL}};
static const JsonType figures_type = {.kind = JSON_KIND_OBJECT, .members = figures_members};
static const JsonMember parent_members[] = {
    {"node-name", &json_type_string, true}, {"stats", &figures_type}, {NULL}};
static const JsonType parent_type = {.kind = JSON_KIND_OBJECT, .members = parent_members};
static const JsonMember entry_members[] = {
    {"device", &json_type_string, true},    {"qdev", &json_type_string, true},
    {"node-name", &json_type_string, true}, {"stats", &figures_type},
    {"parent", &parent_type, true},         {NULL}};
static const JsonType entry_type = {.kind = JSON_KIND_OBJECT, .members = entry_members};
static const JsonType entries_type = {.kind = JSON_KIND_ARRAY, .element = &entry_type};

/* -- Content ----------------------------------------------------------------------------------- */

static void put(json_t *object, const char *format, const char *kind, uint64_t value)
{
    g_autofree char *key = g_strdup_printf(format, kind);

    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *describe_account(const BlockAccount *account)
{
    json_t *stats =
        json_pack("{s:I, s:b, s:b, s:[]}", "wr_highest_offset", (json_int_t)account->write_end,
                  "account_invalid", false, "account_failed", true, "timed_stats");

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        const struct Kind *kind = &kinds[i];
        BlockOp also = kind->op == BLOCK_WRITE ? BLOCK_WRITE_ZEROES : BLOCK_OP_COUNT;
        uint64_t count = 0, failed = 0, bytes = 0, ns = 0;

        for (BlockOp op = 0; op < BLOCK_OP_COUNT; op++) {
            if (op == kind->op || op == also) {
                count += account->op[op].count;
                failed += account->op[op].failed;
                bytes += account->op[op].bytes;
                ns += account->op[op].ns;
            }
        }
        put(stats, "%s_operations", kind->name, count);
        put(stats, "%s_total_time_ns", kind->name, ns);
        put(stats, "failed_%s_operations", kind->name, failed);
        put(stats, "invalid_%s_operations", kind->name, 0);
        if (kind->has_size) {
            put(stats, "%s_bytes", kind->name, bytes);
            put(stats, "%s_merged", kind->name, 0);
        }
    }
    if (account->last_ns) {
        int64_t idle = g_get_monotonic_time() * 1000 - account->last_ns;
        json_object_set_new(stats, "idle_time_ns", json_integer(MAX(idle, 0)));
    }
    return stats;
}

static json_t *describe_node(const BlockNode *node)
{
    return json_pack("{s:o, s:o}", "node-name", json_text(node->name), "stats",
                     describe_account(&node->account));
}

static json_t *describe_drive(Object *drive)
{
    static const BlockAccount nothing;
    const BlockNode *node = drive_node((Drive *)drive);
    const Object *device = monitor_drive_device(drive);
    json_t *entry =
        node ? describe_node(node) : json_pack("{s:o}", "stats", describe_account(&nothing));

    json_object_set_new(entry, "device", json_text(drive->name));
    if (device) {
        g_autofree char *name = drive_device_name(device);
        json_object_set_new(entry, "qdev", json_text(name));
    }
    if (node && node->file) {
        json_object_set_new(entry, "parent", describe_node(node->file));
    }
    return entry;
}

static bool run_info_blockstats(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const GPtrArray *drives = object_container("/drives")->children;
    json_t *list = json_array();

    for (guint i = 0; i < drives->len; i++) {
        const BlockNode *node = drive_node(drives->pdata[i]);

        if (!values[0].number) {
            json_array_append_new(list, describe_drive(drives->pdata[i]));
        }
        for (; values[0].number && node; node = node->file) {
            json_array_append_new(list, describe_node(node));
        }
    }
    monitor_return(monitor, list);
    return true;
}

static void print_blockstats(Monitor *monitor, const json_t *result)
{
    static const char *const shown[] = {
        "rd_bytes",         "wr_bytes",         "rd_operations",    "wr_operations",
        "flush_operations", "wr_total_time_ns", "rd_total_time_ns", "flush_total_time_ns",
        "rd_merged",        "wr_merged",        "idle_time_ns"};

    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *entry = json_array_get(result, i);
        const json_t *stats = json_object_get(entry, "stats");

        monitor_printf(monitor, "%s:", json_string_value(json_object_get(entry, "device")));
        for (size_t n = 0; n < G_N_ELEMENTS(shown); n++) {
            monitor_printf(monitor, " %s=%" JSON_INTEGER_FORMAT, shown[n],
                           json_integer_value(json_object_get(stats, shown[n])));
        }
        monitor_printf(monitor, "\n");
    }
}

static const MonitorCommand info_blockstats_line_command = {
    .name = "info blockstats",
    .help = "show what was read from and written to the drives",
    .returns = &entries_type,
    .run = run_info_blockstats,
    .print = print_blockstats,
};
MONITOR_COMMAND(info_blockstats_line_command);

static const MonitorCommand query_blockstats_command = {
    .qmp = "query-blockstats",
    .help = "tell what was read from and written to the drives, or to each node",
    .args = {{"query-nodes", MONITOR_ARG_BOOL, .optional = true}},
    .returns = &entries_type,
    .run = run_info_blockstats,
};
MONITOR_COMMAND(query_blockstats_command);
