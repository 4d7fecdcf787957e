/* SPDX-License-Identifier: MIT */
/* Decoding: fills the compact Insn from Zydis' much larger answer; nothing else in the tree asks
 * Zydis about a guest. */
#include "target/i386/translate/decode.h"
#include "target/i386/cpu-model.h"
#include "target/i386/translate/rehost.h"

#include <Zydis/Zydis.h>
#include <string.h>

static ZydisDecoder decoders[3]; /* 16-, 32- and 64-bit code; filled once */

/* What the CPU model lacks means something else: LZCNT is BSR, TZCNT is BSF, MPX is a NOP. */
static void make_decoder(ZydisDecoder *decoder, ZydisMachineMode mode, ZydisStackWidth width)
{
    const CpuModel *model = cpu_model_current();

    ZydisDecoderInit(decoder, mode, width);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_LZCNT, cpu_model_has(model, FEATURE_ABM));
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_TZCNT, cpu_model_has(model, FEATURE_BMI1));
}

static const ZydisDecoder *decoder_for(uint32_t mode)
{
    static gsize ready;

    if (g_once_init_enter(&ready)) {
        make_decoder(&decoders[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
        make_decoder(&decoders[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
        make_decoder(&decoders[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        g_once_init_leave(&ready, 1);
    }
    return &decoders[mode & CPU_MODE_CS_L ? 2 : mode & CPU_MODE_CS_D ? 1 : 0];
}

static uint8_t segment_number(ZydisRegister reg)
{
    switch (reg) {
    case ZYDIS_REGISTER_ES:
        return SEG_ES;
    case ZYDIS_REGISTER_CS:
        return SEG_CS;
    case ZYDIS_REGISTER_SS:
        return SEG_SS;
    case ZYDIS_REGISTER_FS:
        return SEG_FS;
    case ZYDIS_REGISTER_GS:
        return SEG_GS;
    default:
        return SEG_DS;
    }
}

static void set_register(InsnOperand *to, ZydisRegister reg)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(reg);
    int id = ZydisRegisterGetId(reg);

    to->kind = OPERAND_REG;
    to->reg_class = REG_OTHER;
    to->reg = (uint8_t)id;
    switch (class) {
    case ZYDIS_REGCLASS_GPR8:
        to->reg_class = REG_GPR;
        if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
            to->reg_class = REG_GPR8_HIGH;
            to->reg = (uint8_t)(reg - ZYDIS_REGISTER_AH);
        } else if (reg >= ZYDIS_REGISTER_SPL) {
            to->reg = (uint8_t)(reg - ZYDIS_REGISTER_SPL + R_RSP);
        } else {
            to->reg = (uint8_t)(reg - ZYDIS_REGISTER_AL);
        }
        break;
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        to->reg_class = REG_GPR;
        break;
    case ZYDIS_REGCLASS_SEGMENT:
        to->reg_class = REG_SEGMENT;
        to->reg = segment_number(reg);
        break;
    case ZYDIS_REGCLASS_CONTROL:
        to->reg_class = REG_CONTROL;
        break;
    case ZYDIS_REGCLASS_DEBUG:
        to->reg_class = REG_DEBUG;
        break;
    default:
        break;
    }
}

static uint8_t gpr_number(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_NONE) {
        return INSN_NO_REG;
    }
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP || reg == ZYDIS_REGISTER_IP) {
        return INSN_RIP;
    }
    return (uint8_t)ZydisRegisterGetId(reg);
}

static void set_memory(Insn *insn, const ZydisDecodedOperandMem *mem)
{
    bool is_vector_index = false;

    if (mem->index != ZYDIS_REGISTER_NONE) {
        ZydisRegisterClass class = ZydisRegisterGetClass(mem->index);
        is_vector_index = class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_YMM ||
                          class == ZYDIS_REGCLASS_ZMM;
    }
    insn->segment = segment_number(mem->segment);
    insn->base = gpr_number(mem->base);
    insn->index = is_vector_index ? INSN_NO_REG : gpr_number(mem->index);
    insn->vector_index = is_vector_index ? (uint8_t)ZydisRegisterGetId(mem->index) : INSN_NO_REG;
    insn->scale = mem->scale == 8 ? 3 : mem->scale == 4 ? 2 : mem->scale == 2 ? 1 : 0;
    insn->displacement = mem->disp.has_displacement ? mem->disp.value : 0;
}

/* EFLAGS bits out of Zydis' masks: it uses the architecture's own positions for the flags of
 * interest. */
static uint16_t flag_bits(ZydisAccessedFlagsMask mask)
{
    return (uint16_t)(mask & (EFLAGS_ARITHMETIC | EFLAGS_DF));
}

static void set_flags(Insn *insn, const ZydisDecodedInstruction *from)
{
    const ZydisAccessedFlags *flags = from->cpu_flags;

    if (flags) {
        insn->flags_read = flag_bits(flags->tested);
        insn->flags_written = flag_bits(flags->modified | flags->set_0 | flags->set_1);
        insn->flags_undefined = flag_bits(flags->undefined);
    }
}

static void set_prefixes(Insn *insn, const ZydisDecodedInstruction *from)
{
    insn->lock = from->attributes & ZYDIS_ATTRIB_HAS_LOCK;
    insn->rep = from->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE);
    insn->repne = from->attributes & ZYDIS_ATTRIB_HAS_REPNE;
    for (unsigned i = 0; i < from->raw.prefix_count; i++) {
        uint8_t value = from->raw.prefixes[i].value;
        bool is_mandatory = from->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY;
        if (value == 0x66 && !is_mandatory) {
            insn->operand_prefix = true;
        }
        if (is_mandatory && (value == 0x66 || value == 0xf2 || value == 0xf3)) {
            insn->mandatory_prefix = value;
        }
    }
    if (from->attributes & ZYDIS_ATTRIB_HAS_REX) {
        insn->rex = insn->bytes[from->raw.rex.offset];
    }
    switch (from->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        insn->vector_offset = from->raw.vex.offset;
        insn->vector_size = from->raw.vex.size;
        break;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        insn->vector_offset = from->raw.evex.offset;
        insn->vector_size = 4;
        break;
    case ZYDIS_INSTRUCTION_ENCODING_XOP:
        insn->vector_offset = from->raw.xop.offset;
        insn->vector_size = 3;
        break;
    default:
        break;
    }
}

/* Strings and XLAT name no operand that carries their override. */
static void set_override(Insn *insn, const ZydisDecodedInstruction *from)
{
    static const struct {
        ZydisInstructionAttributes attribute;
        uint8_t segment;
    } overrides[] = {
        {ZYDIS_ATTRIB_HAS_SEGMENT_CS, SEG_CS}, {ZYDIS_ATTRIB_HAS_SEGMENT_SS, SEG_SS},
        {ZYDIS_ATTRIB_HAS_SEGMENT_DS, SEG_DS}, {ZYDIS_ATTRIB_HAS_SEGMENT_ES, SEG_ES},
        {ZYDIS_ATTRIB_HAS_SEGMENT_FS, SEG_FS}, {ZYDIS_ATTRIB_HAS_SEGMENT_GS, SEG_GS},
    };

    for (size_t i = 0; insn->memory_operand == INSN_NO_REG && i < G_N_ELEMENTS(overrides); i++) {
        if (from->attributes & overrides[i].attribute) {
            insn->segment = overrides[i].segment;
        }
    }
}

/* CLZERO's address is in RAX alone, and Zydis knows of no segment; the processor heeds one. */
static void set_clzero_segment(Insn *insn, const ZydisDecodedInstruction *from)
{
    static const struct {
        uint8_t prefix, segment;
    } overrides[] = {{0x26, SEG_ES}, {0x2e, SEG_CS}, {0x36, SEG_SS},
                     {0x3e, SEG_DS}, {0x64, SEG_FS}, {0x65, SEG_GS}};

    if (from->mnemonic != ZYDIS_MNEMONIC_CLZERO) {
        return;
    }
    for (unsigned i = 0; i < from->raw.prefix_count; i++) {
        for (size_t n = 0; n < sizeof(overrides) / sizeof(overrides[0]); n++) {
            bool counts = insn->stack_bits != 64 || overrides[n].segment >= SEG_FS;
            if (counts && from->raw.prefixes[i].value == overrides[n].prefix) {
                insn->segment = overrides[n].segment;
            }
        }
    }
}

/* Outside of 64-bit code the 3Eh that Zydis takes for NOTRACK names DS as well. */
static void set_notrack_segment(Insn *insn, const ZydisDecodedInstruction *from)
{
    if (from->attributes & ZYDIS_ATTRIB_HAS_NOTRACK && insn->stack_bits != 64) {
        insn->segment = SEG_DS;
    }
}

static void set_layout(Insn *insn, const ZydisDecodedInstruction *from)
{
    insn->opcode = from->opcode;
    insn->opcode_map = (uint8_t)from->opcode_map;
    insn->encoding = (uint8_t)from->encoding;
    if (from->attributes & ZYDIS_ATTRIB_HAS_MODRM) {
        insn->modrm_offset = from->raw.modrm.offset;
        insn->modrm = insn->bytes[insn->modrm_offset];
        insn->sib_offset = from->raw.sib.offset;
    }
    insn->displacement_offset = from->raw.disp.offset;
    insn->displacement_size = from->raw.disp.size / 8;
    insn->immediate_offset = from->raw.imm[0].offset;
    insn->immediate_is_signed = from->raw.imm[0].is_signed;
    insn->immediate_size = (uint8_t)((from->raw.imm[0].size + from->raw.imm[1].size) / 8);
}

static void set_operand(Insn *insn, unsigned n, const ZydisDecodedOperand *from)
{
    InsnOperand *to = &insn->operands[n];

    to->encoding = (uint8_t)from->encoding;
    to->actions = (uint8_t)from->actions;
    to->size = from->size / 8;
    to->element_size = (uint8_t)(from->element_size / 8);
    switch (from->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        set_register(to, from->reg.value);
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        to->kind = OPERAND_MEM;
        if (insn->memory_operand == INSN_NO_REG) {
            insn->memory_operand = (uint8_t)n;
            set_memory(insn, &from->mem);
        }
        break;
    case ZYDIS_OPERAND_TYPE_POINTER:
        to->kind = OPERAND_FAR;
        insn->immediate = from->ptr.offset;
        insn->immediate2 = from->ptr.segment;
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        to->kind = from->imm.is_relative ? OPERAND_REL : OPERAND_IMM;
        if (!insn->has_immediate) {
            insn->immediate = from->imm.value.s;
            insn->has_immediate = true;
        } else {
            insn->immediate2 = (uint16_t)from->imm.value.u;
        }
        break;
    default:
        break;
    }
}

static uint32_t gprs_of(const ZydisDecodedOperand *operand)
{
    InsnOperand reg = {0};
    uint32_t mask = 0;

    if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        set_register(&reg, operand->reg.value);
        if (reg.reg_class == REG_GPR || reg.reg_class == REG_GPR8_HIGH) {
            mask |= 1u << reg.reg;
        }
    } else if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        uint8_t base = gpr_number(operand->mem.base);
        mask |= base < 16 ? 1u << base : 0;
        if (ZydisRegisterGetClass(operand->mem.index) == ZYDIS_REGCLASS_GPR16 ||
            ZydisRegisterGetClass(operand->mem.index) == ZYDIS_REGCLASS_GPR32 ||
            ZydisRegisterGetClass(operand->mem.index) == ZYDIS_REGCLASS_GPR64) {
            mask |= 1u << gpr_number(operand->mem.index);
        }
    }
    return mask;
}

static void set_operands(Insn *insn, const ZydisDecodedInstruction *from,
                         const ZydisDecodedOperand *operands)
{
    insn->memory_operand = INSN_NO_REG;
    insn->base = insn->index = insn->vector_index = INSN_NO_REG;
    insn->segment = SEG_DS;
    insn->operand_count = from->operand_count_visible;
    for (unsigned i = 0; i < from->operand_count; i++) {
        const ZydisDecodedOperand *operand = &operands[i];
        insn->gprs_used |= gprs_of(operand);
        if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
            operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
            insn->gprs_written |= gprs_of(operand);
        }
        if (operand->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN) {
            insn->hidden_memory |= operand->type == ZYDIS_OPERAND_TYPE_MEMORY;
        }
        if (i < insn->operand_count) {
            set_operand(insn, i, operand);
        }
    }
}

/* Zydis 4.0 takes SIB base 101b without displacement size for R13 when REX.B is set; the processor
 * does not look at REX.B there: no base, disp32. */
static void set_missing_base(Insn *insn, const ZydisDecodedInstruction *from)
{
    if (insn->memory_operand != INSN_NO_REG && from->attributes & ZYDIS_ATTRIB_HAS_SIB &&
        from->raw.modrm.mod == 0 && from->raw.sib.base == 5) {
        insn->base = INSN_NO_REG;
        insn->displacement = from->raw.disp.value;
    }
}

static uint8_t gate_of(const ZydisDecodedInstruction *from, const ZydisDecodedOperand *operands)
{
    bool has_mmx = false, has_xmm = false, has_x87 = false;

    for (unsigned i = 0; i < from->operand_count; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER) {
            ZydisRegisterClass class = ZydisRegisterGetClass(operands[i].reg.value);
            has_mmx |= class == ZYDIS_REGCLASS_MMX;
            has_xmm |= class == ZYDIS_REGCLASS_XMM;
            has_x87 |= class == ZYDIS_REGCLASS_X87;
        }
    }
    switch (from->meta.isa_set) {
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_SSE3X87:
        return from->mnemonic == ZYDIS_MNEMONIC_FWAIT ? GATE_WAIT : GATE_X87;
    case ZYDIS_ISA_SET_PENTIUMMMX:
        return GATE_MMX;
    case ZYDIS_ISA_SET_SSEMXCSR:
        return GATE_SSE;
    case ZYDIS_ISA_SET_BMI1:
    case ZYDIS_ISA_SET_BMI2:
        return GATE_NONE;
    default:
        break;
    }
    switch (from->mnemonic) { /* from memory they name no XMM register */
    case ZYDIS_MNEMONIC_CVTSS2SI:
    case ZYDIS_MNEMONIC_CVTTSS2SI:
    case ZYDIS_MNEMONIC_CVTSD2SI:
    case ZYDIS_MNEMONIC_CVTTSD2SI:
        return GATE_SSE;
    default:
        break;
    }
    if (from->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX) {
        return GATE_AVX512;
    }
    if (from->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
        return from->meta.category == ZYDIS_CATEGORY_KMASK ? GATE_AVX512 : GATE_AVX;
    }
    return has_xmm ? GATE_SSE : has_mmx ? GATE_MMX : has_x87 ? GATE_X87 : GATE_NONE;
}

/* Elements that a mask leaves out are not touched. With EVEX not every instruction works so; exact
 * mode asks the silicon. */
static bool is_masked(const Insn *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
        return true;
    default:
        return insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
               insn->memory_operand != INSN_NO_REG && insn->bytes[insn->vector_offset + 3] & 7;
    }
}

/* MOVSXD of 16 bits reads as many on Intel's processors (SDM vol. 2), 32 on AMD's, which is what
 * Zydis says. It is the host's that will run. */
static void set_movsxd_size(Insn *insn)
{
    if (insn->mnemonic == ZYDIS_MNEMONIC_MOVSXD && insn->operand_bits == 16 &&
        insn->memory_operand != INSN_NO_REG && !cpu_model_current()->is_amd &&
        __builtin_cpu_is("intel")) {
        insn->operands[insn->memory_operand].size = 2;
    }
}

/* With VEX.W: Zydis takes them for the form without. */
static bool is_64bit_only(uint32_t mode, const ZydisDecodedInstruction *decoded)
{
    return !(mode & CPU_MODE_CS_L) && decoded->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
           decoded->raw.vex.W &&
           (decoded->mnemonic == ZYDIS_MNEMONIC_VPEXTRD ||
            decoded->mnemonic == ZYDIS_MNEMONIC_VPINSRD);
}

DecodeResult decode_insn(uint32_t mode, uint64_t rip, const uint8_t *bytes, unsigned size,
                         Insn *ret_insn, bool *ret_too_long)
{
    const ZydisDecoder *decoder = decoder_for(mode);
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus status;

    *ret_too_long = false;
    status = ZydisDecoderDecodeFull(decoder, bytes, size, &decoded, operands);
    if (status == ZYDIS_STATUS_NO_MORE_DATA) {
        *ret_too_long = size >= INSN_MAX_LENGTH;
        return size >= INSN_MAX_LENGTH ? DECODE_INVALID : DECODE_SHORT;
    }
    if (!ZYAN_SUCCESS(status)) {
        *ret_too_long = status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG;
        return DECODE_INVALID;
    }
    if (is_64bit_only(mode, &decoded) || decoded.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX) {
        return DECODE_INVALID; /* MVEX: another processor's, EVEX with a bit that must be set */
    }
    memset(ret_insn, 0, sizeof(*ret_insn));
    memcpy(ret_insn->bytes, bytes, decoded.length);
    ret_insn->rip = rip;
    ret_insn->mnemonic = (uint16_t)decoded.mnemonic;
    ret_insn->length = decoded.length;
    ret_insn->operand_bits = decoded.operand_width;
    ret_insn->address_bits = decoded.address_width;
    ret_insn->stack_bits = mode & CPU_MODE_CS_L ? 64 : mode & CPU_MODE_SS_B ? 32 : 16;
    ret_insn->isa_set = (uint16_t)decoded.meta.isa_set;
    ret_insn->category = (uint16_t)decoded.meta.category;
    set_prefixes(ret_insn, &decoded);
    set_layout(ret_insn, &decoded);
    set_operands(ret_insn, &decoded, operands);
    set_missing_base(ret_insn, &decoded);
    set_movsxd_size(ret_insn);
    set_override(ret_insn, &decoded);
    set_clzero_segment(ret_insn, &decoded);
    set_notrack_segment(ret_insn, &decoded);
    set_flags(ret_insn, &decoded);
    ret_insn->masked = is_masked(ret_insn);
    ret_insn->gate = gate_of(&decoded, operands);
    ret_insn->row = rehost_find_row(ret_insn);
    return DECODE_OK;
}

const char *decode_mnemonic_name(const Insn *insn)
{
    return ZydisMnemonicGetString((ZydisMnemonic)insn->mnemonic);
}

char *decode_format(const Insn *insn, uint32_t mode)
{
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisFormatter formatter;
    char text[128] = "";

    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder_for(mode), insn->bytes, insn->length, &decoded,
                                            operands))) {
        ZydisFormatterFormatInstruction(&formatter, &decoded, operands,
                                        decoded.operand_count_visible, text, sizeof(text),
                                        insn->rip, ZYAN_NULL);
    }
    return g_strdup(text);
}
