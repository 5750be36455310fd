// SPDX-License-Identifier: Apache-2.0
//
// The keys are real ones, and what is asked is whether a ticket can be opened as long as it lives.
#include "server/tls/ticket_rotation.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "server/bounds.h"
#include "server/config/http_conf.h"

#define MINUTE UINT64_C(60000)
#define HOUR (60 * MINUTE)

static struct tls_ticket_keys *keys;
static struct ticket_rotation rotation;
static EVP_MAC *hmac;

static void begin(void)
{
    keys = tls_ticket_keys_new();
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    cr_assert(keys != NULL && hmac != NULL);
    ticket_rotation_begin(&rotation, keys, 0);
}

static void end(void)
{
    tls_ticket_keys_free(keys);
    EVP_MAC_free(hmac);
}

TestSuite(ticket_rotation, .init = begin, .fini = end);

struct ticket {
    unsigned char name[TLS_TICKET_NAME], iv[EVP_MAX_IV_LENGTH];
};

static int call(struct ticket *t, int sealing)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
    int rc = tls_ticket_keys_callback(keys, t->name, t->iv, cipher, mac, sealing);

    EVP_CIPHER_CTX_free(cipher);
    EVP_MAC_CTX_free(mac);
    return rc;
}

static struct ticket seal(void)
{
    struct ticket t = {.name = {0}};

    cr_assert_eq(call(&t, 1), 1);
    return t;
}

static bool opens(struct ticket t)
{
    return call(&t, 0) > 0;
}

static bool is_of_newest(const struct ticket *t)
{
    struct ticket now = seal();

    return memcmp(now.name, t->name, sizeof(t->name)) == 0;
}

Test(ticket_rotation, there_is_nothing_to_do_without_tls)
{
    struct ticket t = seal();

    cr_assert_eq(ticket_rotation_due(&rotation), UINT64_MAX);
    ticket_rotation_turn(&rotation, 1000 * HOUR, 0);
    cr_assert(is_of_newest(&t));
    ticket_rotation_begin(&rotation, NULL, 0);
    ticket_rotation_turn(&rotation, 1000 * HOUR, HOUR);
    cr_assert_eq(ticket_rotation_due(&rotation), UINT64_MAX);
}

Test(ticket_rotation, keys_change_once_in_a_life)
{
    struct ticket t = seal();

    ticket_rotation_turn(&rotation, 0, HOUR);
    cr_assert_eq(ticket_rotation_due(&rotation), HOUR);
    ticket_rotation_turn(&rotation, HOUR - 1, HOUR);
    cr_assert(is_of_newest(&t));
    ticket_rotation_turn(&rotation, HOUR, HOUR);
    cr_assert_not(is_of_newest(&t));
    cr_assert(opens(t));
    cr_assert_eq(ticket_rotation_due(&rotation), 2 * HOUR);
}

Test(ticket_rotation, a_short_life_does_not_change_keys_in_a_rush)
{
    ticket_rotation_turn(&rotation, 0, 10);
    cr_assert_eq(ticket_rotation_due(&rotation), TICKET_ROTATE_MIN_MS);
}

Test(ticket_rotation, the_longest_life_there_is_overflows_nothing)
{
    struct server_conf server = {.tls = {.context = (struct tls_context *)&server,
                                         .session_tickets = 1, .session_timeout_s = INT64_MAX}};
    struct server_conf *servers[] = {&server};
    struct http_conf http = {.servers = servers, .nservers = 1};
    uint64_t life = ticket_life(&http), month = 30 * 24 * HOUR;

    cr_assert_gt(life, 1000 * month);
    ticket_rotation_turn(&rotation, month, life);
    cr_assert_gt(ticket_rotation_due(&rotation), 1000 * month);
}

Test(ticket_rotation, the_life_is_the_longest_that_the_masters_keys_give)
{
    struct tls_context *some = (struct tls_context *)&rotation;
    struct server_conf plain = {.tls = {.session_tickets = 1, .session_timeout_s = 5000}};
    struct server_conf none = {.tls = {.context = some, .session_timeout_s = 4000}};
    struct tls_key_file file = {.path = "/k"};
    struct server_conf own = {.tls = {.context = some, .session_tickets = 1,
                                      .ticket_keys = &file, .session_timeout_s = 3000}};
    struct server_conf a = {.tls = {.context = some, .session_tickets = 1,
                                    .session_timeout_s = 300}};
    struct server_conf b = {.tls = {.context = some, .session_tickets = 1,
                                    .session_timeout_s = 600}};
    struct server_conf *servers[] = {&plain, &none, &own, &a, &b, &a};
    struct http_conf http = {.servers = servers, .nservers = 6};

    cr_assert_eq(ticket_life(&http), 600000);
    http.nservers = 3;
    cr_assert_eq(ticket_life(&http), 0);
    cr_assert_eq(ticket_life(NULL), 0);
}

// Tickets of the last days, each with the time until which it must open.
struct issued {
    struct ticket ticket;
    uint64_t until;
};

// One step of a minute: what is alive opens; a new ticket is issued.
static void step(struct issued *issued, unsigned count, unsigned i, uint64_t life)
{
    uint64_t now = i * MINUTE;

    ticket_rotation_turn(&rotation, now, life);
    for (unsigned k = i > count ? i - count : 0; k < i; k++) {
        const struct issued *t = &issued[k % count];
        cr_assert(now > t->until || opens(t->ticket), "issued in minute %u, gone in %u", k, i);
    }
    issued[i % count] = (struct issued){seal(), now + life};
}

Test(ticket_rotation, every_ticket_opens_as_long_as_it_lives)
{
    static struct issued issued[100];

    for (unsigned i = 0; i < 500; i++)
        step(issued, 100, i, 90 * MINUTE + 17);
}

Test(ticket_rotation, tickets_outlive_reloads_that_change_the_life)
{
    static struct issued issued[100];
    static const uint64_t lives[] = {90, 2, 1, 60, 5, 90, 1, 0, 30};
    uint64_t life = 0;

    for (unsigned i = 0; i < 2000; i++) {
        // Without TLS for a while: nothing is issued then, but what was lives on.
        life = lives[i / 37 % array_len(lives)] * MINUTE;
        if (life != 0)
            step(issued, 100, i, life);
        else
            ticket_rotation_turn(&rotation, i * MINUTE, 0);
        if (life == 0)
            issued[i % 100] = (struct issued){.until = 0};
    }
}

Test(ticket_rotation, a_key_does_not_open_for_ever)
{
    struct ticket t = seal();
    uint64_t last = 0;

    for (uint64_t now = 0; now <= 10 * HOUR; now += MINUTE) {
        ticket_rotation_turn(&rotation, now, HOUR);
        if (opens(t))
            last = now;
    }
    // Made at 0, it sealed until 1 h; its last ticket could live until 2 h.
    cr_assert_geq(last, 2 * HOUR);
    cr_assert_lt(last, 3 * HOUR);
}
