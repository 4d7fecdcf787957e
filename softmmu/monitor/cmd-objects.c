/* SPDX-License-Identifier: MIT */
/* Commands that make and take away: object_add, object_del, device_add, device_del; and what a
 * guest that ends or hangs leads to: set-action, watchdog_action. */
#include "hw/device.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"
#include "softmmu/watchdog.h"
#include "util/json.h"

#include <string.h>

/* -- Completion: TYPE,property=value ----------------------------------------------------------- */

static void offer_type(const Type *type, void *opaque)
{
    const MonitorOffer *offer = opaque;

    if (type->user_creatable && g_str_has_prefix(type->name, offer->prefix)) {
        g_ptr_array_add(offer->words, g_strdup(type->name));
    }
}

typedef struct PropertyOffer {
    const char *typed; /* behind the last comma */
    const char *before;
    int before_length;
    GPtrArray *words;
} PropertyOffer;

static void offer_value(const PropertyOffer *offer, const char *name, const char *value)
{
    g_autofree char *item = g_strconcat(name, "=", value, NULL);

    if (g_str_has_prefix(item, offer->typed)) {
        g_ptr_array_add(offer->words,
                        g_strdup_printf("%.*s%s", offer->before_length, offer->before, item));
    }
}

static void offer_children(const char *path, const char *prefix, GPtrArray *words);

/* Of a property that names one of the objects that have ids: a character device, a drive. */
static void offer_ids(const Field *field, const PropertyOffer *offer, const char *name)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);

    if (field->link_type && field->link_type->id_container) {
        offer_children(field->link_type->id_container, "", ids);
    }
    for (guint i = 0; i < ids->len; i++) {
        offer_value(offer, name, ids->pdata[i]);
    }
}

/* The name of a property, then its values where there are but a few. */
static void offer_property(const Field *field, void *opaque)
{
    const PropertyOffer *offer = opaque;
    const char *name = field_outside_name(field);
    size_t length = strlen(name);

    if (field->kind != FIELD_PROP || field->read_only) {
        return;
    }
    if (strncmp(offer->typed, name, length) != 0 || offer->typed[length] != '=') {
        offer_value(offer, name, "");
        return;
    }
    for (const char *const *choice = field->choices; choice && *choice; choice++) {
        offer_value(offer, name, *choice);
    }
    if (field->type == &field_type_bool) {
        offer_value(offer, name, "on");
        offer_value(offer, name, "off");
    }
    offer_ids(field, offer, name);
}

static void complete_options(const char *prefix, GPtrArray *words,
                             void (*visit)(void (*fn)(const Type *type, void *opaque),
                                           void *opaque),
                             const char *const *own_keys)
{
    const char *comma = strrchr(prefix, ',');
    g_autofree char *name = g_strndup(prefix, strcspn(prefix, ","));
    const Type *type = comma ? type_find(name) : NULL;

    if (!comma) {
        visit(offer_type, &(MonitorOffer){prefix, words});
        return;
    }
    PropertyOffer offer = {comma + 1, prefix, (int)(comma + 1 - prefix), words};
    if (!type) {
        return;
    }
    for (const char *const *key = own_keys; *key; key++) {
        if (!strchr(offer.typed, '=')) {
            offer_value(&offer, *key, "");
        }
    }
    type_foreach_field(type, offer_property, &offer);
}

static void complete_object(const char *prefix, GPtrArray *words)
{
    static const char *const own_keys[] = {"id", NULL};

    complete_options(prefix, words, user_object_foreach_type, own_keys);
}

static void foreach_device(void (*fn)(const Type *type, void *opaque), void *opaque)
{
    type_foreach(&device_type, fn, opaque);
}

static void complete_device(const char *prefix, GPtrArray *words)
{
    static const char *const own_keys[] = {"bus", NULL}; /* "id" is a property of all */

    complete_options(prefix, words, foreach_device, own_keys);
}

static void offer_children(const char *path, const char *prefix, GPtrArray *words)
{
    MonitorOffer offer = {prefix, words};
    const GPtrArray *children = object_container(path)->children;

    for (guint i = 0; i < children->len; i++) {
        monitor_offer(&offer, ((const Object *)children->pdata[i])->name);
    }
}

static void complete_object_id(const char *prefix, GPtrArray *words)
{
    offer_children("/objects", prefix, words);
}

static void complete_device_id(const char *prefix, GPtrArray *words)
{
    offer_children("/machine/peripheral", prefix, words);
}

/* -- Objects ----------------------------------------------------------------------------------- */

static bool run_object_add_line(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(KeyVal) kv = json_or_keyval(values[0].text, "qom-type", err);

    return kv && user_object_add(kv, err);
}

static const MonitorCommand object_add_line_command = {
    .name = "object_add",
    .help = "make an object, as -object does",
    .args = {{"options", MONITOR_ARG_REST, .complete = complete_object}},
    .run = run_object_add_line,
};
MONITOR_COMMAND(object_add_line_command);

static bool run_object_add(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(KeyVal) kv = json_to_keyval(monitor_arguments(monitor), err);

    return kv && user_object_add(kv, err);
}

static const MonitorCommand object_add_command = {
    .qmp = "object-add",
    .help = "make an object; its properties are further arguments",
    .args = {{"qom-type", MONITOR_ARG_WORD}, {"id", MONITOR_ARG_WORD}},
    .arguments = monitor_object_add_type,
    .flags = MONITOR_OPEN_ARGS,
    .run = run_object_add,
};
MONITOR_COMMAND(object_add_command);

static bool run_object_del(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return user_object_del(values[0].text, err);
}

static const MonitorCommand object_del_command = {
    .name = "object_del",
    .qmp = "object-del",
    .help = "take away an object that nothing uses",
    .args = {{"id", MONITOR_ARG_WORD, .complete = complete_object_id}},
    .run = run_object_del,
};
MONITOR_COMMAND(object_del_command);

/* -- Devices ----------------------------------------------------------------------------------- */

static bool run_device_add_line(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(KeyVal) kv = json_or_keyval(values[0].text, "driver", err);

    if (!kv) {
        return false;
    }
    const char *driver = keyval_get(kv, "driver");
    const Type *type = driver ? type_find(driver) : NULL;
    if (driver && (strcmp(driver, "help") == 0 || strcmp(driver, "?") == 0)) {
        g_autofree char *list = device_help();
        monitor_printf(monitor, "%s", list);
        return true;
    }
    if (type && type_is_a(type, &device_type) && keyval_wants_help(kv)) {
        g_autofree char *text = type_help(type);
        monitor_printf(monitor, "%s", text);
        return true;
    }
    return device_hotplug(kv, err);
}

static const MonitorCommand device_add_line_command = {
    .name = "device_add",
    .help = "plug in a device, as -device does; 'help' lists them, TYPE,help their properties",
    .args = {{"options", MONITOR_ARG_REST, .complete = complete_device}},
    .run = run_device_add_line,
};
MONITOR_COMMAND(device_add_line_command);

static bool run_device_add(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(KeyVal) kv = json_to_keyval(monitor_arguments(monitor), err);

    return kv && device_hotplug(kv, err);
}

/* -device takes JSON, and what it made that way can be plugged in and out. */
static const char *const device_add_features[] = {"json-cli", "json-cli-hotplug", NULL};

static const MonitorCommand device_add_command = {
    .qmp = "device_add",
    .help = "plug in a device; its properties are further arguments",
    .args = {{"driver", MONITOR_ARG_WORD},
             {"bus", MONITOR_ARG_WORD, .optional = true},
             {"id", MONITOR_ARG_WORD, .optional = true}},
    .features = device_add_features,
    .flags = MONITOR_OPEN_ARGS,
    .run = run_device_add,
};
MONITOR_COMMAND(device_add_command);

static bool run_device_del(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return device_unplug(values[0].text, err);
}

static const MonitorCommand device_del_command = {
    .name = "device_del",
    .qmp = "device_del",
    .help = "unplug a device, by its id or path",
    .args = {{"id", MONITOR_ARG_WORD, .complete = complete_device_id}},
    .run = run_device_del,
};
MONITOR_COMMAND(device_del_command);

static bool run_info_qdm(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autofree char *list = device_help();

    monitor_printf(monitor, "%s", list);
    return true;
}

static const MonitorCommand info_qdm_command = {
    .name = "info qdm",
    .help = "list the kinds of devices",
    .run = run_info_qdm,
};
MONITOR_COMMAND(info_qdm_command);

/* -- Actions ----------------------------------------------------------------------------------- */

/* In the order of their enums. */
static const char *const reboot_names[] = {"reset", "shutdown", NULL};
static const char *const shutdown_names[] = {"poweroff", "pause", NULL};
static const char *const panic_names[] = {"shutdown", "pause", "exit-failure", "none", NULL};
static const char *const watchdog_names[] = {"reset", "shutdown", "poweroff",   "pause",
                                             "debug", "none",     "inject-nmi", NULL};
static const JsonType reboot_type = {.kind = JSON_KIND_ENUM, .values = reboot_names};
static const JsonType shutdown_type = {.kind = JSON_KIND_ENUM, .values = shutdown_names};
static const JsonType panic_type = {.kind = JSON_KIND_ENUM, .values = panic_names};
static const JsonType watchdog_type = {.kind = JSON_KIND_ENUM, .values = watchdog_names};

/* Where the name was checked to be in the list. */
static int index_of(const char *const *names, const char *name)
{
    int index = 0;

    while (strcmp(names[index], name) != 0) {
        index++;
    }
    return index;
}

static bool run_watchdog_set_action(Monitor *monitor, const MonitorValue *values, Error **err)
{
    run_watchdog_action = (WatchdogAction)index_of(watchdog_names, values[0].text);
    return true;
}

static const MonitorCommand watchdog_action_command = {
    .name = "watchdog_action",
    .qmp = "watchdog-set-action",
    .help = "choose what happens when a watchdog runs out",
    .args = {{"action", MONITOR_ARG_WORD, .type = &watchdog_type}},
    .run = run_watchdog_set_action,
};
MONITOR_COMMAND(watchdog_action_command);

static bool run_set_action(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (values[0].present) {
        run_reboot_action = (RebootAction)index_of(reboot_names, values[0].text);
    }
    if (values[1].present) {
        run_shutdown_action = (ShutdownAction)index_of(shutdown_names, values[1].text);
    }
    if (values[2].present) {
        run_panic_action = (PanicAction)index_of(panic_names, values[2].text);
    }
    if (values[3].present) {
        run_watchdog_action = (WatchdogAction)index_of(watchdog_names, values[3].text);
    }
    return true;
}

static const MonitorCommand set_action_command = {
    .qmp = "set-action",
    .help = "choose what a reboot, a shutdown, a panic and a watchdog lead to, as -action",
    .args = {{"reboot", MONITOR_ARG_WORD, .optional = true, .type = &reboot_type},
             {"shutdown", MONITOR_ARG_WORD, .optional = true, .type = &shutdown_type},
             {"panic", MONITOR_ARG_WORD, .optional = true, .type = &panic_type},
             {"watchdog", MONITOR_ARG_WORD, .optional = true, .type = &watchdog_type}},
    .run = run_set_action,
};
MONITOR_COMMAND(set_action_command);
