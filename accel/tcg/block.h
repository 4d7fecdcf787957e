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

/* A direct jump out of a block: `jmp rel32` at `place`, at first to its own stub. */
typedef struct JumpSlot {
    Block *from, *to;
    uint64_t target;          /* RIP it goes to */
    uint8_t *place;           /* of rel32, writable view, 4-byte aligned */
    uint8_t *stub;            /* writable view */
    struct JumpSlot *next_in; /* in to->incoming */
    bool backward;            /* must enter by the polling entry */
} JumpSlot;

/* Host code offset to guest instruction, in ascending order of host_offset. */
typedef struct InsnMark {
    uint32_t host_offset;
    uint16_t guest_offset; /* from the block's RIP */
    bool flags_saved;
} InsnMark;

struct Block {
    uint64_t rip, ram_address, cs_key;
    uint32_t mode;
    uint16_t guest_size, insn_count;
    bool valid;
    const uint8_t *code;        /* polling entry, executable view */
    const uint8_t *code_direct; /* entry behind the poll */
    uint32_t code_size, mark_count;
    InsnMark *marks;
    uint64_t second_page; /* RAM page of a straddler's tail, else BLOCK_NO_PAGE */
    Block *next_hash;
    JumpSlot slots[2];
    JumpSlot *incoming;
};

bool blocks_init(Error **err);
/* The block of that key, or NULL. Light. */
Block *block_lookup(uint64_t ram_address, uint64_t rip, uint32_t mode, uint64_t cs_key);
/* Translates at the CPU's RIP, whose byte is `target` in `range`; NULL: exact mode must run this
 * instruction. FPU parked. */
Block *block_translate(X86Cpu *cpu, const PageTarget *target, const FlatRange *range);
/* Memory that lives until the next flush. */
void *blocks_arena_alloc(size_t size);
/* Could a write of these RAM bytes (in one page) hit translated code? Light. */
bool blocks_overlap(uint64_t ram_address, unsigned size);
/* True when no block is left in the page of a RAM address. */
bool blocks_page_is_clear(uint64_t ram_address);
/* Patches the slot to jump to `to` when that is allowed. */
void block_link(JumpSlot *slot, Block *to);
/* Drops blocks that overlap RAM bytes. The caller is the only one who runs translated code. */
void blocks_invalidate(uint64_t ram_address, uint64_t size);
void blocks_flush(void);
/* Gives their memory back to the host, too: for a reset, behind which other code runs. */
void blocks_flush_and_release(void);
/* Set while writes of other threads to pages with code wait for
 * code_writes_process() (FPU parked). */
extern int code_writes_pending;
/* A page walk has set bits in RAM: drops what was translated of them, once the vCPU's instruction
 * has ended. FPU parked; the code lock may be held. */
void code_written_by_walk(RamBlock *block, uint64_t offset, uint64_t size);
void code_writes_process(void);
/* Block whose code holds the host address; NULL if none. Async-signal-safe. */
Block *block_from_host(const void *host_pc);
/* Guest RIP of the instruction at a host address of the block; *ret_flags_saved says where its
 * flags are. */
uint64_t block_guest_rip(const Block *block, const void *host_pc, bool *ret_flags_saved);
/* Number of writes to pages with code that hit none, translations...: text of info jit. */
char *blocks_info_text(void);

#endif
