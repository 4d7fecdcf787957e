/* SPDX-License-Identifier: MIT */
/*
 * Memory of the host that has failed. The kernel takes such a page away; the guest that touches it
 * makes the kernel send SIGBUS to the thread that is in KVM_RUN. The handler notes the address, the
 * vCPU's loop makes a machine check of it, and what becomes of that is the guest's affair. One that
 * has not switched machine checks on cannot be told: the machine stops. The page stays lost, as
 * other CPUs may look at it, until a reset begins with another one. Anything else that raises
 * SIGBUS ends the process: it was our own access.
 *
 * Errors that somebody may act upon (BUS_MCEERR_AO) wait until the page is touched.
 */
#include "accel/kvm/kvm-slots.h"
#include "target/i386/machine-check.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#define ERROR_BANK 1 /* data cache of Intel's */
#define LOST_STATUS                                                                                \
    (MCI_STATUS_VAL | MCI_STATUS_UC | MCI_STATUS_EN | MCI_STATUS_MISCV | MCI_STATUS_ADDRV |        \
     MCI_STATUS_S | MCI_STATUS_AR | MCI_DATA_LOAD)

typedef struct LostPage {
    void *host;
    uint64_t physical;
} LostPage;

static GArray *lost_pages; /* since the last reset; under the lock */

/* -- The signal -------------------------------------------------------------------------------- */

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    static const char own_access[] = "memory of the host has failed, or is gone, that the emulator "
                                     "itself was about to use\n";
    const Vcpu *self = vcpu_self();
    KvmVcpu *kv = self ? kvm_of(self) : NULL;

    if (info->si_code == BUS_MCEERR_AO) {
        return;
    }
    if (info->si_code == BUS_MCEERR_AR && kv && __atomic_load_n(&kv->in_kernel, __ATOMIC_RELAXED)) {
        __atomic_store_n(&kv->lost_page, info->si_addr, __ATOMIC_RELAXED);
        __atomic_store_n(&kv->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
        return;
    }
    ssize_t written = write(STDERR_FILENO, own_access, sizeof(own_access) - 1);
    (void)written;           /* there may be nobody to tell */
    signal(number, SIG_DFL); /* happens again, and then ends the process */
}

bool kvm_memory_errors_init(Error **err)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

    sigfillset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) == 0 ||
           error_set_errno(err, errno, "cannot handle SIGBUS");
}

/* -- What becomes of it ------------------------------------------------------------------------ */

static bool find_physical(const void *host, uint64_t *ret_physical)
{
    GArray *slots = kvm_slots(0);

    for (guint i = 0; i < slots->len; i++) {
        const KvmSlot *slot = &g_array_index(slots, KvmSlot, i);
        uint64_t offset = (uintptr_t)host - (uintptr_t)slot->host;

        if (offset < slot->size) {
            *ret_physical = slot->start + offset;
            return true;
        }
    }
    return false;
}

static void join(Vcpu *vcpu, void *opaque)
{
    machine_check_join(vcpu->cpu);
}

/* False: the guest cannot be told. */
static bool tell_guest(KvmVcpu *kv, uint64_t physical)
{
    const MachineCheck check = {.bank = ERROR_BANK,
                                .status = LOST_STATUS,
                                .global = MCG_STATUS_EIPV,
                                .address = physical,
                                .misc = MCI_MISC_PHYSICAL | MCI_MISC_PAGE};
    MachineCheckResult result;

    if (!kvm.mce_banks || !machine_check_is_possible(kv->cpu, &check, NULL)) {
        return false;
    }
    result = machine_check_inject(kv->cpu, &check);
    for (unsigned i = 0; result == MACHINE_CHECK_RAISED && i < vcpu_count(); i++) {
        if (vcpu_get(i) != kv->vcpu && machine_check_is_broadcast(kv->cpu)) {
            vcpu_post(vcpu_get(i), join, NULL);
        }
    }
    return result != MACHINE_CHECK_OFF;
}

void kvm_memory_lost(KvmVcpu *kv)
{
    void *host = __atomic_exchange_n(&kv->lost_page, NULL, __ATOMIC_RELAXED);
    uint64_t physical = 0;
    bool is_ram = find_physical(host, &physical);
    LostPage lost = {host, physical};

    if (!lost_pages) {
        lost_pages = g_array_new(FALSE, FALSE, sizeof(LostPage));
    }
    g_array_append_val(lost_pages, lost);
    kv->vcpu->ops->save(kv->vcpu);
    if (is_ram && tell_guest(kv, physical)) {
        warn_report("memory of the host has failed under guest address 0x%" PRIx64
                    "; the guest is told by a machine check",
                    physical);
        return;
    }
    g_autofree char *what =
        g_strdup_printf("memory of the host has failed under guest address 0x%" PRIx64, physical);
    machine_check_not_told();
    kvm_report(kv, what,
               "the guest has not switched machine checks on; `system_reset` and `cont` "
               "start it again, with other memory");
}

bool kvm_memory_is_lost(uint64_t physical)
{
    for (guint i = 0; lost_pages && i < lost_pages->len; i++) {
        uint64_t lost = g_array_index(lost_pages, LostPage, i).physical;

        if (lost >> TARGET_PAGE_BITS == physical >> TARGET_PAGE_BITS) {
            return true;
        }
    }
    return false;
}

void kvm_memory_renew(void)
{
    for (guint i = 0; lost_pages && i < lost_pages->len; i++) {
        uint64_t offset;
        RamBlock *block = ram_block_from_host(g_array_index(lost_pages, LostPage, i).host, &offset);
        g_autoptr(Error) err = NULL;

        if (block && !ram_block_renew(block, offset, &err)) {
            warn_report("%s", error_message(err));
        }
    }
    g_clear_pointer(&lost_pages, g_array_unref);
}
