/* SPDX-License-Identifier: MIT */
/*
 * Flushes that keep what is still true. MOV CR3 flushes what is not global, and a system that does
 * so for a few changed pages, or that switches between two processes and has no PCID, has every
 * page walked anew. But all that a flush promises is that what is used afterwards is what page
 * tables say: an entry that a new walk would find the same may stay (Intel SDM vol. 3, 4.10.2.3:
 * processors may fill it again at any time).
 *
 * So each table of the TLB keeps, beside its entries, the entries of page tables they were found
 * by. To flush it is to prove it: the root and the upper levels have to be as they were, or
 * everything goes; each leaf has to be, or its page goes. This costs about what forgetting
 * everything does. Upper entries that are all the same lead from the same root to the same leaves.
 * A leaf whose A bit was cleared has changed, and the next access sets it; D may have been set
 * meanwhile, which gives nobody a right.
 *
 * Without PCID contexts are told apart by the root of the page tables in its place, so that one
 * outlives the use of others and is proved when it comes back.
 *
 * Rights depend on more than page tables (CR0.WP, CR4, EFER, PKRU, A20, the map of memory);
 * whatever changes one of those flushes all there is, unproved.
 */
#include "accel/tcg/proofs.h"
#include "accel/tcg/options.h"

#define PTE_D 0x40u
#define ROOT_ADDRESS 0x000ffffffffff000ull
#define ROOT_WORDS 4u

static void read_root(const X86Cpu *cpu, uint64_t ret_root[ROOT_WORDS])
{
    bool is_pae = cpu->cr4 & CR4_PAE && !(cpu->efer & EFER_LMA);

    for (unsigned i = 0; i < ROOT_WORDS; i++) {
        ret_root[i] = is_pae ? cpu->pdpte[i] : i ? 0 : cpu->cr3 & ROOT_ADDRESS;
    }
}

static bool is_root(const X86Cpu *cpu, const uint64_t root[ROOT_WORDS])
{
    uint64_t now[ROOT_WORDS];

    read_root(cpu, now);
    return now[0] == root[0] && now[1] == root[1] && now[2] == root[2] && now[3] == root[3];
}

/* -- Proofs ------------------------------------------------------------------------------------ */

static bool is_noted(const TlbProof *proof, unsigned i, const PageEntry *entry)
{
    return i < proof->upper_count && proof->upper[i].host == entry->host &&
           proof->upper[i].value == entry->value;
}

static void note_upper(TlbProof *proof, const PageEntry *entry)
{
    uint64_t hash = (uintptr_t)entry->host * 0x9e3779b97f4a7c15ull;
    uint8_t *hint = &proof->hints[hash >> 32 & (PROOF_HINTS - 1)];

    if (is_noted(proof, *hint, entry)) {
        return;
    }
    for (unsigned i = 0; i < proof->upper_count; i++) {
        if (is_noted(proof, i, entry)) {
            *hint = (uint8_t)i;
            return;
        }
    }
    if (proof->upper_count == PROOF_UPPER || !entry->host) {
        proof->is_impossible = true;
        return;
    }
    *hint = (uint8_t)proof->upper_count;
    proof->upper[proof->upper_count++] = (ProofEntry){entry->host, entry->value};
}

void proof_note(const X86Cpu *cpu, TlbProof *proof, unsigned i, const PageWalk *walk)
{
    unsigned leaf = walk->entry_count - 1u;

    if (walk->global || !walk->entry_count) {
        proof->leaf[i].host = NULL; /* what an earlier page was found by may be gone */
        return;
    }
    if (!proof->has_root) {
        read_root(cpu, proof->root);
        proof->has_root = true;
        proof->entry_size = walk->entry_size;
    } else if (!is_root(cpu, proof->root)) {
        proof->is_impossible = true;
    }
    proof->leaf[i] = (ProofEntry){walk->entries[leaf].host, walk->entries[leaf].value};
    for (unsigned n = 0; n < leaf && !proof->is_impossible; n++) {
        note_upper(proof, &walk->entries[n]);
    }
}

void proof_forget(TlbProof *proof)
{
    proof->upper_count = 0;
    proof->has_root = proof->is_impossible = false;
}

bool proof_holds(const X86Cpu *cpu, const TlbProof *proof)
{
    if (!tcg_options.opt_proofs || proof->is_impossible) {
        return false;
    }
    if (proof->has_root && !is_root(cpu, proof->root)) {
        return false;
    }
    for (unsigned i = 0; i < proof->upper_count; i++) {
        if (page_entry_load(proof->upper[i].host, proof->entry_size) != proof->upper[i].value) {
            return false;
        }
    }
    return true;
}

bool proof_holds_for(const TlbProof *proof, unsigned i)
{
    const ProofEntry *leaf = &proof->leaf[i];
    uint64_t now = leaf->host ? page_entry_load(leaf->host, proof->entry_size) : 0;

    return leaf->host && (now == leaf->value || now == (leaf->value | PTE_D));
}

/* -- Address spaces ---------------------------------------------------------------------------- */

bool spaces_are_kept(const X86Cpu *cpu)
{
    return tcg_options.opt_proofs && cpu->cr0 & CR0_PG && !(cpu->cr4 & CR4_PCIDE);
}

unsigned space_find(const X86Cpu *cpu, Space spaces[SPACES], uint64_t turn)
{
    unsigned chosen = 0;

    for (unsigned i = 0; i < SPACES; i++) {
        if (spaces[i].is_known && is_root(cpu, spaces[i].root)) {
            chosen = i;
            break;
        }
        if (spaces[i].last_use < spaces[chosen].last_use) {
            chosen = i;
        }
    }
    read_root(cpu, spaces[chosen].root);
    spaces[chosen].is_known = true;
    spaces[chosen].last_use = turn;
    return chosen;
}
