/* SPDX-License-Identifier: MIT */
/* Completion of a line: names of commands, then arguments as the command's row says what they are.
 */
#include "softmmu/monitor/monitor-private.h"
#include "util/object.h"

#include <string.h>

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void monitor_offer(MonitorOffer *offer, const char *word)
{
    if (g_str_has_prefix(word, offer->prefix)) {
        g_ptr_array_add(offer->words, g_strdup(word));
    }
}

/* -- Paths ------------------------------------------------------------------------------------- */

/* Children of the object whose path ends before the last slash. */
void monitor_complete_path(const char *prefix, GPtrArray *words)
{
    const char *slash = strrchr(prefix, '/');
    size_t above_length = slash ? (size_t)(slash + 1 - prefix) : 0;
    g_autofree char *above = g_strndup(prefix, above_length > 1 ? above_length - 1 : 0);
    const Object *obj = prefix[0] == '/' ? object_resolve(*above ? above : "/") : NULL;

    if (!*prefix) {
        g_ptr_array_add(words, g_strdup("/"));
    }
    for (guint i = 0; obj && i < obj->children->len; i++) {
        const Object *child = obj->children->pdata[i];

        if (g_str_has_prefix(child->name, prefix + above_length)) {
            g_ptr_array_add(words, g_strdup_printf("%.*s%s%s", (int)above_length, prefix,
                                                   child->name, child->children->len ? "/" : ""));
        }
    }
}

/* -- Files ------------------------------------------------------------------------------------- */

void monitor_complete_file(const char *prefix, GPtrArray *words)
{
    const char *slash = strrchr(prefix, '/');
    size_t above_length = slash ? (size_t)(slash + 1 - prefix) : 0;
    g_autofree char *above = above_length ? g_strndup(prefix, above_length) : g_strdup(".");
    const char *typed = prefix + above_length;
    GDir *folder = g_dir_open(above, 0, NULL);

    for (const char *name; folder && (name = g_dir_read_name(folder));) {
        bool is_hidden = *name == '.' && *typed != '.';

        if (is_hidden || !g_str_has_prefix(name, typed) || strpbrk(name, " \t\"\\")) {
            continue; /* the last would need quotes */
        }
        g_autofree char *path = g_strdup_printf("%.*s%s", (int)above_length, prefix, name);
        bool is_folder = g_file_test(path, G_FILE_TEST_IS_DIR);
        g_ptr_array_add(words, g_strconcat(path, is_folder ? "/" : "", NULL));
    }
    g_clear_pointer(&folder, g_dir_close);
}

/* -- Arguments --------------------------------------------------------------------------------- */

/* Words of the line under completion that stand before the last one, by argument; only while a
 * completion runs. */
static const char *before[MONITOR_MAX_ARGS];

const char *monitor_completed_argument(unsigned index)
{
    return index < MONITOR_MAX_ARGS ? before[index] : NULL;
}

static void complete_choices(const JsonType *type, const char *prefix, GPtrArray *words)
{
    MonitorOffer offer = {prefix, words};

    for (const char *const *value = type ? type->values : NULL; value && *value; value++) {
        monitor_offer(&offer, *value);
    }
}

static void complete_argument(const MonitorArg *arg, const char *prefix, GPtrArray *words)
{
    static const char *const switches[] = {"off", "on", NULL};
    static const JsonType switch_type = {.kind = JSON_KIND_ENUM, .values = switches};

    if (arg->complete) {
        arg->complete(prefix, words);
    } else if (arg->kind == MONITOR_ARG_BOOL) {
        complete_choices(&switch_type, prefix, words);
    } else if (arg->type && arg->type->kind == JSON_KIND_ENUM) {
        complete_choices(arg->type, prefix, words);
    } else if (*prefix == '/' && arg->kind == MONITOR_ARG_WORD) {
        monitor_complete_path(prefix, words);
    }
}

static bool takes_word(const MonitorArg *arg, const char *word)
{
    switch (arg->kind) {
    case MONITOR_ARG_JSON:
        return false;
    case MONITOR_ARG_FLAG:
        return word[0] == '-' && word[1] == arg->flag && !word[2];
    case MONITOR_ARG_FORMAT:
        return word[0] == '/';
    default:
        return true;
    }
}

/* The argument that `word` belongs to, from `*index` on, which moves behind it; NULL: none. */
static const MonitorArg *next_argument(const MonitorCommand *command, const char *word,
                                       unsigned *index)
{
    const MonitorArg *arg;

    do {
        arg = &command->args[*index];
        if (arg->kind == MONITOR_ARG_END) {
            return NULL;
        }
        *index += arg->kind != MONITOR_ARG_REST; /* takes all that follows */
    } while (!takes_word(arg, word));
    return arg;
}

/* The last of the words, which may be empty. */
static size_t complete_last(const MonitorCommand *command, char **line, GPtrArray *words)
{
    const MonitorArg *arg = NULL;
    unsigned index = 0, count = 0;
    char *empty = (char *)"";

    memset(before, 0, sizeof(before));
    for (char **word = line; *word; word++) {
        if (!**word && word[1]) { /* two blanks */
            continue;
        }
        arg = next_argument(command, *word, &index);
        empty = *word;
        if (word[1] && arg && arg->kind == MONITOR_ARG_WORD && count < MONITOR_MAX_ARGS) {
            before[count++] = *word;
        }
    }
    if (arg) {
        complete_argument(arg, empty, words);
    }
    memset(before, 0, sizeof(before));
    return strlen(empty);
}

/* -- The line ---------------------------------------------------------------------------------- */

static size_t complete_line(const char *text, GPtrArray *words)
{
    text += strspn(text, " \t");
    size_t length = strcspn(text, " \t");
    const MonitorCommand *command;

    if ((text[length] && length == 1 && *text == '?') ||
        (text[length] && length == 4 && memcmp(text, "help", 4) == 0)) {
        return complete_line(text + length, words);
    }
    bool sub = length == 4 && memcmp(text, "info", 4) == 0 && text[4];
    const char *name = sub ? text + 4 + strspn(text + 4, " \t") : text;
    if (!name[strcspn(name, " \t")]) {
        monitor_list_names(sub, name, words);
        return strlen(name);
    }
    if (!monitor_find_command(&text, &command, NULL) || !command) {
        return 0;
    }
    text += strspn(text, " \t");
    g_auto(GStrv) line = g_strsplit_set(*text ? text : " ", " \t", -1);
    return complete_last(command, line, words);
}

size_t monitor_complete(const char *text, GPtrArray *words)
{
    size_t given = complete_line(text, words);

    g_ptr_array_sort(words, compare_names);
    return given;
}
