// SPDX-License-Identifier: Apache-2.0
#include "server/tls/objects.h"

#include "lib/tls/load.h"
#include "test/unit/server/tls/files_fixture.h"

static struct identity one, two;

static void init(void)
{
    folder_make();
    one = make_identity("one", EVP_EC_gen("P-256"), NULL, 30);
    two = make_identity("two", EVP_EC_gen("P-256"), NULL, 30);
    folder_write_pair("one", &one);
}

static void fini(void)
{
    free_identity(&one);
    free_identity(&two);
    folder_remove();
}

TestSuite(objects, .init = init, .fini = fini);

static const X509 *load(const struct tls_objects *o)
{
    const struct tls_loader *l = tls_objects_loader(o);
    const char *error;
    STACK_OF(X509) *chain = l->chain(l->ctx, folder_path("one.crt"), &error);

    cr_assert_not_null(chain, "%s", error);
    const X509 *x = sk_X509_value(chain, 0);
    sk_X509_pop_free(chain, X509_free);
    return x;
}

Test(objects, are_read_once_and_taken_over_by_the_next_configuration)
{
    struct tls_objects *old = tls_objects_open(true);
    const X509 *x = load(old);

    cr_assert_eq(load(old), x);
    struct tls_objects *next = tls_objects_open(true);
    cr_assert_eq(load(next), x);
    tls_objects_settle(next);
    tls_objects_close(old);
    cr_assert_eq(load(next), x);
    tls_objects_close(next);
}

Test(objects, are_not_taken_over_from_a_configuration_that_forbids_it)
{
    struct tls_objects *old = tls_objects_open(false), *next;
    const X509 *x = load(old);

    next = tls_objects_open(true);
    cr_assert_neq(load(next), x);
    tls_objects_close(next);
    tls_objects_close(old);
}

Test(objects, of_a_configuration_that_failed_are_forgotten)
{
    struct tls_objects *serving = tls_objects_open(true);
    const X509 *x = load(serving);
    struct tls_objects *failed = tls_objects_open(true);

    tls_objects_close(failed);
    struct tls_objects *next = tls_objects_open(true);
    cr_assert_eq(load(next), x);
    tls_objects_close(serving);
    tls_objects_settle(next);
    tls_objects_close(next);
}

Test(objects, of_a_file_that_was_replaced_are_read_again)
{
    struct tls_objects *old = tls_objects_open(true);

    cr_assert_eq(X509_cmp(load(old), one.x509), 0);
    folder_write_pair("one", &two);
    cr_assert_eq(X509_cmp(load(old), one.x509), 0, "within a configuration they are one");
    struct tls_objects *next = tls_objects_open(true);
    cr_assert_eq(X509_cmp(load(next), two.x509), 0);
    tls_objects_close(next);
    tls_objects_close(old);
}

Test(objects, that_cannot_be_read_say_why)
{
    struct tls_objects *o = tls_objects_open(true);
    const struct tls_loader *l = tls_objects_loader(o);
    struct tls_passwords none = {.n = 0};
    const char *error = NULL;

    cr_assert_null(l->chain(l->ctx, folder_path("none"), &error));
    cr_assert_str_eq(error, "BIO_new_file() failed");
    error = NULL;
    cr_assert_null(l->key(l->ctx, folder_path("none"), &none, &error));
    cr_assert_str_eq(error, "BIO_new_file() failed");
    tls_objects_close(o);
}
