/* SPDX-License-Identifier: MIT */
/*
 * SMBIOS tables: structures of the user's files first, then those that describe the machine, each
 * from its row of defaults, from what is known about the machine, and from -smbios. Firmware copies
 * them into memory and puts the address into the anchor. DSP0134 3.0.
 */
#include "hw/smbios.h"

#include "hw/firmware/smbios-fields.h"
#include "util/file.h"

#include <string.h>

#define DIMM_SIZE (16ull << 30)
#define HIGH_MEMORY (4ull << 30)

typedef struct Tables {
    const SmbiosConfig *config;
    GByteArray *bytes;
    unsigned count;
    unsigned largest;    /* bytes of a structure with its strings */
    bool from_file[256]; /* types that a file brought */
    GString *strings;    /* of the structure being made, each with its terminating zero */
    unsigned string_count;
} Tables;

/* -- Structures -------------------------------------------------------------------------------- */

static uint8_t add_string(Tables *tables, const char *text)
{
    if (!text || !*text) {
        return 0;
    }
    g_string_append_len(tables->strings, text, (gssize)strlen(text) + 1);
    return (uint8_t)++tables->string_count;
}

static void put(uint8_t *structure, unsigned offset, uint64_t value, unsigned size)
{
    value = GUINT64_TO_LE(value);
    memcpy(structure + offset, &value, size);
}

static void begin(Tables *tables, const SmbiosStructure *row, unsigned number, uint8_t *structure)
{
    memset(structure, 0, SMBIOS_LENGTH_MAX + 4);
    memcpy(structure + 4, row->bytes, SMBIOS_LENGTH_MAX - 4);
    structure[0] = row->type;
    structure[1] = row->length;
    put(structure, 2, row->handle + number, 2);
    g_string_truncate(tables->strings, 0);
    tables->string_count = 0;
}

static void finish(Tables *tables, const uint8_t *structure)
{
    guint start = tables->bytes->len;

    g_byte_array_append(tables->bytes, structure, structure[1]);
    g_string_append_len(tables->strings, tables->strings->len ? "\0" : "\0\0",
                        tables->strings->len ? 1 : 2);
    g_byte_array_append(tables->bytes, (const uint8_t *)tables->strings->str,
                        (guint)tables->strings->len);
    tables->largest = MAX(tables->largest, tables->bytes->len - start);
    tables->count++;
}

/* -- Options ----------------------------------------------------------------------------------- */

static bool is_of_type(KeyVal *kv, unsigned type)
{
    uint64_t number = UINT64_MAX;

    return keyval_get_u64(kv, "type", &number, NULL) && number == type;
}

/* Last value of a key among the options of a type, or of the only one that counts. */
static const char *option_value(const Tables *tables, unsigned type, const char *key, KeyVal *only)
{
    const GPtrArray *options = tables->config->options;
    const char *value = NULL;

    if (only) {
        return keyval_get(only, key);
    }
    for (guint i = 0; i < options->len; i++) {
        const char *found =
            is_of_type(options->pdata[i], type) ? keyval_get(options->pdata[i], key) : NULL;
        value = found ? found : value;
    }
    return value;
}

static bool has_option(const Tables *tables, unsigned type)
{
    const GPtrArray *options = tables->config->options;

    for (guint i = 0; i < options->len; i++) {
        if (is_of_type(options->pdata[i], type)) {
            return true;
        }
    }
    return false;
}

static const char *fallback_of(const Tables *tables, const SmbiosField *field)
{
    switch (field->fallback) {
    case SMBIOS_MANUFACTURER:
        return tables->config->manufacturer;
    case SMBIOS_PRODUCT:
        return tables->config->product;
    case SMBIOS_VERSION:
        return tables->config->version;
    case SMBIOS_NOTHING:
        break;
    }
    return field->text;
}

static void apply_options(Tables *tables, const SmbiosStructure *row, unsigned number, KeyVal *only,
                          uint8_t *structure)
{
    for (const SmbiosField *field = row->fields; field && field->key; field++) {
        const char *value = option_value(tables, row->type, field->key, only);

        value = value ? value : fallback_of(tables, field);
        if (field->kind == SMBIOS_PREFIX) {
            g_autofree char *text = g_strdup_printf("%s %u", value, number);
            structure[field->offset] = add_string(tables, text);
        } else if (field->kind == SMBIOS_STRING) {
            structure[field->offset] = add_string(tables, value);
        } else if (value) {
            smbios_put_value(field, value, structure, NULL); /* checked long ago */
        }
    }
}

/* The usual structure: defaults, then options. */
static void make(Tables *tables, unsigned type, unsigned number, KeyVal *only, uint8_t *structure)
{
    const SmbiosStructure *row = smbios_structure(type);

    begin(tables, row, number, structure);
    apply_options(tables, row, number, only, structure);
}

/* -- The machine ------------------------------------------------------------------------------- */

static void add_system(Tables *tables)
{
    const uint8_t *uuid = tables->config->uuid;
    uint8_t s[SMBIOS_LENGTH_MAX + 4];

    make(tables, 1, 0, NULL, s);
    /* The first three parts are little endian. */
    const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (unsigned i = 0; i < sizeof(order); i++) {
        s[8 + i] = uuid[order[i]];
    }
    finish(tables, s);
}

static void add_plain(Tables *tables, unsigned type)
{
    uint8_t s[SMBIOS_LENGTH_MAX + 4];

    make(tables, type, 0, NULL, s);
    finish(tables, s);
}

static void add_processors(Tables *tables)
{
    const SmbiosConfig *config = tables->config;
    uint8_t s[SMBIOS_LENGTH_MAX + 4];

    for (unsigned i = 0; i < config->sockets; i++) {
        make(tables, 4, i, NULL, s);
        if (!option_value(tables, 4, "processor-id", NULL)) {
            put(s, 0x08, config->processor_id, 8);
        }
        put(s, 0x23, MIN(config->cores, 255), 1);
        put(s, 0x24, MIN(config->cores, 255), 1);
        put(s, 0x25, MIN(config->threads, 255), 1);
        put(s, 0x2a, config->cores, 2);
        put(s, 0x2c, config->cores, 2);
        put(s, 0x2e, config->threads, 2);
        s[1] = config->is_64bit ? 0x30 : 0x2a; /* wide counts came with 3.0 */
        finish(tables, s);
    }
}

static bool add_oem_file(Tables *tables, const char *path, Error **err)
{
    g_autofree char *text = file_read(path, NULL, err);

    if (!text) {
        error_prefix(err, "-smbios type=11: ");
        return false;
    }
    add_string(tables, text);
    return true;
}

static bool add_oem_strings(Tables *tables, Error **err)
{
    const GPtrArray *options = tables->config->options;
    uint8_t s[SMBIOS_LENGTH_MAX + 4];

    begin(tables, smbios_structure(11), 0, s);
    for (guint i = 0; i < options->len; i++) {
        KeyVal *kv = options->pdata[i];

        for (guint n = 0; is_of_type(kv, 11) && n < kv->pairs->len; n++) {
            const KeyValPair *pair = kv->pairs->pdata[n];
            bool is_path = strcmp(pair->key, "path") == 0;

            if (is_path && !add_oem_file(tables, pair->value, err)) {
                return false;
            }
            if (strcmp(pair->key, "value") == 0) {
                add_string(tables, pair->value);
            }
        }
    }
    if (tables->string_count > 255) {
        return error_set(err, "-smbios type=11: there are more than 255 strings");
    }
    put(s, 4, tables->string_count, 1);
    finish(tables, s);
    return true;
}

static void add_memory_device(Tables *tables, unsigned number, uint64_t size)
{
    uint8_t s[SMBIOS_LENGTH_MAX + 4];
    uint64_t megabytes = size >> 20;

    make(tables, 17, number, NULL, s);
    put(s, 0x0c, MIN(megabytes, 0x7fff), 2);
    put(s, 0x1c, megabytes < 0x7fff ? 0 : megabytes, 4);
    finish(tables, s);
}

static void add_memory_range(Tables *tables, unsigned number, uint64_t start, uint64_t size)
{
    uint8_t s[SMBIOS_LENGTH_MAX + 4];
    uint64_t end = start + size - 1;
    bool is_wide = end >> 10 >= UINT32_MAX;

    make(tables, 19, number, NULL, s);
    put(s, 0x04, is_wide ? UINT32_MAX : start >> 10, 4);
    put(s, 0x08, is_wide ? UINT32_MAX : end >> 10, 4);
    put(s, 0x0f, is_wide ? start : 0, 8);
    put(s, 0x17, is_wide ? end : 0, 8);
    finish(tables, s);
}

static void add_memory(Tables *tables)
{
    const SmbiosConfig *config = tables->config;
    uint64_t size = config->low_memory + config->high_memory;
    unsigned dimms = (unsigned)((size + DIMM_SIZE - 1) / DIMM_SIZE);
    bool is_wide = size >> 10 >= 0x80000000;
    uint8_t s[SMBIOS_LENGTH_MAX + 4];

    make(tables, 16, 0, NULL, s);
    put(s, 0x07, is_wide ? 0x80000000 : size >> 10, 4);
    put(s, 0x0d, dimms, 2);
    put(s, 0x0f, is_wide ? size : 0, 8);
    finish(tables, s);
    for (unsigned i = 0; i < dimms; i++) {
        add_memory_device(tables, i, MIN(DIMM_SIZE, size - i * DIMM_SIZE));
    }
    add_memory_range(tables, 0, 0, config->low_memory);
    if (config->high_memory) {
        add_memory_range(tables, 1, HIGH_MEMORY, config->high_memory);
    }
}

/* Types of which each option makes one. */
static bool add_each(Tables *tables, unsigned type, Error **err)
{
    const SmbiosConfig *config = tables->config;
    uint8_t s[SMBIOS_LENGTH_MAX + 4];
    unsigned number = 0;

    for (guint i = 0; i < config->options->len; i++) {
        KeyVal *kv = config->options->pdata[i];
        const char *pcidev = keyval_get(kv, "pcidev");

        if (!is_of_type(kv, type)) {
            continue;
        }
        make(tables, type, number++, kv, s);
        if (pcidev && !(config->find_pci && config->find_pci(pcidev, &s[9], &s[10]))) {
            return error_set(err, "-smbios type=%u: there is no PCI device '%s'", type, pcidev);
        }
        finish(tables, s);
    }
    return true;
}

/* -- Files ------------------------------------------------------------------------------------- */

/* Bytes of the structure at `at` with its strings; 0: it is cut off. */
static gsize structure_size(const uint8_t *at, gsize left)
{
    if (left < 6 || at[1] < 4 || at[1] + 2u > left) {
        return 0;
    }
    for (gsize i = at[1]; i + 1 < left; i++) {
        if (!at[i] && !at[i + 1]) {
            return i + 2;
        }
    }
    return 0;
}

static bool add_file(Tables *tables, const char *path, Error **err)
{
    size_t size, length;
    g_autofree char *text = file_read(path, &size, err);

    if (!text) {
        error_prefix(err, "-smbios: ");
        return false;
    }
    for (size_t at = 0; at < size; at += length) {
        const uint8_t *bytes = (const uint8_t *)text + at;

        length = structure_size(bytes, size - at);
        if (!length) {
            return error_set(err, "-smbios: '%s' holds no whole structure at byte %zu", path, at);
        }
        if (has_option(tables, bytes[0])) {
            return error_set(err, "-smbios: type %u is in '%s' and among the options", bytes[0],
                             path);
        }
        g_byte_array_append(tables->bytes, bytes, (guint)length);
        tables->from_file[bytes[0]] = true;
        tables->largest = MAX(tables->largest, (unsigned)length);
        tables->count++;
    }
    return true;
}

static bool add_files(Tables *tables, Error **err)
{
    const GPtrArray *options = tables->config->options;

    for (guint i = 0; i < options->len; i++) {
        const char *file = keyval_get(options->pdata[i], "file");

        if (file && !add_file(tables, file, err)) {
            return false;
        }
    }
    return true;
}

static bool add_machine(Tables *tables, Error **err)
{
    const bool *is_there = tables->from_file;

    if (has_option(tables, 0) && !is_there[0]) {
        add_plain(tables, 0); /* firmware has its own otherwise */
    }
    if (!is_there[1]) {
        add_system(tables);
    }
    if (has_option(tables, 2) && !is_there[2]) {
        add_plain(tables, 2);
    }
    if (!is_there[3]) {
        add_plain(tables, 3);
    }
    if (!is_there[4]) {
        add_processors(tables);
    }
    if (!add_each(tables, 8, err) ||
        (has_option(tables, 11) && !is_there[11] && !add_oem_strings(tables, err))) {
        return false;
    }
    if (!is_there[16] && !is_there[17] && !is_there[19]) {
        add_memory(tables);
    }
    if (!is_there[32]) {
        add_plain(tables, 32);
    }
    if (!add_each(tables, 41, err)) {
        return false;
    }
    if (!is_there[127]) {
        add_plain(tables, 127);
    }
    return true;
}

/* -- Anchor ------------------------------------------------------------------------------------ */

static uint8_t checksum(const uint8_t *bytes, unsigned count)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return (uint8_t)-sum;
}

/* 5.2.1: addresses are firmware's to fill in, and the sums with them. */
static GBytes *anchor_32bit(const Tables *tables)
{
    uint8_t a[0x1f] = "_SM_";

    a[0x05] = sizeof(a);
    a[0x06] = 2;
    a[0x07] = 8;
    put(a, 0x08, tables->largest, 2);
    memcpy(a + 0x10, "_DMI_", 5);
    put(a, 0x16, tables->bytes->len, 2);
    put(a, 0x1c, tables->count, 2);
    a[0x1e] = 0x28;
    a[0x15] = checksum(a + 0x10, 0x0f);
    a[0x04] = checksum(a, sizeof(a));
    return g_bytes_new(a, sizeof(a));
}

/* 5.2.2 */
static GBytes *anchor_64bit(const Tables *tables)
{
    uint8_t a[0x18] = "_SM3_";

    a[0x06] = sizeof(a);
    a[0x07] = 3;
    a[0x0a] = 1;
    put(a, 0x0c, tables->bytes->len, 4);
    a[0x05] = checksum(a, sizeof(a));
    return g_bytes_new(a, sizeof(a));
}

static bool add_all(Tables *tables, FwCfg *fw_cfg, Error **err)
{
    if (!add_files(tables, err) || !add_machine(tables, err)) {
        return false;
    }
    if (!tables->config->is_64bit &&
        (tables->bytes->len > UINT16_MAX || tables->largest > UINT16_MAX)) {
        error_set(err, "-smbios: %u bytes of tables are more than SMBIOS 2.8 has room for",
                  tables->bytes->len);
        error_hint(err, "-machine smbios-entry-point-type=64 has no such limit");
        return false;
    }
    g_autoptr(GBytes) anchor =
        tables->config->is_64bit ? anchor_64bit(tables) : anchor_32bit(tables);
    g_autoptr(GBytes) bytes = g_bytes_new(tables->bytes->data, tables->bytes->len);
    return fw_cfg_set_file(fw_cfg, "etc/smbios/smbios-tables", bytes, err) &&
           fw_cfg_set_file(fw_cfg, "etc/smbios/smbios-anchor", anchor, err);
}

bool smbios_tables_add(FwCfg *fw_cfg, const SmbiosConfig *config, Error **err)
{
    Tables tables = {.config = config, .bytes = g_byte_array_new(), .strings = g_string_new(NULL)};
    bool fine = add_all(&tables, fw_cfg, err);

    g_byte_array_free(tables.bytes, TRUE);
    g_string_free(tables.strings, TRUE);
    return fine;
}
