/* SPDX-License-Identifier: MIT */
/* KeyVal: one option argument in QEMU's form `implied,key=value,flag,noflag`, commas doubled inside
 * values. */
#ifndef UTIL_KEYVAL_H
#define UTIL_KEYVAL_H

#include "util/error.h"

#include <stdint.h>

/* How a value was written: an option's text may mean anything, a JSON value is of one type. */
typedef enum KeyValKind {
    KEYVAL_TEXT,
    KEYVAL_STRING,
    KEYVAL_INTEGER,
    KEYVAL_REAL,
    KEYVAL_BOOL,  /* value "on" or "off" */
    KEYVAL_NULL,  /* value "" */
    KEYVAL_EMPTY, /* an object or list without members; value "" */
} KeyValKind;

typedef struct KeyValPair {
    char *key;
    char *value;
    KeyValKind kind;
    bool used; /* somebody took it: keyval_check_unused() names the rest */
} KeyValPair;

typedef struct KeyVal {
    GPtrArray *pairs; /* of KeyValPair *, in order */
} KeyVal;

/*
 * Parses `text`. The first item without '=' becomes the value of `implied_key` if that is not NULL.
 * A later item without '=' is a flag: "x" means x=on, "nox" stays "nox=on" (who reads x decides).
 * Caller frees with keyval_free().
 */
KeyVal *keyval_parse(const char *text, const char *implied_key, Error **err);
KeyVal *keyval_new(void);
void keyval_free(KeyVal *kv);

/* Value of the last pair with that key (marked used), or NULL. Owned by kv. */
const char *keyval_get(KeyVal *kv, const char *key);

/* Sets or replaces. */
void keyval_set(KeyVal *kv, const char *key, const char *value);
/* Adds a pair at the end. */
void keyval_add(KeyVal *kv, const char *key, const char *value, KeyValKind kind);

/* In words, for messages: "a string"; KEYVAL_TEXT too. */
const char *keyval_kind_name(KeyValKind kind);

/* True when the text contains a bare "help" or "?" item. */
bool keyval_wants_help(KeyVal *kv);

/* Typed readers: absent leaves *ret_x untouched and returns true; bad text fails and names key and
 * value. */
bool keyval_get_bool(KeyVal *kv, const char *key, bool *ret_value, Error **err);
bool keyval_get_u64(KeyVal *kv, const char *key, uint64_t *ret_value, Error **err);
bool keyval_get_size(KeyVal *kv, const char *key, uint64_t *ret_bytes, Error **err);

/* Fails when a pair was never used: "unknown parameter 'foo'; did you mean 'for'?" out of `known`
 * (NULL-terminated). */
bool keyval_check_unused(KeyVal *kv, const char *const *known, Error **err);
/* The same before anything is read, so that a typo is named before what it leaves missing: fails
 * for a key that is neither in `known` nor "no" and one of them. */
bool keyval_check_known(KeyVal *kv, const char *const *known, Error **err);

/* Parsers of one value. Bool: on/off/yes/no/true/false/y/n. Number: decimal or 0x. Size: suffix b K
 * M G T P E, base 1024, decimals allowed ("1.5G"); default_unit is the factor of a bare number. */
bool parse_bool(const char *text, bool *ret_value, Error **err);
bool parse_u64(const char *text, uint64_t *ret_value, Error **err);
bool parse_size(const char *text, uint64_t default_unit, uint64_t *ret_bytes, Error **err);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeyVal, keyval_free)

#endif
