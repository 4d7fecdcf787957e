/* SPDX-License-Identifier: MIT */
/* Life of vCPUs, the same for each accelerator (named on the command line): a machine is stopped
 * and work is posted while a CPU is in a device access that takes its time; a stopped CPU's state
 * is looked at and changed. Each access happens once, and its value arrives. */
#include "softmmu/run.h"
#include "tests/kvm/kvm-machine.h"

#include <stdio.h>
#include <string.h>

#define PORT 0x500
#define WINDOW 0xd0000000u
#define ROUNDS 60
#define MACHINES 30
#define HOT_COUNT 20000u /* rounds of a loop, for traces too */

/* 32-bit code. EBX: the CPU's counter; 4(%ebx): values out of order, 8(%ebx): EDI; EBP counts. */
extern const uint8_t access_code[], access_end[];

__asm__(".pushsection .rodata\n"
        ".code32\n"
        "access_code:\n"
        "    mov $0x500, %edx\n"
        "1:  inc %ecx\n"
        "    in %dx, %eax\n"
        "    cmp %ecx, %eax\n"
        "    je 2f\n"
        "    incl 4(%ebx)\n"
        "2:  inc %ecx\n"
        "    mov 0xd0000000, %eax\n"
        "    cmp %ecx, %eax\n"
        "    je 3f\n"
        "    incl 4(%ebx)\n"
        "3:  mov %edi, 8(%ebx)\n"
        "    inc %ebp\n"
        "    incl (%ebx)\n"
        "    jmp 1b\n"
        "access_end:\n"
        ".code64\n"
        ".popsection\n");

static Region ports, window;
static const char *accel; /* the command line's */

/* -- A device that takes its time -------------------------------------------------------------- */

/* All under the lock. */
static uint32_t last_value;
static unsigned in_handler; /* accesses that wait */
static bool must_wait;
static MachineCond changed;

static uint64_t slow_read(void *opaque, uint64_t offset, unsigned size)
{
    in_handler++;
    while (must_wait) {
        machine_cond_wait(&changed);
    }
    in_handler--;
    return ++last_value;
}

static void no_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static void add_device(void)
{
    static const RegionOps ops = {.read = slow_read, .write = no_write, .impl_min = 4};
    RegionDesc desc = {.name = "slow", .kind = REGION_IO, .size = 4096, .ops = &ops};

    region_init(&window, &desc);
    region_add(&root, WINDOW, &window, 0);
    desc.size = 4;
    region_init(&ports, &desc);
    region_add(&io_root, PORT, &ports, 0);
}

/* -- Others ------------------------------------------------------------------------------------ */

static void wait_for_handler(void)
{
    must_wait = true;
    for (unsigned i = 0; !in_handler; i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
    }
}

/* The access ends when something is wanted of the CPU, not before. */
static gpointer end_access(gpointer opaque)
{
    const Vcpu *vcpu = vcpu_get(0);

    machine_lock();
    for (unsigned i = 0; !vcpu->stop_requested && g_queue_is_empty((GQueue *)&vcpu->work); i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
    }
    if (vcpu->stop_requested) { /* the other CPU does not wait for this one */
        for (unsigned i = 0; !vcpu_get(1)->stopped; i++) {
            g_assert_cmpuint(i, <, 60000);
            let_run(1000);
        }
    }
    g_assert_false(vcpu->stopped);
    g_assert_cmpuint(in_handler, ==, 1);
    must_wait = false;
    machine_cond_wake_all(&changed);
    machine_unlock();
    return NULL;
}

static void begin_accesses(void)
{
    for (unsigned i = 0; i < CPUS; i++) {
        cpu_reset(cpu_get(i), false);
    }
    load_code(0, access_code, access_end);
    load_code(1, count_code, count_end);
    cpu_get(0)->gpr[R_RCX] = last_value;
    cpu_get(0)->gpr[R_RBP] = 0;
    must_wait = false;
}

/* Translating waits for a CPU in an access, so the other one's loop has to be translated before. */
static void warm_up(void)
{
    vm_start();
    for (unsigned i = 0; __atomic_load_n(counter_of(1), __ATOMIC_SEQ_CST) < HOT_COUNT; i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
    }
    vm_stop(RUN_STATE_PAUSED);
}

static void end_accesses(void)
{
    vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpuint(counter_of(0)[1], ==, 0);
}

/* -- Tests ------------------------------------------------------------------------------------- */

/* What a stopped CPU shows is what it did, and what it is given is what it goes on with. */
static void check_state(unsigned round)
{
    X86Cpu *cpu = cpu_get(0);
    uint32_t ahead = (uint32_t)cpu->gpr[R_RBP] - *counter_of(0);

    g_assert_cmpuint(ahead, <=, 1); /* between two instructions */
    g_assert_cmpuint((uint32_t)cpu->gpr[R_RCX] - last_value, <=, 1);
    g_assert_cmphex(cpu->gpr[R_RBX], ==, COUNTERS);
    cpu->gpr[R_RDI] = round;
}

static void test_stop_in_access(void)
{
    if (skipped()) {
        return;
    }
    begin_accesses();
    warm_up();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        uint32_t value, count;
        GThread *other;

        vm_start();
        wait_for_handler();
        value = last_value;
        other = g_thread_new("device", end_access, NULL);
        vm_stop(RUN_STATE_PAUSED);
        g_assert_true(vcpu_get(0)->stopped && vcpu_get(1)->stopped);
        machine_unlock();
        g_thread_join(other);
        machine_lock();
        g_assert_cmpuint(in_handler, ==, 0);
        g_assert_cmpuint(last_value, >=, value + 1);
        value = last_value;
        count = *counter_of(1);
        check_state(round);
        let_run(100);
        g_assert_cmpuint(last_value, ==, value); /* all of it stands */
        g_assert_cmpuint(*counter_of(1), ==, count);
        vm_start();
        wait_for_count(*counter_of(0) + 2);
        g_assert_cmpuint(counter_of(0)[2], ==, round);
    }
    end_accesses();
}

typedef struct Seen {
    unsigned visits;
    bool in_access;
    const X86Cpu *cpu;
} Seen;

static void look(Vcpu *vcpu, void *opaque)
{
    Seen *seen = opaque;

    g_assert_true(machine_lock_held());
    seen->visits++;
    if (vcpu->index == 0) {
        seen->in_access = in_handler;
        g_assert_cmpuint((uint32_t)((X86Cpu *)vcpu->cpu)->gpr[R_RCX] - last_value, <=, 1);
    }
}

static void test_work_in_access(void)
{
    if (skipped()) {
        return;
    }
    begin_accesses();
    vm_start();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        Seen seen = {0};
        GThread *other;

        wait_for_handler();
        other = g_thread_new("device", end_access, NULL);
        if (round % 2) {
            vcpu_run_on(vcpu_get(0), look, &seen);
        } else {
            vcpu_run_on_all(look, &seen);
        }
        g_assert_cmpuint(seen.visits, ==, round % 2 ? 1 : CPUS);
        g_assert_false(seen.in_access);
        machine_unlock();
        g_thread_join(other);
        machine_lock();
    }
    end_accesses();
}

/* As fast as they go, with CPUs at any place. */
static void test_hot_stops(void)
{
    if (skipped()) {
        return;
    }
    begin_accesses();
    for (unsigned round = 0; round < 1000; round++) {
        vm_start();
        if (round % 8 == 0) {
            let_run(round % 3 * 100);
        }
        vm_stop(RUN_STATE_PAUSED);
        check_state(round);
    }
    vm_start();
    wait_for_count(*counter_of(0) + 2);
    g_assert_cmpuint(counter_of(0)[2], ==, 999);
    end_accesses();
}

static unsigned long mapped_pages(void)
{
    g_autofree char *text = NULL;
    unsigned long size = 0;

    g_file_get_contents("/proc/self/statm", &text, NULL, NULL);
    g_assert_cmpint(sscanf(text, "%lu", &size), ==, 1);
    return size;
}

/* A machine is taken down and another one made, with the same CPUs: nothing of the last one is run
 * or kept. */
static void test_made_again(void)
{
    unsigned descriptors = 0;
    unsigned long pages = 0;

    if (skipped()) {
        return;
    }
    for (unsigned i = 0; i < MACHINES; i++) {
        end();
        begin(accel);
        begin_accesses();
        if (i % 2) { /* other code in the same place */
            load_code(0, count_code, count_end);
        }
        vm_start();
        wait_for_count(i % 3 ? 1 : 300);
        end_accesses();
        if (i == MACHINES / 3) {
            descriptors = open_descriptors();
            pages = mapped_pages();
        }
    }
    g_assert_cmpuint(open_descriptors(), ==, descriptors);
    /* less than what the translator takes for one */
    g_assert_cmpuint(mapped_pages(), <, pages + MAPPED_PAGES_MORE);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    accel = argc > 1 ? argv[1] : "tcg";
    machine_init(g_str_has_prefix(accel, "kvm"));
    if (!machine_unusable()) {
        begin(accel);
        add_device();
    }
    g_test_add_func("/vcpu-life/stop-in-access", test_stop_in_access);
    g_test_add_func("/vcpu-life/work-in-access", test_work_in_access);
    g_test_add_func("/vcpu-life/hot-stops", test_hot_stops);
    g_test_add_func("/vcpu-life/made-again", test_made_again);
    result = g_test_run();
    if (!machine_unusable()) {
        end();
    }
    return result;
}
