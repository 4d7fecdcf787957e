/* SPDX-License-Identifier: MIT */
/* MSRs between X86Cpu and the kernel: rows, of which those count that the kernel and the CPU's
 * model have. */
#include "accel/kvm/kvm-internal.h"
#include "util/log.h"

#include <stddef.h>

/* When a row is loaded; all are saved but those of MSR_NEVER_SAVED. */
typedef enum MsrWhen {
    MSR_ALWAYS,
    MSR_ON_RESET,   /* goes on by itself: a value that was saved is stale */
    MSR_NEVER_SAVED /* ...and X86Cpu's is a constant */
} MsrWhen;

typedef struct KvmMsrRow {
    uint32_t first, count, step; /* of the MSRs */
    uint32_t offset, stride;     /* in X86Cpu, of the first; bytes to the next */
    unsigned feature;            /* that it comes with; 0: the kernel lists it if it has it */
    MsrWhen when;
} KvmMsrRow;

#define ONE(msr, member, ...)                                                                      \
    {                                                                                              \
        .first = msr, .count = 1, .offset = offsetof(X86Cpu, member), __VA_ARGS__                  \
    }
#define MANY(msr, number, step_, member, stride_, ...)                                             \
    {                                                                                              \
        .first = msr, .count = number, .step = step_, .offset = offsetof(X86Cpu, member),          \
        .stride = stride_, __VA_ARGS__                                                             \
    }
#define WITH(which) .feature = which

static const KvmMsrRow rows[] = {
    ONE(MSR_SYSENTER_CS, sysenter_cs),
    ONE(MSR_SYSENTER_ESP, sysenter_esp),
    ONE(MSR_SYSENTER_EIP, sysenter_eip),
    ONE(MSR_STAR, star),
    ONE(MSR_LSTAR, lstar),
    ONE(MSR_CSTAR, cstar),
    ONE(MSR_FMASK, fmask),
    ONE(MSR_KERNEL_GS_BASE, kernel_gs_base),
    ONE(MSR_PAT, pat),
    ONE(MSR_TSC_AUX, tsc_aux, WITH(FEATURE_RDTSCP)),
    ONE(MSR_MISC_ENABLE, misc_enable),
    ONE(MSR_SPEC_CTRL, spec_ctrl),
    ONE(MSR_XSS, xss),
    ONE(MSR_DEBUGCTL, debugctl),
    ONE(MSR_MISC_FEATURES, misc_features),
    ONE(MSR_HWCR, hwcr),
    ONE(MSR_BIOS_SIGN, bios_sign, .when = MSR_NEVER_SAVED),
    ONE(MSR_MTRR_DEF_TYPE, mtrr_def_type, WITH(FEATURE_MTRR)),
    MANY(MSR_MTRR_FIX64K, 1, 1, mtrr_fixed[0], 8, WITH(FEATURE_MTRR)),
    MANY(MSR_MTRR_FIX16K_0, 2, 1, mtrr_fixed[1], 8, WITH(FEATURE_MTRR)),
    MANY(MSR_MTRR_FIX4K_0, 8, 1, mtrr_fixed[3], 8, WITH(FEATURE_MTRR)),
    MANY(MSR_MTRR_PHYSBASE0, MTRR_COUNT, 2, mtrr_base[0], 8, WITH(FEATURE_MTRR)),
    MANY(MSR_MTRR_PHYSBASE0 + 1, MTRR_COUNT, 2, mtrr_mask[0], 8, WITH(FEATURE_MTRR)),
    ONE(MSR_MCG_STATUS, mcg_status, WITH(FEATURE_MCA)),
    ONE(MSR_MCG_CTL, mcg_ctl, WITH(FEATURE_MCA)),
    MANY(MSR_MC0_CTL, MCE_BANK_COUNT * 4, 1, mce_bank[0][0], 8, WITH(FEATURE_MCA)),
    ONE(MSR_TSC_ADJUST, tsc_adjust, .when = MSR_ON_RESET),
    ONE(MSR_TSC, tsc_offset, .when = MSR_ON_RESET),
};

/* Of KVM's own devices: clocks, steal time, page faults told to the guest. */
static const uint32_t pv_msrs[KVM_PV_MSR_COUNT] = {0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03,
                                                   0x4b564d04, 0x4b564d05, 0x4b564d06};

#define PV_POLL_CONTROL 5 /* the host polls before it halts: on */
#define KVM_MSR_SMBASE 0x9e

/* One call's worth. */
typedef struct MsrBatch {
    uint32_t count, reserved;
    struct kvm_msr_entry entries[160];
    uint64_t *values[160];
} MsrBatch;

static bool is_listed(uint32_t msr)
{
    for (uint32_t i = 0; i < kvm.msrs->nmsrs; i++) {
        if (kvm.msrs->indices[i] == msr) {
            return true;
        }
    }
    return false;
}

static bool is_offered(const KvmVcpu *kv, const KvmMsrRow *row)
{
    if (row->first == MSR_MCG_STATUS && !kvm.mce_banks) {
        return false;
    }
    if (row->first == MSR_MCG_CTL && !(kvm.mce_capability & MCG_CAP_CTL_P)) {
        return false;
    }
    return row->feature ? cpu_has(kv->cpu, row->feature) : is_listed(row->first);
}

static void add(MsrBatch *batch, uint32_t msr, uint64_t *value)
{
    if (batch->count < G_N_ELEMENTS(batch->entries)) {
        batch->entries[batch->count] = (struct kvm_msr_entry){.index = msr, .data = *value};
        batch->values[batch->count++] = value;
    }
}

static void collect(KvmVcpu *kv, MsrBatch *batch, bool for_load)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const KvmMsrRow *row = &rows[i];
        bool wanted =
            for_load ? row->when == MSR_ALWAYS || kv->after_reset : row->when == MSR_ALWAYS;

        for (uint32_t n = 0; wanted && is_offered(kv, row) && n < row->count; n++) {
            uint8_t *value = (uint8_t *)kv->cpu + row->offset + n * row->stride;
            add(batch, row->first + n * row->step, (uint64_t *)value);
        }
    }
    if (kvm.has_smm) {
        add(batch, KVM_MSR_SMBASE, &kv->smbase);
    }
    for (unsigned i = 0; i < KVM_PV_MSR_COUNT; i++) {
        if (pv_msrs[i] && is_listed(pv_msrs[i])) {
            add(batch, pv_msrs[i], &kv->pv_msrs[i]);
        }
    }
}

/* The kernel stops at the first it does not take: that is left out, and it goes on behind it. */
static void transfer(KvmVcpu *kv, MsrBatch *batch, unsigned long request)
{
    uint32_t done = 0, count = batch->count;
    struct kvm_msrs *head = g_malloc(sizeof(*head) + sizeof(batch->entries));

    while (done < count) {
        int result;

        head->nmsrs = count - done;
        head->pad = 0;
        memcpy(head->entries, batch->entries + done, (count - done) * sizeof(head->entries[0]));
        result = kvm_vcpu_ioctl(kv, request, head);
        if (result < 0) {
            kvm_complain("transferring MSRs", result);
            break;
        }
        memcpy(batch->entries + done, head->entries, (size_t)result * sizeof(head->entries[0]));
        for (int i = 0; i < result; i++) {
            batch->entries[done + (uint32_t)i].reserved = 1;
        }
        done += (uint32_t)result;
        if (done < count) {
            LOG(LOG_UNIMP, "KVM does not take MSR 0x%x = 0x%llx\n", batch->entries[done].index,
                (unsigned long long)batch->entries[done].data);
            done++;
        }
    }
    g_free(head);
}

void kvm_msrs_save(KvmVcpu *kv)
{
    MsrBatch batch = {0};

    kv->smbase = kv->cpu->smbase;
    collect(kv, &batch, false);
    transfer(kv, &batch, KVM_GET_MSRS);
    for (uint32_t i = 0; i < batch.count; i++) {
        if (batch.entries[i].reserved) {
            *batch.values[i] = batch.entries[i].data;
        }
    }
    kv->cpu->smbase = (uint32_t)kv->smbase;
}

void kvm_msrs_load(KvmVcpu *kv)
{
    MsrBatch batch = {0};

    kv->smbase = kv->cpu->smbase;
    collect(kv, &batch, true);
    transfer(kv, &batch, KVM_SET_MSRS);
}

void kvm_msrs_reset(KvmVcpu *kv)
{
    memset(kv->pv_msrs, 0, sizeof(kv->pv_msrs));
    kv->pv_msrs[PV_POLL_CONTROL] = 1;
}
