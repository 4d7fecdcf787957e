/* SPDX-License-Identifier: MIT */
/* The region tree: who lies where in which container. Every change ends in flat_views_update(). */
#include "softmmu/memory/internal.h"

static unsigned transaction_depth;
static bool changes_pending;

static void tree_changed(void)
{
    if (transaction_depth > 0) {
        changes_pending = true;
    } else {
        flat_views_update();
    }
}

void region_transaction_begin(void)
{
    transaction_depth++;
}

void region_transaction_commit(void)
{
    g_assert(transaction_depth > 0);
    if (--transaction_depth == 0 && changes_pending) {
        changes_pending = false;
        flat_views_update();
    }
}

void region_init(Region *region, const RegionDesc *desc)
{
    bool backed = desc->kind == REGION_RAM || desc->kind == REGION_ROM;

    g_assert(desc->size > 0 && backed == (desc->ram != NULL));
    g_assert(desc->kind != REGION_IO || desc->ops);
    g_assert((desc->kind == REGION_ALIAS) == (desc->target != NULL));
    g_assert(!backed ||
             (desc->size <= desc->ram->size && desc->ram_offset <= desc->ram->size - desc->size));
    *region = (Region){
        .name = g_intern_string(desc->name),
        .kind = desc->kind,
        .enabled = true,
        .read_only = desc->kind == REGION_ROM,
        .size = desc->size,
        .owner = desc->owner,
        .ops = desc->ops,
        .opaque = desc->opaque,
        .ram = backed ? ram_block_ref(desc->ram) : NULL,
        .ram_offset = desc->ram_offset,
        .target = desc->target,
        .target_offset = desc->target_offset,
        .posted_size = desc->posted_size,
    };
    if (desc->kind == REGION_CONTAINER) {
        region->children = g_ptr_array_new();
    }
}

void region_fini(Region *region)
{
    region_transaction_begin();
    region_del(region);
    while (region->children && region->children->len > 0) {
        region_del(g_ptr_array_index(region->children, 0));
    }
    region->enabled = false; /* whoever still shows it, as the root of a space, shows nothing */
    region_transaction_commit();
    g_clear_pointer(&region->children, g_ptr_array_unref);
    g_clear_pointer(&region->ram, ram_block_unref);
    g_assert(!region->events);
}

void region_add(Region *container, uint64_t address, Region *child, int priority)
{
    GPtrArray *siblings = container->children;
    guint at = 0;

    g_assert(container->kind == REGION_CONTAINER && !child->container && child != container);
    while (at < siblings->len && ((Region *)g_ptr_array_index(siblings, at))->priority > priority) {
        at++;
    }
    g_ptr_array_insert(siblings, (int)at, child);
    child->container = container;
    child->address = address;
    child->priority = priority;
    tree_changed();
}

void region_del(Region *child)
{
    if (!child->container) {
        return;
    }
    g_ptr_array_remove(child->container->children, child);
    child->container = NULL;
    tree_changed();
}

void region_set_enabled(Region *region, bool enabled)
{
    if (region->enabled != enabled) {
        region->enabled = enabled;
        tree_changed();
    }
}

void region_set_address(Region *region, uint64_t address)
{
    if (region->address != address) {
        region->address = address;
        tree_changed();
    }
}

void region_set_alias(Region *region, uint64_t target_offset)
{
    g_assert(region->kind == REGION_ALIAS);
    if (region->target_offset != target_offset) {
        region->target_offset = target_offset;
        tree_changed();
    }
}

void region_set_write_only(Region *region, bool write_only)
{
    g_assert(region->kind == REGION_RAM || region->kind == REGION_ALIAS);
    if (region->write_only != write_only) {
        region->write_only = write_only;
        tree_changed();
    }
}

void region_set_read_only(Region *region, bool read_only)
{
    g_assert(region->kind == REGION_RAM || region->kind == REGION_ALIAS);
    if (region->read_only != read_only) {
        region->read_only = read_only;
        tree_changed();
    }
}
