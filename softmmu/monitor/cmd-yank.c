/* SPDX-License-Identifier: MIT */
/* yank: ends connections whose other side is stuck; out of band, before what may wait for them. */
#include "softmmu/monitor/monitor-private.h"
#include "ui/chardev.h"

#include <string.h>

static const char *const kinds[] = {"block-node", "chardev", "migration", NULL};
static const JsonType kind_type = {.kind = JSON_KIND_ENUM, .values = kinds};
static const JsonMember instance_members[] = {{"type", &kind_type},
                                              {"id", &json_type_string, true},
                                              {"node-name", &json_type_string, true},
                                              {NULL}};
static const JsonType instance_type = {.kind = JSON_KIND_OBJECT, .members = instance_members};
static const JsonType instances_type = {.kind = JSON_KIND_ARRAY, .element = &instance_type};

static void add_instance(const Chardev *chardev, void *opaque)
{
    if (chardev_can_hang_up(chardev)) {
        json_array_append_new(
            opaque, json_pack("{s:s, s:o}", "type", "chardev", "id", json_text(chardev->obj.name)));
    }
}

static bool run_query_yank(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    chardev_foreach(add_instance, list);
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand query_yank_command = {
    .qmp = "query-yank",
    .help = "list the connections that yank can end",
    .returns = &instances_type,
    .flags = MONITOR_OOB,
    .run = run_query_yank,
};
MONITOR_COMMAND(query_yank_command);

/* NULL and *err: it is not there. */
static Chardev *find_instance(const json_t *instance, Error **err)
{
    const char *kind = json_string_value(json_object_get(instance, "type"));
    const char *id = json_string_value(json_object_get(instance, "id"));
    Chardev *chardev = NULL;

    if (strcmp(kind, "chardev") == 0) {
        if (!id) {
            error_set(err, "Parameter 'id' is missing");
            return NULL;
        }
        chardev = chardev_find(id);
    }
    if (!chardev || !chardev_can_hang_up(chardev)) {
        error_set_class(err, ERROR_DEVICE_NOT_FOUND, "query-yank does not list %s%s%s%s", kind,
                        id ? " '" : "", id ? id : "", id ? "'" : "");
        return NULL;
    }
    return chardev;
}

/* All or nothing. */
static bool run_yank(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(GPtrArray) chardevs = g_ptr_array_new();

    for (size_t i = 0; i < json_array_size(values[0].json); i++) {
        Chardev *chardev = find_instance(json_array_get(values[0].json, i), err);

        if (!chardev) {
            return false;
        }
        g_ptr_array_add(chardevs, chardev);
    }
    for (guint i = 0; i < chardevs->len; i++) {
        chardev_hang_up(chardevs->pdata[i]);
    }
    return true;
}

static const MonitorCommand yank_command = {
    .qmp = "yank",
    .help = "end connections, as if their other sides had",
    .args = {{"instances", MONITOR_ARG_JSON, .type = &instances_type}},
    .flags = MONITOR_OOB,
    .run = run_yank,
};
MONITOR_COMMAND(yank_command);
