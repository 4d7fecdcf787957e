/* SPDX-License-Identifier: MIT */
/* info block, query-block: the drives and what is in them. */
#include "block/block.h"
#include "softmmu/monitor/monitor-private.h"
#include "util/object.h"
#include "util/suggest.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* -- Shape ------------------------------------------------------------------------------------- */

static const JsonMember cache_members[] = {{"writeback", &json_type_bool},
                                           {"direct", &json_type_bool},
                                           {"no-flush", &json_type_bool},
                                           {NULL}};
static const JsonType cache_type = {.kind = JSON_KIND_OBJECT, .members = cache_members};
static const JsonMember image_members[] = {
    {"filename", &json_type_string},       {"format", &json_type_string},
    {"virtual-size", &json_type_int},      {"actual-size", &json_type_int, true},
    {"dirty-flag", &json_type_bool, true}, {NULL}};
static const JsonType image_type = {.kind = JSON_KIND_OBJECT, .members = image_members};
static const JsonMember inserted_members[] = {{"file", &json_type_string},
                                              {"node-name", &json_type_string},
                                              {"ro", &json_type_bool},
                                              {"drv", &json_type_string},
                                              {"encrypted", &json_type_bool},
                                              {"backing_file_depth", &json_type_int},
                                              {"detect_zeroes", &json_type_string},
                                              {"bps", &json_type_int},
                                              {"bps_rd", &json_type_int},
                                              {"bps_wr", &json_type_int},
                                              {"iops", &json_type_int},
                                              {"iops_rd", &json_type_int},
                                              {"iops_wr", &json_type_int},
                                              {"write_threshold", &json_type_int},
                                              {"image", &image_type},
                                              {"cache", &cache_type},
                                              {NULL}};
static const JsonType inserted_type = {.kind = JSON_KIND_OBJECT, .members = inserted_members};
static const JsonMember drive_members[] = {{"device", &json_type_string},
                                           {"qdev", &json_type_string, true},
                                           {"type", &json_type_string},
                                           {"removable", &json_type_bool},
                                           {"locked", &json_type_bool},
                                           {"tray_open", &json_type_bool, true},
                                           {"io-status", &json_type_string, true},
                                           {"inserted", &inserted_type, true},
                                           {NULL}};
static const JsonType drive_json_type = {.kind = JSON_KIND_OBJECT, .members = drive_members};
static const JsonType drives_type = {.kind = JSON_KIND_ARRAY, .element = &drive_json_type};

/* -- Content ----------------------------------------------------------------------------------- */

typedef struct LinkSearch {
    const Object *target;
    bool found;
} LinkSearch;

static void match_link(const Field *field, void *address, void *opaque)
{
    LinkSearch *search = opaque;

    if (field->type == &field_type_link && *(Object *const *)address == search->target) {
        search->found = true;
    }
}

/* The device whose drive= it is; NULL: none. */
static const Object *find_device(const Object *at, const Object *drive)
{
    LinkSearch search = {.target = drive};

    object_foreach_field(at, match_link, &search);
    if (search.found) {
        return at;
    }
    for (guint i = 0; i < at->children->len; i++) {
        const Object *found = find_device(at->children->pdata[i], drive);

        if (found) {
            return found;
        }
    }
    return NULL;
}

const Object *monitor_drive_device(const Object *drive)
{
    return find_device(object_root(), drive);
}

static json_t *describe_medium(BlockNode *node)
{
    const BlockNode *file = node->file ? node->file : node;
    g_autoptr(json_t) filename = json_text(file->filename ? file->filename : node->filename);
    json_t *inserted =
        json_pack("{s:O, s:o, s:b, s:s, s:b, s:i, s:s}", "file", filename, "node-name",
                  json_text(node->name), "ro", node->read_only, "drv", node->driver->name,
                  "encrypted", false, "backing_file_depth", 0, "detect_zeroes", "off");
    static const char *const unlimited[] = {"bps",     "bps_rd",  "bps_wr",         "iops",
                                            "iops_rd", "iops_wr", "write_threshold"};

    for (size_t i = 0; i < G_N_ELEMENTS(unlimited); i++) {
        json_object_set_new(inserted, unlimited[i], json_integer(0));
    }
    json_t *image =
        json_pack("{s:O, s:s, s:I, s:b}", "filename", filename, "format", node->driver->name,
                  "virtual-size", (json_int_t)block_size(node), "dirty-flag", false);
    struct stat status;
    if (stat(json_string_value(filename), &status) == 0) {
        json_object_set_new(image, "actual-size", json_integer(status.st_blocks * 512));
    }
    json_object_set_new(inserted, "image", image);
    json_object_set_new(inserted, "cache",
                        json_pack("{s:b, s:b, s:b}", "writeback", !node->writethrough, "direct",
                                  node->direct, "no-flush", node->no_flush));
    return inserted;
}

static json_t *describe_drive(Object *obj)
{
    Drive *drive = (Drive *)obj;
    BlockNode *node = drive_node(drive);
    const Object *device = monitor_drive_device(obj);
    bool removable = drive_is_removable(drive);
    json_t *entry =
        json_pack("{s:s, s:s, s:b, s:b, s:s}", "device", obj->name, "type", "unknown", "removable",
                  removable, "locked", drive_is_locked(drive), "io-status", "ok");

    if (device) {
        g_autofree char *name = drive_device_name(device);
        json_object_set_new(entry, "qdev", json_text(name));
    }
    if (removable) {
        json_object_set_new(entry, "tray_open", json_boolean(drive_is_tray_open(drive)));
    }
    if (node) {
        json_object_set_new(entry, "inserted", describe_medium(node));
    }
    return entry;
}

static void complete_drive(const char *prefix, GPtrArray *words)
{
    MonitorOffer offer = {prefix, words};
    const GPtrArray *drives = object_container("/drives")->children;

    for (guint i = 0; i < drives->len; i++) {
        monitor_offer(&offer, ((const Object *)drives->pdata[i])->name);
    }
}

/* All, or the one that is wanted; NULL and *err: there is none. */
static json_t *list_drives(const char *wanted, Error **err)
{
    const GPtrArray *drives = object_container("/drives")->children;
    json_t *list = json_array();
    Suggest suggest;

    suggest_init(&suggest, wanted ? wanted : "");
    for (guint i = 0; i < drives->len; i++) {
        Object *drive = drives->pdata[i];

        suggest_offer(&suggest, drive->name);
        if (!wanted || g_str_equal(drive->name, wanted)) {
            json_array_append_new(list, describe_drive(drive));
        }
    }
    if (wanted && json_array_size(list) == 0) {
        json_decref(list);
        error_set_class(err, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found%s", wanted,
                        suggest_text(&suggest));
        return NULL;
    }
    return list;
}

/* Of images: formats, and the files below. */
static json_t *list_nodes(void)
{
    const GPtrArray *drives = object_container("/drives")->children;
    json_t *list = json_array();

    for (guint i = 0; i < drives->len; i++) {
        BlockNode *node = drive_node(drives->pdata[i]);

        for (; node; node = node->file) {
            json_array_append_new(list, describe_medium(node));
        }
    }
    return list;
}

/* -- Text -------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static bool is_set(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* Three digits of it: "1.5 GiB". */
static char *size_text(json_int_t bytes)
{
    static const char prefixes[][3] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    double size = (double)bytes;
    size_t i = 0;

    for (; size >= 1000 && i < G_N_ELEMENTS(prefixes) - 1; i++) {
        size /= 1024;
    }
    return g_strdup_printf("%.3g %sB", size, prefixes[i]);
}

static void print_image(Monitor *monitor, const json_t *image)
{
    json_int_t virtual_size = json_integer_value(json_object_get(image, "virtual-size"));
    const json_t *actual = json_object_get(image, "actual-size");
    g_autofree char *size = size_text(virtual_size);

    monitor_printf(
        monitor, "\nImages:\nimage: %s\nfile format: %s\nvirtual size: %s (%" PRId64 " bytes)\n",
        text_of(image, "filename"), text_of(image, "format"), size, (int64_t)virtual_size);
    if (actual) {
        g_autofree char *taken = size_text(json_integer_value(actual));
        monitor_printf(monitor, "disk size: %s\n", taken);
    }
}

static void print_cache(Monitor *monitor, const json_t *inserted)
{
    const json_t *cache = json_object_get(inserted, "cache");

    monitor_printf(monitor, "    Cache mode:       %s%s%s\n",
                   is_set(cache, "writeback") ? "writeback" : "writethrough",
                   is_set(cache, "direct") ? ", direct" : "",
                   is_set(cache, "no-flush") ? ", ignore flushes" : "");
}

static void print_node(Monitor *monitor, const json_t *node)
{
    monitor_printf(monitor, "%s: %s (%s%s)\n", text_of(node, "node-name"), text_of(node, "file"),
                   text_of(node, "drv"), is_set(node, "ro") ? ", read-only" : "");
    print_cache(monitor, node);
}

static void print_drive(Monitor *monitor, const json_t *drive)
{
    const json_t *inserted = json_object_get(drive, "inserted");

    monitor_printf(monitor, "%s", text_of(drive, "device"));
    if (inserted) {
        monitor_printf(monitor, " (%s): %s (%s%s)\n", text_of(inserted, "node-name"),
                       text_of(inserted, "file"), text_of(inserted, "drv"),
                       is_set(inserted, "ro") ? ", read-only" : "");
    } else {
        monitor_printf(monitor, ": [not inserted]\n");
    }
    if (json_object_get(drive, "qdev")) {
        monitor_printf(monitor, "    Attached to:      %s\n", text_of(drive, "qdev"));
    }
    if (is_set(drive, "removable")) {
        monitor_printf(monitor, "    Removable device: %slocked, tray %s\n",
                       is_set(drive, "locked") ? "" : "not ",
                       is_set(drive, "tray_open") ? "open" : "closed");
    }
    if (inserted) {
        print_cache(monitor, inserted);
    }
}

static bool run_info_block(Monitor *monitor, const MonitorValue *values, Error **err)
{
    bool is_verbose = values[1].present, is_next = false;
    const char *wanted = values[2].present ? values[2].text : NULL;
    g_autoptr(json_t) list = values[0].present ? list_nodes() : list_drives(wanted, err);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i), *inserted = entry;

        if (values[0].present && wanted && strcmp(text_of(entry, "node-name"), wanted) != 0) {
            continue;
        }
        monitor_printf(monitor, "%s", is_next ? "\n" : "");
        is_next = true;
        if (values[0].present) {
            print_node(monitor, entry);
        } else {
            print_drive(monitor, entry);
            inserted = json_object_get(entry, "inserted");
        }
        if (is_verbose && inserted) {
            print_image(monitor, json_object_get(inserted, "image"));
        }
    }
    return list;
}

static const MonitorCommand info_block_line_command = {
    .name = "info block",
    .help =
        "show the drives and what is in them (-n: the nodes of images, -v: about the images, too)",
    .args = {{"nodes", MONITOR_ARG_FLAG, .flag = 'n'},
             {"verbose", MONITOR_ARG_FLAG, .flag = 'v'},
             {"device", MONITOR_ARG_WORD, .optional = true, .complete = complete_drive}},
    .run = run_info_block,
};
MONITOR_COMMAND(info_block_line_command);

static bool run_query_block(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, list_drives(NULL, err));
    return true;
}

static const MonitorCommand query_block_command = {
    .qmp = "query-block",
    .help = "list the drives and what is in them",
    .returns = &drives_type,
    .run = run_query_block,
};
MONITOR_COMMAND(query_block_command);

/* -- Nodes ------------------------------------------------------------------------------------- */

static const JsonType nodes_type = {.kind = JSON_KIND_ARRAY, .element = &inserted_type};

static bool run_query_nodes(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, list_nodes());
    return true;
}

static const MonitorCommand query_nodes_command = {
    .qmp = "query-named-block-nodes",
    .help = "list the nodes of images: formats, and the files below",
    .args = {{"flat", MONITOR_ARG_BOOL, .optional = true}},
    .returns = &nodes_type,
    .run = run_query_nodes,
};
MONITOR_COMMAND(query_nodes_command);

/* -- Limits ------------------------------------------------------------------------------------ */

/* There are none, which is what all zeroes ask for. */
static bool run_throttle(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Drive *drive = monitor_which_drive(values, err);
    json_t *arguments = (json_t *)monitor_arguments(monitor), *value;
    const char *key;

    if (!drive) {
        return false;
    }
    json_object_foreach(arguments, key, value)
    {
        bool is_rate = g_str_has_prefix(key, "bps") || g_str_has_prefix(key, "iops");
        bool is_length = g_str_has_suffix(key, "_length");

        if (is_rate && !is_length && json_integer_value(value) != 0) {
            return error_set(err, "Parameter '%s': limits of drives are not offered; 0 is none",
                             key);
        }
    }
    return true;
}

static const MonitorCommand throttle_command = {
    .qmp = "block_set_io_throttle",
    .help = "limit what a drive does in a second; there are no limits, so all are 0",
    .args = {{"device", MONITOR_ARG_WORD, .optional = true},
             {"id", MONITOR_ARG_WORD, .optional = true},
             {"bps", MONITOR_ARG_INT},
             {"bps_rd", MONITOR_ARG_INT},
             {"bps_wr", MONITOR_ARG_INT},
             {"iops", MONITOR_ARG_INT},
             {"iops_rd", MONITOR_ARG_INT},
             {"iops_wr", MONITOR_ARG_INT}},
    .flags = MONITOR_OPEN_ARGS,
    .run = run_throttle,
};
MONITOR_COMMAND(throttle_command);
