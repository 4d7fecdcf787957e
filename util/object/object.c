/* SPDX-License-Identifier: MIT */
/* Objects: making, realizing, undoing, freeing and resetting; the composition tree is in path.c. */
#include "util/object/internal.h"

#include <string.h>

static const Type container_type = {
    .name = "container",
    .parent = &object_type,
    .size = sizeof(Object),
    .desc = "place in the object tree",
};
OBJECT_TYPE(container_type);

/* -- Making ------------------------------------------------------------------------------------ */

static void init_rows(const Type *type, void *opaque)
{
    Object *obj = opaque;

    fields_set_defaults(type->fields, obj);
    for (const Field *field = type->fields; field && field->name; field++) {
        if (field->kind == FIELD_CHILD) {
            object_init(FIELD_AT(obj, field), field->child, obj, field_outside_name(field));
        }
    }
}

static void call_init(const Type *type, void *opaque)
{
    if (type->init) {
        type->init(opaque);
    }
}

static void object_set_up(Object *obj, const Type *type)
{
    g_assert(!type->abstract);
    obj->type = type;
    obj->children = g_ptr_array_new();
    type_foreach_ancestor(type, init_rows, obj);
    object_apply_globals(obj);
    type_foreach_ancestor(type, call_init, obj);
}

Object *object_new(const Type *type)
{
    Object *obj = g_malloc0(type->size);

    object_set_up(obj, type);
    return obj;
}

void object_init(void *storage, const Type *type, Object *parent, const char *name)
{
    Object *obj = storage;

    memset(storage, 0, type->size);
    obj->embedded = true;
    object_set_up(obj, type);
    object_add_child(parent, name, obj);
}

void object_add_child(Object *parent, const char *name, Object *obj)
{
    g_assert(!obj->parent && !object_child(parent, name));
    obj->parent = parent;
    obj->name = g_strdup(name);
    g_ptr_array_add(parent->children, obj);
}

/* -- Realizing and undoing --------------------------------------------------------------------- */

static void unrealize_down_to(Object *obj, const Type *from, const Type *stop)
{
    for (const Type *t = from; t != stop; t = t->parent) {
        if (t->unrealize) {
            t->unrealize(obj);
        }
    }
}

/* Runs the realize hooks from the root down to `type`; undoes those that ran when one fails. */
static bool realize_chain(Object *obj, const Type *type, Error **err)
{
    if (type->parent && !realize_chain(obj, type->parent, err)) {
        return false;
    }
    if (type->realize && !type->realize(obj, err)) {
        unrealize_down_to(obj, type->parent, NULL);
        return false;
    }
    return true;
}

static void unrealize_children(Object *obj)
{
    for (guint i = obj->children->len; i > 0; i--) {
        object_unrealize(obj->children->pdata[i - 1]);
    }
}

static bool realize_children(Object *obj, Error **err)
{
    for (guint i = 0; i < obj->children->len; i++) {
        if (!object_realize(obj->children->pdata[i], err)) {
            return false;
        }
    }
    return true;
}

/* Children a failed realize hook has made are not there for the next try. */
static void free_children_beyond(Object *obj, guint count)
{
    while (obj->children->len > count) {
        object_free(obj->children->pdata[obj->children->len - 1]);
    }
}

bool object_realize(Object *obj, Error **err)
{
    guint children_before = obj->children->len;

    if (obj->realized) {
        return true;
    }
    if (!object_resolve_default_links(obj, err) || !realize_children(obj, err)) {
        goto fail;
    }
    if (!realize_chain(obj, obj->type, err)) {
        goto fail;
    }
    if (!realize_children(obj, err)) { /* those the hooks have added */
        unrealize_down_to(obj, obj->type, NULL);
        goto fail;
    }
    obj->realized = true;
    return true;

fail:
    free_children_beyond(obj, children_before);
    unrealize_children(obj);
    return false;
}

void object_unrealize(Object *obj)
{
    if (obj->realized) {
        obj->realized = false;
        unrealize_down_to(obj, obj->type, NULL);
    }
    unrealize_children(obj);
}

void object_free(Object *obj)
{
    if (!obj || !obj->type) {
        return;
    }
    object_unrealize(obj);
    for (const Type *t = obj->type; t; t = t->parent) {
        if (t->finalize) {
            t->finalize(obj);
        }
    }
    free_children_beyond(obj, 0);
    g_ptr_array_free(obj->children, TRUE);
    for (const Type *t = obj->type; t; t = t->parent) {
        fields_clear(t->fields, obj);
    }
    if (obj->parent) {
        g_ptr_array_remove(obj->parent->children, obj);
    }
    g_free(obj->name);
    if (obj->embedded) {
        memset(obj, 0, sizeof(*obj));
    } else {
        g_free(obj);
    }
}

/* -- Reset and sync ---------------------------------------------------------------------------- */

static void reset_rows(const Type *type, void *opaque)
{
    fields_reset(type->fields, opaque);
}

static void call_reset_hold(const Type *type, void *opaque)
{
    if (type->reset_hold) {
        type->reset_hold(opaque);
    }
}

static void call_reset_exit(const Type *type, void *opaque)
{
    if (type->reset_exit) {
        type->reset_exit(opaque);
    }
}

static void phase_enter(Object *obj)
{
    type_foreach_ancestor(obj->type, reset_rows, obj);
}

static void phase_hold(Object *obj)
{
    if (obj->realized) {
        type_foreach_ancestor(obj->type, call_reset_hold, obj);
    }
}

static void phase_exit(Object *obj)
{
    if (obj->realized) {
        type_foreach_ancestor(obj->type, call_reset_exit, obj);
    }
}

static void phase_sync(Object *obj)
{
    if (obj->realized) {
        object_sync(obj);
    }
}

static void walk_tree(Object *obj, void (*phase)(Object *obj))
{
    phase(obj);
    for (guint i = 0; i < obj->children->len; i++) {
        walk_tree(obj->children->pdata[i], phase);
    }
}

void object_reset(Object *obj)
{
    walk_tree(obj, phase_enter);
    walk_tree(obj, phase_hold);
    walk_tree(obj, phase_exit);
    walk_tree(obj, phase_sync);
}

void object_sync(Object *obj)
{
    for (const Type *t = obj->type; t; t = t->parent) {
        if (t->sync) {
            t->sync(obj);
            return;
        }
    }
}
