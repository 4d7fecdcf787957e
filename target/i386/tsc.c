/* SPDX-License-Identifier: MIT */
/* The guest's time-stamp counter: runs at the host's rate, stops with the virtual clock. */
#include "target/i386/tsc.h"

#include <cpuid.h>
#include <stdlib.h>
#include <time.h>

#define CALIBRATION_NS 10000000 /* bracketed reads of about 50 ns: 5 ppm */
#define READ_ATTEMPTS 8
#define GOOD_ENOUGH_TICKS 100000 /* between two reads, where a millisecond is the measure */
#define STOP_THRESHOLD_NS 1000000

/* A moment as seen by two clocks. */
typedef struct TscSample {
    uint64_t tsc;
    int64_t ns;
} TscSample;

int64_t tsc_machine_offset;
uint64_t tsc_ratio;
static uint64_t guest_hz; /* 0: the host's */

/* Guards the rest; a leaf, held for a few clock reads. */
static pthread_mutex_t tsc_lock = PTHREAD_MUTEX_INITIALIZER;
static TscSample calibration_start; /* CLOCK_MONOTONIC_RAW */
static uint64_t frequency_hz;       /* atomic; 0: not known yet */
static TscSample last_running;      /* virtual clock, when a CPU last began to run */

static int64_t raw_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static int64_t virtual_now_ns(void)
{
    return clock_now_ns(CLOCK_TYPE_VIRTUAL);
}

/* The pair of reads that were closest together: the thread may be interrupted between them. */
static TscSample take_sample(int64_t (*now_ns)(void), uint64_t good_enough)
{
    TscSample best = {0};
    uint64_t best_width = UINT64_MAX;

    for (unsigned i = 0; i < READ_ATTEMPTS && best_width > good_enough; i++) {
        uint64_t before = __rdtsc();
        int64_t ns = now_ns();
        uint64_t width = __rdtsc() - before;

        if (width < best_width) {
            best_width = width;
            best = (TscSample){.tsc = before + width / 2, .ns = ns};
        }
    }
    return best;
}

/* CPUID 15h: crystal frequency and ratio, where the host tells both. */
static uint64_t frequency_from_cpuid(void)
{
    uint32_t denominator, numerator, crystal_hz, unused;

    if (!__get_cpuid(0x15, &denominator, &numerator, &crystal_hz, &unused) || denominator == 0 ||
        numerator == 0 || crystal_hz == 0) {
        return 0;
    }
    return (uint64_t)crystal_hz * numerator / denominator;
}

static uint64_t frequency_from_clock(void)
{
    int64_t elapsed = raw_now_ns() - calibration_start.ns;
    TscSample end;

    if (elapsed < CALIBRATION_NS) {
        struct timespec rest = {.tv_nsec = CALIBRATION_NS - elapsed};

        nanosleep(&rest, NULL);
    }
    end = take_sample(raw_now_ns, 0);
    return (uint64_t)((unsigned __int128)(end.tsc - calibration_start.tsc) * NS_PER_SECOND /
                      (uint64_t)(end.ns - calibration_start.ns));
}

void tsc_calibration_begin(void)
{
    pthread_mutex_lock(&tsc_lock);
    if (calibration_start.ns == 0) {
        calibration_start = take_sample(raw_now_ns, 0);
    }
    pthread_mutex_unlock(&tsc_lock);
}

uint64_t tsc_host_frequency_hz(void)
{
    uint64_t hz = __atomic_load_n(&frequency_hz, __ATOMIC_ACQUIRE);

    if (hz) {
        return hz;
    }
    tsc_calibration_begin();
    pthread_mutex_lock(&tsc_lock);
    if (!frequency_hz) {
        hz = frequency_from_cpuid();
        __atomic_store_n(&frequency_hz, hz ? hz : frequency_from_clock(), __ATOMIC_RELEASE);
    }
    hz = frequency_hz;
    pthread_mutex_unlock(&tsc_lock);
    return hz;
}

uint64_t cpu_tsc_frequency_hz(void)
{
    return guest_hz ? guest_hz : tsc_host_frequency_hz();
}

void tsc_set_frequency(uint64_t hz)
{
    uint64_t ratio = 0;

    if (hz) {
        ratio = (uint64_t)(((unsigned __int128)hz << TSC_RATIO_BITS) / tsc_host_frequency_hz());
    }
    guest_hz = hz;
    __atomic_store_n(&tsc_ratio, ratio, __ATOMIC_RELAXED);
}

static int64_t ticks_of_ns(int64_t ns)
{
    return (int64_t)((__int128)ns * (int64_t)tsc_host_frequency_hz() / NS_PER_SECOND);
}

void tsc_machine_reset(void)
{
    pthread_mutex_lock(&tsc_lock);
    __atomic_store_n(&tsc_machine_offset, -(int64_t)__rdtsc(), __ATOMIC_RELAXED);
    last_running = take_sample(virtual_now_ns, GOOD_ENOUGH_TICKS);
    pthread_mutex_unlock(&tsc_lock);
}

/*
 * Between two calls the host's counter and the virtual clock have advanced alike unless the machine
 * was stopped. Small differences are the frequency's error and are left alone, for a correction
 * would let time jump; the first CPU to run after a stop takes the stopped time out for all.
 */
void cpu_tsc_resume(void)
{
    TscSample now;
    int64_t virtual_ticks, host_ticks, threshold;

    tsc_host_frequency_hz();
    pthread_mutex_lock(&tsc_lock);
    now = take_sample(virtual_now_ns, GOOD_ENOUGH_TICKS);
    virtual_ticks = ticks_of_ns(now.ns - last_running.ns);
    host_ticks = (int64_t)(now.tsc - last_running.tsc);
    threshold = ticks_of_ns(STOP_THRESHOLD_NS) + host_ticks / 10000;
    if (llabs(host_ticks - virtual_ticks) > threshold) {
        __atomic_store_n(&tsc_machine_offset, tsc_machine_offset + virtual_ticks - host_ticks,
                         __ATOMIC_RELAXED);
    }
    last_running = now;
    pthread_mutex_unlock(&tsc_lock);
}

uint64_t cpu_read_tsc(const X86Cpu *cpu)
{
    return tsc_read(cpu);
}

int64_t cpu_tsc_to_virtual_ns(const X86Cpu *cpu, uint64_t tsc)
{
    int64_t hz = (int64_t)cpu_tsc_frequency_hz();
    int64_t now = virtual_now_ns();
    __int128 ticks = (__int128)tsc - tsc_read(cpu);
    __int128 deadline;

    if (ticks > 0) { /* rounded up: a timer that fires early would have to be armed again */
        ticks += hz / NS_PER_SECOND;
    }
    deadline = now + ticks * NS_PER_SECOND / hz;
    if (deadline > TIMER_OFF - 1) {
        return TIMER_OFF - 1;
    }
    return deadline < 0 ? 0 : (int64_t)deadline;
}
