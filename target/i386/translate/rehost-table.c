/* SPDX-License-Identifier: MIT */
/* The re-hosting table, default-deny: an instruction without a row is #UD. Mnemonics first, then
 * whole ISA sets. */
#include "target/i386/helpers/helpers.h"
#include "target/i386/translate/rehost.h"

#include <Zydis/Zydis.h>

#define NATIVE(m)                                                                                  \
    {                                                                                              \
        .mnemonic = ZYDIS_MNEMONIC_##m, .carry = CARRY_NATIVE                                      \
    }
#define NOTHING(m)                                                                                 \
    {                                                                                              \
        .mnemonic = ZYDIS_MNEMONIC_##m, .carry = CARRY_NOTHING                                     \
    }
#define BRANCH(m)                                                                                  \
    {                                                                                              \
        .mnemonic = ZYDIS_MNEMONIC_##m, .carry = CARRY_BRANCH                                      \
    }
#define STRING(m)                                                                                  \
    {                                                                                              \
        .mnemonic = ZYDIS_MNEMONIC_##m, .carry = CARRY_STRING                                      \
    }
#define HELPER(m, h)                                                                               \
    {                                                                                              \
        .mnemonic = ZYDIS_MNEMONIC_##m, .carry = CARRY_HELPER, .helper = h                         \
    }
#define NATIVE_SET(s)                                                                              \
    {                                                                                              \
        .isa_set = ZYDIS_ISA_SET_##s, .carry = CARRY_NATIVE                                        \
    }
/* An AVX-512 extension: its 512-, 256- and 128-bit forms. */
#define NATIVE_512(s) NATIVE_SET(s##_512), NATIVE_SET(s##_256), NATIVE_SET(s##_128)
#define NOTHING_SET(s)                                                                             \
    {                                                                                              \
        .isa_set = ZYDIS_ISA_SET_##s, .carry = CARRY_NOTHING                                       \
    }

static const RehostRow rows[] = {
    /* Integer instructions the silicon executes; MOV, BT.. and the far forms have rows below. */
    NATIVE(ADC),
    NATIVE(ADD),
    NATIVE(AND),
    NATIVE(BSF),
    NATIVE(BSR),
    NATIVE(BSWAP),
    NATIVE(BT),
    NATIVE(BTC),
    NATIVE(BTR),
    NATIVE(BTS),
    NATIVE(CBW),
    NATIVE(CDQ),
    NATIVE(CDQE),
    NATIVE(CLC),

    NATIVE(CMC),
    NATIVE(CMP),
    NATIVE(CMPXCHG),
    NATIVE(CMPXCHG8B),
    NATIVE(CQO),
    NATIVE(CWD),
    NATIVE(CWDE),
    NATIVE(DEC),
    NATIVE(DIV),
    NATIVE(IDIV),
    NATIVE(IMUL),
    NATIVE(INC),
    NATIVE(LAHF),
    NATIVE(LFENCE),
    NATIVE(MFENCE),
    NATIVE(MOV),
    NATIVE(MOVNTI),
    NATIVE(MOVSX),
    NATIVE(MOVSXD),
    NATIVE(MOVZX),
    NATIVE(MUL),
    NATIVE(NEG),
    NATIVE(NOT),
    NATIVE(OR),

    NATIVE(RCL),
    NATIVE(RCR),
    NATIVE(ROL),
    NATIVE(ROR),
    NATIVE(SAHF),
    NATIVE(SAR),
    NATIVE(SBB),
    NATIVE(SETB),
    NATIVE(SETBE),
    NATIVE(SETL),
    NATIVE(SETLE),
    NATIVE(SETNB),
    NATIVE(SETNBE),
    NATIVE(SETNL),
    NATIVE(SETNLE),
    NATIVE(SETNO),
    NATIVE(SETNP),
    NATIVE(SETNS),
    NATIVE(SETNZ),
    NATIVE(SETO),
    NATIVE(SETP),
    NATIVE(SETS),
    NATIVE(SETZ),
    NATIVE(SFENCE),
    NATIVE(SHL),
    NATIVE(SHLD),
    NATIVE(SHR),
    NATIVE(SHRD),
    NATIVE(STC),

    NATIVE(SUB),
    NATIVE(TEST),
    NATIVE(XADD),
    NATIVE(XCHG),
    NATIVE(XOR),
    /* Near control flow */
    BRANCH(CALL),
    BRANCH(JB),
    BRANCH(JBE),
    BRANCH(JCXZ),
    BRANCH(JECXZ),
    BRANCH(JL),
    BRANCH(JLE),
    BRANCH(JMP),
    BRANCH(JNB),
    BRANCH(JNBE),
    BRANCH(JNL),
    BRANCH(JNLE),
    BRANCH(JNO),
    BRANCH(JNP),
    BRANCH(JNS),
    BRANCH(JNZ),
    BRANCH(JO),
    BRANCH(JP),
    BRANCH(JRCXZ),
    BRANCH(JS),
    BRANCH(JZ),
    BRANCH(LOOP),
    BRANCH(LOOPE),
    BRANCH(LOOPNE),
    BRANCH(RET),
    /* Strings without ports */
    STRING(MOVSB),
    STRING(MOVSW),
    STRING(MOVSD),
    STRING(MOVSQ),
    STRING(STOSB),
    STRING(STOSW),
    STRING(STOSD),
    STRING(STOSQ),
    STRING(LODSB),
    STRING(LODSW),
    STRING(LODSD),
    STRING(LODSQ),
    STRING(SCASB),
    STRING(SCASW),
    STRING(SCASD),
    STRING(SCASQ),
    STRING(CMPSB),
    STRING(CMPSW),
    STRING(CMPSD),
    STRING(CMPSQ),
    /* Stack and address arithmetic */
    {.mnemonic = ZYDIS_MNEMONIC_PUSH, .carry = CARRY_STACK},
    {.mnemonic = ZYDIS_MNEMONIC_POP, .carry = CARRY_STACK},
    {.mnemonic = ZYDIS_MNEMONIC_LEA, .carry = CARRY_LEA},
    NATIVE(FCOMI),
    NATIVE(FCOMIP),
    NATIVE(FUCOMI),
    NATIVE(FUCOMIP),
    /* without CET these are NOPs */
    NOTHING(ENDBR32),
    NOTHING(ENDBR64),
    NOTHING(RDSSPD),
    NOTHING(RDSSPQ),
    NOTHING(NOP),
    NOTHING(CLDEMOTE),
    /* System instructions and those with addressing of their own, in plain C */
    HELPER(IRET, helper_iret),
    HELPER(IRETD, helper_iret),
    HELPER(IRETQ, helper_iret),
    HELPER(SYSCALL, helper_syscall),
    HELPER(SYSRET, helper_sysret),
    HELPER(SYSENTER, helper_sysenter),
    HELPER(SYSEXIT, helper_sysexit),
    HELPER(INT, helper_int),
    HELPER(INT3, helper_int3),
    HELPER(INTO, helper_into),
    HELPER(INT1, helper_int1),
    HELPER(BOUND, helper_bound),
    HELPER(UD0, helper_ud),
    HELPER(UD1, helper_ud),
    HELPER(UD2, helper_ud),
    HELPER(LDS, helper_load_far_pointer),
    HELPER(LES, helper_load_far_pointer),
    HELPER(LFS, helper_load_far_pointer),
    HELPER(LGS, helper_load_far_pointer),
    HELPER(LSS, helper_load_far_pointer),
    HELPER(LAR, helper_lar),
    HELPER(LSL, helper_lsl),
    HELPER(VERR, helper_verr),
    HELPER(VERW, helper_verw),
    HELPER(ARPL, helper_arpl),
    HELPER(SWAPGS, helper_swapgs),
    HELPER(RDFSBASE, helper_rdfsbase),
    HELPER(RDGSBASE, helper_rdgsbase),
    HELPER(WRFSBASE, helper_wrfsbase),
    HELPER(WRGSBASE, helper_wrgsbase),
    HELPER(LMSW, helper_lmsw),
    HELPER(SMSW, helper_smsw),
    HELPER(CLTS, helper_clts),
    HELPER(LGDT, helper_lgdt),
    HELPER(LIDT, helper_lidt),
    HELPER(SGDT, helper_sgdt),
    HELPER(SIDT, helper_sidt),
    HELPER(LLDT, helper_lldt),
    HELPER(LTR, helper_ltr),
    HELPER(SLDT, helper_sldt),
    HELPER(STR, helper_str),
    HELPER(INVLPG, helper_invlpg),
    HELPER(INVPCID, helper_invpcid),
    HELPER(PAUSE, helper_pause),
    HELPER(WBINVD, helper_wbinvd),
    HELPER(INVD, helper_wbinvd),
    HELPER(HLT, helper_hlt),
    HELPER(MWAIT, helper_mwait),
    HELPER(MONITOR, helper_monitor),
    HELPER(XSETBV, helper_xsetbv),
    HELPER(XGETBV, helper_xgetbv),
    HELPER(RDPKRU, helper_rdpkru),
    HELPER(WRPKRU, helper_wrpkru),
    HELPER(CLI, helper_cli),
    HELPER(CLD, helper_cld),
    HELPER(STD, helper_std),
    HELPER(STI, helper_sti),
    HELPER(PUSHF, helper_pushf),
    HELPER(PUSHFD, helper_pushf),
    HELPER(PUSHFQ, helper_pushf),
    HELPER(POPF, helper_popf),
    HELPER(POPFD, helper_popf),
    HELPER(POPFQ, helper_popf),
    HELPER(CLAC, helper_clac),
    HELPER(STAC, helper_stac),
    HELPER(RDMSR, helper_rdmsr),
    HELPER(WRMSR, helper_wrmsr),
    HELPER(RDTSC, helper_rdtsc),
    HELPER(RDTSCP, helper_rdtscp),
    HELPER(RDPMC, helper_rdpmc),
    HELPER(RDPID, helper_rdpid),
    HELPER(CPUID, helper_cpuid),
    HELPER(IN, helper_in),
    HELPER(OUT, helper_out),
    HELPER(INSB, helper_ins),
    HELPER(INSW, helper_ins),
    HELPER(INSD, helper_ins),
    HELPER(OUTSB, helper_outs),
    HELPER(OUTSW, helper_outs),
    HELPER(OUTSD, helper_outs),
    HELPER(FXSAVE, helper_fxsave),
    HELPER(FXSAVE64, helper_fxsave),
    HELPER(FXRSTOR, helper_fxrstor),
    HELPER(FXRSTOR64, helper_fxrstor),
    HELPER(XSAVE, helper_xsave),
    HELPER(XSAVE64, helper_xsave),
    HELPER(XSAVEOPT, helper_xsave),
    HELPER(XSAVEOPT64, helper_xsave),
    HELPER(XSAVEC, helper_xsave),
    HELPER(XSAVEC64, helper_xsave),
    HELPER(XSAVES, helper_xsave),
    HELPER(XSAVES64, helper_xsave),
    HELPER(XRSTOR, helper_xrstor),
    HELPER(XRSTOR64, helper_xrstor),
    HELPER(XRSTORS, helper_xrstor),
    HELPER(XRSTORS64, helper_xrstor),
    HELPER(FNSTENV, helper_fnstenv),
    HELPER(FLDENV, helper_fldenv),
    HELPER(FNSAVE, helper_fnsave),
    HELPER(FRSTOR, helper_frstor),
    HELPER(FNINIT, helper_fninit),
    HELPER(FNCLEX, helper_fnclex),
    HELPER(FWAIT, helper_fwait),
    HELPER(LDMXCSR, helper_ldmxcsr),
    HELPER(VLDMXCSR, helper_ldmxcsr),
    HELPER(STMXCSR, helper_stmxcsr),
    HELPER(VSTMXCSR, helper_stmxcsr),
    HELPER(PUSHA, helper_pusha),
    HELPER(PUSHAD, helper_pusha),
    HELPER(POPA, helper_popa),
    HELPER(POPAD, helper_popa),
    HELPER(ENTER, helper_enter),
    HELPER(LEAVE, helper_leave),
    HELPER(DAA, helper_daa),
    HELPER(DAS, helper_das),
    HELPER(AAA, helper_aaa),
    HELPER(AAS, helper_aas),
    HELPER(AAM, helper_aam),
    HELPER(AAD, helper_aad),
    HELPER(SALC, helper_salc),
    HELPER(RSM, helper_rsm),
    HELPER(XLAT, helper_xlat),
    HELPER(MASKMOVQ, helper_maskmov),
    HELPER(MASKMOVDQU, helper_maskmov),
    HELPER(VMASKMOVDQU, helper_maskmov),
    HELPER(VGATHERDPD, helper_gather),
    HELPER(VGATHERDPS, helper_gather),
    HELPER(VGATHERQPD, helper_gather),
    HELPER(VGATHERQPS, helper_gather),
    HELPER(VPGATHERDD, helper_gather),
    HELPER(VPGATHERDQ, helper_gather),
    HELPER(VPGATHERQD, helper_gather),
    HELPER(VPGATHERQQ, helper_gather),
    HELPER(VSCATTERDPD, helper_scatter),
    HELPER(VSCATTERDPS, helper_scatter),
    HELPER(VSCATTERQPD, helper_scatter),
    HELPER(VSCATTERQPS, helper_scatter),
    HELPER(VPSCATTERDD, helper_scatter),
    HELPER(VPSCATTERDQ, helper_scatter),
    HELPER(VPSCATTERQD, helper_scatter),
    HELPER(VPSCATTERQQ, helper_scatter),
    HELPER(CLFLUSH, helper_cache_line),
    HELPER(CLFLUSHOPT, helper_cache_line),
    HELPER(CLWB, helper_cache_line),
    HELPER(CLZERO, helper_clzero),
    HELPER(MOVDIRI, helper_movdiri),
    HELPER(MOVDIR64B, helper_movdir64b),
    /* ISA sets */
    NATIVE_SET(ADOX_ADCX),
    NATIVE_SET(AES),
    NATIVE_SET(AVX),
    NATIVE_SET(AVX2),
    NATIVE_512(AVX512BW),
    NATIVE_SET(AVX512BW_128N),
    NATIVE_SET(AVX512BW_KOP),
    NATIVE_512(AVX512CD),
    NATIVE_512(AVX512DQ),
    NATIVE_SET(AVX512DQ_128N),
    NATIVE_SET(AVX512DQ_KOP),
    NATIVE_SET(AVX512DQ_SCALAR),
    NATIVE_512(AVX512F),
    NATIVE_SET(AVX512F_128N),
    NATIVE_SET(AVX512F_KOP),
    NATIVE_SET(AVX512F_SCALAR),
    NATIVE_512(AVX512_BF16),
    NATIVE_512(AVX512_BITALG),
    NATIVE_512(AVX512_GFNI),
    NATIVE_512(AVX512_IFMA),
    NATIVE_512(AVX512_VAES),
    NATIVE_512(AVX512_VBMI),
    NATIVE_512(AVX512_VBMI2),
    NATIVE_512(AVX512_VNNI),
    NATIVE_512(AVX512_VP2INTERSECT),
    NATIVE_512(AVX512_VPCLMULQDQ),
    NATIVE_512(AVX512_VPOPCNTDQ),
    NATIVE_SET(AVXAES),
    NATIVE_SET(AVX_GFNI),
    NATIVE_SET(AVX_VNNI),
    NATIVE_SET(BMI1),
    NATIVE_SET(BMI2),
    NATIVE_SET(CMOV),
    NATIVE_SET(CMPXCHG16B),
    NATIVE_SET(F16C),
    NATIVE_SET(FCMOV),
    NATIVE_SET(FMA),
    NATIVE_SET(GFNI),
    NATIVE_SET(LZCNT),
    NATIVE_SET(MOVBE),
    NATIVE_SET(PCLMULQDQ),
    NATIVE_SET(PENTIUMMMX),
    NATIVE_SET(POPCNT),
    NATIVE_SET(RDRAND),
    NATIVE_SET(RDSEED),
    NATIVE_SET(SHA),
    NATIVE_SET(SSE),
    NATIVE_SET(SSE2),
    NATIVE_SET(SSE2MMX),
    NATIVE_SET(SSE3),
    NATIVE_SET(SSE3X87),
    NATIVE_SET(SSE4),
    NATIVE_SET(SSE42),
    NATIVE_SET(SSE4A),
    NATIVE_SET(SSSE3),
    NATIVE_SET(SSSE3MMX),
    NATIVE_SET(VAES),
    NATIVE_SET(VPCLMULQDQ),
    NATIVE_SET(X87),
    NOTHING_SET(FAT_NOP),
    NOTHING_SET(PREFETCH_NOP),
    NOTHING_SET(PREFETCHWT1),
    NOTHING_SET(SSE_PREFETCH),
};

/* Forms that share a mnemonic with another row. */
static const RehostRow mov_segment = {.carry = CARRY_HELPER, .helper = helper_mov_segment},
                       mov_control = {.carry = CARRY_HELPER, .helper = helper_mov_control},
                       mov_debug = {.carry = CARRY_HELPER, .helper = helper_mov_debug},
                       push_segment = {.carry = CARRY_HELPER, .helper = helper_push_segment},
                       pop_segment = {.carry = CARRY_HELPER, .helper = helper_pop_segment},
                       jmp_far = {.carry = CARRY_HELPER, .helper = helper_jmp_far},
                       call_far = {.carry = CARRY_HELPER, .helper = helper_call_far},
                       ret_far = {.carry = CARRY_HELPER, .helper = helper_ret_far},
                       vzero = {.carry = CARRY_HELPER, .helper = helper_vzero},
                       bit_string = {.carry = CARRY_BIT_STRING};

static const RehostRow *by_mnemonic[ZYDIS_MNEMONIC_MAX_VALUE + 1];
static bool set_is_offered[ZYDIS_ISA_SET_MAX_VALUE + 1];
static const RehostRow *by_set[ZYDIS_ISA_SET_MAX_VALUE + 1];

static void index_rows(void)
{
    static gsize ready;

    if (g_once_init_enter(&ready)) {
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
            if (rows[i].mnemonic) {
                by_mnemonic[rows[i].mnemonic] = &rows[i];
            } else {
                by_set[rows[i].isa_set] = &rows[i];
            }
        }
        for (unsigned set = 0; set <= ZYDIS_ISA_SET_MAX_VALUE; set++) {
            set_is_offered[set] = rehost_set_is_offered(set);
        }
        g_once_init_leave(&ready, 1);
    }
}

static bool names_register_of(const Insn *insn, RegClass class)
{
    for (unsigned i = 0; i < insn->operand_count; i++) {
        if (insn->operands[i].kind == OPERAND_REG && insn->operands[i].reg_class == class) {
            return true;
        }
    }
    return false;
}

/* Far JMP and CALL: a pointer operand, or FF /3, /5. */
static bool is_far(const Insn *insn)
{
    return insn->operands[0].kind == OPERAND_FAR ||
           (insn->opcode == 0xff && ((insn->modrm >> 3 & 7) == 3 || (insn->modrm >> 3 & 7) == 5));
}

static const RehostRow *row_of_shared_mnemonic(const Insn *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        return names_register_of(insn, REG_SEGMENT)   ? &mov_segment
               : names_register_of(insn, REG_CONTROL) ? &mov_control
               : names_register_of(insn, REG_DEBUG)   ? &mov_debug
                                                      : NULL;
    case ZYDIS_MNEMONIC_PUSH:
        return names_register_of(insn, REG_SEGMENT) ? &push_segment : NULL;
    case ZYDIS_MNEMONIC_POP:
        return names_register_of(insn, REG_SEGMENT) ? &pop_segment : NULL;
    case ZYDIS_MNEMONIC_JMP:
        return is_far(insn) ? &jmp_far : NULL;
    case ZYDIS_MNEMONIC_CALL:
        return is_far(insn) ? &call_far : NULL;
    case ZYDIS_MNEMONIC_RET:
        return insn->opcode == 0xca || insn->opcode == 0xcb ? &ret_far : NULL;
    case ZYDIS_MNEMONIC_VZEROALL:
    case ZYDIS_MNEMONIC_VZEROUPPER:
        return insn->stack_bits == 64 ? NULL : &vzero;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
        return insn->memory_operand != INSN_NO_REG && insn->operands[1].kind == OPERAND_REG
                   ? &bit_string
                   : NULL;
    default:
        return NULL;
    }
}

const RehostRow *rehost_find_row(const Insn *insn)
{
    const RehostRow *row;

    index_rows();
    if (!set_is_offered[insn->isa_set] &&
        !(insn->isa_set == ZYDIS_ISA_SET_LAHF && insn->stack_bits != 64)) {
        return NULL; /* LAHF and SAHF may be missing from 64-bit code only */
    }
    row = row_of_shared_mnemonic(insn);
    if (!row) {
        row = by_mnemonic[insn->mnemonic];
    }
    /* MOVSD and CMPSD are a string and an SSE2 instruction. */
    if (!row || (row->carry == CARRY_STRING && insn->gate != GATE_NONE)) {
        row = by_set[insn->isa_set];
    }
    return row;
}
