/* SPDX-License-Identifier: MIT */
/* Commands: finding one in the table, reading its arguments, running it, helping with it. */
#include "softmmu/monitor/monitor-private.h"
#include "util/object.h"
#include "util/suggest.h"

#include <string.h>

LINKER_SET_DECLARE(const MonitorCommand, monitor_commands);

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
    return g_str_has_prefix(command->name, "info ");
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
    LINKER_SET_FOREACH(const MonitorCommand, command, monitor_commands)
    {
        if (is_sub_command(*command) == sub && is_named(*command, word, length)) {
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
static void list_names(bool sub, const char *prefix, GPtrArray *words)
{
    LINKER_SET_FOREACH(const MonitorCommand, command, monitor_commands)
    {
        if (is_sub_command(*command) != sub) {
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
    list_names(sub, "", names);
    for (guint i = 0; i < names->len; i++) {
        suggest_offer(&suggest, names->pdata[i]);
    }
    g_autofree char *shown = g_utf8_make_valid(wanted, -1);
    if (sub && suggest.best) {
        return error_set(err, "unknown command: 'info %s'; did you mean 'info %s'?", shown,
                         suggest.best);
    }
    return error_set(err, "unknown command: '%s%s'%s", sub ? "info " : "", shown,
                     suggest_text(&suggest));
}

/* Finds the command at *text and moves behind its name; *ret_command is NULL for a bare "info". */
static bool find_command(const char **text, const MonitorCommand **ret_command, Error **err)
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

/* -- Arguments --------------------------------------------------------------------------------- */

/* A quoted word may hold blanks, \" \\ \n \r. */
static bool take_quoted(const char **text, GString *word, Error **err)
{
    const char *p = *text + 1;

    for (; *p && *p != '"'; p++) {
        if (*p != '\\') {
            g_string_append_c(word, *p);
            continue;
        }
        p++;
        if (*p == 0) {
            break;
        }
        g_string_append_c(word, (char)(*p == 'n' ? '\n' : *p == 'r' ? '\r' : *p));
    }
    if (*p != '"') {
        return error_set(err, "a quote is not closed");
    }
    *text = p + 1;
    return true;
}

static bool take_word(const char **text, GPtrArray *owned, MonitorValue *value, Error **err)
{
    g_autoptr(GString) word = g_string_new(NULL);

    if (**text == '"') {
        if (!take_quoted(text, word, err)) {
            return false;
        }
    } else {
        size_t length = strcspn(*text, " \t");
        g_string_append_len(word, *text, (gssize)length);
        *text += length;
    }
    char *copy = g_strdup(word->str);
    g_ptr_array_add(owned, copy);
    value->text = copy;
    value->present = true;
    return true;
}

static void take_rest(const char **text, GPtrArray *owned, MonitorValue *value)
{
    char *rest = g_strchomp(g_strdup(*text));

    g_ptr_array_add(owned, rest);
    value->text = rest;
    value->present = true;
    *text += strlen(*text);
}

/* "/COUNTfmtSIZE" in any order of the letters; what is absent is as it was last. */
static bool take_format(Monitor *monitor, const char **text, MonitorValue *value, Error **err)
{
    const char *p = *text;
    uint64_t count = 1;
    bool has_size = false;

    if (*p == '/') {
        p++;
        for (count = g_ascii_isdigit(*p) ? 0 : 1; g_ascii_isdigit(*p); p++) {
            count = MIN(count * 10 + (uint64_t)(*p - '0'), INT32_MAX);
        }
        for (; *p && !is_blank(*p); p++) {
            if (strchr("xduoci", *p)) {
                monitor->format = *p;
            } else if (strchr("bhwg", *p)) {
                monitor->size = *p;
                has_size = true;
            } else {
                return error_set(err, "invalid char in format: '%c'",
                                 g_ascii_isprint(*p) ? *p : '?');
            }
        }
    }
    value->present = true;
    value->count = (int)count;
    value->format = monitor->format;
    value->size = monitor->format == 'c' && !has_size ? 'b' : monitor->size;
    *text = p;
    return true;
}

static bool take_flag(const char **text, char flag, MonitorValue *value)
{
    const char *p = *text;

    if (p[0] == '-' && p[1] == flag && (p[2] == 0 || is_blank(p[2]))) {
        value->present = true;
        value->number = 1;
        *text = p + 2;
    }
    return true;
}

static bool take_argument(Monitor *monitor, const MonitorArg *arg, const char **text,
                          GPtrArray *owned, MonitorValue *value, Error **err)
{
    *text = skip_blanks(*text);
    if (arg->kind == MONITOR_ARG_FLAG) {
        return take_flag(text, arg->flag, value);
    }
    if (arg->kind == MONITOR_ARG_FORMAT) {
        return take_format(monitor, text, value, err);
    }
    if (**text == 0) {
        return arg->optional || error_set(err, "argument '%s' is missing", arg->name);
    }
    switch (arg->kind) {
    case MONITOR_ARG_WORD:
        return take_word(text, owned, value, err);
    case MONITOR_ARG_REST:
        take_rest(text, owned, value);
        return true;
    default:
        value->present = monitor_evaluate(text, &value->number, err);
        return value->present;
    }
}

static bool take_arguments(Monitor *monitor, const MonitorCommand *command, const char *text,
                           GPtrArray *owned, MonitorValue *values, Error **err)
{
    for (size_t i = 0; command->args[i].kind != MONITOR_ARG_END; i++) {
        if (!take_argument(monitor, &command->args[i], &text, owned, &values[i], err)) {
            return false;
        }
    }
    text = skip_blanks(text);
    if (*text) {
        g_autofree char *shown = g_utf8_make_valid(text, -1);
        return error_set(err, "extraneous characters at the end of line: '%s'", shown);
    }
    return true;
}

/* -- Running ----------------------------------------------------------------------------------- */

static void print_error(Monitor *monitor, const char *before, Error *error)
{
    monitor_printf(monitor, "%s%s\n", before, error_message(error));
    if (error_hint_text(error)) {
        monitor_printf(monitor, "%s", error_hint_text(error));
    }
    error_free(error);
}

void monitor_run_line(Monitor *monitor, const char *line)
{
    g_autoptr(GPtrArray) owned = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *text = g_strchomp(g_strdup(line));
    MonitorValue values[MONITOR_MAX_ARGS + 1] = {0};
    const MonitorCommand *command;
    const char *arguments = text;
    Error *error = NULL;

    if (*skip_blanks(text) == 0) {
        return;
    }
    if (!find_command(&arguments, &command, &error)) {
        print_error(monitor, "", error);
        return;
    }
    if (!command) {
        monitor_print_help(monitor, "info", NULL);
        return;
    }
    if (!take_arguments(monitor, command, arguments, owned, values, &error)) {
        g_auto(GStrv) names = g_strsplit(command->name, "|", 2);
        error_prefix(&error, "%s: ", names[0]);
        error_hint(&error, "Try \"help %s\" for more information", names[0]);
        print_error(monitor, "", error);
        return;
    }
    if (!command->run(monitor, values, &error)) {
        print_error(monitor, "Error: ", error);
    }
}

/* -- Help -------------------------------------------------------------------------------------- */

static void append_argument(GString *out, const MonitorArg *arg)
{
    switch (arg->kind) {
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

    LINKER_SET_FOREACH(const MonitorCommand, command, monitor_commands)
    {
        if (is_sub_command(*command) == sub) {
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
    if (!find_command(&name, &command, err)) {
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

/* Children of the object whose path ends before the last slash of `path`. */
static size_t complete_path(const char *path, GPtrArray *words)
{
    const char *last = strrchr(path, '/') + 1;
    g_autofree char *above = g_strndup(path, (gsize)(last - path));
    const Object *obj = object_resolve(last - path > 1 ? above : "/");

    for (guint i = 0; obj && i < obj->children->len; i++) {
        const Object *child = obj->children->pdata[i];
        if (g_str_has_prefix(child->name, last)) {
            g_ptr_array_add(words, g_strconcat(child->name, child->children->len ? "/" : "", NULL));
        }
    }
    g_ptr_array_sort(words, compare_names);
    return strlen(last);
}

size_t monitor_complete(const char *text, GPtrArray *words)
{
    text = skip_blanks(text);
    size_t length = strcspn(text, " \t");

    if (length == 1 && text[0] == '?' && text[1]) {
        return monitor_complete(text + 1, words);
    }
    if (length == 4 && memcmp(text, "help", 4) == 0 && text[4]) {
        return monitor_complete(text + 4, words);
    }
    bool sub = length == 4 && memcmp(text, "info", 4) == 0 && text[4];
    if (sub) {
        text = skip_blanks(text + 4);
    }
    const char *blank = strrchr(text, ' ');
    if (blank) {
        return blank[1] == '/' ? complete_path(blank + 1, words) : 0;
    }
    list_names(sub, text, words);
    return strlen(text);
}
