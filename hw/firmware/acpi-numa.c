/* SPDX-License-Identifier: MIT */
/* ACPI tables about NUMA nodes. ACPI 6.4, 5.2.16 (SRAT), 5.2.17 (SLIT) and 5.2.27 (HMAT). */
#include "hw/firmware/acpi-numa.h"

#define HOLE_START 0xa0000ull /* what is not RAM below 1 MiB... */
#define HOLE_END 0x100000ull
#define FOUR_GIB (1ull << 32) /* ...and where RAM goes on that does not fit below the PCI hole */

enum { SRAT_PROCESSOR = 0, SRAT_MEMORY = 1, SRAT_ENABLED = 1 };
enum { SRAT_PROCESSOR_SIZE = 16, SRAT_MEMORY_SIZE = 40 };

static void put(GByteArray *out, uint64_t value, unsigned size)
{
    uint64_t little = GUINT64_TO_LE(value);

    g_byte_array_append(out, (const uint8_t *)&little, size);
}

static void put_processor(GByteArray *out, unsigned node, uint32_t apic_id)
{
    put(out, SRAT_PROCESSOR, 1);
    put(out, SRAT_PROCESSOR_SIZE, 1);
    put(out, node, 1);
    put(out, apic_id, 1);
    put(out, SRAT_ENABLED, 4);
    put(out, 0, 1); /* SAPIC id */
    put(out, 0, 3); /* the node's upper bits */
    put(out, 0, 4); /* clock domain */
}

static void put_memory(GByteArray *out, unsigned node, uint64_t start, uint64_t end)
{
    if (start >= end) {
        return;
    }
    put(out, SRAT_MEMORY, 1);
    put(out, SRAT_MEMORY_SIZE, 1);
    put(out, node, 4);
    put(out, 0, 2);
    put(out, start, 8);
    put(out, end - start, 8);
    put(out, 0, 4);
    put(out, SRAT_ENABLED, 4);
    put(out, 0, 8);
}

/* Memory from `start` to `end`, counted without the hole below 4 GiB. */
static void put_node_memory(GByteArray *out, unsigned node, uint64_t start, uint64_t end,
                            uint64_t low)
{
    put_memory(out, node, start, MIN(end, HOLE_START));
    put_memory(out, node, MAX(start, HOLE_END), MIN(end, low));
    put_memory(out, node, MAX(start, low) - low + FOUR_GIB, MAX(end, low) - low + FOUR_GIB);
}

GByteArray *acpi_srat_body(const AcpiConfig *config)
{
    const Numa *numa = config->numa;
    GByteArray *out = g_byte_array_new();
    uint64_t start = 0;

    put(out, 1, 4); /* always 1 */
    put(out, 0, 8);
    for (unsigned i = 0; i < config->cpu_count; i++) {
        put_processor(out, numa->node_of_cpu[i], config->apic_id(i));
    }
    for (unsigned i = 0; i < numa->count; i++) {
        uint64_t end = start + numa->nodes[i].size;

        put_node_memory(out, i, start, end, config->low_memory);
        start = end;
    }
    return out;
}

GByteArray *acpi_slit_body(const Numa *numa)
{
    GByteArray *out = g_byte_array_new();

    put(out, numa->count, 8);
    for (unsigned i = 0; i < numa->count; i++) {
        g_byte_array_append(out, numa->distances[i], numa->count);
    }
    return out;
}

/* -- HMAT -------------------------------------------------------------------------------------- */

enum { HMAT_ATTRIBUTES = 0, HMAT_RATES = 1, HMAT_CACHE = 2, HMAT_INITIATOR_VALID = 1 };
enum { HMAT_ATTRIBUTES_SIZE = 40, HMAT_RATES_SIZE = 32, HMAT_CACHE_SIZE = 32 };
enum { PICOSECONDS = 1000 }; /* in the nanosecond that latencies are given in */

static void begin_structure(GByteArray *out, unsigned type, unsigned size)
{
    put(out, type, 2);
    put(out, 0, 2);
    put(out, size, 4);
}

static void put_attributes(GByteArray *out, const Numa *numa, unsigned node)
{
    int initiator = numa->nodes[node].initiator;

    begin_structure(out, HMAT_ATTRIBUTES, HMAT_ATTRIBUTES_SIZE);
    put(out, initiator >= 0 ? HMAT_INITIATOR_VALID : 0, 2);
    put(out, 0, 2);
    put(out, initiator >= 0 ? (unsigned)initiator : 0, 4);
    put(out, node, 4);
    put(out, 0, 4);
    put(out, 0, 8);
    put(out, 0, 8);
}

/* Nodes with CPUs. */
static unsigned list_initiators(const Numa *numa, uint8_t *nodes)
{
    unsigned count = 0;

    for (unsigned i = 0; i < numa->count; i++) {
        if (numa->nodes[i].initiator == (int)i) {
            nodes[count++] = (uint8_t)i;
        }
    }
    return count;
}

/* In units; 0: nothing is known. */
static uint64_t rate_between(const NumaRates *rates, unsigned initiator, unsigned target)
{
    for (guint i = 0; i < rates->list->len; i++) {
        const NumaRate *rate = &g_array_index(rates->list, NumaRate, i);
        if (rate->initiator == initiator && rate->target == target) {
            return rate->value / rates->unit;
        }
    }
    return 0;
}

static void put_rates(GByteArray *out, const Numa *numa, unsigned hierarchy, unsigned type)
{
    const NumaRates *rates = &numa->rates[hierarchy][type];
    uint8_t initiators[NUMA_NODES_MAX];
    unsigned count = list_initiators(numa, initiators);

    begin_structure(out, HMAT_RATES,
                    HMAT_RATES_SIZE + 4 * count + 4 * numa->count + 2 * count * numa->count);
    put(out, hierarchy, 1);
    put(out, type, 1);
    put(out, 0, 2);
    put(out, count, 4);
    put(out, numa->count, 4);
    put(out, 0, 4);
    put(out, type < NUMA_FIRST_BANDWIDTH ? rates->unit * PICOSECONDS : rates->unit, 8);
    for (unsigned i = 0; i < count; i++) {
        put(out, initiators[i], 4);
    }
    for (unsigned i = 0; i < numa->count; i++) {
        put(out, i, 4);
    }
    for (unsigned i = 0; i < count * numa->count; i++) {
        put(out, rate_between(rates, initiators[i / numa->count], i % numa->count), 2);
    }
}

static void put_cache(GByteArray *out, const NumaNode *node, unsigned id, unsigned level)
{
    const NumaCache *cache = &node->caches[level];

    begin_structure(out, HMAT_CACHE, HMAT_CACHE_SIZE);
    put(out, id, 4);
    put(out, 0, 4);
    put(out, cache->size, 8);
    put(out,
        node->cache_levels | (level + 1) << 4 | cache->associativity << 8 | cache->policy << 12 |
            (uint32_t)cache->line << 16,
        4);
    put(out, 0, 2);
    put(out, 0, 2); /* SMBIOS handles */
}

GByteArray *acpi_hmat_body(const Numa *numa)
{
    GByteArray *out = g_byte_array_new();

    put(out, 0, 4);
    for (unsigned i = 0; i < numa->count; i++) {
        if (numa->nodes[i].size) { /* of others Linux finds nothing in the SRAT, and drops all */
            put_attributes(out, numa, i);
        }
    }
    for (unsigned i = 0; i < NUMA_HIERARCHIES * NUMA_DATA_TYPES; i++) {
        if (numa->rates[i / NUMA_DATA_TYPES][i % NUMA_DATA_TYPES].list) {
            put_rates(out, numa, i / NUMA_DATA_TYPES, i % NUMA_DATA_TYPES);
        }
    }
    for (unsigned i = 0; i < numa->count; i++) {
        for (unsigned level = 0; level < numa->nodes[i].cache_levels; level++) {
            put_cache(out, &numa->nodes[i], i, level);
        }
    }
    return out;
}
