/* SPDX-License-Identifier: MIT */
/* What KVM does without leaving the guest, or for it: writes that are counted or wait, interrupts
 * by descriptor and message, clocks that stand still. Skipped without /dev/kvm. */
#include "accel/kvm.h"
#include "accel/kvm/kvm-internal.h"
#include "softmmu/region-event.h"
#include "tests/kvm/kvm-machine.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENT_PORT 0x500
#define POSTED_PORT 0x600
#define LOOK_PORT 0x602
#define WINDOW 0xd0000000u
#define WINDOW_MATCH 4
#define WRITES 50
#define APIC 0xfee00000u
#define VECTOR 0x40
#define OTHER_VECTOR 0x41
#define IOAPIC_PIN 5

/* 32-bit code. EBX: the CPU's counter. */
extern const uint8_t events_code[], events_end[], posted_code[], posted_end[], irq_code[],
    irq_entry[], irq_other_entry[], irq_end[], clock_code[], clock_end[], pv_code[], pv_end[];

__asm__(".pushsection .rodata\n"
        ".code32\n"
        "events_code:\n"
        "    mov $50, %ecx\n"
        "1:  mov $0x500, %edx\n"
        "    out %eax, %dx\n"
        "    mov %ecx, 0xd0000000\n"
        "    mov %ecx, 0xd0000004\n"
        "    dec %ecx\n"
        "    jnz 1b\n"
        "2:  hlt\n"
        "    jmp 2b\n"
        "events_end:\n"

        "posted_code:\n" /* each read of port 602h answers what was written last to 600h */
        "    mov $50, %ecx\n"
        "1:  mov $0x600, %edx\n"
        "    mov %ecx, %eax\n"
        "    out %ax, %dx\n"
        "    mov %ecx, 0xe0000000\n"
        "    add $2, %edx\n"
        "    in %dx, %ax\n"
        "    cmp %ax, %cx\n"
        "    jne 2f\n"
        "    incl (%ebx)\n"
        "2:  dec %ecx\n"
        "    jnz 1b\n"
        "    mov $60, %ecx\n" /* the last are made when somebody else looks */
        "    mov $0x600, %edx\n"
        "3:  mov %ecx, %eax\n"
        "    out %ax, %dx\n"
        "    dec %ecx\n"
        "    jnz 3b\n"
        "4:  hlt\n"
        "    jmp 4b\n"
        "posted_end:\n"

        "irq_code:\n"          /* 4(%ebx): ready; 8(%ebx): of the second vector */
        "    mov $0xff, %al\n" /* nothing from the 8259 */
        "    out %al, $0x21\n"
        "    movl $0x1ff, 0xfee000f0\n"
        "    movl $0x1a, 0xfec00000\n" /* pin 5: level-triggered, vector 40h */
        "    movl $0x8040, 0xfec00010\n"
        "    incl 4(%ebx)\n"
        "1:  sti\n"
        "    hlt\n"
        "    jmp 1b\n"
        "irq_entry:\n" /* returns without IRET, which a KVM in software may lack */
        "    incl (%ebx)\n"
        "    movl $0, 0xfee000b0\n"
        "    pushl 8(%esp)\n"
        "    popfl\n"
        "    ret $8\n"
        "irq_other_entry:\n"
        "    incl 8(%ebx)\n"
        "    movl $0, 0xfee000b0\n"
        "    pushl 8(%esp)\n"
        "    popfl\n"
        "    ret $8\n"
        "irq_end:\n"

        "clock_code:\n" /* 16(%ebx): the last one, 4(%ebx): went back */
        "1:  rdtsc\n"
        "    cmp 20(%ebx), %edx\n"
        "    ja 2f\n"
        "    jb 3f\n"
        "    cmp 16(%ebx), %eax\n"
        "    jae 2f\n"
        "3:  incl 4(%ebx)\n"
        "2:  mov %eax, 16(%ebx)\n"
        "    mov %edx, 20(%ebx)\n"
        "    incl (%ebx)\n"
        "    jmp 1b\n"
        "clock_end:\n"

        "pv_code:\n" /* has its kvmclock at 64(%ebx) */
        "    mov $0x4b564d01, %ecx\n"
        "    lea 65(%ebx), %eax\n"
        "    xor %edx, %edx\n"
        "    wrmsr\n"
        "1:  incl (%ebx)\n"
        "    jmp 1b\n"
        "pv_end:\n"
        ".code64\n"
        ".popsection\n");

static uint64_t runs_there_may_be(void)
{
    return counted("exits, io") + counted("exits, mmio") + counted("exits, hlt") +
           counted("kicks") + 2;
}

/* -- Writes ------------------------------------------------------------------------------------ */

static Region window, ports;
static uint32_t window_writes;
static uint16_t posted;

static uint64_t read_zero(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void count_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    window_writes++;
}

static uint64_t read_posted(void *opaque, uint64_t offset, unsigned size)
{
    return posted;
}

static void write_posted(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    posted = (uint16_t)value;
    window_writes++;
}

static const RegionOps window_ops = {.read = read_zero, .write = count_write};
static const RegionOps port_ops = {.read = read_posted, .write = write_posted, .impl_min = 2};

static void add_window(bool visible)
{
    region_init(&window, &(RegionDesc){.name = "window",
                                       .kind = REGION_IO,
                                       .size = TARGET_PAGE_SIZE,
                                       .ops = &window_ops});
    region_add(&root, WINDOW, &window, 0);
    region_set_enabled(&window, visible);
    window_writes = 0;
}

/* Without events each write is an exit, and no more than that. */
static void test_runs(void)
{
    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    add_window(true);
    load_code(0, events_code, events_end);
    run_to_halt(0);
    g_assert_cmpuint(window_writes, ==, 2 * WRITES);
    g_assert_cmpuint(counted("exits, io"), ==, WRITES);
    g_assert_cmpuint(counted("exits, mmio"), ==, 2 * WRITES);
    g_assert_cmpuint(counted("exits, hlt"), ==, 1);
    g_assert_cmpuint(counted("runs"), <=, runs_there_may_be());
    region_fini(&window);
    end();
}

/* A device's events are the kernel's while their region is to be seen. */
static void test_events(void)
{
    RegionEvent any = {.region = &window, .size = 4};
    RegionEvent one = {
        .region = &window, .offset = WINDOW_MATCH, .size = 4, .must_match = true, .value = 7};
    RegionEvent *every, *seventh;

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    add_window(false);
    every = region_event_new(&any, NULL);
    seventh = region_event_new(&one, NULL);
    region_set_enabled(&window, true);
    load_code(0, events_code, events_end);
    run_to_halt(0);
    g_assert_cmpuint(region_event_take(every), ==, WRITES);
    g_assert_cmpuint(region_event_take(seventh), ==, 1);
    g_assert_cmpuint(window_writes, ==, WRITES - 1);
    g_assert_cmpuint(counted("exits, mmio"), ==, WRITES - 1);

    region_event_free(seventh);
    region_set_enabled(&window, false);
    region_set_enabled(&window, true);
    load_code(0, events_code, events_end);
    run_to_halt(0);
    g_assert_cmpuint(region_event_take(every), ==, WRITES);
    g_assert_cmpuint(window_writes, ==, 2 * WRITES - 1);

    region_event_free(every);
    load_code(0, events_code, events_end);
    run_to_halt(0);
    g_assert_cmpuint(window_writes, ==, 4 * WRITES - 1);
    region_fini(&window);
    end();
}

/* The descriptors themselves, as a back end in another process gets them. */
static void test_descriptors(void)
{
    g_autoptr(Error) err = NULL;
    int any = eventfd(0, EFD_NONBLOCK), one = eventfd(0, EFD_NONBLOCK);
    KvmIoEvent port = {.address = EVENT_PORT, .size = 4, .is_port = true, .fd = any};
    KvmIoEvent word = {.address = WINDOW, .size = 4, .must_match = true, .value = 7, .fd = one};
    eventfd_t count = 0;

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    g_assert_true(kvm_ioevent(&port, true, &err));
    g_assert_true(kvm_ioevent(&word, true, &err));
    load_code(0, events_code, events_end);
    run_to_halt(0);
    g_assert_cmpint(eventfd_read(any, &count), ==, 0);
    g_assert_cmpuint(count, ==, WRITES);
    g_assert_cmpint(eventfd_read(one, &count), ==, 0);
    g_assert_cmpuint(count, ==, 1);
    g_assert_true(kvm_ioevent(&port, false, &err));
    g_assert_true(kvm_ioevent(&word, false, &err));
    g_assert_false(kvm_ioevent(&word, false, &err));
    close(any);
    close(one);
    end();
}

/* Writes that wait are made in order before any callback is called and before anybody looks; those
 * to ROM are nobody's. */
static void test_posted(void)
{
    const RegionDesc desc = {.name = "posted",
                             .kind = REGION_IO,
                             .size = 4,
                             .ops = &port_ops,
                             .posted_size = LOOK_PORT - POSTED_PORT};

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    if (!kvm_check(KVM_CAP_COALESCED_MMIO) || !kvm_check(KVM_CAP_COALESCED_PIO)) {
        g_test_skip("this KVM keeps no writes back (KVM_CAP_COALESCED_PIO)");
        end();
        return;
    }
    region_init(&ports, &desc);
    region_add(&io_root, POSTED_PORT, &ports, 0);
    window_writes = 0;
    load_code(0, posted_code, posted_end);
    run_to_halt(0);
    g_assert_cmpuint(*counter_of(0), ==, WRITES);
    g_assert_cmpuint(address_space_load(&address_space_io, LOOK_PORT, 2, NULL), ==, 1);
    g_assert_cmpuint(window_writes, ==, WRITES + 60);
    g_assert_cmpuint(counted("exits, io"), ==, WRITES);
    g_assert_cmpuint(counted("exits, mmio"), ==, 0);
    g_assert_cmpuint(counted("runs"), <=, runs_there_may_be());
    region_fini(&ports);
    end();
}

/* -- Interrupts -------------------------------------------------------------------------------- */

static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

static uint64_t gate(const uint8_t *entry)
{
    uint32_t address = CODE + (uint32_t)(entry - irq_code);

    return (address & 0xffff) | 8u << 16 | (uint64_t)0x8e00 << 32 |
           (uint64_t)(address & 0xffff0000) << 32;
}

/* CPU 0 waits for interrupts of either vector. */
static void begin_interrupts(const char *accel)
{
    const uint32_t idt_at = COUNTERS + 2048, gdt_at = COUNTERS + 1024;
    uint64_t gates[2] = {gate(irq_entry), gate(irq_other_entry)};
    X86Cpu *cpu;

    begin(accel);
    load_code(0, irq_code, irq_end);
    memcpy(ram->host + gdt_at, gdt, sizeof(gdt));
    memcpy(ram->host + idt_at + VECTOR * 8, gates, sizeof(gates));
    cpu = cpu_get(0);
    cpu->gdtr = (DescriptorTable){.base = gdt_at, .limit = sizeof(gdt) - 1};
    cpu->idtr = (DescriptorTable){.base = idt_at, .limit = 1023};
    cpu->seg[SEG_CS].selector = 8;
    cpu->seg[SEG_SS].selector = cpu->seg[SEG_DS].selector = 16;
    vm_start();
    for (unsigned i = 0; __atomic_load_n(counter_of(0) + 1, __ATOMIC_SEQ_CST) == 0; i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
    }
}

static void wait_for_other(uint32_t count)
{
    for (unsigned i = 0; __atomic_load_n(counter_of(0) + 2, __ATOMIC_SEQ_CST) < count; i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
    }
}

/* A count in a descriptor is a message to the local APIC, with no help of ours. */
static void check_messages(const char *accel)
{
    g_autoptr(Error) err = NULL;
    int fd = eventfd(0, EFD_NONBLOCK), route;
    eventfd_t count = 0;

    begin_interrupts(accel);
    route = kvm_route_new(APIC, VECTOR);
    g_assert_cmpint(route, >=, 24);
    g_assert_true(kvm_irqfd(route, fd, -1, true, &err));
    for (unsigned i = 1; i <= 5; i++) {
        g_assert_cmpint(eventfd_write(fd, 1), ==, 0);
        wait_for_count(i);
    }
    kvm_route_change(route, APIC, OTHER_VECTOR);
    g_assert_cmpint(eventfd_write(fd, 1), ==, 0);
    wait_for_other(1);
    kvm_send_msi(APIC, VECTOR);
    wait_for_count(6);
    g_assert_true(kvm_irqfd(route, fd, -1, false, &err));
    eventfd_read(fd, &count);
    g_assert_cmpint(eventfd_write(fd, 1), ==, 0); /* stays in it now */
    let_run(20000);
    g_assert_cmpint(eventfd_read(fd, &count), ==, 0);
    g_assert_cmpuint(count, ==, 1);
    kvm_route_free(route);
    g_assert_cmpint(kvm_route_new(APIC, VECTOR), ==, route);
    kvm_route_free(route);
    g_assert_cmpuint(*counter_of(0), ==, 6);
    g_assert_cmpuint(counter_of(0)[2], ==, 1);
    close(fd);
    end();
}

static void test_messages(void)
{
    if (!skipped()) {
        check_messages("kvm,kernel-irqchip=on");
    }
}

static void test_messages_split(void)
{
    if (!skipped()) {
        check_messages("kvm,kernel-irqchip=split");
    }
}

static void test_no_messages(void)
{
    g_autoptr(Error) err = NULL;
    int fd = eventfd(0, EFD_NONBLOCK);

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    g_assert_false(kvm_irqfd(24, fd, -1, true, &err));
    close(fd);
    end();
}

/* A level-triggered line: when the guest has served it the second descriptor tells. */
static void test_resample(void)
{
    g_autoptr(Error) err = NULL;
    int fd = eventfd(0, EFD_NONBLOCK), served = eventfd(0, EFD_NONBLOCK);

    if (skipped()) {
        return;
    }
    begin_interrupts("kvm,kernel-irqchip=on");
    g_assert_true(kvm_irqfd(IOAPIC_PIN, fd, served, true, &err));
    for (unsigned i = 1; i <= 3; i++) {
        eventfd_t count = 0;

        g_assert_cmpint(eventfd_write(fd, 1), ==, 0);
        wait_for_count(i);
        for (unsigned n = 0; eventfd_read(served, &count) != 0; n++) {
            g_assert_cmpuint(n, <, 60000);
            let_run(1000);
        }
        g_assert_cmpuint(count, ==, 1);
    }
    g_assert_true(kvm_irqfd(IOAPIC_PIN, fd, served, false, &err));
    g_assert_cmpuint(*counter_of(0), ==, 3);
    close(fd);
    close(served);
    end();
}

/* -- Clocks ------------------------------------------------------------------------------------ */

static uint64_t tsc_of(unsigned cpu)
{
    return __atomic_load_n((uint64_t *)counter_of(cpu) + 2, __ATOMIC_SEQ_CST);
}

/* Some KVMs in software show guests the counter of the host, whatever is asked for. Of a CPU whose
 * thread rests. */
static bool tsc_can_be_set(const KvmVcpu *kv)
{
    uint64_t offset = 0, wanted;
    struct kvm_device_attr attribute = {.group = KVM_VCPU_TSC_CTRL,
                                        .attr = KVM_VCPU_TSC_OFFSET,
                                        .addr = (uint64_t)(uintptr_t)&offset};

    if (kvm_ioctl(kv->fd, KVM_GET_DEVICE_ATTR, &attribute) < 0) {
        return false;
    }
    wanted = --offset;
    return kvm_ioctl(kv->fd, KVM_SET_DEVICE_ATTR, &attribute) >= 0 &&
           kvm_ioctl(kv->fd, KVM_GET_DEVICE_ATTR, &attribute) >= 0 && offset == wanted;
}

/* By how much the first CPU's counter moved over a stop, until it was seen to run again. */
static uint64_t moved_over_stop(unsigned microseconds)
{
    uint64_t before;
    uint32_t rounds;

    vm_stop(RUN_STATE_PAUSED);
    before = tsc_of(0);
    rounds = *counter_of(0);
    usleep(microseconds);
    vm_start();
    wait_for_count(rounds + 1);
    return tsc_of(0) - before;
}

/* The counters stand while the machine does, never go back, and stay in step. How long the host
 * takes to let a CPU run again is its own affair: one of some stops has to show it. */
static void test_tsc(void)
{
    const unsigned stop_us = 200000;
    uint64_t least = UINT64_MAX;
    int khz = 0;

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    if (!tsc_can_be_set(kvm_of(vcpu_get(0)))) {
        g_test_skip("this KVM's time stamp counters cannot be set back (KVM_VCPU_TSC_OFFSET)");
        end();
        return;
    }
    for (unsigned i = 0; i < CPUS; i++) {
        load_code(i, clock_code, clock_end);
    }
    khz = kvm_ioctl(kvm_of(vcpu_get(0))->fd, KVM_GET_TSC_KHZ, NULL); /* its thread rests */
    g_assert_cmpint(khz, >, 0);
    vm_start();
    wait_for_count(1);
    for (unsigned i = 0; i < 20 && least > (uint64_t)khz * (stop_us / 4000); i++) {
        least = MIN(least, moved_over_stop(stop_us));
    }
    g_assert_cmpuint(least, <=, (uint64_t)khz * (stop_us / 4000));
    vm_stop(RUN_STATE_PAUSED);
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint(*counter_of(i), >, 0);
        g_assert_cmpuint(counter_of(i)[1], ==, 0);
    }
    end();
}

/* As the guest finds it in memory: Linux, Documentation/virt/kvm/x86/msr.rst. */
typedef struct PvClock {
    uint32_t version, pad;
    uint64_t tsc_timestamp, system_time;
    uint32_t multiplier;
    int8_t shift;
    uint8_t flags;
} PvClock;

#define PV_CLOCK_GUEST_STOPPED 2

static uint64_t kvmclock(void)
{
    struct kvm_clock_data data = {0};

    g_assert_cmpint(kvm_ioctl(kvm.fd, KVM_GET_CLOCK, &data), ==, 0);
    return data.clock;
}

/* kvmclock stands while the machine does: one of some stops has to show it, as the host may be
 * busy. */
static void test_kvmclock(void)
{
    const unsigned stop_us = 100000;
    const PvClock *clock;
    uint64_t least = UINT64_MAX;
    bool has_clock;

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    clock = (const PvClock *)(counter_of(0) + 16);
    load_code(0, pv_code, pv_end);
    vm_start();
    wait_for_count(1);
    has_clock = clock->version != 0;
    for (unsigned i = 0; i < 20 && least > stop_us * 500ull; i++) {
        uint32_t rounds;
        uint64_t before;

        vm_stop(RUN_STATE_PAUSED);
        before = kvmclock();
        rounds = *counter_of(0);
        usleep(stop_us);
        vm_start();
        wait_for_count(rounds + 1);
        least = MIN(least, kvmclock() - before);
    }
    g_assert_cmpuint(least, <=, stop_us * 500ull);
    vm_stop(RUN_STATE_PAUSED);
    if (has_clock && kvm.has_kvmclock_control) {
        g_assert_cmphex(clock->flags & PV_CLOCK_GUEST_STOPPED, ==, PV_CLOCK_GUEST_STOPPED);
    } else {
        g_test_skip("stops are told nobody: this KVM gives its guests no kvmclock");
    }
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_init(true);
    g_test_add_func("/kvm/runs", test_runs);
    g_test_add_func("/kvm/events", test_events);
    g_test_add_func("/kvm/descriptors", test_descriptors);
    g_test_add_func("/kvm/posted", test_posted);
    g_test_add_func("/kvm/messages", test_messages);
    g_test_add_func("/kvm/messages-split", test_messages_split);
    g_test_add_func("/kvm/no-messages", test_no_messages);
    g_test_add_func("/kvm/resample", test_resample);
    g_test_add_func("/kvm/tsc", test_tsc);
    g_test_add_func("/kvm/kvmclock", test_kvmclock);
    return g_test_run();
}
