/* SPDX-License-Identifier: MIT */
/* ACPI tables of the user: -acpitable. A header of 36 bytes comes with the file or is made here. */
#include "hw/firmware.h"

#include "util/file.h"
#include "util/keyval.h"

#include <string.h>

enum { /* offsets in the header, ACPI 6.4, 5.2.6 */
       HEADER_LENGTH = 4,
       HEADER_REVISION = 8,
       HEADER_CHECKSUM = 9,
       HEADER_OEM_ID = 10,
       HEADER_OEM_TABLE_ID = 16,
       HEADER_OEM_REVISION = 24,
       HEADER_CREATOR_ID = 28,
       HEADER_CREATOR_REVISION = 32,
       HEADER_SIZE = 36
};

static const struct {
    const char *key;
    uint8_t offset, size;
    bool is_text; /* else a number */
} header_keys[] = {
    {"sig", 0, 4, true},
    {"rev", HEADER_REVISION, 1, false},
    {"oem_id", HEADER_OEM_ID, 6, true},
    {"oem_table_id", HEADER_OEM_TABLE_ID, 8, true},
    {"oem_rev", HEADER_OEM_REVISION, 4, false},
    {"asl_compiler_id", HEADER_CREATOR_ID, 4, true},
    {"asl_compiler_rev", HEADER_CREATOR_REVISION, 4, false},
};

/* As QEMU fills what the user leaves out. */
static const char default_header[HEADER_SIZE + 1] =
    "QEMU\0\0\0\0\1\0QEMUQEQEMUQEMU\1\0\0\0QEMU\1\0\0";

static bool put_key(KeyVal *kv, size_t index, uint8_t *header, Error **err)
{
    const char *key = header_keys[index].key, *value = keyval_get(kv, key);
    uint8_t *at = header + header_keys[index].offset;
    unsigned size = header_keys[index].size;
    uint64_t number = 0;

    if (!value) {
        return true;
    }
    if (header_keys[index].is_text) {
        if (strlen(value) > size || (size == 4 && at == header && strlen(value) != size)) {
            return error_set(err, "%s=%s does not have %s%u characters", key, value,
                             at == header ? "" : "up to ", size);
        }
        memset(at, 0, size);
        memcpy(at, value, strlen(value));
        return true;
    }
    if (!keyval_get_u64(kv, key, &number, err)) {
        return false;
    }
    if (number >> (8 * size)) {
        return error_set(err, "%s=%s does not fit into %u byte%s", key, value, size,
                         size > 1 ? "s" : "");
    }
    number = GUINT64_TO_LE(number);
    memcpy(at, &number, size);
    return true;
}

static bool append_files(GByteArray *table, const char *paths, Error **err)
{
    g_auto(GStrv) parts = g_strsplit(paths, ":", -1);

    for (char **path = parts; *path; path++) {
        size_t size;
        g_autofree char *data = file_read(*path, &size, err);

        if (!data) {
            return false;
        }
        if (table->len + size > 1 << 26) {
            return error_set(err, "'%s' makes the table larger than 64 MiB", *path);
        }
        g_byte_array_append(table, (const uint8_t *)data, (guint)size);
    }
    return true;
}

static void sum_up(GByteArray *table)
{
    uint32_t length = GUINT32_TO_LE(table->len);
    uint8_t sum = 0;

    memcpy(table->data + HEADER_LENGTH, &length, sizeof(length));
    table->data[HEADER_CHECKSUM] = 0;
    for (guint i = 0; i < table->len; i++) {
        sum = (uint8_t)(sum + table->data[i]);
    }
    table->data[HEADER_CHECKSUM] = (uint8_t)-sum;
}

static bool fill(GByteArray *table, KeyVal *kv, Error **err)
{
    static const char *const known[] = {"file",
                                        "data",
                                        "sig",
                                        "rev",
                                        "oem_id",
                                        "oem_table_id",
                                        "oem_rev",
                                        "asl_compiler_id",
                                        "asl_compiler_rev",
                                        NULL};
    const char *file = keyval_get(kv, "file"), *data = keyval_get(kv, "data");

    if (!file == !data) {
        return error_set(err, "either file= or data= is needed");
    }
    if (data) {
        g_byte_array_append(table, (const uint8_t *)default_header, HEADER_SIZE);
    }
    if (!append_files(table, file ? file : data, err)) {
        return false;
    }
    if (table->len < HEADER_SIZE) {
        error_set(err, "'%s' is too short for the header of a table", file);
        error_hint(err, "data= is for a table without one");
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(header_keys); i++) {
        if (!put_key(kv, i, table->data, err)) {
            return false;
        }
    }
    sum_up(table);
    return keyval_check_unused(kv, known, err);
}

GBytes *acpi_user_table(struct KeyVal *kv, Error **err)
{
    GByteArray *table = g_byte_array_new();

    if (!fill(table, kv, err)) {
        g_byte_array_free(table, TRUE);
        return NULL;
    }
    return g_byte_array_free_to_bytes(table);
}
