/* SPDX-License-Identifier: MIT */
/* Guest RAM as an object of the user: anonymous, a file, a memfd. */
#include "softmmu/memory-backend.h"

#include "util/keyval.h"

#include <linux/mempolicy.h>

typedef struct RamBackend {
    MemoryBackend backend;
    bool share;
} RamBackend;

typedef struct FileBackend {
    MemoryBackend backend;
    bool share;
    char *mem_path;
    uint64_t align;
    bool read_only, discard_data;
} FileBackend;

typedef struct MemfdBackend {
    MemoryBackend backend;
    uint64_t hugetlbsize;
    bool share;
    bool hugetlb;
} MemfdBackend;

#define DEFAULT_HUGE_PAGE (2ull << 20)

/* What is common; the derived type adds where the memory comes from. */
static RamDesc describe(const MemoryBackend *backend)
{
    return (RamDesc){
        .name = backend->obj.name ? backend->obj.name : backend->obj.type->name,
        .size = backend->size,
        .prealloc = backend->prealloc,
        .prealloc_threads = backend->prealloc_threads,
        .no_reserve = !backend->reserve,
        .merge = backend->merge,
        .no_dump = !backend->dump,
        .policy = backend->policy,
        .host_nodes = {backend->host_nodes[0], backend->host_nodes[1]},
    };
}

/* Numbered as the kernel's MPOL_*. */
static const char *const policies[] = {"default", "preferred", "bind", "interleave", NULL};

static bool backend_realize(Object *obj, Error **err)
{
    MemoryBackend *backend = (MemoryBackend *)obj;

    if (backend->size == 0) {
        error_set(err, "%s needs a size", obj->type->name);
        error_hint(err, "for example size=512M");
        return false;
    }
    if (backend->prealloc && !backend->reserve) {
        return error_set(err, "prealloc=on takes all of the memory, reserve=off as little as "
                              "possible: leave one of them out");
    }
    if (backend->prealloc_threads == 0) {
        return error_set(err, "prealloc-threads=0: somebody has to do it");
    }
    bool has_nodes = backend->host_nodes[0] || backend->host_nodes[1];
    if (has_nodes && backend->policy == MPOL_DEFAULT) {
        return error_set(err, "host-nodes= says nothing without a policy=: give one, or "
                              "leave host-nodes= out");
    }
    if (!has_nodes && backend->policy != MPOL_DEFAULT) {
        return error_set(err, "policy=%s needs host-nodes=, the nodes that it is about",
                         policies[backend->policy]);
    }
    return true;
}

static void backend_unrealize(Object *obj)
{
    MemoryBackend *backend = (MemoryBackend *)obj;

    g_clear_pointer(&backend->block, ram_block_unref);
}

/* -- Nodes of the host: "3" or "0-3", as often as one likes ------------------------------------ */

#define HOST_NODES_MAX 128

static bool add_nodes(uint64_t *nodes, uint64_t first, uint64_t last, Error **err)
{
    if (last >= HOST_NODES_MAX) {
        return error_set(err, "host-nodes=%" G_GUINT64_FORMAT ": nodes are 0 to %d", (guint64)last,
                         HOST_NODES_MAX - 1);
    }
    for (uint64_t node = first; node <= last; node++) {
        nodes[node / 64] |= 1ull << node % 64;
    }
    return true;
}

static bool parse_nodes(const Field *field, void *address, const char *text, Error **err)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    uint64_t first, last;

    if (!ends[0] || !parse_u64(ends[0], &first, NULL) ||
        !parse_u64(ends[1] ? ends[1] : ends[0], &last, NULL) || first > last) {
        return error_set(err, "'%s' is neither a number of a node nor FIRST-LAST", text);
    }
    return add_nodes(address, first, last, err);
}

static bool parse_node_number(const Field *field, void *address, int64_t value, Error **err)
{
    return add_nodes(address, (uint64_t)value, (uint64_t)value, err);
}

static void print_nodes(const Field *field, const void *address, GString *out)
{
    const uint64_t *nodes = address;

    for (unsigned node = 0; node < HOST_NODES_MAX; node++) {
        if (nodes[node / 64] >> node % 64 & 1) {
            g_string_append_printf(out, "%s%u", out->len ? "," : "", node);
        }
    }
}

static const FieldType field_type_nodes = {.name = "nodes",
                                           .parse = parse_nodes,
                                           .parse_integer = parse_node_number,
                                           .print = print_nodes,
                                           .is_list = true};

static const Field backend_fields[] = {
    PROP_SIZE(MemoryBackend, size, .desc = "bytes of guest memory (suffixes K M G T)"),
    PROP(MemoryBackend, prealloc, .desc = "allocate all pages at start"),
    PROP(MemoryBackend, prealloc_threads, .init = 1, .desc = "so many threads do it"),
    PROP(MemoryBackend, reserve, .init = true, .desc = "set swap aside for it"),
    PROP(MemoryBackend, merge, .init = true, .desc = "let the host merge equal pages"),
    PROP(MemoryBackend, dump, .init = true, .desc = "include it in core dumps"),
    PROP_ENUM(MemoryBackend, policy, .choices = policies,
              .desc = "how it is taken from host-nodes"),
    PROP_TYPED(MemoryBackend, host_nodes, &field_type_nodes,
               .desc = "NUMA nodes of the host: N or FIRST-LAST"),
    DERIVED(MemoryBackend, block),
    FIELDS_END,
};

/* Guest memory holds a reference. */
static bool backend_is_used(const Object *obj)
{
    const MemoryBackend *backend = (const MemoryBackend *)obj;

    return backend->block && backend->block->references > 1;
}

const Type memory_backend_type = {
    .name = "memory-backend",
    .parent = &object_type,
    .size = sizeof(MemoryBackend),
    .fields = backend_fields,
    .id_container = "/objects",
    .is_used = backend_is_used,
    .realize = backend_realize,
    .unrealize = backend_unrealize,
    .abstract = true,
};
OBJECT_TYPE(memory_backend_type);

MemoryBackend *memory_backend_find(const char *id, Error **err)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj) {
        error_set(err, "no memory back end '%s'", id);
        error_hint(err, "make one with -object memory-backend-ram,id=%s,size=...", id);
        return NULL;
    }
    if (!object_is_a(obj, &memory_backend_type)) {
        error_set(err, "'%s' is a %s, not a memory back end", id, obj->type->name);
        return NULL;
    }
    return (MemoryBackend *)obj;
}

/* -- memory-backend-ram ------------------------------------------------------------------------ */

static bool ram_realize(Object *obj, Error **err)
{
    RamBackend *ram = (RamBackend *)obj;
    RamDesc desc = describe(&ram->backend);

    desc.share = ram->share;
    ram->backend.block = ram_block_new(&desc, err);
    return ram->backend.block != NULL;
}

static const Field ram_fields[] = {
    PROP(RamBackend, share, .desc = "a memfd that other processes may map"),
    FIELDS_END,
};

static const Type ram_backend_type = {
    .name = "memory-backend-ram",
    .parent = &memory_backend_type,
    .size = sizeof(RamBackend),
    .desc = "anonymous memory",
    .fields = ram_fields,
    .realize = ram_realize,
    .user_creatable = true,
};
OBJECT_TYPE(ram_backend_type);

/* -- memory-backend-file ----------------------------------------------------------------------- */

static bool file_realize(Object *obj, Error **err)
{
    FileBackend *file = (FileBackend *)obj;
    RamDesc desc = describe(&file->backend);

    if (!file->mem_path) {
        return error_set(err, "%s needs mem-path, a file or a directory", obj->type->name);
    }
    if (file->align % TARGET_PAGE_SIZE || file->align & (file->align - 1)) {
        return error_set(err, "align=%" G_GUINT64_FORMAT ": a power of two, at least 4K",
                         (guint64)file->align);
    }
    desc.share = file->share;
    desc.path = file->mem_path;
    desc.align = file->align;
    desc.discards = file->discard_data;
    desc.read_only = file->read_only;
    file->backend.block = ram_block_new(&desc, err);
    return file->backend.block != NULL;
}

static const Field file_fields[] = {
    PROP(FileBackend, share, .desc = "writes go to the file"),
    PROP(FileBackend, mem_path, .desc = "file, or directory for a file without a name"),
    PROP_SIZE(FileBackend, align, .desc = "of the mapping; 0: what suits its pages"),
    PROP(FileBackend, discard_data, .desc = "with share=on: throw its contents away at the end"),
    PROP(FileBackend, read_only, .prop_name = "readonly", .desc = "the guest cannot write"),
    FIELDS_END,
};

static const Type file_backend_type = {
    .name = "memory-backend-file",
    .parent = &memory_backend_type,
    .size = sizeof(FileBackend),
    .desc = "memory in a file, as of tmpfs or hugetlbfs",
    .fields = file_fields,
    .realize = file_realize,
    .user_creatable = true,
};
OBJECT_TYPE(file_backend_type);

/* -- memory-backend-memfd ---------------------------------------------------------------------- */

static bool memfd_realize(Object *obj, Error **err)
{
    MemfdBackend *memfd = (MemfdBackend *)obj;
    RamDesc desc = describe(&memfd->backend);

    if (memfd->hugetlbsize && !memfd->hugetlb) {
        return error_set(err, "hugetlbsize needs hugetlb=on");
    }
    if (memfd->hugetlbsize & (memfd->hugetlbsize - 1)) {
        return error_set(err, "hugetlbsize is not a power of two");
    }
    if (memfd->hugetlb) {
        desc.huge_page_size = memfd->hugetlbsize ? memfd->hugetlbsize : DEFAULT_HUGE_PAGE;
    }
    desc.share = memfd->share;
    desc.memfd = true;
    memfd->backend.block = ram_block_new(&desc, err);
    return memfd->backend.block != NULL;
}

static const Field memfd_fields[] = {
    PROP(MemfdBackend, share, .init = true, .desc = "others may map it and see writes"),
    PROP(MemfdBackend, hugetlb, .desc = "of huge pages the host has set aside"),
    PROP_SIZE(MemfdBackend, hugetlbsize, .desc = "size of such a page, 2M by default"),
    FIELDS_END,
};

static const Type memfd_backend_type = {
    .name = "memory-backend-memfd",
    .parent = &memory_backend_type,
    .size = sizeof(MemfdBackend),
    .desc = "memory in a memfd, for processes that share it",
    .fields = memfd_fields,
    .realize = memfd_realize,
    .user_creatable = true,
};
OBJECT_TYPE(memfd_backend_type);
