/* SPDX-License-Identifier: MIT */
/* x87 environment and state: FNSTENV, FLDENV, FNSAVE, FRSTOR, FNINIT, FWAIT. Intel SDM vol. 1
 * ch. 8.
 */
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/fpu-state.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/modes.h"

/*
 * An environment is seven fields of 2 or 4 bytes: control, status, tags, FIP, FCS with FOP, FDP,
 * FDS. Real and virtual-8086 mode store linear pointers, their upper bits beside FOP. FCS and FDS
 * are zero here, as on every CPU that announces so.
 */

#define ENV_FIELDS 7
#define ST_SIZE 10
#define ST_STRIDE 16

typedef struct X87Env {
    uint32_t fields[ENV_FIELDS];
} X87Env;

enum { ENV_FCW, ENV_FSW, ENV_FTW, ENV_FIP, ENV_FCS, ENV_FDP, ENV_FDS };

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

/* #NM under CR0.EM or CR0.TS. */
static bool x87_allowed(X86Cpu *cpu)
{
    return !(cpu->cr0 & (CR0_EM | CR0_TS)) || fault_raise(cpu, VECTOR_NM);
}

InsnResult x87_report_error(X86Cpu *cpu)
{
    if (cpu->cr0 & CR0_NE) {
        fault_raise(cpu, VECTOR_MF);
        return INSN_FAULT;
    }
    fpu_park(cpu);
    machine_lock();
    if (cpu->signal_x87_error) {
        cpu->signal_x87_error(cpu->x87_error_board, cpu);
    }
    machine_unlock();
    cpu->halted = true;
    return INSN_JUMP;
}

/* Waiting instructions report an exception that an earlier one left behind. */
static bool x87_is_pending(const X86Cpu *cpu)
{
    return fpu_get16(cpu, FX_FSW) & FSW_ERROR_SUMMARY && !cpu->ignores_x87_error;
}

static unsigned stack_top(const X86Cpu *cpu)
{
    return fpu_get16(cpu, FX_FSW) >> FSW_TOP_SHIFT & 7;
}

/* What the two-bit tag of a register in use says about its value. */
static unsigned classify(uint64_t mantissa, uint16_t sign_exponent)
{
    unsigned exponent = sign_exponent & 0x7fff;

    if (exponent == 0 && mantissa == 0) {
        return TAG_ZERO;
    }
    if (exponent == 0 || exponent == 0x7fff || !(mantissa >> 63)) {
        return TAG_SPECIAL;
    }
    return TAG_VALID;
}

/* Tag word of physical registers out of one bit each and the values,
 * which are kept in stack order. */
static uint16_t full_tags(const X86Cpu *cpu)
{
    unsigned used = fpu_get16(cpu, FX_FTW), top = stack_top(cpu), tags = 0;

    for (unsigned physical = 0; physical < 8; physical++) {
        unsigned offset = FX_ST0 + ((physical - top) & 7) * ST_STRIDE;
        unsigned tag = TAG_EMPTY;

        if (used >> physical & 1) {
            tag = classify(fpu_get64(cpu, offset), fpu_get16(cpu, offset + 8));
        }
        tags |= tag << (physical * 2);
    }
    return (uint16_t)tags;
}

static uint16_t short_tags(uint32_t tags)
{
    unsigned used = 0;

    for (unsigned physical = 0; physical < 8; physical++) {
        used |= (tags >> (physical * 2) & 3) != TAG_EMPTY ? 1u << physical : 0;
    }
    return (uint16_t)used;
}

static unsigned field_size(const Insn *insn)
{
    return insn->operand_bits == 16 ? 2 : 4;
}

static void get_env(const X86Cpu *cpu, unsigned size, X87Env *env)
{
    uint32_t fip = (uint32_t)cpu->guest_fip, fdp = (uint32_t)cpu->guest_fdp;
    uint32_t fop = cpu->guest_fop;
    uint32_t high = size == 4 ? 0xffff0000u : 0; /* reserved halves read as ones */

    env->fields[ENV_FCW] = fpu_get16(cpu, FX_FCW) | high;
    env->fields[ENV_FSW] = fpu_get16(cpu, FX_FSW) | high;
    env->fields[ENV_FTW] = full_tags(cpu) | high;
    if (mode_is_protected(cpu)) {
        env->fields[ENV_FIP] = fip;
        env->fields[ENV_FCS] = size == 4 ? fop << 16 : 0;
        env->fields[ENV_FDP] = fdp;
        env->fields[ENV_FDS] = high;
    } else {
        env->fields[ENV_FIP] = fip & 0xffff;
        env->fields[ENV_FCS] = (fip >> 16) << 12 | fop;
        env->fields[ENV_FDP] = fdp & 0xffff;
        env->fields[ENV_FDS] = (fdp >> 16) << 12;
    }
}

static void set_env(X86Cpu *cpu, unsigned size, const X87Env *env)
{
    uint32_t fip = env->fields[ENV_FIP], fdp = env->fields[ENV_FDP], fop = 0;
    uint16_t fcw = (uint16_t)env->fields[ENV_FCW];
    uint16_t fsw = (uint16_t)env->fields[ENV_FSW];

    if (!mode_is_protected(cpu)) {
        fop = env->fields[ENV_FCS];
        fip = (fip & 0xffff) | env->fields[ENV_FCS] >> 12 << 16;
        fdp = (fdp & 0xffff) | env->fields[ENV_FDS] >> 12 << 16;
    } else if (size == 4) {
        fop = env->fields[ENV_FCS] >> 16;
    }
    fpu_change_top(cpu, fsw >> FSW_TOP_SHIFT & 7);
    fpu_set_control(cpu, fcw);
    fpu_set_status(cpu, fsw);
    fpu_put16(cpu, FX_FTW, short_tags(env->fields[ENV_FTW]));
    fpu_set_pointers(cpu, fip, fdp, (uint16_t)fop);
    cpu->ignores_x87_error = false;
    fpu_mark_valid(cpu, XCR0_X87);
}

/* Fields to bytes; returns how many. */
static unsigned pack_env(const X87Env *env, unsigned size, uint8_t *bytes)
{
    for (unsigned i = 0; i < ENV_FIELDS; i++) {
        for (unsigned b = 0; b < size; b++) {
            bytes[i * size + b] = (uint8_t)(env->fields[i] >> (b * 8));
        }
    }
    return ENV_FIELDS * size;
}

static void unpack_env(X87Env *env, unsigned size, const uint8_t *bytes)
{
    for (unsigned i = 0; i < ENV_FIELDS; i++) {
        env->fields[i] = 0;
        for (unsigned b = 0; b < size; b++) {
            env->fields[i] |= (uint32_t)bytes[i * size + b] << (b * 8);
        }
    }
}

static bool store_image(X86Cpu *cpu, const Insn *insn, const uint8_t *bytes, unsigned length)
{
    uint64_t linear;

    return insn_linear_address(cpu, insn, length, ACCESS_WRITE, &linear) &&
           access_write(cpu, linear, bytes, length, ACCESS_WRITE);
}

static bool load_image(X86Cpu *cpu, const Insn *insn, uint8_t *bytes, unsigned length)
{
    uint64_t linear;

    return insn_linear_address(cpu, insn, length, ACCESS_READ, &linear) &&
           access_read(cpu, linear, bytes, length, ACCESS_READ);
}

/* Stores, then masks all exceptions. */
InsnResult helper_fnstenv(X86Cpu *cpu, const Insn *insn)
{
    uint8_t bytes[ENV_FIELDS * 4];
    unsigned size = field_size(insn);
    X87Env env;

    if (!x87_allowed(cpu)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    get_env(cpu, size, &env);
    if (!store_image(cpu, insn, bytes, pack_env(&env, size, bytes))) {
        return INSN_FAULT;
    }
    fpu_put16(cpu, FX_FCW, fpu_get16(cpu, FX_FCW) | X87_EXCEPTIONS);
    fpu_set_status(cpu, fpu_get16(cpu, FX_FSW)); /* nothing is left to report */
    fpu_mark_valid(cpu, XCR0_X87);
    return INSN_NEXT;
}

InsnResult helper_fldenv(X86Cpu *cpu, const Insn *insn)
{
    uint8_t bytes[ENV_FIELDS * 4];
    unsigned size = field_size(insn);
    X87Env env;

    if (!x87_allowed(cpu)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    if (x87_is_pending(cpu)) {
        return x87_report_error(cpu);
    }
    if (!load_image(cpu, insn, bytes, ENV_FIELDS * size)) {
        return INSN_FAULT;
    }
    unpack_env(&env, size, bytes);
    set_env(cpu, size, &env);
    return INSN_NEXT;
}

/* Environment and the eight registers, then FNINIT. */
InsnResult helper_fnsave(X86Cpu *cpu, const Insn *insn)
{
    uint8_t bytes[ENV_FIELDS * 4 + 8 * ST_SIZE];
    unsigned size = field_size(insn), length;
    X87Env env;

    if (!x87_allowed(cpu)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    get_env(cpu, size, &env);
    length = pack_env(&env, size, bytes);
    for (unsigned i = 0; i < 8; i++, length += ST_SIZE) {
        __builtin_memcpy(bytes + length, cpu->fpu + FX_ST0 + i * ST_STRIDE, ST_SIZE);
    }
    if (!store_image(cpu, insn, bytes, length)) {
        return INSN_FAULT;
    }
    fpu_init_x87(cpu);
    return INSN_NEXT;
}

InsnResult helper_frstor(X86Cpu *cpu, const Insn *insn)
{
    uint8_t bytes[ENV_FIELDS * 4 + 8 * ST_SIZE];
    unsigned size = field_size(insn), offset = ENV_FIELDS * size;
    X87Env env;

    if (!x87_allowed(cpu)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    if (x87_is_pending(cpu)) {
        return x87_report_error(cpu);
    }
    if (!load_image(cpu, insn, bytes, offset + 8 * ST_SIZE)) {
        return INSN_FAULT;
    }
    unpack_env(&env, size, bytes);
    set_env(cpu, size, &env);
    for (unsigned i = 0; i < 8; i++, offset += ST_SIZE) {
        __builtin_memcpy(cpu->fpu + FX_ST0 + i * ST_STRIDE, bytes + offset, ST_SIZE);
    }
    return INSN_NEXT;
}

InsnResult helper_fninit(X86Cpu *cpu, const Insn *insn)
{
    if (!x87_allowed(cpu)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    fpu_init_x87(cpu);
    return INSN_NEXT;
}

InsnResult helper_fwait(X86Cpu *cpu, const Insn *insn)
{
    if ((cpu->cr0 & CR0_MP) && (cpu->cr0 & CR0_TS)) {
        fault_raise(cpu, VECTOR_NM);
        return INSN_FAULT;
    }
    fpu_park(cpu);
    return x87_is_pending(cpu) ? x87_report_error(cpu) : INSN_NEXT;
}

InsnResult helper_fnclex(X86Cpu *cpu, const Insn *insn)
{
    if (!x87_allowed(cpu)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    fpu_put16(cpu, FX_FSW, fpu_get16(cpu, FX_FSW) & 0x7f00);
    fpu_mark_valid(cpu, XCR0_X87);
    cpu->ignores_x87_error = false;
    return INSN_NEXT;
}
