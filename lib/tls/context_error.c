// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL's error queue (ERR_get_error(3)) as text for the log.
#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/tls/context_priv.h"

#define ENTRY_MAX 256 // bytes of one entry's own text

// The text may quote a file or a peer, and a log line has no newline in it.
static void flatten(char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            *s = ' ';
}

void tls_error_text(char *out)
{
    char entry[ENTRY_MAX];
    const char *data = "";
    int flags = 0;
    unsigned long error = ERR_peek_error_data(&data, &flags);

    out[0] = '\0';
    if (error == 0)
        return;
    ERR_error_string_n(error, entry, sizeof(entry));
    bool has_data = (flags & ERR_TXT_STRING) != 0 && data != NULL && data[0] != '\0';
    snprintf(out, TLS_ERROR_MAX, " (SSL: %s%s%.512s)", entry, has_data ? ":" : "",
             has_data ? data : "");
    flatten(out);
    ERR_clear_error();
}

int tls_fail(char *why, const char *fmt, ...)
{
    char detail[TLS_ERROR_MAX];
    va_list args;

    tls_error_text(detail);
    va_start(args, fmt);
    int n = vsnprintf(why, TLS_ERROR_MAX, fmt, args);
    va_end(args);
    if (n < 0)
        why[n = 0] = '\0';
    if (n < TLS_ERROR_MAX)
        snprintf(why + n, TLS_ERROR_MAX - (size_t)n, "%s", detail);
    flatten(why);
    return -EINVAL;
}
