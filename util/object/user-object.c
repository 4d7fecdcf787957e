/* SPDX-License-Identifier: MIT */
/* Objects that the user makes and takes away: -object, object_add, object_del. */
#include "util/object.h"
#include "util/keyval.h"
#include "util/suggest.h"

#include <string.h>

static bool is_user_type(const Type *type)
{
    const Type *device = type_find("device");

    return type->user_creatable && !type->abstract && !(device && type_is_a(type, device));
}

typedef struct Visit {
    void (*fn)(const Type *type, void *opaque);
    void *opaque;
} Visit;

static void visit_type(const Type *type, void *opaque)
{
    const Visit *visit = opaque;

    if (is_user_type(type)) {
        visit->fn(type, visit->opaque);
    }
}

void user_object_foreach_type(void (*fn)(const Type *type, void *opaque), void *opaque)
{
    Visit visit = {fn, opaque};

    type_foreach(&object_type, visit_type, &visit);
}

static void offer_type(const Type *type, void *opaque)
{
    suggest_offer(opaque, type->name);
}

static const Type *find_type(const char *name, Error **err)
{
    const Type *type = type_find(name), *device = type_find("device");
    Suggest suggest;

    if (type && is_user_type(type)) {
        return type;
    }
    if (type && device && type_is_a(type, device)) {
        error_set(err, "'%s' is a device: use -device", name);
        return NULL;
    }
    suggest_init(&suggest, name);
    user_object_foreach_type(offer_type, &suggest);
    error_set(err, "unknown object type '%s'%s", name, suggest_text(&suggest));
    error_hint(err, "-object help lists the types");
    return NULL;
}

Object *user_object_add(KeyVal *kv, Error **err)
{
    static const char *const own_keys[] = {"qom-type", "id", NULL};
    const char *name = keyval_get(kv, "qom-type"), *id = keyval_get(kv, "id");

    if (!name || !id) {
        error_set(err, "Parameter '%s' is missing", name ? "id" : "qom-type");
        return NULL;
    }
    const Type *type = find_type(name, err);
    if (!type) {
        return NULL;
    }
    Object *home = object_container("/objects");
    if (!*id || strchr(id, '/') || object_child(home, id)) {
        error_set(err, "id '%s' cannot be used%s", id,
                  object_child(home, id) ? ": there is an object of that name" : "");
        return NULL;
    }
    Object *obj = object_new(type);
    object_add_child(home, id, obj);
    if (!object_set_all(obj, kv, own_keys, err) || !object_realize(obj, err)) {
        object_free(obj);
        return NULL;
    }
    return obj;
}

/* -- Taking away ------------------------------------------------------------------------------- */

typedef struct Users {
    const Object *wanted;
    bool found;
} Users;

static void look_at_field(const Field *field, void *address, void *opaque)
{
    Users *users = opaque;
    bool is_pointer = field->kind == FIELD_LINK || field->type == &field_type_link;

    if (is_pointer && field->size == sizeof(Object *) &&
        *(Object *const *)address == users->wanted) {
        users->found = true;
    }
}

/* Something below `at` links to it. */
static bool is_linked(const Object *at, Users *users)
{
    object_foreach_field(at, look_at_field, users);
    for (guint i = 0; i < at->children->len && !users->found; i++) {
        is_linked(at->children->pdata[i], users);
    }
    return users->found;
}

static bool is_used(const Object *obj)
{
    Users users = {.wanted = obj};

    for (const Type *type = obj->type; type; type = type->parent) {
        if (type->is_used && type->is_used(obj)) {
            return true;
        }
    }
    return is_linked(object_root(), &users);
}

bool user_object_del(const char *id, Error **err)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj) {
        return error_set(err, "object '%s' not found", id);
    }
    if (is_used(obj)) {
        return error_set(err, "something uses the object '%s': it has to stay", id);
    }
    object_unrealize(obj);
    object_free(obj);
    return true;
}
