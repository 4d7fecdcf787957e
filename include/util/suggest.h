/* SPDX-License-Identifier: MIT */
/* Nearest match for a mistyped name. */
#ifndef UTIL_SUGGEST_H
#define UTIL_SUGGEST_H

#include <stddef.h>

typedef struct Suggest {
    const char *wanted;
    /* Nearest candidate so far, or NULL when nothing is near enough to be helpful. */
    const char *best;
    size_t distance;
} Suggest;

void suggest_init(Suggest *s, const char *wanted);

/* Offers a candidate; it must outlive `s`. Damerau-Levenshtein distance; a common prefix or
 * containment counts as near. */
void suggest_offer(Suggest *s, const char *candidate);

/* "; did you mean 'x'?" or "": append it to a message. The text is valid until the next call on the
 * same thread. */
const char *suggest_text(const Suggest *s);

#endif
