/* SPDX-License-Identifier: MIT */
/* Commands: finding one in the table, helping with it. */
#include "softmmu/monitor/monitor-private.h"
#include "util/suggest.h"

#include <string.h>

/* -- Names: "stop|s", "info mem" --------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *text)
{
    while (is_blank(*text)) {
        text++;
    }
    return text;
}

/* A word of a command name ends at a blank or at the slash of a format ("x/4x 0"). */
static size_t word_length(const char *text)
{
    return strcspn(text, " \t/");
}

static bool is_sub_command(const MonitorCommand *command)
{
    return command->name && g_str_has_prefix(command->name, "info ");
}

/* An HMP command of the group of info, or of the others. */
static bool is_in_group(const MonitorCommand *command, bool sub)
{
    return command->name && is_sub_command(command) == sub;
}

/* Its name without the group: "mem" of "info mem". */
static const char *own_names(const MonitorCommand *command)
{
    return is_sub_command(command) ? command->name + strlen("info ") : command->name;
}

static bool is_named(const MonitorCommand *command, const char *word, size_t length)
{
    g_auto(GStrv) names = g_strsplit(own_names(command), "|", -1);

    for (char **name = names; *name; name++) {
        if (strlen(*name) == length && memcmp(*name, word, length) == 0) {
            return true;
        }
    }
    return false;
}

static const MonitorCommand *find_in_group(bool sub, const char *word, size_t length)
{
    MONITOR_FOREACH_COMMAND(command)
    {
        if (is_in_group(*command, sub) && is_named(*command, word, length)) {
            return *command;
        }
    }
    return NULL;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All names of a group that begin with `prefix`, sorted. */
void monitor_list_names(bool sub, const char *prefix, GPtrArray *words)
{
    MONITOR_FOREACH_COMMAND(command)
    {
        if (!is_in_group(*command, sub)) {
            continue;
        }
        g_auto(GStrv) names = g_strsplit(own_names(*command), "|", -1);
        for (char **name = names; *name; name++) {
            if (g_str_has_prefix(*name, prefix)) {
                g_ptr_array_add(words, g_strdup(*name));
            }
        }
    }
    if (!sub && g_str_has_prefix("info", prefix)) {
        g_ptr_array_add(words, g_strdup("info"));
    }
    g_ptr_array_sort(words, compare_names);
}

static bool unknown(bool sub, const char *word, size_t length, Error **err)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *wanted = g_strndup(word, length);
    Suggest suggest;

    suggest_init(&suggest, wanted);
    monitor_list_names(sub, "", names);
    for (guint i = 0; i < names->len; i++) {
        suggest_offer(&suggest, names->pdata[i]);
    }
    g_autofree char *shown = g_utf8_make_valid(wanted, -1);
    const char *group = sub ? "info " : "";
    error_set(err, "unknown command: '%s%s'", group, shown);
    if (suggest.best) {
        error_hint(err, "Did you mean '%s%s'?", group, suggest.best);
    }
    return false;
}

const MonitorCommand *monitor_find_qmp(const char *name)
{
    MONITOR_FOREACH_COMMAND(command)
    {
        if ((*command)->qmp && strcmp((*command)->qmp, name) == 0) {
            return *command;
        }
    }
    return NULL;
}

bool monitor_find_command(const char **text, const MonitorCommand **ret_command, Error **err)
{
    const char *word = skip_blanks(*text);
    size_t length = word_length(word);
    bool sub = length == 4 && memcmp(word, "info", 4) == 0;

    if (sub) {
        word = skip_blanks(word + length);
        length = word_length(word);
    }
    *ret_command = NULL;
    if (sub && *word == 0) {
        return true;
    }
    const MonitorCommand *command = find_in_group(sub, word, length);
    if (!command) {
        return unknown(sub, word, length ? length : strlen(word), err);
    }
    *text = word + length;
    *ret_command = command;
    return true;
}

/* -- Help -------------------------------------------------------------------------------------- */

static void append_argument(GString *out, const MonitorArg *arg)
{
    switch (arg->kind) {
    case MONITOR_ARG_JSON:
        break;
    case MONITOR_ARG_FLAG:
        g_string_append_printf(out, " [-%c]", arg->flag);
        break;
    case MONITOR_ARG_FORMAT:
        g_string_append(out, " /fmt");
        break;
    default:
        g_string_append_printf(out, arg->optional ? " [%s]" : " %s", arg->name);
    }
}

static char *help_line(const MonitorCommand *command)
{
    GString *out = g_string_new(command->name);

    for (const MonitorArg *arg = command->args; arg->kind != MONITOR_ARG_END; arg++) {
        append_argument(out, arg);
    }
    g_string_append_printf(out, " -- %s\n", command->help);
    return g_string_free(out, FALSE);
}

static void print_group(Monitor *monitor, bool sub)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    MONITOR_FOREACH_COMMAND(command)
    {
        if (is_in_group(*command, sub)) {
            g_ptr_array_add(lines, help_line(*command));
        }
    }
    if (!sub) {
        g_ptr_array_add(lines, g_strdup("info [subcommand] -- show various information\n"));
    }
    g_ptr_array_sort(lines, compare_names);
    for (guint i = 0; i < lines->len; i++) {
        monitor_printf(monitor, "%s", (char *)lines->pdata[i]);
    }
}

bool monitor_print_help(Monitor *monitor, const char *name, Error **err)
{
    const MonitorCommand *command;

    if (!name || *skip_blanks(name) == 0) {
        print_group(monitor, false);
        return true;
    }
    if (!monitor_find_command(&name, &command, err)) {
        return false;
    }
    if (!command) {
        print_group(monitor, true);
        return true;
    }
    g_autofree char *line = help_line(command);
    monitor_printf(monitor, "%s", line);
    return true;
}
