/* SPDX-License-Identifier: MIT */
/* Bench for device tests: the whole board "pc" without an accelerator, its CPUs parked, its virtual
 * clock the test's. One at a time. */
#ifndef TESTS_DEVICE_PC_BENCH_H
#define TESTS_DEVICE_PC_BENCH_H

#include "hw/fw-cfg.h"
#include "hw/machine.h"
#include "hw/pci.h"
#include "softmmu/run.h"
#include "target/i386/cpu.h"

static Machine *pc;

static inline void pc_bench_init(void)
{
    Error *err = NULL;

    machine_lock();
    main_loop_set(loop_new("bench", &machine_loop_lock, NULL));
    clock_virtual_take_over(NS_PER_SECOND);
    cpu_model_select(NULL, &err);
    g_assert_null(err);
}

/* Makes the machine with one property besides its memory (NULL: none) and resets it. */
static inline bool pc_bench_try(const char *memory, const char *property, const char *value,
                                Error **err)
{
    const Type *type = machine_find("pc");

    g_assert_nonnull(type);
    pc = (Machine *)object_new(type);
    g_assert_true(object_set(&pc->obj, "memory.size", memory, NULL));
    g_assert_true(!property || object_set(&pc->obj, property, value, NULL));
    object_add_child(object_root(), "machine", &pc->obj);
    if (!object_realize(&pc->obj, err) || !machine_ready(pc, err)) {
        return false;
    }
    machine_reset(pc);
    return true;
}

static inline void pc_bench_make(const char *memory)
{
    Error *err = NULL;

    pc_bench_try(memory, NULL, NULL, &err);
    if (err) {
        g_error("%s", error_message(err));
    }
}

static inline void pc_bench_free(void)
{
    object_free(&pc->obj);
    pc = NULL;
}

#define PC_BENCH_STILL_ON 77

static inline void pc_bench_end_run(void *opaque)
{
    system_exit_request(PC_BENCH_STILL_ON, SHUTDOWN_CAUSE_HOST_QUIT);
}

/* Acts upon what was requested; PC_BENCH_STILL_ON,
 * or the exit status when that ended the machine. */
static inline int pc_bench_run(void)
{
    loop_post(main_loop(), pc_bench_end_run, NULL);
    int status = run_main_loop();
    if (status != PC_BENCH_STILL_ON) {
        run_main_loop(); /* until the posted end */
    }
    return status;
}

static inline uint64_t port_in(uint16_t port, unsigned size)
{
    return address_space_load(&address_space_io, port, size, NULL);
}

static inline void port_out(uint16_t port, uint64_t value, unsigned size)
{
    address_space_store(&address_space_io, port, value, size);
}

static inline uint64_t mem_get(uint64_t address, unsigned size)
{
    return address_space_load(&address_space_memory, address, size, NULL);
}

static inline void mem_put(uint64_t address, uint64_t value, unsigned size)
{
    address_space_store(&address_space_memory, address, value, size);
}

static inline uint32_t config_get(unsigned devfn, unsigned offset, unsigned size)
{
    port_out(0xcf8, 0x80000000u | devfn << 8 | (offset & 0xfc), 4);
    return (uint32_t)port_in((uint16_t)(0xcfc + (offset & 3)), size);
}

static inline void config_put(unsigned devfn, unsigned offset, uint32_t value, unsigned size)
{
    port_out(0xcf8, 0x80000000u | devfn << 8 | (offset & 0xfc), 4);
    port_out((uint16_t)(0xcfc + (offset & 3)), value, size);
}

#endif
