/* SPDX-License-Identifier: MIT */
/* The I/O APIC that the kernel plays (KVM): its state while the machine stands still. */
#include "accel/kvm.h"
#include "hw/interrupt-info.h"
#include "hw/ioapic.h"
#include "softmmu/run.h"

#include <linux/kvm.h>
#include <string.h>

enum { ENTRY_MASKED = 1 << 16 };

typedef struct KvmIoApic {
    Device dev;
    uint32_t select, id, irr;
    uint64_t entries[IOAPIC_PIN_COUNT];
} KvmIoApic;

static void kvm_ioapic_sync(Object *obj)
{
    const KvmIoApic *ioapic = (const KvmIoApic *)obj;
    uint8_t bytes[KVM_CHIP_STATE_SIZE] = {0};
    struct kvm_ioapic_state state = {.base_address = IOAPIC_DEFAULT_BASE,
                                     .ioregsel = ioapic->select,
                                     .id = ioapic->id,
                                     .irr = ioapic->irr};

    for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
        state.redirtbl[pin].bits = ioapic->entries[pin];
    }
    memcpy(bytes, &state, sizeof(state));
    kvm_chip_write(KVM_IRQCHIP_IOAPIC, bytes);
}

static void fetch(KvmIoApic *ioapic)
{
    uint8_t bytes[KVM_CHIP_STATE_SIZE] = {0};
    struct kvm_ioapic_state state;

    kvm_chip_read(KVM_IRQCHIP_IOAPIC, bytes);
    memcpy(&state, bytes, sizeof(state));
    ioapic->select = state.ioregsel;
    ioapic->id = state.id;
    ioapic->irr = state.irr;
    for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
        ioapic->entries[pin] = state.redirtbl[pin].bits;
    }
}

static void on_run_change(void *opaque)
{
    if (!run_state_is_running()) {
        fetch(opaque);
    }
}

static bool kvm_ioapic_realize(Object *obj, Error **err)
{
    run_state_listen(on_run_change, obj);
    return true;
}

static void kvm_ioapic_unrealize(Object *obj)
{
    run_state_unlisten(obj);
}

static const Field kvm_ioapic_fields[] = {
    STATE(KvmIoApic, select), STATE(KvmIoApic, id), STATE(KvmIoApic, irr),
    STATE_ARRAY(KvmIoApic, entries, .init = ENTRY_MASKED), FIELDS_END};

static const Type kvm_ioapic_type = {
    .name = "kvm-ioapic",
    .parent = &device_type,
    .size = sizeof(KvmIoApic),
    .desc = "I/O APIC of the kernel",
    .fields = kvm_ioapic_fields,
    .realize = kvm_ioapic_realize,
    .unrealize = kvm_ioapic_unrealize,
    .sync = kvm_ioapic_sync,
};
DEVICE(kvm_ioapic_type);

static void print_info(const Object *obj, GString *out)
{
    KvmIoApic *ioapic = (KvmIoApic *)obj;

    if (run_state_is_running()) {
        fetch(ioapic);
    }
    g_string_append_printf(out, "ioapic0: (in kernel) id=0x%02x sel=0x%02x\n", ioapic->id,
                           ioapic->select);
    ioapic_print_pins(ioapic->entries, ioapic->irr, out);
}

static const InterruptInfo kvm_ioapic_info = {
    .type = &kvm_ioapic_type, .command = "ioapic", .print = print_info};
INTERRUPT_INFO(kvm_ioapic_info);
