/* SPDX-License-Identifier: MIT */
/* What the files of util/object share and nobody else needs. */
#ifndef UTIL_OBJECT_INTERNAL_H
#define UTIL_OBJECT_INTERNAL_H

#include "util/object.h"

#define FIELD_AT(base, field) ((void *)((char *)(base) + (field)->offset))

/* Calls fn for every type of the chain of `type`, root first. */
void type_foreach_ancestor(const Type *type, void (*fn)(const Type *type, void *opaque),
                           void *opaque);

/* Every enrolled type and the built-in ones, abstract ones too, sorted by name; owned by the
 * registry. */
GPtrArray *type_registry(void);

/* Frees what the members own: strings and whatever a FieldType clears. */
void fields_clear(const Field *rows, void *base);

/* Sets the remembered -global values that concern the object's type. */
void object_apply_globals(Object *obj);

/* Fills PROP_LINK members the user left alone from .init_text. */
bool object_resolve_default_links(Object *obj, Error **err);

#endif
