/* SPDX-License-Identifier: MIT */
/* Commands about character devices: info chardev, chardev-add, -change, -remove, -send-break,
 * ringbuf_read, ringbuf_write. */
#include "softmmu/monitor/monitor-private.h"
#include "util/json.h"

#include <string.h>

/* -- info chardev, query-chardev-backends ------------------------------------------------------ */

static const JsonMember chardev_members[] = {{"label", &json_type_string},
                                             {"filename", &json_type_string},
                                             {"frontend-open", &json_type_bool},
                                             {NULL}};
static const JsonType chardev_json_type = {.kind = JSON_KIND_OBJECT, .members = chardev_members};
static const JsonType chardevs_type = {.kind = JSON_KIND_ARRAY, .element = &chardev_json_type};

static void describe_chardev(const Chardev *chardev, void *list)
{
    json_t *entry = json_object();

    json_object_set_new(entry, "label", json_text(chardev->label));
    json_object_set_new(entry, "filename", json_text(chardev_filename(chardev)));
    json_object_set_new(entry, "frontend-open", json_boolean(chardev_is_frontend_open(chardev)));
    json_array_append_new(list, entry);
}

static bool run_info_chardev(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    chardev_foreach(describe_chardev, list);
    monitor_return(monitor, list);
    return true;
}

static void print_chardevs(Monitor *monitor, const json_t *result)
{
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *entry = json_array_get(result, i);

        monitor_printf(monitor, "%s: filename=%s\n",
                       json_string_value(json_object_get(entry, "label")),
                       json_string_value(json_object_get(entry, "filename")));
    }
}

static const MonitorCommand info_chardev_command = {
    .name = "info chardev",
    .qmp = "query-chardev",
    .help = "list the character devices and what is behind them",
    .returns = &chardevs_type,
    .run = run_info_chardev,
    .print = print_chardevs,
};
MONITOR_COMMAND(info_chardev_command);

static const JsonMember backend_members[] = {{"name", &json_type_string}, {NULL}};
static const JsonType backend_name_type = {.kind = JSON_KIND_OBJECT, .members = backend_members};
static const JsonType backend_names_type = {.kind = JSON_KIND_ARRAY, .element = &backend_name_type};

static void name_backend(const char *backend, const char *desc, void *list)
{
    json_array_append_new(list, json_pack("{s:s}", "name", backend));
}

static bool run_query_backends(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    chardev_foreach_backend(name_backend, list);
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand query_backends_command = {
    .qmp = "query-chardev-backends",
    .help = "list the kinds of character devices",
    .returns = &backend_names_type,
    .run = run_query_backends,
};
MONITOR_COMMAND(query_backends_command);

/* -- Options out of a ChardevBackend of QMP ---------------------------------------------------- */

/* QMP's member of a backend's data, where -chardev has another name for it. */
static const struct {
    const char *backend, *member, *option;
} renamed[] = {
    {"file", "out", "path"},      {"file", "in", "input-path"},   {"pipe", "device", "path"},
    {"serial", "device", "path"}, {"parallel", "device", "path"}, {"tty", "device", "path"},
};

static const char *option_name(const char *backend, const char *member)
{
    for (size_t i = 0; i < G_N_ELEMENTS(renamed); i++) {
        if (strcmp(renamed[i].backend, backend) == 0 && strcmp(renamed[i].member, member) == 0) {
            return renamed[i].option;
        }
    }
    return member;
}

static bool add_option(KeyVal *options, const char *name, const json_t *value, Error **err)
{
    g_autofree char *number = NULL;
    uint64_t large;

    if (json_is_boolean(value)) {
        keyval_add(options, name, json_is_true(value) ? "on" : "off", KEYVAL_BOOL);
    } else if (json_is_integer(value)) {
        number = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        keyval_add(options, name, number, KEYVAL_INTEGER);
    } else if (json_get_unsigned(value, &large)) {
        number = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)large);
        keyval_add(options, name, number, KEYVAL_INTEGER);
    } else if (json_is_string(value)) {
        keyval_add(options, name, json_string_value(value), KEYVAL_STRING);
    } else {
        return error_set(err, "Parameter '%s' takes no such value", name);
    }
    return true;
}

/* {"type": "inet", "data": {...}}; "str" of a named descriptor is fd=. */
static bool add_address(KeyVal *options, const json_t *address, bool is_local, Error **err)
{
    const char *type = json_string_value(json_object_get(address, "type"));
    const json_t *data = json_object_get(address, "data");
    const char *key;
    json_t *value;

    if (!type || !json_is_object(data)) {
        return error_set(err, "an address has a 'type' and 'data'");
    }
    json_object_foreach((json_t *)data, key, value)
    {
        g_autofree char *local =
            g_strconcat("local", strcmp(key, "host") == 0 ? "addr" : key, NULL);
        const char *name = strcmp(type, "fd") == 0 && strcmp(key, "str") == 0 ? "fd" : key;

        if (!add_option(options, is_local ? local : name, value, err)) {
            return false;
        }
    }
    return true;
}

static bool add_data(KeyVal *options, const char *backend, const json_t *data, Error **err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)data, key, value)
    {
        bool is_local = strcmp(key, "local") == 0;
        bool is_address = is_local || strcmp(key, "addr") == 0 || strcmp(key, "remote") == 0;

        if (is_address ? !add_address(options, value, is_local, err)
                       : !add_option(options, option_name(backend, key), value, err)) {
            return false;
        }
    }
    return true;
}

static KeyVal *backend_options(const char *id, const json_t *backend, Error **err)
{
    const char *type = json_string_value(json_object_get(backend, "type"));
    g_autoptr(KeyVal) options = keyval_new();

    keyval_add(options, "backend", type, KEYVAL_STRING);
    keyval_add(options, "id", id, KEYVAL_STRING);
    if (!add_data(options, type, json_object_get(backend, "data"), err)) {
        return NULL;
    }
    return g_steal_pointer(&options);
}

/* -- chardev-add, chardev-change --------------------------------------------------------------- */

typedef struct InfoSearch {
    const char *name;
    size_t length;
    const ChardevInfo *found;
} InfoSearch;

static void match_info(const Type *type, void *opaque)
{
    InfoSearch *search = opaque;
    const ChardevInfo *info = type->info;

    if (info && info->backend && strlen(info->backend) == search->length &&
        memcmp(info->backend, search->name, search->length) == 0) {
        search->found = info;
    }
}

/* The part behind the last comma. */
static void offer_options(const char *const *names, const char *prefix, GPtrArray *words)
{
    const char *typed = strrchr(prefix, ',') + 1;

    for (; names && *names; names++) {
        if (g_str_has_prefix(*names, typed)) {
            g_ptr_array_add(words,
                            g_strdup_printf("%.*s%s=", (int)(typed - prefix), prefix, *names));
        }
    }
}

/* A back end, then its options: "socket,path=". */
static void complete_backend(const char *prefix, GPtrArray *words)
{
    static const char *const common[] = {"id", "mux", "logfile", "logappend", NULL};
    const char *comma = strrchr(prefix, ',');
    g_autoptr(json_t) list = json_array();

    if (comma) {
        InfoSearch search = {prefix, strcspn(prefix, ","), NULL};

        type_foreach(&chardev_type, match_info, &search);
        offer_options(search.found ? common : NULL, prefix, words);
        offer_options(search.found ? search.found->options : NULL, prefix, words);
        return;
    }
    chardev_foreach_backend(name_backend, list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));

        if (g_str_has_prefix(name, prefix)) {
            g_ptr_array_add(words, g_strconcat(name, ",", NULL));
        }
    }
}

static void offer_label(const Chardev *chardev, void *opaque)
{
    monitor_offer(opaque, chardev->label);
}

void monitor_complete_chardev(const char *prefix, GPtrArray *words)
{
    chardev_foreach(offer_label, &(MonitorOffer){prefix, words});
}

static bool run_add_line(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(KeyVal) options = json_or_keyval(values[0].text, "backend", err);

    return options && chardev_add(options, err);
}

static const MonitorCommand chardev_add_line_command = {
    .name = "chardev-add",
    .help = "add a character device, as -chardev does",
    .args = {{"options", MONITOR_ARG_REST, .complete = complete_backend}},
    .run = run_add_line,
};
MONITOR_COMMAND(chardev_add_line_command);

static json_t *pty_of(const char *id)
{
    const char *path = chardev_pty_path(chardev_find(id));
    json_t *result = json_object();

    if (path) {
        json_object_set_new(result, "pty", json_text(path));
    }
    return result;
}

static bool run_add(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autoptr(KeyVal) options = backend_options(values[0].text, values[1].json, err);

    if (!options || !chardev_add(options, err)) {
        return false;
    }
    monitor_return(monitor, pty_of(values[0].text));
    return true;
}

static const JsonMember pty_members[] = {{"pty", &json_type_string, true}, {NULL}};
static const JsonType pty_type = {.kind = JSON_KIND_OBJECT, .members = pty_members};

static const MonitorCommand chardev_add_command = {
    .qmp = "chardev-add",
    .help = "add a character device",
    .args = {{"id", MONITOR_ARG_WORD},
             {"backend", MONITOR_ARG_JSON, .type = &monitor_chardev_backend_type}},
    .returns = &pty_type,
    .run = run_add,
};
MONITOR_COMMAND(chardev_add_command);

/* The change is made in a later turn: what is behind the monitor that asks may be the one. */
typedef struct Change {
    MonitorPending *pending;
    char *id;
    KeyVal *options;
} Change;

static void change_later(void *opaque)
{
    Change *change = opaque;
    Error *error = NULL;
    bool fine = chardev_change(change->id, change->options, &error);

    monitor_finish(change->pending, fine ? pty_of(change->id) : NULL, error);
    keyval_free(change->options);
    g_free(change->id);
    g_free(change);
}

/* Takes the options over. */
static bool change(Monitor *monitor, const char *id, KeyVal *options, Error **err)
{
    if (!monitor_can_wait(monitor)) {
        bool fine = chardev_change(id, options, err);
        keyval_free(options);
        return fine;
    }
    Change *later = g_new0(Change, 1);
    *later = (Change){monitor_defer(monitor), g_strdup(id), options};
    loop_post(main_loop(), change_later, later);
    return true;
}

static bool run_change_line(Monitor *monitor, const MonitorValue *values, Error **err)
{
    KeyVal *options = json_or_keyval(values[1].text, "backend", err);

    return options && change(monitor, values[0].text, options, err);
}

static const MonitorCommand chardev_change_line_command = {
    .name = "chardev-change",
    .help = "put another back end behind a character device",
    .args = {{"id", MONITOR_ARG_WORD, .complete = monitor_complete_chardev},
             {"options", MONITOR_ARG_REST, .complete = complete_backend}},
    .run = run_change_line,
};
MONITOR_COMMAND(chardev_change_line_command);

static bool run_change(Monitor *monitor, const MonitorValue *values, Error **err)
{
    KeyVal *options = backend_options(values[0].text, values[1].json, err);

    return options && change(monitor, values[0].text, options, err);
}

static const MonitorCommand chardev_change_command = {
    .qmp = "chardev-change",
    .help = "put another back end behind a character device",
    .args = {{"id", MONITOR_ARG_WORD},
             {"backend", MONITOR_ARG_JSON, .type = &monitor_chardev_backend_type}},
    .returns = &pty_type,
    .run = run_change,
};
MONITOR_COMMAND(chardev_change_command);

/* -- chardev-remove, chardev-send-break -------------------------------------------------------- */

static bool run_remove(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return chardev_remove(values[0].text, err);
}

static const MonitorCommand chardev_remove_command = {
    .name = "chardev-remove",
    .qmp = "chardev-remove",
    .help = "remove a character device that nothing uses",
    .args = {{"id", MONITOR_ARG_WORD, .complete = monitor_complete_chardev}},
    .run = run_remove,
};
MONITOR_COMMAND(chardev_remove_command);

static bool run_send_break(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return chardev_break(values[0].text, err);
}

static const MonitorCommand chardev_send_break_command = {
    .name = "chardev-send-break",
    .qmp = "chardev-send-break",
    .help = "send a break on a character device",
    .args = {{"id", MONITOR_ARG_WORD, .complete = monitor_complete_chardev}},
    .run = run_send_break,
};
MONITOR_COMMAND(chardev_send_break_command);

/* -- Ring buffers ------------------------------------------------------------------------------ */

static const char *const formats[] = {"utf8", "base64", NULL};
static const JsonType format_type = {.kind = JSON_KIND_ENUM, .values = formats};

static bool is_base64(const MonitorValue *format)
{
    return format->text && strcmp(format->text, "base64") == 0;
}

static bool run_ringbuf_write(Monitor *monitor, const MonitorValue *values, Error **err)
{
    gsize count = strlen(values[1].text);
    g_autofree guchar *decoded = NULL;

    if (is_base64(&values[2])) {
        decoded = g_base64_decode(values[1].text, &count);
    }
    return chardev_ringbuf_write(values[0].text, decoded ? (void *)decoded : values[1].text, count,
                                 err);
}

static const MonitorCommand ringbuf_write_command = {
    .name = "ringbuf_write",
    .qmp = "ringbuf-write",
    .help = "write to a ring buffer",
    .args = {{"device", MONITOR_ARG_WORD, .complete = monitor_complete_chardev},
             {"data", MONITOR_ARG_REST},
             {"format", MONITOR_ARG_JSON, .optional = true, .type = &format_type}},
    .run = run_ringbuf_write,
};
MONITOR_COMMAND(ringbuf_write_command);

#define READ_MAX (4 << 20)

static bool run_ringbuf_read(Monitor *monitor, const MonitorValue *values, Error **err)
{
    int64_t size = values[1].number;
    size_t count = 0;

    if (size <= 0 || size > READ_MAX) {
        return error_set(err, "size must be greater than zero and %d at most", READ_MAX);
    }
    g_autofree uint8_t *bytes = chardev_ringbuf_read(values[0].text, (size_t)size, &count, err);
    if (!bytes) {
        return false;
    }
    g_autofree char *text =
        is_base64(&values[2]) ? g_base64_encode(bytes, count) : g_strndup((char *)bytes, count);
    monitor_return(monitor, json_text(text));
    return true;
}

static void print_read(Monitor *monitor, const json_t *result)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (const char *c = json_string_value(result); *c; c++) {
        if (*c == '\\') {
            g_string_append(out, "\\\\");
        } else if ((*c > 0 && *c < 0x20 && *c != '\n') || *c == 0x7f) {
            g_string_append_printf(out, "\\u%04X", (unsigned)*c);
        } else {
            g_string_append_c(out, *c);
        }
    }
    monitor_printf(monitor, "%s\n", out->str);
}

static const MonitorCommand ringbuf_read_command = {
    .name = "ringbuf_read",
    .qmp = "ringbuf-read",
    .help = "take so many bytes out of a ring buffer",
    .args = {{"device", MONITOR_ARG_WORD, .complete = monitor_complete_chardev},
             {"size", MONITOR_ARG_INT},
             {"format", MONITOR_ARG_JSON, .optional = true, .type = &format_type}},
    .returns = &json_type_string,
    .run = run_ringbuf_read,
    .print = print_read,
};
MONITOR_COMMAND(ringbuf_read_command);
