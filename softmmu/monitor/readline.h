/* SPDX-License-Identifier: MIT */
/* Readline: editing of one line on a VT100, with history and completion. */
#ifndef SOFTMMU_MONITOR_READLINE_H
#define SOFTMMU_MONITOR_READLINE_H

#include <glib.h>
#include <stdint.h>

typedef struct Readline Readline;

typedef struct ReadlineOps {
    void (*print)(void *opaque, const char *text);
    /* A line was entered; the next one starts with readline_start(). */
    void (*line)(void *opaque, const char *line);
    /* Adds the words that could stand where `text` ends (g_strdup'ed); returns how many bytes at
     * the end of `text` they replace. A word that ends in '/', '=' or ',' is not the end of its
     * argument. */
    size_t (*complete)(void *opaque, const char *text, GPtrArray *words);
} ReadlineOps;

Readline *readline_new(const char *prompt, const ReadlineOps *ops, void *opaque);
void readline_free(Readline *readline); /* NULL is fine */

/* Begins an empty line: prints the prompt. */
void readline_start(Readline *readline);
/* Prints prompt and line once more, after something else was printed. */
void readline_show(Readline *readline);
/* One byte as typed. */
void readline_put(Readline *readline, uint8_t byte);
/* Lines entered so far, oldest first; line N of `count`. */
const char *readline_history(const Readline *readline, unsigned index, unsigned *ret_count);

#endif
