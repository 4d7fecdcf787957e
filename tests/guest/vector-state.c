/* SPDX-License-Identifier: MIT */
/*
 * Runs in a Linux guest: processes that each fill ZMM0-31, K0-7 with numbers of their own, give the
 * processor away many times, are interrupted by signals whose handlers fill them with others, and
 * find their own again. Prints "vectors kept" or what was lost.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 4
#define ROUNDS 60
#define YIELDS 400

typedef struct State {
    uint8_t zmm[32][64];
    uint64_t k[8];
} __attribute__((aligned(64))) State;

static volatile sig_atomic_t signals;

#define LOAD(n) "vmovdqu64 64*" #n "(%0), %%zmm" #n "\n\t"
#define STORE(n) "vmovdqu64 %%zmm" #n ", 64*" #n "(%1)\n\t"
#define LOAD_K(n) "kmovq 2048+8*" #n "(%0), %%k" #n "\n\t"
#define STORE_K(n) "kmovq %%k" #n ", 2048+8*" #n "(%1)\n\t"
#define EIGHT(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define REST(op)                                                                                   \
    op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15) op(16) op(17) op(18) op(19) op(20)       \
        op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) op(29) op(30) op(31)

/* The registers hold `in` while the processor is given away `yields` times. */
static void hold(const State *in, State *out, long yields)
{
    __asm__ volatile(EIGHT(LOAD) REST(LOAD) EIGHT(LOAD_K) "1: mov %3, %%eax\n\t"
                                                          "syscall\n\t"
                                                          "dec %2\n\t"
                                                          "jnz 1b\n\t" EIGHT(STORE) REST(STORE)
                                                              EIGHT(STORE_K)
                     : "+r"(in), "+r"(out), "+r"(yields)
                     : "i"(SYS_sched_yield)
                     : "rax", "rcx", "r11", "memory", "cc");
}

static void fill(State *state, unsigned seed)
{
    uint8_t *bytes = (uint8_t *)state;

    for (size_t i = 0; i < sizeof(*state); i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = (uint8_t)(seed >> 16);
    }
}

static void on_alarm(int number)
{
    static State other, unused;

    fill(&other, (unsigned)++signals);
    hold(&other, &unused, 1);
}

static int run_process(unsigned number)
{
    struct itimerval often = {{0, 2000}, {0, 2000}};
    static State in, out;

    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        fill(&in, number * 1000 + round);
        hold(&in, &out, YIELDS);
        for (unsigned i = 0; i < sizeof(in); i++) {
            if (((uint8_t *)&in)[i] != ((uint8_t *)&out)[i]) {
                printf("lost byte %u in round %u of process %u\n", i, round, number);
                return 1;
            }
        }
    }
    if (!signals) {
        printf("no signal came\n");
    }
    return !signals;
}

int main(void)
{
    int failures = 0, status;

    for (unsigned i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            exit(run_process(i));
        }
        failures += pid < 0;
    }
    while (wait(&status) > 0) {
        failures += status != 0;
    }
    puts(failures ? "vectors lost" : "vectors kept");
    return failures;
}
