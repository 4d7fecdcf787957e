/* SPDX-License-Identifier: MIT */
/* Secrets, TLS credentials, and sessions between two ends of a socket. */
#include "tls-fixture.h"
#include "util/keyval.h"
#include "util/secret.h"
#include "util/tls.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char *folder;

static void check_object_error(const char *text, const char *expected)
{
    g_autoptr(Error) error = NULL;

    g_assert_null(make_object(text, &error));
    g_assert_true(g_pattern_match_simple(expected, error_message(error)));
}

/* -- Secrets ----------------------------------------------------------------------------------- */

static void check_secret(const char *options, const char *expected)
{
    g_autofree char *text = g_strdup_printf("secret,id=s,%s", options);
    Object *obj = make_object(text, NULL);
    size_t size = 0;
    uint8_t *bytes = secret_get("s", &size, NULL);

    g_assert_cmpmem(bytes, size, expected, strlen(expected));
    secret_free(bytes, size);
    object_free(obj);
}

static void test_secrets(void)
{
    g_autofree char *path = g_build_filename(folder, "secret", NULL);
    g_autofree char *from_file = g_strdup_printf("file=%s", path);
    g_autofree char *from_base64 = g_strdup_printf("file=%s,format=base64", path);
    g_autoptr(Error) error = NULL;

    g_assert_true(g_file_set_contents(path, "c2Vj\ncmV0\n", -1, NULL));
    check_secret("data=abc", "abc");
    check_secret("data=c2VjcmV0,format=base64", "secret");
    check_secret(from_file, "c2Vj\ncmV0\n");
    check_secret(from_base64, "secret");
    check_object_error("secret,id=s", "a secret needs either data= or file=");
    check_object_error("secret,id=s,data=a,file=b", "a secret needs either data= or file=");
    check_object_error("secret,id=s,data=a,iv=b", "iv= is for data encrypted with keyid=");
    check_object_error("secret,id=s,file=/nonexistent", "cannot read '/nonexistent': *");
    check_object_error("secret,id=s,data=abc,format=base64", "the secret is not base64");
    check_object_error("secret,id=s,data=ab-d,format=base64", "the secret is not base64");
    check_object_error("secret,id=s,data=a===,format=base64", "the secret is not base64");
    g_assert_null(secret_get_text("none", &error));
    g_assert_cmpstr(error_message(error), ==, "there is no secret 'none'");
    Object *binary = make_object("secret,id=s,data=/w==,format=base64", NULL);
    g_assert_null(secret_get_text("s", NULL));
    object_free(binary);
}

/* What the library encrypts is decrypted; a wrong key, a cut or an unpadded text is refused. */
static void test_encrypted_secret(void)
{
    uint8_t key[32], iv[16], plain[32] = "attack at dawn, twenty bytes";
    gnutls_datum_t key_datum = {key, 32}, iv_datum = {iv, 16};
    gnutls_cipher_hd_t cipher;

    memset(key, 'k', 32);
    memset(iv, 'i', 16);
    memset(plain + 28, 4, 4);
    g_autofree char *iv_text = g_base64_encode(iv, 16);
    g_assert_cmpint(gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_CBC, &key_datum, &iv_datum),
                    ==, 0);
    gnutls_cipher_encrypt(cipher, plain, 32);
    gnutls_cipher_deinit(cipher);
    g_autofree char *data = g_base64_encode(plain, 32);
    g_autofree char *cut = g_base64_encode(plain, 31);
    Object *master = make_object("secret,id=master,data=kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", NULL);
    Object *wrong = make_object("secret,id=wrong,data=jkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", NULL);
    Object *brief = make_object("secret,id=brief,data=k", NULL);
    g_autofree char *good =
        g_strdup_printf("data=%s,format=base64,keyid=master,iv=%s", data, iv_text);
    check_secret(good, "attack at dawn, twenty bytes");
    struct {
        const char *data, *keyid, *iv, *error;
    } bad[] = {
        {data, "wrong", iv_text, "the decrypted data is not padded: is the key right?"},
        {data, "brief", iv_text, "secret 'brief' has 1 bytes; a key has 32"},
        {data, "none", iv_text, "there is no secret 'none'"},
        {cut, "master", iv_text, "encrypted data comes in blocks of 16 bytes"},
        {data, "master", "aaaa", "iv= takes 16 bytes as base64"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = g_strdup_printf("secret,id=s,data=%s,format=base64,keyid=%s,iv=%s",
                                                bad[i].data, bad[i].keyid, bad[i].iv);
        check_object_error(text, bad[i].error);
    }
    object_free(brief);
    object_free(wrong);
    object_free(master);
}

/* -- Sessions ---------------------------------------------------------------------------------- */

typedef struct Pair {
    Object *objects[2]; /* client, server */
    TlsSession *sessions[2];
    int fds[2];
} Pair;

static void make_pair(Pair *pair, const char *kind, const char *client_options,
                      const char *server_options, const char *hostname)
{
    const char *const roles[] = {"client", "server"};
    const char *const options[] = {client_options, server_options};

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair->fds), ==, 0);
    for (int i = 0; i < 2; i++) {
        g_autofree char *text = g_strdup_printf("tls-creds-%s,id=%s,endpoint=%s,dir=%s%s", kind,
                                                roles[i], roles[i], folder, options[i]);
        pair->objects[i] = make_object(text, NULL);
        TlsCredentials *credentials = tls_credentials_find(roles[i], i == 1, NULL);
        g_assert_nonnull(credentials);
        pair->sessions[i] = tls_session_new(credentials, pair->fds[i], hostname, NULL);
        g_assert_nonnull(pair->sessions[i]);
    }
}

static void free_pair(Pair *pair)
{
    for (int i = 0; i < 2; i++) {
        tls_session_free(pair->sessions[i]);
        close(pair->fds[i]);
        object_free(pair->objects[i]);
    }
}

/* Both in turn until both are done; false when one fails, whose words are in *err. */
static bool shake_hands(Pair *pair, Error **err)
{
    bool done[2] = {false, false};

    for (int step = 0; step < 100 && !(done[0] && done[1]); step++) {
        int side = step % 2;
        TlsStatus status = done[side] ? TLS_DONE : tls_session_handshake(pair->sessions[side], err);
        done[side] = status == TLS_DONE;
        if (status == TLS_FAILED) {
            return false;
        }
    }
    return done[0] && done[1];
}

static void exchange(Pair *pair)
{
    uint8_t buffer[16];

    for (int from = 0; from < 2; from++) {
        g_assert_cmpint(tls_session_read(pair->sessions[!from], buffer, 4), ==, 0);
        g_assert_cmpint(tls_session_write(pair->sessions[from], (uint8_t *)"payload", 7), ==, 7);
        g_assert_cmpint(tls_session_read(pair->sessions[!from], buffer, 4), ==, 4);
        g_assert_cmpuint(tls_session_pending(pair->sessions[!from]), ==, 3);
        g_assert_cmpint(tls_session_read(pair->sessions[!from], buffer + 4, 12), ==, 3);
        g_assert_cmpmem(buffer, 7, "payload", 7);
    }
}

static void test_sessions(void)
{
    static const struct {
        const char *kind, *client, *server;
    } cases[] = {
        {"x509", "", ""},
        {"x509", "", ",priority=NORMAL:-VERS-TLS1.3"},
        {"x509", ",verify-peer=off", ",verify-peer=off"},
        {"psk", "", ""},
        {"psk", ",username=other", ",priority=NORMAL:-VERS-TLS1.3"},
        {"anon", "", ""},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Pair pair;
        make_pair(&pair, cases[i].kind, cases[i].client, cases[i].server, "localhost");
        object_free(pair.objects[0]); /* sessions outlive their credentials */
        pair.objects[0] = NULL;
        g_assert_true(shake_hands(&pair, NULL));
        exchange(&pair);
        uint8_t byte;
        tls_session_free(g_steal_pointer(&pair.sessions[0]));
        g_assert_cmpint(tls_session_read(pair.sessions[1], &byte, 1), ==, -1);
        free_pair(&pair);
    }
}

static void check_refused(const char *client, const char *hostname, const char *expected)
{
    g_autoptr(Error) error = NULL;
    Pair pair;

    make_pair(&pair, "x509", client, "", hostname);
    g_assert_false(shake_hands(&pair, &error));
    g_assert_true(g_pattern_match_simple(expected, error_message(error)));
    free_pair(&pair);
}

static void test_refused(void)
{
    check_refused("", "example.org", "the other side's certificate is refused: *name*not*match*");
    /* A client without a certificate, where the server wants one. */
    g_autofree char *cert = g_build_filename(folder, "client-cert.pem", NULL);
    g_autofree char *away = g_build_filename(folder, "away", NULL);
    g_assert_cmpint(rename(cert, away), ==, 0);
    check_refused("", "localhost", "TLS handshake failed: *");
    g_assert_cmpint(rename(away, cert), ==, 0);
}

/* Bytes that are no TLS end the handshake. */
static void test_garbage(void)
{
    g_autoptr(Error) error = NULL;
    Pair pair;

    make_pair(&pair, "anon", "", "", NULL);
    g_assert_cmpint(write(pair.fds[0], "GET / HTTP/1.1\r\n", 16), ==, 16);
    g_assert_cmpint(tls_session_handshake(pair.sessions[1], &error), ==, TLS_FAILED);
    g_assert_true(g_str_has_prefix(error_message(error), "TLS handshake failed: "));
    g_assert_cmpint(tls_session_write(pair.sessions[1], (uint8_t *)"x", 1), ==, -1);
    free_pair(&pair);
}

static void test_credentials_errors(void)
{
    g_autofree char *expired = g_build_filename(folder, "expired", NULL);
    g_autofree char *old = g_strdup_printf("tls-creds-x509,id=t,endpoint=server,dir=%s", expired);
    g_autofree char *lenient = g_strconcat(old, ",sanity-check=off", NULL);
    g_autofree char *user =
        g_strdup_printf("tls-creds-psk,id=t,endpoint=client,dir=%s,username=eve", folder);
    g_autoptr(Error) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(expired, 0700), ==, 0);
    write_expired_tls_files(expired);
    check_object_error(old, "the certificate '*server-cert.pem' has expired");
    object_free(make_object(lenient, NULL));
    check_object_error(user, "'*keys.psk' has no key of 'eve'");
    check_object_error("tls-creds-x509,id=t", "dir= is needed: the folder of 'ca-cert.pem'");
    check_object_error("tls-creds-x509,id=t,dir=/nonexistent",
                       "cannot read '/nonexistent/ca-cert.pem'");
    check_object_error("tls-creds-anon,id=t,priority=NORMAL:nonsense",
                       "priority: 'NORMAL:nonsense*' is not understood from 'nonsense*' on");
    Object *obj = make_object("tls-creds-anon,id=t,endpoint=server", NULL);
    g_assert_null(tls_credentials_find("t", false, &error));
    g_assert_cmpstr(error_message(error), ==,
                    "TLS credentials 't' are those of a server: endpoint=client is needed");
    object_free(obj);
    g_clear_pointer(&error, error_free);
    g_assert_null(tls_credentials_find("t", false, &error));
    g_assert_cmpstr(error_message(error), ==, "there are no TLS credentials 't'");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("crypto-XXXXXX", NULL);
    write_tls_files(folder);
    g_test_add_func("/crypto/secret", test_secrets);
    g_test_add_func("/crypto/secret-encrypted", test_encrypted_secret);
    g_test_add_func("/crypto/tls/sessions", test_sessions);
    g_test_add_func("/crypto/tls/refused", test_refused);
    g_test_add_func("/crypto/tls/garbage", test_garbage);
    g_test_add_func("/crypto/tls/errors", test_credentials_errors);
    int result = g_test_run();
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", folder);
    g_assert_cmpint(system(command), ==, 0);
    return result;
}
