/* SPDX-License-Identifier: MIT */
/* QMP commands one by one, without a machine: what they answer has the shape that their row
 * promises, and the content that clients build upon. */
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"

#include <string.h>

/* The result, which the caller owns; NULL and *err. No result is an empty object. */
static json_t *call(const char *name, const char *arguments, Error **err)
{
    const MonitorCommand *command = monitor_find_qmp(name);
    MonitorValue values[MONITOR_MAX_ARGS + 1] = {0};
    g_autoptr(json_t) json = arguments ? json_parse(arguments, strlen(arguments), NULL) : NULL;
    json_t *result = NULL;

    g_assert_nonnull(command);
    g_assert_true(!arguments || json);
    Monitor *monitor = monitor_new();
    bool fine = monitor_read_arguments(command, json, values, err) &&
                monitor_call(monitor, command, values, &result, err);
    monitor_free(monitor);
    if (!fine) {
        return NULL;
    }
    result = result ? result : json_object();
    if (command->returns) {
        Error *failure = NULL;
        if (!json_type_check(command->returns, result, "", &failure)) {
            g_error("%s: %s", name, error_message(failure));
        }
    }
    return result;
}

static json_t *must_call(const char *name, const char *arguments)
{
    Error *err = NULL;
    json_t *result = call(name, arguments, &err);

    if (!result) {
        g_error("%s: %s", name, error_message(err));
    }
    return result;
}

/* The error's class and the beginning of its text. */
static void check_failure(const char *name, const char *arguments, ErrorClass class,
                          const char *text)
{
    g_autoptr(Error) err = NULL;

    g_assert_null(call(name, arguments, &err));
    g_assert_cmpint(error_class(err), ==, class);
    if (!g_str_has_prefix(error_message(err), text)) {
        g_error("%s: '%s' instead of '%s'", name, error_message(err), text);
    }
}

/* The element of a list whose "name" is that; NULL: there is none. */
static const json_t *named(const json_t *list, const char *name)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        if (g_strcmp0(json_string_value(json_object_get(entry, "name")), name) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* -- All --------------------------------------------------------------------------------------- */

static bool needs_arguments(const MonitorCommand *command)
{
    for (const MonitorArg *arg = command->args; arg->kind != MONITOR_ARG_END; arg++) {
        if (!arg->optional && arg->kind != MONITOR_ARG_FLAG && monitor_arg_type(arg)) {
            return true;
        }
    }
    return false;
}

/* Without a machine some fail; those that do not keep to their shape, which call() checks. */
static void test_shapes(void)
{
    unsigned count = 0;

    MONITOR_FOREACH_COMMAND(row)
    {
        const MonitorCommand *command = *row;
        g_autoptr(Error) err = NULL;

        if (!command->qmp || strstr(command->qmp, "query-") != command->qmp ||
            needs_arguments(command)) {
            continue;
        }
        json_t *result = call(command->qmp, NULL, &err);
        g_assert_true(result || err);
        g_assert_nonnull(command->returns);
        json_decref(result);
        count++;
    }
    g_assert_cmpint(count, >, 20);
}

/* Each name once in QMP and once in HMP, help for all, arguments with names. */
static void test_rows(void)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    MONITOR_FOREACH_COMMAND(row)
    {
        const MonitorCommand *command = *row;

        g_assert_true(command->name || command->qmp);
        g_assert_true(!command->qmp || g_hash_table_add(names, (char *)command->qmp));
        g_assert_nonnull(command->help);
        g_assert_false(g_str_has_suffix(command->help, "."));
        for (const MonitorArg *arg = command->args; arg->kind != MONITOR_ARG_END; arg++) {
            g_assert_nonnull(arg->name);
            g_assert_cmpint(arg - command->args, <, MONITOR_MAX_ARGS);
        }
    }
}

/* -- Types ------------------------------------------------------------------------------------- */

static void test_types(void)
{
    g_autoptr(json_t) all = must_call("qom-list-types", NULL);
    g_autoptr(json_t) accels = must_call("qom-list-types", "{\"implements\": \"accel\"}");
    g_autoptr(json_t) abstract = must_call("qom-list-types", "{\"abstract\": true}");
    static const char *const expected[] = {
        "tcg-accel",    "max-x86_64-cpu",      "isa-serial",           "PIIX4_PM",
        "none-machine", "memory-backend-file", "pc-i440fx-7.2-machine"};

    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_nonnull(named(all, expected[i]));
    }
    g_assert_null(named(all, "device"));
    g_assert_true(json_is_true(json_object_get(named(abstract, "device"), "abstract")));
    g_assert_nonnull(named(accels, "tcg-accel"));
    g_assert_null(named(accels, "isa-serial"));
}

static void test_properties(void)
{
    g_autoptr(json_t) serial =
        must_call("device-list-properties", "{\"typename\": \"isa-serial\"}");
    g_autoptr(json_t) cpu =
        must_call("device-list-properties", "{\"typename\": \"max-x86_64-cpu\"}");
    g_autoptr(json_t) none = must_call("qom-list-properties", "{\"typename\": \"none-machine\"}");
    g_autoptr(json_t) tcg = must_call("qom-list-properties", "{\"typename\": \"tcg-accel\"}");

    g_assert_cmpstr(json_string_value(json_object_get(named(serial, "chardev"), "type")), ==,
                    "link<chardev>");
    g_assert_nonnull(named(cpu, "avx2"));
    g_assert_nonnull(named(cpu, "migratable"));
    g_assert_nonnull(named(none, "type"));
    g_assert_nonnull(named(tcg, "tb-size"));
    check_failure("device-list-properties", "{\"typename\": \"nonsense\"}", ERROR_DEVICE_NOT_FOUND,
                  "Device 'nonsense' not found");
    check_failure("device-list-properties", "{\"typename\": \"none-machine\"}", ERROR_GENERIC,
                  "Parameter 'typename' expects a device type");
    check_failure("qom-list-properties", "{\"typename\": \"nonsense\"}", ERROR_DEVICE_NOT_FOUND,
                  "Class 'nonsense' not found");
}

/* -- CPU models -------------------------------------------------------------------------------- */

static bool prop_is(const json_t *answer, const char *name, bool value)
{
    const json_t *props = json_object_get(json_object_get(answer, "model"), "props");
    const json_t *prop = json_object_get(props, name);

    return json_is_boolean(prop) && json_is_true(prop) == value;
}

static void test_cpu_models(void)
{
    g_autoptr(json_t) list = must_call("query-cpu-definitions", NULL);
    g_autoptr(json_t) without =
        must_call("query-cpu-model-expansion",
                  "{\"type\": \"full\", \"model\": {\"name\": \"qemu64\", \"props\": "
                  "{\"sse2\": false, \"model-id\": \"x\", \"stepping\": 7}}}");
    g_autoptr(json_t) base = must_call("query-cpu-model-expansion",
                                       "{\"type\": \"static\", \"model\": {\"name\": \"base\"}}");
    const json_t *model = json_object_get(without, "model");

    g_assert_cmpstr(json_string_value(json_object_get(named(list, "qemu64"), "typename")), ==,
                    "qemu64-x86_64-cpu");
    g_assert_cmpstr(json_string_value(json_object_get(named(list, "qemu64"), "alias-of")), ==,
                    "qemu64-v1");
    g_assert_true(json_is_true(json_object_get(named(list, "base"), "static")));
    g_assert_cmpstr(json_string_value(json_object_get(model, "name")), ==, "qemu64");
    g_assert_true(prop_is(without, "sse2", false) && prop_is(without, "sse", true));
    g_assert_cmpint(
        json_integer_value(json_object_get(json_object_get(model, "props"), "stepping")), ==, 7);
    g_assert_true(prop_is(base, "sse", false));
    check_failure("query-cpu-model-expansion",
                  "{\"type\": \"full\", \"model\": {\"name\": \"qemu65\"}}", ERROR_GENERIC,
                  "-cpu: unknown CPU model 'qemu65'; did you mean 'qemu64'?");
    check_failure("query-cpu-model-expansion",
                  "{\"type\": \"full\", \"model\": {\"name\": \"qemu64,+sse\"}}", ERROR_GENERIC,
                  "-cpu: unknown CPU model");
    check_failure(
        "query-cpu-model-expansion",
        "{\"type\": \"full\", \"model\": {\"name\": \"qemu64\", \"props\": {\"sse\": []}}}",
        ERROR_GENERIC, "property 'sse': a boolean, an integer or a string is wanted");
}

/* What an expansion tells can be given back as a change of "base", and is the same CPU. */
static void test_expansion_is_whole(void)
{
    g_autoptr(json_t) first = must_call("query-cpu-model-expansion",
                                        "{\"type\": \"static\", \"model\": {\"name\": \"max\"}}");
    g_autofree char *model = json_dumps(json_object_get(first, "model"), 0);
    g_autofree char *again = g_strdup_printf("{\"type\": \"static\", \"model\": %s}", model);
    g_autoptr(json_t) second = must_call("query-cpu-model-expansion", again);

    g_assert_true(json_equal(first, second));
}

static const char *compare(const char *a, const char *b)
{
    g_autofree char *arguments =
        g_strdup_printf("{\"modela\": {\"name\": \"%s\"}, \"modelb\": {\"name\": \"%s\"}}", a, b);
    g_autoptr(json_t) answer = must_call("query-cpu-model-comparison", arguments);

    return g_intern_string(json_string_value(json_object_get(answer, "result")));
}

static void test_comparison(void)
{
    g_assert_cmpstr(compare("qemu64", "qemu64-v1"), ==, "identical");
    g_assert_cmpstr(compare("max", "base"), ==, "superset");
    g_assert_cmpstr(compare("base", "max"), ==, "subset");
}

static void test_baseline(void)
{
    g_autoptr(json_t) none = must_call("query-cpu-model-baseline",
                                       "{\"modela\": {\"name\": \"base\"}, \"modelb\": {\"name\": "
                                       "\"max\"}}");
    g_autoptr(json_t) common = must_call(
        "query-cpu-model-baseline", "{\"modela\": {\"name\": \"qemu64\"}, \"modelb\": {\"name\": "
                                    "\"max\"}}");

    g_assert_true(prop_is(none, "fpu", false) && prop_is(common, "sse2", true));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    g_test_add_func("/qmp-commands/shapes", test_shapes);
    g_test_add_func("/qmp-commands/rows", test_rows);
    g_test_add_func("/qmp-commands/types", test_types);
    g_test_add_func("/qmp-commands/properties", test_properties);
    g_test_add_func("/qmp-commands/cpu-models", test_cpu_models);
    g_test_add_func("/qmp-commands/expansion-is-whole", test_expansion_is_whole);
    g_test_add_func("/qmp-commands/comparison", test_comparison);
    g_test_add_func("/qmp-commands/baseline", test_baseline);
    return g_test_run();
}
