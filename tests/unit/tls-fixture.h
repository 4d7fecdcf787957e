/* SPDX-License-Identifier: MIT */
/* Keys and certificates for tests, made on the spot. */
#ifndef TESTS_UNIT_TLS_FIXTURE_H
#define TESTS_UNIT_TLS_FIXTURE_H

#include "util/object.h"

/* Writes ca-cert.pem, server-*.pem (for localhost), client-*.pem and keys.psk (user "qemu"). */
void write_tls_files(const char *folder);
/* The same, but the server's certificate has expired. */
void write_expired_tls_files(const char *folder);

/* Makes the object "TYPE,id=...,..." below /objects; NULL with an error, or ends the test when
 * `err` is NULL. */
Object *make_object(const char *text, Error **err);

#endif
