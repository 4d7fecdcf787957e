/* SPDX-License-Identifier: MIT */
/* Memory: a tree of regions flattened into a sorted view per address space. Changes under the
 * machine lock; see docs/design/memory.md. */
#ifndef SOFTMMU_MEMORY_H
#define SOFTMMU_MEMORY_H

#include "util/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Object Object;
typedef struct Region Region;
typedef struct RamBlock RamBlock;
typedef struct AddressSpace AddressSpace;
typedef struct FlatView FlatView;

#define TARGET_PAGE_BITS 12
#define TARGET_PAGE_SIZE 4096ull

/* -- RAM blocks -------------------------------------------------------------------------------- */

typedef enum DirtyClient { DIRTY_VGA, DIRTY_MIGRATION, DIRTY_CODE, DIRTY_CLIENT_COUNT } DirtyClient;

struct RamBlock {
    char *name;                       /* "pc.ram", unique */
    uint8_t *host;                    /* page aligned, 2 MiB aligned when anonymous */
    uint64_t size;                    /* bytes, a multiple of the page size */
    int fd;                           /* backing file or memfd, -1 when anonymous */
    bool shared, read_only, discards; /* `discards`: what is in it goes with it */
    unsigned references;
    /* A bit per page; for DIRTY_CODE a clear bit means "holds translated code". */
    uint64_t *dirty[DIRTY_CLIENT_COUNT];
    unsigned logged_clients; /* bit per client: ram_block_log() */
    /* Unique offset of the block in the space of all blocks: names a physical page of RAM. */
    uint64_t ram_address;
};

typedef struct RamDesc {
    const char *name;
    uint64_t size;
    const char *path;        /* file or directory (-mem-path), NULL: anonymous */
    bool share;              /* memfd, or MAP_SHARED of the file */
    bool memfd;              /* a memfd even when not shared: mapped privately */
    uint64_t huge_page_size; /* memfd: 0 for pages of the ordinary size */
    uint64_t align;          /* of the mapping, bytes: a power of two; 0: what suits the pages */
    bool prealloc, merge, read_only;
    unsigned prealloc_threads; /* that share the work; 0: 1 */
    bool no_reserve;           /* no swap is set aside for it: writing may find none */
    bool no_dump;              /* left out of core dumps */
    bool discards;             /* what a shared file holds is thrown away at the end */
    int policy; /* MPOL_DEFAULT, or how to take it from these nodes of the host (bit N: node N) */
    uint64_t host_nodes[2];
} RamDesc;

/* Reserves and maps. SIGBUS of a full tmpfs is reported as an error when preallocating. */
RamBlock *ram_block_new(const RamDesc *desc, Error **err);
/* Calls fn for each block, in the order of their addresses in RAM. Under the machine lock. */
void ram_block_foreach(void (*fn)(const RamBlock *block, void *opaque), void *opaque);
/* Locks all blocks that are there into the host's memory. */
bool ram_lock_all(Error **err);
/* Another page of the host's takes the place of the one at `offset`, which nobody may be using. */
bool ram_block_renew(RamBlock *block, uint64_t offset, Error **err);
RamBlock *ram_block_ref(RamBlock *block);
void ram_block_unref(RamBlock *block);

/* -- Regions ----------------------------------------------------------------------------------- */

/* Access callbacks: `offset` from the region's start, `size` 1, 2, 4 or 8 bytes, little endian
 * values. Under the lock. */
typedef struct RegionOps {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    /* Sizes the callbacks take. The core splits larger accesses, lowest address first, and widens
     * smaller ones: a read takes its bytes out of the aligned unit, a write fills the other bytes
     * with zeros. 0: 1 and 4. */
    uint8_t impl_min, impl_max;
    /* Sizes the guest may use; others read all ones and are dropped as a guest error.
     * 0: 1 and 8. */
    uint8_t valid_min, valid_max;
    /* The callbacks take accesses that are not size-aligned; otherwise the core splits them. */
    bool unaligned;
} RegionOps;

typedef enum RegionKind {
    REGION_CONTAINER,
    REGION_RAM,
    REGION_ROM,
    REGION_IO,
    REGION_ALIAS,
    REGION_RESERVED
} RegionKind;

typedef struct RegionDesc {
    const char *name;
    RegionKind kind;
    uint64_t size;        /* bytes; UINT64_MAX: the whole 64-bit space but its last byte */
    Object *owner;        /* its sync() runs after each write; may be NULL */
    const RegionOps *ops; /* IO; ROM: write (NULL drops writes) */
    void *opaque;
    RamBlock *ram; /* RAM, ROM: referenced until region_fini() */
    uint64_t ram_offset;
    Region *target; /* ALIAS */
    uint64_t target_offset;
    /* IO: writes to so many bytes at the start may be kept back until a callback is called next. */
    uint64_t posted_size;
} RegionDesc;

struct Region {
    const char *name;
    RegionKind kind;
    bool enabled, read_only, write_only;
    int priority;
    uint64_t address; /* in its container */
    uint64_t size;
    Object *owner;
    const RegionOps *ops;
    void *opaque;
    RamBlock *ram;
    uint64_t ram_offset;
    Region *target;
    uint64_t target_offset, posted_size;
    Region *container;
    /* Sorted by priority, highest first; of equal ones the one added later wins. */
    GPtrArray *children;
    GPtrArray *events; /* softmmu/region-event.h; may be NULL */
};

void region_init(Region *region, const RegionDesc *desc);
/* Leaves its container and drops the RAM reference. Safe on a zeroed region. */
void region_fini(Region *region);

/* Puts `child` at `address` of `container`; higher priority hides lower. */
void region_add(Region *container, uint64_t address, Region *child, int priority);
void region_del(Region *child); /* no-op when not in a container */

void region_set_enabled(Region *region, bool enabled);
void region_set_address(Region *region, uint64_t address);
void region_set_alias(Region *region, uint64_t target_offset);
void region_set_read_only(Region *region,
                          bool read_only); /* of a RAM region or an alias: writes are dropped */

/* Of a RAM region or an alias of one: it takes writes, and reads see what lies behind it. */
void region_set_write_only(Region *region, bool write_only);

/* Changes between the two are published once, by the outermost commit. */
void region_transaction_begin(void);
void region_transaction_commit(void);

/* -- Address spaces and flat views ------------------------------------------------------------- */

typedef struct FlatRange {
    uint64_t start, size;   /* bytes of the address space */
    Region *region;         /* the leaf: RAM, ROM, IO; RESERVED reads all ones */
    uint64_t region_offset; /* of `start` in the region */
    uint8_t *host;          /* RAM, ROM: host address of `start`, else NULL */
    bool read_only;         /* writes go to region->ops, if any, or nowhere... */
    uint8_t *write_host;    /* ...or there: RAM of a write-only region in front, else NULL */
} FlatRange;

struct FlatView {
    unsigned references; /* atomic */
    unsigned last;       /* atomic, a hint: index of the range the latest lookup found */
    size_t count;
    FlatRange ranges[]; /* sorted, not overlapping; gaps are unassigned */
};

struct AddressSpace {
    const char *name;
    Region *root;
    FlatView *view; /* published atomically; see address_space_view() */
    GPtrArray *listeners;
};

/* What CPUs see in system management mode is a view of its own where the board has one (root set);
 * elsewhere they see address_space_memory. Their instruction fetches may see another one still. */
extern AddressSpace address_space_memory, address_space_smm, address_space_smm_code,
    address_space_io;

void address_space_init(AddressSpace *as, Region *root, const char *name);
void address_space_fini(AddressSpace *as);

/* Called under the lock after a new view was published;
 * vCPUs drop what they cached of the old one. */
typedef void AddressSpaceListener(AddressSpace *as, void *opaque);
void address_space_listen(AddressSpace *as, AddressSpaceListener *listener, void *opaque);
void address_space_unlisten(AddressSpace *as, void *opaque);

/* The range that holds `address`, or NULL. Under the lock, or in a vCPU thread between two safe
 * points: a replaced view lives until every vCPU has passed one. Built without SSE; no allocation.
 */
const FlatRange *address_space_lookup(const AddressSpace *as, uint64_t address);

typedef enum MemResult {
    MEM_OK = 0,
    MEM_UNASSIGNED = 1, /* some byte had no region: read as all ones, write dropped */
    MEM_REFUSED = 2     /* a region refused the access size */
} MemResult;

/* Any length, crossing ranges; RAM bytes copied, IO split into declared sizes. Under the machine
 * lock. */
MemResult address_space_read(AddressSpace *as, uint64_t address, void *buffer, size_t size);
MemResult address_space_write(AddressSpace *as, uint64_t address, const void *buffer, size_t size);

/* One access of 1, 2, 4 or 8 bytes, as a CPU makes it. */
uint64_t address_space_load(AddressSpace *as, uint64_t address, unsigned size,
                            MemResult *ret_result);
MemResult address_space_store(AddressSpace *as, uint64_t address, uint64_t value, unsigned size);

/* Host pointer to `*size` contiguous RAM bytes (clipped), or NULL when not writable/readable RAM.
 * Ends with _unmap. */
void *address_space_map(AddressSpace *as, uint64_t address, uint64_t *size, bool is_write,
                        RamBlock **ret_block);
void address_space_unmap(RamBlock *block, void *host, uint64_t written);

/* -- Dirty pages: any thread ------------------------------------------------------------------- */

/* Marks for all clients and, where a page held translated code, has the translator drop it. Every
 * write to guest RAM that is not made by translated code itself goes through here. `offset` in the
 * block. */
void ram_block_mark_dirty(RamBlock *block, uint64_t offset, uint64_t size);
bool ram_block_test_and_clear_dirty(RamBlock *block, DirtyClient client, uint64_t offset,
                                    uint64_t size);

/* A client wants to know what the guest writes, or no longer. Needed where an accelerator has the
 * guest write memory without asking; what was written before is not told. Under the lock. */
void ram_block_log(RamBlock *block, DirtyClient client, bool on);

/* That accelerator's hooks: a block's clients have changed; what the guest has written in the range
 * is wanted in the bitmaps. Under the lock. */
extern void (*ram_log_changed)(RamBlock *block);
extern void (*ram_dirty_wanted)(RamBlock *block, uint64_t offset, uint64_t size);

/* The translator's hook: called by ram_block_mark_dirty() for ranges that touch pages with
 * translated code. */
extern void (*ram_code_written)(RamBlock *block, uint64_t offset, uint64_t size);

/* The translator's other hook: dirty bits of the range were cleared; returns when no vCPU can write
 * there any more without setting them again, and what was written before is there to be read.
 * Called by ram_block_test_and_clear_dirty(), which is therefore under the machine lock when there
 * are vCPUs; it is dropped while they are waited for. */
extern void (*ram_dirty_cleared)(RamBlock *block, uint64_t offset, uint64_t size);

/* Block and offset of a host pointer into guest RAM; NULL if it is none. */
RamBlock *ram_block_from_host(const void *host, uint64_t *ret_offset);

/* Text of `info mtree`; caller frees. */
char *memory_tree_text(bool flat);

#endif
