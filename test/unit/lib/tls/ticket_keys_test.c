// SPDX-License-Identifier: Apache-2.0
//
// Ticket keys: what one process seals another opens, rotation keeps three, key files are nginx's.
#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/tls/context.h"
#include "lib/tls/ticket_keys.h"
#include "test/unit/lib/tls/identity_fixture.h"

struct ticket {
    unsigned char name[TLS_TICKET_NAME], iv[EVP_MAX_IV_LENGTH];
    unsigned char sealed[64], tag[32];
    int n;
};

static const unsigned char plain[] = "a session of a client";

static EVP_MAC_CTX *new_mac(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

    EVP_MAC_free(mac);
    return ctx;
}

static void tag(EVP_MAC_CTX *mac, const struct ticket *t, unsigned char out[32])
{
    size_t n;

    cr_assert(EVP_MAC_init(mac, NULL, 0, NULL));
    cr_assert(EVP_MAC_update(mac, t->sealed, (size_t)t->n));
    cr_assert(EVP_MAC_final(mac, out, &n, 32));
    cr_assert_eq(n, 32);
}

// As OpenSSL does with what the callback has set up.
static struct ticket seal(struct tls_ticket_keys *k)
{
    struct ticket t = {0};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_MAC_CTX *mac = new_mac();
    int n;

    cr_assert_eq(tls_ticket_keys_callback(k, t.name, t.iv, cipher, mac, 1), 1);
    cr_assert(EVP_EncryptUpdate(cipher, t.sealed, &n, plain, sizeof(plain)));
    t.n = n;
    cr_assert(EVP_EncryptFinal_ex(cipher, t.sealed + n, &n));
    t.n += n;
    tag(mac, &t, t.tag);
    EVP_CIPHER_CTX_free(cipher);
    EVP_MAC_CTX_free(mac);
    return t;
}

// What the callback returned; what it opened is the plain text.
static int open_ticket(struct tls_ticket_keys *k, struct ticket t)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_MAC_CTX *mac = new_mac();
    unsigned char out[96], is[32];
    int n, more, rc = tls_ticket_keys_callback(k, t.name, t.iv, cipher, mac, 0);

    if (rc > 0) {
        tag(mac, &t, is);
        cr_assert_arr_eq(is, t.tag, 32);
        cr_assert(EVP_DecryptUpdate(cipher, out, &n, t.sealed, t.n));
        cr_assert(EVP_DecryptFinal_ex(cipher, out + n, &more));
        cr_assert_eq(n + more, (int)sizeof(plain));
        cr_assert_arr_eq(out, plain, sizeof(plain));
    }
    EVP_CIPHER_CTX_free(cipher);
    EVP_MAC_CTX_free(mac);
    return rc;
}

Test(ticket_keys, what_is_sealed_is_opened)
{
    struct tls_ticket_keys *k = tls_ticket_keys_new(), *other = tls_ticket_keys_new();
    struct ticket t = seal(k), again = seal(k);

    cr_assert_eq(open_ticket(k, t), 1);
    cr_assert_eq(open_ticket(other, t), 0, "of another server: none of ours");
    cr_assert_arr_eq(t.name, again.name, sizeof(t.name));
    cr_assert(memcmp(t.iv, again.iv, sizeof(t.iv)) != 0);
    cr_assert(memcmp(t.sealed, plain, sizeof(plain)) != 0);
    tls_ticket_keys_free(k);
    tls_ticket_keys_free(other);
    tls_ticket_keys_free(NULL);
}

Test(ticket_keys, three_keys_are_good_and_older_ones_renew)
{
    struct tls_ticket_keys *k = tls_ticket_keys_new();

    for (int round = 0; round < 10; round++) {
        struct ticket t = seal(k);
        cr_assert_eq(open_ticket(k, t), 1);
        cr_assert_eq(tls_ticket_keys_rotate(k), 0);
        cr_assert_eq(open_ticket(k, t), 2);
        struct ticket newer = seal(k);
        cr_assert(memcmp(newer.name, t.name, sizeof(t.name)) != 0);
        cr_assert_eq(tls_ticket_keys_rotate(k), 0);
        cr_assert_eq(open_ticket(k, t), 2);
        cr_assert_eq(tls_ticket_keys_rotate(k), 0);
        cr_assert_eq(open_ticket(k, t), 0, "dropped out");
        cr_assert_eq(open_ticket(k, newer), 2);
    }
    tls_ticket_keys_free(k);
}

// A slot that has never been filled is all zeros, and everybody knows that key.
Test(ticket_keys, a_key_of_zeros_opens_nothing)
{
    struct tls_ticket_keys *k = tls_ticket_keys_new();
    struct ticket forged = {.n = 32};

    for (int i = 0; i < 5; i++) {
        cr_assert_eq(open_ticket(k, forged), 0);
        cr_assert_eq(tls_ticket_keys_rotate(k), 0);
    }
    tls_ticket_keys_free(k);
}

Test(ticket_keys, processes_share_them_and_see_rotations)
{
    struct tls_ticket_keys *k = tls_ticket_keys_new();
    struct ticket t = seal(k);
    int to_child[2], status;
    char go;

    cr_assert_eq(pipe(to_child), 0);
    pid_t child = fork();
    if (child == 0) {
        if (read(to_child[0], &go, 1) != 1)
            _exit(3);
        _exit(open_ticket(k, t)); // after the rotation
    }
    cr_assert_eq(tls_ticket_keys_rotate(k), 0);
    cr_assert_eq(write(to_child[1], "x", 1), 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 2);
    tls_ticket_keys_free(k);
}

static struct {
    struct tls_ticket_keys *keys;
    pthread_mutex_t lock;
    struct ticket ticket; // of some rotations ago
    bool stop;
    _Atomic long opened;
} race = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *open_all(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_mutex_lock(&race.lock);
        struct ticket t = race.ticket;
        bool stop = race.stop;
        pthread_mutex_unlock(&race.lock);
        if (stop)
            return NULL;
        while (open_ticket(race.keys, t) > 0)
            race.opened++;
        struct ticket own = seal(race.keys);
        race.opened += open_ticket(race.keys, own) > 0;
    }
}

// A key of which a half is another one's has the name that is looked for and does not open the
// ticket: open_ticket() compares. Readers hold on to each ticket until its key is overwritten.
Test(ticket_keys, readers_never_see_half_a_rotation, .timeout = 60)
{
    pthread_t threads[3];

    race.keys = tls_ticket_keys_new();
    race.ticket = seal(race.keys);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, open_all, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        struct ticket t = seal(race.keys);
        pthread_mutex_lock(&race.lock);
        race.ticket = t;
        pthread_mutex_unlock(&race.lock);
        for (int k = 0; k < TLS_TICKET_KEYS + 2; k++)
            cr_assert_eq(tls_ticket_keys_rotate(race.keys), 0);
    }
    pthread_mutex_lock(&race.lock);
    race.stop = true;
    pthread_mutex_unlock(&race.lock);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    cr_assert_gt(race.opened, 100);
    tls_ticket_keys_free(race.keys);
}

static char directory[] = "/tmp/millrace-ticket-XXXXXX";

static void remove_files(void)
{
    remove_directory(directory);
}

static const char *write_file(const char *name, const unsigned char *bytes, size_t n)
{
    char *path = keep(malloc(64));

    if (directory[sizeof(directory) - 2] == 'X')
        cr_assert_not_null(mkdtemp(directory));
    snprintf(path, 64, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
    return path;
}

static unsigned char *counted(size_t n)
{
    unsigned char *bytes = keep(malloc(n));

    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i + n);
    return bytes;
}

// Seals independently with nginx's layout, so that both servers can share a file.
static void check_layout(struct tls_ticket_keys *k, const unsigned char *file, const char *cipher,
                         size_t aes, size_t hmac, size_t bytes)
{
    struct ticket t = seal(k);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, cipher, NULL);
    EVP_MAC_CTX *mac = new_mac();
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end()};
    unsigned char out[96], is[32];
    int n;
    size_t tag_n;

    cr_assert_arr_eq(t.name, file, TLS_TICKET_NAME);
    cr_assert(EVP_MAC_init(mac, file + hmac, bytes, params));
    cr_assert(EVP_MAC_update(mac, t.sealed, (size_t)t.n) && EVP_MAC_final(mac, is, &tag_n, 32));
    cr_assert_arr_eq(is, t.tag, 32);
    cr_assert(EVP_DecryptInit_ex2(ctx, c, file + aes, t.iv, NULL));
    cr_assert(EVP_DecryptUpdate(ctx, out, &n, t.sealed, t.n));
    cr_assert(EVP_DecryptFinal_ex(ctx, out + n, &n));
    cr_assert_arr_eq(out, plain, sizeof(plain));
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(c);
    EVP_MAC_CTX_free(mac);
}

Test(ticket_keys, files_of_48_and_80_bytes_are_laid_out_as_nginx_has_them,
     .fini = remove_files)
{
    unsigned char *small = counted(48), *large = counted(80);
    struct tls_key_file small_file = {write_file("small", small, 48), NULL};
    struct tls_key_file large_file = {write_file("large", large, 80), NULL};
    struct tls_ticket_keys *k;
    char why[TLS_ERROR_MAX];

    cr_assert_eq(tls_ticket_keys_load(&small_file, &k, why), 0);
    check_layout(k, small, "AES-128-CBC", 16, 32, 16);
    tls_ticket_keys_free(k);
    cr_assert_eq(tls_ticket_keys_load(&large_file, &k, why), 0);
    check_layout(k, large, "AES-256-CBC", 48, 16, 32);
    tls_ticket_keys_free(k);
}

Test(ticket_keys, the_first_file_seals_and_all_open, .fini = remove_files)
{
    unsigned char *bytes[5];
    struct tls_key_file files[5] = {0};
    struct tls_ticket_keys *all, *one;
    char why[TLS_ERROR_MAX], name[16];

    for (int i = 0; i < 5; i++) {
        bytes[i] = counted(i % 2 ? 48 : 80);
        bytes[i][0] = (unsigned char)(200 + i);
        snprintf(name, sizeof(name), "%d", i);
        files[i].path = write_file(name, bytes[i], i % 2 ? 48 : 80);
        files[i].next = i < 4 ? &files[i + 1] : NULL;
    }
    cr_assert_eq(tls_ticket_keys_load(files, &all, why), 0);
    cr_assert_arr_eq(seal(all).name, bytes[0], TLS_TICKET_NAME);
    for (int i = 0; i < 5; i++) {
        struct tls_key_file alone = {files[i].path, NULL};
        cr_assert_eq(tls_ticket_keys_load(&alone, &one, why), 0);
        cr_assert_eq(open_ticket(all, seal(one)), i == 0 ? 1 : 2, "file %d", i);
        tls_ticket_keys_free(one);
    }
    tls_ticket_keys_free(all);
}

Test(ticket_keys, a_bad_file_is_told_in_nginx_words, .fini = remove_files)
{
    unsigned char *bytes = counted(200);
    struct tls_key_file missing = {"/nonexistent/key", NULL};
    struct tls_ticket_keys *k;
    char why[TLS_ERROR_MAX];

    cr_assert_eq(tls_ticket_keys_load(&missing, &k, why), -ENOENT);
    cr_assert_str_eq(why, "open() \"/nonexistent/key\" failed (2: No such file or directory)");
    cr_assert_null(k);
    for (size_t n = 0; n < 200; n++) {
        struct tls_key_file file = {write_file("wrong", bytes, n), NULL};
        if (n == 48 || n == 80)
            continue;
        cr_assert_eq(tls_ticket_keys_load(&file, &k, why), -EINVAL);
        cr_assert_not_null(strstr(why, "/wrong\" must be 48 or 80 bytes"));
    }
}
