/* SPDX-License-Identifier: MIT */
/* Which instructions may be part of a case: carried, and the same on every processor. */
#include "tests/fuzz/fuzz-insn-case.h"

#include "target/i386/translate/decode.h"
#include "target/i386/translate/rehost.h"

#include <Zydis/Zydis.h>

/* -- What may run ----------------------------------------------------------------------------- */

bool fuzz_decode(uint32_t mode, uint64_t rip, const uint8_t *bytes, unsigned size, Insn *ret_insn)
{
    bool too_long;

    return size && decode_insn(mode, rip, bytes, size, ret_insn, &too_long) == DECODE_OK;
}

/* Helpers that do in user mode what the processor does, without naming what only this machine has:
 * descriptors, time, random numbers, its features, addresses of x87 instructions. */
static bool is_user_helper(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_XLAT:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_LEAVE:
    case ZYDIS_MNEMONIC_CLD:
    case ZYDIS_MNEMONIC_STD:
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VGATHERDPD:
    case ZYDIS_MNEMONIC_VGATHERDPS:
    case ZYDIS_MNEMONIC_VGATHERQPD:
    case ZYDIS_MNEMONIC_VGATHERQPS:
    case ZYDIS_MNEMONIC_VPGATHERDD:
    case ZYDIS_MNEMONIC_VPGATHERDQ:
    case ZYDIS_MNEMONIC_VPGATHERQD:
    case ZYDIS_MNEMONIC_VPGATHERQQ:
    case ZYDIS_MNEMONIC_VSCATTERDPD:
    case ZYDIS_MNEMONIC_VSCATTERDPS:
    case ZYDIS_MNEMONIC_VSCATTERQPD:
    case ZYDIS_MNEMONIC_VSCATTERQPS:
    case ZYDIS_MNEMONIC_VPSCATTERDD:
    case ZYDIS_MNEMONIC_VPSCATTERDQ:
    case ZYDIS_MNEMONIC_VPSCATTERQD:
    case ZYDIS_MNEMONIC_VPSCATTERQQ:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FWAIT:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_CLFLUSHOPT:
    case ZYDIS_MNEMONIC_CLWB:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_CLI:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_INVLPG:
    case ZYDIS_MNEMONIC_WBINVD:
    case ZYDIS_MNEMONIC_INVD:
    case ZYDIS_MNEMONIC_CLTS:
    case ZYDIS_MNEMONIC_LGDT:
    case ZYDIS_MNEMONIC_LIDT:
    case ZYDIS_MNEMONIC_LLDT:
    case ZYDIS_MNEMONIC_LTR:
    case ZYDIS_MNEMONIC_LMSW:
    case ZYDIS_MNEMONIC_RDMSR:
    case ZYDIS_MNEMONIC_WRMSR:
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_INSB:
    case ZYDIS_MNEMONIC_INSW:
    case ZYDIS_MNEMONIC_INSD:
    case ZYDIS_MNEMONIC_OUTSB:
    case ZYDIS_MNEMONIC_OUTSW:
    case ZYDIS_MNEMONIC_OUTSD:
    case ZYDIS_MNEMONIC_STI:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INTO:
    case ZYDIS_MNEMONIC_BOUND:
    case ZYDIS_MNEMONIC_MOV: /* segment registers; control registers fault */
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_LDS:
    case ZYDIS_MNEMONIC_LES:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
    case ZYDIS_MNEMONIC_LAR:
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_VERR:
    case ZYDIS_MNEMONIC_VERW:
    case ZYDIS_MNEMONIC_ARPL:
    case ZYDIS_MNEMONIC_JMP: /* far */
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_PUSHA:
    case ZYDIS_MNEMONIC_PUSHAD:
    case ZYDIS_MNEMONIC_POPA:
    case ZYDIS_MNEMONIC_POPAD:
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_DAA:
    case ZYDIS_MNEMONIC_DAS:
    case ZYDIS_MNEMONIC_AAA:
    case ZYDIS_MNEMONIC_AAS:
    case ZYDIS_MNEMONIC_AAM:
    case ZYDIS_MNEMONIC_AAD:
    case ZYDIS_MNEMONIC_SALC:
    case ZYDIS_MNEMONIC_RDFSBASE:
    case ZYDIS_MNEMONIC_RDGSBASE:
    case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE:
        return true;
    default:
        return false;
    }
}

static bool has_repeat_prefix(const Insn *insn)
{
    for (unsigned i = 0; i < insn->length; i++) {
        if (insn->bytes[i] == 0xf2 || insn->bytes[i] == 0xf3) {
            return true;
        }
        if (insn->bytes[i] == insn->opcode) {
            break;
        }
    }
    return false;
}

bool fuzz_insn_is_allowed(const Insn *insn)
{
    bool is_64bit = insn->stack_bits == 64;

    if (!insn->row) {
        return false;
    }
    if (insn->mnemonic == ZYDIS_MNEMONIC_RDRAND || insn->mnemonic == ZYDIS_MNEMONIC_RDSEED) {
        return false;
    }
    if (insn->isa_set == ZYDIS_ISA_SET_PREFETCH_NOP && insn->memory_operand == INSN_NO_REG) {
        return false; /* a NOP for Intel, #UD for AMD */
    }
    switch (insn->row->carry) {
    case CARRY_HELPER:
        return is_user_helper(insn->mnemonic);
    case CARRY_BRANCH: /* in 64-bit code AMD truncates RIP for a 66h prefix, Intel ignores it; AMD
                          reverses LOOPE and LOOPNE for F2h and F3h */
        return !(is_64bit && insn->operand_prefix) &&
               !(insn->mnemonic >= ZYDIS_MNEMONIC_LOOP && insn->mnemonic <= ZYDIS_MNEMONIC_LOOPNE &&
                 has_repeat_prefix(insn));
    default:
        return true;
    }
}

/* -- What processors do not agree about ------------------------------------------------------- */

static const struct {
    uint16_t mnemonic;
    const char *reason;
} free_cr2[] = {
    {ZYDIS_MNEMONIC_FLDENV, "the last byte is looked at first"},
    {ZYDIS_MNEMONIC_FRSTOR, "the last byte is looked at first"},
};

bool fuzz_insn_may_fault_anywhere(const Insn *insn)
{
    for (size_t i = 0; i < sizeof(free_cr2) / sizeof(free_cr2[0]); i++) {
        if (free_cr2[i].mnemonic == insn->mnemonic) {
            return true;
        }
    }
    return false;
}
