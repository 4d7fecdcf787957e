/* SPDX-License-Identifier: MIT */
/* FXSAVE, FXRSTOR, the XSAVE family, and MXCSR. Intel SDM vol. 1 ch. 10, 13. */
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/fpu-state.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/modes.h"

#include <Zydis/Zydis.h>

/*
 * After fpu_park() or fpu_copy() every component's bytes in cpu->fpu are valid, in the host's
 * standard form. A
 * guest's area is written and read piece by piece between the two, once all of it has been probed:
 * a fault changes nothing. PKRU is not in the host's registers; it is kept in cpu->pkru.
 */

#define XCOMP_COMPACTED (1ull << 63)
#define FX_ALIGNMENT 16
#define X87_SIZE 10 /* of a register */
#define XSAVE_ALIGNMENT 64
#define AREA_MINIMUM (XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE)

/* A save or restore under way. */
typedef struct Area {
    X86Cpu *cpu;
    uint64_t linear;     /* of the guest's area */
    uint64_t components; /* asked for: EDX:EAX and XCR0 */
    uint64_t layout;     /* compacted form: components that have room in the area */
    bool compacted;
    bool wide_pointers; /* 64-bit FIP and FDP: REX.W */
} Area;

static bool is_zero(const uint8_t *bytes, unsigned length)
{
    uint64_t any = 0, word;

    for (unsigned i = 0; i < length; i += 8) {
        __builtin_memcpy(&word, bytes + i, 8);
        any |= word;
    }
    return any == 0;
}

static void set_zero(uint8_t *bytes, unsigned length)
{
    for (unsigned i = 0; i < length; i += 8) {
        __builtin_memset(bytes + i, 0, 8);
    }
}

static uint64_t get64(const uint8_t *bytes)
{
    uint64_t value;

    __builtin_memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;

    __builtin_memcpy(&value, bytes, sizeof(value));
    return value;
}

/* Vector registers 8-15 exist in 64-bit code alone. */
static unsigned vector_count(const X86Cpu *cpu)
{
    return mode_is_64bit(cpu) ? 16 : 8;
}

/* -- Pieces ------------------------------------------------------------------------------------ */

/* Bytes 0-23: x87 control words and pointers, as the guest may see them. */
static void make_x87_header(const X86Cpu *cpu, bool wide_pointers, uint8_t bytes[24])
{
    uint64_t fip = cpu->guest_fip, fdp = cpu->guest_fdp;

    if (!wide_pointers) { /* selectors read as zero */
        fip = (uint32_t)fip;
        fdp = (uint32_t)fdp;
    }
    __builtin_memcpy(bytes, cpu->fpu, FX_FOP);
    __builtin_memcpy(bytes + FX_FOP, &cpu->guest_fop, 2);
    __builtin_memcpy(bytes + FX_FIP, &fip, 8);
    __builtin_memcpy(bytes + FX_FDP, &fdp, 8);
}

static void take_x87_header(X86Cpu *cpu, bool wide_pointers, const uint8_t bytes[24])
{
    uint64_t fip = get64(bytes + FX_FIP), fdp = get64(bytes + FX_FDP);

    uint16_t fop;

    __builtin_memcpy(cpu->fpu, bytes, FX_FOP);
    __builtin_memcpy(&fop, bytes + FX_FOP, 2);
    cpu->fpu[FX_FTW + 1] = 0;
    fpu_set_control(cpu, fpu_get16(cpu, FX_FCW));
    fpu_set_status(cpu, fpu_get16(cpu, FX_FSW));
    fpu_set_pointers(cpu, wide_pointers ? fip : (uint32_t)fip, wide_pointers ? fdp : (uint32_t)fdp,
                     fop);
    cpu->ignores_x87_error = false;
}

/* The bytes between them are reserved: the silicon keeps none of them. */
static void take_x87_registers(X86Cpu *cpu, const uint8_t *legacy)
{
    for (unsigned i = FX_ST0; i < FX_XMM0; i += 16) {
        __builtin_memcpy(cpu->fpu + i, legacy + i, X87_SIZE);
        __builtin_memset(cpu->fpu + i + X87_SIZE, 0, 16 - X87_SIZE);
    }
}

static bool mxcsr_is_valid(X86Cpu *cpu, uint32_t mxcsr)
{
    return !(mxcsr & ~cpu->model->mxcsr_mask) || fault_gp(cpu, 0);
}

/* Intel's silicon begins with a look at the first four bytes, with #AC for these where it is
 * enabled, then wants the area aligned, and only then looks at all of it (SDM vol. 2, FXSAVE and
 * XSAVE: whether #AC goes before #GP, and for which width, is the implementation's). */
static bool area_begin_on_intel(X86Cpu *cpu, const Insn *insn, unsigned size, unsigned alignment,
                                unsigned access, uint64_t *ret_linear)
{
    if (!insn_linear_address(cpu, insn, 4, ACCESS_READ, ret_linear)) {
        return false;
    }
    if (*ret_linear & (alignment - 1)) {
        return fault_gp(cpu, 0);
    }
    return insn_linear_address(cpu, insn, size, access, ret_linear);
}

/* Alignment and segment checks. */
static bool area_begin(X86Cpu *cpu, const Insn *insn, unsigned size, unsigned alignment,
                       unsigned access, uint64_t *ret_linear)
{
    if (!cpu->model->is_amd) {
        return area_begin_on_intel(cpu, insn, size, alignment, access, ret_linear);
    }
    if (!insn_linear_address(cpu, insn, size, access, ret_linear)) {
        return false;
    }
    return !(*ret_linear & (alignment - 1)) || fault_gp(cpu, 0);
}

/* -- FXSAVE, FXRSTOR --------------------------------------------------------------------------- */

static bool fx_allowed(X86Cpu *cpu)
{
    return !(cpu->cr0 & (CR0_EM | CR0_TS)) || fault_raise(cpu, VECTOR_NM);
}

/* EFER.FFXSR: ring 0 leaves the XMM registers out. */
static bool fx_skips_xmm(const X86Cpu *cpu)
{
    return (cpu->efer & EFER_FFXSR) && cpu->cpl == 0 && mode_is_64bit(cpu);
}

InsnResult helper_fxsave(X86Cpu *cpu, const Insn *insn)
{
    bool wide = insn->mnemonic == ZYDIS_MNEMONIC_FXSAVE64;
    unsigned end = fx_skips_xmm(cpu) ? FX_XMM0 : FX_XMM0 + vector_count(cpu) * 16;
    uint8_t bytes[FX_ST0];
    uint64_t linear;

    if (!fx_allowed(cpu) ||
        !area_begin(cpu, insn, XSAVE_LEGACY_SIZE, FX_ALIGNMENT, ACCESS_WRITE, &linear) ||
        !access_probe(cpu, linear, XSAVE_LEGACY_SIZE, ACCESS_WRITE)) {
        return INSN_FAULT;
    }
    fpu_copy(cpu);
    make_x87_header(cpu, wide, bytes);
    __builtin_memcpy(bytes + FX_MXCSR, cpu->fpu + FX_MXCSR, 4);
    __builtin_memcpy(bytes + FX_MXCSR_MASK, &cpu->model->mxcsr_mask, 4);
    if (!access_write(cpu, linear, bytes, FX_ST0, ACCESS_WRITE) ||
        !access_write(cpu, linear + FX_ST0, cpu->fpu + FX_ST0, end - FX_ST0, ACCESS_WRITE)) {
        return INSN_FAULT;
    }
    return INSN_NEXT;
}

InsnResult helper_fxrstor(X86Cpu *cpu, const Insn *insn)
{
    bool wide = insn->mnemonic == ZYDIS_MNEMONIC_FXRSTOR64;
    unsigned end = fx_skips_xmm(cpu) ? FX_XMM0 : FX_XMM0 + vector_count(cpu) * 16;
    uint8_t bytes[FX_END];
    uint64_t linear;

    if (!fx_allowed(cpu) ||
        !area_begin(cpu, insn, XSAVE_LEGACY_SIZE, FX_ALIGNMENT, ACCESS_READ, &linear) ||
        !access_probe(cpu, linear, XSAVE_LEGACY_SIZE, ACCESS_READ) ||
        !access_read(cpu, linear, bytes, FX_END, ACCESS_READ) ||
        !mxcsr_is_valid(cpu, get32(bytes + FX_MXCSR))) {
        return INSN_FAULT;
    }
    fpu_begin_load(cpu, end == FX_END);
    take_x87_header(cpu, wide, bytes);
    fpu_put32(cpu, FX_MXCSR, get32(bytes + FX_MXCSR));
    take_x87_registers(cpu, bytes);
    for (unsigned i = FX_XMM0; i < end; i += 16) {
        __builtin_memcpy(cpu->fpu + i, bytes + i, 16);
    }
    fpu_mark_valid(cpu, XCR0_X87 | XCR0_SSE);
    fpu_load(cpu, XCR0_X87 | XCR0_SSE);
    return INSN_NEXT;
}

/* -- XSAVE: which components are where --------------------------------------------------------- */

/* Bytes of a component that this mode sees. */
static unsigned component_size(const X86Cpu *cpu, unsigned component)
{
    unsigned size = cpu->model->xsave[component].size;

    if (mode_is_64bit(cpu)) {
        return size;
    }
    switch (component) {
    case XSAVE_AVX:
    case XSAVE_ZMM_HI256:
        return size / 2;
    case XSAVE_HI16_ZMM:
        return 0;
    default:
        return size;
    }
}

/* Where a component lies in the guest's area. */
static unsigned component_offset(const Area *area, unsigned component)
{
    const CpuModel *model = area->cpu->model;
    uint64_t below = area->layout & ((1ull << component) - 1);
    unsigned offset;

    if (!area->compacted) {
        return model->xsave[component].offset;
    }
    offset = xsave_area_size(model, below, true);
    return model->xsave[component].aligned ? (offset + 63) & ~63u : offset;
}

static unsigned area_size(const Area *area, uint64_t components)
{
    return area->compacted ? xsave_area_size(area->cpu->model, area->layout, true)
                           : xsave_area_size(area->cpu->model, components, false);
}

static bool x87_is_initial(const X86Cpu *cpu)
{
    return fpu_get64(cpu, 0) == FCW_INITIAL && cpu->guest_fip == 0 && cpu->guest_fdp == 0 &&
           cpu->guest_fop == 0 && is_zero(cpu->fpu + FX_ST0, 8 * 16);
}

uint64_t fpu_components_in_use(const X86Cpu *cpu)
{
    uint64_t in_use = 0;

    if (!x87_is_initial(cpu)) {
        in_use |= XCR0_X87;
    }
    if (!is_zero(cpu->fpu + FX_XMM0, 16 * 16)) {
        in_use |= XCR0_SSE;
    }
    for (unsigned i = XSAVE_AVX; i < XSAVE_PKRU; i++) {
        const XsaveComponent *component = &cpu->model->xsave[i];

        if (component->size && !is_zero(cpu->fpu + component->offset, component->size)) {
            in_use |= 1ull << i;
        }
    }
    return cpu->pkru ? in_use | XCR0_PKRU : in_use;
}

/* #UD, #NM and privilege of the whole family. */
static bool xsave_allowed(X86Cpu *cpu, bool supervisor_form)
{
    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        return fault_ud(cpu);
    }
    if (supervisor_form && cpu->cpl != 0) {
        return fault_gp(cpu, 0);
    }
    return !(cpu->cr0 & CR0_TS) || fault_raise(cpu, VECTOR_NM);
}

static uint64_t requested_components(const X86Cpu *cpu)
{
    return ((uint32_t)cpu->gpr[R_RAX] | cpu->gpr[R_RDX] << 32) & cpu->xcr0;
}

/* -- XSAVE ------------------------------------------------------------------------------------- */

/* Writes x87, MXCSR and XMM as far as asked for. */
static bool save_legacy(const Area *area, uint64_t written)
{
    X86Cpu *cpu = area->cpu;
    uint64_t mxcsr_components = area->compacted ? XCR0_SSE : XCR0_SSE | XCR0_AVX;
    uint64_t mxcsr_holders = area->compacted ? written : area->components;
    uint8_t bytes[24];

    if (written & XCR0_X87) {
        make_x87_header(cpu, area->wide_pointers, bytes);
        if (!access_write(cpu, area->linear, bytes, sizeof(bytes), ACCESS_WRITE) ||
            !access_write(cpu, area->linear + FX_ST0, cpu->fpu + FX_ST0, 8 * 16, ACCESS_WRITE)) {
            return false;
        }
    }
    if (mxcsr_holders & mxcsr_components) {
        __builtin_memcpy(bytes, cpu->fpu + FX_MXCSR, 4);
        __builtin_memcpy(bytes + 4, &cpu->model->mxcsr_mask, 4);
        if (!access_write(cpu, area->linear + FX_MXCSR, bytes, 8, ACCESS_WRITE)) {
            return false;
        }
    }
    return !(written & XCR0_SSE) || access_write(cpu, area->linear + FX_XMM0, cpu->fpu + FX_XMM0,
                                                 vector_count(cpu) * 16, ACCESS_WRITE);
}

static bool save_extended(const Area *area, uint64_t written)
{
    X86Cpu *cpu = area->cpu;
    uint64_t pkru = cpu->pkru;

    for (unsigned i = XSAVE_AVX; i < XSAVE_COMPONENT_COUNT; i++) {
        const uint8_t *from =
            i == XSAVE_PKRU ? (const uint8_t *)&pkru : cpu->fpu + cpu->model->xsave[i].offset;
        unsigned size = component_size(cpu, i);

        if (!(written >> i & 1) || size == 0) {
            continue;
        }
        if (!access_write(cpu, area->linear + component_offset(area, i), from, size,
                          ACCESS_WRITE)) {
            return false;
        }
    }
    return true;
}

static bool save_area(Area *area, bool skips_initial)
{
    X86Cpu *cpu = area->cpu;
    uint64_t in_use, written, header[2] = {0, area->layout | XCOMP_COMPACTED};

    fpu_copy(cpu);
    in_use = fpu_components_in_use(cpu) & area->components;
    if (area->compacted && fpu_get32(cpu, FX_MXCSR) != MXCSR_INITIAL) {
        in_use |= area->components & XCR0_SSE;
    }
    written = skips_initial ? in_use : area->components;
    if (!area->compacted &&
        !access_read_u64(cpu, area->linear + FX_XSTATE_BV, &header[0], ACCESS_READ)) {
        return false;
    }
    header[0] = area->compacted ? in_use : (header[0] & ~area->components) | in_use;
    return save_legacy(area, written) && save_extended(area, written) &&
           access_write(cpu, area->linear + FX_XSTATE_BV, header, area->compacted ? 16 : 8,
                        ACCESS_WRITE);
}

InsnResult helper_xsave(X86Cpu *cpu, const Insn *insn)
{
    Area area = {.cpu = cpu, .components = requested_components(cpu)};
    bool supervisor = false, skips_initial = true;
    unsigned size;

    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
    case ZYDIS_MNEMONIC_XSAVEC64:
    case ZYDIS_MNEMONIC_XSAVES64:
        area.wide_pointers = true;
        break;
    default:
        break;
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
        skips_initial = false;
        break;
    case ZYDIS_MNEMONIC_XSAVES:
    case ZYDIS_MNEMONIC_XSAVES64:
        supervisor = true;
        area.compacted = true;
        break;
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
        area.compacted = true;
        break;
    default:
        break;
    }
    area.layout = area.components;
    if (!xsave_allowed(cpu, supervisor)) {
        return INSN_FAULT;
    }
    size = area_size(&area, area.components);
    if (!area_begin(cpu, insn, size, XSAVE_ALIGNMENT, ACCESS_WRITE | ACCESS_UNALIGNED,
                    &area.linear) ||
        !access_probe(cpu, area.linear, size, ACCESS_WRITE)) {
        return INSN_FAULT;
    }
    return save_area(&area, skips_initial) ? INSN_NEXT : INSN_FAULT;
}

/* -- XRSTOR ------------------------------------------------------------------------------------ */

/* Checks the header: reserved bytes, bits outside of XCR0. */
static bool check_header(Area *area, const uint8_t *legacy, bool supervisor_form)
{
    X86Cpu *cpu = area->cpu;
    uint64_t xstate_bv = get64(legacy + FX_XSTATE_BV), xcomp_bv = get64(legacy + FX_XCOMP_BV);

    area->compacted = xcomp_bv & XCOMP_COMPACTED;
    area->layout = xcomp_bv & ~XCOMP_COMPACTED;
    if (supervisor_form && !area->compacted) {
        return fault_gp(cpu, 0);
    }
    if (!area->compacted) {
        bool ok = !(xstate_bv & ~cpu->xcr0) && xcomp_bv == 0 && get64(legacy + 528) == 0;

        return ok || fault_gp(cpu, 0);
    }
    if (!cpu_has(cpu, FEATURE_XSAVEC) || (area->layout & ~cpu->xcr0) ||
        (xstate_bv & ~area->layout) || !is_zero(legacy + 528, 48)) {
        return fault_gp(cpu, 0);
    }
    return true;
}

/* MXCSR: the standard form loads it with SSE or AVX whatever XSTATE_BV says, the compacted one with
 * SSE. */
static bool mxcsr_to_load(const Area *area, const uint8_t *legacy, uint32_t *ret_mxcsr)
{
    uint64_t xstate_bv = get64(legacy + FX_XSTATE_BV);

    *ret_mxcsr = fpu_get32(area->cpu, FX_MXCSR);
    if (!area->compacted && (area->components & (XCR0_SSE | XCR0_AVX))) {
        *ret_mxcsr = get32(legacy + FX_MXCSR);
    } else if (area->compacted && (area->components & XCR0_SSE)) {
        *ret_mxcsr = xstate_bv & XCR0_SSE ? get32(legacy + FX_MXCSR) : MXCSR_INITIAL;
    }
    return mxcsr_is_valid(area->cpu, *ret_mxcsr);
}

static void restore_legacy(const Area *area, const uint8_t *legacy, uint32_t mxcsr)
{
    X86Cpu *cpu = area->cpu;
    uint64_t xstate_bv = get64(legacy + FX_XSTATE_BV);
    unsigned xmm_end = FX_XMM0 + vector_count(cpu) * 16;

    if (area->components & XCR0_X87) {
        if (xstate_bv & XCR0_X87) {
            take_x87_header(cpu, area->wide_pointers, legacy);
            take_x87_registers(cpu, legacy);
        } else {
            fpu_init_x87(cpu);
            set_zero(cpu->fpu + FX_ST0, 8 * 16);
        }
    }
    fpu_put32(cpu, FX_MXCSR, mxcsr);
    for (unsigned i = FX_XMM0; (area->components & XCR0_SSE) && i < xmm_end; i += 16) {
        if (xstate_bv & XCR0_SSE) {
            __builtin_memcpy(cpu->fpu + i, legacy + i, 16);
        } else {
            set_zero(cpu->fpu + i, 16);
        }
    }
}

static void restore_pkru(X86Cpu *cpu, uint32_t pkru)
{
    if (cpu->pkru != pkru) {
        cpu->pkru = pkru;
        tcg_flush_tlb(cpu);
    }
}

/* What lies behind the header, as far as it is asked for, at its place in cpu->fpu. */
typedef struct Extended {
    uint8_t bytes[sizeof(((X86Cpu *)0)->fpu)];
    uint32_t pkru;
} Extended;

static bool read_extended(const Area *area, uint64_t xstate_bv, Extended *ret_extended)
{
    X86Cpu *cpu = area->cpu;

    for (unsigned i = XSAVE_AVX; i < XSAVE_PKRU; i++) {
        uint8_t *to = ret_extended->bytes + cpu->model->xsave[i].offset;
        unsigned size = component_size(cpu, i);

        if (!(area->components >> i & 1) || size == 0) {
            continue;
        }
        if (!(xstate_bv >> i & 1)) {
            set_zero(to, size);
        } else if (!access_read(cpu, area->linear + component_offset(area, i), to, size,
                                ACCESS_READ)) {
            return false;
        }
    }
    ret_extended->pkru = 0;
    return !(area->components & xstate_bv & XCR0_PKRU) ||
           access_read_u32(cpu, area->linear + component_offset(area, XSAVE_PKRU),
                           &ret_extended->pkru, ACCESS_READ);
}

static void restore_extended(const Area *area, const Extended *extended)
{
    X86Cpu *cpu = area->cpu;

    for (unsigned i = XSAVE_AVX; i < XSAVE_PKRU; i++) {
        unsigned first = cpu->model->xsave[i].offset, end = first + component_size(cpu, i);

        for (unsigned at = first; area->components >> i & 1 && at < end; at += 8) {
            __builtin_memcpy(cpu->fpu + at, extended->bytes + at, 8);
        }
    }
}

InsnResult helper_xrstor(X86Cpu *cpu, const Insn *insn)
{
    Area area = {.cpu = cpu, .components = requested_components(cpu)};
    bool supervisor =
        insn->mnemonic == ZYDIS_MNEMONIC_XRSTORS || insn->mnemonic == ZYDIS_MNEMONIC_XRSTORS64;
    uint8_t legacy[AREA_MINIMUM];
    Extended extended;
    uint64_t xstate_bv;
    uint32_t mxcsr;

    area.wide_pointers =
        insn->mnemonic == ZYDIS_MNEMONIC_XRSTOR64 || insn->mnemonic == ZYDIS_MNEMONIC_XRSTORS64;
    if (!xsave_allowed(cpu, supervisor) ||
        !area_begin(cpu, insn, AREA_MINIMUM, XSAVE_ALIGNMENT, ACCESS_READ | ACCESS_UNALIGNED,
                    &area.linear) ||
        !access_read(cpu, area.linear, legacy, AREA_MINIMUM, ACCESS_READ) ||
        !check_header(&area, legacy, supervisor)) {
        return INSN_FAULT;
    }
    fpu_begin_load(cpu, mode_is_64bit(cpu));
    xstate_bv = get64(legacy + FX_XSTATE_BV);
    if (!mxcsr_to_load(&area, legacy, &mxcsr) ||
        !access_probe(cpu, area.linear, area_size(&area, area.components & xstate_bv),
                      ACCESS_READ) ||
        !read_extended(&area, xstate_bv, &extended)) {
        return INSN_FAULT;
    }
    /* Nothing from here on parks the state, which would undo what is put into cpu->fpu. */
    restore_extended(&area, &extended);
    restore_legacy(&area, legacy, mxcsr);
    fpu_mark_valid(cpu, area.components & ~(uint64_t)XCR0_PKRU);
    fpu_load(cpu, area.components);
    if (area.components & XCR0_PKRU) {
        restore_pkru(cpu, extended.pkru);
    }
    return INSN_NEXT;
}

/* -- MXCSR ------------------------------------------------------------------------------------- */

/* VLDMXCSR and VSTMXCSR are AVX instructions: the translator has checked XCR0. */
static bool mxcsr_allowed(X86Cpu *cpu, const Insn *insn)
{
    bool legacy = insn->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;

    if (legacy && ((cpu->cr0 & CR0_EM) || !(cpu->cr4 & CR4_OSFXSR))) {
        return fault_ud(cpu);
    }
    if (!legacy && !(cpu->cr4 & CR4_OSXSAVE)) {
        return fault_ud(cpu);
    }
    return !(cpu->cr0 & CR0_TS) || fault_raise(cpu, VECTOR_NM);
}

InsnResult helper_ldmxcsr(X86Cpu *cpu, const Insn *insn)
{
    uint64_t value;

    if (!mxcsr_allowed(cpu, insn) || !insn_read_operand(cpu, insn, 0, &value) ||
        !mxcsr_is_valid(cpu, (uint32_t)value)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    fpu_put32(cpu, FX_MXCSR, (uint32_t)value);
    return INSN_NEXT;
}

InsnResult helper_stmxcsr(X86Cpu *cpu, const Insn *insn)
{
    if (!mxcsr_allowed(cpu, insn)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    return insn_write_operand(cpu, insn, 0, fpu_get32(cpu, FX_MXCSR)) ? INSN_NEXT : INSN_FAULT;
}
