/* SPDX-License-Identifier: MIT */
/* Field rows: one line per struct member, from which properties, reset, save, help and
 * introspection come. */
#ifndef UTIL_FIELD_H
#define UTIL_FIELD_H

#include "util/error.h"
#include "util/loop.h"

#include <stddef.h>

typedef struct Object Object;
typedef struct Type Type;
typedef struct Field Field;

typedef enum FieldKind {
    FIELD_PROP,    /* set by the user before realize; constant afterwards */
    FIELD_STATE,   /* guest-visible state: reset to .init, saved */
    FIELD_LINK,    /* wired by the board or the bus: IRQ lines, peers */
    FIELD_DERIVED, /* recomputed from STATE, or host-side: neither reset nor saved */
    FIELD_CHILD    /* an embedded Object of type .child */
} FieldKind;

/* How one C type is parsed, printed and compared. */
typedef struct FieldType {
    /* As -device X,help prints it: "bool", "uint8", "str", "size", "int32", "timer"... */
    const char *name;
    size_t size; /* of one element; 0: any (opaque) */
    /* NULL where a user cannot write it. `field_address` is the member itself. */
    bool (*parse)(const Field *field, void *field_address, const char *text, Error **err);
    /* The same from an integer of JSON, where a type that is written as a string takes one too. */
    bool (*parse_integer)(const Field *field, void *field_address, int64_t value, Error **err);
    /* Appends the value as text. */
    void (*print)(const Field *field, const void *field_address, GString *out);
    void (*clear)(const Field *field, void *field_address); /* frees what it owns, or NULL */
    bool is_list; /* parse() adds to what is there: the key may come again, or as NAME.0, NAME.1 */
} FieldType;

struct Field {
    const char *name;
    FieldKind kind;
    const FieldType *type;
    uint32_t offset;            /* of the member in its struct */
    uint32_t size;              /* of the whole member, bytes */
    uint32_t count;             /* elements of an array member, else 1 */
    int64_t init;               /* default of a PROP, reset value of a STATE (every element) */
    const char *init_text;      /* default of a string, link or enum PROP */
    const char *desc;           /* help text of a PROP */
    const char *const *choices; /* enum: NULL-terminated names; the member holds the index */
    const Field *fields;        /* struct rows of a STATE_STRUCT */
    const Type *link_type;      /* PROP_LINK: what it must point at */
    const Type *child;          /* CHILD */
    const char *prop_name;      /* name outside where it differs ("queue-size") */
    bool keep;                  /* STATE that reset leaves alone (RTC time, CMOS) */
    bool read_only;             /* PROP the user sees but cannot set */
    bool hidden;                /* PROP not listed in help */
};

#define FIELDS_END                                                                                 \
    {                                                                                              \
        .name = NULL                                                                               \
    }

extern const FieldType field_type_bool, field_type_u8, field_type_u16, field_type_u32,
    field_type_u64, field_type_i8, field_type_i16, field_type_i32, field_type_i64,
    field_type_string, field_type_size, field_type_enum, field_type_timer, field_type_link,
    field_type_struct, field_type_opaque;

#define FIELD_TYPE_OF(lvalue)                                                                      \
    _Generic((lvalue), bool: &field_type_bool, uint8_t: &field_type_u8, uint16_t: &field_type_u16,                     \
             uint32_t: &field_type_u32, uint64_t: &field_type_u64, int8_t: &field_type_i8, int16_t: &field_type_i16,   \
             int32_t: &field_type_i32, int64_t: &field_type_i64, char *: &field_type_string)

#define FIELD_ROW_(T, m, k, t, n, ...)                                                             \
    {                                                                                              \
        .name = #m, .kind = k, .type = t, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m),   \
        .count = n, __VA_ARGS__                                                                    \
    }
#define FIELD_COUNT_(T, m) (sizeof(((T *)0)->m) / sizeof(((T *)0)->m[0]))

/* Scalars; the type is inferred. `char *` is a string owned by the object. */
#define PROP(T, m, ...) FIELD_ROW_(T, m, FIELD_PROP, FIELD_TYPE_OF(((T *)0)->m), 1, __VA_ARGS__)
#define PROP_SIZE(T, m, ...)                                                                       \
    FIELD_ROW_(T, m, FIELD_PROP, &field_type_size, 1, __VA_ARGS__) /* uint64_t bytes */
#define PROP_ENUM(T, m, ...)                                                                       \
    FIELD_ROW_(T, m, FIELD_PROP, &field_type_enum, 1, __VA_ARGS__) /* any enum or int, 4 bytes */
#define PROP_LINK(T, m, ...)                                                                       \
    FIELD_ROW_(T, m, FIELD_PROP, &field_type_link, 1, __VA_ARGS__) /* pointer to an Object */
/* With a FieldType of its own. */
#define PROP_TYPED(T, m, t, ...) FIELD_ROW_(T, m, FIELD_PROP, t, 1, __VA_ARGS__)
#define STATE(T, m, ...) FIELD_ROW_(T, m, FIELD_STATE, FIELD_TYPE_OF(((T *)0)->m), 1, __VA_ARGS__)
#define STATE_ENUM(T, m, ...) FIELD_ROW_(T, m, FIELD_STATE, &field_type_enum, 1, __VA_ARGS__)
#define STATE_ARRAY(T, m, ...)                                                                     \
    FIELD_ROW_(T, m, FIELD_STATE, FIELD_TYPE_OF(((T *)0)->m[0]), FIELD_COUNT_(T, m), __VA_ARGS__)
#define STATE_TIMER(T, m, ...) FIELD_ROW_(T, m, FIELD_STATE, &field_type_timer, 1, __VA_ARGS__)
/* An embedded struct, or an array of them, with rows of its own. */
#define STATE_STRUCT(T, m, rows, ...)                                                              \
    FIELD_ROW_(T, m, FIELD_STATE, &field_type_struct, 1, .fields = rows, __VA_ARGS__)
#define STATE_STRUCTS(T, m, rows, ...)                                                             \
    FIELD_ROW_(T, m, FIELD_STATE, &field_type_struct, FIELD_COUNT_(T, m), .fields = rows,          \
               __VA_ARGS__)
/* Any C type. */
#define LINK(T, m, ...) FIELD_ROW_(T, m, FIELD_LINK, &field_type_opaque, 1, __VA_ARGS__)
#define DERIVED(T, m, ...) FIELD_ROW_(T, m, FIELD_DERIVED, &field_type_opaque, 1, __VA_ARGS__)
#define CHILD(T, m, type_pointer, ...)                                                             \
    FIELD_ROW_(T, m, FIELD_CHILD, &field_type_opaque, 1, .child = type_pointer, __VA_ARGS__)

/* Sets every STATE row (nested too) of the struct at `base` to .init, except `keep`; timers are
 * disarmed. */
void fields_reset(const Field *rows, void *base);

/* Sets PROP rows to their defaults. */
void fields_set_defaults(const Field *rows, void *base);

/* Name outside: prop_name, else the member's with '-' for '_' (PROP). Valid for ever. */
const char *field_outside_name(const Field *field);

/* True when `name` is that name; '-' and '_' count as equal. */
bool field_is_named(const Field *field, const char *name);

/* Appends the whole member as text: arrays in [], structs in {}. */
void field_print(const Field *field, const void *field_address, GString *out);

#endif
