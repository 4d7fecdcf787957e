/* SPDX-License-Identifier: MIT */
/* X86Cpu: the architectural state of one x86-64 CPU. Its address is the GS base of translated code
 * (docs/design/tcg.md). */
#ifndef TARGET_I386_CPU_H
#define TARGET_I386_CPU_H

#include "accel/tcg.h"
#include "softmmu/run.h"
#include "target/i386/cpu-defs.h"

typedef struct X86Cpu X86Cpu;
typedef struct Object Object;

/* A segment register with its hidden part. `attributes` holds bits 8-23 of the descriptor's high
 * half, >> 8: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, DB 14, G 15. */
typedef struct Segment {
    uint16_t selector;
    uint16_t attributes;
    uint32_t limit; /* in bytes, G applied */
    uint64_t base;
    /* DERIVED: greatest offset translated code may read without asking (+1); 0: always ask. */
    uint64_t fast_read_limit;
    uint64_t fast_write_limit; /* DERIVED: the same for writes */
} Segment;

typedef struct DescriptorTable {
    uint64_t base;
    uint32_t limit; /* 16 bits used */
} DescriptorTable;

/* An exception under way: recorded by whoever finds it, delivered by exception_deliver(). */
typedef struct PendingFault {
    uint8_t vector;
    bool has_error_code;
    bool is_software; /* INT n, INT3, INTO: IDT DPL is checked, RIP points behind the instruction */
    uint32_t error_code;
    uint64_t cr2; /* #PF */
    uint64_t dr6; /* #DB: bits to set */
    bool resumes; /* #DB: RF is pushed set, the instruction is run (on) after it */
} PendingFault;

/* Why a debugger's point stopped this CPU: target/i386/debug.h. */
typedef struct DebugHit {
    uint8_t kind;    /* DebugKind */
    uint64_t linear; /* of the watched byte */
} DebugHit;

/* What the CPU asks of its local APIC; set by hw/intc. All under the machine lock. */
typedef struct CpuApicOps {
    bool (*has_interrupt)(void *apic); /* INTR is asserted (TPR applied), ExtINT included */
    int (*acknowledge)(void *apic);    /* vector, -1: gone meanwhile */
    uint8_t (*get_tpr)(void *apic);    /* CR8: 0-15 */
    void (*set_tpr)(void *apic, uint8_t cr8);
    uint64_t (*get_base)(void *apic);             /* without the lock on the CPU's own thread */
    bool (*set_base)(void *apic, uint64_t value); /* IA32_APIC_BASE; false: #GP */
    bool (*msr_read)(void *apic, uint32_t msr,
                     uint64_t *ret_value); /* 0x6e0, 0x800-0x8ff; false: #GP */
    bool (*msr_write)(void *apic, uint32_t msr, uint64_t value);
    char *(*text)(void *apic); /* of `info lapic`; caller frees */
    /* The kernel's APIC: 1 KiB of registers, as the kernel has them after each save; NULL: ours. */
    uint8_t *(*kernel_page)(void *apic);
} CpuApicOps;

/* MONITOR's line and MWAIT's sleep. A store to the line kicks nobody: has_work() looks at it, at
 * first often, then once a millisecond. */
typedef struct LineMonitor {
    bool armed;       /* by MONITOR, until the next MWAIT */
    bool is_waiting;  /* halted by MWAIT, not HLT */
    bool masked_ends; /* an interrupt ends it even when IF is clear */
    const uint8_t *host;
    uint8_t bytes[64]; /* what the line held */
} LineMonitor;

/* Events that end translated code and a halt; X86Cpu.events, set by cpu_raise_event(). */
enum {
    CPU_EVENT_INTR = 1 << 0, /* level: the APIC has something */
    CPU_EVENT_NMI = 1 << 1,
    CPU_EVENT_SMI = 1 << 2,
    CPU_EVENT_INIT = 1 << 3,
    CPU_EVENT_SIPI = 1 << 4,
    CPU_EVENT_LINE = 1 << 5, /* of a CPU in MWAIT: the monitored line was written */
    CPU_EVENT_MCE = 1 << 6   /* machine_check_inject() */
};

struct X86Cpu {
    uint64_t gpr[16]; /* STATE; must be first: translated code uses 8-bit displacements */
    uint64_t rip;
    uint64_t eflags; /* all bits, whenever C code runs */
    TcgState tcg;    /* the translator's own, DERIVED */

    Segment seg[6]; /* ES CS SS DS FS GS */
    Segment ldtr, tr;
    DescriptorTable gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, xcr0;
    uint64_t pdpte[4]; /* PAE: loaded with CR3 */
    uint64_t dr[8], debugctl;
    uint64_t efer, star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, pat, misc_enable, spec_ctrl,
        xss;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_base[MTRR_COUNT], mtrr_mask[MTRR_COUNT];
    uint64_t mcg_cap, mcg_status, mcg_ctl, mce_bank[MCE_BANK_COUNT][4];
    uint64_t bios_sign;
    uint64_t misc_features, clock_modulation, therm_interrupt; /* Intel */
    uint64_t hwcr, syscfg, top_mem[2];                         /* AMD */
    uint64_t tsc_offset, tsc_adjust; /* what the guest added to the machine's TSC: tsc.h */
    uint32_t pkru, pkrs, smbase;
    uint8_t cpl;           /* DERIVED: of CS/SS */
    bool interrupt_shadow; /* STI or MOV SS: no interrupt before the next instruction has ended */
    bool shadow_is_mov_ss;
    bool nmi_masked, smm, a20_disabled;
    bool halted, wait_for_sipi;
    LineMonitor monitor;
    uint8_t sipi_vector;
    uint8_t debug_pending; /* DR6 bits of breakpoints that the present instruction has hit */
    uint8_t debugger;      /* DEBUGGER_* of debug.h: any makes the CPU run in exact mode */
    DebugHit debug_hit;    /* a watched access that was not reported yet */
    uint32_t mode; /* DERIVED: CPU_MODE_* bits, part of every block's key; cpu_update_mode() */

    int events; /* atomic: CPU_EVENT_* */
    PendingFault fault;

    /* Guest x87, SSE, AVX... in the host's XSAVE layout (standard form) while not live in the
     * registers. */
    bool fpu_live; /* in the host's registers: code built with SSE must not run; fpu_park() */
    uint8_t fpu[8192] __attribute__((aligned(64)));
    /* x87 pointers and opcode as the guest sees them; the image's are zero. Those of instructions
     * that have run since fpu_unpark() are found by fpu_park(), the operand's address and opcode
     * are left by translated code. */
    uint64_t guest_fip, guest_fdp;
    uint16_t guest_fop, memory_fop;
    bool ignores_x87_error; /* IGNNE#: the board has been told of the error (port F0h) */
    /* FERR#, without CR0.NE; under the machine lock. NULL: not wired. */
    void (*signal_x87_error)(void *board, X86Cpu *cpu);
    void *x87_error_board;

    void *apic;
    const CpuApicOps *apic_ops;
    struct CpuModel *model; /* what CPUID says */
    uint32_t apic_id;
    Vcpu vcpu;
    Object *object; /* its QOM side */
};

/* -- Derived state (target/i386/cpu.c) --------------------------------------------------------- */

/* Recomputes cpl-dependent and mode bits after a change of CS, SS, CR0, CR4, EFER, EFLAGS.VM, XCR0
 * or SMM. */
void cpu_update_mode(X86Cpu *cpu);
/* Recomputes a segment's fast limits; after every change of its hidden part or of the mode. */
void cpu_update_segment(X86Cpu *cpu, unsigned segment);
/* The fast limits alone, when cpu_update_mode() has been called behind the change. */
void cpu_update_limits(X86Cpu *cpu, unsigned segment);
/* Power-on or INIT state. */
void cpu_reset(X86Cpu *cpu, bool is_init);

/* Guest TSC, ticks; any thread that may read the CPU. */
uint64_t cpu_read_tsc(const X86Cpu *cpu);
uint64_t cpu_tsc_frequency_hz(void);
/* Takes the time the machine was stopped out of the guest TSC; on a vCPU thread each time it begins
 * to run guest code (VcpuOps.run). */
void cpu_tsc_resume(void);
/* Virtual-clock time at which the guest TSC reaches `tsc`. */
int64_t cpu_tsc_to_virtual_ns(const X86Cpu *cpu, uint64_t tsc);

/* Linear address of an offset in CS, baseless in 64-bit code whatever its descriptor said. */
static inline uint64_t cpu_code_linear(const X86Cpu *cpu, uint64_t rip)
{
    return cpu->mode & CPU_MODE_CS_L ? rip : (uint32_t)(cpu->seg[SEG_CS].base + rip);
}

/* What of CS decides which code a block holds, besides the mode: base, and limit << 32. */
static inline uint64_t cpu_code_key(const X86Cpu *cpu)
{
    const Segment *cs = &cpu->seg[SEG_CS];

    return cpu->mode & CPU_MODE_CS_L ? 0 : (uint32_t)cs->base | (uint64_t)cs->limit << 32;
}

/* -- Events: any thread that holds the machine lock -------------------------------------------- */

void cpu_raise_event(X86Cpu *cpu, int event);
void cpu_clear_event(X86Cpu *cpu, int event);
/* On the CPU's own thread, without the lock: takes INIT, or a SIPI, of `events`. */
void cpu_take_reset_events(X86Cpu *cpu, int events);
/* On the CPU's own thread. MWAIT halts until an event or a change of the monitored line; any end of
 * the halt ends it. */
void cpu_mwait_begin(X86Cpu *cpu, bool masked_ends);
void cpu_mwait_end(X86Cpu *cpu);

/* -- Life: hw/i386 makes CPUs ------------------------------------------------------------------ */

/* Parses -cpu ("MODEL,+feat,-feat,prop=value"); once, before CPUs are made. NULL text: the default
 * model. */
bool cpu_model_select(const char *text, Error **err);
/* What a package holds; before CPUs are made, else each is a package of its own. False: an APIC id
 * of these `count` CPUs would not fit. */
typedef struct CpuTopology {
    unsigned dies, cores, threads; /* of a package, of a die, of a core */
} CpuTopology;
bool cpu_topology_set(const CpuTopology *topology, unsigned count, Error **err);
/* The APIC id of CPU `index`. */
uint32_t cpu_apic_id(unsigned index);
char *cpu_model_help(void);
/* Text for -cpu MODEL[,...],help; NULL with error: no such model. Caller frees. */
char *cpu_model_describe(const char *option, Error **err);
/* What a model, NULL: each, has and this host cannot offer. Caller frees. */
char *cpu_models_missing_text(const char *name, Error **err);
/* Makes CPU `index` in reset state, not started; never freed before vcpus_destroy(). */
X86Cpu *cpu_new(unsigned index, Error **err);
X86Cpu *cpu_get(unsigned index);
bool cpu_is_bsp(const X86Cpu *cpu);
/* Text of `info registers`; the CPU is parked or is the calling thread's. Caller frees. */
char *cpu_registers_text(X86Cpu *cpu);
/* Text of `info mem` / `info tlb`; caller frees. */
char *cpu_mappings_text(X86Cpu *cpu, bool each_page);
/* Calls visit for each present page, by rising linear address, without paging for none. False: the
 * tables have too many entries, not all were seen. The CPU is parked. */
typedef void CpuMappingVisit(uint64_t linear, uint64_t physical, uint64_t size, void *opaque);
bool cpu_mappings_foreach(X86Cpu *cpu, CpuMappingVisit *visit, void *opaque);
/* Debug access through the page tables without side effects; false when not mapped. Under the lock,
 * CPU parked. */
bool cpu_debug_translate(X86Cpu *cpu, uint64_t linear, uint64_t *ret_physical);

/* Port FEE1h style A20 line: board's port 92h and i8042. */
void cpu_set_a20(X86Cpu *cpu, bool enabled);

#endif
