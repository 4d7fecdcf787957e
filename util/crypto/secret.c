/* SPDX-License-Identifier: MIT */
/*
 * -object secret: the bytes of data= or of file=, raw or base64, in clear or encrypted by
 * AES-256-CBC with another secret (keyid=, 32 bytes) and iv= (16 bytes, base64).
 */
#include "util/secret.h"

#include "util/object.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>

#define KEY_SIZE 32
#define BLOCK_SIZE 16
#define FILE_MAX (1 << 20)

typedef enum SecretFormat { SECRET_RAW, SECRET_BASE64 } SecretFormat;

typedef struct Secret {
    Object obj;
    char *data, *file;
    SecretFormat format;
    char *keyid, *iv;
    uint8_t *bytes;
    size_t size;
} Secret;

static const Type secret_type;

void secret_free(void *secret, size_t size)
{
    if (secret) {
        gnutls_memset(secret, 0, size ? size : strlen(secret));
        g_free(secret);
    }
}

/* NULL when it is not base64: GLib's decoder skips what it does not know. */
static uint8_t *decode_base64(const char *text, size_t *ret_size)
{
    g_autofree char *compact = g_malloc(strlen(text) + 1);
    size_t used = 0;

    for (const char *p = text; *p; p++) {
        if (g_ascii_isspace(*p)) {
            continue;
        }
        if (!g_ascii_isalnum(*p) && !strchr("+/=", *p)) {
            return NULL;
        }
        compact[used++] = *p;
    }
    compact[used] = 0;
    size_t body = strcspn(compact, "=");
    if (used % 4 || used - body > 2 || strspn(compact + body, "=") != used - body) {
        return NULL;
    }
    return g_base64_decode(compact, ret_size);
}

/* -- Loading ----------------------------------------------------------------------------------- */

static bool read_input(const Secret *secret, char **ret_text, size_t *ret_size, Error **err)
{
    g_autoptr(GError) failure = NULL;

    if (!secret->data == !secret->file) {
        return error_set(err, "a secret needs either data= or file=");
    }
    if (secret->data) {
        *ret_text = g_strdup(secret->data);
        *ret_size = strlen(secret->data);
        return true;
    }
    if (!g_file_get_contents(secret->file, ret_text, ret_size, &failure)) {
        return error_set(err, "cannot read '%s': %s", secret->file, failure->message);
    }
    return *ret_size <= FILE_MAX || error_set(err, "'%s' is too large for a secret", secret->file);
}

static bool decrypt_blocks(uint8_t *bytes, size_t size, const uint8_t *key, uint8_t *iv,
                           Error **err)
{
    gnutls_datum_t key_datum = {(unsigned char *)key, KEY_SIZE}, iv_datum = {iv, BLOCK_SIZE};
    gnutls_cipher_hd_t cipher;

    int status = gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_CBC, &key_datum, &iv_datum);
    if (status == 0) {
        status = gnutls_cipher_decrypt(cipher, bytes, size);
        gnutls_cipher_deinit(cipher);
    }
    return status == 0 || error_set(err, "cannot decrypt: %s", gnutls_strerror(status));
}

/* Takes the padding off: N bytes of value N, 1 to 16. */
static bool unpad(const uint8_t *bytes, size_t *size, Error **err)
{
    uint8_t padding = bytes[*size - 1];

    for (size_t i = 1; i <= padding && padding <= BLOCK_SIZE; i++) {
        if (bytes[*size - i] != padding) {
            padding = 0;
        }
    }
    if (padding == 0 || padding > BLOCK_SIZE) {
        return error_set(err, "the decrypted data is not padded: is the key right?");
    }
    *size -= padding;
    return true;
}

static bool decrypt(const Secret *secret, uint8_t *bytes, size_t *size, Error **err)
{
    size_t key_size = 0, iv_size = 0;

    if (!secret->iv) {
        return error_set(err, "keyid= needs iv=");
    }
    g_autofree uint8_t *iv = decode_base64(secret->iv, &iv_size);
    if (!iv || iv_size != BLOCK_SIZE) {
        return error_set(err, "iv= takes %d bytes as base64", BLOCK_SIZE);
    }
    if (*size == 0 || *size % BLOCK_SIZE) {
        return error_set(err, "encrypted data comes in blocks of %d bytes", BLOCK_SIZE);
    }
    uint8_t *key = secret_get(secret->keyid, &key_size, err);
    if (!key) {
        return false;
    }
    bool ok = key_size == KEY_SIZE || error_set(err, "secret '%s' has %zu bytes; a key has %d",
                                                secret->keyid, key_size, KEY_SIZE);
    ok = ok && decrypt_blocks(bytes, *size, key, iv, err) && unpad(bytes, size, err);
    secret_free(key, key_size);
    return ok;
}

static bool secret_realize(Object *obj, Error **err)
{
    Secret *secret = (Secret *)obj;
    g_autofree char *text = NULL;
    size_t size = 0;

    if (!read_input(secret, &text, &size, err)) {
        return false;
    }
    if (secret->iv && !secret->keyid) {
        return error_set(err, "iv= is for data encrypted with keyid=");
    }
    uint8_t *bytes = secret->format == SECRET_BASE64 ? decode_base64(text, &size)
                                                     : (uint8_t *)g_steal_pointer(&text);
    if (!bytes) {
        return error_set(err, "the secret is not base64");
    }
    if (secret->keyid && !decrypt(secret, bytes, &size, err)) {
        secret_free(bytes, MAX(size, 1));
        return false;
    }
    secret->bytes = g_realloc(bytes, size + 1);
    secret->bytes[size] = 0;
    secret->size = size;
    return true;
}

static void secret_finalize(Object *obj)
{
    Secret *secret = (Secret *)obj;

    secret_free(g_steal_pointer(&secret->bytes), secret->size + 1);
}

/* -- Use --------------------------------------------------------------------------------------- */

uint8_t *secret_get(const char *id, size_t *ret_size, Error **err)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj || obj->type != &secret_type) {
        error_set(err, "there is no secret '%s'", id);
        error_hint(err, "It is made by -object secret,id=%s,file=FILE", id);
        return NULL;
    }
    const Secret *secret = (const Secret *)obj;
    uint8_t *copy = g_malloc(secret->size + 1);
    memcpy(copy, secret->bytes, secret->size + 1);
    *ret_size = secret->size;
    return copy;
}

char *secret_get_text(const char *id, Error **err)
{
    size_t size = 0;
    uint8_t *bytes = secret_get(id, &size, err);

    if (bytes && !g_utf8_validate((char *)bytes, (gssize)size, NULL)) {
        secret_free(bytes, size + 1);
        error_set(err, "secret '%s' is not text", id);
        return NULL;
    }
    return (char *)bytes;
}

static const char *const formats[] = {"raw", "base64", NULL};

static const Field secret_fields[] = {
    PROP(Secret, data, .desc = "the secret itself"),
    PROP(Secret, file, .desc = "file that holds it"),
    PROP_ENUM(Secret, format, .choices = formats, .init_text = "raw", .desc = "how it is written"),
    PROP(Secret, keyid, .desc = "id of the secret it is encrypted with (AES-256-CBC)"),
    PROP(Secret, iv, .desc = "initial block of the encryption, base64"),
    DERIVED(Secret, bytes),
    DERIVED(Secret, size),
    FIELDS_END,
};

static const Type secret_type = {
    .name = "secret",
    .parent = &object_type,
    .size = sizeof(Secret),
    .desc = "a password or key: data= or file=, format=raw|base64, keyid= and iv= if encrypted",
    .fields = secret_fields,
    .realize = secret_realize,
    .finalize = secret_finalize,
    .user_creatable = true,
};
OBJECT_TYPE(secret_type);
