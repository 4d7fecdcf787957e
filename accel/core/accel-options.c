/* SPDX-License-Identifier: MIT */
/* Parameters of an accelerator: read, checked and explained by one table. */
#include "accel/accel.h"

#include <inttypes.h>
#include <string.h>

/* The column behind the longest "name=values". */
#define HELP_INDENT 2

static bool read_number(const AccelOption *option, KeyVal *given, Error **err)
{
    uint64_t number = *(uint64_t *)option->value;

    if (!keyval_get_u64(given, option->name, &number, err)) {
        return false;
    }
    if (keyval_get(given, option->name) && (number < option->min || number > option->max)) {
        return error_set(
            err, "%s=%" PRIu64 " is out of range: %" PRIu64 " to %" PRIu64 " (default %" PRIu64 ")",
            option->name, number, option->min, option->max, *(uint64_t *)option->value);
    }
    *(uint64_t *)option->value = number;
    return true;
}

static bool read_choice(const AccelOption *option, KeyVal *given, Error **err)
{
    g_auto(GStrv) values = g_strsplit(option->values, "|", 0);
    const char *value = keyval_get(given, option->name);

    if (!value) {
        return true;
    }
    for (unsigned i = 0; values[i]; i++) {
        if (!strcmp(values[i], value)) {
            *(unsigned *)option->value = i;
            return true;
        }
    }
    return error_set(err, "%s=%s: it is one of %s", option->name, value, option->values);
}

static void read_text(const AccelOption *option, KeyVal *given)
{
    const char *value = keyval_get(given, option->name);

    if (value) {
        g_free(*(char **)option->value);
        *(char **)option->value = g_strdup(value);
    }
}

static bool read_one(const AccelOption *option, KeyVal *given, Error **err)
{
    switch (option->kind) {
    case ACCEL_OPTION_BOOL:
        return keyval_get_bool(given, option->name, option->value, err);
    case ACCEL_OPTION_NUMBER:
        return read_number(option, given, err);
    case ACCEL_OPTION_CHOICE:
        return read_choice(option, given, err);
    default:
        read_text(option, given);
        return true;
    }
}

bool accel_options_read(const AccelOption *options, KeyVal *given, Error **err)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (const AccelOption *option = options; option && option->name; option++) {
        if (!read_one(option, given, err)) {
            return false;
        }
        g_ptr_array_add(names, (char *)option->name);
    }
    g_ptr_array_add(names, NULL);
    return keyval_check_unused(given, (const char *const *)names->pdata, err);
}

static char *default_text(const AccelOption *option)
{
    switch (option->kind) {
    case ACCEL_OPTION_BOOL:
        return g_strdup(*(bool *)option->value ? " (on)" : " (off)");
    case ACCEL_OPTION_NUMBER:
        return g_strdup_printf(" (%" PRIu64 ")", *(uint64_t *)option->value);
    case ACCEL_OPTION_CHOICE: {
        g_auto(GStrv) values = g_strsplit(option->values, "|", 0);
        return g_strdup_printf(" (%s)", values[*(unsigned *)option->value]);
    }
    default:
        return g_strdup("");
    }
}

char *accel_options_help(const Accel *accel)
{
    GString *text = g_string_new(NULL);
    size_t width = 0;

    if (!accel->options) {
        g_string_printf(text, "There are no options for %s.\n", accel->name);
        return g_string_free(text, FALSE);
    }
    g_string_printf(text, "%s options:\n", accel->name);
    for (const AccelOption *option = accel->options; option->name; option++) {
        width = MAX(width, strlen(option->name) + 1 + strlen(option->values));
    }
    for (const AccelOption *option = accel->options; option->name; option++) {
        g_autofree char *given = g_strdup_printf("%s=%s", option->name, option->values);
        g_autofree char *otherwise = default_text(option);
        g_string_append_printf(text, "%*s%-*s  %s%s\n", HELP_INDENT, "", (int)width, given,
                               option->help, otherwise);
    }
    return g_string_free(text, FALSE);
}
