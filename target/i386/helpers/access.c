/* SPDX-License-Identifier: MIT */
/*
 * Guest memory for C helpers. Both pages of a crossing access are resolved before a byte moves, so
 * that a fault leaves nothing half done. RAM is copied directly; anything else, and RAM pages that
 * hold translated code, go through the address space under the machine lock.
 */
#include "target/i386/helpers/access.h"

#include "accel/tcg/checked-pages.h"
#include "target/i386/cpu-model.h"
#include "target/i386/debug.h"
#include "target/i386/helpers/debug-regs.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/modes.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/segments.h"

typedef struct Piece {
    PageTarget target;
    unsigned size;
} Piece;

/* A scalar goes in one access: another CPU sees all of it or nothing, as from the silicon. */
static void copy(void *to, const void *from, unsigned size)
{
    switch (size) {
    case 2:
        *(volatile uint16_t *)to = *(const volatile uint16_t *)from;
        break;
    case 4:
        *(volatile uint32_t *)to = *(const volatile uint32_t *)from;
        break;
    case 8:
        *(volatile uint64_t *)to = *(const volatile uint64_t *)from;
        break;
    default:
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
        break;
    }
}

static uint64_t wrap(const X86Cpu *cpu, uint64_t linear)
{
    return mode_is_long(cpu) ? linear : (uint32_t)linear;
}

/* Where an access goes on in another page. In compatibility mode Intel's silicon goes from the end
 * of the 4 GiB to 0. */
static uint64_t second_page(const X86Cpu *cpu, uint64_t linear, unsigned access)
{
    if (linear == UINT64_C(1) << 32 && !mode_is_64bit(cpu) && !(access & ACCESS_SYSTEM) &&
        !cpu->model->is_amd) {
        return 0;
    }
    return wrap(cpu, linear);
}

/* Implicit accesses have the rights of another context. NULL: it has no table now. */
static const TlbEntry *find_entry(const X86Cpu *cpu, uint64_t linear, unsigned access)
{
    const TcgCpu *own = cpu->tcg.own;
    unsigned i = linear >> TARGET_PAGE_BITS & (TLB_ENTRIES - 1);

    if (!(access & ACCESS_SYSTEM)) {
        return &cpu->tcg.tlb[i];
    }
    return own->system < TLB_CONTEXTS ? &own->contexts[own->system].table->entries[i] : NULL;
}

static bool resolve(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access,
                    PageTarget *ret_target)
{
    const TlbEntry *entry = find_entry(cpu, linear, access);
    uint64_t tag = !entry                  ? 0
                   : access & ACCESS_WRITE ? entry->tag_write
                   : access & ACCESS_EXEC  ? entry->tag_exec
                                           : entry->tag_read;

    if (entry && tag == (linear & ~(TARGET_PAGE_SIZE - 1))) {
        ret_target->host = (uint8_t *)entry->host + (linear & (TARGET_PAGE_SIZE - 1));
        return true;
    }
    if (!tlb_resolve(cpu, linear, access, ret_target)) {
        return false;
    }
    /* with several CPUs another one may be translating these very bytes */
    if (!tcg_parallel && !ret_target->host && ret_target->beside_code &&
        !blocks_overlap(ret_target->ram_page + (linear & (TARGET_PAGE_SIZE - 1)), size)) {
        ret_target->host = ret_target->beside_code;
    }
    return true;
}

/* Splits into at most two pages and resolves both; returns the count, 0 for a fault. */
static unsigned resolve_all(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access,
                            Piece pieces[2])
{
    unsigned room = (unsigned)(TARGET_PAGE_SIZE - (linear & (TARGET_PAGE_SIZE - 1)));

    pieces[0].size = size < room ? size : room;
    if (!resolve(cpu, wrap(cpu, linear), pieces[0].size, access, &pieces[0].target)) {
        return 0;
    }
    if (size <= room) {
        return 1;
    }
    pieces[1].size = size - room;
    linear = second_page(cpu, linear + room, access);
    return resolve(cpu, linear, pieces[1].size, access, &pieces[1].target) ? 2 : 0;
}

static bool is_scalar(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

static void slow_read(X86Cpu *cpu, uint64_t physical, uint8_t *buffer, unsigned size)
{
    fpu_park(cpu);
    machine_lock();
    if (is_scalar(size)) {
        MemResult result;
        uint64_t value = address_space_load(cpu_address_space(cpu), physical, size, &result);
        copy(buffer, &value, size);
    } else {
        address_space_read(cpu_address_space(cpu), physical, buffer, size);
    }
    machine_unlock();
}

static void slow_write(X86Cpu *cpu, uint64_t physical, const uint8_t *buffer, unsigned size)
{
    uint64_t value = 0;

    fpu_park(cpu);
    machine_lock();
    if (is_scalar(size)) {
        copy(&value, buffer, size);
        address_space_store(cpu_address_space(cpu), physical, value, size);
    } else {
        address_space_write(cpu_address_space(cpu), physical, buffer, size);
    }
    machine_unlock();
}

/* The debugger's watchpoints and the guest's data breakpoints. */
static void note_access(X86Cpu *cpu, uint64_t linear, unsigned size, bool is_write)
{
    linear = wrap(cpu, linear);
    if (cpu->debugger & DEBUGGER_WATCH) {
        debug_note_access(cpu, linear, size, is_write);
    }
    debug_regs_note_access(cpu, linear, size, is_write);
}

static bool is_watched(const X86Cpu *cpu, uint64_t linear, unsigned size)
{
    return (cpu->debugger & DEBUGGER_WATCH && debug_is_watched(linear, size)) ||
           debug_regs_watch(cpu, linear, size);
}

bool access_read(X86Cpu *cpu, uint64_t linear, void *buffer, unsigned size, unsigned access)
{
    Piece pieces[2];
    unsigned count = resolve_all(cpu, linear, size, access & ~(unsigned)ACCESS_WRITE, pieces);
    uint8_t *to = buffer;

    for (unsigned i = 0; i < count; i++) {
        if (pieces[i].target.host) {
            copy(to, pieces[i].target.host, pieces[i].size);
        } else {
            slow_read(cpu, pieces[i].target.physical, to, pieces[i].size);
        }
        to += pieces[i].size;
    }
    if (cpu->mode & CPU_MODE_BREAKPOINTS && count && !(access & ACCESS_EXEC)) {
        note_access(cpu, linear, size, false);
    }
    return count != 0;
}

/* A device may wait for other CPUs, which withdraw write permission meanwhile: behind one nothing
 * is written by a pointer that was found before. */
bool access_write(X86Cpu *cpu, uint64_t linear, const void *buffer, unsigned size, unsigned access)
{
    Piece pieces[2];
    unsigned count = resolve_all(cpu, linear, size, access | ACCESS_WRITE, pieces);
    const uint8_t *from = buffer;

    if (count == 2 && !pieces[0].target.host && pieces[1].target.host) {
        if (!tlb_resolve(cpu, second_page(cpu, linear + pieces[0].size, access),
                         access | ACCESS_WRITE, &pieces[1].target)) {
            return false;
        }
        pieces[1].target.host = NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        if (pieces[i].target.host) {
            copy(pieces[i].target.host, from, pieces[i].size);
        } else {
            slow_write(cpu, pieces[i].target.physical, from, pieces[i].size);
        }
        from += pieces[i].size;
    }
    if (cpu->mode & CPU_MODE_BREAKPOINTS && count) {
        note_access(cpu, linear, size, true);
    }
    return count != 0;
}

bool access_probe(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access)
{
    Piece pieces[2];
    return resolve_all(cpu, linear, size, access, pieces) != 0;
}

void *access_host_pointer(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access)
{
    Piece pieces[2];

    if (cpu->mode & CPU_MODE_BREAKPOINTS && is_watched(cpu, linear, size)) {
        return NULL; /* by access_read() and access_write(), which take note */
    }
    return resolve_all(cpu, linear, size, access, pieces) == 1 ? pieces[0].target.host : NULL;
}

uint8_t *access_code_pointer(X86Cpu *cpu, uint64_t linear, unsigned size)
{
    Piece pieces[2];

    return resolve_all(cpu, linear, size, ACCESS_WRITE, pieces) == 1 && !pieces[0].target.host
               ? pieces[0].target.beside_code
               : NULL;
}

bool access_read_u8(X86Cpu *cpu, uint64_t linear, uint8_t *ret, unsigned access)
{
    return access_read(cpu, linear, ret, 1, access);
}

bool access_read_u16(X86Cpu *cpu, uint64_t linear, uint16_t *ret, unsigned access)
{
    return access_read(cpu, linear, ret, 2, access);
}

bool access_read_u32(X86Cpu *cpu, uint64_t linear, uint32_t *ret, unsigned access)
{
    return access_read(cpu, linear, ret, 4, access);
}

bool access_read_u64(X86Cpu *cpu, uint64_t linear, uint64_t *ret, unsigned access)
{
    return access_read(cpu, linear, ret, 8, access);
}

/* -- Segments ---------------------------------------------------------------------------------- */

static bool segment_fault(X86Cpu *cpu, unsigned segment)
{
    return fault_raise_error(cpu, segment == SEG_SS ? VECTOR_SS : VECTOR_GP, 0);
}

static bool segment_allows(const X86Cpu *cpu, const Segment *s, uint64_t offset, unsigned size,
                           unsigned access)
{
    uint64_t last = offset + size - 1;
    bool is_code = s->attributes & SEG_CODE;

    if (mode_is_protected(cpu)) {
        if (!(s->attributes & SEG_P) || !(s->attributes & SEG_S)) {
            return false;
        }
        if (access & ACCESS_WRITE ? is_code || !(s->attributes & SEG_WRITABLE)
                                  : is_code && !(s->attributes & SEG_READABLE)) {
            return false;
        }
        if (!is_code && s->attributes & SEG_EXPAND_DOWN) {
            uint64_t top = s->attributes & SEG_DB ? 0xffffffff : 0xffff;
            return offset > s->limit && last <= top;
        }
    }
    return last <= s->limit || segment_is_unlimited(cpu, s);
}

bool access_check_alignment(X86Cpu *cpu, uint64_t linear, unsigned alignment, unsigned access)
{
    if (!(cpu->mode & CPU_MODE_AC) || access & (ACCESS_SYSTEM | ACCESS_UNALIGNED) ||
        !(linear & (alignment - 1))) {
        return true;
    }
    return fault_raise_error(cpu, VECTOR_AC, 0);
}

/* What #AC wants of an operand of this size: SDM vol. 3 table 6-7; of ten bytes, and of vectors,
 * which it leaves open, what the silicon said: AMD's wants 16 bytes of a vector, Intel's none. */
static unsigned alignment_of(const X86Cpu *cpu, unsigned size)
{
    if (size == 10) {
        return 8;
    }
    if (size <= 64 && !(size & (size - 1))) {
        return size < 16 ? size : cpu->model->is_amd ? 16 : 1;
    }
    return size & 3 && size != 6 ? 2 : 4;
}

/* An operand that begins where addresses are canonical and ends where they are not: Intel's silicon
 * looks at its alignment first, AMD's at its end. */
static bool canonical_fault(X86Cpu *cpu, unsigned segment, uint64_t linear, unsigned size,
                            unsigned access)
{
    if (!cpu->model->is_amd && paging_is_canonical(cpu, linear) &&
        !access_check_alignment(cpu, linear, alignment_of(cpu, size), access)) {
        return false;
    }
    return segment_fault(cpu, segment);
}

bool access_linear(X86Cpu *cpu, unsigned segment, uint64_t offset, unsigned size, unsigned access,
                   uint64_t *ret_linear)
{
    const Segment *s = &cpu->seg[segment];
    uint64_t linear = offset;

    if (mode_is_64bit(cpu)) {
        if (segment == SEG_FS || segment == SEG_GS) {
            linear += s->base;
        }
        if (!paging_is_canonical(cpu, linear) || !paging_is_canonical(cpu, linear + size - 1)) {
            return canonical_fault(cpu, segment, linear, size, access);
        }
        *ret_linear = linear;
    } else if (segment_allows(cpu, s, offset, size, access)) {
        *ret_linear = (uint32_t)(s->base + offset);
    } else {
        return segment_fault(cpu, segment);
    }
    return access_check_alignment(cpu, *ret_linear, alignment_of(cpu, size), access);
}

/* -- Operands ---------------------------------------------------------------------------------- */

uint64_t insn_effective_address(const X86Cpu *cpu, const Insn *insn)
{
    uint64_t address = (uint64_t)insn->displacement;

    if (insn->base == INSN_RIP) {
        address += insn->rip + insn->length;
    } else if (insn->base != INSN_NO_REG) {
        address += cpu->gpr[insn->base];
    }
    if (insn->index != INSN_NO_REG) {
        address += cpu->gpr[insn->index] << insn->scale;
    }
    switch (insn->address_bits) {
    case 16:
        return (uint16_t)address;
    case 32:
        return (uint32_t)address;
    default:
        return address;
    }
}

bool insn_linear_address(X86Cpu *cpu, const Insn *insn, unsigned size, unsigned access,
                         uint64_t *ret_linear)
{
    return access_linear(cpu, insn->segment, insn_effective_address(cpu, insn), size, access,
                         ret_linear);
}

static uint64_t low_bytes(uint64_t value, unsigned size)
{
    return size >= 8 ? value : value & ((1ull << (8 * size)) - 1);
}

bool insn_read_operand(X86Cpu *cpu, const Insn *insn, unsigned n, uint64_t *ret_value)
{
    const InsnOperand *operand = &insn->operands[n];
    uint64_t linear, value = 0;

    switch (operand->kind) {
    case OPERAND_REG:
        value = cpu->gpr[operand->reg & 15];
        *ret_value = operand->reg_class == REG_GPR8_HIGH ? (value >> 8 & 0xff)
                                                         : low_bytes(value, operand->size);
        return true;
    case OPERAND_MEM:
        if (!insn_linear_address(cpu, insn, operand->size, ACCESS_READ, &linear) ||
            !access_read(cpu, linear, &value, operand->size > 8 ? 8 : operand->size, ACCESS_READ)) {
            return false;
        }
        *ret_value = value;
        return true;
    default:
        *ret_value = (uint64_t)insn->immediate;
        return true;
    }
}

void gpr_write(X86Cpu *cpu, unsigned reg, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        cpu->gpr[reg] = (cpu->gpr[reg] & ~0xffull) | (value & 0xff);
        break;
    case 2:
        cpu->gpr[reg] = (cpu->gpr[reg] & ~0xffffull) | (value & 0xffff);
        break;
    case 4:
        cpu->gpr[reg] = (uint32_t)value;
        break;
    default:
        cpu->gpr[reg] = value;
        break;
    }
}

bool insn_write_operand(X86Cpu *cpu, const Insn *insn, unsigned n, uint64_t value)
{
    const InsnOperand *operand = &insn->operands[n];
    uint64_t linear;

    if (operand->kind == OPERAND_MEM) {
        unsigned size = operand->size > 8 ? 8 : operand->size;
        return insn_linear_address(cpu, insn, size, ACCESS_WRITE, &linear) &&
               access_write(cpu, linear, &value, size, ACCESS_WRITE);
    }
    if (operand->reg_class == REG_GPR8_HIGH) {
        cpu->gpr[operand->reg] = (cpu->gpr[operand->reg] & ~0xff00ull) | (value & 0xff) << 8;
    } else {
        gpr_write(cpu, operand->reg & 15, value, operand->size);
    }
    return true;
}

/* -- Physical memory --------------------------------------------------------------------------- */

/* Page tables in a device, wanted for the second page of an instruction that is being translated:
 * they read as if nothing were there, and exact mode, without the code lock, walks them. */

static uint8_t *physical_pointer(const X86Cpu *cpu, uint64_t physical, unsigned size)
{
    const FlatRange *range = address_space_lookup(cpu_address_space(cpu), physical);

    if (!range || !range->host || physical + size > range->start + range->size) {
        return NULL;
    }
    return range->host + (physical - range->start);
}

const void *physical_host(const X86Cpu *cpu, uint64_t physical, unsigned size)
{
    return physical_pointer(cpu, physical, size);
}

bool physical_read_u64(X86Cpu *cpu, uint64_t physical, uint64_t *ret)
{
    const uint8_t *host = physical_pointer(cpu, physical, 8);

    if (host) {
        *ret = __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
    } else if (code_lock_forbids_devices(cpu)) {
        *ret = UINT64_MAX;
    } else {
        slow_read(cpu, physical, (uint8_t *)ret, 8);
    }
    return true;
}

bool physical_read_u32(X86Cpu *cpu, uint64_t physical, uint32_t *ret)
{
    const uint8_t *host = physical_pointer(cpu, physical, 4);

    if (host) {
        *ret = __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
    } else if (code_lock_forbids_devices(cpu)) {
        *ret = UINT32_MAX;
    } else {
        slow_read(cpu, physical, (uint8_t *)ret, 4);
    }
    return true;
}

void physical_write(X86Cpu *cpu, uint64_t physical, const void *buffer, unsigned size)
{
    slow_write(cpu, physical, buffer, size);
}

static bool set_bits(void *host, unsigned size, uint64_t expected, uint64_t bits)
{
    uint32_t expected32 = (uint32_t)expected;

    if (size == 4) {
        return __atomic_compare_exchange_n((uint32_t *)host, &expected32,
                                           (uint32_t)(expected | bits), false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
    return __atomic_compare_exchange_n((uint64_t *)host, &expected, expected | bits, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool physical_or_bits(X86Cpu *cpu, uint64_t physical, unsigned size, uint64_t expected,
                      uint64_t bits)
{
    uint8_t *host = physical_pointer(cpu, physical, size);
    const FlatRange *range;
    uint64_t offset;

    if (!host) {
        return true; /* a table in a device: nothing to set */
    }
    range = address_space_lookup(cpu_address_space(cpu), physical);
    if (range->read_only) {
        return true;
    }
    offset = range->region->ram_offset + range->region_offset + (physical - range->start);
    tlb_mark_written(range->region->ram, offset);
    if (!set_bits(host, size, expected, bits)) {
        return false;
    }
    if (tlb_page_has_code(range->region->ram, offset) ||
        checked_page_maybe(range->region->ram->ram_address + offset)) {
        fpu_park(cpu);
        code_written_by_walk(range->region->ram, offset, size);
    }
    return true;
}
