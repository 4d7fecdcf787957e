/* SPDX-License-Identifier: MIT */
/* Bench for device tests: an ISA bus with port and memory space, recorded interrupt lines, and a
 * virtual clock that only the test moves. One per process. */
#ifndef TESTS_DEVICE_ISA_BENCH_H
#define TESTS_DEVICE_ISA_BENCH_H

#include "hw/isa.h"
#include "softmmu/run.h"

typedef struct IsaBench {
    Region io, memory;
    IsaBus bus;
    bool levels[ISA_IRQ_COUNT];
    unsigned rises[ISA_IRQ_COUNT];
} IsaBench;

static IsaBench bench;

static void bench_set_irq(void *owner, unsigned n, bool level)
{
    bench.rises[n] += level && !bench.levels[n];
    bench.levels[n] = level;
}

static inline Irq bench_irq(unsigned n)
{
    return (Irq){.set = bench_set_irq, .owner = &bench, .n = n};
}

static inline void bench_init(void)
{
    machine_lock();
    main_loop_set(loop_new("bench", &machine_loop_lock, NULL));
    clock_virtual_take_over(NS_PER_SECOND);
    region_init(&bench.io, &(RegionDesc){.name = "io", .size = 0x10000});
    region_init(&bench.memory, &(RegionDesc){.name = "memory", .size = UINT64_MAX});
    address_space_init(&address_space_io, &bench.io, "io");
    address_space_init(&address_space_memory, &bench.memory, "memory");
    isa_bus_init(&bench.bus, NULL, "isa.0", &bench.io, &bench.memory);
    for (unsigned i = 0; i < ISA_IRQ_COUNT; i++) {
        bench.bus.irqs[i] = bench_irq(i);
    }
}

static inline Device *bench_device(const char *type, const char *property, const char *value)
{
    Device *dev = device_new(type, &bench.bus.bus);

    if (property) {
        Error *err = NULL;
        object_set(&dev->obj, property, value, &err);
        g_assert_null(err);
    }
    return dev;
}

static inline void bench_start(void *dev)
{
    Error *err = NULL;

    object_realize(dev, &err);
    g_assert_null(err);
    object_reset(dev);
}

static inline uint8_t in8(uint16_t port)
{
    return (uint8_t)address_space_load(&address_space_io, port, 1, NULL);
}

static inline void out8(uint16_t port, uint8_t value)
{
    address_space_store(&address_space_io, port, value, 1);
}

static inline void advance_ns(int64_t ns)
{
    clock_virtual_advance_ns(main_loop(), ns);
}

#endif
