/* SPDX-License-Identifier: MIT */
/*
 * QMP: sessions of programs. A client sees a greeting, agrees on capabilities, then sends requests
 * and gets one answer each, in order; events come in between. Requests wait in a queue that a
 * bottom half empties, so that those sent out of band (exec-oob) can go first. When the queue is
 * full or the client does not read its answers, nothing more is read from it.
 */
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/monitor/qmp-parser.h"
#include "util/event.h"
#include "util/suggest.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_FULL 8

struct QmpSession {
    QmpParser *parser;
    GQueue requests; /* of Request * */
    BottomHalf *dispatch;
    bool is_pretty;
    bool is_negotiated;
    bool has_oob;            /* the client wants it */
    struct Request *waiting; /* for a command that was deferred, or NULL */
};

/* What came from the client: a command to call, or what is wrong with it. */
typedef struct Request {
    json_t *id;     /* NULL: has none */
    json_t *object; /* the whole, which the others point into */
    const char *name;
    const json_t *arguments; /* NULL: none */
    bool is_oob;
    Error *error;
} Request;

static void request_free(gpointer data)
{
    Request *request = data;

    json_decref(request->id);
    json_decref(request->object);
    error_free(request->error);
    g_free(request);
}

/* -- Output ------------------------------------------------------------------------------------ */

/* Takes `message` over. */
static void send_message(Monitor *monitor, json_t *message)
{
    size_t flags = JSON_ENSURE_ASCII | (monitor->qmp->is_pretty ? JSON_INDENT(4) : 0);
    char *text = json_dump(message, flags);
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    monitor_append(monitor, line); /* whole or, when nobody reads, not at all */
    free(text);
    json_decref(message);
    monitor_flush(monitor);
}

static const char *class_name(ErrorClass error_class)
{
    static const char *const names[] = {
        [ERROR_GENERIC] = "GenericError",
        [ERROR_COMMAND_NOT_FOUND] = "CommandNotFound",
        [ERROR_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
        [ERROR_DEVICE_NOT_FOUND] = "DeviceNotFound",
        [ERROR_KVM_MISSING_CAP] = "KVMMissingCap",
    };

    return names[error_class];
}

static json_t *error_to_json(const Error *error)
{
    const char *hint = error_hint_text(error);
    g_autofree char *text = g_strconcat(error_message(error), hint ? "\n" : "", hint, NULL);

    return json_pack("{s:s, s:o}", "class", class_name(error_class(error)), "desc",
                     json_text(g_strchomp(text)));
}

/* Answers with the result (taken over; NULL: an empty object) or the error. */
static void answer(Monitor *monitor, const json_t *id, json_t *result, const Error *error)
{
    json_t *message = json_object();

    if (error) {
        json_object_set_new(message, "error", error_to_json(error));
        json_decref(result);
    } else {
        json_object_set_new(message, "return", result ? result : json_object());
    }
    if (id) {
        json_object_set(message, "id", (json_t *)id);
    }
    send_message(monitor, message);
}

static void greet(Monitor *monitor)
{
    send_message(monitor, json_pack("{s:{s:o, s:[s]}}", "QMP", "version", monitor_version_json(),
                                    "capabilities", "oob"));
}

static void on_event(const EventType *type, const json_t *data, int64_t host_us, void *opaque)
{
    Monitor *monitor = opaque;

    if (!monitor->is_open || !monitor->qmp->is_negotiated) {
        return;
    }
    json_t *message =
        json_pack("{s:{s:I, s:I}, s:s}", "timestamp", "seconds", (json_int_t)(host_us / 1000000),
                  "microseconds", (json_int_t)(host_us % 1000000), "event", type->name);

    if (data) {
        json_object_set(message, "data", (json_t *)data);
    }
    send_message(monitor, message);
}

/* -- Requests ---------------------------------------------------------------------------------- */

static bool unexpected_member(const char *name, Error **err)
{
    return error_set(err, "a request has no member '%s'", name);
}

static bool read_member(const QmpSession *session, Request *request, const char *key, json_t *value,
                        Error **err)
{
    bool is_oob = strcmp(key, "exec-oob") == 0;

    if (strcmp(key, "execute") == 0 || (is_oob && session->has_oob)) {
        if (!json_is_text(value)) {
            return error_set(err, "'%s' in a request is a string, the name of a command", key);
        }
        if (request->name) {
            return error_set(err, "a request has 'execute' or 'exec-oob', not both");
        }
        request->name = json_string_value(value);
        request->is_oob = is_oob;
        return true;
    }
    if (strcmp(key, "arguments") == 0) {
        request->arguments = value;
        return json_is_object(value) || error_set(err, "'arguments' in a request is an object");
    }
    return strcmp(key, "id") == 0 || unexpected_member(key, err);
}

static bool read_request(const QmpSession *session, Request *request, const char *text,
                         size_t length, Error **err)
{
    const char *key;
    json_t *value;

    if (!text) {
        return error_set(err, "JSON parse error: the input was given up");
    }
    request->object = json_parse(text, length, err);
    if (!request->object) {
        return false;
    }
    if (!json_is_object(request->object)) {
        return error_set(err, "a request is a JSON object");
    }
    request->id = json_incref(json_object_get(request->object, "id"));
    json_object_foreach(request->object, key, value)
    {
        if (!read_member(session, request, key, value, err)) {
            return false;
        }
    }
    return request->name || error_set(err, "a request needs 'execute', which names a command");
}

/* -- Running ----------------------------------------------------------------------------------- */

static bool unknown_command(const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    MONITOR_FOREACH_COMMAND(command)
    {
        if ((*command)->qmp) {
            suggest_offer(&suggest, (*command)->qmp);
        }
    }
    return error_set_class(err, ERROR_COMMAND_NOT_FOUND, "The command %s has not been found%s",
                           name, suggest_text(&suggest));
}

static bool check_turn(const QmpSession *session, const MonitorCommand *command,
                       const Request *request, Error **err)
{
    bool negotiates = command->flags & MONITOR_NEGOTIATION;

    if (!session->is_negotiated && !negotiates) {
        return error_set_class(err, ERROR_COMMAND_NOT_FOUND,
                               "'qmp_capabilities' has to come first");
    }
    if (session->is_negotiated && negotiates) {
        return error_set_class(err, ERROR_COMMAND_NOT_FOUND,
                               "the capabilities have been agreed on, once and for all");
    }
    if (request->is_oob && !(command->flags & MONITOR_OOB)) {
        return error_set(err, "the command '%s' cannot be run out of band", command->qmp);
    }
    return true;
}

static bool run_request(Monitor *monitor, const Request *request, json_t **ret_result, Error **err)
{
    const MonitorCommand *command = monitor_find_qmp(request->name);
    MonitorValue values[MONITOR_MAX_ARGS + 1] = {0};

    if (!command) {
        return unknown_command(request->name, err);
    }
    if (!check_turn(monitor->qmp, command, request, err) ||
        !monitor_read_arguments(command, request->arguments, values, err)) {
        return false;
    }
    monitor->arguments = request->arguments;
    bool fine = monitor_call(monitor, command, values, ret_result, err);
    monitor->arguments = NULL;
    return fine;
}

static void handle_request(Monitor *monitor, Request *request)
{
    const MonitorPending *before = monitor->pending;
    json_t *result = NULL;

    if (!request->error) {
        run_request(monitor, request, &result, &request->error);
    }
    if (monitor->pending != before) {
        monitor->qmp->waiting = request;
        return;
    }
    answer(monitor, request->id, result, request->error);
    request_free(request);
}

static void session_finished(Monitor *monitor, const MonitorCommand *command, json_t *result,
                             Error *error)
{
    Request *request = g_steal_pointer(&monitor->qmp->waiting);

    answer(monitor, request->id, result, error);
    request->error = error; /* freed with it */
    request_free(request);
    bottom_half_post(monitor->qmp->dispatch);
}

static void dispatch(void *opaque)
{
    Monitor *monitor = opaque;
    QmpSession *session = monitor->qmp;

    while (!monitor->pending && !monitor_is_behind(monitor) &&
           !g_queue_is_empty(&session->requests)) {
        handle_request(monitor, g_queue_pop_head(&session->requests));
    }
    monitor_flush(monitor); /* reads on */
}

static void on_value(void *opaque, const char *text, size_t length)
{
    Monitor *monitor = opaque;
    QmpSession *session = monitor->qmp;
    Request *request = g_new0(Request, 1);

    read_request(session, request, text, length, &request->error);
    if (request->is_oob && !request->error) {
        handle_request(monitor, request);
        return;
    }
    g_queue_push_tail(&session->requests, request);
    bottom_half_post(session->dispatch);
}

/* -- The session ------------------------------------------------------------------------------- */

static size_t session_can_receive(void *opaque)
{
    Monitor *monitor = opaque;
    QmpSession *session = monitor->qmp;

    if (monitor_is_behind(monitor)) {
        return 0;
    }
    if (!g_queue_is_empty(&session->requests)) {
        bottom_half_post(session->dispatch); /* it had stopped for a client that was behind */
    }
    return g_queue_get_length(&session->requests) < QUEUE_FULL ? 4096 : 0;
}

static void session_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    Monitor *monitor = opaque;

    qmp_parser_feed(monitor->qmp->parser, bytes, count);
}

static void forget_client(Monitor *monitor)
{
    QmpSession *session = monitor->qmp;

    monitor_abandon(monitor);
    g_clear_pointer(&session->waiting, request_free);
    qmp_parser_reset(session->parser);
    g_queue_clear_full(&session->requests, request_free);
    session->is_negotiated = session->has_oob = false;
    g_string_truncate(monitor->text, 0);
    timer_del(&monitor->flush_timer);
}

static void session_event(void *opaque, ChardevEvent event)
{
    Monitor *monitor = opaque;

    if (event == CHARDEV_OPENED) {
        forget_client(monitor);
        monitor->is_open = true;
        if (monitor->chardev) {
            greet(monitor);
        }
    } else if (event == CHARDEV_CLOSED) {
        monitor->is_open = false;
        forget_client(monitor);
    }
}

static void session_free(void *opaque)
{
    Monitor *monitor = opaque;
    QmpSession *session = monitor->qmp;

    event_unlisten(monitor);
    bottom_half_free(session->dispatch);
    qmp_parser_free(session->parser);
    g_queue_clear_full(&session->requests, request_free);
    g_clear_pointer(&session->waiting, request_free);
    g_free(session);
    monitor_free(monitor);
}

bool monitor_new_qmp(Chardev *chardev, bool pretty, Error **err)
{
    Monitor *monitor = monitor_new();
    QmpSession *session = g_new0(QmpSession, 1);
    ChardevFrontend frontend = {.can_receive = session_can_receive,
                                .receive = session_receive,
                                .event = session_event,
                                .released = session_free,
                                .opaque = monitor,
                                .is_monitor = true};

    monitor->qmp = session;
    monitor->finished = session_finished;
    session->is_pretty = pretty;
    session->parser = qmp_parser_new(on_value, monitor);
    session->dispatch = bottom_half_new(main_loop(), dispatch, monitor);
    g_queue_init(&session->requests);
    event_listen(on_event, monitor);
    if (!monitor_attach(monitor, chardev, &frontend, err)) {
        return false;
    }
    if (monitor->is_open) {
        greet(monitor);
    }
    return true;
}

/* -- qmp_capabilities -------------------------------------------------------------------------- */

static bool run_capabilities(Monitor *monitor, const MonitorValue *values, Error **err)
{
    for (size_t i = 0; i < json_array_size(values[0].json); i++) {
        const char *name = json_string_value(json_array_get(values[0].json, i));

        if (strcmp(name, "oob") != 0) {
            return error_set(err, "QMP capability '%s' is not offered; 'oob' is", name);
        }
    }
    monitor->qmp->has_oob = json_array_size(values[0].json) > 0;
    monitor->qmp->is_negotiated = true;
    return true;
}

static const MonitorCommand capabilities_command = {
    .qmp = "qmp_capabilities",
    .help = "agree on capabilities; the first command of a client",
    .args = {{"enable", MONITOR_ARG_JSON, .optional = true, .type = &json_type_strings}},
    .flags = MONITOR_NEGOTIATION,
    .run = run_capabilities,
};
MONITOR_COMMAND(capabilities_command);
