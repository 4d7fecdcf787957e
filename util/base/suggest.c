/* SPDX-License-Identifier: MIT */
/* Nearest match for a mistyped name. */
#include "util/suggest.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

/* Longer names are not compared letter by letter. */
#define LONGEST 63

/*
 * Costs are quarters of a typing error, so that a name of which the user wrote only a part can rank
 * between one error and two.
 */
#define COST_ERROR 4
#define COST_SWAP 3
#define COST_PREFIX 3
#define COST_CONTAINED 6

/* Insertions, deletions, replacements and swaps of neighbours, letters of either case equal. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_length; j++) {
        last[j] = j * COST_ERROR;
    }
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i * COST_ERROR;
        for (size_t j = 1; j <= b_length; j++) {
            char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);
            size_t best = last[j - 1] + (x != y ? COST_ERROR : 0);
            best = MIN(best, MIN(last[j], row[j - 1]) + COST_ERROR);
            if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) &&
                y == g_ascii_tolower(a[i - 2])) {
                best = MIN(best, before[j - 2] + COST_SWAP);
            }
            row[j] = best;
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_length];
}

static size_t cost_of(const char *wanted, const char *candidate)
{
    size_t length = strlen(wanted), other = strlen(candidate);
    size_t cost = SIZE_MAX;

    if (length <= LONGEST && other <= LONGEST && MAX(length, other) > 0) {
        size_t edits = edit_distance(wanted, length, candidate, other);
        size_t errors_allowed = MIN(MAX((length + 1) / 3, 1), MAX(length, other) - 1);
        if (edits <= errors_allowed * COST_ERROR) {
            cost = edits;
        }
    }
    if (length >= 2 && g_ascii_strncasecmp(candidate, wanted, length) == 0) {
        cost = MIN(cost, COST_PREFIX + other - length);
    } else if (other >= 3 && g_ascii_strncasecmp(candidate, wanted, other) == 0) {
        cost = MIN(cost, COST_PREFIX + length - other);
    } else if (length >= 3 && strcasestr(candidate, wanted)) {
        cost = MIN(cost, COST_CONTAINED + other - length);
    }
    return cost;
}

void suggest_init(Suggest *s, const char *wanted)
{
    *s = (Suggest){.wanted = wanted, .distance = SIZE_MAX};
}

void suggest_offer(Suggest *s, const char *candidate)
{
    size_t cost = cost_of(s->wanted, candidate);

    if (cost < s->distance) {
        s->distance = cost;
        s->best = candidate;
    }
}

const char *suggest_text(const Suggest *s)
{
    static _Thread_local char text[160];

    if (!s->best) {
        return "";
    }
    g_snprintf(text, sizeof(text), "; did you mean '%s'?", s->best);
    return text;
}
