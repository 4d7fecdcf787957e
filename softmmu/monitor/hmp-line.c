/* SPDX-License-Identifier: MIT */
/* A line of HMP: its arguments read, its command run, its errors shown. */
#include "softmmu/monitor/monitor-private.h"
#include "util/keyval.h"

#include <string.h>

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
                return error_set(err, "no format has the letter '%c'",
                                 g_ascii_isprint(*p) ? *p : '?');
            }
        }
    }
    value->present = true;
    value->count = (int)count;
    value->format = monitor->format;
    value->has_size = has_size;
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

/* A word that is checked or turned into a number. */
static bool take_typed_word(const MonitorArg *arg, const char **text, GPtrArray *owned,
                            MonitorValue *value, Error **err)
{
    if (!take_word(text, owned, value, err)) {
        return false;
    }
    if (arg->kind == MONITOR_ARG_SIZE) {
        uint64_t bytes;
        bool fine = parse_size(value->text, 1 << 20, &bytes, err);
        value->number = fine ? (int64_t)bytes : 0;
        return fine;
    }
    if (arg->kind == MONITOR_ARG_BOOL) {
        value->number = strcmp(value->text, "on") == 0;
        return value->number || strcmp(value->text, "off") == 0 ||
               error_set(err, "'%s' is neither on nor off", value->text);
    }
    g_autoptr(json_t) word = arg->type ? json_text(value->text) : NULL;
    return !word || json_type_check(arg->type, word, arg->name, err);
}

static bool take_argument(Monitor *monitor, const MonitorArg *arg, const char **text,
                          GPtrArray *owned, MonitorValue *value, Error **err)
{
    *text = skip_blanks(*text);
    if (arg->kind == MONITOR_ARG_JSON) {
        return true;
    }
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
    case MONITOR_ARG_SIZE:
    case MONITOR_ARG_BOOL:
        return take_typed_word(arg, text, owned, value, err);
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

void monitor_print_error(Monitor *monitor, const char *before, Error *error)
{
    monitor_printf(monitor, "%s%s\n", before, error_message(error));
    if (error_hint_text(error)) {
        monitor_printf(monitor, "%s", error_hint_text(error));
    }
    error_free(error);
}

void monitor_show_answer(Monitor *monitor, const MonitorCommand *command, json_t *result,
                         Error *error)
{
    if (error) {
        monitor_print_error(monitor, "Error: ", error);
    } else if (result && command->print) {
        command->print(monitor, result);
    }
    json_decref(result);
}

static void run_line(Monitor *monitor, const char *line)
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
    if (!monitor_find_command(&arguments, &command, &error)) {
        monitor_print_error(monitor, "", error);
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
        monitor_print_error(monitor, "", error);
        return;
    }
    json_t *result = NULL;
    monitor_call(monitor, command, values, &result, &error);
    if (!monitor->pending) {
        monitor_show_answer(monitor, command, result, error);
    }
}

void monitor_run_line(Monitor *monitor, const char *line)
{
    Monitor *before = monitor_set_speaker(monitor); /* registers in arguments are of its CPU */

    run_line(monitor, line);
    monitor_set_speaker(before);
}
