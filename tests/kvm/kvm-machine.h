/* SPDX-License-Identifier: MIT */
/* A machine for tests of accel/kvm and of what all accelerators do: RAM, two CPUs that begin in
 * flat 32-bit code, no devices. Under the machine lock. */
#ifndef TESTS_KVM_MACHINE_H
#define TESTS_KVM_MACHINE_H

#include "accel/accel.h"
#include "softmmu/memory.h"
#include "target/i386/cpu-model.h"

#define CPUS 2
#define RAM_SIZE (4u << 20)
#define CODE 0x10000u     /* a page for each CPU */
#define COUNTERS 0x20000u /* likewise; EBX */
#define STACKS 0x30000u   /* likewise */
#define HOLE 0x300000u    /* a region that comes and goes in the middle of RAM */
#define ROM 0xe0000000u   /* a page that drops writes */

extern RamBlock *ram;
extern Region root, io_root, hole;

/* Memory, and a look whether a KVM that is needed is there: else the machine is unusable and each
 * test is skipped, as skipped() says. */
void machine_init(bool needs_kvm);
bool machine_unusable(void);
bool skipped(void);

/* Makes the machine's accelerator and CPUs anew. */
void begin(const char *accel);
/* ...of a CPU model; NULL: the accelerator's default. */
void begin_model(const char *accel, const char *model);
void end(void);
/* A parked CPU begins with the code, in flat 32-bit mode without paging. */
void load_code(unsigned index, const uint8_t *code, const uint8_t *code_end);
/* Code that counts for ever, in the CPU's counter. */
extern const uint8_t count_code[], count_end[];
/* Of the lock held by the caller. */
void let_run(unsigned microseconds);
/* The CPU is to come to HLT; with controllers of the kernel it never does. */
void run_to_halt(unsigned index);
uint32_t *counter_of(unsigned cpu);
/* Waits until the counter of CPU 0 is at least that. */
void wait_for_count(uint32_t count);
/* A counter of the accelerator's; 0: there is none of that name. */
uint64_t counted(const char *name);
/* How many descriptors this process has. */
unsigned open_descriptors(void);

#endif
