/* SPDX-License-Identifier: MIT */
/*
 * ELF core file of a guest. Formats: System V ABI, "Object Files"; the notes are those of Linux's
 * core files (elf_prstatus, one for each CPU) and one named "QEMU" with the system registers, which
 * crash reads to find a kernel whose addresses are randomised.
 *
 *     ELF header | program headers | [section header] | notes | memory
 */
#include "softmmu/monitor/dump-elf.h"

#include "target/i386/cpu.h"

#include <elf.h>
#include <string.h>

/* struct elf_prstatus of Linux: offsets and sizes in bytes. */
enum {
    PRSTATUS_64_SIZE = 336,
    PRSTATUS_64_PID = 32,
    PRSTATUS_64_REGISTERS = 112,
    PRSTATUS_32_SIZE = 144,
    PRSTATUS_32_PID = 24,
    PRSTATUS_32_REGISTERS = 72
};

/* -- Notes ------------------------------------------------------------------------------------- */

static void add_note(GByteArray *out, const char *name, uint32_t type, const void *content,
                     uint32_t size)
{
    static const uint8_t zeros[4];
    uint32_t name_size = (uint32_t)strlen(name) + 1;
    const uint32_t head[3] = {name_size, size, type};

    g_byte_array_append(out, (const uint8_t *)head, sizeof(head));
    g_byte_array_append(out, (const uint8_t *)name, name_size);
    g_byte_array_append(out, zeros, -name_size & 3);
    g_byte_array_append(out, content, size);
    g_byte_array_append(out, zeros, -size & 3);
}

static void add_status_64(GByteArray *out, const X86Cpu *cpu)
{
    const uint64_t *gpr = cpu->gpr;
    const Segment *seg = cpu->seg;
    const uint64_t registers[27] = {gpr[R_R15],
                                    gpr[R_R14],
                                    gpr[R_R13],
                                    gpr[R_R12],
                                    gpr[R_RBP],
                                    gpr[R_RBX],
                                    gpr[R_R11],
                                    gpr[R_R10],
                                    gpr[R_R9],
                                    gpr[R_R8],
                                    gpr[R_RAX],
                                    gpr[R_RCX],
                                    gpr[R_RDX],
                                    gpr[R_RSI],
                                    gpr[R_RDI],
                                    gpr[R_RAX],
                                    cpu->rip,
                                    seg[SEG_CS].selector,
                                    cpu->eflags,
                                    gpr[R_RSP],
                                    seg[SEG_SS].selector,
                                    seg[SEG_FS].base,
                                    seg[SEG_GS].base,
                                    seg[SEG_DS].selector,
                                    seg[SEG_ES].selector,
                                    seg[SEG_FS].selector,
                                    seg[SEG_GS].selector};
    uint8_t status[PRSTATUS_64_SIZE] = {0};
    uint32_t pid = cpu->vcpu.index + 1;

    memcpy(status + PRSTATUS_64_PID, &pid, sizeof(pid));
    memcpy(status + PRSTATUS_64_REGISTERS, registers, sizeof(registers));
    add_note(out, "CORE", NT_PRSTATUS, status, sizeof(status));
}

static void add_status_32(GByteArray *out, const X86Cpu *cpu)
{
    const uint64_t *gpr = cpu->gpr;
    const Segment *seg = cpu->seg;
    const uint32_t registers[17] = {
        (uint32_t)gpr[R_RBX], (uint32_t)gpr[R_RCX], (uint32_t)gpr[R_RDX],  (uint32_t)gpr[R_RSI],
        (uint32_t)gpr[R_RDI], (uint32_t)gpr[R_RBP], (uint32_t)gpr[R_RAX],  seg[SEG_DS].selector,
        seg[SEG_ES].selector, seg[SEG_FS].selector, seg[SEG_GS].selector,  (uint32_t)gpr[R_RAX],
        (uint32_t)cpu->rip,   seg[SEG_CS].selector, (uint32_t)cpu->eflags, (uint32_t)gpr[R_RSP],
        seg[SEG_SS].selector};
    uint8_t status[PRSTATUS_32_SIZE] = {0};
    uint32_t pid = cpu->vcpu.index + 1;

    memcpy(status + PRSTATUS_32_PID, &pid, sizeof(pid));
    memcpy(status + PRSTATUS_32_REGISTERS, registers, sizeof(registers));
    add_note(out, "CORE", NT_PRSTATUS, status, sizeof(status));
}

typedef struct SystemSegment {
    uint32_t selector, limit, flags, reserved;
    uint64_t base;
} SystemSegment;

typedef struct SystemState {
    uint32_t version, size;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8_to_r15[8], rip, rflags;
    SystemSegment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
    uint64_t cr[5], kernel_gs_base;
} SystemState;

static SystemSegment segment_state(const Segment *segment)
{
    return (SystemSegment){.selector = segment->selector,
                           .limit = segment->limit,
                           .flags = (uint32_t)segment->attributes << 8,
                           .base = segment->base};
}

static void add_system_state(GByteArray *out, const X86Cpu *cpu)
{
    const uint64_t *gpr = cpu->gpr;
    SystemState state = {
        .version = 1,
        .size = sizeof(state),
        .rax = gpr[R_RAX],
        .rbx = gpr[R_RBX],
        .rcx = gpr[R_RCX],
        .rdx = gpr[R_RDX],
        .rsi = gpr[R_RSI],
        .rdi = gpr[R_RDI],
        .rsp = gpr[R_RSP],
        .rbp = gpr[R_RBP],
        .rip = cpu->rip,
        .rflags = cpu->eflags,
        .cs = segment_state(&cpu->seg[SEG_CS]),
        .ds = segment_state(&cpu->seg[SEG_DS]),
        .es = segment_state(&cpu->seg[SEG_ES]),
        .fs = segment_state(&cpu->seg[SEG_FS]),
        .gs = segment_state(&cpu->seg[SEG_GS]),
        .ss = segment_state(&cpu->seg[SEG_SS]),
        .ldt = segment_state(&cpu->ldtr),
        .tr = segment_state(&cpu->tr),
        .gdt = {.limit = cpu->gdtr.limit, .base = cpu->gdtr.base},
        .idt = {.limit = cpu->idtr.limit, .base = cpu->idtr.base},
        .cr = {cpu->cr0, 0, cpu->cr2, cpu->cr3, cpu->cr4},
        .kernel_gs_base = cpu->kernel_gs_base,
    };

    memcpy(state.r8_to_r15, &gpr[R_R8], sizeof(state.r8_to_r15));
    add_note(out, "QEMU", 0, &state, sizeof(state));
}

static GByteArray *make_notes(bool is_64)
{
    GByteArray *notes = g_byte_array_new();

    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (is_64) {
            add_status_64(notes, cpu_get(i));
        } else {
            add_status_32(notes, cpu_get(i));
        }
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        add_system_state(notes, cpu_get(i));
    }
    return notes;
}

/* -- Headers ----------------------------------------------------------------------------------- */

typedef struct Sizes {
    uint32_t headers; /* program headers */
    uint64_t notes_at, memory_at;
    uint32_t notes_size;
    bool has_section; /* which tells how many program headers there are */
} Sizes;

static void add_file_header(GByteArray *out, bool is_64, const Sizes *sizes)
{
    uint16_t count = sizes->has_section ? PN_XNUM : (uint16_t)sizes->headers;
    uint16_t sections = sizes->has_section ? 1 : 0;
    Elf64_Ehdr wide = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(wide),
        .e_ehsize = sizeof(wide),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = count,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = sections};
    Elf32_Ehdr narrow = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_386,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(narrow),
        .e_ehsize = sizeof(narrow),
        .e_phentsize = sizeof(Elf32_Phdr),
        .e_phnum = count,
        .e_shentsize = sizeof(Elf32_Shdr),
        .e_shnum = sections};

    if (sizes->has_section) {
        wide.e_shoff = wide.e_phoff + (uint64_t)sizes->headers * sizeof(Elf64_Phdr);
        narrow.e_shoff = narrow.e_phoff + sizes->headers * (uint32_t)sizeof(Elf32_Phdr);
    }
    g_byte_array_append(out, is_64 ? (void *)&wide : (void *)&narrow,
                        is_64 ? sizeof(wide) : sizeof(narrow));
}

static void add_program_header(GByteArray *out, bool is_64, Elf64_Phdr wide)
{
    const Elf32_Phdr narrow = {.p_type = wide.p_type,
                               .p_offset = (uint32_t)wide.p_offset,
                               .p_vaddr = (uint32_t)wide.p_vaddr,
                               .p_paddr = (uint32_t)wide.p_paddr,
                               .p_filesz = (uint32_t)wide.p_filesz,
                               .p_memsz = (uint32_t)wide.p_memsz};

    g_byte_array_append(out, is_64 ? (const void *)&wide : (const void *)&narrow,
                        is_64 ? sizeof(wide) : sizeof(narrow));
}

static void add_section_header(GByteArray *out, bool is_64, uint32_t headers)
{
    const Elf64_Shdr wide = {.sh_info = headers};
    const Elf32_Shdr narrow = {.sh_info = headers};

    g_byte_array_append(out, is_64 ? (const void *)&wide : (const void *)&narrow,
                        is_64 ? sizeof(wide) : sizeof(narrow));
}

/* Where a mapping's bytes stand in the file; *ret_size of them, from its start on. */
static uint64_t find_in_file(const DumpLayout *layout, const DumpMapping *mapping,
                             uint64_t memory_at, uint64_t *ret_size)
{
    for (guint i = 0; i < layout->ranges->len; i++) {
        const DumpRange *range = &g_array_index(layout->ranges, DumpRange, i);
        uint64_t into = mapping->physical - range->address;

        if (mapping->physical >= range->address && into < range->size) {
            *ret_size = MIN(mapping->size, range->size - into);
            return memory_at + into;
        }
        memory_at += range->size;
    }
    *ret_size = 0;
    return 0;
}

static Sizes plan(const DumpLayout *layout, uint32_t notes_size)
{
    Sizes sizes = {.headers = layout->mappings->len + 1, .notes_size = notes_size};

    sizes.has_section = sizes.headers >= PN_XNUM;
    sizes.notes_at = layout->is_64
                         ? sizeof(Elf64_Ehdr) + (uint64_t)sizes.headers * sizeof(Elf64_Phdr)
                         : sizeof(Elf32_Ehdr) + (uint64_t)sizes.headers * sizeof(Elf32_Phdr);
    if (sizes.has_section) {
        sizes.notes_at += layout->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    }
    sizes.memory_at = sizes.notes_at + notes_size;
    return sizes;
}

GByteArray *dump_elf_head(const DumpLayout *layout)
{
    GByteArray *out = g_byte_array_new();
    GByteArray *notes = make_notes(layout->is_64);
    Sizes sizes = plan(layout, notes->len);

    add_file_header(out, layout->is_64, &sizes);
    add_program_header(out, layout->is_64,
                       (Elf64_Phdr){.p_type = PT_NOTE,
                                    .p_offset = sizes.notes_at,
                                    .p_filesz = notes->len,
                                    .p_memsz = notes->len});
    for (guint i = 0; i < layout->mappings->len; i++) {
        const DumpMapping *mapping = &g_array_index(layout->mappings, DumpMapping, i);
        uint64_t in_file;
        uint64_t at = find_in_file(layout, mapping, sizes.memory_at, &in_file);

        add_program_header(out, layout->is_64,
                           (Elf64_Phdr){.p_type = PT_LOAD,
                                        .p_offset = at,
                                        .p_vaddr = mapping->linear,
                                        .p_paddr = mapping->physical,
                                        .p_filesz = in_file,
                                        .p_memsz = mapping->size});
    }
    if (sizes.has_section) {
        add_section_header(out, layout->is_64, sizes.headers);
    }
    g_byte_array_append(out, notes->data, notes->len);
    g_byte_array_free(notes, TRUE);
    return out;
}
