/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables of the PC board, and the script by which firmware puts them into memory: "allocate
 * this file", "add its address to that field", "make the sum of these bytes zero". Tables lie in
 * one file, pointers between them hold offsets until then. ACPI 6.4, chapter 5; script: the "table
 * loader" part of the fw_cfg specification.
 */
#include "hw/firmware.h"

#include "hw/apic.h"
#include "hw/firmware/acpi-dsdt.h"
#include "hw/firmware/acpi-numa.h"
#include "hw/hpet.h"
#include "hw/ioapic.h"
#include "hw/piix4-pm.h"

#include <assert.h>
#include <string.h>

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"
#define TABLES_ALIGNMENT 64 /* of the FACS, which comes first */
#define RSDP_ALIGNMENT 16
#define OWN_TABLES_MAX 7

/* A guest brought over from QEMU shall see the machine it knows. */
#define OEM_ID "BOCHS "
#define OEM_TABLE_ID "BXPC    "
#define CREATOR_ID "BXPC"

#define RESET_PORT 0xcf9
#define RESET_VALUE 0x06
#define CMOS_CENTURY 0x32

typedef struct AcpiBuilder {
    GByteArray *tables, *rsdp, *loader;
} AcpiBuilder;

static void put(GByteArray *out, uint64_t value, unsigned size)
{
    uint64_t little = GUINT64_TO_LE(value);

    g_byte_array_append(out, (const uint8_t *)&little, size);
}

static void put_text(GByteArray *out, const char *text, size_t size)
{
    assert(strlen(text) == size);
    g_byte_array_append(out, (const uint8_t *)text, (guint)size);
}

static void put_zeros(GByteArray *out, unsigned count)
{
    guint start = out->len;

    g_byte_array_set_size(out, start + count);
    memset(out->data + start, 0, count);
}

/* -- Loader script ----------------------------------------------------------------------------- */

enum { COMMAND_ALLOCATE = 1, COMMAND_ADD_POINTER = 2, COMMAND_ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };
enum { COMMAND_SIZE = 128 };

static void put_file_name(GByteArray *out, const char *name)
{
    g_byte_array_append(out, (const uint8_t *)name, (guint)strlen(name));
    put_zeros(out, FW_CFG_NAME_SIZE - (unsigned)strlen(name));
}

static void end_command(GByteArray *loader)
{
    put_zeros(loader, (COMMAND_SIZE - loader->len % COMMAND_SIZE) % COMMAND_SIZE);
}

static void add_allocate(AcpiBuilder *b, const char *file, uint32_t alignment, uint8_t zone)
{
    put(b->loader, COMMAND_ALLOCATE, 4);
    put_file_name(b->loader, file);
    put(b->loader, alignment, 4);
    put(b->loader, zone, 1);
    end_command(b->loader);
}

/* The field at `offset` of `file` holds an offset into the tables. */
static void add_pointer(AcpiBuilder *b, const char *file, uint32_t offset, uint8_t size)
{
    put(b->loader, COMMAND_ADD_POINTER, 4);
    put_file_name(b->loader, file);
    put_file_name(b->loader, TABLES_FILE);
    put(b->loader, offset, 4);
    put(b->loader, size, 1);
    end_command(b->loader);
}

static void add_checksum(AcpiBuilder *b, const char *file, uint32_t result, uint32_t start,
                         uint32_t size)
{
    put(b->loader, COMMAND_ADD_CHECKSUM, 4);
    put_file_name(b->loader, file);
    put(b->loader, result, 4);
    put(b->loader, start, 4);
    put(b->loader, size, 4);
    end_command(b->loader);
}

/* -- Tables ------------------------------------------------------------------------------------ */

enum { HEADER_LENGTH = 4, HEADER_CHECKSUM = 9, HEADER_SIZE = 36 };

static uint32_t begin_table(AcpiBuilder *b, const char *signature, uint8_t revision)
{
    uint32_t start = b->tables->len;

    put_text(b->tables, signature, 4);
    put(b->tables, 0, 4); /* length: end_table() */
    put(b->tables, revision, 1);
    put(b->tables, 0, 1); /* checksum: firmware */
    put_text(b->tables, OEM_ID, 6);
    put_text(b->tables, OEM_TABLE_ID, 8);
    put(b->tables, 1, 4);
    put_text(b->tables, CREATOR_ID, 4);
    put(b->tables, 1, 4);
    assert(b->tables->len - start == HEADER_SIZE);
    return start;
}

static void end_table(AcpiBuilder *b, uint32_t start)
{
    uint32_t size = b->tables->len - start;
    uint32_t little = GUINT32_TO_LE(size);

    memcpy(b->tables->data + start + HEADER_LENGTH, &little, sizeof(little));
    add_checksum(b, TABLES_FILE, start + HEADER_CHECKSUM, start, size);
}

/* A field that firmware completes to the address of the table at `offset`. */
static void put_pointer(AcpiBuilder *b, uint32_t offset, uint8_t size)
{
    add_pointer(b, TABLES_FILE, b->tables->len, size);
    put(b->tables, offset, size);
}

/* The firmware control structure is no table with a header and checksum. */
static uint32_t add_facs(AcpiBuilder *b)
{
    uint32_t start = b->tables->len;

    put_text(b->tables, "FACS", 4);
    put(b->tables, 64, 4);
    put_zeros(b->tables, 24);
    put(b->tables, 1, 1); /* version */
    put_zeros(b->tables, 31);
    return start;
}

/* Frees `body`. */
static uint32_t add_whole_table(AcpiBuilder *b, const char *signature, uint8_t revision,
                                GByteArray *body)
{
    uint32_t start = begin_table(b, signature, revision);

    g_byte_array_append(b->tables, body->data, body->len);
    g_byte_array_unref(body);
    end_table(b, start);
    return start;
}

enum { ADDRESS_SYSTEM_IO = 1 };

/* A generic address structure for a block of I/O ports; all zeros: there is none. */
static void put_ports(GByteArray *out, uint16_t port, uint8_t bytes)
{
    put(out, bytes ? ADDRESS_SYSTEM_IO : 0, 1);
    put(out, bytes * 8u, 1);
    put(out, 0, 1);
    put(out, 0, 1);
    put(out, port, 8);
}

enum { /* FADT flags */
       FADT_WBINVD = 1 << 0,
       FADT_C1 = 1 << 2,
       FADT_NO_SLEEP_BUTTON = 1 << 5,
       FADT_NO_FIXED_RTC = 1 << 6,
       FADT_RESET_REGISTER = 1 << 10,
       FADT_PLATFORM_CLOCK = 1 << 15
};
enum { BOOT_LEGACY_DEVICES = 1, BOOT_8042 = 2 };

/* The register blocks in the form of ACPI 1.0. */
static void put_legacy_blocks(GByteArray *out)
{
    put(out, PIIX4_PM_BASE + PIIX4_PM1_EVENT, 4);
    put(out, 0, 4);
    put(out, PIIX4_PM_BASE + PIIX4_PM1_CONTROL, 4);
    put(out, 0, 4);
    put(out, 0, 4); /* no PM2 control */
    put(out, PIIX4_PM_BASE + PIIX4_PM_TIMER, 4);
    put(out, PIIX4_GPE_BASE, 4);
    put(out, 0, 4);
    put(out, 4, 1); /* sizes: PM1 event, PM1 control, PM2, timer, GPE0, GPE1 */
    put(out, 2, 1);
    put(out, 0, 1);
    put(out, 4, 1);
    put(out, PIIX4_GPE_SIZE, 1);
    put(out, 0, 1);
    put(out, 0, 1); /* GPE1 base */
    put(out, 0, 1); /* no control of C states */
}

static void put_extended_blocks(GByteArray *out)
{
    put_ports(out, PIIX4_PM_BASE + PIIX4_PM1_EVENT, 4);
    put_ports(out, 0, 0);
    put_ports(out, PIIX4_PM_BASE + PIIX4_PM1_CONTROL, 2);
    put_ports(out, 0, 0);
    put_ports(out, 0, 0);
    put_ports(out, PIIX4_PM_BASE + PIIX4_PM_TIMER, 4);
    put_ports(out, PIIX4_GPE_BASE, PIIX4_GPE_SIZE);
    put_ports(out, 0, 0);
}

static uint32_t add_fadt(AcpiBuilder *b, uint32_t facs, uint32_t dsdt)
{
    GByteArray *out = b->tables;
    uint32_t start = begin_table(b, "FACP", 3);

    put_pointer(b, facs, 4);
    put_pointer(b, dsdt, 4);
    put(out, 0, 1);
    put(out, 1, 1); /* preferred profile: desktop */
    put(out, PIIX4_PM_SCI_IRQ, 2);
    put(out, PIIX4_SMI_COMMAND_PORT, 4);
    put(out, PIIX4_ACPI_ENABLE, 1);
    put(out, PIIX4_ACPI_DISABLE, 1);
    put(out, 0, 1); /* S4BIOS */
    put(out, 0, 1); /* P states */
    put_legacy_blocks(out);
    put(out, 0xfff, 2); /* latencies that mean: no C2, no C3 */
    put(out, 0xfff, 2);
    put_zeros(out, 6); /* cache flushing, duty cycle */
    put(out, 0, 1);    /* RTC day alarm, month alarm: none */
    put(out, 0, 1);
    put(out, CMOS_CENTURY, 1);
    put(out, BOOT_LEGACY_DEVICES | BOOT_8042, 2);
    put(out, 0, 1);
    put(out,
        FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC | FADT_RESET_REGISTER |
            FADT_PLATFORM_CLOCK,
        4);
    put_ports(out, RESET_PORT, 1);
    put(out, RESET_VALUE, 1);
    put_zeros(out, 3);
    put(out, 0, 8); /* X_FIRMWARE_CTRL: the 32-bit one holds */
    put_pointer(b, dsdt, 8);
    put_extended_blocks(out);
    assert(out->len - start == 244);
    end_table(b, start);
    return start;
}

enum {
    MADT_LOCAL_APIC = 0,
    MADT_IO_APIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LOCAL_NMI = 4,
    MADT_PC_COMPATIBLE = 1,
    MADT_ENABLED = 1,
    MADT_LEVEL_ACTIVE_HIGH = 0x0d,
    MADT_ALL_PROCESSORS = 0xff
};

static void put_override(GByteArray *out, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    put(out, MADT_OVERRIDE, 1);
    put(out, 10, 1);
    put(out, 0, 1); /* ISA */
    put(out, irq, 1);
    put(out, gsi, 4);
    put(out, flags, 2);
}

static uint32_t add_madt(AcpiBuilder *b, const AcpiConfig *config)
{
    static const uint8_t level_irqs[] = {5, 9, 10, 11};
    GByteArray *out = b->tables;
    uint32_t start = begin_table(b, "APIC", 1);

    put(out, APIC_DEFAULT_BASE, 4);
    put(out, MADT_PC_COMPATIBLE, 4);
    for (unsigned i = 0; i < config->cpu_count; i++) {
        put(out, MADT_LOCAL_APIC, 1);
        put(out, 8, 1);
        put(out, i, 1); /* processor id */
        put(out, config->apic_id(i), 1);
        put(out, MADT_ENABLED, 4);
    }
    put(out, MADT_IO_APIC, 1);
    put(out, 12, 1);
    put(out, 0, 1); /* its id */
    put(out, 0, 1);
    put(out, IOAPIC_DEFAULT_BASE, 4);
    put(out, 0, 4); /* first GSI */
    put_override(out, 0, 2, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(level_irqs); i++) {
        put_override(out, level_irqs[i], level_irqs[i], MADT_LEVEL_ACTIVE_HIGH);
    }
    put(out, MADT_LOCAL_NMI, 1);
    put(out, 6, 1);
    put(out, MADT_ALL_PROCESSORS, 1);
    put(out, 0, 2);
    put(out, 1, 1); /* LINT1 */
    end_table(b, start);
    return start;
}

enum { HPET_ADDRESS_MEMORY = 0 };

/* IA-PC HPET specification, 3.2.4. */
static uint32_t add_hpet(AcpiBuilder *b, unsigned timers)
{
    GByteArray *out = b->tables;
    uint32_t start = begin_table(b, "HPET", 1);

    put(out, HPET_BLOCK_ID(timers), 4);
    put(out, HPET_ADDRESS_MEMORY, 1);
    put_zeros(out, 3); /* width, offset, access size: not said of a block */
    put(out, HPET_BASE, 8);
    put(out, 0, 1); /* number of this block */
    put(out, 0, 2); /* shortest period without lost ticks */
    put(out, 0, 1); /* no page protection */
    end_table(b, start);
    return start;
}

/* Windows: the PM timer needs no repeated reads. */
static uint32_t add_waet(AcpiBuilder *b)
{
    uint32_t start = begin_table(b, "WAET", 1);

    put(b->tables, 1 << 1, 4);
    end_table(b, start);
    return start;
}

static uint32_t add_user_table(AcpiBuilder *b, GBytes *table)
{
    uint32_t start = b->tables->len;
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(table, &size);

    g_byte_array_append(b->tables, bytes, (guint)size);
    return start;
}

static uint32_t add_root(AcpiBuilder *b, const char *signature, uint8_t pointer_size,
                         const uint32_t *tables, unsigned count)
{
    uint32_t start = begin_table(b, signature, 1);

    for (unsigned i = 0; i < count; i++) {
        put_pointer(b, tables[i], pointer_size);
    }
    end_table(b, start);
    return start;
}

enum { RSDP_RSDT = 16, RSDP_XSDT = 24, RSDP_SIZE_1 = 20, RSDP_SIZE = 36 };

static void add_rsdp(AcpiBuilder *b, uint32_t rsdt, uint32_t xsdt)
{
    put_text(b->rsdp, "RSD PTR ", 8);
    put(b->rsdp, 0, 1); /* checksum of the first 20 bytes */
    put_text(b->rsdp, OEM_ID, 6);
    put(b->rsdp, 2, 1); /* revision */
    put(b->rsdp, rsdt, 4);
    put(b->rsdp, RSDP_SIZE, 4);
    put(b->rsdp, xsdt, 8);
    put(b->rsdp, 0, 1); /* checksum of all */
    put_zeros(b->rsdp, 3);
    assert(b->rsdp->len == RSDP_SIZE);
    add_pointer(b, RSDP_FILE, RSDP_RSDT, 4);
    add_pointer(b, RSDP_FILE, RSDP_XSDT, 8);
    add_checksum(b, RSDP_FILE, 8, 0, RSDP_SIZE_1);
    add_checksum(b, RSDP_FILE, 32, 0, RSDP_SIZE);
}

bool acpi_tables_add(FwCfg *fw_cfg, const AcpiConfig *config, Error **err)
{
    AcpiBuilder b = {g_byte_array_new(), g_byte_array_new(), g_byte_array_new()};

    add_allocate(&b, TABLES_FILE, TABLES_ALIGNMENT, ZONE_HIGH);
    add_allocate(&b, RSDP_FILE, RSDP_ALIGNMENT, ZONE_FSEG);
    uint32_t facs = add_facs(&b);
    uint32_t dsdt = add_whole_table(&b, "DSDT", 1, acpi_dsdt_code(config));
    unsigned user_count = config->user_tables ? config->user_tables->len : 0;
    g_autofree uint32_t *tables = g_new(uint32_t, OWN_TABLES_MAX + user_count);
    unsigned count = 0;
    tables[count++] = add_fadt(&b, facs, dsdt);
    tables[count++] = add_madt(&b, config);
    if (config->hpet_timers) {
        tables[count++] = add_hpet(&b, config->hpet_timers);
    }
    tables[count++] = add_waet(&b);
    if (config->numa) {
        tables[count++] = add_whole_table(&b, "SRAT", 1, acpi_srat_body(config));
    }
    if (config->numa && config->numa->has_distances) {
        tables[count++] = add_whole_table(&b, "SLIT", 1, acpi_slit_body(config->numa));
    }
    if (config->numa && config->numa->has_attributes) {
        tables[count++] = add_whole_table(&b, "HMAT", 2, acpi_hmat_body(config->numa));
    }
    for (unsigned i = 0; i < user_count; i++) {
        tables[count++] = add_user_table(&b, config->user_tables->pdata[i]);
    }
    uint32_t rsdt = add_root(&b, "RSDT", 4, tables, count);
    uint32_t xsdt = add_root(&b, "XSDT", 8, tables, count);
    add_rsdp(&b, rsdt, xsdt);

    g_autoptr(GBytes) table_bytes = g_byte_array_free_to_bytes(b.tables);
    g_autoptr(GBytes) rsdp_bytes = g_byte_array_free_to_bytes(b.rsdp);
    g_autoptr(GBytes) loader_bytes = g_byte_array_free_to_bytes(b.loader);
    return fw_cfg_set_file(fw_cfg, TABLES_FILE, table_bytes, err) &&
           fw_cfg_set_file(fw_cfg, RSDP_FILE, rsdp_bytes, err) &&
           fw_cfg_set_file(fw_cfg, LOADER_FILE, loader_bytes, err);
}
