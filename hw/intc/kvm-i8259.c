/* SPDX-License-Identifier: MIT */
/* One 8259A of the pair that the kernel plays (KVM): its state while the machine stands still. */
#include "accel/kvm.h"
#include "hw/device.h"
#include "hw/interrupt-info.h"
#include "softmmu/run.h"

#include <linux/kvm.h>
#include <string.h>

enum { PRIMARY_ELCR = 0xf8, SECONDARY_ELCR = 0xde }; /* lines that may be level-triggered */

typedef struct KvmI8259 {
    Device dev;
    bool master;
    struct kvm_pic_state regs;
} KvmI8259;

static unsigned chip(const KvmI8259 *pic)
{
    return pic->master ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
}

static void kvm_i8259_sync(Object *obj)
{
    const KvmI8259 *pic = (const KvmI8259 *)obj;
    uint8_t state[KVM_CHIP_STATE_SIZE] = {0};

    memcpy(state, &pic->regs, sizeof(pic->regs));
    kvm_chip_write(chip(pic), state);
}

static void fetch(KvmI8259 *pic)
{
    uint8_t state[KVM_CHIP_STATE_SIZE] = {0};

    kvm_chip_read(chip(pic), state);
    memcpy(&pic->regs, state, sizeof(pic->regs));
}

static void on_run_change(void *opaque)
{
    if (!run_state_is_running()) {
        fetch(opaque);
    }
}

static void kvm_i8259_reset_hold(Object *obj)
{
    KvmI8259 *pic = (KvmI8259 *)obj;

    pic->regs.elcr_mask = pic->master ? PRIMARY_ELCR : SECONDARY_ELCR;
}

static bool kvm_i8259_realize(Object *obj, Error **err)
{
    run_state_listen(on_run_change, obj);
    return true;
}

static void kvm_i8259_unrealize(Object *obj)
{
    run_state_unlisten(obj);
}

#define ROW(member) STATE(struct kvm_pic_state, member)
static const Field regs_fields[] = {ROW(last_irr),
                                    ROW(irr),
                                    ROW(imr),
                                    ROW(isr),
                                    ROW(priority_add),
                                    ROW(irq_base),
                                    ROW(read_reg_select),
                                    ROW(poll),
                                    ROW(special_mask),
                                    ROW(init_state),
                                    ROW(auto_eoi),
                                    ROW(rotate_on_auto_eoi),
                                    ROW(special_fully_nested_mode),
                                    ROW(init4),
                                    ROW(elcr),
                                    ROW(elcr_mask),
                                    FIELDS_END};

static const Field kvm_i8259_fields[] = {PROP(KvmI8259, master, .desc = "the first of the pair"),
                                         STATE_STRUCT(KvmI8259, regs, regs_fields), FIELDS_END};

static const Type kvm_i8259_type = {
    .name = "kvm-i8259",
    .parent = &device_type,
    .size = sizeof(KvmI8259),
    .desc = "interrupt controller of the kernel",
    .fields = kvm_i8259_fields,
    .realize = kvm_i8259_realize,
    .unrealize = kvm_i8259_unrealize,
    .reset_hold = kvm_i8259_reset_hold,
    .sync = kvm_i8259_sync,
};
DEVICE(kvm_i8259_type);

static void print_info(const Object *obj, GString *out)
{
    KvmI8259 *pic = (KvmI8259 *)obj;

    if (run_state_is_running()) {
        fetch(pic);
    }
    g_string_append_printf(out, "pic%d: irr=%02x imr=%02x isr=%02x hprio=%u irq_base=%02x",
                           pic->master ? 0 : 1, pic->regs.irr, pic->regs.imr, pic->regs.isr,
                           pic->regs.priority_add, pic->regs.irq_base);
    g_string_append_printf(out, " rr_sel=%d elcr=%02x fnm=%d (in kernel)\n",
                           pic->regs.read_reg_select, pic->regs.elcr,
                           pic->regs.special_fully_nested_mode);
}

static const InterruptInfo kvm_i8259_info = {.type = &kvm_i8259_type, .print = print_info};
INTERRUPT_INFO(kvm_i8259_info);
