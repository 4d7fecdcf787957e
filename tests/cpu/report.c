/* SPDX-License-Identifier: MIT */
/* Results and text on port E9h: cpu-test.h. */
#include "cpu-test.h"
#include <stdarg.h>

#define PORT_CONSOLE 0xe9
#define PORT_EXIT 0xf4 /* isa-debug-exit: status 2 * value + 1 */

void *memcpy(void *to, const void *from, size_t size)
{
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t size)
{
    if ((word)to - (word)from >= size) {
        return memcpy(to, from, size);
    }
    for (size_t i = size; i--;) {
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < size; i++) {
        if (x[i] != y[i]) {
            return x[i] - y[i];
        }
    }
    return 0;
}

typedef struct Out {
    char *at, *end; /* at == NULL: the console */
} Out;

static void put(Out *out, char c)
{
    if (!out->at) {
        outb(PORT_CONSOLE, (uint8_t)c);
    } else if (out->at < out->end) {
        *out->at++ = c;
    }
}

static void put_number(Out *out, uint64_t value, unsigned base, unsigned width)
{
    char digits[24];
    unsigned count = 0;
    do {
        /* No 64-bit division in the 32-bit build: decimal numbers have 32 bits there. */
        unsigned digit = base == 16 ? value & 15 : (unsigned)((word)value % 10);
        value = base == 16 ? value >> 4 : (word)value / 10;
        digits[count++] = "0123456789abcdef"[digit];
    } while (value || count < width);
    while (count) {
        put(out, digits[--count]);
    }
}

static void put_formatted(Out *out, const char *text, va_list args)
{
    for (; *text; text++) {
        if (*text != '%') {
            put(out, *text);
            continue;
        }
        unsigned width = 0, longs = 0;
        for (text++; *text >= '0' && *text <= '9'; text++) {
            width = width * 10 + (unsigned)(*text - '0');
        }
        for (; *text == 'l'; text++) {
            longs++;
        }
        if (*text == 's') {
            for (const char *s = va_arg(args, const char *); *s; s++) {
                put(out, *s);
            }
        } else if (*text == 'c') {
            put(out, (char)va_arg(args, int));
        } else if (*text == 'd') {
            int value = va_arg(args, int);
            if (value < 0) {
                put(out, '-');
            }
            put_number(out, value < 0 ? 0u - (unsigned)value : (unsigned)value, 10, width);
        } else if (*text == 'x' || *text == 'u') {
            uint64_t value = longs == 2   ? va_arg(args, unsigned long long)
                             : longs == 1 ? va_arg(args, unsigned long)
                                          : va_arg(args, unsigned);
            put_number(out, value, *text == 'x' ? 16 : 10, width);
        } else {
            put(out, *text);
        }
    }
}

void print(const char *text, ...)
{
    va_list args;
    va_start(args, text);
    put_formatted(&(Out){0}, text, args);
    va_end(args);
}

void format(char *buffer, size_t size, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    Out out = {buffer, buffer + size - 1};
    put_formatted(&out, text, args);
    *out.at = '\0';
    va_end(args);
}

static unsigned results;

bool check(const char *name, uint64_t got, uint64_t want, const char *source)
{
    results++;
    if (got == want) {
        print("ok %s\n", name);
        return true;
    }
    print("not ok %s: got 0x%llx, want 0x%llx [%s]\n", name, (unsigned long long)got,
          (unsigned long long)want, source);
    return false;
}

bool check_trap(const char *name, const Trap *trap, unsigned vector, uint64_t error, word offset,
                const char *source)
{
    results++;
    if (trap->vector == vector &&
        (vector == NO_TRAP || (trap->error == error && trap->offset == offset))) {
        print("ok %s\n", name);
        return true;
    }
    print("not ok %s: got vector %u error 0x%x offset %d, want vector %u error 0x%llx offset %d "
          "[%s]\n",
          name, trap->vector, trap->error, (int)trap->offset, vector, (unsigned long long)error,
          (int)offset, source);
    return false;
}

void check_skip(const char *name, const char *why)
{
    results++;
    print("skip %s: %s\n", name, why);
}

void report_last_line(void)
{
    print("end %u\n", results);
}

_Noreturn void report_end(void);
_Noreturn void report_end(void)
{
    report_last_line();
    for (;;) {
        outb(PORT_EXIT, 0x10);
    }
}

void give_up(const char *text, ...)
{
    va_list args;
    va_start(args, text);
    print("gave up: ");
    put_formatted(&(Out){0}, text, args);
    print("\n");
    va_end(args);
    for (;;) {
        outb(PORT_EXIT, 0x11);
    }
}
