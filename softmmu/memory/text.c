/* SPDX-License-Identifier: MIT */
/* The text of `info mtree`. */
#include "softmmu/memory/internal.h"

#include <inttypes.h>

static const char *kind_name(RegionKind kind, bool read_only)
{
    switch (kind) {
    case REGION_RAM:
        return read_only ? "rom" : "ram";
    case REGION_ROM:
        return "rom";
    case REGION_IO:
        return "i/o";
    case REGION_RESERVED:
        return "reserved";
    case REGION_ALIAS:
        return "alias";
    default:
        return "container";
    }
}

static void print_bounds(GString *out, uint64_t start, uint64_t size)
{
    g_string_append_printf(out, "%016" PRIx64 "-%016" PRIx64, start,
                           size == UINT64_MAX ? UINT64_MAX : start + size - 1);
}

static int compare_places(gconstpointer a, gconstpointer b)
{
    const Region *x = *(Region *const *)a, *y = *(Region *const *)b;

    if (x->address != y->address) {
        return x->address < y->address ? -1 : 1;
    }
    return (y->priority > x->priority) - (y->priority < x->priority);
}

static void print_region(GString *out, const Region *region, uint64_t base, unsigned indent)
{
    g_string_append_printf(out, "%*s", (int)indent, "");
    print_bounds(out, base, region->size);
    g_string_append_printf(out, " (prio %d, ", region->priority);
    if (region->kind == REGION_ALIAS) {
        g_string_append_printf(out, "%s): alias %s @%s ",
                               kind_name(region->target->kind, region->read_only), region->name,
                               region->target->name);
        print_bounds(out, region->target_offset, region->size);
    } else {
        g_string_append_printf(out, "%s): %s", kind_name(region->kind, region->read_only),
                               region->name);
    }
    g_string_append(out, region->write_only ? " [write-only]" : "");
    g_string_append(out, region->enabled ? "\n" : " [disabled]\n");
    if (!region->children) {
        return;
    }
    g_autoptr(GPtrArray) sorted = g_ptr_array_copy(region->children, NULL, NULL);

    g_ptr_array_sort(sorted, compare_places);
    for (guint i = 0; i < sorted->len; i++) {
        const Region *child = g_ptr_array_index(sorted, i);

        print_region(out, child, base + child->address, indent + 2);
    }
}

static void print_view(GString *out, const AddressSpace *as)
{
    g_string_append_printf(out, "flat view of %s (root %s)\n", as->name, as->root->name);
    for (size_t i = 0; i < as->view->count; i++) {
        const FlatRange *range = &as->view->ranges[i];

        g_string_append(out, "  ");
        print_bounds(out, range->start, range->size);
        g_string_append_printf(out, " (%s): %s", kind_name(range->region->kind, range->read_only),
                               range->region->name);
        if (range->region_offset) {
            g_string_append_printf(out, " @%016" PRIx64, range->region_offset);
        }
        g_string_append(out, range->write_host ? " (writes go to RAM)\n" : "\n");
    }
}

char *memory_tree_text(bool flat)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; address_spaces && i < address_spaces->len; i++) {
        const AddressSpace *as = g_ptr_array_index(address_spaces, i);

        if (flat) {
            print_view(out, as);
        } else {
            g_string_append_printf(out, "address-space: %s\n", as->name);
            print_region(out, as->root, 0, 2);
        }
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}
