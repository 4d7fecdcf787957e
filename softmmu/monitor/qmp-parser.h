/* SPDX-License-Identifier: MIT */
/* The stream of a QMP client cut into JSON values, which may come in any pieces and need no
 * newline behind them. */
#ifndef SOFTMMU_MONITOR_QMP_PARSER_H
#define SOFTMMU_MONITOR_QMP_PARSER_H

#include <stddef.h>

typedef struct QmpParser QmpParser;

/* One value, or what could be none: text that begins where a value may begin and ends where this
 * one does. NULL text: something came that is too long or too deep; it was dropped. */
typedef void QmpParserValue(void *opaque, const char *text, size_t length);

QmpParser *qmp_parser_new(QmpParserValue *value, void *opaque);
void qmp_parser_free(QmpParser *parser); /* NULL is fine */
void qmp_parser_feed(QmpParser *parser, const void *bytes, size_t count);
/* Forgets what has come of an incomplete value. */
void qmp_parser_reset(QmpParser *parser);

#endif
