/* SPDX-License-Identifier: MIT */
/* Objects: properties, defaults, globals, links, realize that undoes itself, reset, paths, help. */
#include "util/object.h"

#include "util/keyval.h"

#include <string.h>

/* -- Types under test -------------------------------------------------------------------------- */

static GString *journal; /* what the hooks did, in order */

typedef struct Base {
    Object obj;
    uint32_t level;
    char *title;
} Base;

typedef struct Channel {
    uint16_t count;
    bool running;
    uint8_t latch[3];
    uint32_t kept;
} Channel;

typedef struct Thing {
    Base base;
    bool flag;
    uint8_t small;
    int16_t offset;
    uint64_t big, bytes;
    int mode;
    Object *friend;
    char *fail_at; /* name of the step that fails */
    uint32_t queue_size;

    uint8_t reg, regs[4];
    uint64_t wide;
    int32_t negative;
    Channel one, many[2];
    Timer timer;
    uint32_t clock;
    void *cache;
    Base part; /* an embedded child */
} Thing;

static void note(const char *what, Object *obj)
{
    g_string_append_printf(journal, "%s(%s) ", what, obj->name ? obj->name : "-");
}

static bool base_realize(Object *obj, Error **err)
{
    note("base-realize", obj);
    return true;
}

static void base_unrealize(Object *obj)
{
    note("base-unrealize", obj);
}

static void base_hold(Object *obj)
{
    note("hold", obj);
}

static void base_exit(Object *obj)
{
    note("exit", obj);
}

static void base_sync(Object *obj)
{
    note("base-sync", obj);
}

static const Field base_fields[] = {
    PROP(Base, level, .init = 3, .desc = "how much"),
    PROP(Base, title, .init_text = "none", .desc = "what it is called"),
    FIELDS_END,
};

static const Type base_type = {
    .name = "test-base",
    .parent = &object_type,
    .size = sizeof(Base),
    .fields = base_fields,
    .realize = base_realize,
    .unrealize = base_unrealize,
    .reset_hold = base_hold,
    .reset_exit = base_exit,
    .sync = base_sync,
};
OBJECT_TYPE(base_type);

static bool thing_realize(Object *obj, Error **err)
{
    Thing *thing = (Thing *)obj;

    note("thing-realize", obj);
    if (thing->fail_at && strcmp(thing->fail_at, "realize") == 0) {
        object_add_child(obj, "left-over", object_new(&base_type));
        return error_set(err, "told to fail");
    }
    return true;
}

static void thing_unrealize(Object *obj)
{
    note("thing-unrealize", obj);
}

static void thing_sync(Object *obj)
{
    note("thing-sync", obj);
}

static void thing_finalize(Object *obj)
{
    note("thing-finalize", obj);
}

static const char *const modes[] = {"slow", "fast", "turbo", NULL};

static const Field channel_fields[] = {
    STATE(Channel, count, .init = 0x1234),
    STATE(Channel, running, .init = true),
    STATE_ARRAY(Channel, latch, .init = 7),
    STATE(Channel, kept, .keep = true),
    FIELDS_END,
};

static const Field thing_fields[] = {
    PROP(Thing, flag, .init = true),
    PROP(Thing, small, .init = 200),
    PROP(Thing, offset, .init = -5),
    PROP(Thing, big),
    PROP_SIZE(Thing, bytes, .init = 4096),
    PROP_ENUM(Thing, mode, .choices = modes, .init_text = "fast"),
    PROP_LINK(Thing, friend, .link_type = &base_type),
    PROP(Thing, fail_at, .hidden = true),
    PROP(Thing, queue_size, .read_only = true, .init = 64),
    STATE(Thing, reg, .init = 0xa5),
    STATE_ARRAY(Thing, regs, .init = 0x11),
    STATE(Thing, wide, .init = INT64_MIN),
    STATE(Thing, negative, .init = -2),
    STATE_STRUCT(Thing, one, channel_fields),
    STATE_STRUCTS(Thing, many, channel_fields),
    STATE_TIMER(Thing, timer),
    STATE(Thing, clock, .keep = true),
    DERIVED(Thing, cache),
    CHILD(Thing, part, &base_type),
    FIELDS_END,
};

static const Type thing_type = {
    .name = "test-thing",
    .parent = &base_type,
    .size = sizeof(Thing),
    .fields = thing_fields,
    .id_container = "/things",
    .realize = thing_realize,
    .unrealize = thing_unrealize,
    .finalize = thing_finalize,
    .sync = thing_sync,
};
OBJECT_TYPE(thing_type);

typedef struct Owner {
    Object obj;
    Thing *thing;
} Owner;

static const Field owner_fields[] = {
    PROP_LINK(Owner, thing, .link_type = &thing_type, .init_text = "first"),
    FIELDS_END,
};

static const Type owner_type = {
    .name = "test-owner",
    .parent = &object_type,
    .size = sizeof(Owner),
    .fields = owner_fields,
};
OBJECT_TYPE(owner_type);

static void fresh_journal(void)
{
    if (journal) {
        g_string_free(journal, TRUE);
    }
    journal = g_string_new(NULL);
}

static void expect_error(Object *obj, const char *property, const char *value, const char *message)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(object_set(obj, property, value, &err));
    g_assert_cmpstr(error_message(err), ==, message);
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void test_types(void)
{
    g_assert_true(type_find("test-thing") == &thing_type);
    g_assert_null(type_find("test-thin"));
    g_assert_null(type_find(""));
    g_assert_true(type_is_a(&thing_type, &base_type));
    g_assert_true(type_is_a(&thing_type, &object_type));
    g_assert_false(type_is_a(&base_type, &thing_type));
    g_assert_true(type_find_property(&thing_type, "level") == &base_fields[0]);
    g_assert_null(type_find_property(&thing_type, "reg"));
}

static void test_defaults(void)
{
    Thing *thing = (Thing *)object_new(&thing_type);

    g_assert_cmpuint(thing->base.level, ==, 3);
    g_assert_cmpstr(thing->base.title, ==, "none");
    g_assert_true(thing->flag);
    g_assert_cmpuint(thing->small, ==, 200);
    g_assert_cmpint(thing->offset, ==, -5);
    g_assert_cmpuint(thing->bytes, ==, 4096);
    g_assert_cmpint(thing->mode, ==, 1);
    g_assert_cmpuint(thing->queue_size, ==, 64);
    g_assert_cmpuint(thing->reg, ==, 0);
    g_assert_cmpstr(thing->part.title, ==, "none");
    object_free(&thing->base.obj);
}

static void test_set_and_get(void)
{
    static const struct {
        const char *property, *value, *text;
    } rows[] = {
        {"flag", "off", "off"},         {"small", "0xff", "255"},
        {"offset", "-32768", "-32768"}, {"big", "18446744073709551615", "18446744073709551615"},
        {"bytes", "1.5K", "1536"},      {"mode", "turbo", "turbo"},
        {"title", "a, b", "a, b"},      {"level", "0", "0"},
        {"fail-at", "x", "x"},          {"fail_at", "y", "y"},
    };
    Object *obj = object_new(&thing_type);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_true(object_set(obj, rows[i].property, rows[i].value, NULL));
        g_autofree char *text = object_get(obj, rows[i].property, NULL);
        g_assert_cmpstr(text, ==, rows[i].text);
    }
    g_autofree char *type = object_get(obj, "type", NULL);
    g_assert_cmpstr(type, ==, "test-thing");
    object_free(obj);
}

static void test_bad_values(void)
{
    Object *obj = object_new(&thing_type);

    expect_error(obj, "small", "256",
                 "property 'small' of test-thing: value '256' does not fit into uint8");
    expect_error(obj, "offset", "-32769",
                 "property 'offset' of test-thing: value '-32769' does not fit into int16");
    expect_error(obj, "offset", "32768",
                 "property 'offset' of test-thing: value '32768' does not fit into int16");
    expect_error(obj, "mode", "tubro",
                 "property 'mode' of test-thing: value 'tubro' is not one of slow, fast, turbo; "
                 "did you mean 'turbo'?");
    expect_error(obj, "levle", "1", "test-thing has no property 'levle'; did you mean 'level'?");
    expect_error(obj, "reg", "1", "test-thing has no property 'reg'");
    expect_error(obj, "queue-size", "1", "property 'queue-size' of test-thing is read-only");
    g_assert_false(object_set(obj, "flag", "perhaps", NULL));
    g_assert_false(object_set(obj, "big", "-1", NULL));
    g_assert_false(object_set(obj, "big", "", NULL));
    g_autoptr(Error) err = NULL;
    g_assert_null(object_get(obj, "regz", &err));
    g_assert_cmpstr(error_message(err), ==,
                    "test-thing has no property 'regz'; did you mean 'reg'?");
    g_assert_cmpuint(((Thing *)obj)->small, ==, 200);
    object_free(obj);
}

static void test_set_all(void)
{
    static const char *const except[] = {"driver", NULL};
    Object *obj = object_new(&thing_type);
    g_autoptr(KeyVal) kv = keyval_parse("test-thing,level=9,title=x", "driver", NULL);

    g_assert_true(object_set_all(obj, kv, except, NULL));
    g_assert_cmpuint(((Base *)obj)->level, ==, 9);
    g_assert_cmpstr(((Base *)obj)->title, ==, "x");
    g_autoptr(KeyVal) bad = keyval_parse("driver=x,nonsense=1", NULL, NULL);
    g_assert_false(object_set_all(obj, bad, except, NULL));
    object_free(obj);
}

static void test_links(void)
{
    Object *home = object_container("/things");
    Object *thing = object_new(&thing_type), *other = object_new(&thing_type);
    Object *owner = object_new(&owner_type), *stray = object_new(&owner_type);

    object_add_child(home, "first", thing);
    object_add_child(home, "other", other);
    object_add_child(home, "stray", stray);
    g_assert_null(((Owner *)owner)->thing);
    expect_error(owner, "thing", "otter",
                 "property 'thing' of test-owner: there is no test-thing 'otter'; did you mean "
                 "'other'?");
    expect_error(owner, "thing", "stray",
                 "property 'thing' of test-owner: 'stray' is of type test-owner, not test-thing");
    g_assert_true(object_set(owner, "thing", "other", NULL));
    g_assert_true(&((Owner *)owner)->thing->base.obj == other);
    g_assert_true(object_set(owner, "thing", "/things/first", NULL));
    g_autofree char *name = object_get(owner, "thing", NULL);
    g_assert_cmpstr(name, ==, "first");
    g_assert_true(object_realize(owner, NULL));
    g_assert_true(object_realize(stray, NULL)); /* by its default */
    g_assert_true(&((Owner *)stray)->thing->base.obj == thing);
    object_free(owner);
    object_free(stray);
    object_free(thing);
    stray = object_new(&owner_type);
    g_assert_false(object_realize(stray, NULL));
    object_free(stray);
    object_free(other);
}

static void test_realize(void)
{
    Object *obj = object_new(&thing_type);

    object_add_child(object_container("/test"), "t", obj);
    fresh_journal();
    g_assert_true(object_realize(obj, NULL));
    g_assert_cmpstr(journal->str, ==, "base-realize(part) base-realize(t) thing-realize(t) ");
    g_assert_true(object_realize(obj, NULL));
    expect_error(obj, "level", "1",
                 "property 'level' of test-thing cannot change after the object is realized");
    fresh_journal();
    object_free(obj);
    g_assert_cmpstr(journal->str, ==,
                    "thing-unrealize(t) base-unrealize(t) base-unrealize(part) thing-finalize(t) ");
    g_assert_null(object_resolve("/test/t"));
}

static void test_realize_undoes_itself(void)
{
    g_autoptr(Error) err = NULL;
    Object *obj = object_new(&thing_type);

    object_add_child(object_container("/test"), "t", obj);
    g_assert_true(object_set(obj, "fail-at", "realize", NULL));
    fresh_journal();
    g_assert_false(object_realize(obj, &err));
    g_assert_cmpstr(error_message(err), ==, "told to fail");
    g_assert_cmpstr(journal->str, ==,
                    "base-realize(part) base-realize(t) thing-realize(t) "
                    "base-unrealize(t) base-unrealize(part) ");
    g_assert_false(obj->realized);
    g_assert_null(object_child(obj, "left-over"));

    g_assert_true(object_set(obj, "fail-at", "never", NULL));
    g_assert_true(object_realize(obj, NULL));
    object_free(obj);
}

static void scramble(Channel *channel)
{
    memset(channel, 0xee, sizeof(*channel));
    channel->running = false;
}

static void check_channel(const Channel *channel)
{
    g_assert_cmpuint(channel->count, ==, 0x1234);
    g_assert_true(channel->running);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpuint(channel->latch[i], ==, 7);
    }
    g_assert_cmphex(channel->kept, ==, 0xeeeeeeee);
}

static void never(void *opaque)
{
    g_assert_not_reached();
}

static void test_reset_values(void)
{
    Loop *loop = loop_new("test", NULL, NULL);
    Thing *thing = (Thing *)object_new(&thing_type);

    timer_init(&thing->timer, loop, CLOCK_TYPE_REALTIME, never, NULL);
    timer_mod_ns(&thing->timer, clock_now_ns(CLOCK_TYPE_REALTIME) + NS_PER_SECOND);
    scramble(&thing->one);
    scramble(&thing->many[0]);
    scramble(&thing->many[1]);
    memset(thing->regs, 0, sizeof(thing->regs));
    thing->clock = 42;
    thing->cache = thing;
    thing->small = 9;
    object_reset(&thing->base.obj);

    g_assert_cmphex(thing->reg, ==, 0xa5);
    for (int i = 0; i < 4; i++) {
        g_assert_cmphex(thing->regs[i], ==, 0x11);
    }
    g_assert_cmphex(thing->wide, ==, 1ull << 63);
    g_assert_cmpint(thing->negative, ==, -2);
    check_channel(&thing->one);
    check_channel(&thing->many[0]);
    check_channel(&thing->many[1]);
    g_assert_false(timer_pending(&thing->timer));
    g_assert_cmpuint(thing->clock, ==, 42);
    g_assert_true(thing->cache == thing);
    g_assert_cmpuint(thing->small, ==, 9);
    object_free(&thing->base.obj);
    loop_free(loop);
}

static void test_reset_order(void)
{
    Object *obj = object_new(&thing_type);

    object_add_child(object_container("/test"), "t", obj);
    g_assert_true(object_realize(obj, NULL));
    fresh_journal();
    object_reset(obj);
    g_assert_cmpstr(journal->str, ==,
                    "hold(t) hold(part) exit(t) exit(part) thing-sync(t) base-sync(part) ");
    object_free(obj);
}

static void test_reset_before_realize(void)
{
    Object *obj = object_new(&thing_type);

    fresh_journal();
    object_reset(obj);
    g_assert_cmpstr(journal->str, ==, "");
    g_assert_cmphex(((Thing *)obj)->reg, ==, 0xa5);
    object_free(obj);
}

static void test_paths(void)
{
    Object *a = object_new(&thing_type), *b = object_new(&thing_type);

    object_add_child(object_container("/one/two"), "a", a);
    object_add_child(object_container("/one/three"), "a", b);
    g_autofree char *path = object_path((Object *)&((Thing *)a)->part);
    g_assert_cmpstr(path, ==, "/one/two/a/part");
    g_assert_true(object_resolve("/one/two/a") == a);
    g_assert_true(object_resolve("//one/two/a/") == a);
    g_assert_true(object_resolve("/") == object_root());
    g_assert_true(object_resolve("three/a") == b);
    g_assert_null(object_resolve("a")); /* ambiguous */
    g_assert_null(object_resolve("/one/four/a"));
    g_assert_null(object_resolve(""));
    object_free(b);
    g_assert_true(object_resolve("a") == a);
    g_assert_true(object_resolve("part") == (Object *)&((Thing *)a)->part);
    object_free(a);
    object_free(NULL);
}

static void test_help(void)
{
    g_autofree char *help = type_help(&thing_type);

    g_assert_cmpstr(help, ==,
                    "test-thing options:\n"
                    "  level=<uint32>         - how much (default: 3)\n"
                    "  title=<str>            - what it is called (default: none)\n"
                    "  flag=<bool>            -  (default: on)\n"
                    "  small=<uint8>          -  (default: 200)\n"
                    "  offset=<int16>         -  (default: -5)\n"
                    "  big=<uint64>           -  (default: 0)\n"
                    "  bytes=<size>           -  (default: 4096)\n"
                    "  mode=<slow|fast|turbo> -  (default: fast)\n"
                    "  friend=<test-base>     - \n");
}

static void test_state_text(void)
{
    Object *obj = object_new(&thing_type);

    object_reset(obj);
    g_autofree char *regs = object_get(obj, "regs", NULL);
    g_assert_cmpstr(regs, ==, "[17, 17, 17, 17]");
    g_autofree char *one = object_get(obj, "one", NULL);
    g_assert_cmpstr(one, ==, "{count=4660 running=on latch=[7, 7, 7] kept=0}");
    g_autofree char *timer = object_get(obj, "timer", NULL);
    g_assert_cmpstr(timer, ==, "off");
    object_free(obj);
}

static void expect_global_error(const char *driver, const char *property, const char *value,
                                const char *message)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(object_add_global(driver, property, value, &err));
    g_assert_cmpstr(error_message(err), ==, message);
}

/* Last: globals stay for the life of the process. */
static void test_globals(void)
{
    expect_global_error("test-thign", "level", "1",
                        "unknown type 'test-thign'; did you mean 'test-thing'?");
    expect_global_error("test-thing", "leve", "1",
                        "test-thing has no property 'leve'; did you mean 'level'?");
    expect_global_error("test-thing", "queue-size", "1",
                        "property 'queue-size' of test-thing is read-only");
    g_assert_false(object_add_global("test-thing", "small", "many", NULL));
    g_assert_true(object_add_global("test-base", "level", "77", NULL));
    g_assert_true(object_add_global("test-thing", "title", "global", NULL));
    g_assert_true(object_add_global("test-thing", "level", "78", NULL));

    Thing *thing = (Thing *)object_new(&thing_type);
    g_assert_cmpuint(thing->base.level, ==, 78);
    g_assert_cmpstr(thing->base.title, ==, "global");
    g_assert_cmpuint(thing->part.level, ==, 77);
    g_assert_cmpstr(thing->part.title, ==, "none");
    object_free(&thing->base.obj);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fresh_journal();
    g_test_add_func("/object/types", test_types);
    g_test_add_func("/object/defaults", test_defaults);
    g_test_add_func("/object/set-and-get", test_set_and_get);
    g_test_add_func("/object/bad-values", test_bad_values);
    g_test_add_func("/object/set-all", test_set_all);
    g_test_add_func("/object/links", test_links);
    g_test_add_func("/object/realize", test_realize);
    g_test_add_func("/object/realize-undoes-itself", test_realize_undoes_itself);
    g_test_add_func("/object/reset-values", test_reset_values);
    g_test_add_func("/object/reset-order", test_reset_order);
    g_test_add_func("/object/reset-before-realize", test_reset_before_realize);
    g_test_add_func("/object/paths", test_paths);
    g_test_add_func("/object/help", test_help);
    g_test_add_func("/object/state-text", test_state_text);
    g_test_add_func("/object/globals", test_globals);
    int status = g_test_run();
    g_string_free(journal, TRUE);
    return status;
}
