/* SPDX-License-Identifier: MIT */
/*
 * Readline: editing of one line on a VT100. After each change the whole line is printed again from
 * its start, then the cursor goes back to its place: clients that talk to a monitor expect this
 * echo and strip it. Long lines that merely grow echo the new character alone, for their redrawing
 * would cost the square of their length.
 */
#include "softmmu/monitor/readline.h"

#include <stdbool.h>
#include <string.h>

#define LINE_MAX_LENGTH 4095
#define LINE_REDRAW_LENGTH 256
#define HISTORY_LENGTH 64
#define SCREEN_WIDTH 80

#define CTRL(letter) ((letter)&0x1f)
#define KEY_ESCAPE 0x1b
#define KEY_DELETE 0x7f

struct Readline {
    const ReadlineOps *ops;
    void *opaque;
    char *prompt;
    GString *line;
    size_t cursor;
    size_t shown_cursor; /* where the terminal's cursor is */
    GPtrArray *history;  /* of char *, newest last */
    guint history_at;    /* history->len: the line under edit */
    char *edited;        /* that line, while an older one is shown */
    enum { PLAIN, ESCAPE, SEQUENCE } state;
    unsigned parameter; /* of the escape sequence */
    bool after_return;  /* a newline right after it is no second line */
};

Readline *readline_new(const char *prompt, const ReadlineOps *ops, void *opaque)
{
    Readline *self = g_new0(Readline, 1);

    self->ops = ops;
    self->opaque = opaque;
    self->prompt = g_strdup(prompt);
    self->line = g_string_new(NULL);
    self->history = g_ptr_array_new_with_free_func(g_free);
    return self;
}

void readline_free(Readline *self)
{
    if (!self) {
        return;
    }
    g_free(self->prompt);
    g_free(self->edited);
    g_string_free(self->line, TRUE);
    g_ptr_array_free(self->history, TRUE);
    g_free(self);
}

static void print(Readline *self, const char *text)
{
    self->ops->print(self->opaque, text);
}

static void print_moves(GString *out, size_t count)
{
    for (; count > 0; count--) {
        g_string_append(out, "\033[D");
    }
}

static void redraw(Readline *self)
{
    GString *out = g_string_new(NULL);

    print_moves(out, self->shown_cursor);
    g_string_append_len(out, self->line->str, (gssize)self->line->len);
    g_string_append(out, "\033[K");
    print_moves(out, self->line->len - self->cursor);
    self->shown_cursor = self->cursor;
    print(self, out->str);
    g_string_free(out, TRUE);
}

void readline_show(Readline *self)
{
    print(self, self->prompt);
    self->shown_cursor = 0;
    if (self->line->len > 0) {
        redraw(self);
    }
}

void readline_start(Readline *self)
{
    g_string_truncate(self->line, 0);
    self->cursor = 0;
    self->history_at = self->history->len;
    g_clear_pointer(&self->edited, g_free);
    self->state = PLAIN;
    readline_show(self);
}

/* -- Changes of the line ----------------------------------------------------------------------- */

static void insert(Readline *self, const char *text)
{
    size_t length = strlen(text);

    if (self->line->len + length > LINE_MAX_LENGTH) {
        return;
    }
    g_string_insert(self->line, (gssize)self->cursor, text);
    self->cursor += length;
    if (self->cursor == self->line->len && self->line->len > LINE_REDRAW_LENGTH) {
        print(self, text);
        self->shown_cursor = self->cursor;
    } else {
        redraw(self);
    }
}

static void erase(Readline *self, size_t from, size_t to)
{
    if (from < to) {
        g_string_erase(self->line, (gssize)from, (gssize)(to - from));
        self->cursor = from;
        redraw(self);
    }
}

static void move_to(Readline *self, size_t cursor)
{
    if (cursor != self->cursor && cursor <= self->line->len) {
        self->cursor = cursor;
        redraw(self);
    }
}

static void erase_word(Readline *self)
{
    size_t from = self->cursor;

    while (from > 0 && self->line->str[from - 1] == ' ') {
        from--;
    }
    while (from > 0 && self->line->str[from - 1] != ' ') {
        from--;
    }
    erase(self, from, self->cursor);
}

static void replace_line(Readline *self, const char *text)
{
    g_string_assign(self->line, text);
    self->cursor = self->line->len;
    redraw(self);
}

/* -- History ----------------------------------------------------------------------------------- */

static void history_add(Readline *self)
{
    const char *line = self->line->str;

    for (guint i = 0; i < self->history->len; i++) {
        if (g_str_equal(self->history->pdata[i], line)) {
            g_ptr_array_remove_index(self->history, i);
            break;
        }
    }
    if (self->history->len == HISTORY_LENGTH) {
        g_ptr_array_remove_index(self->history, 0);
    }
    g_ptr_array_add(self->history, g_strdup(line));
}

const char *readline_history(const Readline *self, unsigned index, unsigned *ret_count)
{
    *ret_count = self->history->len;
    return index < self->history->len ? self->history->pdata[index] : NULL;
}

static void history_show(Readline *self, guint at)
{
    if (self->history_at == self->history->len) {
        g_free(self->edited);
        self->edited = g_strdup(self->line->str);
    }
    self->history_at = at;
    replace_line(self, at < self->history->len ? self->history->pdata[at] : self->edited);
}

static void history_older(Readline *self)
{
    if (self->history_at > 0) {
        history_show(self, self->history_at - 1);
    }
}

static void history_newer(Readline *self)
{
    if (self->history_at < self->history->len) {
        history_show(self, self->history_at + 1);
    }
}

/* -- Completion -------------------------------------------------------------------------------- */

static size_t common_prefix(GPtrArray *words)
{
    const char *first = words->pdata[0];
    size_t length = strlen(first);

    for (guint i = 1; i < words->len; i++) {
        const char *word = words->pdata[i];
        size_t same = 0;
        while (same < length && word[same] == first[same]) {
            same++;
        }
        length = same;
    }
    return length;
}

static void list_words(Readline *self, GPtrArray *words)
{
    g_autoptr(GString) out = g_string_new("\n");
    size_t width = 0;

    for (guint i = 0; i < words->len; i++) {
        width = MAX(width, strlen(words->pdata[i]) + 2);
    }
    size_t columns = MAX(SCREEN_WIDTH / MAX(width, 10), 1);
    for (guint i = 0; i < words->len; i++) {
        bool is_last = (i + 1) % columns == 0 || i + 1 == words->len;
        g_string_append_printf(out, "%-*s%s", (int)MAX(width, 10), (char *)words->pdata[i],
                               is_last ? "\n" : "");
    }
    print(self, out->str);
    readline_show(self);
}

/* Something follows it without a blank. */
static bool is_part(const char *word)
{
    return *word && strchr("/=,", word[strlen(word) - 1]);
}

static void complete(Readline *self)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *text = g_strndup(self->line->str, self->cursor);
    size_t given = self->ops->complete(self->opaque, text, words);

    if (words->len == 0) {
        return;
    }
    size_t common = common_prefix(words);
    if (common > given) {
        g_autofree char *rest = g_strndup((char *)words->pdata[0] + given, common - given);
        insert(self, rest);
    }
    if (words->len == 1 && !is_part(words->pdata[0])) {
        insert(self, " ");
    } else if (words->len > 1 && common <= given) {
        list_words(self, words);
    }
}

/* -- Keys -------------------------------------------------------------------------------------- */

static void enter(Readline *self)
{
    g_autofree char *line = g_strdup(self->line->str);

    print(self, "\n");
    if (self->line->len > 0) {
        history_add(self);
    }
    g_string_truncate(self->line, 0);
    self->cursor = self->shown_cursor = 0;
    self->ops->line(self->opaque, line);
}

static void put_plain(Readline *self, uint8_t byte)
{
    size_t end = self->line->len;

    switch (byte) {
    case CTRL('A'):
        return move_to(self, 0);
    case CTRL('B'):
        return self->cursor > 0 ? move_to(self, self->cursor - 1) : (void)0;
    case CTRL('C'):
    case CTRL('U'):
        return erase(self, 0, byte == CTRL('U') ? self->cursor : end);
    case CTRL('D'):
        return erase(self, self->cursor, MIN(self->cursor + 1, end));
    case CTRL('E'):
        return move_to(self, end);
    case CTRL('F'):
        return move_to(self, self->cursor + 1);
    case CTRL('H'):
    case KEY_DELETE:
        return erase(self, self->cursor > 0 ? self->cursor - 1 : 0, self->cursor);
    case CTRL('I'):
        return complete(self);
    case CTRL('K'):
        return erase(self, self->cursor, end);
    case CTRL('L'):
        print(self, "\033[H\033[2J");
        return readline_show(self);
    case CTRL('N'):
        return history_newer(self);
    case CTRL('P'):
        return history_older(self);
    case CTRL('W'):
        return erase_word(self);
    case '\r':
    case '\n':
        return enter(self);
    case KEY_ESCAPE:
        self->state = ESCAPE;
        return;
    }
    if (byte >= 0x20) {
        const char text[2] = {(char)byte, 0};
        insert(self, text);
    }
}

static void put_sequence(Readline *self, uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        self->parameter = (self->parameter * 10 + byte - '0') % 1000;
        return;
    }
    if (byte == ';') {
        self->parameter = 0;
        return;
    }
    self->state = PLAIN;
    switch (byte) {
    case 'A':
        return history_older(self);
    case 'B':
        return history_newer(self);
    case 'C':
        return put_plain(self, CTRL('F'));
    case 'D':
        return put_plain(self, CTRL('B'));
    case 'H':
        return move_to(self, 0);
    case 'F':
        return move_to(self, self->line->len);
    case '~':
        if (self->parameter == 3) {
            put_plain(self, CTRL('D'));
        } else if (self->parameter == 1 || self->parameter == 7) {
            move_to(self, 0);
        } else if (self->parameter == 4 || self->parameter == 8) {
            move_to(self, self->line->len);
        }
        return;
    }
}

void readline_put(Readline *self, uint8_t byte)
{
    bool is_second_half = byte == '\n' && self->after_return;

    self->after_return = byte == '\r';
    if (is_second_half) {
        return;
    }
    if (self->state == ESCAPE) {
        self->parameter = 0;
        self->state = byte == '[' || byte == 'O' ? SEQUENCE : PLAIN;
    } else if (self->state == SEQUENCE) {
        put_sequence(self, byte);
    } else {
        put_plain(self, byte);
    }
}
