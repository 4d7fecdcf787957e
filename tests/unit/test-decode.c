/* SPDX-License-Identifier: MIT */
/* Codes that mean something else, or nothing, on a CPU model without the extension that uses
 * them. */
#include "target/i386/cpu-model.h"
#include "accel/tcg/options.h"
#include "target/i386/translate/decode-forms.h"
#include "target/i386/translate/rehost.h"
#include "util/error.h"

#include <Zydis/Zydis.h>
#include <glib.h>
#include <string.h>

#define NO_CARRY 0xff /* #UD */
#define MODE_64 (CPU_MODE_CS_L | CPU_MODE_FLAT_CS | CPU_MODE_FLAT_DATA)
#define MODE_32 (CPU_MODE_CS_D | CPU_MODE_SS_B | CPU_MODE_FLAT_CS | CPU_MODE_FLAT_DATA)

typedef struct Sample {
    uint8_t bytes[8], length;
    uint16_t mnemonic;
    uint8_t carry;
} Sample;

static void check(const Sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const Sample *sample = &samples[i];
        bool too_long;
        Insn insn;

        g_assert_cmpint(decode_insn(MODE_64, 0, sample->bytes, sample->length, &insn, &too_long),
                        ==, DECODE_OK);
        g_assert_cmpuint(insn.length, ==, sample->length);
        g_assert_cmpstr(ZydisMnemonicGetString((ZydisMnemonic)insn.mnemonic), ==,
                        ZydisMnemonicGetString((ZydisMnemonic)sample->mnemonic));
        g_assert_cmphex(insn.row ? insn.row->carry : NO_CARRY, ==, sample->carry);
    }
}

/* Extensions the model lacks: ABM, BMI1, MOVBE, POPCNT, RDPID, PKU, RTM, CET, AVX-512... */
static void test_absent(void)
{
    static const Sample samples[] = {
        {{0xf3, 0x0f, 0xbd, 0xc3}, 4, ZYDIS_MNEMONIC_BSR, CARRY_NATIVE},
        {{0x66, 0xf3, 0x0f, 0xbd, 0xc3}, 5, ZYDIS_MNEMONIC_BSR, CARRY_NATIVE},
        {{0xf3, 0x48, 0x0f, 0xbc, 0x03}, 5, ZYDIS_MNEMONIC_BSF, CARRY_NATIVE},
        {{0xc4, 0xe2, 0x78, 0xf2, 0xc3}, 5, ZYDIS_MNEMONIC_ANDN, NO_CARRY},
        {{0x0f, 0x38, 0xf0, 0x03}, 4, ZYDIS_MNEMONIC_MOVBE, NO_CARRY},
        {{0xf3, 0x0f, 0xb8, 0xc3}, 4, ZYDIS_MNEMONIC_POPCNT, NO_CARRY},
        {{0xf3, 0x0f, 0xc7, 0xf8}, 4, ZYDIS_MNEMONIC_RDPID, NO_CARRY},
        {{0x0f, 0x01, 0xee}, 3, ZYDIS_MNEMONIC_RDPKRU, NO_CARRY},
        {{0x0f, 0x01, 0xd5}, 3, ZYDIS_MNEMONIC_XEND, NO_CARRY},
        {{0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2}, 6, ZYDIS_MNEMONIC_VADDPS, NO_CARRY},
        {{0xf3, 0x0f, 0x09}, 3, ZYDIS_MNEMONIC_WBINVD, CARRY_HELPER},
        {{0xf3, 0x0f, 0x1e, 0xfa}, 4, ZYDIS_MNEMONIC_ENDBR64, CARRY_NOTHING},
        {{0xf3, 0x48, 0x0f, 0x1e, 0xc8}, 5, ZYDIS_MNEMONIC_RDSSPQ, CARRY_NOTHING},
        {{0xf3, 0x0f, 0x1a, 0x03}, 4, ZYDIS_MNEMONIC_NOP, CARRY_NOTHING},
        {{0x66, 0x0f, 0x1b, 0x03}, 4, ZYDIS_MNEMONIC_NOP, CARRY_NOTHING},
        {{0x0f, 0x1c, 0x03}, 3, ZYDIS_MNEMONIC_CLDEMOTE, CARRY_NOTHING},
        {{0x0f, 0x0d, 0x0b}, 3, ZYDIS_MNEMONIC_PREFETCHW, CARRY_NOTHING},
        {{0x0f, 0x0d, 0x13}, 3, ZYDIS_MNEMONIC_PREFETCHWT1, CARRY_NOTHING},
        {{0xf2, 0xf0, 0x01, 0x03}, 4, ZYDIS_MNEMONIC_ADD, CARRY_NATIVE}, /* XACQUIRE */
        {{0xf3, 0xc6, 0x03, 0x01}, 4, ZYDIS_MNEMONIC_MOV, CARRY_NATIVE}, /* XRELEASE */
    };

    check(samples, G_N_ELEMENTS(samples));
}

/* What BSR was made of keeps no prefix when it is written for the host. */
static void test_encoding(void)
{
    static const uint8_t lzcnt[] = {0x66, 0xf3, 0x0f, 0xbd, 0xc3}, bsr[] = {0x66, 0x0f, 0xbd, 0xc3};
    RehostMap map = {.memory_base = 5};
    uint8_t code[REHOST_MAX_BYTES];
    bool too_long;
    Insn insn;

    for (unsigned i = 0; i < 16; i++) {
        map.gpr[i] = (uint8_t)i;
    }
    g_assert_cmpint(decode_insn(MODE_64, 0, lzcnt, sizeof(lzcnt), &insn, &too_long), ==, DECODE_OK);
    g_assert_cmpmem(code, rehost_encode(&insn, &map, code), bsr, sizeof(bsr));
    g_assert_cmphex(insn.flags_written, ==, EFLAGS_ZF);
}

/* Outside of 64-bit mode the prefix bits that would name registers above 7 are ignored. */
static void test_short_registers(void)
{
    static const uint8_t evex[] = {0x62, 0xd1, 0x34, 0x48, 0x58, 0xc2}; /* B, vvvv of 1 + 8 */
    static const uint8_t host[] = {0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2};
    RehostMap map = {.memory_base = 5};
    uint8_t code[REHOST_MAX_BYTES];
    bool too_long;
    Insn insn;

    g_assert_cmpint(decode_insn(MODE_32, 0, evex, sizeof(evex), &insn, &too_long), ==, DECODE_OK);
    g_assert_cmpmem(code, rehost_encode(&insn, &map, code), host, sizeof(host));
}

static void compare_forms(const uint8_t *bytes, unsigned size, unsigned *valid)
{
    Insn whole, by_form;
    bool whole_long, form_long;
    DecodeResult result = decode_insn(MODE_64, 77, bytes, size, &whole, &whole_long);

    g_assert_cmpint(decode_insn_by_form(MODE_64, 77, bytes, size, &by_form, &form_long), ==,
                    result);
    g_assert_cmpint(form_long, ==, whole_long);
    if (result == DECODE_OK) {
        g_assert_cmpmem(&by_form, sizeof(by_form), &whole, sizeof(whole));
        ++*valid;
    }
}

/* Whatever was met before: every opcode of two maps with prefixes, then other values behind it. */
static void test_forms(void)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3, 0xf0, 0x65, 0x3e, 0x67, 0x48, 0x41};
    unsigned valid = 0;

    tcg_options.opt_forms = true;
    for (unsigned n = 0; n < 2000000; n++) {
        unsigned prefix = prefixes[(unsigned)g_test_rand_int_range(0, G_N_ELEMENTS(prefixes))];
        uint8_t bytes[15];
        unsigned at = 0;
        for (unsigned i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)g_test_rand_int();
        }
        if (prefix) {
            bytes[at++] = (uint8_t)prefix;
        }
        if (n & 1) {
            bytes[at++] = 0x0f;
        }
        bytes[at] = (uint8_t)(n >> 1);
        bytes[at + 1] &= 0xcf; /* fewer forms, so that they come again */
        compare_forms(bytes, (unsigned)g_test_rand_int_range(1, sizeof(bytes) + 1), &valid);
    }
    g_assert_cmpuint(valid, >, 500000);
}

int main(int argc, char **argv)
{
    Error *err = NULL;

    g_test_init(&argc, &argv, NULL);
    g_assert_true(cpu_model_select("qemu64", &err));
    g_test_add_func("/decode/absent", test_absent);
    g_test_add_func("/decode/encoding", test_encoding);
    g_test_add_func("/decode/short-registers", test_short_registers);
    g_test_add_func("/decode/forms", test_forms);
    return g_test_run();
}
