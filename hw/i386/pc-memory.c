/* SPDX-License-Identifier: MIT */
/*
 * Memory of the PC board.
 *
 *     0 ........ low_size        RAM; A0000-FFFFF shows PCI until the i440FX shadows it
 *     low_size . 4 GiB           PCI: BARs, I/O APIC (FEC00000), local APIC (FEE00000), firmware
 *     4 GiB .... + high_size     the rest of RAM
 */
#include "hw/i386/pc-internal.h"

#include "hw/apic.h"
#include "hw/rtc.h"
#include "softmmu/memory-backend.h"

/* RAM keeps out of the last 512 MiB below 4 GiB; once it has to be split, out of the last GiB, so
 * that both halves stay aligned to huge pages. */
#define LOW_RAM_SPLIT 0xc0000000ull

enum { /* CMOS bytes that firmware reads */
       CMOS_BASE_MEMORY = 0x15,
       CMOS_EXTENDED_MEMORY = 0x17,
       CMOS_EXTENDED_MEMORY_POST = 0x30,
       CMOS_MEMORY_ABOVE_16M = 0x34,
       CMOS_MEMORY_ABOVE_4G = 0x5b
};

enum { E820_RAM = 1 };

typedef struct E820Entry {
    uint64_t address, size; /* little endian */
    uint32_t type;
} __attribute__((packed)) E820Entry;

static void add_ram_alias(PcMachine *pc, Region *alias, const char *name, uint64_t offset,
                          uint64_t address, uint64_t size)
{
    region_init(alias, &(RegionDesc){.name = name,
                                     .kind = REGION_ALIAS,
                                     .size = size,
                                     .target = &pc->ram,
                                     .target_offset = offset});
    region_add(&pc->memory, address, alias, 0);
}

/* A view of what CPUs see, in front of which the host bridge puts SMRAM. */
static void create_smm_root(PcMachine *pc, Region *root, Region *system, const char *name)
{
    region_init(root, &(RegionDesc){.name = name, .kind = REGION_CONTAINER, .size = UINT64_MAX});
    region_init(system, &(RegionDesc){.name = "smm-system",
                                      .kind = REGION_ALIAS,
                                      .size = UINT64_MAX,
                                      .target = &pc->cpu_memory});
    region_add(root, 0, system, 0);
}

static void create_roots(PcMachine *pc)
{
    region_init(&pc->memory,
                &(RegionDesc){.name = "system", .kind = REGION_CONTAINER, .size = UINT64_MAX});
    region_init(&pc->cpu_memory,
                &(RegionDesc){.name = "cpu-memory", .kind = REGION_CONTAINER, .size = UINT64_MAX});
    region_add(&pc->cpu_memory, 0, &pc->memory, 0);
    create_smm_root(pc, &pc->smm_memory, &pc->smm_system, "smm-memory");
    create_smm_root(pc, &pc->smm_code_memory, &pc->smm_code_system, "smm-code-memory");
    region_init(&pc->io, &(RegionDesc){.name = "io", .kind = REGION_CONTAINER, .size = 0x10000});
    address_space_init(&address_space_memory, &pc->cpu_memory, "memory");
    address_space_init(&address_space_smm, &pc->smm_memory, "SMM");
    address_space_init(&address_space_smm_code, &pc->smm_code_memory, "SMM code");
    address_space_init(&address_space_io, &pc->io, "I/O");
    apic_set_memory(&pc->cpu_memory, &pc->memory);
}

/* What does not fit below the hole goes above 4 GiB, then split at a whole number of GiB. */
static uint64_t low_memory(const PcMachine *pc)
{
    uint64_t size = pc->machine.ram_size;
    uint64_t limit = pc->max_low_memory ? pc->max_low_memory : PC_LOW_MEMORY_MAX;

    limit &= ~(TARGET_PAGE_SIZE - 1);
    return size < limit ? size : MIN(limit, LOW_RAM_SPLIT);
}

static bool has_node_memory(const Machine *machine)
{
    for (unsigned i = 0; machine->numa && i < machine->numa->count; i++) {
        if (machine->numa->nodes[i].backend) {
            return true;
        }
    }
    return false;
}

/* -numa memdev=: RAM is one block behind the other. */
static void create_node_ram(PcMachine *pc, const Numa *numa)
{
    uint64_t address = 0;

    region_init(
        &pc->ram,
        &(RegionDesc){.name = PC_RAM_ID, .kind = REGION_CONTAINER, .size = pc->machine.ram_size});
    pc->node_ram = g_new0(Region, numa->count);
    for (unsigned i = 0; i < numa->count; i++) {
        const NumaNode *node = &numa->nodes[i];

        if (node->size) {
            region_init(&pc->node_ram[i], &(RegionDesc){.name = node->backend->obj.name,
                                                        .kind = REGION_RAM,
                                                        .size = node->size,
                                                        .ram = node->backend->block});
            region_add(&pc->ram, address, &pc->node_ram[i], 0);
        }
        address += node->size;
    }
}

static void create_ram(PcMachine *pc)
{
    if (!pc->ram_block) {
        create_node_ram(pc, pc->machine.numa);
        return;
    }
    region_init(&pc->ram, &(RegionDesc){.name = PC_RAM_ID,
                                        .kind = REGION_RAM,
                                        .size = pc->machine.ram_size,
                                        .ram = pc->ram_block});
}

bool pc_memory_create(PcMachine *pc, Error **err)
{
    const Machine *machine = &pc->machine;

    if (machine->ram_size < 1 << 20) {
        return error_set(err, "-m: machine '%s' needs at least 1 MiB", machine_info(machine)->name);
    }
    if (!has_node_memory(machine)) {
        pc->ram_block = machine_new_ram(machine, PC_RAM_ID, err);
        if (!pc->ram_block) {
            return false;
        }
    }
    pc->has_memory = true;
    pc->low_size = low_memory(pc);
    pc->high_size = machine->ram_size - pc->low_size;
    region_transaction_begin();
    create_roots(pc);
    create_ram(pc);
    add_ram_alias(pc, &pc->ram_low, "ram-below-4g", 0, 0, pc->low_size);
    if (pc->high_size) {
        add_ram_alias(pc, &pc->ram_high, "ram-above-4g", pc->low_size, PC_4_GIB, pc->high_size);
    }
    region_transaction_commit();
    return true;
}

void pc_memory_destroy(PcMachine *pc)
{
    if (!pc->has_memory) {
        return;
    }
    apic_set_memory(NULL, NULL);
    region_transaction_begin();
    firmware_rom_free(&pc->firmware_rom);
    region_fini(&pc->apic_region);
    region_fini(&pc->ram_high);
    region_fini(&pc->ram_low);
    for (unsigned i = 0; pc->node_ram && i < pc->machine.numa->count; i++) {
        region_fini(&pc->node_ram[i]);
    }
    region_fini(&pc->ram);
    region_fini(&pc->io);
    region_fini(&pc->smm_code_system);
    region_fini(&pc->smm_code_memory);
    region_fini(&pc->smm_system);
    region_fini(&pc->smm_memory);
    region_fini(&pc->cpu_memory);
    region_fini(&pc->memory);
    region_transaction_commit();
    address_space_fini(&address_space_io);
    address_space_fini(&address_space_smm_code);
    address_space_fini(&address_space_smm);
    address_space_fini(&address_space_memory);
    g_clear_pointer(&pc->node_ram, g_free);
    g_clear_pointer(&pc->ram_block, ram_block_unref);
    pc->has_memory = false;
}

static void set_cmos(PcMachine *pc, unsigned index, uint64_t value, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        rtc_set_cmos(pc->rtc, index + i, (uint8_t)(value >> (8 * i)));
    }
}

void pc_memory_describe(PcMachine *pc)
{
    uint64_t above_1m = pc->low_size > 1 << 20 ? pc->low_size - (1 << 20) : 0;
    uint64_t above_16m = pc->low_size > 16 << 20 ? pc->low_size - (16 << 20) : 0;
    const E820Entry entries[] = {
        {0, GUINT64_TO_LE(pc->low_size), GUINT32_TO_LE(E820_RAM)},
        {GUINT64_TO_LE(PC_4_GIB), GUINT64_TO_LE(pc->high_size), GUINT32_TO_LE(E820_RAM)},
    };
    g_autoptr(GBytes) e820 = g_bytes_new(entries, (pc->high_size ? 2 : 1) * sizeof(entries[0]));

    set_cmos(pc, CMOS_BASE_MEMORY, 640, 2);
    set_cmos(pc, CMOS_EXTENDED_MEMORY, MIN(above_1m >> 10, 0xffff), 2);
    set_cmos(pc, CMOS_EXTENDED_MEMORY_POST, MIN(above_1m >> 10, 0xffff), 2);
    set_cmos(pc, CMOS_MEMORY_ABOVE_16M, MIN(above_16m >> 16, 0xffff), 2);
    set_cmos(pc, CMOS_MEMORY_ABOVE_4G, pc->high_size >> 16, 3);
    fw_cfg_set_number(pc->fw_cfg, FW_CFG_RAM_SIZE, pc->machine.ram_size, 8);
    fw_cfg_set_file(pc->fw_cfg, "etc/e820", e820, NULL);
}
