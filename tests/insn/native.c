/* SPDX-License-Identifier: MIT */
/*
 * Entering and leaving native code by signals. An INT3 here raises SIGTRAP; its handler keeps the
 * interrupted context and puts the case's registers in its place, so the return from the signal
 * starts the case with everything loaded at once. The exception that ends it arrives in a handler
 * too, which reads the registers and puts the kept context back. A seccomp filter turns system
 * calls from the case's pages into SIGSYS, so random code reaches nothing beyond this process.
 */
#include "tests/insn/native.h"

#include "tests/insn/case-segments.h"
#include "tests/insn/native-segments.h"
#include "util/error.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define TICK_NS 10000000
#define XSAVE_HEADER 512
#define SW_RESERVED 464 /* the kernel's own notes at the end of the legacy area */
#define CASE_COMPONENTS 0xe7ull
#define VECTOR_PAGE_FAULT 14

void (*native_tick)(void);
unsigned native_tick_limit = 3;

static struct {
    volatile enum { IDLE, ENTERING, RUNNING } phase;
    const CaseState *state;
    CaseOutcome *outcome;
    gregset_t kept;
    volatile unsigned ticks;
    NativeSegments host; /* as C code wants them */
} run;

static struct sigaction previous[NSIG];

static const uint8_t gpr_slots[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                      REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                      REG_R12, REG_R13, REG_R14, REG_R15};

/* -- Memory ----------------------------------------------------------------------------------- */

static bool map_pages(const CaseMemory *image, Error **err)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        void *at = (void *)case_pages[i].linear;
        int rights = PROT_READ | (case_pages[i].may_write ? PROT_WRITE : 0) |
                     (case_pages[i].may_execute ? PROT_EXEC : 0);

        if (mmap(at, CASE_PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at) {
            return error_set_errno(err, errno, "cannot map a page at %p", at);
        }
        memcpy(at, image->page[i], CASE_PAGE);
        if (mprotect(at, CASE_PAGE, rights)) {
            return error_set_errno(err, errno, "cannot protect the page at %p", at);
        }
    }
    return true;
}

void native_set_memory(const CaseMemory *image)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (case_pages[i].may_write) {
            memcpy((void *)case_pages[i].linear, image->page[i], CASE_PAGE);
        }
    }
}

void native_get_memory(CaseMemory *ret_memory)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        memcpy(ret_memory->page[i], (const void *)case_pages[i].linear, CASE_PAGE);
    }
}

/* -- Contexts --------------------------------------------------------------------------------- */

static uint8_t *fpu_image(ucontext_t *context)
{
    return (uint8_t *)context->uc_mcontext.fpregs;
}

/* CS, GS, FS and SS lie in one word of the kernel's frame; it looks at CS and SS only. */
static void put_code_and_stack(greg_t *regs, const CaseState *state)
{
    regs[REG_CSGSFS] =
        (greg_t)((uint64_t)state->selector[SEG_CS] | (uint64_t)state->selector[SEG_SS] << 48);
}

/* Registers of the kernel's frame that cases do not know keep what the frame says. */
static void put_fpu(ucontext_t *context, const CaseFpu *fpu)
{
    uint8_t *image = fpu_image(context), ours[CASE_XSAVE_SIZE];
    uint64_t components, own;

    memcpy(&components, image + XSAVE_HEADER, sizeof(components));
    case_fpu_to_image(fpu, ours);
    memcpy(&own, ours + XSAVE_HEADER, sizeof(own));
    memcpy(image, ours, SW_RESERVED);
    components = (components & ~CASE_COMPONENTS) | own;
    memcpy(image + XSAVE_HEADER, &components, sizeof(components));
    for (unsigned i = 2; i < 8; i++) {
        if (own >> i & 1) {
            CaseComponent component = case_component(i);
            memcpy(image + component.offset, ours + component.offset, component.size);
        }
    }
}

NATIVE_HANDLER static void begin(ucontext_t *context)
{
    greg_t *regs = context->uc_mcontext.gregs;

    memcpy(run.kept, regs, sizeof(run.kept));
    for (unsigned i = 0; i < 16; i++) {
        regs[gpr_slots[i]] = (greg_t)run.state->gpr[i];
    }
    regs[REG_RIP] = (greg_t)run.state->rip;
    regs[REG_EFL] = (greg_t)((regs[REG_EFL] & ~(greg_t)CASE_EFLAGS) | (greg_t)run.state->eflags);
    put_code_and_stack(regs, run.state);
    put_fpu(context, &run.state->fpu);
    run.ticks = 0;
    run.phase = RUNNING;
    native_segments_load(&(NativeSegments){
        .ds = run.state->selector[SEG_DS],
        .es = run.state->selector[SEG_ES],
        .fs = run.state->selector[SEG_FS],
        .gs = run.state->selector[SEG_GS],
        .fs_base = run.state->fs_base,
        .gs_base = run.state->gs_base,
    });
}

static void get_segments(CaseState *state, const greg_t *regs, const NativeSegments *segments)
{
    uint64_t packed = (uint64_t)regs[REG_CSGSFS];

    state->selector[SEG_CS] = (uint16_t)packed;
    state->selector[SEG_SS] = (uint16_t)(packed >> 48);
    state->selector[SEG_DS] = segments->ds;
    state->selector[SEG_ES] = segments->es;
    state->selector[SEG_FS] = segments->fs;
    state->selector[SEG_GS] = segments->gs;
    state->fs_base = segments->fs_base;
    state->gs_base = segments->gs_base;
}

static void finish(ucontext_t *context, CaseEnd end, const NativeSegments *segments)
{
    static const CaseFpu clean = {.fcw = 0x37f, .mxcsr = 0x1f80};
    greg_t *regs = context->uc_mcontext.gregs;
    CaseOutcome *outcome = run.outcome;

    outcome->end = end;
    outcome->vector = (unsigned)regs[REG_TRAPNO];
    outcome->error_code = (uint32_t)regs[REG_ERR];
    outcome->cr2 = outcome->vector == VECTOR_PAGE_FAULT ? (uint64_t)regs[REG_CR2] : 0;
    for (unsigned i = 0; i < 16; i++) {
        outcome->state.gpr[i] = (uint64_t)regs[gpr_slots[i]];
    }
    outcome->state.rip = (uint64_t)regs[REG_RIP];
    outcome->state.eflags = (uint64_t)regs[REG_EFL] & CASE_EFLAGS_SEEN;
    get_segments(&outcome->state, regs, segments);
    case_fpu_from_image(&outcome->state.fpu, fpu_image(context));
    memcpy(regs, run.kept, sizeof(run.kept));
    put_fpu(context, &clean);
    run.phase = IDLE;
}

/* -- Signals ---------------------------------------------------------------------------------- */

/* AC, NT and ID: the kernel leaves them alone when a signal arrives, and the last two when its
 * handler returns. */
static inline __attribute__((always_inline)) void set_sticky_flags(uint64_t flags)
{
    __asm__ volatile("subq $128, %%rsp; pushfq; andq $0xffffffffffdbbfff, (%%rsp)\n\t"
                     "orq %0, (%%rsp); popfq; addq $128, %%rsp"
                     :
                     : "r"(flags & (EFLAGS_NT | EFLAGS_ID))
                     : "cc", "memory");
}

/* What the case may have changed of what C code takes for granted: alignment checks and the data
 * segments. Comes before anything that looks at thread-local data. */
static inline __attribute__((always_inline)) void restore_environment(NativeSegments *ret_segments)
{
    set_sticky_flags(0);
    native_segments_read(ret_segments);
    native_segments_load(&run.host);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    const struct sigaction *action = &previous[number];

    if (action->sa_flags & SA_SIGINFO) {
        action->sa_sigaction(number, info, context);
    } else {
        signal(number, SIG_DFL);
    }
}

NATIVE_HANDLER static void on_fault(int number, siginfo_t *info, void *context)
{
    NativeSegments segments;

    if (run.phase == RUNNING) {
        restore_environment(&segments);
        finish(context, number == SIGSYS ? CASE_REFUSED : CASE_EXCEPTION, &segments);
    } else if (run.phase == ENTERING && number == SIGTRAP) {
        begin(context);
    } else {
        pass_on(number, info, context);
    }
}

NATIVE_HANDLER static void on_tick(int number, siginfo_t *info, void *context)
{
    NativeSegments segments;

    if (run.phase == RUNNING) {
        restore_environment(&segments);
        if (++run.ticks > native_tick_limit) {
            finish(context, CASE_TIMEOUT, &segments);
        } else {
            native_segments_load(&segments);
            set_sticky_flags((uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL]);
        }
    } else if (run.phase == IDLE && native_tick) {
        native_tick();
    }
}

static bool install_handlers(Error **err)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGALRM};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigset_t unblocked;

    sigfillset(&action.sa_mask);
    sigemptyset(&unblocked);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaddset(&unblocked, numbers[i]);
        action.sa_sigaction = numbers[i] == SIGALRM ? on_tick : on_fault;
        if (sigaction(numbers[i], &action, &previous[numbers[i]])) {
            return error_set_errno(err, errno, "cannot handle signal %d", numbers[i]);
        }
    }
    sigprocmask(SIG_UNBLOCK, &unblocked, NULL);
    return true;
}

static bool start_ticks(Error **err)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    struct itimerspec period = {{0, TICK_NS}, {0, TICK_NS}};
    timer_t timer;

    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &period, NULL)) {
        return error_set_errno(err, errno, "cannot start a timer");
    }
    return true;
}

/* System calls from the code pages, and all that 32-bit code makes, become SIGSYS. */
static bool forbid_system_calls(Error **err)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)(CASE_FAR + CASE_PAGE + 16), 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)CASE_CODE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {sizeof(rules) / sizeof(rules[0]), rules};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        return error_set_errno(err, errno, "cannot filter system calls");
    }
    return true;
}

bool native_init(const CaseMemory *image, Error **err)
{
    if (__builtin_cpu_supports("avx") == 0) {
        return error_set(err, "the host has no AVX");
    }
    native_segments_read(&run.host);
    return map_pages(image, err) && native_set_ldt(err) && install_handlers(err) &&
           start_ticks(err) && forbid_system_calls(err);
}

void native_run(const CaseState *state, CaseOutcome *ret_outcome)
{
    run.state = state;
    run.outcome = ret_outcome;
    run.phase = ENTERING;
    __asm__ volatile("int3"
                     :
                     :
                     : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
}
