/* SPDX-License-Identifier: MIT */
/*
 * Expressions of monitor commands: numbers (decimal, 0x, octal), characters, registers, and in
 * rising strength + -, & | ^, * / %, unary + - ~, parentheses. 64 bits, wrapping.
 */
#include "softmmu/monitor/monitor-private.h"
#include "target/i386/cpu.h"
#include "util/suggest.h"

#include <errno.h>
#include <string.h>

#define MAX_DEPTH 64

typedef struct Parser {
    const char *p;
    unsigned depth;
    Error **err;
} Parser;

static bool parse_sum(Parser *parser, uint64_t *ret_value);

static void skip(Parser *parser)
{
    while (*parser->p == ' ' || *parser->p == '\t') {
        parser->p++;
    }
}

/* -- Registers --------------------------------------------------------------------------------- */

#define IN_CPU(name, member, width)                                                                \
    {                                                                                              \
        name, offsetof(X86Cpu, member), width                                                      \
    }

#define SEGMENT(name, index)                                                                       \
    IN_CPU(name, seg[index].selector, 2), IN_CPU(name "_base", seg[index].base, 8),                \
        IN_CPU(name ".base", seg[index].base, 8), IN_CPU(name ".limit", seg[index].limit, 4)
#define LINEAR_PC 0 /* as a width: where the next instruction lies in linear memory */

static const struct {
    const char *name;
    uint32_t offset;
    uint8_t width; /* bytes */
} registers[] = {
    IN_CPU("rax", gpr[R_RAX], 8), IN_CPU("rcx", gpr[R_RCX], 8), IN_CPU("rdx", gpr[R_RDX], 8),
    IN_CPU("rbx", gpr[R_RBX], 8), IN_CPU("rsp", gpr[R_RSP], 8), IN_CPU("rbp", gpr[R_RBP], 8),
    IN_CPU("rsi", gpr[R_RSI], 8), IN_CPU("rdi", gpr[R_RDI], 8), IN_CPU("r8", gpr[R_R8], 8),
    IN_CPU("r9", gpr[R_R9], 8),   IN_CPU("r10", gpr[R_R10], 8), IN_CPU("r11", gpr[R_R11], 8),
    IN_CPU("r12", gpr[R_R12], 8), IN_CPU("r13", gpr[R_R13], 8), IN_CPU("r14", gpr[R_R14], 8),
    IN_CPU("r15", gpr[R_R15], 8), IN_CPU("eax", gpr[R_RAX], 4), IN_CPU("ecx", gpr[R_RCX], 4),
    IN_CPU("edx", gpr[R_RDX], 4), IN_CPU("ebx", gpr[R_RBX], 4), IN_CPU("esp", gpr[R_RSP], 4),
    IN_CPU("ebp", gpr[R_RBP], 4), IN_CPU("esi", gpr[R_RSI], 4), IN_CPU("edi", gpr[R_RDI], 4),
    IN_CPU("rip", rip, 8),        IN_CPU("eip", rip, 4),        IN_CPU("eflags", eflags, 4),
    IN_CPU("rflags", eflags, 8),  IN_CPU("cr0", cr0, 8),        IN_CPU("cr2", cr2, 8),
    IN_CPU("cr3", cr3, 8),        IN_CPU("cr4", cr4, 8),        IN_CPU("efer", efer, 8),
    SEGMENT("es", SEG_ES),        SEGMENT("cs", SEG_CS),        SEGMENT("ss", SEG_SS),
    SEGMENT("ds", SEG_DS),        SEGMENT("fs", SEG_FS),        SEGMENT("gs", SEG_GS),
    {"pc", 0, LINEAR_PC},
};

typedef struct RegisterRead {
    size_t index;
    uint64_t value;
} RegisterRead;

static void read_register(X86Cpu *cpu, void *opaque)
{
    RegisterRead *read = opaque;
    const char *from = (const char *)cpu + registers[read->index].offset;

    if (registers[read->index].width == LINEAR_PC) {
        read->value = cpu_code_linear(cpu, cpu->rip);
    } else {
        memcpy(&read->value, from, registers[read->index].width);
    }
}

static bool parse_register(Parser *parser, uint64_t *ret_value)
{
    size_t length = 0;
    Suggest suggest;

    parser->p++;
    while (g_ascii_isalnum(parser->p[length]) ||
           (parser->p[length] && strchr("_.", parser->p[length]))) {
        length++;
    }
    g_autofree char *name = g_ascii_strdown(parser->p, (gssize)length);
    suggest_init(&suggest, name);
    for (size_t i = 0; i < G_N_ELEMENTS(registers); i++) {
        if (g_str_equal(registers[i].name, name)) {
            RegisterRead read = {.index = i};
            X86Cpu *cpu = monitor_cpu(parser->err);
            if (!cpu) {
                return false;
            }
            monitor_on_cpu(cpu, read_register, &read);
            *ret_value = read.value;
            parser->p += length;
            return true;
        }
        suggest_offer(&suggest, registers[i].name);
    }
    return suggest.best ? error_set(parser->err, "unknown register '$%s'; did you mean '$%s'?",
                                    name, suggest.best)
                        : error_set(parser->err, "unknown register '$%s'", name);
}

/* -- Grammar ----------------------------------------------------------------------------------- */

static bool parse_number(Parser *parser, uint64_t *ret_value)
{
    char *end;

    if (!g_ascii_isdigit(*parser->p)) {
        g_autofree char *shown = g_utf8_make_valid(parser->p, -1);
        return *parser->p ? error_set(parser->err, "'%s' is not an expression", shown)
                          : error_set(parser->err, "the expression ends too early");
    }
    errno = 0;
    *ret_value = strtoull(parser->p, &end, 0);
    if (errno == ERANGE) {
        return error_set(parser->err, "number too large");
    }
    if (g_ascii_isalnum(*end) || *end == '_') {
        return error_set(parser->err, "a number cannot go on with '%c'", *end);
    }
    parser->p = end;
    return true;
}

static bool parse_parenthesis(Parser *parser, uint64_t *ret_value)
{
    parser->p++;
    if (!parse_sum(parser, ret_value)) {
        return false;
    }
    if (*parser->p != ')') {
        return error_set(parser->err, "')' expected");
    }
    parser->p++;
    return true;
}

static bool parse_character(Parser *parser, uint64_t *ret_value)
{
    if (!parser->p[1] || parser->p[2] != '\'') {
        return error_set(parser->err, "one character and ' have to follow a '");
    }
    *ret_value = (uint8_t)parser->p[1];
    parser->p += 3;
    return true;
}

static bool parse_unary(Parser *parser, uint64_t *ret_value)
{
    bool ok;

    skip(parser);
    if (parser->depth >= MAX_DEPTH) {
        return error_set(parser->err, "expression too complex");
    }
    parser->depth++;
    char sign = *parser->p;
    if (sign == '+' || sign == '-' || sign == '~') {
        parser->p++;
        ok = parse_unary(parser, ret_value);
        if (ok && sign != '+') {
            *ret_value = sign == '-' ? -*ret_value : ~*ret_value;
        }
    } else if (sign == '(') {
        ok = parse_parenthesis(parser, ret_value);
    } else if (sign == '\'') {
        ok = parse_character(parser, ret_value);
    } else if (sign == '$') {
        ok = parse_register(parser, ret_value);
    } else {
        ok = parse_number(parser, ret_value);
    }
    parser->depth--;
    skip(parser);
    return ok;
}

/* In "memsave 0 16 /tmp/file" the slash divides nothing. */
static bool begins_path(const char *text)
{
    return text[0] == '/' && (g_ascii_isalpha(text[1]) || strchr("._", text[1])) && text[1];
}

static bool parse_product(Parser *parser, uint64_t *ret_value)
{
    uint64_t right;

    if (!parse_unary(parser, ret_value)) {
        return false;
    }
    while (*parser->p && strchr("*/%", *parser->p) && !begins_path(parser->p)) {
        char sign = *parser->p++;
        if (!parse_unary(parser, &right)) {
            return false;
        }
        if (sign != '*' && right == 0) {
            return error_set(parser->err, "division by zero");
        }
        if (sign == '*') {
            *ret_value *= right;
        } else {
            *ret_value = sign == '/' ? *ret_value / right : *ret_value % right;
        }
    }
    return true;
}

static bool parse_logic(Parser *parser, uint64_t *ret_value)
{
    uint64_t right;

    if (!parse_product(parser, ret_value)) {
        return false;
    }
    while (*parser->p && strchr("&|^", *parser->p)) {
        char sign = *parser->p++;
        if (!parse_product(parser, &right)) {
            return false;
        }
        if (sign == '&') {
            *ret_value &= right;
        } else {
            *ret_value = sign == '|' ? *ret_value | right : *ret_value ^ right;
        }
    }
    return true;
}

static bool parse_sum(Parser *parser, uint64_t *ret_value)
{
    uint64_t right;

    if (!parse_logic(parser, ret_value)) {
        return false;
    }
    while (*parser->p == '+' || *parser->p == '-') {
        char sign = *parser->p++;
        if (!parse_logic(parser, &right)) {
            return false;
        }
        *ret_value = sign == '+' ? *ret_value + right : *ret_value - right;
    }
    return true;
}

bool monitor_evaluate(const char **text, int64_t *ret_value, Error **err)
{
    Parser parser = {.p = *text, .err = err};
    uint64_t value = 0;

    if (!parse_sum(&parser, &value)) {
        return false;
    }
    *ret_value = (int64_t)value;
    *text = parser.p;
    return true;
}
