/* SPDX-License-Identifier: MIT */
/* accel/core: the choice among accelerators, and what is said about it. */
#include "accel/accel.h"

#include <string.h>

static bool picky_init(Error **err)
{
    return error_set(err, "this host will not do");
}

static bool easy_init(Error **err)
{
    return true;
}

static bool flag = true;
static uint64_t number = 7;
static unsigned choice = 1;
static char *text;
static const AccelOption easy_options[] = {
    {"flag", ACCEL_OPTION_BOOL, "on|off", "a flag", &flag},
    {"number", ACCEL_OPTION_NUMBER, "N", "a number", &number, .min = 2, .max = 9},
    {"choice", ACCEL_OPTION_CHOICE, "left|right|both", "a choice", &choice},
    {"text", ACCEL_OPTION_TEXT, "FILE", "a text", &text},
    {NULL},
};
static const Accel picky = {.name = "test-picky", .init = picky_init};
static const Accel easy = {.name = "test-easy", .init = easy_init, .options = easy_options};
ACCEL(picky);
ACCEL(easy);

/* `texts` are separated by blanks. */
static bool select_from(const char *texts, Error **err)
{
    g_auto(GStrv) list = g_strsplit(texts, " ", 0);

    return accel_select(list, g_strv_length(list), err);
}

static void assert_fails(const char *part, bool ok, Error *err)
{
    g_assert_false(ok);
    g_assert_nonnull(err);
    if (!strstr(error_message(err), part)) {
        g_error("'%s' does not say '%s'", error_message(err), part);
    }
    error_free(err);
}

static void test_select(void)
{
    Error *err = NULL;

    g_assert_true(select_from("test-easy,flag=on", &err));
    g_assert_null(err);
    g_assert_true(accel_current() == &easy);
    g_assert_true(flag);
    g_assert_cmpuint(number, ==, 7);
    g_assert_true(select_from("test-easy,flag=off,number=9,choice=both,text=a,,b", &err));
    g_assert_false(flag);
    g_assert_cmpuint(number, ==, 9);
    g_assert_cmpuint(choice, ==, 2);
    g_assert_cmpstr(text, ==, "a,b");
    g_assert_true(select_from("test-easy,choice=left,text=c", &err));
    g_assert_cmpuint(choice, ==, 0);
    g_assert_cmpstr(text, ==, "c");
    g_clear_pointer(&text, g_free);
    flag = true;
    choice = 1;
}

static void test_errors(void)
{
    Error *err = NULL;
    bool ok;

    ok = select_from("test-picky", &err);
    assert_fails("test-picky: this host will not do", ok, g_steal_pointer(&err));
    ok = select_from("xen test-picky", &err);
    assert_fails("xen is not available in this build; test-picky: this", ok, g_steal_pointer(&err));
    ok = select_from("test-esy test-easy", &err);
    assert_fails("'test-esy'; did you mean 'test-easy'?", ok, g_steal_pointer(&err));
    ok = select_from("test-easy,flg=on", &err);
    assert_fails("did you mean 'flag'?", ok, g_steal_pointer(&err));
    ok = select_from("test-easy,flag=maybe", &err);
    assert_fails("flag", ok, g_steal_pointer(&err));
    ok = select_from("test-easy,number=10", &err);
    assert_fails("number=10 is out of range: 2 to 9", ok, g_steal_pointer(&err));
    ok = select_from("test-easy,number=x", &err);
    assert_fails("number", ok, g_steal_pointer(&err));
    ok = select_from("test-easy,choice=rigth", &err);
    assert_fails("choice=rigth: it is one of left|right|both", ok, g_steal_pointer(&err));
    ok = select_from("test-easy,choice=righ,flag=on test-easy", &err); /* is not the host's fault */
    assert_fails("choice=righ", ok, g_steal_pointer(&err));
    ok = select_from(",", &err);
    assert_fails("accelerator", ok, g_steal_pointer(&err));
    ok = select_from("", &err);
    assert_fails("none was named", ok, g_steal_pointer(&err));
}

/* In a process of its own, whose stderr is looked at. */
static void test_fallback(void)
{
    if (g_test_subprocess()) {
        g_assert_true(select_from("hvf test-picky test-easy", NULL));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*hvf is not available in this build; test-picky: this host will "
                              "not do; using test-easy\n*");
}

static void test_help(void)
{
    g_autofree char *text = accel_help();

    number = 7;
    g_assert_nonnull(strstr(text, "\ntest-easy\n"));
    g_assert_nonnull(strstr(text, "test-easy\ntest-picky\n"));
    text = (g_free(text), accel_options_help(&easy));
    g_assert_nonnull(strstr(text, "\n  flag=on|off             a flag (on)\n"));
    g_assert_nonnull(strstr(text, "\n  choice=left|right|both  a choice (right)\n"));
    g_assert_nonnull(strstr(text, "\n  text=FILE               a text\n"));
    text = (g_free(text), accel_options_help(&picky));
    g_assert_cmpstr(text, ==, "There are no options for test-picky.\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/select", test_select);
    g_test_add_func("/accel/errors", test_errors);
    g_test_add_func("/accel/fallback", test_fallback);
    g_test_add_func("/accel/help", test_help);
    return g_test_run();
}
