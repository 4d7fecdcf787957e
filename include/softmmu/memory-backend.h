/* SPDX-License-Identifier: MIT */
/* Memory back ends: guest RAM as `-object memory-backend-ram|file|memfd,id=,size=`, named by
 * `-machine memory-backend=ID`. */
#ifndef SOFTMMU_MEMORY_BACKEND_H
#define SOFTMMU_MEMORY_BACKEND_H

#include "softmmu/memory.h"
#include "util/object.h"

typedef struct MemoryBackend {
    Object obj;
    uint64_t size;   /* PROP: bytes */
    RamBlock *block; /* DERIVED: from realize to unrealize; users take references of their own */
    bool prealloc;   /* PROP: all pages are allocated at start... */
    uint32_t prealloc_threads; /* PROP: ...by so many threads */
    bool reserve;              /* PROP: swap is set aside for it */
    bool merge;                /* PROP: the host may merge equal pages */
    bool dump;                 /* PROP: it is in core dumps */
    int policy;                /* PROP: MPOL_*: how it comes from the host's nodes... */
    uint64_t host_nodes[2];    /* PROP: ...bit N: node N */
} MemoryBackend;

extern const Type memory_backend_type; /* "memory-backend", abstract; ids live in /objects */

/* The realized back end of that id, for `-machine memory-backend=ID`; fails on unknown ids and on
 * objects of another kind. */
MemoryBackend *memory_backend_find(const char *id, Error **err);

#endif
