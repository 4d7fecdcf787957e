/* SPDX-License-Identifier: MIT */
/* Answers to "help" on options: lists of devices, machines, back ends, and of their properties. */
#include "softmmu/main/options.h"

#include "accel/accel.h"
#include "hw/machine.h"
#include "target/i386/cpu.h"
#include "ui/chardev.h"
#include "util/json.h"
#include "util/trace.h"

#include <stdio.h>
#include <string.h>

static const char drive_help[] =
    "Keys of -drive:\n"
    "  file=FILE              - disk image\n"
    "  format=raw             - image format\n"
    "  if=ide|none            - interface; none: a -device takes it by drive=ID\n"
    "  index=N, bus=N,unit=N  - where it is connected\n"
    "  media=disk|cdrom       - kind of drive\n"
    "  id=ID                  - name for drive=ID\n"
    "  readonly=on|off        - refuse writes\n"
    "  cache=writeback|writethrough|none|directsync|unsafe\n"
    "  aio=threads            - how files are accessed\n"
    "  discard=ignore|unmap   - what a discard does\n";

static const char display_help[] = "Kinds of display:\n  none\n";

static const char *const help_words[] = {"help", "?", NULL};

static bool is_help(const char *text)
{
    return g_strv_contains(help_words, text);
}

static void append_object(const Type *type, void *opaque)
{
    g_string_append_printf(opaque, "  %s%s%s\n", type->name, type->desc ? " - " : "",
                           type->desc ? type->desc : "");
}

static char *object_list(void)
{
    GString *text = g_string_new("Types of -object:\n");

    user_object_foreach_type(append_object, text);
    return g_string_free(text, FALSE);
}

static char *firmware_list(void)
{
    GString *text = g_string_new(NULL);

    for (const char *const *dir = machine_default_firmware_dirs; *dir; dir++) {
        g_string_append_printf(text, "%s\n", *dir);
    }
    return g_string_free(text, FALSE);
}

/* "TYPE,help": the properties of that type; NULL without error when there is no such type: whoever
 * makes one says so better. */
static char *properties_of(const char *name)
{
    const Type *type = type_find(name);

    return type && !type->abstract ? type_help(type) : NULL;
}

static char *answer_machine(KeyVal *kv)
{
    const char *name = keyval_get(kv, "type");
    const Type *type = name ? machine_find(name) : machine_default();

    if (name && is_help(name)) {
        return machine_help();
    }
    return type ? type_help(type) : machine_help();
}

/* NULL without error when there is no such model: whoever selects it says so better. */
static char *answer_cpu(const char *text)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);

    for (guint i = 1; i < g_strv_length(items); i++) {
        if (is_help(items[i])) {
            return cpu_model_describe(text, NULL);
        }
    }
    return NULL;
}

static char *answer_accel(const char *text, KeyVal *kv)
{
    const char *name = keyval_get(kv, "accel");
    const Accel *accel = name ? accel_find(name) : NULL;

    if (!accel) {
        return accel_help();
    }
    return accel_options_help(accel);
}

static char *answer_named(OptionId id, KeyVal *kv)
{
    const char *name = keyval_get(kv, "driver");

    if (name && !is_help(name)) {
        return properties_of(name);
    }
    return id == OPT_DEVICE ? device_help() : object_list();
}

/* The answer to one item, or NULL when it asks for none. */
static char *answer(const ConfigItem *item)
{
    static const char *const implied[] = {
        [OPT_MACHINE] = "type",  [OPT_ACCEL] = "accel",     [OPT_DEVICE] = "driver",
        [OPT_OBJECT] = "driver", [OPT_CHARDEV] = "backend", [OPT_DRIVE] = "file",
        [OPT_DISPLAY] = "type",
    };
    OptionId id = item->row->id;

    switch (id) {
    case OPT_HELP:
        return item->text ? options_help_of(item->text) : options_help();
    case OPT_VERSION:
        return options_version();
    case OPT_CPU:
        return is_help(item->text) ? cpu_model_help() : answer_cpu(item->text);
    case OPT_LOG:
        return is_help(item->text) ? log_help() : NULL;
    case OPT_TRACE:
        return is_help(item->text) ? trace_help() : NULL;
    case OPT_FIRMWARE_DIR:
        return is_help(item->text) ? firmware_list() : NULL;
    default:
        break;
    }
    if (id >= G_N_ELEMENTS(implied) || !implied[id]) {
        return NULL;
    }
    g_autoptr(KeyVal) kv = json_or_keyval(item->text, implied[id], NULL);
    if (!kv || !keyval_wants_help(kv)) {
        return NULL;
    }
    switch (id) {
    case OPT_MACHINE:
        return answer_machine(kv);
    case OPT_ACCEL:
        return answer_accel(item->text, kv);
    case OPT_CHARDEV:
        return chardev_help();
    case OPT_DRIVE:
        return g_strdup(drive_help);
    case OPT_DISPLAY:
        return g_strdup(display_help);
    default:
        return answer_named(id, kv);
    }
}

bool help_answer(const Config *config)
{
    for (guint i = 0; i < config->items->len; i++) {
        g_autofree char *text = answer(config->items->pdata[i]);

        if (text) {
            fputs(text, stdout);
            return true;
        }
    }
    return false;
}
