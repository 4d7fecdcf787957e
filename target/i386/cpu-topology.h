/* SPDX-License-Identifier: MIT */
/* How APIC ids are made of thread, core, die and package. Intel SDM vol. 3 ch. 9.9. Light. */
#ifndef TARGET_I386_CPU_TOPOLOGY_H
#define TARGET_I386_CPU_TOPOLOGY_H

#include "target/i386/cpu.h"

/* Bits it takes to tell `count` things apart. */
static inline unsigned topology_bits(unsigned count)
{
    return count > 1 ? 32 - (unsigned)__builtin_clz(count - 1) : 0;
}

/* Where the core's, the die's and the package's number begins in an APIC id. */
static inline unsigned topology_core_shift(const CpuTopology *topology)
{
    return topology_bits(topology->threads);
}

static inline unsigned topology_die_shift(const CpuTopology *topology)
{
    return topology_core_shift(topology) + topology_bits(topology->cores);
}

static inline unsigned topology_package_shift(const CpuTopology *topology)
{
    return topology_die_shift(topology) + topology_bits(topology->dies);
}

/* Logical processors of a die and of a package. */
static inline unsigned topology_per_die(const CpuTopology *topology)
{
    return topology->cores * topology->threads;
}

static inline unsigned topology_per_package(const CpuTopology *topology)
{
    return topology->dies * topology_per_die(topology);
}

/* A count from which guests work out the width of an id, by rounding up to a power of two: the ids
 * themselves are counted where rounding would miss the width. */
static inline unsigned topology_countable(unsigned count, unsigned bits)
{
    return topology_bits(count) == bits ? count : 1u << bits;
}

#endif
