/* SPDX-License-Identifier: MIT */
/* The devices a machine has though nobody asked for them: a serial port, a monitor, a CD drive. */
#include "softmmu/main/options.h"

#include "util/json.h"

#include <string.h>

static bool is_off(const char *value)
{
    bool on = true;

    return parse_bool(value, &on, NULL) && !on;
}

/* -nographic has left graphics=off among the machine's properties. */
static bool graphics_off(const Config *config)
{
    bool off = false;

    for (guint i = 0; i < config->items->len; i++) {
        const ConfigItem *item = config->items->pdata[i];

        if (item->row->id != OPT_MACHINE) {
            continue;
        }
        g_autoptr(KeyVal) kv = keyval_parse(item->text, "type", NULL);
        const char *value = kv ? keyval_get(kv, "graphics") : NULL;
        off = value ? is_off(value) : off;
    }
    return off;
}

/* "-serial mon:..." carries a monitor. */
static bool has_serial_monitor(const Config *config)
{
    for (guint i = 0; i < config->items->len; i++) {
        const ConfigItem *item = config->items->pdata[i];

        if (item->row->id == OPT_SERIAL && g_str_has_prefix(item->text, "mon:")) {
            return true;
        }
    }
    return false;
}

static bool is_device(const ConfigItem *item, const char *name)
{
    g_autoptr(KeyVal) kv = json_or_keyval(item->text, "driver", NULL);

    return kv && g_strcmp0(keyval_get(kv, "driver"), name) == 0;
}

/* driver=NAME,property=... or NAME.PROPERTY=... */
static bool is_global_of(const ConfigItem *item, const char *name)
{
    size_t length = strlen(name);

    return is_device(item, name) ||
           (g_str_has_prefix(item->text, name) && item->text[length] == '.');
}

/* A device by -device takes the place of the default one; so does what -global says of its type. */
static bool speaks_of(const Config *config, const char *name)
{
    for (guint i = 0; i < config->items->len; i++) {
        const ConfigItem *item = config->items->pdata[i];

        if ((item->row->id == OPT_DEVICE && is_device(item, name)) ||
            (item->row->id == OPT_GLOBAL && is_global_of(item, name))) {
            return true;
        }
    }
    return false;
}

bool config_wants_cdrom(const Config *config)
{
    return !config_last(config, OPT_NODEFAULTS) && !speaks_of(config, "ide-cd") &&
           !speaks_of(config, "ide-hd");
}

bool config_add_defaults(Config *config, Error **err)
{
    bool all = !config_last(config, OPT_NODEFAULTS);
    bool serial = all && !config_last(config, OPT_SERIAL) && !speaks_of(config, "isa-serial");
    bool monitor = all && !config_last(config, OPT_MONITOR) && !config_last(config, OPT_MON) &&
                   !config_last(config, OPT_QMP) && !config_last(config, OPT_QMP_PRETTY) &&
                   !has_serial_monitor(config);
    const char *origin = "default device";

    if (!graphics_off(config)) {
        return !serial || config_add(config, "serial", "null", origin, err);
    }
    if (serial && monitor) {
        return config_add(config, "serial", "mon:stdio", origin, err);
    }
    if (serial) {
        return config_add(config, "serial", "stdio", origin, err);
    }
    return !monitor || config_add(config, "monitor", "stdio", origin, err);
}
