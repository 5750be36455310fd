// SPDX-License-Identifier: Apache-2.0
//
// A folder with certificates and keys, for tests of what reads them from files.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/lib/tls/identity_fixture.h"

static char folder[] = "/tmp/millrace-tls-XXXXXX";

static inline void folder_make(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

// Stays for the next hundred calls.
static inline const char *folder_path(const char *name)
{
    static char paths[100][128];
    static unsigned turn;
    char *path = paths[turn++ % array_len(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

// Replaced as a careful administrator does: under another name first.
static inline void folder_write(const char *name, const char *text)
{
    const char *path = folder_path(name), *fresh = folder_path("fresh");
    FILE *f = fopen(fresh, "w");

    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
    cr_assert_eq(rename(fresh, path), 0);
}

// NAME.crt and NAME.key.
static inline void folder_write_pair(const char *name, const struct identity *i)
{
    char file[64];

    snprintf(file, sizeof(file), "%s.crt", name);
    folder_write(file, i->certificate + strlen("data:"));
    snprintf(file, sizeof(file), "%s.key", name);
    folder_write(file, i->private_key + strlen("data:"));
}

// A key that `password` opens.
static inline void folder_write_locked(const char *name, EVP_PKEY *key, const char *password)
{
    FILE *f = fopen(folder_path(name), "w");

    cr_assert_not_null(f);
    cr_assert(PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)password,
                                   (int)strlen(password), NULL, NULL));
    fclose(f);
}

static inline void folder_remove(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}
