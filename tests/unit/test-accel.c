/* SPDX-License-Identifier: MIT */
/* accel/core: the choice among accelerators, and what is said about it. */
#include "accel/accel.h"

#include <string.h>

static bool picky_init(KeyVal *options, Error **err)
{
    return error_set(err, "this host will not do");
}

static bool easy_init(KeyVal *options, Error **err)
{
    bool flag = false;

    return keyval_get_bool(options, "flag", &flag, err);
}

static const char *const easy_options[] = {"flag", NULL};
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

    g_assert_nonnull(strstr(text, "\ntest-easy\n"));
    g_assert_nonnull(strstr(text, "test-easy\ntest-picky\n"));
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
