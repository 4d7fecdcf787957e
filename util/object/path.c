/* SPDX-License-Identifier: MIT */
/* The composition tree: the root, containers, absolute and partial paths. */
#include "util/object/internal.h"

#include <string.h>

Object *object_root(void)
{
    static Object *root;

    if (!root) {
        root = object_new(type_find("container"));
    }
    return root;
}

Object *object_child(const Object *obj, const char *name)
{
    for (guint i = 0; i < obj->children->len; i++) {
        Object *child = obj->children->pdata[i];

        if (strcmp(child->name, name) == 0) {
            return child;
        }
    }
    return NULL;
}

Object *object_container(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    Object *obj = object_root();

    for (char **part = parts; *part; part++) {
        if (!**part) {
            continue;
        }
        Object *child = object_child(obj, *part);
        if (!child) {
            child = object_new(type_find("container"));
            object_add_child(obj, *part, child);
        }
        obj = child;
    }
    return obj;
}

/* Follows the names in `parts` down from `obj`; NULL when one is missing. */
static Object *descend(Object *obj, char *const *parts)
{
    for (; obj && *parts; parts++) {
        if (**parts) {
            obj = object_child(obj, *parts);
        }
    }
    return obj;
}

/* Counts the objects below `obj` whose path ends in `parts`, remembering the last one. */
static unsigned count_matches(Object *obj, char *const *parts, Object **ret_match)
{
    Object *here = descend(obj, parts);
    unsigned matches = 0;

    if (here) {
        *ret_match = here;
        matches = 1;
    }
    for (guint i = 0; i < obj->children->len; i++) {
        matches += count_matches(obj->children->pdata[i], parts, ret_match);
    }
    return matches;
}

Object *object_resolve(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    Object *match = NULL;

    if (path[0] == '/') {
        return descend(object_root(), parts);
    }
    if (!path[0] || count_matches(object_root(), parts, &match) != 1) {
        return NULL;
    }
    return match;
}

char *object_path(const Object *obj)
{
    GString *path = g_string_new(NULL);

    for (; obj->parent; obj = obj->parent) {
        g_string_prepend(path, obj->name);
        g_string_prepend_c(path, '/');
    }
    if (obj != object_root()) {
        g_string_prepend(path, "(not in the tree)");
    } else if (!path->len) {
        g_string_append_c(path, '/');
    }
    return g_string_free(path, FALSE);
}
