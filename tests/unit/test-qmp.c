/* SPDX-License-Identifier: MIT */
/* QMP without a machine: the stream, negotiation, errors, out-of-band, events, the schema. */
#include "softmmu/monitor.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/monitor/qmp-parser.h"
#include "softmmu/run.h"
#include "ui/chardev.h"
#include "util/event.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- The stream -------------------------------------------------------------------------------- */

static void note_value(void *opaque, const char *text, size_t length)
{
    g_string_append(opaque, text ? text : "(refused)");
    g_string_append_c(opaque, '\n');
    g_assert_true(!text || strlen(text) == length);
}

/* The same, however the bytes come in pieces. */
static void check_stream(const char *input, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(input); piece++) {
        g_autoptr(GString) got = g_string_new(NULL);
        QmpParser *parser = qmp_parser_new(note_value, got);

        for (size_t at = 0; at < strlen(input); at += piece) {
            qmp_parser_feed(parser, input + at, MIN(piece, strlen(input) - at));
        }
        g_assert_cmpstr(got->str, ==, expected);
        qmp_parser_free(parser);
    }
}

static void test_stream(void)
{
    check_stream("{} {}\n{}", "{}\n{}\n{}\n");
    check_stream("{\"a\":{\"b\":[1,{}]}}{", "{\"a\":{\"b\":[1,{}]}}\n");
    check_stream("{\"}\":\"{\\\"\"} ", "{\"}\":\"{\\\"\"}\n");
    check_stream("{'a\"b':'it\\'s'}", "{\"a\\\"b\":\"it's\"}\n");
    check_stream("12 true\"x\"[", "12\ntrue\n\"x\"\n");
    check_stream("}{", "}\n");
    check_stream("{\"a\xff{}", "(refused)\n{}\n");
}

static void test_stream_limits(void)
{
    g_autoptr(GString) got = g_string_new(NULL);
    QmpParser *parser = qmp_parser_new(note_value, got);

    for (int i = 0; i < 1025; i++) {
        qmp_parser_feed(parser, "[", 1);
    }
    qmp_parser_feed(parser, "{}", 2);
    g_assert_cmpstr(got->str, ==, "(refused)\n{}\n");
    qmp_parser_free(parser);
}

/* -- A session --------------------------------------------------------------------------------- */

typedef struct Client {
    int fd;
    Chardev *chardev;
} Client;

static Client connect_client(const char *id)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    g_autofree char *text = g_strdup_printf("socket,id=%s,fd=%d", id, pair[0]);
    g_autoptr(KeyVal) options = keyval_parse(text, "backend", NULL);
    Client client = {pair[1], chardev_new(options, NULL)};
    g_assert_nonnull(client.chardev);
    g_assert_true(monitor_new_qmp(client.chardev, false, NULL));
    return client;
}

static void end_client(Client *client)
{
    close(client->fd);
    object_free(&client->chardev->obj);
}

static char *answer_of(const Client *client, const char *request)
{
    GString *all = g_string_new(NULL);
    char buffer[8192];
    ssize_t count;

    if (request) {
        g_assert_cmpint(send(client->fd, request, strlen(request), 0), ==, strlen(request));
    }
    for (int i = 0; i < 8; i++) {
        main_loop_wait(false);
        while ((count = recv(client->fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
            g_string_append_len(all, buffer, count);
        }
    }
    return g_string_free(all, FALSE);
}

static void ask(const Client *client, const char *request, const char *expected)
{
    g_autofree char *answer = answer_of(client, request);

    if (!g_str_equal(answer, expected)) {
        g_error("%s: got '%s' instead of '%s'", request, answer, expected);
    }
}

#define ERROR(error_class, text)                                                                   \
    "{\"error\": {\"class\": \"" error_class "\", \"desc\": \"" text "\"}"
#define GENERIC(text) ERROR("GenericError", text) "}\r\n"
#define NOT_FOUND(text) ERROR("CommandNotFound", text) "}\r\n"
#define EMPTY "{\"return\": {}}\r\n"

static Client negotiated_client(const char *id, const char *request)
{
    Client client = connect_client(id);
    g_autofree char *greeting = answer_of(&client, NULL);

    g_assert_true(g_str_has_prefix(greeting, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, "));
    g_assert_true(g_str_has_suffix(greeting, "\"capabilities\": [\"oob\"]}}\r\n"));
    ask(&client, request, EMPTY);
    return client;
}

static void test_negotiation(void)
{
    Client client = connect_client("n");
    g_autofree char *greeting = answer_of(&client, NULL);

    g_assert_cmpint(greeting[0], ==, '{');
    ask(&client, "{\"execute\":\"query-status\"}",
        NOT_FOUND("'qmp_capabilities' has to come first"));
    ask(&client, "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"fast\"]}}",
        GENERIC("QMP capability 'fast' is not offered; 'oob' is"));
    ask(&client, "{\"execute\":\"qmp_capabilities\",\"id\":[1]}",
        "{\"return\": {}, \"id\": [1]}\r\n");
    ask(&client, "{\"execute\":\"qmp_capabilities\"}",
        NOT_FOUND("the capabilities have been agreed on, once and for all"));
    end_client(&client);
}

static void test_errors(void)
{
    Client client = negotiated_client("e", "{\"execute\":\"qmp_capabilities\"}");

    ask(&client, "[]", GENERIC("a request is a JSON object"));
    ask(&client, "{}", GENERIC("a request needs 'execute', which names a command"));
    ask(&client, "{\"execute\":1}",
        GENERIC("'execute' in a request is a string, the name of a command"));
    ask(&client, "{\"exec-oob\":\"stop\"}", GENERIC("a request has no member 'exec-oob'"));
    ask(&client, "{\"execute\":\"stop\",\"arguments\":[]}",
        GENERIC("'arguments' in a request is an object"));
    ask(&client, "{\"execute\":\"stop\",\"arguments\":{\"x\":1}}",
        GENERIC("Parameter 'x' is unexpected"));
    ask(&client, "{\"execute\":\"stpo\",\"id\":\"a\"}",
        ERROR("CommandNotFound",
              "The command stpo has not been found; did you mean 'stop'?") ", \"id\": \"a\"}\r\n");
    ask(&client, "{\"execute\":\"human-monitor-command\"}",
        GENERIC("Parameter 'command-line' is missing"));
    ask(&client, "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":1}}",
        GENERIC("Parameter 'command-line' wants a value of type string"));
    g_autofree char *twice = answer_of(&client, "{\"execute\":\"stop\",\"execute\":\"stop\"}");
    g_assert_nonnull(strstr(twice, "JSON parse error at character "));
    g_assert_nonnull(strstr(twice, "duplicate object key"));
    ask(&client,
        "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":"
        "\"info foo\"}}",
        "{\"return\": \"unknown command: 'info foo'\\r\\n\"}\r\n");
    end_client(&client);
}

static void test_out_of_band(void)
{
    Client client = negotiated_client(
        "o", "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}");

    ask(&client, "{\"exec-oob\":\"stop\"}",
        GENERIC("the command 'stop' cannot be run out of band"));
    ask(&client, "{\"exec-oob\":\"stop\",\"execute\":\"stop\"}",
        GENERIC("a request has 'execute' or 'exec-oob', not both"));
    end_client(&client);
}

/* -- Events ------------------------------------------------------------------------------------ */

static const EventType test_event = {"TEST_EVENT", "for this test"};

static void test_events(void)
{
    Client client = connect_client("v");
    g_autofree char *greeting = answer_of(&client, NULL);

    event_emit(&test_event, NULL); /* it has not said yet that it is ready */
    ask(&client, "{\"execute\":\"qmp_capabilities\"}", EMPTY);
    event_emit(&test_event, json_pack("{s:i}", "value", 5));
    g_autofree char *text = answer_of(&client, NULL);
    g_autoptr(json_t) event = json_parse(text, strlen(text), NULL);
    g_assert_nonnull(event);
    g_assert_cmpstr(json_string_value(json_object_get(event, "event")), ==, "TEST_EVENT");
    json_int_t seconds =
        json_integer_value(json_object_get(json_object_get(event, "timestamp"), "seconds"));
    g_assert_cmpint(ABS(seconds - g_get_real_time() / 1000000), <, 600);
    g_assert_cmpint(json_integer_value(json_object_get(json_object_get(event, "data"), "value")),
                    ==, 5);
    end_client(&client);
}

static const EventType often_event = {"OFTEN", "for this test", .is_throttled = true};

static unsigned emitted(const Client *client)
{
    g_autofree char *text = answer_of(client, NULL);
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, "\"OFTEN\"")) != NULL; at++) {
        count++;
    }
    return count;
}

/* Of many in a second the first comes at once, the last at the second's end. */
static void test_throttle(void)
{
    Client client = negotiated_client("t", "{\"execute\":\"qmp_capabilities\"}");
    int64_t start = g_get_monotonic_time();
    g_autofree char *text = NULL;

    for (int i = 0; i < 10; i++) {
        event_emit(&often_event, json_pack("{s:i}", "value", i));
    }
    g_assert_cmpint(emitted(&client), ==, 1);
    while (!text || !*text) {
        g_free(text);
        g_usleep(10000);
        text = answer_of(&client, NULL);
    }
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 990000);
    g_assert_nonnull(strstr(text, "\"data\": {\"value\": 9}"));
    event_emit(&often_event, NULL);
    g_assert_cmpint(emitted(&client), ==, 0);
    end_client(&client);
}

/* -- The schema -------------------------------------------------------------------------------- */

/* Every name that an entry refers to has an entry of its own, and just one. */
static void test_schema(void)
{
    Client client = negotiated_client("s", "{\"execute\":\"qmp_capabilities\"}");
    g_autofree char *text = answer_of(&client, "{\"execute\":\"query-qmp-schema\"}");
    g_autoptr(json_t) answer = json_parse(text, strlen(text), NULL);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    static const char *const references[] = {"arg-type", "ret-type", "element-type"};
    const json_t *list = json_object_get(answer, "return");
    const json_t *entry, *member;
    size_t i, n;

    g_assert_cmpint(json_array_size(list), >, 10);
    json_array_foreach(list, i, entry)
    {
        g_assert_true(
            g_hash_table_add(names, (char *)json_string_value(json_object_get(entry, "name"))));
    }
    json_array_foreach(list, i, entry)
    {
        for (n = 0; n < G_N_ELEMENTS(references); n++) {
            const char *name = json_string_value(json_object_get(entry, references[n]));
            g_assert_true(!name || g_hash_table_contains(names, name));
        }
        json_array_foreach(json_object_get(entry, "members"), n, member)
        {
            const char *name = json_string_value(json_object_get(member, "type"));
            g_assert_true(!name || g_hash_table_contains(names, name));
        }
    }
    g_assert_true(g_hash_table_contains(names, "query-status"));
    g_assert_true(g_hash_table_contains(names, "SHUTDOWN"));
    end_client(&client);
}

/* -- The table --------------------------------------------------------------------------------- */

static void check_new(GHashTable *names, const char *name)
{
    if (!g_hash_table_add(names, g_strdup(name))) {
        g_error("two rows are called '%s'", name);
    }
}

static void test_names(void)
{
    g_autoptr(GHashTable) hmp = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) qmp = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    MONITOR_FOREACH_COMMAND(command)
    {
        bool is_info = (*command)->name && g_str_has_prefix((*command)->name, "info ");
        g_auto(GStrv) aliases = g_strsplit((*command)->name ? (*command)->name : "", "|", -1);

        for (char **alias = aliases; *alias; alias++) {
            g_autofree char *full =
                g_strconcat(is_info && alias > aliases ? "info " : "", *alias, NULL);
            check_new(hmp, full);
        }
        if ((*command)->qmp) {
            check_new(qmp, (*command)->qmp);
        }
    }
    g_assert_cmpuint(g_hash_table_size(hmp), >, 20);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    g_test_add_func("/qmp/stream", test_stream);
    g_test_add_func("/qmp/stream-limits", test_stream_limits);
    g_test_add_func("/qmp/negotiation", test_negotiation);
    g_test_add_func("/qmp/errors", test_errors);
    g_test_add_func("/qmp/out-of-band", test_out_of_band);
    g_test_add_func("/qmp/events", test_events);
    g_test_add_func("/qmp/throttle", test_throttle);
    g_test_add_func("/qmp/schema", test_schema);
    g_test_add_func("/qmp/names", test_names);
    return g_test_run();
}
