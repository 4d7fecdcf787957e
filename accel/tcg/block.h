/* SPDX-License-Identifier: MIT */
/* Blocks: translated runs of guest code, the jumps between them, and the pages they come from. */
#ifndef ACCEL_TCG_BLOCK_H
#define ACCEL_TCG_BLOCK_H

#include "softmmu/memory.h"
#include "target/i386/cpu.h"

/* What a linear address is for an access that has been checked. */
typedef struct PageTarget {
    uint8_t *host;        /* address of the byte, NULL: not plain RAM for this access */
    uint64_t physical;    /* of the byte */
    uint64_t ram_page;    /* unique RAM address of the page, UINT64_MAX when not RAM */
    uint8_t *beside_code; /* a write's host address in a page with code: see blocks_overlap() */
} PageTarget;

typedef struct Block Block;

#define BLOCK_NO_PAGE UINT64_MAX
#define BLOCK_NO_HOME 0xff
/* Beside CPU_MODE_*: shares no checks; where a window of a trace does not lie in one page. */
#define BLOCK_CAREFUL (1u << 31)

/* Where the guest's arithmetic flags are at a point of translated code. */
typedef enum FlagsPlace { FLAGS_HOST, FLAGS_SAVED, FLAGS_BOTH, FLAGS_RECIPE } FlagsPlace;

/* Flags that are nowhere but can be made again: what set them and where its operands are. `dst` is
 * what the operation left in its destination, `src` its other operand unless something else is
 * said. */
typedef enum RecipeKind {
    RECIPE_NONE, /* immediate: FLAGS_CARRY_* */
    RECIPE_LOGIC,
    RECIPE_ADD,
    RECIPE_SUB,
    RECIPE_CMP, /* dst: as it was and is */
    RECIPE_TEST,
    RECIPE_NEG,
    RECIPE_INC, /* the same */
    RECIPE_DEC,
    RECIPE_ADD_TO,   /* src: what dst was before */
    RECIPE_SUB_FROM, /* the same */
    RECIPE_SHL,      /* src: what was shifted; immediate: by how much; no dst */
    RECIPE_SHR,
    RECIPE_SAR
} RecipeKind;
typedef struct FlagsRecipe {
    uint8_t kind;
    uint8_t bits;     /* operand size: 8 (low byte), 32, 64 */
    uint8_t dst, src; /* GPRs; FLAGS_RECIPE_ASIDE: aside[0], aside[1] of the CPU */
    int32_t immediate;
} FlagsRecipe;
#define FLAGS_RECIPE_ASIDE 16
#define FLAGS_RECIPE_IMM 0xff /* src: the immediate */
/* CF, of which the operation says nothing. */
enum { FLAGS_CARRY_UNKNOWN, FLAGS_CARRY_CLEAR, FLAGS_CARRY_SAVED };
#define FLAGS_SAVED_CARRY_BIT 8 /* of saved_flags: bit 0 of AH */

/* A direct jump out of a block: `jmp rel32` at `place`, at first to its own stub. */
typedef struct JumpSlot {
    Block *from, *to;
    uint8_t *place;            /* of rel32, writable view, 4-byte aligned */
    uint8_t *stub;             /* writable view */
    struct JumpSlot *next_in;  /* in to->incoming */
    struct JumpSlot *next_out; /* in from->slots */
    uint8_t flags;             /* FlagsPlace at the jump */
    bool careful;              /* to a block of BLOCK_CAREFUL */
    uint64_t target;           /* RIP it goes to */
} JumpSlot;

/* Host code offset to guest instruction, in ascending order of host_offset. */
typedef struct InsnMark {
    uint32_t host_offset;
    int16_t guest_offset; /* from the block's RIP */
    uint8_t flags;        /* FlagsPlace */
    bool at_home;         /* registers are exchanged as Block.homes says */
    FlagsRecipe recipe;   /* FLAGS_RECIPE */
} InsnMark;

/* A block that compares its bytes when it is entered: checked-pages.c. */
#define CHECKED_MAX_BYTES 64
typedef struct CheckedCode {
    const uint8_t *host;              /* where the guest's bytes are */
    uint64_t loose;                   /* bytes that are loaded instead, a bit each */
    const uint64_t *page_loose;       /* those that may be, a bit for each of the page */
    uint8_t bytes[CHECKED_MAX_BYTES]; /* what the block was made from */
} CheckedCode;

struct Block {
    uint64_t rip, ram_address, cs_key;
    uint32_t mode;
    int16_t guest_begin; /* lowest byte, from the RIP; in a trace it may lie before it */
    uint16_t guest_size, insn_count;
    bool valid, is_trace;
    uint8_t homes[3]; /* with which register each of R13-R15 changes places; BLOCK_NO_HOME */
    uint32_t heat;    /* entries left until it is translated as a trace */
    /* Entries, executable view: what finds the block by RIP polls and has its flags saved; chained
     * jumps have them saved or in the host's. */
    const uint8_t *code, *code_saved, *code_host;
    bool takes_saved; /* code_saved is the shorter way in */
    uint32_t code_size, mark_count;
    InsnMark *marks;
    CheckedCode *checked; /* NULL: its page is protected */
    uint64_t second_page; /* RAM page of a straddler's tail, else BLOCK_NO_PAGE */
    Block *next_hash;
    JumpSlot *slots;
    JumpSlot *incoming;
};

bool blocks_init(Error **err);
/* There are no CPUs any more. */
void blocks_fini(void);
/* The block of that key, or NULL. Light. */
Block *block_lookup(uint64_t ram_address, uint64_t rip, uint32_t mode, uint64_t cs_key);
/* From translated code whose jump cache does not know RIP under this key: where to go on, NULL: the
 * execution loop has to find out. */
const void *tcg_find_code(X86Cpu *cpu);
/* Translates at the CPU's RIP, whose byte is `target` in `range`; NULL: exact mode must run this
 * instruction. FPU parked. */
Block *block_translate(X86Cpu *cpu, const PageTarget *target, const FlatRange *range);
/* Memory that lives as long as the region of the cache that is being filled. */
void *blocks_arena_alloc(size_t size);
/* Could a write of these RAM bytes (in one page) hit translated code? Light. */
bool blocks_overlap(uint64_t ram_address, unsigned size);
/* True when no block is left in the page of a RAM address. */
bool blocks_page_is_clear(uint64_t ram_address);
/* Patches the slot to jump to `to` when that is allowed. */
void block_link(JumpSlot *slot, Block *to);
/* Drops blocks that overlap RAM bytes. The caller is the only one who runs translated code. */
void blocks_invalidate(uint64_t ram_address, uint64_t size);
/* Drops everything, and gives the memory back to the host: for a reset, behind which other code
 * runs. Every CPU stands still between two turns. */
void blocks_flush(bool release);
/* Set while writes of other threads to pages with code wait for
 * code_writes_process() (FPU parked). */
extern int code_writes_pending;
/* A page walk has set bits in RAM: drops what was translated of them, once the vCPU's instruction
 * has ended. FPU parked; the code lock may be held. */
void code_written_by_walk(RamBlock *block, uint64_t offset, uint64_t size);
void code_writes_process(void);
/* Block whose code holds the host address; NULL if none. Async-signal-safe. */
Block *block_from_host(const void *host_pc);
/* The last mark at or before a host address of the block. */
const InsnMark *block_find_mark(const Block *block, const void *host_pc);

#endif
