/* SPDX-License-Identifier: MIT */
/*
 * Can KVM be used here, and is it any good? Not every /dev/kvm has hardware behind it: some are a
 * slow emulator that lacks much of a CPU. A tiny guest tells: 32-bit code with paging, an SSE
 * instruction in ring 0, as systems have them before anything else, and a loop against the clock.
 */
#include "accel/kvm/kvm-internal.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define DEVICE "/dev/kvm"

/* -- The device -------------------------------------------------------------------------------- */

/* Of this host's CPU, as far as it says. */
static bool cpu_has_virtualisation(void)
{
    uint32_t eax, ebx, ecx, edx;
    bool has_vmx = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & 1u << 5;
    bool has_svm = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & 1u << 2;

    return has_vmx || has_svm;
}

static bool no_device(Error **err)
{
    if (!cpu_has_virtualisation()) {
        return error_set(err, "there is no " DEVICE ": this CPU offers no virtualisation (in a "
                              "virtual machine it has to be passed on by the host)");
    }
    return error_set(err, "there is no " DEVICE ": the kernel's module kvm is not loaded, or this "
                          "container was not given the device");
}

static bool no_permission(Error **err)
{
    struct stat status;
    const struct group *group;

    if (stat(DEVICE, &status) < 0 || (status.st_mode & 060) != 060) {
        return error_set(err, "no permission to use " DEVICE ", which no group may");
    }
    group = getgrgid(status.st_gid);
    return error_set(err, "no permission to use " DEVICE "; members of group '%s' have it",
                     group ? group->gr_name : "?");
}

static bool check_version(int fd, Error **err)
{
    int version = kvm_ioctl(fd, KVM_GET_API_VERSION, NULL);

    if (version < 0) {
        return error_set_errno(err, -version, DEVICE " does not answer as KVM does");
    }
    return version == KVM_API_VERSION ||
           error_set(err, DEVICE " speaks version %d, %d is needed", version, KVM_API_VERSION);
}

int kvm_open_device(Error **err)
{
    int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

    if (fd >= 0 && !check_version(fd, err)) {
        close(fd);
        return -1;
    }
    if (fd >= 0) {
        return fd;
    }
    switch (errno) {
    case ENOENT:
        no_device(err);
        break;
    case EACCES:
    case EPERM:
        no_permission(err);
        break;
    case ENODEV:
    case ENXIO:
        error_set(err, DEVICE " has no hardware behind it: virtualisation is off in the firmware, "
                              "or in use by another hypervisor");
        break;
    default:
        error_set_errno(err, errno, "cannot open " DEVICE);
        break;
    }
    return -1;
}

/* -- The guest --------------------------------------------------------------------------------- */

enum { CODE_AT = 0x1000, PAGE_TABLE_AT = 0x2000, DATA_AT = 0x3000, MEMORY_SIZE = 0x4000 };

#define LOOPS 20000
#define INSTRUCTIONS (2 * LOOPS)
#define FAST_ENOUGH_NS 2000000 /* 20 million a second: hardware has a hundred times that */
#define ATTEMPTS 3
#define LOOK_AFTER_US 30000
#define CPU_LIMIT_NS 30000000
#define TIME_LIMIT_NS 300000000 /* of a host that lets others run meanwhile */

/* movups (%eax),%xmm0; movups %xmm0,16(%eax); 1: dec %ecx; jnz 1b; hlt */
static const uint8_t code[] = {0x0f, 0x10, 0x00, 0x0f, 0x11, 0x40, 0x10, 0x49, 0x75, 0xfd, 0xf4};

typedef struct Probe {
    int device, vm, vcpu;
    uint8_t *memory;
    struct kvm_run *run;
    int run_size;
} Probe;

static void probe_end(Probe *probe)
{
    if (probe->run) {
        munmap(probe->run, (size_t)probe->run_size);
    }
    for (unsigned i = 0; i < 3; i++) {
        int fd = i == 0 ? probe->vcpu : i == 1 ? probe->vm : probe->device;
        if (fd >= 0) {
            close(fd);
        }
    }
    if (probe->memory) {
        munmap(probe->memory, MEMORY_SIZE);
    }
}

static void *map(int fd, size_t size)
{
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static bool probe_begin(Probe *probe, Error **err)
{
    struct kvm_userspace_memory_region slot = {.memory_size = MEMORY_SIZE};
    const uint32_t large_page = 0x83; /* present, writable, 4 MiB at address 0 */

    probe->run_size = kvm_ioctl(probe->device, KVM_GET_VCPU_MMAP_SIZE, NULL);
    probe->vm = kvm_ioctl_value(probe->device, KVM_CREATE_VM, 0);
    probe->memory = map(-1, MEMORY_SIZE);
    if (probe->vm < 0 || probe->run_size < (int)sizeof(struct kvm_run) || !probe->memory) {
        return error_set(err, DEVICE " makes no virtual machine: %s", g_strerror(-probe->vm));
    }
    memcpy(probe->memory + CODE_AT, code, sizeof(code));
    memcpy(probe->memory + PAGE_TABLE_AT, &large_page, sizeof(large_page));
    slot.userspace_addr = (uintptr_t)probe->memory;
    kvm_ioctl_value(probe->vm, KVM_SET_TSS_ADDR, 0xfffbd000);
    if (kvm_ioctl(probe->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0) {
        return error_set(err, DEVICE " takes no guest memory");
    }
    probe->vcpu = kvm_ioctl_value(probe->vm, KVM_CREATE_VCPU, 0);
    probe->run = probe->vcpu < 0 ? NULL : map(probe->vcpu, (size_t)probe->run_size);
    return probe->run || error_set(err, DEVICE " makes no virtual CPU");
}

/* Flat 32-bit code in ring 0 with paging and SSE. */
static bool set_registers(const Probe *probe)
{
    const struct kvm_segment data = {
        .limit = UINT32_MAX, .selector = 0x10, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    struct kvm_regs regs = {
        .rip = CODE_AT, .rflags = EFLAGS_FIXED, .rax = DATA_AT, .rcx = LOOPS, .rsp = MEMORY_SIZE};
    struct kvm_sregs sregs = {0};

    if (kvm_ioctl(probe->vcpu, KVM_GET_SREGS, &sregs) < 0) {
        return false;
    }
    sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = sregs.cs = data;
    sregs.cs.selector = 8;
    sregs.cs.type = 11;
    sregs.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE;
    sregs.cr3 = PAGE_TABLE_AT;
    sregs.cr4 = CR4_PSE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    return kvm_ioctl(probe->vcpu, KVM_SET_SREGS, &sregs) >= 0 &&
           kvm_ioctl(probe->vcpu, KVM_SET_REGS, &regs) >= 0;
}

/* How often this thread had to give way to others. */
static long times_preempted(void)
{
    struct rusage usage = {0};

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

static int64_t cpu_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* Until it halts or has had its time. The time that counts is the clock's; of a thread that was not
 * alone on its CPU, what it got of that. */
static bool run_guest(const Probe *probe, int64_t *ret_ns, Error **err)
{
    int64_t start = clock_now_ns(CLOCK_TYPE_REALTIME), cpu_start = cpu_now_ns(), ns, cpu_ns;
    long preempted = times_preempted();
    int result = set_registers(probe) ? -EINTR : -EINVAL;

    do {
        result = result == -EINTR ? kvm_ioctl(probe->vcpu, KVM_RUN, NULL) : result;
        ns = clock_now_ns(CLOCK_TYPE_REALTIME) - start;
        cpu_ns = cpu_now_ns() - cpu_start;
    } while (result == -EINTR && cpu_ns < CPU_LIMIT_NS && ns < TIME_LIMIT_NS);
    if (result != -EINTR && (result < 0 || probe->run->exit_reason != KVM_EXIT_HLT)) {
        return error_set(err, "this " DEVICE " is an emulator without hardware behind it: it does "
                              "not run 32-bit code with paging and SSE");
    }
    *ret_ns = result != -EINTR && times_preempted() != preempted ? MIN(ns, cpu_ns) : ns;
    return true;
}

/* The fastest of a few: the host may be busy. */
static bool measure(const Probe *probe, Error **err)
{
    int64_t best = INT64_MAX, ns = 0;

    for (unsigned i = 0; i < ATTEMPTS && best > FAST_ENOUGH_NS; i++) {
        if (!run_guest(probe, &ns, err)) {
            return false;
        }
        best = MIN(best, ns);
    }
    if (best > FAST_ENOUGH_NS) {
        return error_set(err,
                         "this " DEVICE " is an emulator without hardware behind it: %d million "
                         "instructions a second",
                         (int)((int64_t)INSTRUCTIONS * 1000 / best));
    }
    return true;
}

static void on_alarm(int signal_number)
{
}

/* A KVM_RUN that does not end by itself comes back now and then. */
static void interrupt_runs(bool on)
{
    static struct sigaction old;
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct timeval interval = {.tv_usec = on ? LOOK_AFTER_US : 0};

    if (on) {
        sigaction(SIGALRM, &action, &old);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){interval, interval}, NULL);
    if (!on) {
        sigaction(SIGALRM, &old, NULL);
    }
}

bool kvm_probe(Error **err)
{
    Probe probe = {.vm = -1, .vcpu = -1};
    bool ok;

    probe.device = kvm_open_device(err);
    if (probe.device < 0) {
        return false;
    }
    interrupt_runs(true);
    ok = kvm_model_suits(probe.device, err) && probe_begin(&probe, err) && measure(&probe, err);
    interrupt_runs(false);
    probe_end(&probe);
    return ok;
}
