/* SPDX-License-Identifier: MIT */
/* What X86Cpu holds is what a guest under KVM has, and back; machines that come and go leave
 * nothing behind. Skipped without /dev/kvm. */
#include "accel/kvm/kvm-internal.h"
#include "target/i386/helpers/fpu-state.h"
#include "tests/kvm/kvm-machine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MACHINES 200
#define FX_REGISTERS 32 /* in the FXSAVE image */
#define FX_X87_END 160
#define FX_XMM_END 416
#define CANONICAL 0x00007fffffffffffull

/* 32-bit code: changes nothing. */
extern const uint8_t still_code[], still_end[];
/* EBX: its counter; counts each time it is about to halt. */
extern const uint8_t halt_code[], halt_end[];

__asm__(".pushsection .rodata\n"
        ".code32\n"
        "still_code:\n"
        "1:  jmp 1b\n"
        "still_end:\n"
        "halt_code:\n"
        "1:  incl (%ebx)\n"
        "    hlt\n"
        "    jmp 1b\n"
        "halt_end:\n"
        ".code64\n"
        ".popsection\n");

static uint64_t random_64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

static void fill_fpu(X86Cpu *cpu)
{
    for (unsigned i = FX_REGISTERS; i < FX_XMM_END; i++) {
        bool is_gap = i < FX_X87_END && i % 16 >= 10;

        cpu->fpu[i] = is_gap ? 0 : (uint8_t)g_test_rand_int();
    }
    fpu_mark_valid(cpu, XCR0_X87 | XCR0_SSE);
}

/* All that a CPU in this mode may have. */
static void fill(X86Cpu *cpu)
{
    for (unsigned i = 0; i < 8; i++) {
        cpu->gpr[i] = (uint32_t)g_test_rand_int();
    }
    fill_fpu(cpu);
    cpu->eflags = EFLAGS_FIXED | (random_64() & 0x8d5);
    cpu->cr2 = random_64() & CANONICAL;
    for (unsigned i = 0; i < 4; i++) {
        cpu->dr[i] = random_64() & CANONICAL;
    }
    cpu->dr[6] = 0xffff0ff0 | (random_64() & 0xf);
    cpu->dr[7] = 0x400;
    cpu->seg[SEG_FS].base = (uint32_t)g_test_rand_int();
    cpu->seg[SEG_GS].limit = 0x12fff;
    cpu->ldtr.base = (uint32_t)g_test_rand_int();
    cpu->gdtr = (DescriptorTable){.base = 0x12340, .limit = 0x127};
    cpu->idtr = (DescriptorTable){.base = 0x56780, .limit = 0x3ff};
    cpu->sysenter_cs = 8;
    cpu->sysenter_esp = random_64() & CANONICAL;
    cpu->sysenter_eip = random_64() & CANONICAL;
    cpu->star = random_64();
    cpu->lstar = random_64() & CANONICAL;
    cpu->cstar = random_64() & CANONICAL;
    cpu->fmask = random_64() & UINT32_MAX;
    cpu->kernel_gs_base = random_64() & CANONICAL;
    cpu->pat = 0x0007040600070406;
}

static void compare(const X86Cpu *cpu, const X86Cpu *wanted)
{
    g_assert_cmphex(cpu->rip, ==, wanted->rip);
    g_assert_cmphex(cpu->eflags, ==, wanted->eflags);
    g_assert_cmpmem(cpu->gpr, sizeof(cpu->gpr), wanted->gpr, sizeof(wanted->gpr));
    g_assert_cmpmem(cpu->fpu + FX_REGISTERS, FX_XMM_END - FX_REGISTERS, wanted->fpu + FX_REGISTERS,
                    FX_XMM_END - FX_REGISTERS);
    g_assert_cmphex(cpu->cr0, ==, wanted->cr0);
    g_assert_cmphex(cpu->cr2, ==, wanted->cr2);
    g_assert_cmpmem(cpu->dr, sizeof(cpu->dr), wanted->dr, sizeof(wanted->dr));
    g_assert_cmphex(cpu->seg[SEG_FS].base, ==, wanted->seg[SEG_FS].base);
    g_assert_cmphex(cpu->seg[SEG_GS].limit, ==, wanted->seg[SEG_GS].limit);
    g_assert_cmphex(cpu->ldtr.base, ==, wanted->ldtr.base);
    g_assert_cmphex(cpu->gdtr.base, ==, wanted->gdtr.base);
    g_assert_cmphex(cpu->gdtr.limit, ==, wanted->gdtr.limit);
    g_assert_cmphex(cpu->idtr.base, ==, wanted->idtr.base);
    g_assert_cmphex(cpu->idtr.limit, ==, wanted->idtr.limit);
    g_assert_cmphex(cpu->sysenter_esp, ==, wanted->sysenter_esp);
    g_assert_cmphex(cpu->sysenter_eip, ==, wanted->sysenter_eip);
    g_assert_cmphex(cpu->star, ==, wanted->star);
    g_assert_cmphex(cpu->lstar, ==, wanted->lstar);
    g_assert_cmphex(cpu->cstar, ==, wanted->cstar);
    g_assert_cmphex(cpu->fmask, ==, wanted->fmask);
    g_assert_cmphex(cpu->kernel_gs_base, ==, wanted->kernel_gs_base);
    g_assert_cmphex(cpu->pat, ==, wanted->pat);
}

static void test_transfer(void)
{
    X86Cpu *cpu, *wanted = g_new(X86Cpu, 1);

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    cpu = cpu_get(0);
    for (unsigned round = 0; round < 20; round++) {
        uint64_t runs = counted("runs");

        load_code(0, still_code, still_end);
        fill(cpu);
        memcpy(wanted, cpu, sizeof(*wanted));
        vm_start();
        for (unsigned i = 0; counted("runs") == runs; i++) {
            g_assert_cmpuint(i, <, 60000);
            let_run(1000);
        }
        vm_stop(RUN_STATE_PAUSED);
        g_assert_cmpuint(counted("exits, internal-error"), ==, 0);
        compare(cpu, wanted);
    }
    g_free(wanted);
    end();
}

static void run_once_more(void)
{
    uint64_t runs = counted("runs");

    vm_start();
    for (unsigned i = 0; counted("runs") < runs + CPUS; i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
    }
    vm_stop(RUN_STATE_PAUSED);
}

/* NMIs that are masked stay so, and a CPU keeps the reason for which it does not run. */
static void test_events_and_mp_state(void)
{
    X86Cpu *first, *second;

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=on");
    first = cpu_get(0);
    second = cpu_get(1);
    for (unsigned round = 0; round < 6; round++) {
        load_code(0, still_code, still_end);
        first->nmi_masked = round % 2;
        run_once_more();
        g_assert_cmpint(first->nmi_masked, ==, round % 2);
        g_assert_false(first->halted || first->wait_for_sipi);
        g_assert_true(second->wait_for_sipi); /* since power-on */
    }
    load_code(1, halt_code, halt_end);
    run_once_more();
    for (unsigned i = 0; !second->halted; i++) { /* it halts in the kernel */
        g_assert_cmpuint(i, <, 60000);
        run_once_more();
    }
    g_assert_cmpuint(counter_of(1)[0], ==, 1);
    run_once_more();
    g_assert_true(second->halted);
    g_assert_cmpuint(counter_of(1)[0], ==, 1);
    second->halted = false; /* goes on behind the HLT */
    for (unsigned i = 0; counter_of(1)[0] == 1; i++) {
        g_assert_cmpuint(i, <, 60000);
        run_once_more();
    }
    g_assert_cmpuint(counter_of(1)[0], ==, 2);
    end();
}

static unsigned long resident_pages(void)
{
    g_autofree char *text = NULL;
    unsigned long size, resident = 0;

    g_file_get_contents("/proc/self/statm", &text, NULL, NULL);
    g_assert_cmpint(sscanf(text, "%lu %lu", &size, &resident), ==, 2);
    return resident;
}

/* Descriptors to the last one, memory by what a machine needs. */
static void test_machines(void)
{
    unsigned descriptors = 0;
    unsigned long pages = 0;

    if (skipped()) {
        return;
    }
    for (unsigned i = 0; i < MACHINES; i++) {
        begin(i % 2 ? "kvm,kernel-irqchip=off" : "kvm,dirty-ring-size=4096");
        load_code(0, still_code, still_end);
        vm_start();
        end();
        if (i == MACHINES / 10) {
            descriptors = open_descriptors();
            pages = resident_pages();
        }
    }
    /* the last machine's VM is forgotten when the next one is made, of either kind alike */
    g_assert_cmpuint(open_descriptors(), ==, descriptors);
    g_assert_cmpuint(resident_pages(), <, pages + PAGES_MORE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_init(true);
    g_test_add_func("/kvm/transfer", test_transfer);
    g_test_add_func("/kvm/events-and-mp-state", test_events_and_mp_state);
    g_test_add_func("/kvm/machines", test_machines);
    return g_test_run();
}
