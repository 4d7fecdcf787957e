/* SPDX-License-Identifier: MIT */
/* CLZERO, MOVDIRI and MOVDIR64B where CPUID has them. AMD APM vol. 3 CLZERO; Intel SDM vol. 2. */
#include "cpu-test.h"

#define FS_BASE 0xc0000100

static uint8_t bytes[512] __attribute__((aligned(512)));

/* Bit N: line N of `bytes` is all zero. */
static unsigned zero_lines(void)
{
    unsigned mask = 0;

    for (unsigned line = 0; line < sizeof(bytes) / 64; line++) {
        bool is_zero = true;
        for (unsigned i = 0; i < 64; i++) {
            is_zero &= bytes[line * 64 + i] == 0;
        }
        mask |= (unsigned)is_zero << line;
    }
    return mask;
}

static void fill(void)
{
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i % 251 + 1);
    }
}

static void test_clzero(void)
{
    if (!(cpuid(0x80000008, 0).ebx & 1)) {
        CATCH(".byte 0x0f, 0x01, 0xfc", : "a"(bytes));
        check("clzero-absent", caught.vector, 6, "APM 3 CLZERO");
        return;
    }
    for (unsigned at = 0; at < 64; at += 21) {
        fill();
        __asm__ volatile(".byte 0x0f, 0x01, 0xfc" : : "a"(bytes + 128 + at) : "memory");
        char name[32];
        format(name, sizeof(name), "clzero-at-%u", at);
        check(name, zero_lines(), 1u << 2, "APM 3 CLZERO");
    }
    fill();
    write_msr(FS_BASE, (word)bytes + 200);
    __asm__ volatile(".byte 0x64, 0x0f, 0x01, 0xfc" : : "a"(60ul) : "memory");
    check("clzero-segment", zero_lines(), 1u << 4, "silicon");
    write_msr(FS_BASE, 0);
    fill();
    __asm__ volatile(".byte 0x67, 0x0f, 0x01, 0xfc"
                     :
                     : "a"((word)bytes + 5 * 64 + 0x700000000000)
                     : "memory");
    check("clzero-32-bit-address", zero_lines(), 1u << 5, "APM 3 CLZERO");
    CATCH(".byte 0x0f, 0x01, 0xfc", : "a"(0x123456789aul));
    check_trap("clzero-page-fault", &caught, 14, 2, 0, "APM 3 CLZERO");
    check("clzero-cr2", caught.cr2, 0x1234567880, "silicon");
    CATCH(".byte 0x0f, 0x01, 0xfc", : "a"(1ul << 63));
    check_trap("clzero-non-canonical", &caught, 13, 0, 0, "APM 3 CLZERO");
    CATCH(".byte 0xf0, 0x0f, 0x01, 0xfc", : "a"(bytes));
    check_trap("clzero-lock", &caught, 6, 0, 0, "APM 3 LOCK");
}

static void test_movdiri(void)
{
    /* movdiri %rdx, (%rbx); %edx */
    if (!(cpuid(7, 0).ecx >> 27 & 1)) {
        CATCH(".byte 0x48, 0x0f, 0x38, 0xf9, 0x13", : "b"(bytes), "d"(1ul));
        check("movdiri-absent", caught.vector, 6, "SDM 2 MOVDIRI");
        return;
    }
    fill();
    __asm__ volatile(".byte 0x48, 0x0f, 0x38, 0xf9, 0x13"
                     :
                     : "b"(bytes + 3), "d"(0x1122334455667788)
                     : "memory");
    check("movdiri-64", *(uint64_t *)(bytes + 3), 0x1122334455667788, "SDM 2 MOVDIRI");
    __asm__ volatile(".byte 0x0f, 0x38, 0xf9, 0x13" : : "b"(bytes + 3), "d"(0xaabbccdd) : "memory");
    check("movdiri-32", *(uint64_t *)(bytes + 3), 0x11223344aabbccdd, "SDM 2 MOVDIRI");
}

static void test_movdir64b(void)
{
    /* movdir64b (%rbx), %rdx */
    if (!(cpuid(7, 0).ecx >> 28 & 1)) {
        CATCH(".byte 0x66, 0x0f, 0x38, 0xf8, 0x13", : "b"(bytes), "d"(bytes));
        check("movdir64b-absent", caught.vector, 6, "SDM 2 MOVDIR64B");
        return;
    }
    fill();
    CATCH(".byte 0x66, 0x0f, 0x38, 0xf8, 0x13", : "b"(bytes), "d"(bytes + 32));
    check_trap("movdir64b-unaligned", &caught, 13, 0, 0, "SDM 2 MOVDIR64B");
    CATCH(".byte 0x66, 0x0f, 0x38, 0xf8, 0x13", : "b"(bytes + 7), "d"(bytes + 128) : "memory");
    check("movdir64b", caught.vector, NO_TRAP, "SDM 2 MOVDIR64B");
    check("movdir64b-bytes", memcmp(bytes + 128, bytes + 7, 64) == 0 && bytes[192] == 193, true,
          "SDM 2 MOVDIR64B");
}

int main(void);
int main(void)
{
    test_clzero();
    test_movdiri();
    test_movdir64b();
    return 0;
}
