/* SPDX-License-Identifier: MIT */
/* -readconfig: options from a file of [GROUP "ID"] and KEY = "VALUE" lines; and -set, which changes
 * one that was given before. */
#include "softmmu/main/options.h"

#include "util/file.h"
#include "util/json.h"
#include "util/suggest.h"

#include <string.h>

/* -- Groups ------------------------------------------------------------------------------------ */

typedef struct Group {
    const char *name;
    const char *option;
    const char *implied_key; /* of the option; NULL: it has no ids, and -set cannot find it */
} Group;

static const Group groups[] = {
    {"acpi", "acpitable"},
    {"accel", "accel"},
    {"action", "action"},
    {"add-fd", "add-fd"},
    {"audiodev", "audiodev", "driver"},
    {"boot-opts", "boot"},
    {"chardev", "chardev", "backend"},
    {"device", "device", "driver"},
    {"drive", "drive", "file"},
    {"fsdev", "fsdev", "fsdriver"},
    {"fw_cfg", "fw_cfg"},
    {"global", "global"},
    {"icount", "icount"},
    {"machine", "machine"},
    {"memory", "m"},
    {"mon", "mon", "chardev"},
    {"msg", "msg"},
    {"name", "name"},
    {"net", "net"},
    {"netdev", "netdev", "type"},
    {"nic", "nic"},
    {"numa", "numa"},
    {"object", "object", "qom-type"},
    {"overcommit", "overcommit"},
    {"rtc", "rtc"},
    {"sandbox", "sandbox"},
    {"smbios", "smbios"},
    {"smp-opts", "smp"},
    {"spice", "spice"},
    {"tpmdev", "tpmdev", "type"},
    {"trace", "trace"},
    {"vnc", "vnc"},
    {NULL},
};

static const Group *find_group(const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    for (const Group *group = groups; group->name; group++) {
        if (strcmp(group->name, name) == 0) {
            return group;
        }
        suggest_offer(&suggest, group->name);
    }
    error_set(err, "there is no option group '%s'%s", name, suggest_text(&suggest));
    return NULL;
}

/* -- File -------------------------------------------------------------------------------------- */

typedef struct Reader {
    Config *config;
    const char *path;
    unsigned line;
    const Group *group; /* whose lines are being read, or NULL */
    GString *text;      /* its argument so far */
    char *origin;       /* "FILE:LINE" of its header */
} Reader;

static void append_pair(GString *text, const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *doubled = g_strjoinv(",,", parts);

    g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", key, doubled);
}

static bool finish_group(Reader *reader, Error **err)
{
    if (!reader->group) {
        return true;
    }
    if (!config_add(reader->config, reader->group->option, reader->text->str, reader->origin,
                    err)) {
        error_prefix(err, "%s: ", config_error_place(reader->config, reader->origin, err));
        return false;
    }
    reader->group = NULL;
    return true;
}

/* [GROUP] or [GROUP "ID"] */
static bool read_header(Reader *reader, const char *line, Error **err)
{
    g_autofree char *name = NULL, *id = NULL;
    char *end = strchr(line, ']');
    char *quote = strchr(line, '"');

    if (!end || *g_strchug(end + 1)) {
        return error_set(err, "a header is [GROUP] or [GROUP \"ID\"]");
    }
    if (quote && quote < end) {
        char *closing = strchr(quote + 1, '"');

        if (!closing || closing + 1 + strspn(closing + 1, " \t") != end) {
            return error_set(err, "a header is [GROUP] or [GROUP \"ID\"]");
        }
        id = g_strndup(quote + 1, (gsize)(closing - quote - 1));
        end = quote;
    }
    name = g_strstrip(g_strndup(line + 1, (gsize)(end - line - 1)));
    reader->group = find_group(name, err);
    if (!reader->group) {
        return false;
    }
    g_free(reader->origin);
    reader->origin = g_strdup_printf("%s:%u", reader->path, reader->line);
    g_string_truncate(reader->text, 0);
    if (id) {
        append_pair(reader->text, "id", id);
    }
    return true;
}

/* KEY = "VALUE" */
static bool read_pair(Reader *reader, char *line, Error **err)
{
    char *equals = strchr(line, '=');

    if (!reader->group) {
        return error_set(err, "there is no [GROUP] before this line");
    }
    if (!equals || equals == line) {
        return error_set(err, "a line is KEY = \"VALUE\"");
    }
    *equals = '\0';
    char *value = g_strstrip(equals + 1);
    char *closing = value[0] == '"' ? strchr(value + 1, '"') : NULL;
    if (!closing) {
        return error_set(err, "the value of '%s' must stand in double quotes", g_strstrip(line));
    }
    char *rest = g_strchug(closing + 1);
    if (*rest && *rest != '#') {
        return error_set(err, "'%s' stands behind the value of '%s'", rest, g_strstrip(line));
    }
    *closing = '\0';
    char *key = g_strstrip(line);
    ConfigLine *place = g_new(ConfigLine, 1);
    *place = (ConfigLine){g_strdup(reader->origin), g_strdup(key),
                          g_strdup_printf("%s:%u", reader->path, reader->line)};
    g_ptr_array_add(reader->config->lines, place);
    append_pair(reader->text, key, value + 1);
    return true;
}

static bool read_line(Reader *reader, char *line, Error **err)
{
    line = g_strstrip(line);
    if (!*line || *line == '#') {
        return true;
    }
    if (*line == '[' && !finish_group(reader, err)) {
        return false;
    }
    if (*line == '[' ? read_header(reader, line, err) : read_pair(reader, line, err)) {
        return true;
    }
    error_prefix(err, "%s:%u: ", reader->path, reader->line);
    return false;
}

static bool read_lines(Reader *reader, const char *text, Error **err)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        reader->line++;
        if (!read_line(reader, *line, err)) {
            return false;
        }
    }
    return finish_group(reader, err);
}

bool config_read_file(Config *config, const char *path, Error **err)
{
    Reader reader = {.config = config, .path = path, .text = g_string_new(NULL)};
    g_autofree char *text = file_read(path, NULL, err);
    bool fine = text && read_lines(&reader, text, err);

    g_string_free(reader.text, TRUE);
    g_free(reader.origin);
    return fine;
}

/* -- -set -------------------------------------------------------------------------------------- */

static bool has_id(const ConfigItem *item, const Group *group, const char *id)
{
    g_autoptr(KeyVal) kv = json_or_keyval(item->text, group->implied_key, NULL);

    return kv && g_strcmp0(keyval_get(kv, "id"), id) == 0;
}

static bool set_in(ConfigItem *item, const char *key, const char *value, Error **err)
{
    if (json_is_object_text(item->text)) {
        error_set(err, "what is given as JSON cannot be changed");
        error_hint(err, "write '%s' into the JSON object, or KEY=VALUE there", key);
        return false;
    }
    GString *text = g_string_new(item->text);
    append_pair(text, key, value);
    g_free(item->text);
    item->text = g_string_free(text, FALSE);
    return true;
}

bool config_set(Config *config, const char *text, Error **err)
{
    g_auto(GStrv) names = g_strsplit(text, ".", 3);
    char *value = g_strv_length(names) == 3 ? strchr(names[2], '=') : NULL;

    if (!value || value == names[2]) {
        return error_set(err, "the form is GROUP.ID.KEY=VALUE");
    }
    *value++ = '\0';
    const Group *group = find_group(names[0], err);
    if (!group) {
        return false;
    }
    for (guint i = config->items->len; group->implied_key && i > 0; i--) {
        ConfigItem *item = config->items->pdata[i - 1];

        if (strcmp(item->row->name, group->option) == 0 && has_id(item, group, names[1])) {
            return set_in(item, names[2], value, err);
        }
    }
    return error_set(err, "there is no -%s with id '%s' before it", group->option, names[1]);
}
