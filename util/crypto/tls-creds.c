/* SPDX-License-Identifier: MIT */
/* TLS credentials: what all kinds share, and those that need no certificate. */
#include "tls-private.h"

#include "util/suggest.h"

#include <stdarg.h>
#include <unistd.h>

bool tls_error(Error **err, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(err, "cannot %s: %s", what, gnutls_strerror(status));
}

char *tls_find_file(const TlsCredentials *credentials, const char *name, bool is_needed,
                    Error **err)
{
    if (!credentials->dir) {
        if (is_needed) {
            error_set(err, "dir= is needed: the folder of '%s'", name);
        }
        return NULL;
    }
    char *path = g_build_filename(credentials->dir, name, NULL);
    if (access(path, R_OK) == 0) {
        return path;
    }
    if (is_needed) {
        error_set(err, "cannot read '%s'", path);
    }
    g_free(path);
    return NULL;
}

/* -- Keys -------------------------------------------------------------------------------------- */

static void keys_clear(gpointer data)
{
    TlsKeys *keys = data;

    if (keys->x509) {
        gnutls_certificate_free_credentials(keys->x509);
    }
    if (keys->psk_server) {
        gnutls_psk_free_server_credentials(keys->psk_server);
    }
    if (keys->psk_client) {
        gnutls_psk_free_client_credentials(keys->psk_client);
    }
    if (keys->anon_server) {
        gnutls_anon_free_server_credentials(keys->anon_server);
    }
    if (keys->anon_client) {
        gnutls_anon_free_client_credentials(keys->anon_client);
    }
    if (keys->dh_params) {
        gnutls_dh_params_deinit(keys->dh_params);
    }
    g_free(keys->priority);
}

void tls_keys_unref(TlsKeys *keys)
{
    if (keys) {
        g_rc_box_release_full(keys, keys_clear);
    }
}

/* dh-params.pem is for old clients; others agree on named groups. */
static bool load_dh_params(TlsCredentials *credentials, TlsKeys *keys, Error **err)
{
    g_autofree char *path = tls_find_file(credentials, "dh-params.pem", false, NULL);
    g_autofree char *text = NULL;
    gsize size;

    if (!path || !keys->is_server) {
        return true;
    }
    if (!g_file_get_contents(path, &text, &size, NULL)) {
        return error_set(err, "cannot read '%s'", path);
    }
    gnutls_datum_t datum = {(unsigned char *)text, (unsigned)size};
    int status = gnutls_dh_params_init(&keys->dh_params);
    if (status == 0) {
        status = gnutls_dh_params_import_pkcs3(keys->dh_params, &datum, GNUTLS_X509_FMT_PEM);
    }
    return status == 0 || tls_error(err, status, "use '%s'", path);
}

static bool check_priority(const char *priority, Error **err)
{
    gnutls_priority_t parsed;
    const char *at;
    int status = gnutls_priority_init(&parsed, priority, &at);

    if (status < 0) {
        return error_set(err, "priority: '%s' is not understood from '%s' on", priority, at);
    }
    gnutls_priority_deinit(parsed);
    return true;
}

static bool credentials_realize(Object *obj, Error **err)
{
    TlsCredentials *credentials = (TlsCredentials *)obj;
    const TlsCredentialsInfo *info = obj->type->info;
    TlsKeys *keys = g_rc_box_new0(TlsKeys);

    keys->is_server = credentials->endpoint == TLS_ENDPOINT_SERVER;
    keys->verifies_peer = credentials->verify_peer;
    keys->priority =
        g_strconcat(credentials->priority ? credentials->priority : "NORMAL", info->priority, NULL);
    if (!check_priority(keys->priority, err) || !load_dh_params(credentials, keys, err) ||
        !info->load(credentials, keys, err)) {
        tls_keys_unref(keys);
        return false;
    }
    credentials->keys = keys;
    return true;
}

static void credentials_finalize(Object *obj)
{
    tls_keys_unref(g_steal_pointer(&((TlsCredentials *)obj)->keys));
}

TlsCredentials *tls_credentials_find(const char *id, bool is_server, Error **err)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj || !object_is_a(obj, &tls_credentials_type)) {
        GPtrArray *all = object_container("/objects")->children;
        Suggest suggest;
        suggest_init(&suggest, id);
        for (guint i = 0; i < all->len; i++) {
            suggest_offer(&suggest, ((Object *)all->pdata[i])->name);
        }
        error_set(err,
                  obj ? "object '%s' is not TLS credentials%s"
                      : "there are no TLS credentials '%s'%s",
                  id, obj ? "" : suggest_text(&suggest));
        error_hint(err, "They are made by -object tls-creds-x509,id=%s,dir=FOLDER,endpoint=%s", id,
                   is_server ? "server" : "client");
        return NULL;
    }
    TlsCredentials *credentials = (TlsCredentials *)obj;
    if (credentials->keys->is_server != is_server) {
        error_set(err, "TLS credentials '%s' are those of a %s: endpoint=%s is needed", id,
                  is_server ? "client" : "server", is_server ? "server" : "client");
        return NULL;
    }
    return credentials;
}

static const char *const endpoints[] = {"client", "server", NULL};

static const Field credentials_fields[] = {
    PROP(TlsCredentials, dir, .desc = "folder of keys and certificates"),
    PROP_ENUM(TlsCredentials, endpoint, .choices = endpoints, .init_text = "client",
              .desc = "which side we are"),
    PROP(TlsCredentials, verify_peer, .init = 1, .desc = "the other side has to prove who it is"),
    PROP(TlsCredentials, priority, .desc = "algorithms, as GnuTLS writes them"),
    DERIVED(TlsCredentials, keys),
    FIELDS_END,
};

const Type tls_credentials_type = {
    .name = "tls-creds",
    .parent = &object_type,
    .size = sizeof(TlsCredentials),
    .desc = "TLS credentials",
    .fields = credentials_fields,
    .realize = credentials_realize,
    .finalize = credentials_finalize,
    .abstract = true,
};
OBJECT_TYPE(tls_credentials_type);

/* -- tls-creds-anon: encrypted, and nobody proves anything ------------------------------------- */

static bool anon_load(TlsCredentials *credentials, TlsKeys *keys, Error **err)
{
    keys->type = GNUTLS_CRD_ANON;
    int status = keys->is_server ? gnutls_anon_allocate_server_credentials(&keys->anon_server)
                                 : gnutls_anon_allocate_client_credentials(&keys->anon_client);
    if (status < 0) {
        return tls_error(err, status, "make anonymous credentials");
    }
    if (keys->dh_params) {
        gnutls_anon_set_server_dh_params(keys->anon_server, keys->dh_params);
    } else if (keys->is_server) {
        gnutls_anon_set_server_known_dh_params(keys->anon_server, GNUTLS_SEC_PARAM_MEDIUM);
    }
    return true;
}

/* TLS 1.3 has no anonymous exchange. */
static const TlsCredentialsInfo anon_info = {
    .priority = ":-VERS-TLS1.3:+ANON-ECDH:+ANON-DH",
    .load = anon_load,
};

static const Type anon_type = {
    .name = "tls-creds-anon",
    .parent = &tls_credentials_type,
    .size = sizeof(TlsCredentials),
    .desc = "TLS without certificates: encrypted, but nobody is verified",
    .info = &anon_info,
    .user_creatable = true,
};
OBJECT_TYPE(anon_type);
