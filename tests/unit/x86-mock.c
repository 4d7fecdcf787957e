/* SPDX-License-Identifier: MIT */
/* What the system instruction helpers stand on, over a byte array: the contracts of access.h,
 * paging.h, run.h and memory.h in their simplest form. */
#include "tests/unit/x86-mock.h"

#include <string.h>

#include "softmmu/memory.h"
#include "softmmu/run-end.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/fpu-state.h"
#include "target/i386/helpers/paging.h"

#define FLAT 0xfffffu
#define CODE(dpl)                                                                                  \
    (SEG_P | (dpl) << SEG_DPL_SHIFT | SEG_S | SEG_CODE | SEG_READABLE | SEG_G | SEG_DB)
#define DATA(dpl) (SEG_P | (dpl) << SEG_DPL_SHIFT | SEG_S | SEG_WRITABLE | SEG_G | SEG_DB)

uint8_t mock_memory[MOCK_MEMORY_SIZE];
uint64_t mock_absent_page;
int mock_fault_at;
unsigned mock_reset_count, mock_flush_count, mock_port_stores, mock_port_loads;
uint32_t mock_port_log[64];
uint16_t mock_port_last;
AddressSpace address_space_io;

/* -- access.h ---------------------------------------------------------------------------------- */

static bool is_mapped(const X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access)
{
    bool is_user = cpu->cpl == 3 && !(access & ACCESS_SYSTEM);

    if (mock_fault_at >= 0 && mock_fault_at-- == 0) {
        return false;
    }
    if (linear + size > MOCK_MEMORY_SIZE || (is_user && linear >= MOCK_GDT && linear < MOCK_USER)) {
        return false;
    }
    return mock_absent_page == UINT64_MAX || linear >= mock_absent_page + 4096 ||
           linear + size <= mock_absent_page;
}

static bool resolve(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access)
{
    uint64_t absent = mock_absent_page;
    bool is_user = cpu->cpl == 3 && !(access & ACCESS_SYSTEM);

    if (is_mapped(cpu, linear, size, access)) {
        return true;
    }
    return fault_page(cpu, linear < absent && linear + size > absent ? absent : linear,
                      (access & ACCESS_WRITE ? PF_WRITE : 0) | (is_user ? PF_USER : 0));
}

bool access_read(X86Cpu *cpu, uint64_t linear, void *buffer, unsigned size, unsigned access)
{
    if (!resolve(cpu, linear, size, access)) {
        return false;
    }
    memcpy(buffer, mock_memory + linear, size);
    return true;
}

void *access_host_pointer(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access)
{
    return resolve(cpu, linear, size, access) ? mock_memory + linear : NULL;
}

bool access_write(X86Cpu *cpu, uint64_t linear, const void *buffer, unsigned size, unsigned access)
{
    if (!resolve(cpu, linear, size, access | ACCESS_WRITE)) {
        return false;
    }
    memcpy(mock_memory + linear, buffer, size);
    return true;
}

/* What the tests store here is aligned, or AC is off. */
bool access_check_alignment(X86Cpu *cpu, uint64_t linear, unsigned alignment, unsigned access)
{
    return true;
}

bool access_probe(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access)
{
    return resolve(cpu, linear, size, access);
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

uint64_t insn_effective_address(const X86Cpu *cpu, const Insn *insn)
{
    return (uint64_t)insn->displacement;
}

bool access_linear(X86Cpu *cpu, unsigned segment, uint64_t offset, unsigned size, unsigned access,
                   uint64_t *ret_linear)
{
    if (!mode_is_64bit(cpu) && !segment_holds(cpu, &cpu->seg[segment], offset, size)) {
        return fault_raise_error(cpu, segment == SEG_SS ? VECTOR_SS : VECTOR_GP, 0);
    }
    *ret_linear = cpu->seg[segment].base + offset;
    return true;
}

/* Tests give memory operands by their displacement. */
bool insn_linear_address(X86Cpu *cpu, const Insn *insn, unsigned size, unsigned access,
                         uint64_t *ret_linear)
{
    return access_linear(cpu, insn->segment, (uint64_t)insn->displacement, size, access,
                         ret_linear);
}

bool insn_read_operand(X86Cpu *cpu, const Insn *insn, unsigned n, uint64_t *ret_value)
{
    const InsnOperand *operand = &insn->operands[n];
    uint64_t linear;

    *ret_value = 0;
    if (operand->kind == OPERAND_MEM) {
        return insn_linear_address(cpu, insn, operand->size, ACCESS_READ, &linear) &&
               access_read(cpu, linear, ret_value, operand->size, ACCESS_READ);
    }
    memcpy(ret_value, &cpu->gpr[operand->reg], operand->size);
    return true;
}

void gpr_write(X86Cpu *cpu, unsigned reg, uint64_t value, unsigned size)
{
    cpu->gpr[reg] = size == 4 ? (uint32_t)value : cpu->gpr[reg];
    if (size != 4) {
        memcpy(&cpu->gpr[reg], &value, size);
    }
}

bool insn_write_operand(X86Cpu *cpu, const Insn *insn, unsigned n, uint64_t value)
{
    const InsnOperand *operand = &insn->operands[n];
    uint64_t linear;

    if (operand->kind == OPERAND_MEM) {
        return insn_linear_address(cpu, insn, operand->size, ACCESS_WRITE, &linear) &&
               access_write(cpu, linear, &value, operand->size, ACCESS_WRITE);
    }
    gpr_write(cpu, operand->reg, value, operand->size);
    return true;
}

const void *physical_host(const X86Cpu *cpu, uint64_t physical, unsigned size)
{
    return NULL;
}

bool physical_read_u64(X86Cpu *cpu, uint64_t physical, uint64_t *ret)
{
    *ret = mock_peek(physical, 8);
    return true;
}

bool physical_read_u32(X86Cpu *cpu, uint64_t physical, uint32_t *ret)
{
    *ret = (uint32_t)mock_peek(physical, 4);
    return true;
}

void physical_write(X86Cpu *cpu, uint64_t physical, const void *buffer, unsigned size)
{
    g_assert_cmpuint(physical + size, <=, MOCK_MEMORY_SIZE);
    memcpy(mock_memory + physical, buffer, size);
}

void fpu_park(X86Cpu *cpu)
{
    cpu->fpu_live = false;
}

void fpu_copy(X86Cpu *cpu)
{
    fpu_park(cpu);
}

void fpu_begin_load(X86Cpu *cpu, bool has_all_registers)
{
    fpu_park(cpu);
}

void fpu_load(X86Cpu *cpu, uint64_t loaded)
{
}

/* -- paging.h, tcg.h --------------------------------------------------------------------------- */

bool paging_is_canonical(const X86Cpu *cpu, uint64_t linear)
{
    return (int64_t)(linear << 16) >> 16 == (int64_t)linear;
}

bool paging_load_pdptes(X86Cpu *cpu, uint64_t cr3)
{
    return true;
}

void tcg_context_changed(X86Cpu *cpu)
{
}

void tcg_flush_tlb(X86Cpu *cpu)
{
    mock_flush_count++;
}

void tcg_flush_tlb_non_global(X86Cpu *cpu)
{
    mock_flush_count++;
}

/* -- run.h, memory.h: only after fpu_park() ---------------------------------------------------- */

static bool locked;

void machine_lock(void)
{
    g_assert_false(locked);
    locked = true;
}

void machine_unlock(void)
{
    g_assert_true(locked);
    locked = false;
}

void system_reset_request(ShutdownCause cause)
{
    g_assert_true(locked);
    g_assert_cmpint(cause, ==, SHUTDOWN_CAUSE_GUEST_RESET);
    mock_reset_count++;
}

void system_triple_fault(unsigned cpu, uint64_t rip)
{
    system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
}

uint64_t address_space_load(AddressSpace *as, uint64_t address, unsigned size,
                            MemResult *ret_result)
{
    g_assert_true(locked);
    mock_port_last = (uint16_t)address;
    return ++mock_port_loads;
}

MemResult address_space_store(AddressSpace *as, uint64_t address, uint64_t value, unsigned size)
{
    g_assert_true(locked);
    mock_port_last = (uint16_t)address;
    mock_port_log[mock_port_stores++ % G_N_ELEMENTS(mock_port_log)] = (uint32_t)value;
    return MEM_OK;
}

/* -- Memory and tables ------------------------------------------------------------------------- */

void mock_poke(uint64_t address, uint64_t value, unsigned size)
{
    g_assert_cmpuint(address + size, <=, MOCK_MEMORY_SIZE);
    memcpy(mock_memory + address, &value, size);
}

uint64_t mock_peek(uint64_t address, unsigned size)
{
    uint64_t value = 0;

    g_assert_cmpuint(address + size, <=, MOCK_MEMORY_SIZE);
    memcpy(&value, mock_memory + address, size);
    return value;
}

void mock_descriptor(uint16_t selector, uint32_t base, uint32_t limit, unsigned attributes)
{
    uint64_t address = MOCK_GDT + (selector & 0xfff8u);

    mock_poke(address, (limit & 0xffff) | base << 16, 4);
    mock_poke(address + 4,
              (base >> 16 & 0xff) | (base & 0xff000000u) | attributes << 8 | (limit & 0xf0000), 4);
}

void mock_gate(const X86Cpu *cpu, unsigned vector, unsigned type, uint16_t selector,
               uint64_t offset, unsigned ist)
{
    unsigned size = mode_is_long(cpu) ? 16 : 8;
    uint64_t address = MOCK_IDT + vector * size;

    mock_poke(address, (offset & 0xffff) | (uint32_t)selector << 16, 4);
    mock_poke(address + 4, (offset & 0xffff0000u) | type << 8 | ist, 4);
    if (size == 16) {
        mock_poke(address + 8, offset >> 32, 8);
    }
}

void mock_expect_fault(const X86Cpu *cpu, unsigned vector, uint32_t error_code)
{
    g_assert_cmphex(cpu->fault.vector, ==, vector);
    g_assert_cmphex(cpu->fault.error_code, ==, error_code);
}

static void fill_gdt(void)
{
    mock_descriptor(SEL_CODE0, 0, FLAT, CODE(0u));
    mock_descriptor(SEL_DATA0, 0, FLAT, DATA(0u));
    mock_descriptor(SEL_CODE3, 0, FLAT, CODE(3u));
    mock_descriptor(SEL_DATA3, 0, FLAT, DATA(3u));
    mock_descriptor(SEL_CODE0_32, 0, FLAT, CODE(0u));
    mock_descriptor(SEL_CODE3_32, 0, FLAT, CODE(3u));
    mock_descriptor(SEL_CONFORMING0, 0, FLAT, CODE(0u) | SEG_CONFORMING);
    mock_descriptor(SEL_CODE1, 0, FLAT, CODE(1u));
    mock_descriptor(SEL_DATA1, 0, FLAT, DATA(1u));
    mock_descriptor(SEL_CODE16, 0, 0xffff, CODE(0u) & ~(SEG_G | SEG_DB));
    mock_descriptor(SEL_READ_ONLY, 0, FLAT, DATA(0u) & ~SEG_WRITABLE);
    mock_descriptor(SEL_EXECUTE_ONLY, 0, FLAT, CODE(0u) & ~SEG_READABLE);
    mock_descriptor(SEL_ABSENT_DATA, 0, FLAT, DATA(0u) & ~SEG_P);
    mock_descriptor(SEL_ABSENT_CODE, 0, FLAT, CODE(0u) & ~SEG_P);
    mock_descriptor(SEL_TSS, MOCK_TSS, 0x7ff, SEG_P | SYSTEM_TSS32_BUSY);
    mock_descriptor(SEL_LDT, MOCK_LDT, 0xff, SEG_P | SYSTEM_LDT);
    mock_descriptor(SEL_OTHER_TSS, MOCK_OTHER_TSS, 0x67, SEG_P | SYSTEM_TSS32);
    mock_descriptor(SEL_DATA16, 0, 0xffff, DATA(0u) & ~(SEG_G | SEG_DB));
}

static void set_long_code(uint16_t selector, bool is_long)
{
    uint64_t address = MOCK_GDT + selector + 6;
    uint64_t byte = mock_peek(address, 1) & 0x9f;

    mock_poke(address, byte | (is_long ? 0x20 : 0x40), 1);
}

static void set_segment(X86Cpu *cpu, unsigned n, uint16_t selector)
{
    uint64_t raw = mock_peek(MOCK_GDT + (selector & 0xfff8u), 8);

    cpu->seg[n] = segment_from_descriptor(selector, (uint32_t)raw, (uint32_t)(raw >> 32));
    cpu->seg[n].attributes |= SEG_ACCESSED;
}

X86Cpu *mock_cpu_new(void)
{
    X86Cpu *cpu = g_new0(X86Cpu, 1);

    memset(mock_memory, 0, sizeof(mock_memory));
    mock_absent_page = UINT64_MAX;
    mock_fault_at = -1;
    mock_reset_count = mock_flush_count = mock_port_stores = mock_port_loads = 0;
    fill_gdt();
    cpu->model = g_new0(CpuModel, 1);
    cpu->model->cr4_mask = UINT32_MAX;
    cpu->model->efer_mask = EFER_SCE | EFER_LME | EFER_NXE;
    cpu->gdtr = (DescriptorTable){.base = MOCK_GDT, .limit = SEL_END - 1};
    cpu->idtr = (DescriptorTable){.base = MOCK_IDT, .limit = 0xfff};
    cpu->fault.vector = VECTOR_NONE;
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
    return cpu;
}

void mock_cpu_free(X86Cpu *cpu)
{
    g_assert_false(locked);
    g_free(cpu->model);
    g_free(cpu);
}

Insn mock_insn(unsigned operand_bits)
{
    return (Insn){.length = 2,
                  .operand_bits = (uint8_t)operand_bits,
                  .address_bits = 32,
                  .memory_operand = INSN_NO_REG};
}

void mock_enter_real(X86Cpu *cpu)
{
    cpu->cr0 = 0;
    cpu->efer = 0;
    cpu->eflags = EFLAGS_FIXED | EFLAGS_IF;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = (Segment){.attributes = 0x93, .limit = 0xffff};
    }
    cpu->idtr = (DescriptorTable){.base = 0, .limit = 0x3ff};
    cpu->gpr[R_RSP] = MOCK_STACK;
    cpu->rip = 0x100;
    cpu_update_mode(cpu);
}

static void enter(X86Cpu *cpu, unsigned ring, uint16_t cs, uint16_t ss)
{
    cpu->cr0 = CR0_PE;
    cpu->eflags = EFLAGS_FIXED | EFLAGS_IF;
    set_segment(cpu, SEG_CS, (uint16_t)(cs | ring));
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        if (i != SEG_CS) {
            set_segment(cpu, i, (uint16_t)(ss | ring));
        }
    }
    set_segment(cpu, SEG_CS, (uint16_t)(cs | ring));
    mock_poke(MOCK_TSS + 4, MOCK_RING0_STACK, 4);
    mock_poke(MOCK_TSS + 8, SEL_DATA0, 4);
    mock_poke(MOCK_TSS + 12, MOCK_RING1_STACK, 4);
    mock_poke(MOCK_TSS + 16, SEL_DATA1 | 1, 4);
    mock_poke(MOCK_TSS + 102, 0x100, 2); /* I/O map, redirection map in front of it */
    cpu->tr = (Segment){.selector = SEL_TSS,
                        .attributes = SEG_P | SYSTEM_TSS32_BUSY,
                        .limit = 0x7ff,
                        .base = MOCK_TSS};
    cpu->ldtr = (Segment){
        .selector = SEL_LDT, .attributes = SEG_P | SYSTEM_LDT, .limit = 0xff, .base = MOCK_LDT};
    cpu->gpr[R_RSP] = MOCK_STACK;
    cpu->rip = 0x100;
    cpu_update_mode(cpu);
    g_assert_cmpuint(cpu->cpl, ==, ring);
}

void mock_enter_protected(X86Cpu *cpu, unsigned ring)
{
    cpu->efer = 0;
    enter(cpu, ring,
          ring == 3   ? SEL_CODE3
          : ring == 1 ? SEL_CODE1
                      : SEL_CODE0,
          ring == 3   ? SEL_DATA3
          : ring == 1 ? SEL_DATA1
                      : SEL_DATA0);
}

void mock_enter_v8086(X86Cpu *cpu, unsigned iopl)
{
    mock_enter_protected(cpu, 3);
    cpu->eflags |= EFLAGS_VM | iopl << EFLAGS_IOPL_SHIFT;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        segment_set_real(cpu, i, (uint16_t)(0x10 * i));
    }
    cpu_update_mode(cpu);
}

void mock_enter_long(X86Cpu *cpu, unsigned ring)
{
    cpu->efer = EFER_LME | EFER_LMA | EFER_SCE;
    set_long_code(SEL_CODE0, true);
    set_long_code(SEL_CODE3, true);
    set_long_code(SEL_CONFORMING0, true);
    enter(cpu, ring, ring ? SEL_CODE3 : SEL_CODE0, ring ? SEL_DATA3 : SEL_DATA0);
    memset(mock_memory + MOCK_TSS, 0, 0x68);
    mock_poke(MOCK_TSS + 4, MOCK_RING0_STACK, 8);
    mock_poke(MOCK_TSS + 36, MOCK_IST1, 8);
    mock_poke(MOCK_TSS + 102, 0x100, 2);
}

void mock_enter_compatibility(X86Cpu *cpu, unsigned ring)
{
    mock_enter_long(cpu, ring);
    set_segment(cpu, SEG_CS, (uint16_t)((ring ? SEL_CODE3_32 : SEL_CODE0_32) | ring));
    cpu_update_mode(cpu);
}
