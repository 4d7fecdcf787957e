/* SPDX-License-Identifier: MIT */
/* query-commands and query-qmp-schema: what the tables of commands and events say about themselves.
 * Types have no names of their own in the schema: each gets a number when it is first met. */
#include "softmmu/monitor/monitor-private.h"
#include "util/event.h"

#include <string.h>

LINKER_SET_DECLARE(const EventType, event_types);

/* -- query-commands, query-events -------------------------------------------------------------- */

static const JsonMember name_members[] = {{"name", &json_type_string}, {NULL}};
static const JsonType name_type = {.kind = JSON_KIND_OBJECT, .members = name_members};
static const JsonType names_type = {.kind = JSON_KIND_ARRAY, .element = &name_type};

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool run_query_commands(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    json_t *list = json_array();

    MONITOR_FOREACH_COMMAND(command)
    {
        if ((*command)->qmp) {
            g_ptr_array_add(names, (char *)(*command)->qmp);
        }
    }
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        json_array_append_new(list, json_pack("{s:s}", "name", names->pdata[i]));
    }
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand query_commands_command = {
    .qmp = "query-commands",
    .help = "list the commands of QMP",
    .returns = &names_type,
    .run = run_query_commands,
};
MONITOR_COMMAND(query_commands_command);

static bool run_query_events(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    LINKER_SET_FOREACH(const EventType, event, event_types)
    {
        json_array_append_new(list, json_pack("{s:s}", "name", (*event)->name));
    }
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand query_events_command = {
    .qmp = "query-events",
    .help = "list the events of QMP",
    .returns = &names_type,
    .run = run_query_events,
};
MONITOR_COMMAND(query_events_command);

/* -- query-command-line-options ---------------------------------------------------------------- */

static json_t *(*make_options)(void);

void monitor_set_options(json_t *(*make)(void))
{
    make_options = make;
}

static const JsonMember parameter_members[] = {{"name", &json_type_string},
                                               {"type", &json_type_string},
                                               {"help", &json_type_string, true},
                                               {NULL}};
static const JsonType parameter_type = {.kind = JSON_KIND_OBJECT, .members = parameter_members};
static const JsonType parameters_type = {.kind = JSON_KIND_ARRAY, .element = &parameter_type};
static const JsonMember option_members[] = {
    {"option", &json_type_string}, {"parameters", &parameters_type}, {NULL}};
static const JsonType option_type = {.kind = JSON_KIND_OBJECT, .members = option_members};
static const JsonType options_type = {.kind = JSON_KIND_ARRAY, .element = &option_type};

static bool run_query_options(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(json_t) all = make_options ? make_options() : json_array();

    if (!values[0].present) {
        monitor_return(monitor, json_incref(all));
        return true;
    }
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *option = json_array_get(all, i);

        if (strcmp(json_string_value(json_object_get(option, "option")), values[0].text) == 0) {
            monitor_return(monitor, json_pack("[O]", option));
            return true;
        }
    }
    return error_set(err, "there is no option -%s that takes keys", values[0].text);
}

static const MonitorCommand query_options_command = {
    .qmp = "query-command-line-options",
    .help = "list the options of the command line that take keys, and the keys",
    .args = {{"option", MONITOR_ARG_WORD, .optional = true}},
    .returns = &options_type,
    .run = run_query_options,
};
MONITOR_COMMAND(query_options_command);

/* -- query-qmp-schema -------------------------------------------------------------------------- */

typedef struct Schema {
    json_t *list;        /* of SchemaInfo */
    GHashTable *numbers; /* JsonType * -> number + 1 */
    GHashTable *named;   /* names in the list of what has one by nature: "int", "[int]" */
    unsigned count;
} Schema;

static const char *add_type(Schema *schema, const JsonType *type, char name[32]);

/* Name and "json-type" of what needs no description; NULL: it does. */
static const char *built_in_name(JsonKind kind, const char **ret_json_type)
{
    static const struct {
        const char *name, *json_type;
    } built_in[] = {
        [JSON_KIND_ANY] = {"any", "value"},        [JSON_KIND_STRING] = {"str", "string"},
        [JSON_KIND_INT] = {"int", "int"},          [JSON_KIND_ADDRESS] = {"int", "int"},
        [JSON_KIND_NUMBER] = {"number", "number"}, [JSON_KIND_BOOL] = {"bool", "boolean"},
        [JSON_KIND_NULL] = {"null", "null"},
    };

    if (kind > JSON_KIND_NULL) {
        return NULL;
    }
    *ret_json_type = built_in[kind].json_type;
    return built_in[kind].name;
}

static void add_info(Schema *schema, const char *name, const char *meta_type, json_t *info)
{
    json_object_set_new(info, "name", json_string(name));
    json_object_set_new(info, "meta-type", json_string(meta_type));
    json_array_append_new(schema->list, info);
}

static json_t *member_info(Schema *schema, const char *name, const JsonType *type, bool optional)
{
    char type_name[32];
    json_t *info = json_pack("{s:s, s:s}", "name", name, "type", add_type(schema, type, type_name));

    if (optional) {
        json_object_set_new(info, "default", json_null());
    }
    return info;
}

static void add_enum(Schema *schema, const char *name, const JsonType *type)
{
    json_t *values = json_array(), *members = json_array();

    for (const char *const *value = type->values; *value; value++) {
        json_array_append_new(values, json_string(*value));
        json_array_append_new(members, json_pack("{s:s}", "name", *value));
    }
    add_info(schema, name, "enum", json_pack("{s:o, s:o}", "values", values, "members", members));
}

static json_t *list_variants(Schema *schema, const JsonType *type)
{
    json_t *list = json_array();
    char name[32];

    for (const JsonVariant *variant = type->variants; variant->name; variant++) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "case", variant->name, "type",
                                              add_type(schema, variant->type, name)));
    }
    return list;
}

static void add_object(Schema *schema, const char *name, const JsonType *type)
{
    json_t *members = json_array();

    for (const JsonMember *member = type->members; member && member->name; member++) {
        json_array_append_new(members,
                              member_info(schema, member->name, member->type, member->optional));
    }
    json_t *info = json_pack("{s:o}", "members", members);
    if (type->variants) {
        json_object_set_new(info, "tag", json_string(type->tag));
        json_object_set_new(info, "variants", list_variants(schema, type));
    }
    add_info(schema, name, "object", info);
}

static void add_described(Schema *schema, const char *name, const JsonType *type)
{
    char element[32];

    if (type->kind == JSON_KIND_ENUM) {
        add_enum(schema, name, type);
    } else if (type->kind == JSON_KIND_OBJECT) {
        add_object(schema, name, type);
    } else {
        add_info(schema, name, "array",
                 json_pack("{s:s}", "element-type", add_type(schema, type->element, element)));
    }
}

/* Adds what is not there yet; returns the name, which may be written to `name`. */
static const char *add_type(Schema *schema, const JsonType *type, char name[32])
{
    const char *json_type, *fixed = built_in_name(type->kind, &json_type);
    char element[32];

    if (fixed) {
        if (g_hash_table_add(schema->named, g_strdup(fixed))) {
            add_info(schema, fixed, "builtin", json_pack("{s:s}", "json-type", json_type));
        }
        return fixed;
    }
    if (type->kind == JSON_KIND_ARRAY) {
        g_snprintf(name, 32, "[%.24s]", add_type(schema, type->element, element));
        if (g_hash_table_add(schema->named, g_strdup(name))) {
            add_described(schema, name, type);
        }
        return name;
    }
    gpointer number = g_hash_table_lookup(schema->numbers, type);
    bool is_new = number == NULL;
    if (is_new) {
        number = GUINT_TO_POINTER(++schema->count);
        g_hash_table_insert(schema->numbers, (gpointer)type, number);
    }
    g_snprintf(name, 32, "%u", GPOINTER_TO_UINT(number));
    if (is_new) {
        add_described(schema, name, type);
    }
    return name;
}

/* The object of a command's arguments; "0" is the one without members. */
static void add_arguments(Schema *schema, const MonitorCommand *command, char name[32])
{
    if (command->arguments) {
        add_type(schema, command->arguments(), name);
        return;
    }
    json_t *members = json_array();
    for (const MonitorArg *arg = command->args; arg->kind != MONITOR_ARG_END; arg++) {
        const JsonType *type = monitor_arg_type(arg);

        if (type) {
            bool optional = arg->optional || arg->kind == MONITOR_ARG_FLAG;
            json_array_append_new(members, member_info(schema, arg->name, type, optional));
        }
    }
    g_strlcpy(name, "0", 32);
    if (json_array_size(members) == 0) {
        json_decref(members);
        return;
    }
    g_snprintf(name, 32, "%u", ++schema->count);
    add_info(schema, name, "object", json_pack("{s:o}", "members", members));
}

static json_t *list_words(const char *const *words)
{
    json_t *list = json_array();

    for (; *words; words++) {
        json_array_append_new(list, json_string(*words));
    }
    return list;
}

static void add_commands(Schema *schema)
{
    MONITOR_FOREACH_COMMAND(row)
    {
        const MonitorCommand *command = *row;
        char arguments[32], result[32];

        if (!command->qmp) {
            continue;
        }
        add_arguments(schema, command, arguments);
        const char *returns = command->returns ? add_type(schema, command->returns, result) : "0";
        json_t *info = json_pack("{s:s, s:s}", "arg-type", arguments, "ret-type", returns);
        if (command->flags & MONITOR_OOB) {
            json_object_set_new(info, "allow-oob", json_true());
        }
        if (command->features) {
            json_object_set_new(info, "features", list_words(command->features));
        }
        add_info(schema, command->qmp, "command", info);
    }
}

static void add_events(Schema *schema)
{
    LINKER_SET_FOREACH(const EventType, event, event_types)
    {
        char name[32];
        const char *data = (*event)->data ? add_type(schema, (*event)->data, name) : "0";

        add_info(schema, (*event)->name, "event", json_pack("{s:s}", "arg-type", data));
    }
}

static const JsonType schema_type = {.kind = JSON_KIND_ARRAY, .element = &json_type_any};

static bool run_query_schema(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Schema schema = {.list = json_array(),
                     .numbers = g_hash_table_new(NULL, NULL),
                     .named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};

    add_info(&schema, "0", "object", json_pack("{s:[]}", "members"));
    add_commands(&schema);
    add_events(&schema);
    g_hash_table_destroy(schema.numbers);
    g_hash_table_destroy(schema.named);
    monitor_return(monitor, schema.list);
    return true;
}

static const MonitorCommand query_schema_command = {
    .qmp = "query-qmp-schema",
    .help = "describe commands, events and their types",
    .returns = &schema_type,
    .run = run_query_schema,
};
MONITOR_COMMAND(query_schema_command);
