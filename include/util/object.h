/* SPDX-License-Identifier: MIT */
/* Objects: const Type tables with single inheritance by first member, a composition tree with QOM
 * paths, properties. */
#ifndef UTIL_OBJECT_H
#define UTIL_OBJECT_H

#include "util/field.h"
#include "util/linker-set.h"

struct Object {
    const Type *type;
    Object *parent; /* composition: owns this one */
    char *name;     /* last element of its path */
    GPtrArray *children;
    bool realized;
    bool embedded; /* storage belongs to the parent */
};

/*
 * Hooks of a derived type are called after those of its parent for init and realize, before for
 * unrealize and finalize. All may be NULL.
 */
struct Type {
    const char *name; /* as QEMU names it: "isa-serial" */
    const Type *parent;
    size_t size;
    const char *desc;
    const Field *fields; /* own rows only; parents' rows come from the parents */
    const void *info;    /* const description for the parent type (a PciDeviceInfo...) */
    /* Where a PROP_LINK finds one by its bare id: "/chardevs"; inherited. */
    const char *id_container;
    void (*init)(Object *obj);
    bool (*realize)(Object *obj, Error **err); /* may fail, then leaves nothing behind */
    void (*unrealize)(Object *obj);
    void (*finalize)(Object *obj);
    void (*reset_hold)(Object *obj); /* second reset phase: drive lines, touch others */
    void (*reset_exit)(Object *obj); /* third reset phase */
    /* Recomputes DERIVED and output lines from STATE; the most derived one is called after reset,
     * after load and after every write to a region the object owns. */
    void (*sync)(Object *obj);
    /* Of a type that users make: something that no link shows depends on it. May be NULL. */
    bool (*is_used)(const Object *obj);
    bool abstract;
    bool user_creatable; /* -device or -object may make it */
};

/* Enrols a type: the last line of its file. */
#define OBJECT_TYPE(type_variable) LINKER_SET_ENTRY(object_types, type_variable)
#define DEVICE(type_variable) OBJECT_TYPE(type_variable)

extern const Type object_type; /* "object", the root of all types */

/* -- Types ------------------------------------------------------------------------------------- */

const Type *type_find(const char *name); /* NULL if there is none */
bool type_is_a(const Type *type, const Type *ancestor);
/* Calls fn for every enrolled type below `ancestor` (inclusive) that is not abstract, sorted by
 * name. */
void type_foreach(const Type *ancestor, void (*fn)(const Type *type, void *opaque), void *opaque);
/* The same for all, abstract ones too. */
void type_foreach_all(void (*fn)(const Type *type, void *opaque), void *opaque);
/* "NAME options:", then "  PROP=<TYPE>  - DESC (default: X)" lines of all PROP rows, parents'
 * first; caller frees. */
char *type_help(const Type *type);
/* Row of a PROP by outside name, in the type or its parents; NULL if there is none. */
const Field *type_find_property(const Type *type, const char *name);
/* Calls fn for every row of the type and its parents, root first. */
void type_foreach_field(const Type *type, void (*fn)(const Field *field, void *opaque),
                        void *opaque);

/* -- Life -------------------------------------------------------------------------------------- */

/* Zeroed, PROP rows at their defaults (then -global), CHILD rows initialised, init hooks run. Never
 * fails. */
Object *object_new(const Type *type);
/* The same in storage of the owner; becomes a child of `parent` named `name`. */
void object_init(void *storage, const Type *type, Object *parent, const char *name);
/* Adds to the composition tree; `parent` owns `obj` from now on. The name must be free there. */
void object_add_child(Object *parent, const char *name, Object *obj);
/* Realizes children first, then the object root type first.
 * On failure everything done is undone. */
bool object_realize(Object *obj, Error **err);
void object_unrealize(Object *obj);
/* Unrealizes, finalizes, frees strings, children and itself, and leaves its parent.
 * NULL is fine. */
void object_free(Object *obj);

/* -- Properties -------------------------------------------------------------------------------- */

/* Fails on unknown names ("...; did you mean 'x'?"), bad values,
 * read-only rows and after realize. */
bool object_set(Object *obj, const char *property, const char *value, Error **err);
/* Value of any row (PROP, STATE, LINK...) as text, caller frees; NULL and *err when there is no
 * such row. */
char *object_get(const Object *obj, const char *property, Error **err);
/* Sets properties from all unused pairs of kv except those named in `except` (NULL-terminated, may
 * be NULL). */
struct KeyVal;
bool object_set_all(Object *obj, struct KeyVal *kv, const char *const *except, Error **err);
/* Remembers `-global driver.property=value`; applied by object_new() to that type and its
 * descendants. */
bool object_add_global(const char *driver, const char *property, const char *value, Error **err);
/* Calls fn for every row of the object; `address` is the member. */
void object_foreach_field(const Object *obj,
                          void (*fn)(const Field *field, void *address, void *opaque),
                          void *opaque);

/* -object: makes a user-creatable type that is no device, below /objects. NULL on failure. */
Object *user_object_add(struct KeyVal *kv, Error **err);
/* Fails when there is none of that id, or something uses it. */
bool user_object_del(const char *id, Error **err);
void user_object_foreach_type(void (*fn)(const Type *type, void *opaque), void *opaque);

/* -- Tree -------------------------------------------------------------------------------------- */

Object *object_root(void); /* "/", made on first use */
/* The container object at an absolute path, made as needed ("/machine/peripheral"). */
Object *object_container(const char *path);
/* Absolute path, or an id or partial path that is unique; NULL when not found or ambiguous. */
Object *object_resolve(const char *path);
Object *object_child(const Object *obj, const char *name);
char *object_path(const Object *obj); /* caller frees */
static inline bool object_is_a(const Object *obj, const Type *type)
{
    return type_is_a(obj->type, type);
}

/* -- Reset and sync ---------------------------------------------------------------------------- */

/* Three phases over the object and everything below it: enter (STATE rows to .init, generated),
 * hold, exit; then sync. */
void object_reset(Object *obj);
void object_sync(Object *obj);

#endif
