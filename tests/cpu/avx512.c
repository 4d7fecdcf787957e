/* SPDX-License-Identifier: MIT */
/* AVX-512 as the system sees it: enable bits, faults and their order, SIMD exceptions, device
 * memory under masks, XSAVE. Intel SDM vol. 1 ch. 13, 15, vol. 2A 2.7, 2.8. */
#include "cpu-test.h"

#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_OSXSAVE (1u << 18)
#define XCR0_ALL 0xe7u
#define MXCSR_INITIAL 0x1f80u
#define NOT_CANONICAL 0x0000800000000000ull
#define HPET 0xfed00000ul
#define HPET_CONFIG 0x10
#define HPET_COUNTER 0xf0

static uint8_t memory[256] __attribute__((aligned(64)));
static uint8_t area[4096] __attribute__((aligned(64)));

static unsigned set_xcr0(uint32_t value)
{
    CATCH("xsetbv", : "a"(value), "d"(0), "c"(0));
    return caught.vector;
}

static void set_mask(uint64_t mask)
{
    __asm__ volatile("kmovq %0, %%k1" : : "r"(mask));
}

/* -- Enable bits ------------------------------------------------------------------------------- */

static unsigned try_zmm(void)
{
    CATCH("vpaddd %%zmm1, %%zmm2, %%zmm3", );
    return caught.vector;
}

static unsigned try_xmm16(void)
{
    CATCH("vpaddd %%xmm1, %%xmm2, %%xmm16", );
    return caught.vector;
}

static unsigned try_opmask(void)
{
    CATCH("kandw %%k1, %%k2, %%k3", );
    return caught.vector;
}

static unsigned try_avx(void)
{
    CATCH("vpaddd %%ymm1, %%ymm2, %%ymm3", );
    return caught.vector;
}

static void check_xcr0(void)
{
    static const struct {
        const char *name;
        uint32_t value;
        unsigned vector;
    } rows[] = {
        {"opmask-alone", 0x27, 13}, {"no-hi16", 0x67, 13},     {"no-opmask", 0xc7, 13},
        {"without-avx", 0xe3, 13},  {"without-sse", 0xe5, 13}, {"all", XCR0_ALL, NO_TRAP},
        {"avx", 7, NO_TRAP},
    };
    char name[48];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        format(name, sizeof(name), "xcr0-%s", rows[i].name);
        check(name, set_xcr0(rows[i].value), rows[i].vector, "SDM 1 13.3");
    }
}

static void check_gates(void)
{
    set_xcr0(7);
    check("zmm-without-xcr0", try_zmm(), 6, "SDM 1 15.4");
    check("xmm16-without-xcr0", try_xmm16(), 6, "SDM 1 15.4");
    check("opmask-without-xcr0", try_opmask(), 6, "SDM 1 15.4");
    check("avx-with-xcr0-7", try_avx(), NO_TRAP, "SDM 1 14.3");
    write_cr0(read_cr0() | CR0_TS);
    check("ud-before-nm", try_zmm(), 6, "SDM 3A 6.9");
    set_xcr0(XCR0_ALL);
    check("zmm-with-ts", try_zmm(), 7, "SDM 2A 2.8");
    check("opmask-with-ts", try_opmask(), 7, "SDM 2A 2.9");
    write_cr0((read_cr0() & ~(word)CR0_TS) | CR0_EM);
    check("zmm-with-em", try_zmm(), NO_TRAP, "SDM 2A 2.8");
    write_cr0(read_cr0() & ~(word)CR0_EM);
    write_cr4(read_cr4() & ~(word)CR4_OSXSAVE);
    check("zmm-without-osxsave", try_zmm(), 6, "SDM 2A 2.8");
    check("opmask-without-osxsave", try_opmask(), 6, "SDM 2A 2.9");
    write_cr4(read_cr4() | CR4_OSXSAVE);
    check("zmm", try_zmm(), NO_TRAP, "SDM 1 15.4");
    check("xmm16", try_xmm16(), NO_TRAP, "SDM 1 15.4");
    check("opmask", try_opmask(), NO_TRAP, "SDM 1 15.4");
}

/* -- Faults ------------------------------------------------------------------------------------ */

static void check_addresses(void)
{
    set_mask(1);
    CATCH("vmovaps 32(%0), %%zmm1", : "r"(memory));
    check("misaligned", caught.vector << 8 | caught.error, 13 << 8, "SDM 2B MOVAPS");
    CATCH("vmovdqa64 %%zmm1, 8(%0)", : "r"(memory) : "memory");
    check("misaligned-store", caught.vector << 8 | caught.error, 13 << 8, "SDM 2B MOVDQA");
    CATCH("vmovups 3(%0), %%zmm1", : "r"(memory));
    check("unaligned", caught.vector, NO_TRAP, "SDM 2B MOVUPS");
    CATCH("vmovups (%0), %%zmm1", : "r"(NOT_CANONICAL));
    check("not-canonical", caught.vector, 13, "SDM 2A 2.8");
    CATCH("vmovups (%0), %%zmm1%{%%k1%}", : "r"(NOT_CANONICAL));
    check("not-canonical-masked", caught.vector, 13, "SDM 2A 2.8");
    CATCH("mov %0, %%rbp; vmovups (%%rbp), %%zmm1%{%%k1%}", : "r"(NOT_CANONICAL) : "rbp");
    check("not-canonical-stack", caught.vector, 12, "SDM 2A 2.8");
    set_mask(0);
    CATCH("vmovups (%0), %%zmm1%{%%k1%}", : "r"(NOT_CANONICAL));
    check("not-canonical-masked-away", caught.vector, NO_TRAP, "SDM 2A 2.8");
    CATCH("vmovups %%zmm1, (%0)%{%%k1%}", : "r"(NOT_CANONICAL));
    check("not-canonical-store-masked-away", caught.vector, NO_TRAP, "SDM 2A 2.8");
    CATCH("vpgatherdd (%0,%%zmm1), %%zmm2%{%%k1%}", : "r"(NOT_CANONICAL));
    check("not-canonical-gather-masked-away", caught.vector, NO_TRAP, "SDM 2A 2.8");
    set_mask(1);
    CATCH("vpxord %%zmm1, %%zmm1, %%zmm1; vpgatherdd (%0,%%zmm1), %%zmm2%{%%k1%}",
          : "r"(NOT_CANONICAL));
    check("not-canonical-gather", caught.vector, 13, "SDM 2A 2.8");
    CATCH(".byte 0x62, 0xf2, 0x7d, 0x48, 0x90, 0x04, 0x08", ); /* no mask register */
    check("gather-without-mask", caught.vector, 6, "SDM 2C VPGATHERDD");
    CATCH(".byte 0x62, 0xf2, 0x7d, 0x49, 0x90, 0x0c, 0x08", ); /* into its index */
    check("gather-into-index", caught.vector, 6, "SDM 2C VPGATHERDD");
}

/* A data breakpoint on an element that is done comes before the fault of the next one. */
static void check_interrupted_gather(void)
{
    uint64_t mask, index[8] = {0, NOT_CANONICAL - (uint64_t)memory};

    set_mask(3);
    __asm__ volatile("mov %0, %%dr0" : : "r"(memory));
    write_dr7(0x401 | 3 << 16 | 2 << 18);
    CATCH("vmovdqu64 (%1), %%zmm1; vpgatherqq (%0,%%zmm1), %%zmm2%{%%k1%}",
          : "r"(memory), "r"(index));
    write_dr7(0x400);
    write_dr6(0xffff0ff0);
    __asm__ volatile("kmovq %%k1, %0" : "=r"(mask));
    check("gather-breakpoint", caught.vector, 1, "SDM 2C VPGATHERQQ");
    check("gather-breakpoint-rf", caught.regs.flags >> 16 & 1, 1, "SDM 2C VPGATHERQQ");
    check("gather-breakpoint-mask", mask, 2, "SDM 2C VPGATHERQQ");
}

static unsigned divide_by_zero(void)
{
    CATCH("vdivps %%zmm1, %%zmm1, %%zmm2%{%%k1%}", );
    return caught.vector;
}

static void check_simd_exceptions(void)
{
    __asm__ volatile("vpxord %zmm1, %zmm1, %zmm1");
    load_mxcsr(0);
    set_mask(0x8000);
    check("xm", divide_by_zero(), 19, "SDM 1 11.5");
    set_mask(0);
    check("xm-masked-away", divide_by_zero(), NO_TRAP, "SDM 1 15.6");
    CATCH("vdivps %{rz-sae%}, %%zmm1, %%zmm1, %%zmm2", );
    check("xm-suppressed", caught.vector, NO_TRAP, "SDM 1 15.6");
    write_cr4(read_cr4() & ~(word)CR4_OSXMMEXCPT);
    set_mask(1);
    check("xm-without-osxmmexcpt", divide_by_zero(), 6, "SDM 3A 2.5");
    write_cr4(read_cr4() | CR4_OSXMMEXCPT);
    load_mxcsr(MXCSR_INITIAL);
}

/* -- Device memory ----------------------------------------------------------------------------- */

/* The counter of a stopped HPET keeps what is written to it. */
static void check_device(void)
{
    volatile uint32_t *counter = (uint32_t *)(HPET + HPET_COUNTER);
    uint64_t id, gathered;

    *(volatile uint32_t *)(HPET + HPET_CONFIG) = 0;
    counter[0] = 0x11111111;
    counter[1] = 0x22222222;
    __asm__ volatile("mov $0x55667788, %%eax; vpbroadcastd %%eax, %%zmm1" : : : "rax");
    set_mask(1 << 12);
    __asm__ volatile("vmovdqu32 %%zmm1, (%0)%{%%k1%}" : : "r"(HPET + HPET_COUNTER - 48) : "memory");
    check("device-masked-store", counter[0], 0x55667788, "SDM 2A 2.8");
    check("device-store-masked-away", counter[1], 0x22222222, "SDM 2A 2.8");
    __asm__ volatile("vpxord %%zmm2, %%zmm2, %%zmm2; vmovdqu32 (%1), %%zmm2%{%%k1%}%{z%};"
                     "vextracti32x4 $3, %%zmm2, %%xmm2; vmovq %%xmm2, %0"
                     : "=r"(id)
                     : "r"(HPET + HPET_COUNTER - 48));
    check("device-masked-load", id, 0x55667788, "SDM 2A 2.8");
    __asm__ volatile("vpaddd (%1)%{1to16%}, %%zmm1, %%zmm3; vmovd %%xmm3, %k0"
                     : "=r"(id)
                     : "r"(HPET + HPET_COUNTER));
    check("device-broadcast", (uint32_t)id, 0x55667788u * 2, "SDM 2A 2.8");
    set_mask(1);
    __asm__ volatile("vpxord %%zmm4, %%zmm4, %%zmm4; vpgatherqq (%1,%%zmm4), %%zmm5%{%%k1%};"
                     "vmovq %%xmm5, %0"
                     : "=r"(gathered)
                     : "r"(HPET));
    check("device-gather", gathered, *(volatile uint64_t *)HPET, "SDM 2C VPGATHERDQ");
}

/* -- XSAVE ------------------------------------------------------------------------------------- */

static uint64_t mask_and_zmm(void)
{
    uint64_t mask, low, high;

    __asm__("kmovq %%k1, %0; vmovq %%xmm31, %1; vextracti32x4 $3, %%zmm3, %%xmm4; vmovq %%xmm4, %2"
            : "=r"(mask), "=r"(low), "=r"(high));
    return mask << 32 | low << 16 | high;
}

static void load_state(uint64_t mask, uint64_t low, uint64_t high)
{
    set_mask(mask);
    __asm__ volatile("vpbroadcastq %0, %%zmm31; vpbroadcastq %1, %%zmm3" : : "r"(low), "r"(high));
}

static void check_xsave(void)
{
    uint64_t *header = (uint64_t *)(area + 512);
    uint32_t eax, edx;

    load_state(0x1234, 0x5678, 0x9abc);
    __asm__ volatile("xsavec64 %0" : "+m"(area) : "a"(XCR0_ALL), "d"(0));
    check("xsavec-components", header[0] & 0xe0, 0xe0, "SDM 1 13.10");
    check("xsavec-layout", header[1], 1ull << 63 | XCR0_ALL, "SDM 1 13.10");
    load_state(1, 2, 3);
    __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(XCR0_ALL), "d"(0));
    check("xrstor", mask_and_zmm(), 0x1234ull << 32 | 0x5678ull << 16 | 0x9abc, "SDM 1 13.8");
    header[0] = 0;
    __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(0xe0), "d"(0));
    check("xrstor-initial", mask_and_zmm(), 0, "SDM 1 13.8");
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(1));
    check("xinuse-initial", eax & 0xe0, 0, "SDM 1 13.6");
    load_state(0x1234, 0x5678, 0x9abc);
    __asm__ volatile("vzeroupper; xgetbv" : "=a"(eax), "=d"(edx) : "c"(1));
    check("xinuse", eax & 0xa0, 0xa0, "SDM 1 13.6");
    check("vzeroupper", mask_and_zmm(), 0x1234ull << 32 | 0x5678ull << 16, "SDM 2C VZEROUPPER");
    check("area-size", cpuid(0xd, 0).ebx, cpuid(0xd, 7).ebx + cpuid(0xd, 7).eax, "SDM 1 13.2");
}

int main(void)
{
    if (!(cpuid(7, 0).ebx >> 16 & 1)) {
        check_skip("avx512", "the CPU has no AVX-512");
        return 0;
    }
    write_cr0((read_cr0() & ~(word)(CR0_EM | CR0_TS)) | CR0_MP);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);
    check_xcr0();
    check_gates();
    check_addresses();
    check_interrupted_gather();
    check_simd_exceptions();
    check_device();
    check_xsave();
    return 0;
}
