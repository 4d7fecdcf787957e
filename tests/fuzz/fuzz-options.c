/* SPDX-License-Identifier: MIT */
/* The command line of a fuzzer, refused at the first word that is not understood. */
#include "tests/fuzz/fuzz-options.h"

#include "util/error.h"
#include "util/keyval.h"
#include "util/suggest.h"

#include <stdio.h>
#include <string.h>

static const FuzzOption *find_option(const FuzzOption *options, const char *word, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, word);
    for (; options->name; options++) {
        if (!strcmp(word, options->name)) {
            return options;
        }
        suggest_offer(&suggest, options->name);
    }
    error_set(err, "unknown option '%s'%s", word, suggest_text(&suggest));
    return NULL;
}

/* One option and its value, which is NULL at the end of the line. */
static bool take(const FuzzOption *option, const char *value, Error **err)
{
    if (option->flag) {
        *option->flag = true;
        return true;
    }
    if (!value) {
        return error_set(err, "%s wants a value", option->name);
    }
    if (option->text) {
        *option->text = value;
        return true;
    }
    if (!parse_u64(value, option->number, err)) {
        error_prefix(err, "%s: ", option->name);
        return false;
    }
    return true;
}

bool fuzz_parse_options(char **argv, const FuzzOption *options)
{
    g_autoptr(Error) err = NULL;

    for (char **word = argv + 1; *word; word++) {
        const FuzzOption *option = find_option(options, *word, &err);
        if (!option || !take(option, word[1], &err)) {
            fprintf(stderr, "%s: %s\n", argv[0], error_message(err));
            return false;
        }
        word += !option->flag;
    }
    return true;
}
