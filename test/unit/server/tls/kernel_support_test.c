// SPDX-License-Identifier: Apache-2.0
#include "server/tls/kernel_support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"

static char logged[1024];
static unsigned lines;

static void keep(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)sink;
    cr_assert_eq(level, LOG_LEVEL_NOTICE);
    cr_assert_lt(n, sizeof(logged));
    memcpy(logged, line, n);
    lines++;
}

static struct log_sink sink = {.level = LOG_LEVEL_NOTICE, .emit = keep};

Test(kernel_support, nothing_is_supported_before_the_master_has_asked)
{
    const struct tls_kernel_features *f = server_tls_kernel();

    cr_assert_neq(f->error, 0);
    cr_assert_eq(f->send_1_2 | f->send_1_3 | f->receive_1_2 | f->receive_1_3, 0);
}

Test(kernel_support, is_asked_and_said_once)
{
    struct tls_kernel_features f;
    char text[512];

    tls_kernel_probe(&f);
    tls_kernel_describe(&f, text, sizeof(text));
    log_use(&sink);
    server_tls_kernel_probe(true);
    server_tls_kernel_probe(true);
    log_use(NULL);
    cr_assert_eq(lines, 1);
    cr_assert_not_null(strstr(logged, text), "%s", logged);
    cr_assert_eq(server_tls_kernel()->send_1_3, f.send_1_3);
    cr_assert_eq(server_tls_kernel()->error, f.error);
}

Test(kernel_support, a_test_of_the_configuration_asks_and_says_nothing)
{
    log_use(&sink);
    server_tls_kernel_probe(false);
    log_use(NULL);
    cr_assert_eq(lines, 0);
}

Test(kernel_support, silos_inherit_the_answer)
{
    int status;

    server_tls_kernel_probe(false);
    struct tls_kernel_features known = *server_tls_kernel();
    pid_t child = fork();
    if (child == 0)
        _exit(memcmp(&known, server_tls_kernel(), sizeof(known)) != 0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}
