/* SPDX-License-Identifier: MIT */
/* What credentials and sessions share. */
#ifndef UTIL_CRYPTO_TLS_PRIVATE_H
#define UTIL_CRYPTO_TLS_PRIVATE_H

#include "util/object.h"
#include "util/tls.h"

#include <gnutls/gnutls.h>

/* What a session needs of its credentials; reference counted (g_rc_box), so that the object can be
 * deleted while sessions use it. */
typedef struct TlsKeys {
    gnutls_credentials_type_t type;
    gnutls_certificate_credentials_t x509;
    gnutls_psk_server_credentials_t psk_server;
    gnutls_psk_client_credentials_t psk_client;
    gnutls_anon_server_credentials_t anon_server;
    gnutls_anon_client_credentials_t anon_client;
    gnutls_dh_params_t dh_params;
    char *priority; /* GnuTLS priority string */
    bool is_server, verifies_peer;
} TlsKeys;

typedef enum TlsEndpoint { TLS_ENDPOINT_CLIENT, TLS_ENDPOINT_SERVER } TlsEndpoint;

struct TlsCredentials {
    Object obj;
    char *dir;
    TlsEndpoint endpoint;
    bool verify_peer;
    char *priority;
    TlsKeys *keys; /* from realize on */
};

extern const Type tls_credentials_type; /* "tls-creds", abstract */

/* Type.info of the kinds. */
typedef struct TlsCredentialsInfo {
    const char *priority; /* what is put behind the user's string */
    bool (*load)(TlsCredentials *credentials, TlsKeys *keys, Error **err);
} TlsCredentialsInfo;

void tls_keys_unref(TlsKeys *keys);

/* Path of a file in dir=; NULL with an error when it is needed and not there, NULL without one when
 * it is optional. Caller frees. */
char *tls_find_file(const TlsCredentials *credentials, const char *name, bool is_needed,
                    Error **err);
/* Always false: "cannot WHAT: reason". */
bool tls_error(Error **err, int status, const char *format, ...) G_GNUC_PRINTF(3, 4);

#endif
