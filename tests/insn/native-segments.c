/* SPDX-License-Identifier: MIT */
/* Segment registers by hand: the C library's thread-local data hang on FS, so nothing here calls
 * it but native_set_ldt(). */
#include "tests/insn/native-segments.h"

#include "tests/insn/case-segments.h"
#include "tests/insn/native.h"
#include "util/error.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HWCAP2_FSGSBASE_BIT 2
#define WRITE_LDT 0x11

static enum { BASES_UNKNOWN, BASES_BY_INSN, BASES_BY_KERNEL } bases_by;

/* arch_prctl() without errno. */
NATIVE_HANDLER static void kernel_base(int operation, uint64_t argument)
{
    long result = SYS_arch_prctl;

    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"((long)operation), "S"(argument)
                     : "rcx", "r11", "memory");
}

NATIVE_HANDLER void native_segments_read(NativeSegments *ret_segments)
{
    if (bases_by == BASES_UNKNOWN) {
        bases_by = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT ? BASES_BY_INSN : BASES_BY_KERNEL;
    }
    __asm__ volatile("movw %%ds, %0" : "=rm"(ret_segments->ds));
    __asm__ volatile("movw %%es, %0" : "=rm"(ret_segments->es));
    __asm__ volatile("movw %%fs, %0" : "=rm"(ret_segments->fs));
    __asm__ volatile("movw %%gs, %0" : "=rm"(ret_segments->gs));
    if (bases_by == BASES_BY_INSN) {
        __asm__ volatile("rdfsbase %0" : "=r"(ret_segments->fs_base));
        __asm__ volatile("rdgsbase %0" : "=r"(ret_segments->gs_base));
    } else {
        kernel_base(ARCH_GET_FS, (uint64_t)(uintptr_t)&ret_segments->fs_base);
        kernel_base(ARCH_GET_GS, (uint64_t)(uintptr_t)&ret_segments->gs_base);
    }
}

NATIVE_HANDLER void native_segments_load(const NativeSegments *segments)
{
    __asm__ volatile("movw %0, %%ds" : : "rm"(segments->ds));
    __asm__ volatile("movw %0, %%es" : : "rm"(segments->es));
    __asm__ volatile("movw %0, %%fs" : : "rm"(segments->fs));
    __asm__ volatile("movw %0, %%gs" : : "rm"(segments->gs));
    if (bases_by == BASES_BY_INSN) {
        __asm__ volatile("wrfsbase %0" : : "r"(segments->fs_base));
        __asm__ volatile("wrgsbase %0" : : "r"(segments->gs_base));
        return;
    }
    if (segments->fs < 4) {
        kernel_base(ARCH_SET_FS, segments->fs_base);
    }
    if (segments->gs < 4) {
        kernel_base(ARCH_SET_GS, segments->gs_base);
    }
}

bool native_set_ldt(Error **err)
{
    for (unsigned i = 0; i < CASE_LDT_ENTRIES; i++) {
        Segment segment = case_segment((uint16_t)(i << 3 | 7));
        unsigned attributes = segment.attributes;
        struct user_desc descriptor = {
            .entry_number = i,
            .base_addr = (unsigned)segment.base,
            .limit = attributes & SEG_G ? segment.limit >> 12 : segment.limit,
            .seg_32bit = !!(attributes & SEG_DB),
            .contents = attributes >> 2 & 3,
            .read_exec_only = !(attributes & SEG_WRITABLE),
            .limit_in_pages = !!(attributes & SEG_G),
            .seg_not_present = !(attributes & SEG_P),
            .useable = !!(attributes & SEG_AVL),
        };
        if (case_ldt[i] && syscall(SYS_modify_ldt, WRITE_LDT, &descriptor, sizeof(descriptor))) {
            return error_set_errno(err, errno, "cannot set LDT entry %u", i);
        }
    }
    return true;
}

uint64_t native_cpu_number_descriptor(void)
{
    unsigned rights = 0, limit = 0;
    bool is_there;

    __asm__("lar %2, %0; setz %1"
            : "+r"(rights), "=q"(is_there)
            : "r"((unsigned)CASE_CPU_NUMBER | 3)
            : "cc");
    if (!is_there) {
        return 0;
    }
    __asm__("lsl %1, %0" : "+r"(limit) : "r"((unsigned)CASE_CPU_NUMBER | 3) : "cc");
    return case_descriptor_make(0, limit, rights >> 8, rights >> 8);
}
