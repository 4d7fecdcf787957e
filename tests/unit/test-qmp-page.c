/* SPDX-License-Identifier: MIT */
/* The reference page of QMP is what the tables of commands and events say:
 * test-qmp-page docs/qmp-commands.md checks it, with --write in front it writes it. */
#include "softmmu/monitor/monitor-private.h"
#include "util/event.h"

#include <stdio.h>
#include <string.h>

LINKER_SET_DECLARE(const EventType, event_types);

static const char head[] = "# QMP reference\n"
                           "\n"
                           "The commands and events that `-qmp` offers; `query-qmp-schema` tells "
                           "the same to programs. Made "
                           "from the tables in the\n"
                           "source by `build/tests/test-qmp-page --write docs/qmp-commands.md`. "
                           "`?` marks what may be left "
                           "out, `*` commands that may run\n"
                           "out of band.\n";

/* -- Shapes in one line ------------------------------------------------------------------------ */

static void append_type(GString *out, const JsonType *type);

static void append_members(GString *out, const JsonType *type)
{
    const char *comma = "";

    g_string_append_c(out, '{');
    for (const JsonMember *member = type->members; member && member->name; member++) {
        g_string_append_printf(out, "%s%s%s: ", comma, member->name, member->optional ? "?" : "");
        append_type(out, member->type);
        comma = ", ";
    }
    g_string_append_printf(out, "%s}",
                           type->open || type->variants ? (*comma ? ", ..." : "...") : "");
}

static void append_type(GString *out, const JsonType *type)
{
    static const char *const names[] = {
        [JSON_KIND_ANY] = "any",     [JSON_KIND_STRING] = "string", [JSON_KIND_INT] = "int",
        [JSON_KIND_ADDRESS] = "int", [JSON_KIND_NUMBER] = "number", [JSON_KIND_BOOL] = "bool",
        [JSON_KIND_NULL] = "null"};

    switch (type->kind) {
    case JSON_KIND_ENUM: {
        g_autofree char *values = g_strjoinv("\\|", (char **)type->values);
        g_string_append(out, values);
        break;
    }
    case JSON_KIND_ARRAY:
        g_string_append_c(out, '[');
        append_type(out, type->element);
        g_string_append_c(out, ']');
        break;
    case JSON_KIND_OBJECT:
        append_members(out, type);
        break;
    default:
        g_string_append(out, names[type->kind]);
        break;
    }
}

/* -- The page ---------------------------------------------------------------------------------- */

static void append_arguments(GString *out, const MonitorCommand *command)
{
    const char *comma = "";

    for (const MonitorArg *arg = command->args; arg->kind != MONITOR_ARG_END; arg++) {
        const JsonType *type = monitor_arg_type(arg);
        bool optional = arg->optional || arg->kind == MONITOR_ARG_FLAG;

        if (type) {
            g_string_append_printf(out, "%s%s%s: ", comma, arg->name, optional ? "?" : "");
            append_type(out, type);
            comma = ", ";
        }
    }
    if (command->flags & MONITOR_OPEN_ARGS) {
        g_string_append_printf(out, "%s...", comma);
    }
}

static gint compare_rows(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted lines below a title. */
static void append_table(GString *page, const char *title, GPtrArray *rows)
{
    g_ptr_array_sort(rows, compare_rows);
    g_string_append(page, title);
    for (guint i = 0; i < rows->len; i++) {
        g_string_append(page, rows->pdata[i]);
    }
}

static void append_commands(GString *page)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(g_free);

    MONITOR_FOREACH_COMMAND(row)
    {
        const MonitorCommand *command = *row;
        GString *line = g_string_new(NULL);

        if (!command->qmp) {
            g_string_free(line, TRUE);
            continue;
        }
        g_string_append_printf(line, "| `%s`%s | %s | ", command->qmp,
                               command->flags & MONITOR_OOB ? " *" : "", command->help);
        append_arguments(line, command);
        g_string_append(line, " | ");
        if (command->returns) {
            append_type(line, command->returns);
        }
        g_string_append(line, " |\n");
        g_ptr_array_add(rows, g_string_free(line, FALSE));
    }
    append_table(
        page, "\n## Commands\n\n| command | it is to | arguments | result |\n|---|---|---|---|\n",
        rows);
}

static void append_events(GString *page)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(g_free);

    LINKER_SET_FOREACH(const EventType, event, event_types)
    {
        GString *line = g_string_new(NULL);

        g_string_append_printf(line, "| `%s` | %s%s | ", (*event)->name, (*event)->help,
                               (*event)->is_throttled ? "; once a second at most" : "");
        if ((*event)->data) {
            append_type(line, (*event)->data);
        }
        g_string_append(line, " |\n");
        g_ptr_array_add(rows, g_string_free(line, FALSE));
    }
    append_table(page, "\n## Events\n\n| event | it says that | data |\n|---|---|---|\n", rows);
}

static const char *path;

static char *make_page(void)
{
    GString *page = g_string_new(head);

    append_commands(page);
    append_events(page);
    return g_string_free(page, FALSE);
}

static void test_page(void)
{
    g_autofree char *made = make_page(), *there = NULL;

    g_assert_true(g_file_get_contents(path, &there, NULL, NULL));
    if (!g_str_equal(made, there)) {
        g_error("%s is not what the tables say: build/tests/test-qmp-page --write %s", path, path);
    }
}

int main(int argc, char **argv)
{
    bool writes = argc > 1 && g_str_equal(argv[1], "--write");

    g_test_init(&argc, &argv, NULL);
    path = argc > 1 ? argv[argc - 1] : "";
    if (writes) {
        g_autofree char *made = make_page();
        return !g_file_set_contents(path, made, -1, NULL);
    }
    g_test_add_func("/qmp-page/current", test_page);
    return g_test_run();
}
