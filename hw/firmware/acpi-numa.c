/* SPDX-License-Identifier: MIT */
/* ACPI tables about NUMA nodes. ACPI 6.4, 5.2.16 (SRAT) and 5.2.17 (SLIT). */
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
