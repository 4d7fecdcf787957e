/* SPDX-License-Identifier: MIT */
/* TLS on a stream socket, with credentials made by -object tls-creds-x509, -psk or -anon. Nothing
 * waits. Main thread, under the machine lock. */
#ifndef UTIL_TLS_H
#define UTIL_TLS_H

#include "util/error.h"

#include <stdint.h>
#include <sys/types.h>

typedef struct TlsCredentials TlsCredentials; /* an Object below /objects */
typedef struct TlsSession TlsSession;

/* Credentials by id, whose endpoint= has to be the side asked for; NULL on failure. The object may
 * go while sessions made from it live on. */
TlsCredentials *tls_credentials_find(const char *id, bool is_server, Error **err);

/*
 * A session on a connected socket, which stays the caller's. A client that verifies its peer needs
 * the `hostname` that has to stand in the certificate; else NULL.
 */
TlsSession *tls_session_new(TlsCredentials *credentials, int fd, const char *hostname, Error **err);
/* Says good-bye if that goes without waiting. NULL is fine. */
void tls_session_free(TlsSession *session);

typedef enum TlsStatus { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED } TlsStatus;

/* The next step of the handshake; sets *err when it fails. Call again when the socket is ready. */
TlsStatus tls_session_handshake(TlsSession *session, Error **err);

/* Bytes read or written; 0: not now; -1: the end or an error. A write that returned 0 has to be
 * repeated with the same bytes, of which there may be more. */
ssize_t tls_session_read(TlsSession *session, uint8_t *buffer, size_t size);
ssize_t tls_session_write(TlsSession *session, const uint8_t *bytes, size_t count);
/* Bytes that can be read and that no poll of the socket reports. */
size_t tls_session_pending(const TlsSession *session);

#endif
