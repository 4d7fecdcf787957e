/* SPDX-License-Identifier: MIT */
/* Machine checks: which bank takes an error, and whether the CPU gets #MC or shuts down. The
 * exception itself is an event between instructions: events.c, and kvm-events.c under KVM. */
#include "target/i386/machine-check.h"

#include "softmmu/run-end.h"
#include "softmmu/run.h"
#include "target/i386/cpu-model.h"
#include "util/event.h"

#include <jansson.h>

/* IA32_MCG_STATUS */
#define MCG_STATUS_MCIP 0x4u /* in progress: a second one is a shutdown */
#define MCG_STATUS_BITS 0x7u

/* The registers of a bank. */
enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC };

/* 06_0EH, the first that broadcasts */
#define BROADCAST_FAMILY 6
#define BROADCAST_MODEL 0xe

/* -- MEMORY_FAILURE ---------------------------------------------------------------------------- */

static const char *const recipients[] = {"hypervisor", "guest", NULL};
static const char *const actions[] = {"ignore", "inject", "fatal", "reset", NULL};
static const JsonType recipient_type = {.kind = JSON_KIND_ENUM, .values = recipients};
static const JsonType action_type = {.kind = JSON_KIND_ENUM, .values = actions};
static const JsonMember flag_members[] = {
    {"action-required", &json_type_bool}, {"recursive", &json_type_bool}, {NULL}};
static const JsonType flags_type = {.kind = JSON_KIND_OBJECT, .members = flag_members};
static const JsonMember failure_members[] = {
    {"recipient", &recipient_type}, {"action", &action_type}, {"flags", &flags_type}, {NULL}};
static const JsonType failure_type = {.kind = JSON_KIND_OBJECT, .members = failure_members};
static const EventType failure_event = {
    "MEMORY_FAILURE", "a CPU was told of an error of the hardware", &failure_type};
EVENT(failure_event);

static void tell_of(const char *recipient, const char *action, bool needs_action, bool is_recursive)
{
    event_emit(&failure_event,
               json_pack("{s:s, s:s, s:{s:b, s:b}}", "recipient", recipient, "action", action,
                         "flags", "action-required", needs_action, "recursive", is_recursive));
}

static void tell(const char *action, bool needs_action, bool is_recursive)
{
    tell_of("guest", action, needs_action, is_recursive);
}

void machine_check_not_told(void)
{
    tell_of("hypervisor", "fatal", true, false);
}

/* -- Errors ------------------------------------------------------------------------------------ */

bool machine_check_is_possible(const X86Cpu *cpu, const MachineCheck *check, Error **err)
{
    unsigned count = (unsigned)(cpu->mcg_cap & MCG_CAP_BANKS);

    if (!cpu_has(cpu, FEATURE_MCE) || !cpu_has(cpu, FEATURE_MCA)) {
        return error_set(err, "CPU %u is of a model without machine checks", cpu->vcpu.index);
    }
    if (check->bank >= count) {
        return error_set(err, "bank %u: this CPU has banks 0 to %u", check->bank, count - 1);
    }
    return check->status & MCI_STATUS_VAL ||
           error_set(err, "a status without bit 63 is none of an error");
}

bool machine_check_is_broadcast(const X86Cpu *cpu)
{
    return !cpu->model->is_amd &&
           (cpu->model->family > BROADCAST_FAMILY ||
            (cpu->model->family == BROADCAST_FAMILY && cpu->model->model >= BROADCAST_MODEL));
}

/* The first of two errors stays when it is worse, or as bad. */
static void log_in_bank(uint64_t *bank, const MachineCheck *check)
{
    uint64_t before = bank[BANK_STATUS];

    if (before & MCI_STATUS_VAL && before & MCI_STATUS_UC) {
        bank[BANK_STATUS] |= MCI_STATUS_OVER;
        return;
    }
    bank[BANK_STATUS] = check->status | (before & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0);
    bank[BANK_ADDR] = check->address;
    bank[BANK_MISC] = check->misc;
}

/* #MC is an abort that cannot wait: where it cannot be taken the CPU shuts down. */
static MachineCheckResult raise_exception(X86Cpu *cpu, uint64_t global, bool needs_action)
{
    bool is_recursive = cpu->mcg_status & MCG_STATUS_MCIP;

    if (is_recursive || !(cpu->cr4 & CR4_MCE)) {
        tell("reset", needs_action, is_recursive);
        cpu->halted = true;
        cpu->eflags &= ~(uint64_t)EFLAGS_IF;
        system_triple_fault(cpu->vcpu.index, cpu->rip);
        return MACHINE_CHECK_LOST;
    }
    cpu->mcg_status = (global & MCG_STATUS_BITS) | MCG_STATUS_MCIP;
    tell("inject", needs_action, false);
    cpu_raise_event(cpu, CPU_EVENT_MCE);
    return MACHINE_CHECK_RAISED;
}

MachineCheckResult machine_check_inject(X86Cpu *cpu, const MachineCheck *check)
{
    uint64_t *bank = cpu->mce_bank[check->bank];
    bool needs_action = check->status & MCI_STATUS_AR;

    if (!(check->status & MCI_STATUS_UC)) {
        log_in_bank(bank, check);
        tell("inject", needs_action, false);
        return MACHINE_CHECK_LOGGED;
    }
    if (cpu->mcg_ctl != UINT64_MAX || bank[BANK_CTL] != UINT64_MAX) {
        return MACHINE_CHECK_OFF;
    }
    if (!(cpu->mcg_status & MCG_STATUS_MCIP) && cpu->cr4 & CR4_MCE) {
        log_in_bank(bank, check);
    }
    return raise_exception(cpu, check->global, needs_action);
}

MachineCheckResult machine_check_join(X86Cpu *cpu)
{
    return cpu->wait_for_sipi ? MACHINE_CHECK_OFF : raise_exception(cpu, MCG_STATUS_RIPV, false);
}
