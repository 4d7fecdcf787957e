/* SPDX-License-Identifier: MIT */
/*
 * Names of guest code. A Linux kernel may have moved itself (KASLR); then the addresses in its file
 * are off by as much as its system call entry, which IA32_LSTAR holds, is off from the symbol.
 */
#include "accel/tcg/guest-symbols.h"
#include "util/symbols.h"

#include <inttypes.h>

#define KERNEL_ENTRY "entry_SYSCALL_64"
#define KERNEL_ALIGNMENT 0x1000u

static Symbols *symbols;
static uint64_t kernel_entry; /* as the file has it; 0: no such symbol */

static void use(Symbols *loaded)
{
    symbols = loaded;
    kernel_entry = 0;
    symbols_address(symbols, KERNEL_ENTRY, &kernel_entry);
}

bool guest_symbols_load(const char *path, Error **err)
{
    Symbols *loaded = symbols_load(path, err);

    if (loaded) {
        use(loaded);
    }
    return loaded != NULL;
}

void guest_symbols_offer(const char *kernel)
{
    Symbols *loaded = symbols ? NULL : symbols_load(kernel, NULL);

    if (loaded) {
        use(loaded);
    }
}

bool guest_symbols_known(void)
{
    return symbols != NULL;
}

/* How far the kernel is from where it was linked. */
static uint64_t slide_of(const X86Cpu *cpu)
{
    uint64_t slide = cpu->lstar - kernel_entry;

    return kernel_entry && cpu->lstar && !(slide & (KERNEL_ALIGNMENT - 1)) ? slide : 0;
}

char *guest_symbols_name(const X86Cpu *cpu, uint64_t rip)
{
    uint64_t offset;
    const char *name = symbols ? symbols_find(symbols, rip - slide_of(cpu), &offset) : NULL;

    return name ? g_strdup_printf("%s+0x%" PRIx64, name, offset) : NULL;
}
