/* SPDX-License-Identifier: MIT */
/* NUMA: what -numa says of a machine's nodes, each some memory and some CPUs. Under the machine
 * lock. */
#ifndef HW_NUMA_H
#define HW_NUMA_H

#include "util/keyval.h"

#define NUMA_NODES_MAX 128
#define NUMA_DISTANCE_LOCAL 10
#define NUMA_DISTANCE_REMOTE 20 /* where an option says nothing */
#define NUMA_DISTANCE_NONE 255  /* cannot be reached */

typedef struct Machine Machine;
typedef struct MemoryBackend MemoryBackend;

/* One -numa. */
typedef struct NumaOption {
    KeyVal *kv;
    char *origin; /* as the user typed it: for errors */
} NumaOption;

/* How fast an initiator (a node with CPUs) reaches a target: nanoseconds or MiB/s. */
typedef struct NumaRate {
    uint8_t initiator, target;
    uint64_t value;
} NumaRate;

#define NUMA_RATE_MAX 65534 /* units */
typedef struct NumaRates {
    GArray *list;  /* of NumaRate; NULL: none */
    uint64_t unit; /* that all values are multiples of */
} NumaRates;

/* Of memory itself and three levels of caches beside it; latency of access, read, write, then the
 * same of bandwidth. */
enum { NUMA_HIERARCHIES = 4, NUMA_DATA_TYPES = 6, NUMA_FIRST_BANDWIDTH = 3 };

/* The words of -numa for these and for caches, NULL-terminated. */
extern const char *const numa_hierarchies[], *const numa_data_types[];
extern const char *const numa_associativities[], *const numa_policies[];

#define NUMA_CACHE_LEVELS 3
typedef struct NumaCache {
    uint64_t size;                  /* bytes */
    unsigned associativity, policy; /* as the HMAT numbers them */
    uint16_t line;                  /* bytes */
} NumaCache;

typedef struct NumaNode {
    uint64_t size;          /* bytes; node N's memory lies behind that of the nodes before it */
    MemoryBackend *backend; /* memdev=; NULL: a part of the machine's own memory, or no memory */
    int initiator;          /* node whose CPUs are nearest, itself if it has any; -1: not said */
    NumaCache caches[NUMA_CACHE_LEVELS];
    unsigned cache_levels;
} NumaNode;

typedef struct Numa {
    unsigned count; /* of nodes */
    NumaNode nodes[NUMA_NODES_MAX];
    uint8_t *node_of_cpu; /* by CPU index, for all that can be there */
    bool has_distances;
    uint8_t distances[NUMA_NODES_MAX][NUMA_NODES_MAX]; /* [from][to] */
    bool has_attributes;                               /* the machine has an HMAT */
    NumaRates rates[NUMA_HIERARCHIES][NUMA_DATA_TYPES];
} Numa;

/* The nodes that machine->numa_options describe, checked against memory and CPUs, which have their
 * final values; caller frees. NULL and *err. */
Numa *numa_new(const Machine *machine, Error **err);
void numa_free(Numa *numa);

/* Node of a CPU; -1 where the machine has no nodes. */
int machine_cpu_node(const Machine *machine, unsigned cpu);

/* Index of a CPU in the shape of -smp: socket, die of it, core of that, thread of that. */
typedef struct CpuPlace {
    unsigned socket, die, core, thread;
} CpuPlace;
CpuPlace machine_cpu_place(const Machine *machine, unsigned cpu);

#endif
