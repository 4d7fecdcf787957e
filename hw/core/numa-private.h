/* SPDX-License-Identifier: MIT */
/* What the files about -numa share. */
#ifndef HW_CORE_NUMA_PRIVATE_H
#define HW_CORE_NUMA_PRIVATE_H

#include "hw/machine.h"

typedef struct NumaReader {
    const Machine *machine;
    Numa *numa;
    bool present[NUMA_NODES_MAX];
    bool has_mem, has_memdev; /* which of them was used: all nodes use the same */
} NumaReader;

/* A number of an option; absent leaves *ret_value. `kind` is what it should have been: for the
 * error. */
bool numa_get_number(KeyVal *kv, const char *key, const char *kind, uint64_t *ret_value,
                     Error **err);
/* The same; absent fails. */
bool numa_get_needed_number(KeyVal *kv, const char *key, uint64_t *ret_value, Error **err);
/* Has an option given it a CPU so far? */
bool numa_has_cpus(const Numa *numa, const Machine *machine, unsigned node);

/* -- numa-attributes.c ------------------------------------------------------------------------- */

/* initiator= of a node. */
bool numa_add_initiator(NumaReader *r, unsigned node, KeyVal *kv, Error **err);
/* -numa hmat-lb and hmat-cache. */
bool numa_add_rate(NumaReader *r, KeyVal *kv, Error **err);
bool numa_add_cache(NumaReader *r, KeyVal *kv, Error **err);
/* When all nodes and CPUs are known. */
bool numa_check_initiators(NumaReader *r, Error **err);

#endif
