/* SPDX-License-Identifier: MIT */
/* What query-command-line-options tells about options and their keys: made of the option table, the
 * properties of boards and the tables of accelerators and character back ends. */
#include "softmmu/main/startup.h"

#include "accel/accel.h"
#include "block/block.h"
#include "hw/machine.h"
#include "softmmu/monitor.h"
#include "ui/chardev.h"

#include <string.h>

/* Adds a parameter that is not there yet. */
static void add_parameter(json_t *list, const char *name, const char *type, const char *help)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *known = json_object_get(json_array_get(list, i), "name");

        if (strcmp(json_string_value(known), name) == 0) {
            return;
        }
    }
    json_t *parameter = json_pack("{s:s, s:s}", "name", name, "type", type);
    if (help) {
        json_object_set_new(parameter, "help", json_string(help));
    }
    json_array_append_new(list, parameter);
}

/* The keys in how help calls the argument: "[base=utc|DATE][,clock=host|rt|vm]". What is in
 * capitals stands for something else. */
static void add_keys_of_text(json_t *list, const char *text)
{
    const char *start = text;

    for (const char *at = text; *at; at++) {
        if (*at == '=' && at > start && g_ascii_islower(*start)) {
            g_autofree char *key = g_strndup(start, (gsize)(at - start));
            add_parameter(list, key, "string", NULL);
        }
        if (!g_ascii_isalnum(*at) && *at != '-' && *at != '_') {
            start = at + 1;
        }
    }
}

/* -- Keys of other tables ---------------------------------------------------------------------- */

static const char *kind_of(const Field *field)
{
    if (field->type == &field_type_bool) {
        return "boolean";
    }
    if (field->type == &field_type_size) {
        return "size";
    }
    return strstr(field->type->name, "int") ? "number" : "string";
}

static void add_machine_property(const Field *field, void *opaque)
{
    if (field->kind == FIELD_PROP && !field->hidden) {
        add_parameter(opaque, field_outside_name(field), kind_of(field), field->desc);
    }
}

static void add_board(const Type *type, void *opaque)
{
    type_foreach_field(type, add_machine_property, opaque);
}

static void add_accel(const Accel *accel, void *opaque)
{
    static const char *const kinds[] = {[ACCEL_OPTION_BOOL] = "boolean",
                                        [ACCEL_OPTION_NUMBER] = "number",
                                        [ACCEL_OPTION_CHOICE] = "string",
                                        [ACCEL_OPTION_TEXT] = "string"};

    for (const AccelOption *option = accel->options; option && option->name; option++) {
        add_parameter(opaque, option->name, kinds[option->kind], option->help);
    }
}

static void add_chardev(const Type *type, void *opaque)
{
    const ChardevInfo *info = type->info;

    for (const char *const *name = info ? info->options : NULL; name && *name; name++) {
        add_parameter(opaque, *name, "string", NULL);
    }
}

static void add_keys(json_t *list, const char *const *keys)
{
    for (; *keys; keys++) {
        add_parameter(list, *keys, "string", NULL);
    }
}

static void add_keys_of_tables(json_t *list, OptionId id)
{
    static const char *const chardev_keys[] = {"backend", "mux", "logfile", "logappend", NULL};
    static const char *const global_keys[] = {"driver", "property", "value", NULL};

    switch (id) {
    case OPT_MACHINE:
        type_foreach(&machine_type, add_board, list);
        break;
    case OPT_ACCEL:
        accel_foreach(add_accel, list);
        break;
    case OPT_CHARDEV:
        add_keys(list, chardev_keys);
        type_foreach(&chardev_type, add_chardev, list);
        break;
    case OPT_DRIVE:
        add_keys(list, drive_keys);
        break;
    case OPT_GLOBAL:
        add_keys(list, global_keys);
        break;
    default:
        break;
    }
}

/* -- The list ---------------------------------------------------------------------------------- */

/* Clients know some by the name of their group of keys. */
static const char *group_name(const char *option)
{
    static const char *const groups[][2] = {
        {"smp", "smp-opts"}, {"boot", "boot-opts"}, {"m", "memory"}};

    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (strcmp(option, groups[i][0]) == 0) {
            return groups[i][1];
        }
    }
    return option;
}

static void add_options(json_t *list, const OptionRow *rows)
{
    for (const OptionRow *row = rows; row->name; row++) {
        bool takes_keys = row->arg && (strchr(row->arg, '=') || row->prefix);

        if (!takes_keys || row->refused) {
            continue;
        }
        json_t *parameters = json_array();
        add_keys_of_text(parameters, row->id == OPT_ACTION ? row->help : row->arg);
        add_keys_of_tables(parameters, row->id);
        json_array_append_new(list, json_pack("{s:s, s:o}", "option", group_name(row->name),
                                              "parameters", parameters));
    }
}

static json_t *options_json(void)
{
    json_t *list = json_array();

    add_options(list, option_rows);
    add_options(list, alias_rows);
    return list;
}

void startup_tell_options(void)
{
    monitor_set_options(options_json);
}
