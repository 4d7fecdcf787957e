/* SPDX-License-Identifier: MIT */
/* Shadow RAM below 1 MiB: what reads and writes of a CPU see for each setting of PAM, with code in
 * the segment too. Intel 290549, "82441FX", 3.2.18. */
#include "cpu-test.h"

enum { CF8 = 0xcf8, CFC = 0xcfc, PAM_OF_E8000 = 0x5f, NOTHING = 0, READ = 1, WRITE = 2 };

#define SEGMENT 0xe8000u
#define SOURCE "290549 3.2.18"

/* mov $n, %eax; ret */
static const uint8_t code_1[] = {0xb8, 1, 0, 0, 0, 0xc3}, code_2[] = {0xb8, 2, 0, 0, 0, 0xc3};

static volatile uint32_t *const words = (volatile uint32_t *)(word)SEGMENT;

static void set_pam(unsigned bits)
{
    outl(CF8, 0x80000000 | (PAM_OF_E8000 & 0xfc));
    outb(CFC + (PAM_OF_E8000 & 3), bits);
}

static uint32_t call(void)
{
    return ((uint32_t(*)(void))(word)SEGMENT)();
}

static void fill(const uint8_t *code)
{
    memcpy((void *)(word)SEGMENT, code, sizeof(code_1));
}

int main(void);
int main(void)
{
    outl(CF8, 0x80000000);
    if (inl(CFC) != 0x12378086) {
        check_skip("shadow", "no 82441FX");
        return 0;
    }
    set_pam(NOTHING);
    uint32_t behind = words[4], behind_next = words[0x400];
    words[4] = ~behind;
    check("neither", words[4], behind, SOURCE);
    set_pam(READ | WRITE);
    words[4] = behind + 1;
    words[0x400] = behind_next + 1;
    fill(code_1);
    check("both", words[4], behind + 1, SOURCE);
    check("both-code", call(), 1, SOURCE);
    set_pam(READ);
    words[4] = behind + 2;
    fill(code_2);
    check("read-only", words[4], behind + 1, SOURCE);
    check("read-only-code", call(), 1, SOURCE);
    set_pam(WRITE);
    check("write-only-reads", words[4], behind, SOURCE);
    words[4] = behind + 3;
    for (unsigned i = 0; i < 0x1000; i += 4) { /* often, and read between */
        words[0x400 + i / 4] = words[0x400 + i / 4] + 4 + i;
    }
    __asm__ volatile("lock incl %0" : "+m"(words[5]));
    fill(code_2);
    check("write-only-reads-on", words[4], behind, SOURCE);
    check("write-only-page", words[0x400], behind_next, SOURCE);
    set_pam(READ);
    check("written", words[4], behind + 3, SOURCE);
    check("written-page", words[0x400], behind_next + 4, SOURCE);
    check("written-code", call(), 2, SOURCE);
    set_pam(NOTHING);
    check("hidden", words[4], behind, SOURCE);
    return 0;
}
