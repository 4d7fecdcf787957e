/* SPDX-License-Identifier: MIT */
/*
 * Host faults in translated code, told apart by trap number and place.
 *
 * The handler does nothing but redirect: it notes trap, address and place in the CPU and sets RIP
 * of the interrupted context to a stub, which stores the guest's registers as they were. sigreturn
 * puts the FPU state back, so nothing of it has to be converted. A fault anywhere else is our own
 * bug and takes the default action.
 */
#include "accel/tcg/tcg-internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static __thread X86Cpu *signal_cpu; /* initial-exec: set before the first fault can happen */

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

/* Nothing that could be put right. BUS_ADRERR is mapped memory the host has no page for. */
static void give_up(int number, const siginfo_t *info)
{
    static const char no_page[] = "the host has no page for guest RAM: its file was cut short, or "
                                  "the file system or the huge pages are used up\n";

    if (number == SIGBUS && info->si_code == BUS_ADRERR) {
        ssize_t written = write(STDERR_FILENO, no_page, sizeof(no_page) - 1);
        (void)written; /* there may be nobody to tell */
    }
    signal(number, SIG_DFL); /* returning faults again, now for good and with a core */
}

/* Traps that an instruction of the guest's can cause; its memory has been checked before. */
static bool is_guest_trap(greg_t trap)
{
    switch (trap) {
    case 0:  /* #DE */
    case 6:  /* #UD */
    case 12: /* #SS: the address is through RBP, and an empty TlbSlot led nowhere */
    case 13: /* #GP: a misaligned SSE operand */
    case 16: /* #MF */
    case 17: /* #AC */
    case 19: /* #XM */
        return true;
    default:
        return false;
    }
}

/* An instruction in exact mode tries which pages it touches. */
static bool is_window_fault(const X86Cpu *cpu, greg_t trap, const uint8_t *pc)
{
    return trap == 14 && code_cache_is_thunk(pc) &&
           cpu->tcg.fault_address - (uint64_t)(uintptr_t)cpu->tcg.window <
               WINDOW_PAGES * TARGET_PAGE_SIZE;
}

static void on_host_fault(int number, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *pc = (const uint8_t *)regs[REG_RIP];
    X86Cpu *cpu = signal_cpu;

    if (!cpu || !code_cache_contains(pc)) {
        give_up(number, info);
        return;
    }
    cpu->tcg.fault_pc = (uint64_t)pc;
    cpu->tcg.fault_trap = (uint32_t)regs[REG_TRAPNO];
    cpu->tcg.fault_address = (uint64_t)info->si_addr;
    if (pc < code_cache.execute + code_cache.stubs_end) {
        give_up(number, info);
    } else if (number == SIGSEGV && cpu->tcg.fault_address == POLL_TRAP_ADDRESS) {
        regs[REG_RIP] = (greg_t)stubs.exit_poll;
    } else if (is_window_fault(cpu, regs[REG_TRAPNO], pc)) {
        regs[REG_RIP] = (greg_t)stubs.thunk_fault;
    } else if (!is_guest_trap(regs[REG_TRAPNO])) {
        give_up(number, info);
    } else if (code_cache_is_thunk(pc)) {
        regs[REG_RIP] = (greg_t)stubs.thunk_fault;
    } else {
        regs[REG_RIP] = (greg_t)stubs.exit_fault;
    }
}

bool host_signals_init(Error **err)
{
    struct sigaction action = {.sa_sigaction = on_host_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < G_N_ELEMENTS(fault_signals); i++) {
        sigdelset(&action.sa_mask, fault_signals[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fault_signals); i++) {
        if (sigaction(fault_signals[i], &action, NULL) < 0) {
            return error_set_errno(err, errno, "cannot handle signal %d", fault_signals[i]);
        }
    }
    return true;
}

static __thread stack_t signal_stack; /* ss_sp NULL: none yet */

bool host_signals_init_thread(Error **err)
{
    size_t minimum = getauxval(AT_MINSIGSTKSZ);
    size_t size = ((minimum ? minimum : (size_t)MINSIGSTKSZ) + 65536 + 4095) & ~(size_t)4095;
    stack_t stack = {.ss_size = size};

    if (signal_stack.ss_sp) {
        return true;
    }
    stack.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) < 0) {
        return error_set_errno(err, errno, "cannot make a signal stack");
    }
    signal_stack = stack;
    return true;
}

void host_signals_end_thread(void)
{
    const stack_t none = {.ss_flags = SS_DISABLE};

    if (signal_stack.ss_sp && sigaltstack(&none, NULL) == 0) {
        munmap(signal_stack.ss_sp, signal_stack.ss_size);
        signal_stack.ss_sp = NULL;
    }
}

void host_signals_select(X86Cpu *cpu)
{
    signal_cpu = cpu;
}

X86Cpu *host_signals_selected(void)
{
    return signal_cpu;
}
