/* SPDX-License-Identifier: MIT */
/* tls-creds-psk: both sides have the same key, in keys.psk as psktool writes it. */
#include "tls-private.h"

#include <string.h>

typedef struct PskCredentials {
    TlsCredentials credentials;
    char *username;
} PskCredentials;

/* The hexadecimal key of a line "NAME:KEY"; caller frees. */
static char *find_key(const char *text, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *prefix = g_strconcat(name, ":", NULL);

    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, prefix)) {
            return g_strdup(g_strstrip(*line + strlen(prefix)));
        }
    }
    return NULL;
}

static bool load_client(PskCredentials *psk, TlsKeys *keys, const char *path, Error **err)
{
    const char *name = psk->username ? psk->username : "qemu";
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return error_set(err, "cannot read '%s'", path);
    }
    g_autofree char *key = find_key(text, name);
    if (!key) {
        return error_set(err, "'%s' has no key of '%s'", path, name);
    }
    gnutls_datum_t datum = {(unsigned char *)key, (unsigned)strlen(key)};
    int status = gnutls_psk_allocate_client_credentials(&keys->psk_client);
    if (status == 0) {
        status =
            gnutls_psk_set_client_credentials(keys->psk_client, name, &datum, GNUTLS_PSK_KEY_HEX);
    }
    return status == 0 || tls_error(err, status, "use the key of '%s' in '%s'", name, path);
}

static bool psk_load(TlsCredentials *credentials, TlsKeys *keys, Error **err)
{
    PskCredentials *psk = (PskCredentials *)credentials;
    g_autofree char *path = tls_find_file(credentials, "keys.psk", true, err);

    keys->type = GNUTLS_CRD_PSK;
    if (!path) {
        return false;
    }
    if (!keys->is_server) {
        return load_client(psk, keys, path, err);
    }
    if (psk->username) {
        return error_set(err, "username= is for a client; a server knows all in '%s'", path);
    }
    int status = gnutls_psk_allocate_server_credentials(&keys->psk_server);
    if (status == 0) {
        status = gnutls_psk_set_server_credentials_file(keys->psk_server, path);
    }
    if (status < 0) {
        return tls_error(err, status, "use '%s'", path);
    }
    if (keys->dh_params) {
        gnutls_psk_set_server_dh_params(keys->psk_server, keys->dh_params);
    } else {
        gnutls_psk_set_server_known_dh_params(keys->psk_server, GNUTLS_SEC_PARAM_MEDIUM);
    }
    return true;
}

static const TlsCredentialsInfo psk_info = {
    .priority = ":+ECDHE-PSK:+DHE-PSK:+PSK",
    .load = psk_load,
};

static const Field psk_fields[] = {
    PROP(PskCredentials, username, .desc = "whose key a client shows (qemu)"),
    FIELDS_END,
};

static const Type psk_type = {
    .name = "tls-creds-psk",
    .parent = &tls_credentials_type,
    .size = sizeof(PskCredentials),
    .desc = "TLS with keys both sides have: keys.psk in dir=",
    .fields = psk_fields,
    .info = &psk_info,
    .user_creatable = true,
};
OBJECT_TYPE(psk_type);
