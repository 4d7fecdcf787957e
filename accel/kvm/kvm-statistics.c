/* SPDX-License-Identifier: MIT */
/* Text of `info kvm`: what the guest left the guest mode for. */
#include "accel/kvm/kvm-internal.h"

#include <inttypes.h>
#include <string.h>

static const char *irqchip_name(void)
{
    static const char *const names[] = {
        [KVM_IRQCHIP_ON] = "on", [KVM_IRQCHIP_OFF] = "off", [KVM_IRQCHIP_SPLIT] = "split"};

    return names[kvm.irqchip];
}

static void append_exits(GString *text, const char *name,
                         uint64_t (*count)(const KvmVcpu *, unsigned), unsigned which)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < vcpu_count(); i++) {
        const KvmVcpu *kv = kvm_of(vcpu_get(i));
        total += kv ? count(kv, which) : 0;
    }
    if (total == 0) {
        return;
    }
    g_string_append_printf(text, "%-16s %12" PRIu64, name, total);
    for (unsigned i = 0; vcpu_count() > 1 && i < vcpu_count(); i++) {
        const KvmVcpu *kv = kvm_of(vcpu_get(i));
        g_string_append_printf(text, " %12" PRIu64, kv ? count(kv, which) : 0);
    }
    g_string_append_c(text, '\n');
}

static uint64_t exits_of(const KvmVcpu *kv, unsigned reason)
{
    return __atomic_load_n(&kv->exits[reason], __ATOMIC_RELAXED);
}

static uint64_t runs_of(const KvmVcpu *kv, unsigned which)
{
    return __atomic_load_n(&kv->runs, __ATOMIC_RELAXED);
}

static uint64_t interrupts_of(const KvmVcpu *kv, unsigned which)
{
    return __atomic_load_n(&kv->interrupts, __ATOMIC_RELAXED);
}

static uint64_t kicks_of(const KvmVcpu *kv, unsigned which)
{
    return __atomic_load_n(&kv->kicks, __ATOMIC_RELAXED);
}

static uint64_t sum_of(uint64_t (*count)(const KvmVcpu *, unsigned), unsigned which)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < vcpu_count(); i++) {
        const KvmVcpu *kv = kvm_of(vcpu_get(i));
        total += kv ? count(kv, which) : 0;
    }
    return total;
}

void kvm_count(AccelCountFn *fn, void *opaque)
{
    uint64_t other = 0;

    for (unsigned reason = 0; reason < KVM_EXIT_REASONS; reason++) {
        const char *name = kvm_exit_name(reason);
        uint64_t total = sum_of(exits_of, reason);

        if (strcmp(name, "other") == 0) {
            other += total;
        } else if (total) {
            g_autofree char *row = g_strdup_printf("exits, %s", name);
            fn(row, total, opaque);
        }
    }
    fn("exits, other", other, opaque);
    fn("runs", sum_of(runs_of, 0), opaque);
    fn("injected", sum_of(interrupts_of, 0), opaque);
    fn("kicks", sum_of(kicks_of, 0), opaque);
}

char *kvm_info_text(void)
{
    GString *text = g_string_new("kvm support: enabled\n");

    g_string_append_printf(text, "kernel-irqchip: %s\nwritten pages: %s\n", irqchip_name(),
                           kvm.dirty_ring_bytes ? "rings" : "logs");
    g_string_append(text, "exits:\n");
    for (unsigned reason = 0; reason < KVM_EXIT_REASONS; reason++) {
        append_exits(text, kvm_exit_name(reason), exits_of, reason);
    }
    append_exits(text, "runs", runs_of, 0);
    append_exits(text, "injected", interrupts_of, 0);
    append_exits(text, "kicks", kicks_of, 0);
    return g_string_free(text, FALSE);
}
