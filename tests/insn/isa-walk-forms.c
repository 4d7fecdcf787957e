/* SPDX-License-Identifier: MIT */
/*
 * All forms of all instructions: each map, opcode, mandatory prefix, width bit, vector length and
 * digit is tried in order, and what decodes is kept unless its form is known already. Where
 * ModRM.reg selects no instruction, VEX and EVEX have the same registers throughout: ModRM.reg 2,
 * ModRM.rm 3 (RBX points at data), vvvv 5, opmask 1, index XMM4.
 */
#include "target/i386/translate/decode.h"
#include "tests/insn/insn-case.h"
#include "tests/insn/isa-walk.h"

#include <string.h>

#define ENCODINGS_PER_FORM 2
#define REG 2
#define RM 3
#define VVVV 5

typedef struct Walk {
    uint32_t mode;
    GArray *forms;
    GHashTable *known; /* key of a form: how many of its encodings are kept */
} Walk;

static char *key_of(const Insn *insn)
{
    GString *key = g_string_new(NULL);
    bool has_mask = insn->vector_size == 4 && insn->bytes[insn->vector_offset + 3] & 7;

    g_string_printf(key, "%u.%u.%u%s", insn->mnemonic, insn->isa_set, insn->encoding,
                    has_mask ? "k" : "");
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const InsnOperand *o = &insn->operands[i];
        g_string_append_printf(key, ",%u.%u.%u", o->kind, o->reg_class, o->size);
    }
    return g_string_free(key, FALSE);
}

/* `operands_at`: where ModRM was put, 0: no instruction with ModRM is wanted. */
static void keep(Walk *w, const uint8_t bytes[16], unsigned operands_at)
{
    IsaForm form = {0};
    g_autofree char *key = NULL;
    unsigned count;
    bool too_long;

    if (decode_insn(w->mode, CASE_CODE, bytes, 15, &form.insn, &too_long) != DECODE_OK ||
        form.insn.modrm_offset != operands_at) {
        return;
    }
    key = key_of(&form.insn);
    count = GPOINTER_TO_UINT(g_hash_table_lookup(w->known, key));
    if (count < ENCODINGS_PER_FORM) {
        memcpy(form.bytes, form.insn.bytes, sizeof(form.bytes));
        g_array_append_val(w->forms, form);
        g_hash_table_insert(w->known, g_steal_pointer(&key), GUINT_TO_POINTER(count + 1));
    }
}

/* Puts an immediate behind: 5, which is also how far a branch goes, or an address for MOV moffs. */
static void keep_with_tail(Walk *w, uint8_t bytes[16], unsigned size, unsigned operands_at,
                           bool is_moffs)
{
    const uint64_t tail = is_moffs ? CASE_DATA + 0x100 : 5;

    memset(bytes + size, 0, 16 - size);
    memcpy(bytes + size, &tail, MIN(16 - size, sizeof(tail)));
    keep(w, bytes, operands_at);
}

/* Memory operands, plain and with SIB, then register operands; `all`: of each digit and register.
 */
static void keep_digits(Walk *w, uint8_t bytes[16], unsigned size, bool all)
{
    for (unsigned reg = all ? 0 : REG; reg <= (all ? 7 : REG); reg++) {
        bytes[size] = (uint8_t)(reg << 3 | RM);
        keep_with_tail(w, bytes, size + 1, size, false);
        bytes[size] = (uint8_t)(reg << 3 | 4);
        bytes[size + 1] = ISA_WALK_INDEX << 3 | RM;
        keep_with_tail(w, bytes, size + 2, size, false);
        for (unsigned rm = all ? 0 : RM; rm <= (all ? 7 : RM); rm++) {
            bytes[size] = (uint8_t)(0xc0 | reg << 3 | rm);
            keep_with_tail(w, bytes, size + 1, size, false);
        }
    }
}

/* Bytes before an opcode; those of VEX and EVEX have their own walks. */
static bool is_prefix(uint32_t mode, uint8_t byte)
{
    if (mode & CPU_MODE_CS_L &&
        ((byte & 0xf0) == 0x40 || byte == 0xc4 || byte == 0xc5 || byte == 0x62)) {
        return true;
    }
    return byte == 0x0f || byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 ||
           byte == 0xf3 || (byte & 0xe7) == 0x26 || byte == 0x64 || byte == 0x65;
}

static void walk_legacy_map(Walk *w, const uint8_t *escape, unsigned escapes)
{
    static const uint8_t prefixes[][2] = {{0}, {0x66}, {0xf3}, {0xf2}, {0x66, 0xf2}};
    const unsigned variants = w->mode & CPU_MODE_CS_L ? 2 : 1; /* without and with REX.W */

    for (unsigned i = 0; i < 256 * G_N_ELEMENTS(prefixes) * variants; i++) {
        const uint8_t *prefix = prefixes[i / variants % G_N_ELEMENTS(prefixes)];
        uint8_t bytes[16], opcode = (uint8_t)(i / variants / G_N_ELEMENTS(prefixes));
        unsigned size = 0;

        if (!escapes && is_prefix(w->mode, opcode)) {
            continue;
        }
        for (unsigned k = 0; k < 2 && prefix[k]; k++) {
            bytes[size++] = prefix[k];
        }
        if (i % variants) {
            bytes[size++] = 0x48;
        }
        memcpy(bytes + size, escape, escapes);
        size += escapes;
        bytes[size++] = opcode;
        keep_with_tail(w, bytes, size, 0, !escapes && opcode >= 0xa0 && opcode <= 0xa3);
        keep_digits(w, bytes, size, true);
    }
}

/* Groups: ModRM.reg selects the instruction. */
static bool is_vector_group(unsigned map, uint8_t opcode)
{
    return (map == 1 && ((opcode >= 0x71 && opcode <= 0x73) || opcode == 0xae)) ||
           (map == 2 && (opcode == 0xf3 || opcode == 0xc6 || opcode == 0xc7));
}

static void walk_vex(Walk *w, unsigned map)
{
    for (unsigned i = 0; i < 256 * 32; i++) {
        const unsigned pp = i & 3, wide = i >> 2 & 1, length = i >> 3 & 1, named = i >> 4 & 1;
        const uint8_t opcode = (uint8_t)(i >> 5);
        uint8_t bytes[16] = {
            0xc4, (uint8_t)(0xe0 | map),
            (uint8_t)(wide << 7 | (named ? 15 - VVVV : 15) << 3 | length << 2 | pp), opcode};

        keep_with_tail(w, bytes, 4, 0, false);
        keep_digits(w, bytes, 4, is_vector_group(map, opcode));
    }
}

static void walk_evex(Walk *w, unsigned map)
{
    for (unsigned i = 0; i < 256 * 128; i++) {
        const unsigned pp = i & 3, wide = i >> 2 & 1, mask = i >> 3 & 1, named = i >> 4 & 1;
        const unsigned length = i >> 5 & 3;
        const uint8_t opcode = (uint8_t)(i >> 7);
        uint8_t bytes[16] = {0x62, (uint8_t)(0xf0 | map),
                             (uint8_t)(wide << 7 | (named ? 15 - VVVV : 15) << 3 | 4 | pp),
                             (uint8_t)(length << 5 | 8 | mask), opcode};

        if (length < 3) {
            keep_digits(w, bytes, 5, is_vector_group(map, opcode));
        }
    }
}

GArray *isa_walk_forms(uint32_t mode)
{
    static const uint8_t escapes[] = {0x0f, 0x38, 0x0f, 0x3a};
    static const uint8_t evex_maps[] = {1, 2, 3, 5, 6};
    Walk w = {mode, g_array_new(FALSE, FALSE, sizeof(IsaForm)),
              g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};

    walk_legacy_map(&w, escapes, 0);
    walk_legacy_map(&w, escapes, 1);
    walk_legacy_map(&w, escapes, 2);
    walk_legacy_map(&w, escapes + 2, 2);
    for (unsigned map = 1; map <= 3; map++) {
        walk_vex(&w, map);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(evex_maps); i++) {
        walk_evex(&w, evex_maps[i]);
    }
    g_hash_table_destroy(w.known);
    return w.forms;
}
