/* SPDX-License-Identifier: MIT */
/* Messages between local APICs: destinations, inter-processor interrupts, MSI. Intel SDM vol. 3,
 * 11.6 and 11.11. */
#include "hw/intc/lapic-internal.h"

#include "accel/kvm.h"
#include "util/trace.h"

enum {
    ICR_LOGICAL = 1 << 11,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    ICR_SHORTHAND_SHIFT = 18,
    SHORTHAND_NONE = 0,
    SHORTHAND_SELF = 1,
    SHORTHAND_ALL = 2,
    SHORTHAND_OTHERS = 3,
    DFR_FLAT = 0xf /* bits 31-28 */
};

enum { /* of a message written to memory, 11.11 */
       MSI_LOGICAL = 1 << 2,
       MSI_REDIRECTION_HINT = 1 << 3,
       MSI_ASSERT = 1 << 14,
       MSI_LEVEL = 1 << 15
};

#define BROADCAST UINT32_MAX

typedef struct Message {
    uint32_t destination; /* BROADCAST: all */
    bool logical;
    ApicDelivery mode;
    uint8_t vector;
    bool level;
} Message;

/* All realized APICs: a bus has no owner among them. */
static GPtrArray *members;

void apic_bus_add(Apic *apic)
{
    if (!members) {
        members = g_ptr_array_new();
    }
    g_ptr_array_add(members, apic);
}

void apic_bus_remove(Apic *apic)
{
    g_ptr_array_remove(members, apic);
    if (!members->len) {
        g_ptr_array_free(members, TRUE);
        members = NULL;
    }
}

static guint member_count(void)
{
    return members ? members->len : 0;
}

Apic *apic_bus_first(void)
{
    return member_count() ? members->pdata[0] : NULL;
}

static bool matches_logical(const Apic *apic, uint32_t destination)
{
    uint32_t ldr = apic_logical_id(apic);

    if (apic_is_x2apic(apic)) {
        return ldr >> 16 == destination >> 16 && (ldr & destination & 0xffff);
    }
    ldr >>= 24;
    if (apic->dfr >> 28 == DFR_FLAT) {
        return ldr & destination & 0xff;
    }
    return (ldr >> 4 == (destination >> 4 & 15) || (destination & 0xff) == 0xff) &&
           (ldr & destination & 15);
}

static bool matches(const Apic *apic, const Message *message)
{
    if (!apic_is_enabled(apic)) {
        return false;
    }
    if (message->destination == BROADCAST) {
        return true;
    }
    return message->logical ? matches_logical(apic, message->destination)
                            : apic_id(apic) == message->destination;
}

static void send_to_lowest(const Message *message, const Apic *except)
{
    Apic *best = NULL;

    for (guint i = 0; i < member_count(); i++) {
        Apic *apic = members->pdata[i];

        if (apic != except && matches(apic, message) && apic->svr & SVR_ENABLE &&
            (!best || apic_processor_priority(apic) < apic_processor_priority(best))) {
            best = apic;
        }
    }
    if (best) {
        apic_receive(best, APIC_FIXED, message->vector, message->level);
    }
}

static void send(const Message *message, const Apic *except)
{
    TRACE(apic_message, "destination 0x%x logical %d mode %d vector 0x%02x level %d",
          message->destination, message->logical, (int)message->mode, message->vector,
          message->level);
    if (message->mode == APIC_LOWEST_PRIORITY) {
        send_to_lowest(message, except);
        return;
    }
    for (guint i = 0; i < member_count(); i++) {
        Apic *apic = members->pdata[i];

        if (apic != except && matches(apic, message)) {
            apic_receive(apic, message->mode, message->vector, message->level);
        }
    }
}

/* The kernel plays the local APICs, and takes messages in the form devices write. */
static void send_to_kernel(uint8_t destination, bool logical, ApicDelivery mode, uint8_t vector,
                           bool level)
{
    kvm_send_msi(apic_msi_address(destination, logical), apic_msi_data(mode, vector, level));
}

/* By an 8-bit destination, which devices write. */
static Message device_message(uint8_t destination, bool logical, uint8_t vector)
{
    return (Message){.destination = destination == 0xff && !logical ? BROADCAST : destination,
                     .logical = logical,
                     .vector = vector};
}

bool apic_is_starved(uint8_t destination, bool logical, uint8_t vector)
{
    Message message = device_message(destination, logical, vector);

    for (guint i = 0; i < member_count(); i++) {
        const Apic *apic = members->pdata[i];

        if (matches(apic, &message) && apic->irr[vector / 32] >> vector % 32 & 1) {
            return vcpu_is_starved(&apic->cpu->vcpu);
        }
    }
    return false;
}

uint64_t apic_msi_address(uint8_t destination, bool logical)
{
    return APIC_DEFAULT_BASE | (uint64_t)destination << 12 | (logical ? MSI_LOGICAL : 0);
}

uint32_t apic_msi_data(ApicDelivery mode, uint8_t vector, bool level)
{
    return (uint32_t)mode << 8 | vector | (level ? MSI_LEVEL | MSI_ASSERT : 0);
}

void apic_deliver(uint8_t destination, bool logical, ApicDelivery mode, uint8_t vector, bool level)
{
    Message message = device_message(destination, logical, vector);

    if (kvm_has_kernel_apic()) {
        send_to_kernel(destination, logical, mode, vector, level);
        return;
    }
    message.mode = mode;
    message.level = level;
    send(&message, NULL);
}

void apic_deliver_msi(uint64_t address, uint32_t data)
{
    ApicDelivery mode = (ApicDelivery)(data >> 8 & 7);
    bool logical = address & MSI_LOGICAL, level = data & MSI_LEVEL;

    if (kvm_has_kernel_apic()) {
        kvm_send_msi(APIC_DEFAULT_BASE | address, data);
        return;
    }
    if (level && !(data & MSI_ASSERT)) {
        return;
    }
    if (mode == APIC_FIXED && logical && address & MSI_REDIRECTION_HINT) {
        mode = APIC_LOWEST_PRIORITY; /* to one of them, not to all */
    }
    apic_deliver((uint8_t)(address >> 12), logical, mode, (uint8_t)data, level);
}

void apic_send_ipi(Apic *apic, uint64_t icr)
{
    unsigned shorthand = icr >> ICR_SHORTHAND_SHIFT & 3;
    uint32_t destination = (uint32_t)(icr >> 32);
    Message message = {
        .logical = icr & ICR_LOGICAL, .mode = (ApicDelivery)(icr >> 8 & 7), .vector = (uint8_t)icr};

    if (message.mode <= APIC_LOWEST_PRIORITY && message.vector < APIC_FIRST_LEGAL_VECTOR) {
        apic_set_error(apic, ESR_SEND_ILLEGAL);
        return;
    }
    if (message.mode == APIC_INIT && icr & ICR_LEVEL && !(icr & ICR_ASSERT)) {
        return; /* INIT de-assert synchronises arbitration IDs, which nobody has any more */
    }
    if (!apic_is_x2apic(apic)) {
        destination >>= 24;
        destination = destination == 0xff && !message.logical ? BROADCAST : destination;
    }
    message.destination = shorthand == SHORTHAND_NONE ? destination : BROADCAST;
    if (shorthand == SHORTHAND_SELF) {
        apic_receive(apic, message.mode, message.vector, false);
    } else {
        send(&message, shorthand == SHORTHAND_OTHERS ? apic : NULL);
    }
}

static void set_pic_line(void *owner, unsigned n, bool level)
{
    for (guint i = 0; i < member_count(); i++) {
        irq_set(apic_lint_pin(members->pdata[i], 0), level);
    }
}

Irq apic_pic_line(void)
{
    return (Irq){.set = set_pic_line};
}

static void set_nmi_line(void *owner, unsigned n, bool level)
{
    for (guint i = 0; i < member_count(); i++) {
        irq_set(apic_lint_pin(members->pdata[i], 1), level);
    }
}

Irq apic_nmi_line(void)
{
    return (Irq){.set = set_nmi_line};
}
