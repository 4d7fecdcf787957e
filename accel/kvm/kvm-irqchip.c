/* SPDX-License-Identifier: MIT */
/* Interrupt controllers of the kernel: making them, their state, and the routes from lines and
 * messages to them. */
#include "accel/kvm/kvm-internal.h"

#include <errno.h>

enum { IOAPIC_PINS = 24, PIC_PINS = 8, CASCADE_PIN = 2, TIMER_GSI = 0, TIMER_PIN = 2 };
#define MAX_ROUTES 1024

void (*kvm_end_of_interrupt)(uint8_t vector);

/* All routes there are, as the kernel has them. */
static struct kvm_irq_routing_entry routes[MAX_ROUTES];
static unsigned route_count;

static void commit_routes(void)
{
    g_autofree struct kvm_irq_routing *table =
        g_malloc0(sizeof(*table) + route_count * sizeof(routes[0]));
    int result;

    table->nr = route_count;
    memcpy(table->entries, routes, route_count * sizeof(routes[0]));
    result = kvm_ioctl(kvm.fd, KVM_SET_GSI_ROUTING, table);
    if (result < 0) {
        kvm_complain("routing interrupts", result);
    }
}

/* -- Lines ------------------------------------------------------------------------------------- */

static void add_pin(unsigned gsi, unsigned chip, unsigned pin)
{
    routes[route_count++] = (struct kvm_irq_routing_entry){
        .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {.irqchip = chip, .pin = pin}};
}

/* The PC's wiring: hw/i386/pc-interrupts.c. */
static void route_lines(void)
{
    for (unsigned gsi = 0; gsi < 2 * PIC_PINS; gsi++) {
        if (gsi != CASCADE_PIN) {
            add_pin(gsi, gsi / PIC_PINS ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER,
                    gsi % PIC_PINS);
        }
    }
    for (unsigned gsi = 0; gsi < IOAPIC_PINS; gsi++) {
        if (gsi != TIMER_PIN) {
            add_pin(gsi, KVM_IRQCHIP_IOAPIC, gsi == TIMER_GSI ? TIMER_PIN : gsi);
        }
    }
    commit_routes();
}

void kvm_set_gsi(unsigned gsi, bool level)
{
    struct kvm_irq_level line = {.irq = gsi, .level = level};
    int result = kvm_ioctl(kvm.fd, KVM_IRQ_LINE, &line);

    if (result < 0) {
        kvm_complain("setting an interrupt line", result);
    }
}

/* -- Messages ---------------------------------------------------------------------------------- */

void kvm_send_msi(uint64_t address, uint32_t data)
{
    struct kvm_msi msi = {.address_lo = (uint32_t)address,
                          .address_hi = (uint32_t)(address >> 32),
                          .data = data,
                          .devid = 0};
    int result = kvm_ioctl(kvm.fd, KVM_SIGNAL_MSI, &msi);

    if (result < 0) {
        kvm_complain("sending a message-signalled interrupt", result);
    }
}

static struct kvm_irq_routing_entry *find_route(unsigned gsi)
{
    for (unsigned i = 0; i < route_count; i++) {
        if (routes[i].gsi == gsi) {
            return &routes[i];
        }
    }
    return NULL;
}

static void set_message(unsigned gsi, uint64_t address, uint32_t data)
{
    struct kvm_irq_routing_entry entry = {.gsi = gsi,
                                          .type = KVM_IRQ_ROUTING_MSI,
                                          .u.msi = {.address_lo = (uint32_t)address,
                                                    .address_hi = (uint32_t)(address >> 32),
                                                    .data = data}};
    struct kvm_irq_routing_entry *old = find_route(gsi);

    if (old && memcmp(old, &entry, sizeof(entry)) == 0) {
        return;
    }
    if (!old) {
        old = &routes[route_count++];
    }
    *old = entry;
    commit_routes();
}

void kvm_route_pin(unsigned pin, uint64_t address, uint32_t data)
{
    set_message(pin, address, data);
}

int kvm_route_new(uint64_t address, uint32_t data)
{
    unsigned gsi = IOAPIC_PINS;

    while (find_route(gsi)) {
        gsi++;
    }
    if (route_count == MAX_ROUTES || (int)gsi >= kvm_check(KVM_CAP_IRQ_ROUTING)) {
        return -1;
    }
    set_message(gsi, address, data);
    return (int)gsi;
}

void kvm_route_change(int route, uint64_t address, uint32_t data)
{
    set_message((unsigned)route, address, data);
}

void kvm_route_free(int route)
{
    struct kvm_irq_routing_entry *entry = find_route((unsigned)route);

    if (entry) {
        *entry = routes[--route_count];
        commit_routes();
    }
}

/* -- State ------------------------------------------------------------------------------------- */

void kvm_chip_read(unsigned chip, void *state)
{
    struct kvm_irqchip data = {.chip_id = chip};
    int result = kvm_ioctl(kvm.fd, KVM_GET_IRQCHIP, &data);

    if (result < 0) {
        kvm_complain("reading an interrupt controller", result);
        return;
    }
    memcpy(state, &data.chip, KVM_CHIP_STATE_SIZE);
}

void kvm_chip_write(unsigned chip, const void *state)
{
    struct kvm_irqchip data = {.chip_id = chip};
    int result;

    memcpy(&data.chip, state, KVM_CHIP_STATE_SIZE);
    result = kvm_ioctl(kvm.fd, KVM_SET_IRQCHIP, &data);
    if (result < 0) {
        kvm_complain("loading an interrupt controller", result);
    }
}

bool kvm_pit_create(bool reinject, Error **err)
{
    struct kvm_pit_config config = {.flags = KVM_PIT_SPEAKER_DUMMY};
    struct kvm_reinject_control control = {.pit_reinject = reinject};
    int result = kvm_ioctl(kvm.fd, KVM_CREATE_PIT2, &config);

    if (result < 0) {
        return error_set_errno(err, -result, "the kernel has no interval timer");
    }
    if (reinject && !kvm_check(KVM_CAP_REINJECT_CONTROL)) {
        return true; /* and it cannot be turned off */
    }
    result = kvm_ioctl(kvm.fd, KVM_REINJECT_CONTROL, &control);
    return result >= 0 || error_set_errno(err, -result, "lost_tick_policy cannot be chosen");
}

void kvm_pit_read(void *state)
{
    int result = kvm_ioctl(kvm.fd, KVM_GET_PIT2, state);

    if (result < 0) {
        kvm_complain("reading the interval timer", result);
    }
}

void kvm_pit_write(const void *state)
{
    int result = kvm_ioctl(kvm.fd, KVM_SET_PIT2, state);

    if (result < 0) {
        kvm_complain("loading the interval timer", result);
    }
}

/* -- Making ------------------------------------------------------------------------------------ */

static bool create_all(Error **err)
{
    int result = kvm_ioctl(kvm.fd, KVM_CREATE_IRQCHIP, NULL);

    if (result < 0) {
        return error_set_errno(err, -result, "kernel-irqchip=on: there are no such controllers");
    }
    route_lines();
    return true;
}

/* The pins of our I/O APIC are the first routes: masked until it says what they send. */
static bool create_apics(Error **err)
{
    int result = kvm_check(KVM_CAP_SPLIT_IRQCHIP)
                     ? kvm_enable(KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS, 0)
                     : -ENOSYS;

    return result >= 0 ||
           error_set_errno(err, -result,
                           "kernel-irqchip=split: there are no local APICs without the rest");
}

bool kvm_irqchip_init(Error **err)
{
    route_count = 0;
    switch (kvm.irqchip) {
    case KVM_IRQCHIP_ON:
        return create_all(err);
    case KVM_IRQCHIP_SPLIT:
        return create_apics(err);
    default:
        return true;
    }
}
