/* SPDX-License-Identifier: MIT */
/* The 8254 interval timer and port 61h that the kernel plays (KVM): their state while the machine
 * stands still, and what becomes of ticks the guest was not ready for. */
#include "accel/kvm.h"
#include "hw/kvm-chips.h"
#include "softmmu/run.h"

#include <linux/kvm.h>
#include <time.h>

enum { CHANNEL_COUNT = 3 };

typedef enum LostTicks { LOST_TICKS_DELAY, LOST_TICKS_DISCARD } LostTicks;

typedef struct PitChannel {
    uint32_t count;
    uint16_t latched_count;
    uint8_t count_latched, status_latched, status, read_state, write_state, write_latch, rw_mode,
        mode, bcd, gate;
    int64_t load_time_ns; /* of the host's monotonic clock */
} PitChannel;

struct KvmPit {
    Device dev;
    LostTicks lost_tick_policy; /* PROP */
    PitChannel channels[CHANNEL_COUNT];
    uint32_t flags;
    int64_t stopped_at_ns; /* 0: it runs */
};

static int64_t host_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void put_state(const KvmPit *pit)
{
    struct kvm_pit_state2 state = {.flags = pit->flags};

    for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
        const PitChannel *c = &pit->channels[i];

        state.channels[i] = (struct kvm_pit_channel_state){
            .count = c->count,
            .latched_count = c->latched_count,
            .count_latched = c->count_latched,
            .status_latched = c->status_latched,
            .status = c->status,
            .read_state = c->read_state,
            .write_state = c->write_state,
            .write_latch = c->write_latch,
            .rw_mode = c->rw_mode,
            .mode = c->mode,
            .bcd = c->bcd,
            .gate = c->gate,
            .count_load_time = c->load_time_ns,
        };
    }
    kvm_pit_write(&state);
}

static void get_state(KvmPit *pit)
{
    struct kvm_pit_state2 state = {0};

    kvm_pit_read(&state);
    pit->flags = state.flags;
    for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
        const struct kvm_pit_channel_state *c = &state.channels[i];

        pit->channels[i] = (PitChannel){
            .count = c->count,
            .latched_count = c->latched_count,
            .count_latched = c->count_latched,
            .status_latched = c->status_latched,
            .status = c->status,
            .read_state = c->read_state,
            .write_state = c->write_state,
            .write_latch = c->write_latch,
            .rw_mode = c->rw_mode,
            .mode = c->mode,
            .bcd = c->bcd,
            .gate = c->gate,
            .load_time_ns = c->count_load_time,
        };
    }
}

/* The time the machine stood still has not passed for the timer. */
static void on_run_change(void *opaque)
{
    KvmPit *pit = opaque;

    if (!run_state_is_running()) {
        get_state(pit);
        pit->stopped_at_ns = host_now_ns();
        return;
    }
    if (pit->stopped_at_ns) {
        for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
            pit->channels[i].load_time_ns += host_now_ns() - pit->stopped_at_ns;
        }
        pit->stopped_at_ns = 0;
        put_state(pit);
    }
}

void kvm_pit_set_heard(KvmPit *pit, bool is_heard)
{
    uint32_t flags;

    get_state(pit);
    flags = pit->flags & ~(uint32_t)KVM_PIT_FLAGS_HPET_LEGACY;
    flags |= is_heard ? 0 : KVM_PIT_FLAGS_HPET_LEGACY;
    if (flags != pit->flags) {
        pit->flags = flags;
        put_state(pit);
    }
}

static void kvm_pit_sync(Object *obj)
{
    put_state((const KvmPit *)obj);
}

/* Power-on: channels wait for a mode, the gate of the speaker's is port 61h's. */
static void kvm_pit_reset_hold(Object *obj)
{
    KvmPit *pit = (KvmPit *)obj;

    for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
        pit->channels[i].mode = UINT8_MAX;
        pit->channels[i].gate = i != 2;
        pit->channels[i].count = 0x10000;
        pit->channels[i].load_time_ns = host_now_ns();
    }
}

static bool kvm_pit_realize(Object *obj, Error **err)
{
    KvmPit *pit = (KvmPit *)obj;

    if (!kvm_pit_create(pit->lost_tick_policy == LOST_TICKS_DELAY, err)) {
        return false;
    }
    run_state_listen(on_run_change, obj);
    return true;
}

static void kvm_pit_unrealize(Object *obj)
{
    run_state_unlisten(obj);
}

static const char *const lost_tick_names[] = {"delay", "discard", NULL};

static const Field channel_fields[] = {
    STATE(PitChannel, count),         STATE(PitChannel, latched_count),
    STATE(PitChannel, count_latched), STATE(PitChannel, status_latched),
    STATE(PitChannel, status),        STATE(PitChannel, read_state),
    STATE(PitChannel, write_state),   STATE(PitChannel, write_latch),
    STATE(PitChannel, rw_mode),       STATE(PitChannel, mode),
    STATE(PitChannel, bcd),           STATE(PitChannel, gate),
    STATE(PitChannel, load_time_ns),  FIELDS_END};

static const Field kvm_pit_fields[] = {
    PROP_ENUM(KvmPit, lost_tick_policy, .choices = lost_tick_names, .prop_name = "lost_tick_policy",
              .desc = "ticks the guest was not ready for follow later, or never"),
    STATE_STRUCTS(KvmPit, channels, channel_fields), STATE(KvmPit, flags),
    DERIVED(KvmPit, stopped_at_ns), FIELDS_END};

static const Type kvm_pit_type = {
    .name = "kvm-pit",
    .parent = &device_type,
    .size = sizeof(KvmPit),
    .desc = "interval timer of the kernel",
    .fields = kvm_pit_fields,
    .realize = kvm_pit_realize,
    .unrealize = kvm_pit_unrealize,
    .reset_hold = kvm_pit_reset_hold,
    .sync = kvm_pit_sync,
};
DEVICE(kvm_pit_type);
