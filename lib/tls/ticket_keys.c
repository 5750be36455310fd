// SPDX-License-Identifier: Apache-2.0
//
// Ticket keys in shared memory, read by many while the master rotates.
//
// The keys stand in a ring of one more slot than is ever in use. A rotation fills the slot that
// nobody reads and then publishes it by counting `generation` up, so that a master that dies in the
// middle of it leaves a whole set behind. A reader that was overtaken sees another generation after
// copying and tries again. Keys are kept in words that are atomic one by one: a torn read is
// thrown away, and is no race.
#include "lib/tls/ticket_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/tls/context_priv.h"

#define SMALL_FILE 48 // bytes: name, AES-128 key, HMAC key of 16
#define LARGE_FILE 80 // bytes: name, HMAC key of 32, AES-256 key

struct key {
    unsigned char name[TLS_TICKET_NAME];
    unsigned char hmac[32], aes[32];
    uint8_t bytes; // of each of the two that count: 16 or 32
};

#define KEY_WORDS ((sizeof(struct key) + 7) / 8)

struct slot {
    _Atomic uint64_t words[KEY_WORDS];
};

struct tls_ticket_keys {
    size_t size; // bytes of the mapping
    unsigned nslots, used; // `used` keys at most are good
    _Atomic uint64_t generation; // keys made so far: the newest is in the slot of generation - 1
    struct slot slots[];
};

// Fetched once: looking a cipher up by its name takes locks that all workers share.
static EVP_CIPHER *aes_128, *aes_256;
static pthread_once_t ciphers_once = PTHREAD_ONCE_INIT;

static void fetch_ciphers(void)
{
    aes_128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    aes_256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
}

static struct tls_ticket_keys *map_keys(unsigned used)
{
    unsigned nslots = used + 1;
    size_t size = sizeof(struct tls_ticket_keys) + nslots * sizeof(struct slot);

    pthread_once(&ciphers_once, fetch_ciphers);
    if (aes_128 == NULL || aes_256 == NULL)
        return NULL;
    struct tls_ticket_keys *k =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (k == MAP_FAILED)
        return NULL;
    // Best effort: a system that refuses it serves tickets all the same.
    (void)madvise(k, size, MADV_DONTDUMP);
    k->size = size;
    k->nslots = nslots;
    k->used = used;
    return k;
}

void tls_ticket_keys_lock(struct tls_ticket_keys *k)
{
    if (k != NULL)
        (void)mlock(k, k->size); // a system that refuses it serves tickets all the same
}

void tls_ticket_keys_free(struct tls_ticket_keys *k)
{
    if (k == NULL)
        return;
    size_t size = k->size;
    OPENSSL_cleanse(k, size);
    munmap(k, size);
}

// The release order of each word keeps them behind the read of the generation that allowed this,
// and the publication behind them.
static void publish(struct tls_ticket_keys *k, const struct key *key)
{
    uint64_t words[KEY_WORDS] = {0};
    uint64_t generation = atomic_load_explicit(&k->generation, memory_order_relaxed);
    struct slot *slot = &k->slots[generation % k->nslots];

    memcpy(words, key, sizeof(*key));
    for (size_t i = 0; i < KEY_WORDS; i++)
        atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
    atomic_store_explicit(&k->generation, generation + 1, memory_order_release);
    OPENSSL_cleanse(words, sizeof(words));
}

// Copies the key that is `age` rotations old, of that generation. The loads acquire, so the caller
// that asks for the generation afterwards learns of any write that they saw a part of.
static void copy_key(struct tls_ticket_keys *k, uint64_t generation, unsigned age,
                     struct key *key)
{
    uint64_t words[KEY_WORDS];
    struct slot *slot = &k->slots[(generation - 1 - age) % k->nslots];

    for (size_t i = 0; i < KEY_WORDS; i++)
        words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
    memcpy(key, words, sizeof(*key));
    OPENSSL_cleanse(words, sizeof(words));
}

// The newest key (name NULL), or the one of that name. Its age, or -1.
static int find_key(struct tls_ticket_keys *k, const unsigned char *name,
                    struct key *key)
{
    uint64_t generation = atomic_load_explicit(&k->generation, memory_order_acquire);

    for (;;) {
        int found = -1;
        unsigned count = (unsigned)min_of(generation, (uint64_t)k->used);
        for (unsigned age = 0; found < 0 && age < count; age++) {
            copy_key(k, generation, age, key);
            if (name == NULL || memcmp(key->name, name, TLS_TICKET_NAME) == 0)
                found = (int)age;
        }
        uint64_t now = atomic_load_explicit(&k->generation, memory_order_acquire);
        if (now == generation)
            return found;
        generation = now; // overtaken by a rotation, which comes once in hours
    }
}

static int fill_random(struct key *key)
{
    *key = (struct key){.bytes = sizeof(key->aes)};
    if (RAND_bytes(key->name, sizeof(key->name)) != 1 ||
        RAND_priv_bytes(key->hmac, sizeof(key->hmac)) != 1 ||
        RAND_priv_bytes(key->aes, sizeof(key->aes)) != 1)
        return -EIO;
    return 0;
}

int tls_ticket_keys_rotate(struct tls_ticket_keys *k)
{
    struct key key;
    int rc = fill_random(&key);

    if (rc == 0)
        publish(k, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    return rc;
}

struct tls_ticket_keys *tls_ticket_keys_new(void)
{
    struct tls_ticket_keys *k = map_keys(TLS_TICKET_KEYS);

    if (k != NULL && tls_ticket_keys_rotate(k) == 0)
        return k;
    tls_ticket_keys_free(k);
    return NULL;
}

// nginx's layouts (ssl_session_ticket_key): the two keys stand in a different order in each.
static void parse_key(const unsigned char *bytes, size_t n, struct key *key)
{
    const unsigned char *p = bytes + TLS_TICKET_NAME;

    *key = (struct key){.bytes = n == SMALL_FILE ? 16 : 32};
    memcpy(key->name, bytes, TLS_TICKET_NAME);
    memcpy(n == SMALL_FILE ? key->aes : key->hmac, p, key->bytes);
    memcpy(n == SMALL_FILE ? key->hmac : key->aes, p + key->bytes, key->bytes);
}

// At most `size` bytes, to see that there are not more. The count, or -errno.
static ssize_t read_bytes(const char *path, unsigned char *bytes, size_t size, const char **call)
{
    *call = "open()";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *call = "read()";
    ssize_t n = read(fd, bytes, size);
    if (n < 0)
        n = -errno;
    close(fd);
    return n;
}

static int load_key(const char *path, struct tls_ticket_keys *k, char *why)
{
    unsigned char bytes[LARGE_FILE + 1];
    const char *call;
    struct key key;
    ssize_t n = read_bytes(path, bytes, sizeof(bytes), &call);

    if (n < 0) {
        (void)tls_fail(why, "%s \"%s\" failed (%d: %s)", call, path, (int)-n, strerror((int)-n));
        return (int)n;
    }
    if (n == SMALL_FILE || n == LARGE_FILE) {
        parse_key(bytes, (size_t)n, &key);
        publish(k, &key);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(&key, sizeof(key));
    if (n != SMALL_FILE && n != LARGE_FILE)
        return tls_fail(why, "\"%s\" must be 48 or 80 bytes", path);
    return 0;
}

// What is published last is the newest, so the files go in from the last to the first.
static int load_reversed(const struct tls_key_file *file, struct tls_ticket_keys *k, char *why)
{
    const struct tls_key_file *done = NULL;

    while (done != file) {
        const struct tls_key_file *last = file;
        while (last->next != done)
            last = last->next;
        int rc = load_key(last->path, k, why);
        if (rc != 0)
            return rc;
        done = last;
    }
    return 0;
}

int tls_ticket_keys_load(const struct tls_key_file *files, struct tls_ticket_keys **out, char *why)
{
    unsigned count = 0;

    *out = NULL;
    for (const struct tls_key_file *f = files; f != NULL; f = f->next)
        count++;
    check(count > 0);
    struct tls_ticket_keys *k = map_keys(count);
    if (k == NULL) {
        (void)tls_fail(why, "no memory for session ticket keys");
        return -ENOMEM;
    }
    int rc = load_reversed(files, k, why);
    if (rc != 0) {
        tls_ticket_keys_free(k);
        return rc;
    }
    *out = k;
    return 0;
}

static bool set_mac(EVP_MAC_CTX *mac, struct key *key)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->hmac, key->bytes),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int seal(struct key *key, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *ctx,
                EVP_MAC_CTX *mac)
{
    const EVP_CIPHER *cipher = key->bytes == 16 ? aes_128 : aes_256;

    memcpy(name, key->name, TLS_TICKET_NAME);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher)) != 1 ||
        EVP_EncryptInit_ex2(ctx, cipher, key->aes, iv, NULL) != 1 || !set_mac(mac, key))
        return -1;
    return 1;
}

static int open_sealed(struct key *key, unsigned char *iv, EVP_CIPHER_CTX *ctx, EVP_MAC_CTX *mac)
{
    const EVP_CIPHER *cipher = key->bytes == 16 ? aes_128 : aes_256;

    if (!set_mac(mac, key) || EVP_DecryptInit_ex2(ctx, cipher, key->aes, iv, NULL) != 1)
        return -1;
    return 1;
}

int tls_ticket_keys_callback(struct tls_ticket_keys *k, unsigned char *name, unsigned char *iv,
                             EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
    struct key key;
    int age = find_key(k, sealing ? NULL : name, &key);
    int rc = 0; // of nobody's: the client makes a whole handshake

    if (age >= 0)
        rc = sealing ? seal(&key, name, iv, cipher, mac) : open_sealed(&key, iv, cipher, mac);
    if (rc == 1 && !sealing && age > 0)
        rc = 2; // good, and to be sealed again by the newest
    OPENSSL_cleanse(&key, sizeof(key));
    return rc;
}
