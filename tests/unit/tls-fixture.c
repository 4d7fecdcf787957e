/* SPDX-License-Identifier: MIT */
/* Keys and certificates for tests, made on the spot. */
#include "tls-fixture.h"

#include "util/keyval.h"

#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#define DAY (24 * 3600)

typedef struct Identity {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
} Identity;

static void must(int status)
{
    if (status < 0) {
        g_error("GnuTLS: %s", gnutls_strerror(status));
    }
}

static void write_pem(const char *folder, const char *name, gnutls_datum_t *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, (char *)text->data, text->size, NULL));
    gnutls_free(text->data);
}

/* `signer` NULL: a certificate authority that signs itself. */
static Identity make_identity(const char *name, const Identity *signer, int64_t until)
{
    static uint8_t serial = 1;
    Identity new;

    must(gnutls_x509_privkey_init(&new.key));
    must(gnutls_x509_privkey_generate(new.key, GNUTLS_PK_ECDSA,
                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    must(gnutls_x509_crt_init(&new.certificate));
    gnutls_x509_crt_t crt = new.certificate;
    must(gnutls_x509_crt_set_version(crt, 3));
    must(gnutls_x509_crt_set_key(crt, new.key));
    must(gnutls_x509_crt_set_serial(crt, &serial, 1));
    serial++;
    must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                       (unsigned)strlen(name)));
    must(gnutls_x509_crt_set_activation_time(crt, time(NULL) - 10 * DAY));
    must(gnutls_x509_crt_set_expiration_time(crt, until));
    must(gnutls_x509_crt_set_basic_constraints(crt, signer == NULL, -1));
    must(gnutls_x509_crt_set_key_usage(crt, signer ? GNUTLS_KEY_DIGITAL_SIGNATURE
                                                   : GNUTLS_KEY_KEY_CERT_SIGN));
    if (signer) {
        must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                  (unsigned)strlen(name), GNUTLS_FSAN_SET));
    }
    const Identity *by = signer ? signer : &new;
    must(gnutls_x509_crt_sign2(crt, by->certificate, by->key, GNUTLS_DIG_SHA256, 0));
    return new;
}

static void write_identity(const Identity *identity, const char *folder, const char *role)
{
    g_autofree char *cert = g_strdup_printf("%s-cert.pem", role);
    g_autofree char *key = g_strdup_printf("%s-key.pem", role);
    gnutls_datum_t text;

    must(gnutls_x509_crt_export2(identity->certificate, GNUTLS_X509_FMT_PEM, &text));
    write_pem(folder, cert, &text);
    must(gnutls_x509_privkey_export2(identity->key, GNUTLS_X509_FMT_PEM, &text));
    write_pem(folder, key, &text);
}

static void free_identity(Identity *identity)
{
    gnutls_x509_crt_deinit(identity->certificate);
    gnutls_x509_privkey_deinit(identity->key);
}

static void write_files(const char *folder, int64_t server_until)
{
    int64_t later = time(NULL) + 10 * DAY;
    g_autofree char *psk = g_build_filename(folder, "keys.psk", NULL);
    Identity ca = make_identity("Test authority", NULL, later);
    Identity server = make_identity("localhost", &ca, server_until);
    Identity client = make_identity("client", &ca, later);

    write_identity(&ca, folder, "ca");
    write_identity(&server, folder, "server");
    write_identity(&client, folder, "client");
    free_identity(&client);
    free_identity(&server);
    free_identity(&ca);
    g_assert_true(g_file_set_contents(
        psk, "other:00112233445566778899aabbccddeeff\nqemu:0123456789abcdef0123456789abcdef\n", -1,
        NULL));
}

void write_tls_files(const char *folder)
{
    write_files(folder, time(NULL) + 10 * DAY);
}

void write_expired_tls_files(const char *folder)
{
    write_files(folder, time(NULL) - DAY);
}

Object *make_object(const char *text, Error **err)
{
    static const char *const own_keys[] = {"qom-type", "id", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(text, "qom-type", NULL);
    Error *error = NULL;

    Object *obj = object_new(type_find(keyval_get(kv, "qom-type")));
    object_add_child(object_container("/objects"), keyval_get(kv, "id"), obj);
    if (object_set_all(obj, kv, own_keys, &error) && object_realize(obj, &error)) {
        return obj;
    }
    object_free(obj);
    if (!err) {
        g_error("%s: %s", text, error_message(error));
    }
    *err = error;
    return NULL;
}
