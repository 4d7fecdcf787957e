/* SPDX-License-Identifier: MIT */
/* JsonType: the shape of a JSON value, stated once: what comes in is checked against it, and
 * query-qmp-schema tells it. */
#ifndef UTIL_JSON_TYPE_H
#define UTIL_JSON_TYPE_H

#include "util/error.h"

#include <jansson.h>
#include <stdint.h>

typedef enum JsonKind {
    JSON_KIND_ANY,
    JSON_KIND_STRING,
    JSON_KIND_INT,     /* of 64 bits, with a sign */
    JSON_KIND_ADDRESS, /* of 64 bits, with a sign or without: -1 is the last one */
    JSON_KIND_NUMBER,  /* an integer will do */
    JSON_KIND_BOOL,
    JSON_KIND_NULL,
    JSON_KIND_ENUM, /* a string of `values` */
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT
} JsonKind;

typedef struct JsonType JsonType;

typedef struct JsonMember {
    const char *name; /* NULL ends the table */
    const JsonType *type;
    bool optional;
} JsonMember;

typedef struct JsonVariant {
    const char *name; /* NULL ends the table */
    const JsonType *type;
} JsonVariant;

struct JsonType {
    JsonKind kind;
    const char *const *values;   /* ENUM: NULL-terminated */
    const JsonType *element;     /* ARRAY */
    const JsonMember *members;   /* OBJECT */
    bool open;                   /* OBJECT: may have other members besides */
    const char *tag;             /* OBJECT: a member that says which of... */
    const JsonVariant *variants; /* ...these OBJECTs' members there are besides; NULL: none */
};

extern const JsonType json_type_any, json_type_string, json_type_int, json_type_address,
    json_type_number, json_type_bool, json_type_null;
extern const JsonType json_type_strings; /* an array of strings */

/* Whether `value` has that shape; `where` names it in the error ("arguments.backend"). */
bool json_type_check(const JsonType *type, const json_t *value, const char *where, Error **err);

/* A JSON string of any bytes: what is not UTF-8 is replaced. NULL gives an empty string. */
json_t *json_text(const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* -- Integers up to UINT64_MAX: those above INT64_MAX are no json_integer (json-number.c) --------
 */

json_t *json_unsigned(uint64_t value);
/* False: it is no integer, or a negative one; *ret_value is left as it is. */
bool json_get_unsigned(const json_t *value, uint64_t *ret_value);
/* A string, and no such integer. */
bool json_is_text(const json_t *value);

/* As json_loadb() for any value, without duplicate keys, and json_dumps(); with such integers. */
json_t *json_load(const char *text, size_t length, json_error_t *error);
char *json_dump(const json_t *value, size_t flags);

/* Parses one JSON value; trailing blanks may follow. Duplicate keys are refused. Caller: decref. */
json_t *json_parse(const char *text, size_t length, Error **err);

#endif
