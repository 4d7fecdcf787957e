/* SPDX-License-Identifier: MIT */
/* AML: writes the byte code of an ACPI definition block from the front to the back. ACPI 6.4,
 * chapter 20; resources: chapter 6.4. */
#ifndef HW_FIRMWARE_AML_H
#define HW_FIRMWARE_AML_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define AML_DEPTH_MAX 16

typedef struct Aml {
    GByteArray *bytes;
    unsigned depth;
    struct {
        guint start;      /* where the package length goes */
        bool is_resource; /* a resource template: end tag and buffer size are added */
    } open[AML_DEPTH_MAX];
} Aml;

void aml_init(Aml *aml);
void aml_fini(Aml *aml);

/* -- Terms with a body: everything up to the matching aml_end() is inside ---------------------- */

void aml_scope(Aml *aml, const char *name);
void aml_device(Aml *aml, const char *name);
void aml_processor(Aml *aml, const char *name, uint8_t id);
void aml_method(Aml *aml, const char *name, unsigned argument_count);
void aml_if(Aml *aml);                        /* a predicate term follows, then the body */
void aml_package(Aml *aml, uint8_t count);    /* its elements follow */
void aml_resources(Aml *aml);                 /* a buffer of the resources that follow */
void aml_field(Aml *aml, const char *region); /* byte access; aml_field_unit() follow */
void aml_end(Aml *aml);

/* -- Terms ------------------------------------------------------------------------------------- */

/* Names are paths: "\\_SB.PCI0", "_HID", "^ISA.PRQ0"; segments are padded to four characters. */
void aml_path(Aml *aml, const char *path);
void aml_name(Aml *aml, const char *name); /* the value follows */
void aml_integer(Aml *aml, uint64_t value);
void aml_string(Aml *aml, const char *text);
void aml_eisa_id(Aml *aml, const char *id); /* "PNP0A03" */
void aml_op(Aml *aml, uint8_t opcode);      /* AML_* below; its operands follow */
void aml_pci_config_region(Aml *aml, const char *name, uint8_t offset, uint8_t size);
void aml_io_region(Aml *aml, const char *name, uint16_t port, uint8_t size);
void aml_field_unit(Aml *aml, const char *name, uint8_t bits);
/* CreateDWordField(source, offset, name); the source is an AML_LOCAL0, AML_ARG0 or a path. */
void aml_dword_field_of_arg(Aml *aml, uint8_t source_op, uint8_t offset, const char *name);

enum { /* one-byte opcodes for aml_op() */
       AML_LOCAL0 = 0x60,
       AML_ARG0 = 0x68,
       AML_STORE = 0x70,
       AML_AND = 0x7b,
       AML_OR = 0x7d,
       AML_RETURN = 0xa4,
       AML_NO_TARGET = 0x00
};

/* -- Resources --------------------------------------------------------------------------------- */

typedef enum AmlSpace { AML_SPACE_MEMORY, AML_SPACE_IO, AML_SPACE_BUS } AmlSpace;

/* I/O ports decoded with 16 bits. */
void aml_io(Aml *aml, uint16_t base, uint8_t size);
/* Memory below 4 GiB, read-only. */
void aml_memory(Aml *aml, uint32_t base, uint32_t size);
/* Edge-triggered ISA interrupt. */
void aml_irq(Aml *aml, uint8_t irq);
/* Level-triggered, active high, shared; `count` choices. */
void aml_interrupts(Aml *aml, const uint32_t *interrupts, uint8_t count);
/* Windows a bridge passes on, both ends included. */
void aml_word_window(Aml *aml, AmlSpace space, uint16_t first, uint16_t last);
void aml_dword_window(Aml *aml, AmlSpace space, uint32_t first, uint32_t last, bool cacheable);

#endif
