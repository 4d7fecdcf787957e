/* SPDX-License-Identifier: MIT */
/*
 * tls-creds-x509: certificates in dir=. ca-cert.pem says whom we believe (ca-crl.pem: whom no
 * longer); server-cert.pem and server-key.pem, or client-cert.pem and client-key.pem, say who we
 * are. A client needs no certificate of its own unless the server asks for one.
 */
#include "tls-private.h"

#include "util/secret.h"

#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

typedef struct X509Credentials {
    TlsCredentials credentials;
    bool sanity_check;
    char *passwordid;
} X509Credentials;

static bool load_authorities(X509Credentials *self, TlsKeys *keys, Error **err)
{
    g_autofree char *ca = tls_find_file(&self->credentials, "ca-cert.pem", true, err);

    if (!ca) {
        return false;
    }
    int status = gnutls_certificate_set_x509_trust_file(keys->x509, ca, GNUTLS_X509_FMT_PEM);
    if (status < 0) {
        return tls_error(err, status, "use '%s'", ca);
    }
    if (status == 0) {
        return error_set(err, "'%s' holds no certificate", ca);
    }
    g_autofree char *crl = tls_find_file(&self->credentials, "ca-crl.pem", false, NULL);
    status = crl ? gnutls_certificate_set_x509_crl_file(keys->x509, crl, GNUTLS_X509_FMT_PEM) : 0;
    return status >= 0 || tls_error(err, status, "use '%s'", crl);
}

/* An expired certificate is better known at start-up than from every client. */
static bool check_dates(const char *path, Error **err)
{
    g_autofree char *text = NULL;
    gsize size;
    gnutls_x509_crt_t certificate;
    time_t now = time(NULL);

    if (!g_file_get_contents(path, &text, &size, NULL)) {
        return error_set(err, "cannot read '%s'", path);
    }
    gnutls_datum_t datum = {(unsigned char *)text, (unsigned)size};
    int status = gnutls_x509_crt_init(&certificate);
    if (status < 0) {
        return tls_error(err, status, "check '%s'", path);
    }
    status = gnutls_x509_crt_import(certificate, &datum, GNUTLS_X509_FMT_PEM);
    time_t from = gnutls_x509_crt_get_activation_time(certificate);
    time_t until = gnutls_x509_crt_get_expiration_time(certificate);
    gnutls_x509_crt_deinit(certificate);
    if (status < 0) {
        return tls_error(err, status, "use '%s'", path);
    }
    if (until < now) {
        return error_set(err, "the certificate '%s' has expired", path);
    }
    return from <= now || error_set(err, "the certificate '%s' is not yet valid", path);
}

static bool load_own(X509Credentials *self, TlsKeys *keys, Error **err)
{
    bool is_needed = keys->is_server;
    g_autofree char *cert = tls_find_file(
        &self->credentials, is_needed ? "server-cert.pem" : "client-cert.pem", is_needed, err);
    g_autofree char *key =
        cert ? tls_find_file(&self->credentials, is_needed ? "server-key.pem" : "client-key.pem",
                             true, err)
             : NULL;
    g_autofree char *password = NULL;

    if (!cert && !is_needed) {
        return true;
    }
    if (!key || (self->sanity_check && !check_dates(cert, err))) {
        return false;
    }
    if (self->passwordid) {
        password = secret_get_text(self->passwordid, err);
        if (!password) {
            return false;
        }
    }
    int status = gnutls_certificate_set_x509_key_file2(keys->x509, cert, key, GNUTLS_X509_FMT_PEM,
                                                       password, 0);
    if (password) {
        secret_free(g_steal_pointer(&password), 0);
    }
    return status >= 0 || tls_error(err, status, "use '%s' and '%s'", cert, key);
}

static bool x509_load(TlsCredentials *credentials, TlsKeys *keys, Error **err)
{
    X509Credentials *self = (X509Credentials *)credentials;

    keys->type = GNUTLS_CRD_CERTIFICATE;
    int status = gnutls_certificate_allocate_credentials(&keys->x509);
    if (status < 0) {
        return tls_error(err, status, "make credentials");
    }
    if (!load_authorities(self, keys, err) || !load_own(self, keys, err)) {
        return false;
    }
    if (keys->dh_params) {
        gnutls_certificate_set_dh_params(keys->x509, keys->dh_params);
    } else if (keys->is_server) {
        gnutls_certificate_set_known_dh_params(keys->x509, GNUTLS_SEC_PARAM_MEDIUM);
    }
    return true;
}

static const TlsCredentialsInfo x509_info = {.priority = "", .load = x509_load};

static const Field x509_fields[] = {
    PROP(X509Credentials, sanity_check, .init = 1, .desc = "refuse certificates out of date"),
    PROP(X509Credentials, passwordid, .desc = "id of the secret that opens the key file"),
    FIELDS_END,
};

static const Type x509_type = {
    .name = "tls-creds-x509",
    .parent = &tls_credentials_type,
    .size = sizeof(X509Credentials),
    .desc = "TLS with certificates in dir=",
    .fields = x509_fields,
    .info = &x509_info,
    .user_creatable = true,
};
OBJECT_TYPE(x509_type);
