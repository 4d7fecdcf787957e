/* SPDX-License-Identifier: MIT */
/* The structures of SMBIOS that options fill, a row per key. */
#ifndef HW_FIRMWARE_SMBIOS_FIELDS_H
#define HW_FIRMWARE_SMBIOS_FIELDS_H

#include "util/keyval.h"

#define SMBIOS_LENGTH_MAX 48

typedef enum SmbiosFieldKind {
    SMBIOS_STRING,  /* the offset holds the number of a string behind the structure */
    SMBIOS_PREFIX,  /* the same, with the number of the structure behind it */
    SMBIOS_NUMBER,  /* of .size bytes */
    SMBIOS_SPEED,   /* two times two bytes: rated and configured */
    SMBIOS_RELEASE, /* MAJOR.MINOR in two bytes */
    SMBIOS_UEFI,    /* a bit */
    SMBIOS_KIND,    /* of an onboard device, by name */
    SMBIOS_UUID,
    SMBIOS_ELSEWHERE /* read where the structure is made */
} SmbiosFieldKind;

typedef enum SmbiosDefault {
    SMBIOS_NOTHING,
    SMBIOS_MANUFACTURER,
    SMBIOS_PRODUCT,
    SMBIOS_VERSION
} SmbiosDefault;

typedef struct SmbiosField {
    const char *key;
    SmbiosFieldKind kind;
    uint8_t offset, size;
    SmbiosDefault fallback;
    const char *text; /* default of a SMBIOS_PREFIX */
} SmbiosField;

typedef struct SmbiosStructure {
    uint8_t type;
    uint8_t length;  /* of the formatted part */
    uint16_t handle; /* of the first */
    /* Each option is a structure of its own; otherwise the options of a type add up to one. */
    bool is_many;
    uint8_t bytes[SMBIOS_LENGTH_MAX]; /* formatted part, from byte 4 on, before options */
    const SmbiosField *fields;        /* ends with a NULL key; NULL: options do not fill it */
} SmbiosStructure;

/* The structure of a number; NULL: there is none. */
const SmbiosStructure *smbios_structure(unsigned type);

/* Puts a value that was checked, SMBIOS_STRING and SMBIOS_PREFIX excepted, into the structure. */
bool smbios_put_value(const SmbiosField *field, const char *value, uint8_t *structure, Error **err);

#endif
