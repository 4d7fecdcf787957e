/* SPDX-License-Identifier: MIT */
/*
 * Finds where JSON values end; what is in between is the JSON library's. Brackets are counted,
 * strings skipped. Strings may be quoted by ' as well, which people who type find easier in a
 * shell; they are passed on with ". The byte FFh, which is in no UTF-8 text, ends whatever was
 * there before: clients use it to be sure of a fresh start.
 */
#include "softmmu/monitor/qmp-parser.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VALUE_TOO_LONG (64u * 1024 * 1024)
#define DEPTH_TOO_MUCH 1024
#define START_OVER 0xff

struct QmpParser {
    QmpParserValue *value;
    void *opaque;
    GString *text;   /* of the value so far, empty: between two */
    unsigned depth;  /* of open brackets */
    char quote;      /* of the string we are in, 0: none */
    bool is_escaped; /* the next character of it */
};

QmpParser *qmp_parser_new(QmpParserValue *value, void *opaque)
{
    QmpParser *parser = g_new0(QmpParser, 1);

    parser->value = value;
    parser->opaque = opaque;
    parser->text = g_string_new(NULL);
    return parser;
}

void qmp_parser_free(QmpParser *parser)
{
    if (parser) {
        g_string_free(parser->text, TRUE);
        g_free(parser);
    }
}

void qmp_parser_reset(QmpParser *parser)
{
    g_string_truncate(parser->text, 0);
    parser->depth = 0;
    parser->quote = 0;
    parser->is_escaped = false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void end_value(QmpParser *parser)
{
    g_autofree char *text = g_strndup(parser->text->str, parser->text->len);
    size_t length = parser->text->len;

    qmp_parser_reset(parser);
    if (length > 0) {
        parser->value(parser->opaque, text, length);
    }
}

static void refuse(QmpParser *parser)
{
    qmp_parser_reset(parser);
    parser->value(parser->opaque, NULL, 0);
}

static void put_in_string(QmpParser *parser, char c)
{
    if (parser->is_escaped) {
        parser->is_escaped = false;
        if (c == '\'') {
            g_string_truncate(parser->text, parser->text->len - 1); /* JSON has no \' */
        }
        g_string_append_c(parser->text, c);
        return;
    }
    if (c == parser->quote) {
        parser->quote = 0;
        g_string_append_c(parser->text, '"');
        if (parser->depth == 0) {
            end_value(parser);
        }
        return;
    }
    parser->is_escaped = c == '\\';
    g_string_append(parser->text, c == '"' ? "\\" : "");
    g_string_append_c(parser->text, c);
}

/* A number, true, a typing error: at the outer level it ends before what cannot belong to it. */
static void put_outside(QmpParser *parser, char c)
{
    bool is_structure = strchr("{}[]\"'", c) && c;

    if (parser->depth == 0 && parser->text->len > 0 && (is_blank(c) || is_structure)) {
        end_value(parser);
    }
    if (parser->depth == 0 && is_blank(c)) {
        return;
    }
    g_string_append_c(parser->text, c == '\'' ? '"' : c);
    if (c == '"' || c == '\'') {
        parser->quote = c;
    } else if (c == '{' || c == '[') {
        parser->depth++;
    } else if (c == '}' || c == ']') {
        parser->depth -= parser->depth > 0;
        if (parser->depth == 0) {
            end_value(parser);
        }
    }
}

void qmp_parser_feed(QmpParser *parser, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i < count; i++) {
        if (from[i] == START_OVER) {
            refuse(parser);
        } else if (parser->quote) {
            put_in_string(parser, (char)from[i]);
        } else {
            put_outside(parser, (char)from[i]);
        }
        if (parser->text->len > VALUE_TOO_LONG || parser->depth > DEPTH_TOO_MUCH) {
            refuse(parser);
        }
    }
}
