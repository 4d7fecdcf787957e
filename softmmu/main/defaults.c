/* SPDX-License-Identifier: MIT */
/* The devices a machine has though nobody asked for them: a serial port and a monitor. */
#include "softmmu/main/options.h"

#include "util/json.h"

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

/* A serial port by -device takes the place of the default one. */
static bool has_serial_device(const Config *config)
{
    for (guint i = 0; i < config->items->len; i++) {
        const ConfigItem *item = config->items->pdata[i];

        if (item->row->id != OPT_DEVICE) {
            continue;
        }
        g_autoptr(KeyVal) kv = json_or_keyval(item->text, "driver", NULL);
        if (kv && g_strcmp0(keyval_get(kv, "driver"), "isa-serial") == 0) {
            return true;
        }
    }
    return false;
}

bool config_add_defaults(Config *config, Error **err)
{
    bool all = !config_last(config, OPT_NODEFAULTS);
    bool serial = all && !config_last(config, OPT_SERIAL) && !has_serial_device(config);
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
