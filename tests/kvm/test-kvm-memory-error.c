/* SPDX-License-Identifier: MIT */
/* Memory of the host that fails under a guest: the signal comes while the CPU is in KVM_RUN, sent
 * by the kernel where it can be told to lose a page, else by the test. The guest gets a machine
 * check with the address, or the machine stops. Skipped without /dev/kvm. */
#include "accel/kvm/kvm-internal.h"
#include "target/i386/machine-check.h"
#include "tests/kvm/ioctl-spy.h"
#include "tests/kvm/kvm-machine.h"
#include "util/event.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOST 0x180000u
#define BANK 1

/* 32-bit code. EBX: the CPU's counter; 4(%ebx): machine checks. */
extern const uint8_t lost_code[], lost_entry[], lost_end[];

__asm__(".pushsection .rodata\n"
        ".code32\n"
        "lost_code:\n"
        "1:  mov 0x180000, %eax\n"
        "    incl (%ebx)\n"
        "    jmp 1b\n"
        "lost_entry:\n"
        "    incl 4(%ebx)\n"
        "2:  hlt\n"
        "    jmp 2b\n"
        "lost_end:\n"
        ".code64\n"
        ".popsection\n");

/* -- The signal -------------------------------------------------------------------------------- */

static int pending; /* atomic: the next KVM_RUN of the first CPU ends so, with the signal; or 0 */

static uint32_t lost_at = LOST + 0x123;

static void send_signal(void)
{
    siginfo_t info = {.si_signo = SIGBUS, .si_code = BUS_MCEERR_AR, .si_addr = ram->host + lost_at};

    g_assert_cmpint(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info), ==, 0);
}

static bool lose_page(int fd, unsigned long request, void *argument, int *ret_result)
{
    const KvmVcpu *kv = vcpu_get(0) ? kvm_of(vcpu_get(0)) : NULL;

    if (request != KVM_RUN || !kv || kv->fd != fd || !__atomic_load_n(&pending, __ATOMIC_SEQ_CST)) {
        return false;
    }
    *ret_result = __atomic_exchange_n(&pending, 0, __ATOMIC_SEQ_CST);
    send_signal();
    return true;
}

/* -- The machine ------------------------------------------------------------------------------- */

static unsigned guest_events, own_events;

static void note_event(const EventType *type, const json_t *data, int64_t host_us, void *opaque)
{
    const char *recipient;

    if (strcmp(type->name, "MEMORY_FAILURE") == 0) {
        recipient = json_string_value(json_object_get(data, "recipient"));
        guest_events += strcmp(recipient, "guest") == 0;
        own_events += strcmp(recipient, "hypervisor") == 0;
    }
}

static void load_guest(bool listens)
{
    static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
    const uint32_t idt_at = COUNTERS + 2048, gdt_at = COUNTERS + 1024;
    uint32_t address = CODE + (uint32_t)(lost_entry - lost_code);
    uint64_t gate = (address & 0xffff) | 8u << 16 | (uint64_t)0x8e00 << 32;
    X86Cpu *cpu = cpu_get(0);

    cpu_reset(cpu, false);
    load_code(0, lost_code, lost_end);
    memcpy(ram->host + gdt_at, gdt, sizeof(gdt));
    gate |= (uint64_t)(address & 0xffff0000) << 32;
    memcpy(ram->host + idt_at + VECTOR_MC * 8, &gate, sizeof(gate));
    cpu->gdtr = (DescriptorTable){.base = gdt_at, .limit = sizeof(gdt) - 1};
    cpu->idtr = (DescriptorTable){.base = idt_at, .limit = 1023};
    cpu->seg[SEG_CS].selector = 8;
    cpu->seg[SEG_SS].selector = cpu->seg[SEG_DS].selector = 16;
    if (listens) {
        cpu->cr4 |= CR4_MCE;
        cpu->mce_bank[BANK][0] = UINT64_MAX;
    }
    guest_events = own_events = 0;
}

static void begin_losing(void)
{
    begin_model("kvm,kernel-irqchip=off", "Nehalem,check=off");
    event_listen(note_event, &pending);
    ioctl_spy_set(lose_page);
}

static void end_losing(void)
{
    ioctl_spy_set(NULL);
    event_unlisten(&pending);
    end();
}

static void reset_machine(void)
{
    int status;

    system_reset_request(SHUTDOWN_CAUSE_HOST_RESET);
    g_assert_false(run_handle_requests(&status));
}

/* The machine stops by itself. */
static void wait_for_stop(void)
{
    int status;

    for (unsigned i = 0; run_state_is_running(); i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
        g_assert_false(run_handle_requests(&status));
    }
    g_assert_cmpint(run_state_get(), ==, RUN_STATE_INTERNAL_ERROR);
}

/* -- Tests ------------------------------------------------------------------------------------- */

/* One machine check, with the page's guest address; a reset takes another page. */
static void check_told(uint64_t first, uint64_t last)
{
    const X86Cpu *cpu = cpu_get(0);

    run_to_halt(0);
    g_assert_cmpuint(counter_of(0)[1], ==, 1);
    g_assert_cmphex(cpu->mcg_status, ==, MCG_STATUS_EIPV | 4);
    g_assert_cmphex(cpu->mce_bank[BANK][1] & ~MCI_STATUS_OVER, ==,
                    0xbd80000000000134ull); /* action required: a load found bad data */
    g_assert_cmphex(cpu->mce_bank[BANK][2], >=, first);
    g_assert_cmphex(cpu->mce_bank[BANK][2], <=, last);
    g_assert_cmphex(cpu->mce_bank[BANK][3], ==, 0x8c);
    g_assert_cmpuint(guest_events, ==, 1);
    g_assert_cmpuint(own_events, ==, 0);
    reset_machine();
    g_assert_cmphex(*(uint32_t *)(ram->host + LOST), ==, 0);
    load_guest(true);
    vm_start();
    wait_for_count(1);
    vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpuint(counter_of(0)[1], ==, 0);
}

/* As a kernel ends it with the signal: one says that it was interrupted, one that it failed. */
static void test_told(void)
{
    static const int results[] = {-EINTR, -EFAULT};

    if (skipped()) {
        return;
    }
    begin_losing();
    for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
        load_guest(true);
        memset(ram->host + LOST, 0x5a, TARGET_PAGE_SIZE);
        pending = results[i];
        check_told(LOST + 0x123, LOST + 0x123);
    }
    end_losing();
}

static void test_not_told(void)
{
    if (skipped()) {
        return;
    }
    begin_losing();
    load_guest(false);
    memset(ram->host + LOST, 0x5a, TARGET_PAGE_SIZE);
    pending = -EINTR;
    vm_start();
    wait_for_stop();
    g_assert_cmpuint(own_events, ==, 1);
    g_assert_cmpuint(guest_events, ==, 0);
    reset_machine();
    g_assert_cmphex(*(uint32_t *)(ram->host + LOST), ==, 0);
    load_guest(false);
    vm_start();
    wait_for_count(1);
    vm_stop(RUN_STATE_PAUSED);
    end_losing();
}

/* Code in such a page is not shown: looking at it would be the end of us. The test's layer takes
 * all rights from the page, as the kernel does. */
static void test_lost_code(void)
{
    if (skipped()) {
        return;
    }
    begin_losing();
    load_guest(false);
    lost_at = CODE;
    mprotect(ram->host + CODE, TARGET_PAGE_SIZE, PROT_NONE);
    pending = -EFAULT;
    vm_start();
    wait_for_stop();
    lost_at = LOST + 0x123;
    reset_machine();
    load_guest(false);
    vm_start();
    wait_for_count(1);
    vm_stop(RUN_STATE_PAUSED);
    end_losing();
}

/* The same by the kernel itself. */
static void test_lost_page(void)
{
    if (skipped()) {
        return;
    }
    begin_losing();
    load_guest(true);
    if (madvise(ram->host + LOST, TARGET_PAGE_SIZE, MADV_HWPOISON) < 0) {
        g_autofree char *why = g_strdup_printf("the host's kernel loses no page when asked to "
                                               "(MADV_HWPOISON): %s",
                                               g_strerror(errno));
        g_test_skip(why);
    } else {
        check_told(LOST, LOST + TARGET_PAGE_SIZE - 1);
    }
    end_losing();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_init(true);
    g_test_add_func("/kvm-memory-error/told", test_told);
    g_test_add_func("/kvm-memory-error/not-told", test_not_told);
    g_test_add_func("/kvm-memory-error/lost-code", test_lost_code);
    g_test_add_func("/kvm-memory-error/lost-page", test_lost_page);
    return g_test_run();
}
