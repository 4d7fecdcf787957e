/* SPDX-License-Identifier: MIT */
/* The machine that tests of vCPUs share. */
#include "tests/kvm/kvm-machine.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

RamBlock *ram;
Region root, io_root, hole;
static Region ram_region, rom;
static const char *unusable; /* why the tests are skipped */

__asm__(".pushsection .rodata\n"
        ".code32\n"
        "count_code:\n"
        "1:  incl (%ebx)\n"
        "    jmp 1b\n"
        "count_end:\n"
        ".globl count_code, count_end\n"
        ".code64\n"
        ".popsection\n");

/* -- The machine ------------------------------------------------------------------------------- */

static bool no_interrupt(void *apic)
{
    return false;
}

static uint8_t no_tpr(void *apic)
{
    return 0;
}

static void drop_tpr(void *apic, uint8_t cr8)
{
}

static uint64_t usual_base(void *apic)
{
    return 0xfee00900;
}

static bool drop_base(void *apic, uint64_t value)
{
    return true;
}

static const CpuApicOps apic_ops = {.has_interrupt = no_interrupt,
                                    .get_tpr = no_tpr,
                                    .set_tpr = drop_tpr,
                                    .get_base = usual_base,
                                    .set_base = drop_base};

static uint64_t hole_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void hole_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static void make_memory(void)
{
    static const RegionOps ops = {.read = hole_read, .write = hole_write};
    RamDesc desc = {.name = "ram", .size = RAM_SIZE};
    RegionDesc container = {.name = "memory", .kind = REGION_CONTAINER, .size = UINT64_MAX};
    RegionDesc io = {.name = "io", .kind = REGION_CONTAINER, .size = 0x10000};
    RegionDesc memory = {.name = "ram", .kind = REGION_RAM, .size = RAM_SIZE};
    RegionDesc device = {.name = "hole", .kind = REGION_IO, .size = 4096, .ops = &ops};

    RamDesc rom_desc = {.name = "rom", .size = TARGET_PAGE_SIZE};
    RegionDesc constant = {.name = "rom", .kind = REGION_ROM, .size = TARGET_PAGE_SIZE};

    memory.ram = ram = ram_block_new(&desc, NULL);
    constant.ram = ram_block_new(&rom_desc, NULL);
    region_init(&root, &container);
    region_init(&io_root, &io);
    region_init(&ram_region, &memory);
    region_init(&hole, &device);
    region_init(&rom, &constant);
    region_add(&root, 0, &ram_region, 0);
    region_add(&root, HOLE, &hole, 1);
    region_add(&root, ROM, &rom, 0);
    region_set_enabled(&hole, false);
    address_space_init(&address_space_memory, &root, "memory");
    address_space_init(&address_space_io, &io_root, "io");
}

void begin(const char *accel)
{
    begin_model(accel, NULL);
}

void begin_model(const char *accel, const char *model)
{
    g_autoptr(Error) err = NULL;
    char *texts[] = {(char *)accel};

    g_assert_true(accel_select(texts, 1, &err));
    g_assert_true(cpu_model_select(model, &err));
    for (unsigned i = 0; i < CPUS; i++) {
        X86Cpu *cpu = cpu_get(i) ? cpu_get(i) : cpu_new(i, &err);

        g_assert_nonnull(cpu);
        cpu->apic_ops = &apic_ops;
        g_assert_true(vcpu_start(&cpu->vcpu, &err));
        cpu_reset(cpu, false);
    }
}

void end(void)
{
    vm_stop(RUN_STATE_PAUSED);
    vcpus_destroy();
}

void load_code(unsigned index, const uint8_t *code, const uint8_t *code_end)
{
    X86Cpu *cpu = cpu_get(index);
    uint32_t start = CODE + index * 4096;

    address_space_write(&address_space_memory, start, code, (uint64_t)(code_end - code));
    memset(ram->host + COUNTERS + index * 4096, 0, 4096);
    cpu->cr0 |= CR0_PE;
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        cpu->seg[n] = (Segment){.limit = UINT32_MAX, .attributes = 0xc093};
    }
    cpu->seg[SEG_CS].attributes = 0xc09b;
    cpu->rip = start;
    cpu->gpr[R_RBX] = COUNTERS + index * 4096;
    cpu->gpr[R_RSP] = STACKS + (index + 1) * 4096;
    cpu->wait_for_sipi = cpu->halted = cpu->vcpu.halted = false;
    cpu_update_mode(cpu);
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        cpu_update_segment(cpu, n);
    }
}

void let_run(unsigned microseconds)
{
    machine_unlock();
    usleep(microseconds);
    machine_lock();
}

void run_to_halt(unsigned index)
{
    vm_start();
    for (unsigned i = 0; !cpu_get(index)->vcpu.halted; i++) {
        g_assert_cmpuint(i, <, 20000);
        let_run(1000);
    }
    vm_stop(RUN_STATE_PAUSED);
}

bool machine_unusable(void)
{
    return unusable;
}

bool skipped(void)
{
    if (unusable) {
        g_test_skip(unusable);
    }
    return unusable;
}

uint32_t *counter_of(unsigned cpu)
{
    return (uint32_t *)(ram->host + COUNTERS + cpu * 4096);
}

void wait_for_count(uint32_t count)
{
    for (unsigned i = 0; __atomic_load_n(counter_of(0), __ATOMIC_SEQ_CST) < count; i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
    }
}

typedef struct Wanted {
    const char *name;
    uint64_t value;
} Wanted;

static void find_counter(const char *name, uint64_t value, void *opaque)
{
    Wanted *wanted = opaque;

    if (strcmp(name, wanted->name) == 0) {
        wanted->value = value;
    }
}

uint64_t counted(const char *name)
{
    Wanted wanted = {.name = name};

    accel_current()->count(find_counter, &wanted);
    return wanted.value;
}

/* Once for all: what there is no KVM for is skipped. */
static void look_for_kvm(void)
{
    g_autoptr(Error) err = NULL;
    char *texts[] = {(char *)"kvm,kernel-irqchip=off"};

    if (!accel_select(texts, 1, &err)) {
        unusable = g_strdup(error_message(err));
    }
}

void machine_init(bool needs_kvm)
{
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    machine_lock();
    make_memory();
    if (needs_kvm) {
        look_for_kvm();
    }
}

unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}
