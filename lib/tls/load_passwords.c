// SPDX-License-Identifier: Apache-2.0
//
// ssl_password_file: one password a line. The bytes are secrets: they are read by read(2) into one
// buffer, since stdio would keep a copy, and are wiped after use.
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/tls/context_priv.h"
#include "lib/tls/load_priv.h"

#define FILE_MAX 65536 // bytes
#define LINE_LIMIT 4096  // bytes, as nginx

// Reads to the end of the file. The count, or -errno.
static ssize_t read_all(int fd, char *buf, size_t size)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = read(fd, buf + n, size - n);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -errno;
        n += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)n;
}

static int read_file(const char *path, struct tls_passwords *p, char *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return tls_fail(why, "open() \"%s\" failed (%d: %s)", path, errno, strerror(errno));
    p->bytes = malloc(FILE_MAX);
    p->size = FILE_MAX;
    ssize_t n = p->bytes != NULL ? read_all(fd, p->bytes, FILE_MAX) : -ENOMEM;
    close(fd);
    if (n < 0)
        return tls_fail(why, "read() \"%s\" failed (%d: %s)", path, (int)-n, strerror((int)-n));
    if (n == FILE_MAX)
        return tls_fail(why, "\"%s\" is too large for passwords", path);
    p->size = (size_t)n;
    return 0;
}

// Lines that are empty are none, but a file of nothing else says that the password is empty.
static int split(const char *path, struct tls_passwords *p, char *why)
{
    size_t most = 1;

    for (size_t i = 0; i < p->size; i++)
        most += p->bytes[i] == '\n';
    p->lines = calloc(most, sizeof(*p->lines));
    if (p->lines == NULL)
        return tls_fail(why, "no memory for the passwords of \"%s\"", path);
    struct sv rest = sv_of(p->bytes, p->size);
    while (rest.n > 0) {
        ptrdiff_t end = sv_find(rest, '\n');
        struct sv line = end < 0 ? rest : sv_take(rest, (size_t)end);
        rest = sv_skip(rest, line.n + 1);
        if (sv_ends(line, SV("\r")))
            line.n--;
        if (line.n >= LINE_LIMIT)
            return tls_fail(why, "too long line in \"%s\"", path);
        if (line.n > 0)
            p->lines[p->n++] = line;
    }
    if (p->n == 0)
        p->lines[p->n++] = sv_of(p->bytes, 0);
    return 0;
}

int tls_passwords_read(const char *path, struct tls_passwords *p, char *why)
{
    *p = (struct tls_passwords){0};
    if (path == NULL)
        return 0;
    int rc = read_file(path, p, why);
    if (rc == 0)
        rc = split(path, p, why);
    if (rc != 0)
        tls_passwords_wipe(p);
    return rc;
}

void tls_passwords_wipe(struct tls_passwords *p)
{
    if (p->bytes != NULL)
        OPENSSL_cleanse(p->bytes, p->size);
    free(p->bytes);
    free(p->lines);
    *p = (struct tls_passwords){0};
}
