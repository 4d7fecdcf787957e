/* SPDX-License-Identifier: MIT */
/*
 * What a guest's programs ask of a CPU all at once: processes, mappings, signals, code made and
 * changed at run time, threads, floating point across switches. Prints a checksum for each part,
 * which depends on the arguments only, so the same program run natively says what is right.
 *
 *     stress ROUNDS THREADS SEED
 */
#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096u
#define MAX_THREADS 16

static unsigned rounds, threads;
static uint64_t seed;

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 17;
}

static void fail(const char *what)
{
    printf("FAILED %s: %s\n", what, strerror(errno));
    exit(1);
}

/* -- Processes --------------------------------------------------------------------------------- */

static uint64_t child_result(uint64_t n)
{
    uint64_t hash = n;

    for (unsigned i = 0; i < 2000; i++) {
        hash = mix(hash, i);
    }
    return hash & 0x7f;
}

static uint64_t processes(void)
{
    static volatile uint64_t own[1024];
    uint64_t hash = seed;
    char text[24];
    int status;

    for (unsigned i = 0; i < rounds; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            for (unsigned n = 0; n < 1024; n += 64) {
                own[n] = i; /* a copy of its own */
            }
            if (i % 4) {
                _exit((int)child_result(i));
            }
            snprintf(text, sizeof(text), "%u", i);
            execl("/proc/self/exe", "stress", "child", text, (char *)NULL);
            _exit(126);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
            fail("fork");
        }
        hash = mix(hash, (unsigned)WEXITSTATUS(status) ^ own[64]);
    }
    return hash;
}

/* -- Mappings and faults ----------------------------------------------------------------------- */

static uint8_t *area;
static volatile unsigned faults;

/* A fault in the area is put right; elsewhere it is one. */
static void on_segv(int number, siginfo_t *info, void *context)
{
    uintptr_t offset = (uintptr_t)info->si_addr - (uintptr_t)area;

    if (offset >= 64 * PAGE) {
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    faults++;
    mprotect(area + offset / PAGE * PAGE, PAGE, PROT_READ | PROT_WRITE);
}

static uint64_t mappings(void)
{
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER};
    uint64_t hash = seed, random = seed;

    sigaction(SIGSEGV, &action, NULL);
    faults = 0;
    for (unsigned i = 0; i < rounds; i++) {
        area = mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED) {
            fail("mmap");
        }
        for (unsigned n = 0; n < 200; n++) {
            unsigned page = next(&random) % 64, at = next(&random) % (PAGE - 8);
            volatile uint64_t *word = (volatile uint64_t *)(area + page * PAGE + at);

            hash = mix(hash, *word);
            *word = hash;
            if (n % 5 == 0) {
                mprotect(area + page * PAGE, PAGE, n % 2 ? PROT_READ : PROT_NONE);
            }
            if (n % 31 == 0) {
                madvise(area + page * PAGE, PAGE, MADV_DONTNEED);
            }
        }
        munmap(area, 64 * PAGE);
    }
    return mix(hash, faults);
}

/* -- Arithmetic faults and timers -------------------------------------------------------------- */

static volatile unsigned arithmetic_faults, ticks;

/* `idiv %ecx` is two bytes: its quotient is -1 then. */
static void on_fpe(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;

    arithmetic_faults += (unsigned)info->si_code;
    at->uc_mcontext.gregs[REG_RIP] += 2;
    at->uc_mcontext.gregs[REG_RAX] = -1;
}

static void on_tick(int number)
{
    volatile double own = ticks; /* the handler uses the FPU as well */

    own = sqrt(own) * 3.0;
    ticks = ticks + (own >= 0);
}

static int32_t divide(int32_t high, int32_t low, int32_t by)
{
    __asm__ volatile("idiv %%ecx" : "+a"(low), "+d"(high) : "c"(by) : "cc");
    return low;
}

static uint64_t signals(void)
{
    struct sigaction fpe = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
    uint64_t hash = seed, random = seed, bits;
    long double x87 = 1.0L;
    double sum = 0;

    sigaction(SIGFPE, &fpe, NULL);
    sigaction(SIGALRM, &tick, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    arithmetic_faults = 0;
    for (unsigned i = 0; i < rounds * 400; i++) {
        int32_t by = (int32_t)(next(&random) % 8) - 2;

        hash = mix(hash, (uint32_t)divide(0, (int32_t)(next(&random) & 0x7fffffff), by));
        sum += 1.0 / (i + 1.5);
        x87 = x87 * 1.0000001L + 0.5L / (i + 1);
    }
    setitimer(ITIMER_REAL, &off, NULL);
    memcpy(&bits, &sum, 8);
    hash = mix(hash, bits);
    memcpy(&bits, &x87, 8);
    return mix(mix(hash, bits), arithmetic_faults);
}

/* -- Threads ----------------------------------------------------------------------------------- */

typedef struct Worker {
    pthread_t thread;
    unsigned index;
    uint64_t hash;
} Worker;

static uint64_t on_threads(void *(*function)(void *))
{
    Worker workers[MAX_THREADS];
    uint64_t hash = seed;

    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (Worker){.index = i, .hash = mix(seed, i)};
        if (pthread_create(&workers[i].thread, NULL, function, &workers[i])) {
            fail("pthread_create");
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        hash = mix(hash, workers[i].hash);
    }
    return hash;
}

/* Code of one constant and one operation, written over the last one and called at once: in a page
 * of its own, and in one that all threads use. */
static uint8_t *shared_code;

static uint32_t run_made(uint8_t *code, uint32_t constant, unsigned operation, uint32_t argument)
{
    static const uint8_t operations[] = {0x05, 0x35, 0x2d, 0x0d}; /* add, xor, sub, or */
    uint32_t result;

    code[0] = 0x89; /* mov %edi, %eax */
    code[1] = 0xf8;
    code[2] = operations[operation % 4];
    memcpy(code + 3, &constant, 4);
    code[7] = 0xc3;
    __asm__ volatile("call *%1" : "=a"(result) : "r"(code), "D"(argument) : "memory", "cc");
    return result;
}

static void *makes_code(void *opaque)
{
    Worker *worker = opaque;
    uint8_t *own =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t random = worker->hash;

    if (own == MAP_FAILED) {
        fail("mmap of code");
    }
    for (unsigned i = 0; i < rounds * 20; i++) {
        uint8_t *code =
            i % 3 ? own + next(&random) % (PAGE - 16) : shared_code + 64 * worker->index;
        uint32_t constant = (uint32_t)next(&random);

        for (unsigned n = 0; n < 3; n++) {
            worker->hash = mix(worker->hash, run_made(code, constant + n, (unsigned)random, i));
        }
        if (i % 64 == 0) {
            mprotect(own, PAGE, PROT_READ | PROT_EXEC);
            mprotect(own, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
        }
    }
    munmap(own, PAGE);
    return NULL;
}

static uint64_t made_code(void)
{
    uint64_t hash;

    shared_code =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared_code == MAP_FAILED) {
        fail("mmap of shared code");
    }
    hash = on_threads(makes_code);
    munmap(shared_code, PAGE);
    return hash;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static unsigned turn;
static uint64_t guarded[2];
static _Atomic uint64_t counted;

static void *synchronises(void *opaque)
{
    Worker *worker = opaque;

    for (unsigned i = 0; i < rounds; i++) {
        for (unsigned n = 0; n < 50; n++) {
            atomic_fetch_add(&counted, worker->index + 1);
            pthread_mutex_lock(&mutex);
            guarded[0] += n;
            guarded[1] = guarded[0] * 3;
            pthread_mutex_unlock(&mutex);
        }
        pthread_mutex_lock(&mutex);
        while (turn % threads != worker->index) {
            pthread_cond_wait(&turn_changed, &mutex);
        }
        worker->hash = mix(worker->hash, turn++);
        pthread_cond_broadcast(&turn_changed);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static uint64_t futexes(void)
{
    uint64_t hash;

    turn = 0;
    guarded[0] = guarded[1] = 0;
    counted = 0;
    hash = on_threads(synchronises);
    return mix(mix(hash, guarded[1]), counted);
}

/* Every thread with a rounding mode of its own, in both units, switched all the time. */
static void *computes(void *opaque)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    Worker *worker = opaque;
    volatile double a = 1.0 + worker->index;
    volatile long double b = 1.0L + worker->index;
    uint64_t bits;
    double copy;

    fesetround(modes[worker->index % 4]);
    for (unsigned i = 0; i < rounds * 100; i++) {
        a = a / 1.1 + sqrt(a) * 0.3 + 1.0 / (i + 3);
        b = b / 1.1L + 0.7L / (i + 3);
        if (i % 50 == 0) {
            sched_yield();
        }
    }
    copy = a;
    memcpy(&bits, &copy, 8);
    worker->hash = mix(worker->hash, bits);
    copy = (double)b;
    memcpy(&bits, &copy, 8);
    worker->hash = mix(worker->hash, bits);
    return NULL;
}

static uint64_t floating_point(void)
{
    return on_threads(computes);
}

/* -- All --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint64_t (*run)(void);
} parts[] = {
    {"processes", processes}, {"mappings", mappings}, {"signals", signals},
    {"made-code", made_code}, {"futexes", futexes},   {"floating-point", floating_point},
};

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "child")) {
        return (int)child_result(strtoull(argv[2], NULL, 10));
    }
    if (argc != 4) {
        fprintf(stderr, "stress ROUNDS THREADS SEED\n");
        return 2;
    }
    rounds = (unsigned)atoi(argv[1]);
    threads = (unsigned)atoi(argv[2]);
    seed = strtoull(argv[3], NULL, 10);
    if (!rounds || !threads || threads > MAX_THREADS) {
        return 2;
    }
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        printf("%s %016llx\n", parts[i].name, (unsigned long long)parts[i].run());
        fflush(stdout);
    }
    printf("stress done\n");
    return 0;
}
