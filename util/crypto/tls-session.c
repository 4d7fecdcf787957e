/* SPDX-License-Identifier: MIT */
/* One TLS connection, by GnuTLS, on a socket that is never waited for. */
#include "tls-private.h"

#include <errno.h>
#include <sys/socket.h>

struct TlsSession {
    gnutls_session_t session;
    TlsKeys *keys; /* a reference */
    char *hostname;
    bool is_open, is_broken;
};

/* -- The socket -------------------------------------------------------------------------------- */

static ssize_t push(gnutls_transport_ptr_t pointer, const void *bytes, size_t count)
{
    return send((int)(intptr_t)pointer, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t pull(gnutls_transport_ptr_t pointer, void *buffer, size_t size)
{
    return recv((int)(intptr_t)pointer, buffer, size, MSG_DONTWAIT);
}

/* -- Life -------------------------------------------------------------------------------------- */

static int set_credentials(TlsSession *self)
{
    const TlsKeys *keys = self->keys;

    switch (keys->type) {
    case GNUTLS_CRD_CERTIFICATE:
        return gnutls_credentials_set(self->session, keys->type, keys->x509);
    case GNUTLS_CRD_PSK:
        return keys->is_server
                   ? gnutls_credentials_set(self->session, keys->type, keys->psk_server)
                   : gnutls_credentials_set(self->session, keys->type, keys->psk_client);
    default:
        return keys->is_server
                   ? gnutls_credentials_set(self->session, keys->type, keys->anon_server)
                   : gnutls_credentials_set(self->session, keys->type, keys->anon_client);
    }
}

static void set_verification(TlsSession *self)
{
    if (self->keys->type != GNUTLS_CRD_CERTIFICATE) {
        return;
    }
    if (self->keys->is_server) {
        gnutls_certificate_server_set_request(
            self->session, self->keys->verifies_peer ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    } else if (self->hostname) {
        gnutls_server_name_set(self->session, GNUTLS_NAME_DNS, self->hostname,
                               strlen(self->hostname));
    }
    if (self->keys->verifies_peer) {
        gnutls_session_set_verify_cert(self->session, self->hostname, 0);
    }
}

TlsSession *tls_session_new(TlsCredentials *credentials, int fd, const char *hostname, Error **err)
{
    TlsKeys *keys = credentials->keys;
    bool is_client = !keys->is_server;

    if (is_client && keys->verifies_peer && keys->type == GNUTLS_CRD_CERTIFICATE && !hostname) {
        error_set(err, "the name that has to stand in the server's certificate is not known");
        return NULL;
    }
    TlsSession *self = g_new0(TlsSession, 1);
    self->keys = g_rc_box_acquire(keys);
    self->hostname = g_strdup(is_client ? hostname : NULL);
    int status = gnutls_init(&self->session, (is_client ? GNUTLS_CLIENT : GNUTLS_SERVER) |
                                                 GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (status == 0) {
        status = gnutls_priority_set_direct(self->session, keys->priority, NULL);
    }
    if (status == 0) {
        status = set_credentials(self);
    }
    if (status < 0) {
        tls_error(err, status, "begin a TLS session");
        tls_session_free(self);
        return NULL;
    }
    set_verification(self);
    gnutls_transport_set_ptr(self->session, (gnutls_transport_ptr_t)(intptr_t)fd);
    gnutls_transport_set_push_function(self->session, push);
    gnutls_transport_set_pull_function(self->session, pull);
    return self;
}

void tls_session_free(TlsSession *self)
{
    if (!self) {
        return;
    }
    if (self->is_open && !self->is_broken) {
        gnutls_bye(self->session, GNUTLS_SHUT_WR);
    }
    if (self->session) {
        gnutls_deinit(self->session);
    }
    tls_keys_unref(self->keys);
    g_free(self->hostname);
    g_free(self);
}

/* -- Handshake and data ------------------------------------------------------------------------ */

/* Why the handshake failed, in words; caller frees. */
static char *explain(TlsSession *self, int status)
{
    gnutls_datum_t text = {NULL, 0};

    if (status == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
        gnutls_certificate_verification_status_print(
            gnutls_session_get_verify_cert_status(self->session), GNUTLS_CRT_X509, &text, 0);
    }
    if (text.data) {
        char *why = g_strconcat(
            "the other side's certificate is refused: ", g_strchomp((char *)text.data), NULL);
        gnutls_free(text.data);
        return why;
    }
    if (status == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        return g_strconcat("TLS handshake refused by the other side: ",
                           gnutls_alert_get_name(gnutls_alert_get(self->session)), NULL);
    }
    return g_strconcat("TLS handshake failed: ", gnutls_strerror(status), NULL);
}

TlsStatus tls_session_handshake(TlsSession *self, Error **err)
{
    int status;

    do {
        status = gnutls_handshake(self->session);
    } while (status == GNUTLS_E_INTERRUPTED || status == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (status == 0) {
        self->is_open = true;
        return TLS_DONE;
    }
    if (status == GNUTLS_E_AGAIN) {
        return gnutls_record_get_direction(self->session) ? TLS_WANTS_WRITE : TLS_WANTS_READ;
    }
    self->is_broken = true;
    g_autofree char *why = explain(self, status);
    error_set(err, "%s", why);
    return TLS_FAILED;
}

/* A new handshake inside the session (before TLS 1.3) is not taken up. */
static ssize_t result(TlsSession *self, ssize_t status)
{
    if (status > 0) {
        return status;
    }
    if (status == GNUTLS_E_AGAIN || status == GNUTLS_E_INTERRUPTED ||
        status == GNUTLS_E_WARNING_ALERT_RECEIVED) {
        return 0;
    }
    self->is_broken = true;
    return -1;
}

ssize_t tls_session_read(TlsSession *self, uint8_t *buffer, size_t size)
{
    return self->is_broken ? -1 : result(self, gnutls_record_recv(self->session, buffer, size));
}

ssize_t tls_session_write(TlsSession *self, const uint8_t *bytes, size_t count)
{
    return self->is_broken ? -1 : result(self, gnutls_record_send(self->session, bytes, count));
}

size_t tls_session_pending(const TlsSession *self)
{
    return self->is_broken ? 0 : gnutls_record_check_pending(self->session);
}
