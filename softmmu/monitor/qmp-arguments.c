/* SPDX-License-Identifier: MIT */
/* Arguments of QMP commands: from JSON to the values that a command's row asks for. */
#include "softmmu/monitor/monitor-private.h"
#include "util/suggest.h"

#include <string.h>

/* NULL: the argument is HMP's alone. */
const JsonType *monitor_arg_type(const MonitorArg *arg)
{
    switch (arg->kind) {
    case MONITOR_ARG_WORD:
    case MONITOR_ARG_REST:
        return arg->type ? arg->type : &json_type_string;
    case MONITOR_ARG_INT:
    case MONITOR_ARG_SIZE:
        return arg->type ? arg->type : &json_type_int;
    case MONITOR_ARG_BOOL:
    case MONITOR_ARG_FLAG:
        return &json_type_bool;
    case MONITOR_ARG_JSON:
        return arg->type ? arg->type : &json_type_any;
    default:
        return NULL;
    }
}

static const MonitorArg *find_arg(const MonitorCommand *command, const char *name)
{
    for (const MonitorArg *arg = command->args; arg->kind != MONITOR_ARG_END; arg++) {
        if (strcmp(arg->name, name) == 0 && monitor_arg_type(arg)) {
            return arg;
        }
    }
    return NULL;
}

static bool check_names(const MonitorCommand *command, const json_t *arguments, Error **err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)arguments, key, value)
    {
        Suggest suggest;

        if (find_arg(command, key) || (command->flags & MONITOR_OPEN_ARGS)) {
            continue;
        }
        suggest_init(&suggest, key);
        for (const MonitorArg *arg = command->args; arg->kind != MONITOR_ARG_END; arg++) {
            suggest_offer(&suggest, arg->name);
        }
        return error_set(err, "Parameter '%s' is unexpected%s", key, suggest_text(&suggest));
    }
    return true;
}

static bool read_argument(const MonitorArg *arg, const json_t *json, MonitorValue *value,
                          Error **err)
{
    const JsonType *type = monitor_arg_type(arg);
    uint64_t number;

    if (!type) {
        return true;
    }
    if (!json) {
        bool needed = !arg->optional && arg->kind != MONITOR_ARG_FLAG;
        return !needed || error_set(err, "Parameter '%s' is missing", arg->name);
    }
    if (!json_type_check(type, json, arg->name, err)) {
        return false;
    }
    value->present = true;
    value->json = json;
    value->text = json_string_value(json);
    if (json_get_unsigned(json, &number)) {
        value->number = (int64_t)number;
    } else {
        value->number = json_is_boolean(json) ? json_is_true(json) : json_integer_value(json);
    }
    return true;
}

bool monitor_read_arguments(const MonitorCommand *command, const json_t *arguments,
                            MonitorValue *values, Error **err)
{
    if (arguments && !check_names(command, arguments, err)) {
        return false;
    }
    for (size_t i = 0; command->args[i].kind != MONITOR_ARG_END; i++) {
        const json_t *json = json_object_get(arguments, command->args[i].name);

        if (!read_argument(&command->args[i], json, &values[i], err)) {
            return false;
        }
    }
    return true;
}
