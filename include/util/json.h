/* SPDX-License-Identifier: MIT */
/* JSON objects as KeyVal: whoever reads key=value reads {"key": value}, too. */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include "util/keyval.h"

#include <jansson.h>
#include <string.h>

/*
 * One JSON object with nothing behind it. Strings may stand in 'single quotes', too; a key that
 * comes twice fails. An error names line and column. The caller drops the reference.
 */
json_t *json_read_object(const char *text, Error **err);

/*
 * The members of an object in their order. A nested object or list becomes pairs with dotted names:
 * {"a": {"b": [1, true]}} is a.b.0=1, a.b.1=on. Each pair says how JSON wrote it (its kind), so
 * that typed readers and properties refuse what is of the wrong type. Caller frees.
 */
KeyVal *json_to_keyval(const json_t *object, Error **err);

/* Text of an option in either form: an object when it begins with '{', else keyval_parse(). */
KeyVal *json_or_keyval(const char *text, const char *implied_key, Error **err);
static inline bool json_is_object_text(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '{';
}

#endif
