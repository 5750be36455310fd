// SPDX-License-Identifier: Apache-2.0
#include "server/tls/certificate_cache.h"

#include "test/unit/server/tls/files_fixture.h"

static struct identity one, two;
static struct tls_certificate_policy policy = {.max = 4, .inactive_s = 100, .valid_s = 10};
static struct tls_passwords none;
static struct certificate_cache *cache;

static void init(void)
{
    folder_make();
    one = make_identity("one", EVP_EC_gen("P-256"), NULL, 30);
    two = make_identity("two", EVP_EC_gen("P-256"), NULL, 30);
    folder_write_pair("one", &one);
    cache = certificate_cache_new(&policy);
    cr_assert_not_null(cache);
}

static void fini(void)
{
    certificate_cache_free(cache);
    free_identity(&one);
    free_identity(&two);
    folder_remove();
}

TestSuite(certificate_cache, .init = init, .fini = fini);

static struct certificate_request ask(const char *name, int64_t now_s)
{
    return (struct certificate_request){.id = folder_path(name), .passwords = &none,
                                        .now_s = now_s};
}

// The certificate that a fetch gives; it is the cache's own.
static const X509 *fetch(struct certificate_cache *c, struct certificate_request *r)
{
    STACK_OF(X509) *chain = certificate_cache_chain(c, r);
    const X509 *x = chain != NULL ? sk_X509_value(chain, 0) : NULL;

    sk_X509_pop_free(chain, X509_free);
    return x;
}

static bool fetches(struct certificate_cache *c, struct certificate_request *r,
                    const struct identity *i)
{
    STACK_OF(X509) *chain = certificate_cache_chain(c, r);
    bool same = chain != NULL && X509_cmp(sk_X509_value(chain, 0), i->x509) == 0;

    sk_X509_pop_free(chain, X509_free);
    return same;
}

Test(certificate_cache, keeps_what_was_read)
{
    struct certificate_request r = ask("one.crt", 0);
    const X509 *first = fetch(cache, &r);

    cr_assert(X509_cmp(first, one.x509) == 0);
    folder_write_pair("one", &two);
    r.now_s = 10;
    cr_assert_eq(fetch(cache, &r), first, "it is valid for ten seconds");
    cr_assert_eq(certificate_cache_count(cache), 1);
}

Test(certificate_cache, gives_references_that_outlive_it)
{
    struct certificate_request r = ask("one.crt", 0), k = ask("one.key", 0);
    STACK_OF(X509) *chain = certificate_cache_chain(cache, &r);
    EVP_PKEY *key = certificate_cache_key(cache, &k);

    certificate_cache_free(cache);
    cache = NULL;
    cr_assert(X509_check_private_key(sk_X509_value(chain, 0), key));
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
}

Test(certificate_cache, looks_at_the_file_again_when_it_is_no_longer_valid)
{
    struct certificate_request r = ask("one.crt", 0);
    const X509 *first = fetch(cache, &r);

    r.now_s = 11;
    cr_assert_eq(fetch(cache, &r), first, "the file is the same");
    folder_write_pair("one", &two);
    r.now_s = 21;
    cr_assert_eq(fetch(cache, &r), first, "looked at ten seconds ago");
    r.now_s = 22;
    cr_assert(fetches(cache, &r, &two));
    cr_assert_eq(certificate_cache_count(cache), 1);
}

Test(certificate_cache, reads_again_when_asked_for_a_fresh_one)
{
    struct certificate_request r = ask("one.crt", 0);

    cr_assert(fetches(cache, &r, &one));
    folder_write_pair("one", &two);
    r.fresh = true;
    cr_assert(fetches(cache, &r, &two));
    cr_assert_eq(certificate_cache_count(cache), 1);
}

Test(certificate_cache, forgets_a_file_that_is_gone)
{
    struct certificate_request r = ask("one.crt", 0);

    cr_assert(fetches(cache, &r, &one));
    unlink(r.id);
    r.now_s = 11;
    cr_assert_null(certificate_cache_chain(cache, &r));
    cr_assert_eq(certificate_cache_count(cache), 0);
}

Test(certificate_cache, tells_a_certificate_from_a_key_in_the_same_file)
{
    char both[8192];

    snprintf(both, sizeof(both), "%s%s", one.certificate + 5, one.private_key + 5);
    folder_write("both", both);
    struct certificate_request r = ask("both", 0);
    EVP_PKEY *key = certificate_cache_key(cache, &r);
    cr_assert_eq(EVP_PKEY_eq(key, one.key), 1);
    EVP_PKEY_free(key);
    cr_assert(fetches(cache, &r, &one));
    cr_assert_eq(certificate_cache_count(cache), 2);
}

Test(certificate_cache, holds_no_more_than_max_and_lets_the_oldest_go)
{
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof(name), "c%d", i);
        folder_write(name, one.certificate + 5);
        struct certificate_request r = ask(name, i), first = ask("c0", i);
        cr_assert_not_null(fetch(cache, &r));
        cr_assert_not_null(fetch(cache, &first)); // in use all the time
        cr_assert_leq(certificate_cache_count(cache), 4);
    }
    unlink(folder_path("c0"));
    unlink(folder_path("c1"));
    struct certificate_request kept = ask("c0", 6), gone = ask("c1", 6);
    cr_assert_not_null(fetch(cache, &kept));
    cr_assert_null(certificate_cache_chain(cache, &gone));
}

Test(certificate_cache, drops_what_nobody_uses)
{
    struct certificate_request a = ask("one.crt", 0);
    char data[4096];

    cr_assert_not_null(fetch(cache, &a));
    snprintf(data, sizeof(data), "%s", two.certificate);
    struct certificate_request b = {.id = data, .passwords = &none, .now_s = 101};
    cr_assert_not_null(fetch(cache, &b));
    cr_assert_eq(certificate_cache_count(cache), 1);
}

Test(certificate_cache, data_never_grows_old)
{
    struct certificate_request r = {.id = one.certificate, .passwords = &none};
    const X509 *first = fetch(cache, &r);

    r.now_s = 50;
    r.fresh = true;
    cr_assert_eq(fetch(cache, &r), first);
}

Test(certificate_cache, does_not_keep_a_key_that_may_have_a_password)
{
    struct sv line = SV("secret");
    struct tls_passwords passwords = {.lines = &line, .n = 1};
    struct certificate_request r = ask("locked", 0);

    folder_write_locked("locked", one.key, "secret");
    r.passwords = &passwords;
    EVP_PKEY *key = certificate_cache_key(cache, &r);
    cr_assert_eq(EVP_PKEY_eq(key, one.key), 1);
    EVP_PKEY_free(key);
    cr_assert_eq(certificate_cache_count(cache), 0);
}

Test(certificate_cache, without_one_everything_is_read_each_time)
{
    struct certificate_request r = ask("one.crt", 0);

    cr_assert(fetches(NULL, &r, &one));
    folder_write_pair("one", &two);
    cr_assert(fetches(NULL, &r, &two));
}

Test(certificate_cache, says_what_is_wrong_in_the_words_of_nginx)
{
    struct certificate_request r = ask("none", 0);

    cr_assert_null(certificate_cache_chain(cache, &r));
    cr_assert_str_eq(r.error, "BIO_new_file() failed");
    r.error = NULL;
    cr_assert_null(certificate_cache_key(cache, &r));
    cr_assert_str_eq(r.error, "BIO_new_file() failed");
    cr_assert_eq(certificate_cache_count(cache), 0);
}

static const struct tls_certificate_policy forever = {.max = 1000, .inactive_s = INT64_MAX,
                                                      .valid_s = INT64_MAX};

Test(certificate_cache, takes_over_from_an_elder_one_what_seems_the_same)
{
    struct certificate_cache *next = certificate_cache_new(&forever);
    struct certificate_request r = ask("one.crt", 0);
    const X509 *first = fetch(cache, &r);

    certificate_cache_inherit(next, cache);
    cr_assert_eq(fetch(next, &r), first);
    certificate_cache_free(cache);
    cache = NULL;
    certificate_cache_inherit(next, NULL);
    cr_assert_eq(fetch(next, &r), first);
    certificate_cache_free(next);
}

Test(certificate_cache, takes_nothing_over_of_a_file_that_was_replaced)
{
    struct certificate_cache *next = certificate_cache_new(&forever);
    struct certificate_request r = ask("one.crt", 0);

    cr_assert(fetches(cache, &r, &one));
    folder_write_pair("one", &two);
    certificate_cache_inherit(next, cache);
    cr_assert(fetches(next, &r, &two));
    cr_assert(fetches(cache, &r, &one));
    certificate_cache_free(next);
}

// The same file with other content, and with the time of its change `later_s` after the old one.
static void rewrite_in_place(const char *path, time_t later_s)
{
    struct stat st;

    cr_assert_eq(stat(path, &st), 0);
    FILE *f = fopen(path, "w");
    fputs(two.certificate + 5, f);
    fclose(f);
    struct timespec times[2] = {st.st_atim, {.tv_sec = st.st_mtim.tv_sec + later_s}};
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void check_in_place(time_t later_s, const struct identity *expected)
{
    struct certificate_cache *next = certificate_cache_new(&forever);
    struct certificate_request r = ask("one.crt", 0);

    cr_assert(fetches(cache, &r, &one));
    rewrite_in_place(r.id, later_s);
    certificate_cache_inherit(next, cache);
    cr_assert(fetches(next, &r, expected));
    certificate_cache_free(next);
}

// nginx's test of its inheritance rewrites a file and sets its time back, to the second.
Test(certificate_cache, takes_over_what_changed_in_place_without_a_new_time)
{
    check_in_place(0, &one);
}

Test(certificate_cache, takes_nothing_over_that_changed_within_the_same_second)
{
    struct certificate_cache *next = certificate_cache_new(&forever);
    struct certificate_request r = ask("one.crt", 0);
    struct stat st;

    cr_assert(fetches(cache, &r, &one));
    rewrite_in_place(r.id, 0);
    cr_assert_eq(stat(r.id, &st), 0);
    struct timespec times[2] = {st.st_atim, {st.st_mtim.tv_sec, 999999999}};
    cr_assert_eq(utimensat(AT_FDCWD, r.id, times, 0), 0);
    certificate_cache_inherit(next, cache);
    cr_assert(fetches(next, &r, &two));
    certificate_cache_free(next);
}

Test(certificate_cache, takes_nothing_over_that_changed_in_place)
{
    check_in_place(1, &two);
}
