/* SPDX-License-Identifier: MIT */
/* What the guest wrote on its consoles (serial ports, debug console): how much, the last lines, and
 * whether Linux panicked. */
#include "softmmu/main/outcome.h"

#include "softmmu/run.h"
#include "ui/chardev.h"

#include <string.h>

#define TAIL_BYTES 4096 /* power of two */
#define TAIL_LINES 20
#define LINE_BYTES 512
#define CONSOLES_MAX 8

static const char panic_mark[] = "Kernel panic - not syncing";

typedef struct Console {
    char *name;
    uint64_t bytes;
    uint8_t tail[TAIL_BYTES]; /* ring; byte N of the console is at N % TAIL_BYTES */
    char line[LINE_BYTES + 1];
    size_t line_length;
} Console;

static Console *consoles[CONSOLES_MAX];
static unsigned console_count;
static char *panic_line;
static uint64_t panic_resets; /* resets before it */

static Console *find_console(const char *name)
{
    for (unsigned i = 0; i < console_count; i++) {
        if (strcmp(consoles[i]->name, name) == 0) {
            return consoles[i];
        }
    }
    if (console_count == CONSOLES_MAX) {
        return NULL;
    }
    Console *console = g_new0(Console, 1);
    console->name = g_strdup(name);
    consoles[console_count++] = console;
    return console;
}

static void line_done(Console *console)
{
    const char *found;

    console->line[console->line_length] = '\0';
    console->line_length = 0;
    found = strstr(console->line, panic_mark);
    if (found && !outcome_console_panic()) {
        g_free(panic_line);
        panic_line = g_utf8_make_valid(found, -1);
        panic_resets = system_reset_count();
    }
}

static void wrote(const Chardev *chardev, const uint8_t *bytes, size_t count)
{
    Console *console = find_console(chardev->label ? chardev->label : "");

    for (size_t i = 0; console && i < count; i++) {
        console->tail[console->bytes++ % TAIL_BYTES] = bytes[i];
        if (bytes[i] == '\n' || console->line_length == LINE_BYTES) {
            line_done(console);
        }
        if (bytes[i] >= ' ') {
            console->line[console->line_length++] = (char)bytes[i];
        }
    }
}

void outcome_console_watch(void)
{
    chardev_watch_consoles(wrote);
}

const char *outcome_console_panic(void)
{
    return panic_resets == system_reset_count() ? panic_line : NULL;
}

uint64_t outcome_console_bytes(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < console_count; i++) {
        sum += consoles[i]->bytes;
    }
    return sum;
}

/* -- Report ------------------------------------------------------------------------------------ */

/* Behind an escape sequence: ESC [ ... letter, or ESC and one character. */
static const char *skip_escape(const char *text)
{
    text++;
    if (*text == '[') {
        text++;
        text += strspn(text, "0123456789;?=");
    }
    return *text ? text + 1 : text;
}

/* Readable text: no escape sequences, no control characters but tab and newline. */
static char *clean(const char *text)
{
    GString *out = g_string_new(NULL);

    while (*text) {
        if (*text == '\x1b') {
            text = skip_escape(text);
            continue;
        }
        if ((unsigned char)*text >= ' ' || *text == '\n' || *text == '\t') {
            g_string_append_c(out, *text);
        }
        text++;
    }
    g_autofree char *raw = g_string_free(out, FALSE);
    return g_utf8_make_valid(raw, -1);
}

static json_t *tail_lines(const Console *console)
{
    uint64_t first = console->bytes > TAIL_BYTES ? console->bytes - TAIL_BYTES : 0;
    g_autoptr(GString) raw = g_string_new(NULL);
    json_t *lines = json_array();

    for (uint64_t at = first; at < console->bytes; at++) {
        char byte = (char)console->tail[at % TAIL_BYTES];
        g_string_append_c(raw, byte ? byte : ' ');
    }
    const char *start = first ? strchr(raw->str, '\n') : NULL; /* the first one is cut */
    g_autofree char *text = clean(start ? start + 1 : raw->str);
    g_auto(GStrv) split = g_strsplit(g_strchomp(text), "\n", -1);
    guint count = g_strv_length(split);
    for (guint i = count > TAIL_LINES ? count - TAIL_LINES : 0; i < count; i++) {
        json_array_append_new(lines, json_string(split[i]));
    }
    return lines;
}

void outcome_console_report(json_t *record)
{
    const Console *shown = NULL;
    json_t *bytes = json_object();

    chardev_watch_consoles(NULL);
    for (unsigned i = 0; i < console_count; i++) {
        const Console *console = consoles[i];

        json_object_set_new(bytes, console->name, json_integer((json_int_t)console->bytes));
        if (!shown || strcmp(console->name, "serial0") == 0) {
            shown = console;
        }
    }
    json_object_set_new(record, "console", shown ? tail_lines(shown) : json_array());
    json_object_set_new(record, "console_bytes", bytes);
}
