/* SPDX-License-Identifier: MIT */
/* The structures of SMBIOS that options fill, and the check of -smbios. DSP0134 (System Management
 * BIOS Reference Specification) 3.0, chapter 7. */
#include "hw/firmware/smbios-fields.h"

#include "hw/smbios.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* -- Rows -------------------------------------------------------------------------------------- */

static const SmbiosField bios_fields[] = {
    {"vendor", SMBIOS_STRING, 0x04}, {"version", SMBIOS_STRING, 0x05},
    {"date", SMBIOS_STRING, 0x08},   {"release", SMBIOS_RELEASE, 0x14},
    {"uefi", SMBIOS_UEFI, 0x13},     {NULL},
};

static const SmbiosField system_fields[] = {
    {"manufacturer", SMBIOS_STRING, 0x04, .fallback = SMBIOS_MANUFACTURER},
    {"product", SMBIOS_STRING, 0x05, .fallback = SMBIOS_PRODUCT},
    {"version", SMBIOS_STRING, 0x06, .fallback = SMBIOS_VERSION},
    {"serial", SMBIOS_STRING, 0x07},
    {"sku", SMBIOS_STRING, 0x19},
    {"family", SMBIOS_STRING, 0x1a},
    {"uuid", SMBIOS_UUID, 0x08},
    {NULL},
};

static const SmbiosField board_fields[] = {
    {"manufacturer", SMBIOS_STRING, 0x04, .fallback = SMBIOS_MANUFACTURER},
    {"product", SMBIOS_STRING, 0x05, .fallback = SMBIOS_PRODUCT},
    {"version", SMBIOS_STRING, 0x06, .fallback = SMBIOS_VERSION},
    {"serial", SMBIOS_STRING, 0x07},
    {"asset", SMBIOS_STRING, 0x08},
    {"location", SMBIOS_STRING, 0x0a},
    {NULL},
};

static const SmbiosField chassis_fields[] = {
    {"manufacturer", SMBIOS_STRING, 0x04, .fallback = SMBIOS_MANUFACTURER},
    {"version", SMBIOS_STRING, 0x06, .fallback = SMBIOS_VERSION},
    {"serial", SMBIOS_STRING, 0x07},
    {"asset", SMBIOS_STRING, 0x08},
    {"sku", SMBIOS_STRING, 0x15},
    {NULL},
};

static const SmbiosField processor_fields[] = {
    {"sock_pfx", SMBIOS_PREFIX, 0x04, .text = "CPU"},
    {"manufacturer", SMBIOS_STRING, 0x07, .fallback = SMBIOS_MANUFACTURER},
    {"version", SMBIOS_STRING, 0x10, .fallback = SMBIOS_VERSION},
    {"serial", SMBIOS_STRING, 0x20},
    {"asset", SMBIOS_STRING, 0x21},
    {"part", SMBIOS_STRING, 0x22},
    {"max-speed", SMBIOS_NUMBER, 0x14, 2},
    {"current-speed", SMBIOS_NUMBER, 0x16, 2},
    {"processor-id", SMBIOS_NUMBER, 0x08, 8},
    {NULL},
};

static const SmbiosField port_fields[] = {
    {"internal_reference", SMBIOS_STRING, 0x04},
    {"external_reference", SMBIOS_STRING, 0x06},
    {"connector_type", SMBIOS_NUMBER, 0x07, 1},
    {"port_type", SMBIOS_NUMBER, 0x08, 1},
    {NULL},
};

static const SmbiosField oem_fields[] = {
    {"value", SMBIOS_ELSEWHERE},
    {"path", SMBIOS_ELSEWHERE},
    {NULL},
};

static const SmbiosField memory_fields[] = {
    {"loc_pfx", SMBIOS_PREFIX, 0x10, .text = "DIMM"},
    {"bank", SMBIOS_STRING, 0x11},
    {"manufacturer", SMBIOS_STRING, 0x17, .fallback = SMBIOS_MANUFACTURER},
    {"serial", SMBIOS_STRING, 0x18},
    {"asset", SMBIOS_STRING, 0x19},
    {"part", SMBIOS_STRING, 0x1a},
    {"speed", SMBIOS_SPEED, 0x15, 2},
    {NULL},
};

static const SmbiosField onboard_fields[] = {
    {"designation", SMBIOS_STRING, 0x04},
    {"kind", SMBIOS_KIND, 0x05},
    {"instance", SMBIOS_NUMBER, 0x06, 1},
    {"pcidev", SMBIOS_ELSEWHERE},
    {NULL},
};

#define AT(offset) [(offset)-4]

static const SmbiosStructure structures[] = {
    {0,
     0x18,
     0x000,
     false,
     /* first address segment, characteristics "not said", virtual machine, controller unknown */
     {AT(0x07) = 0xe8, AT(0x0a) = 0x08, AT(0x13) = 0x14, AT(0x16) = 0xff, AT(0x17) = 0xff},
     bios_fields},
    {1, 0x1b, 0x100, false, {AT(0x18) = 6 /* woken by the power switch */}, system_fields},
    {2,
     0x0f,
     0x200,
     false,
     {AT(0x09) = 1 /* hosts others */, AT(0x0c) = 3 /* chassis: handle 300h */,
      AT(0x0d) = 0x0a /* mainboard */},
     board_fields},
    {3,
     0x16,
     0x300,
     false,
     /* "other", states safe, no security */
     {AT(0x05) = 1, AT(0x09) = 3, AT(0x0a) = 3, AT(0x0b) = 3, AT(0x0c) = 2},
     chassis_fields},
    {4,
     0x30,
     0x400,
     false,
     /* a central processor of a family "other", 2000 MHz, in use, cache handles absent */
     {AT(0x05) = 3, AT(0x06) = 1, AT(0x14) = 0xd0, AT(0x15) = 7, AT(0x16) = 0xd0, AT(0x17) = 7,
      AT(0x18) = 0x41, AT(0x19) = 1, AT(0x1a) = 0xff, AT(0x1b) = 0xff, AT(0x1c) = 0xff,
      AT(0x1d) = 0xff, AT(0x1e) = 0xff, AT(0x1f) = 0xff, AT(0x26) = 2, AT(0x28) = 1},
     processor_fields},
    {8, 0x09, 0x800, true, {0}, port_fields},
    {11, 0x05, 0xe00, false, {0}, oem_fields},
    {16,
     0x17,
     0x1000,
     false,
     /* system memory on the board, multi-bit ECC, no error information */
     {AT(0x04) = 1, AT(0x05) = 3, AT(0x06) = 6, AT(0x0b) = 0xfe, AT(0x0c) = 0xff},
     NULL},
    {17,
     0x28,
     0x1100,
     false,
     /* of array 1000h, no error information, widths unknown, a DIMM of RAM */
     {AT(0x05) = 0x10, AT(0x06) = 0xfe, AT(0x07) = 0xff, AT(0x08) = 0xff, AT(0x09) = 0xff,
      AT(0x0a) = 0xff, AT(0x0b) = 0xff, AT(0x0e) = 9, AT(0x12) = 7, AT(0x13) = 2},
     memory_fields},
    {19, 0x1f, 0x1300, false, {AT(0x0d) = 0x10 /* of array 1000h */, AT(0x0e) = 1}, NULL},
    {32, 0x0b, 0x2000, false, {0}, NULL},
    {41, 0x0b, 0x2900, true, {0}, onboard_fields},
    {127, 0x04, 0x7f00, false, {0}, NULL},
};

const SmbiosStructure *smbios_structure(unsigned type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(structures); i++) {
        if (structures[i].type == type) {
            return &structures[i];
        }
    }
    return NULL;
}

/* -- Values ------------------------------------------------------------------------------------ */

/* Of an onboard device, 7.42.2; bit 7: it is enabled. */
static bool put_kind(const char *value, uint8_t *byte, Error **err)
{
    static const char *const kinds[] = {"other",    "unknown",   "video", "scsi",
                                        "ethernet", "tokenring", "sound", "pata",
                                        "sata",     "sas",       NULL};

    for (unsigned i = 0; kinds[i]; i++) {
        if (strcmp(kinds[i], value) == 0) {
            *byte = (uint8_t)(0x80 | (i + 1));
            return true;
        }
    }
    g_autofree char *all = g_strjoinv(", ", (char **)kinds);
    return error_set(err, "'%s' is not one of %s", value, all);
}

static bool put_number(const SmbiosField *field, const char *value, uint8_t *structure, Error **err)
{
    uint64_t number = 0, limit = field->size == 8 ? UINT64_MAX : (1ull << (8 * field->size)) - 1;

    if (!parse_u64(value, &number, err)) {
        return false;
    }
    if (number > limit) {
        return error_set(err, "%s is more than %" G_GUINT64_FORMAT, value, (guint64)limit);
    }
    number = GUINT64_TO_LE(number);
    memcpy(structure + field->offset, &number, field->size);
    if (field->kind == SMBIOS_SPEED) {
        memcpy(structure + 0x20, &number, field->size); /* configured speed */
    }
    return true;
}

static bool put_release(const char *value, uint8_t *bytes, Error **err)
{
    g_auto(GStrv) parts = g_strsplit(value, ".", -1);
    uint64_t numbers[2];

    if (g_strv_length(parts) != 2 || !parse_u64(parts[0], &numbers[0], NULL) ||
        !parse_u64(parts[1], &numbers[1], NULL) || numbers[0] > 255 || numbers[1] > 255) {
        return error_set(err, "'%s' is not MAJOR.MINOR, both up to 255", value);
    }
    bytes[0] = (uint8_t)numbers[0];
    bytes[1] = (uint8_t)numbers[1];
    return true;
}

bool smbios_put_value(const SmbiosField *field, const char *value, uint8_t *structure, Error **err)
{
    uint8_t *bytes = structure + field->offset;
    bool is_uefi = false;

    switch (field->kind) {
    case SMBIOS_NUMBER:
    case SMBIOS_SPEED:
        return put_number(field, value, structure, err);
    case SMBIOS_RELEASE:
        return put_release(value, bytes, err);
    case SMBIOS_KIND:
        return put_kind(value, bytes, err);
    case SMBIOS_UEFI:
        if (!parse_bool(value, &is_uefi, err)) {
            return false;
        }
        *bytes |= is_uefi ? 0x08 : 0;
        return true;
    case SMBIOS_UUID:
        return g_uuid_string_is_valid(value) || error_set(err, "'%s' is not a UUID", value);
    case SMBIOS_STRING:
    case SMBIOS_PREFIX:
    case SMBIOS_ELSEWHERE:
        break;
    }
    return true;
}

/* -- The option -------------------------------------------------------------------------------- */

static const SmbiosField *find_field(const SmbiosStructure *structure, const char *key)
{
    for (const SmbiosField *field = structure->fields; field->key; field++) {
        if (strcmp(field->key, key) == 0) {
            return field;
        }
    }
    return NULL;
}

static bool unknown_key(KeyVal *kv, const SmbiosStructure *structure, Error **err)
{
    const char *known[16] = {"type"};
    unsigned count = 1;

    for (const SmbiosField *field = structure->fields; field->key; field++) {
        known[count++] = field->key;
    }
    return keyval_check_unused(kv, known, err);
}

static bool check_keys(KeyVal *kv, const SmbiosStructure *structure, Error **err)
{
    uint8_t scratch[SMBIOS_LENGTH_MAX + 4];

    for (guint i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = kv->pairs->pdata[i];
        const SmbiosField *field = find_field(structure, pair->key);

        if (!field) {
            continue;
        }
        pair->used = true;
        if (!smbios_put_value(field, pair->value, scratch, err)) {
            error_prefix(err, "%s: ", pair->key);
            return false;
        }
        if (strcmp(pair->key, "path") == 0 && access(pair->value, R_OK) < 0) {
            return error_set_errno(err, errno, "cannot read '%s'", pair->value);
        }
    }
    return unknown_key(kv, structure, err);
}

static bool check_file(KeyVal *kv, const char *file, Error **err)
{
    static const char *const known[] = {"file", NULL};

    if (access(file, R_OK) < 0) {
        return error_set_errno(err, errno, "cannot read '%s'", file);
    }
    return keyval_check_unused(kv, known, err);
}

bool smbios_check_option(KeyVal *kv, Error **err)
{
    const char *file = keyval_get(kv, "file");
    const SmbiosStructure *structure;
    uint64_t type = UINT64_MAX;

    if (file) {
        return check_file(kv, file, err);
    }
    if (!keyval_get_u64(kv, "type", &type, err)) {
        return false;
    }
    if (type == UINT64_MAX) {
        return error_set(err, "type= or file= is needed");
    }
    structure = type < 256 ? smbios_structure((unsigned)type) : NULL;
    if (!structure || !structure->fields) {
        error_set(err, "type=%" G_GUINT64_FORMAT " cannot be filled by keys", (guint64)type);
        error_hint(err, "Types 0, 1, 2, 3, 4, 8, 11, 17 and 41 can; file= adds any structure");
        return false;
    }
    return check_keys(kv, structure, err);
}
