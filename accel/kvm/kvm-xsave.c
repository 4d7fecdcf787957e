/* SPDX-License-Identifier: MIT */
/* x87, SSE, AVX and the rest of XSAVE's state, and XCR0. The kernel's image and X86Cpu.fpu have the
 * same form, the standard one of the host. */
#include "accel/kvm/kvm-internal.h"
#include "target/i386/helpers/fpu-state.h"

static void *image(KvmVcpu *kv)
{
    return kv->xsave ? kv->xsave : kv->cpu->fpu;
}

/* X86Cpu has the x87 pointers and PKRU beside its image. */
static void take_apart(X86Cpu *cpu)
{
    const XsaveComponent *pkru = &cpu->model->xsave[XSAVE_PKRU];

    cpu->guest_fip = fpu_get64(cpu, FX_FIP);
    cpu->guest_fdp = fpu_get64(cpu, FX_FDP);
    cpu->guest_fop = fpu_get16(cpu, FX_FOP);
    fpu_put16(cpu, FX_FOP, 0);
    fpu_put64(cpu, FX_FIP, 0);
    fpu_put64(cpu, FX_FDP, 0);
    if (pkru->size) {
        bool is_valid = fpu_get64(cpu, FX_XSTATE_BV) & XCR0_PKRU;

        cpu->pkru = is_valid ? fpu_get32(cpu, pkru->offset) : 0;
    }
}

static void put_together(X86Cpu *cpu)
{
    const XsaveComponent *pkru = &cpu->model->xsave[XSAVE_PKRU];

    fpu_put64(cpu, FX_FIP, cpu->guest_fip);
    fpu_put64(cpu, FX_FDP, cpu->guest_fdp);
    fpu_put16(cpu, FX_FOP, cpu->guest_fop);
    if (pkru->size) {
        fpu_put32(cpu, pkru->offset, cpu->pkru);
        fpu_mark_valid(cpu, XCR0_PKRU);
    }
}

static void save_xcr0(KvmVcpu *kv)
{
    struct kvm_xcrs xcrs = {0};
    int result;

    if (!kvm.has_xcrs || !cpu_has(kv->cpu, FEATURE_XSAVE)) {
        return;
    }
    result = kvm_vcpu_ioctl(kv, KVM_GET_XCRS, &xcrs);
    if (result < 0) {
        kvm_complain("reading XCR0", result);
    }
    for (uint32_t i = 0; i < xcrs.nr_xcrs && i < KVM_MAX_XCRS; i++) {
        if (xcrs.xcrs[i].xcr == 0) {
            kv->cpu->xcr0 = xcrs.xcrs[i].value;
        }
    }
}

void kvm_xsave_save(KvmVcpu *kv)
{
    bool is_large = kvm.xsave_size > sizeof(struct kvm_xsave);
    int result = kvm_vcpu_ioctl(kv, is_large ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, image(kv));

    if (result < 0) {
        kvm_complain("reading XSAVE state", result);
        return;
    }
    if (kv->xsave) {
        memcpy(kv->cpu->fpu, kv->xsave, sizeof(kv->cpu->fpu));
    }
    take_apart(kv->cpu);
    save_xcr0(kv);
}

/* XCR0 first: it says which components there may be. */
void kvm_xsave_load(KvmVcpu *kv)
{
    struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = kv->cpu->xcr0}}};
    int result = 0;

    if (kvm.has_xcrs && cpu_has(kv->cpu, FEATURE_XSAVE)) {
        result = kvm_vcpu_ioctl(kv, KVM_SET_XCRS, &xcrs);
    }
    if (result < 0) {
        kvm_complain("loading XCR0", result);
    }
    put_together(kv->cpu);
    if (kv->xsave) {
        memcpy(kv->xsave, kv->cpu->fpu, sizeof(kv->cpu->fpu));
    }
    result = kvm_vcpu_ioctl(kv, KVM_SET_XSAVE, image(kv));
    if (result < 0) {
        kvm_complain("loading XSAVE state", result);
    }
    take_apart(kv->cpu);
}
