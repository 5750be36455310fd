// SPDX-License-Identifier: Apache-2.0
//
// Opening a file fails: the status and the line in the error log that each reason gets.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"

static const char request[] = "GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

static void expect_page(const char *status)
{
    struct bytes expected, got = client_fetch(request);
    FILE *out = open_memstream(&expected.p, &expected.n);

    put_page(out, status, false);
    fclose(out);
    bytes_expect(&got, &expected, status);
    bytes_free(&got);
    bytes_free(&expected);
}

static void fail_with(unsigned call, int err, const char *status, const char *level)
{
    char line[400], path[256];

    fault_order(&(struct fault){.calls = call, .count = 1, .err = err});
    expect_page(status);
    cr_assert_eq(faults_end(), 1);
    fixture_path("small", path, sizeof(path));
    snprintf(line, sizeof(line), "open() \"%s\" failed (%d: %s)", path, err,
             strerror(err));
    fixture_expect_log(level, line, 1);
    scene_play(scene_find("small"));
}

Test(open, each_errno_of_openat2_has_its_status, .timeout = 60)
{
    scenes_start(NULL);
    fail_with(FAULT_OPENAT2, EMFILE, "500 Internal Server Error", "[crit]");
    fail_with(FAULT_OPENAT2, ENFILE, "500 Internal Server Error", "[crit]");
    fail_with(FAULT_OPENAT2, ENOMEM, "500 Internal Server Error", "[crit]");
    fail_with(FAULT_OPENAT2, EIO, "500 Internal Server Error", "[crit]");
    fail_with(FAULT_OPENAT2, EACCES, "403 Forbidden", "[error]");
    fail_with(FAULT_OPENAT2, EPERM, "403 Forbidden", "[error]");
    fail_with(FAULT_OPENAT2, ELOOP, "403 Forbidden", "[error]");
    fail_with(FAULT_OPENAT2, ENOENT, "404 Not Found", "[error]");
    fail_with(FAULT_OPENAT2, ENOTDIR, "404 Not Found", "[error]");
    fail_with(FAULT_OPENAT2, ENAMETOOLONG, "404 Not Found", "[error]");
    fixture_stop();
}

Test(open, a_failing_fstat_is_500_and_closes_the_file, .timeout = 60)
{
    static const int errs[] = {EIO, ENOMEM, EOVERFLOW};

    scenes_start(NULL);
    for (size_t i = 0; i < array_len(errs); i++)
        fail_with(FAULT_FSTAT, errs[i], "500 Internal Server Error", "[crit]");
    fixture_stop();
}

Test(open, what_is_not_in_memory_is_opened_on_the_ring, .timeout = 60)
{
    scenes_start(NULL);
    fault_order(&(struct fault){.calls = FAULT_OPENAT2, .err = EAGAIN});
    scenes_play(true);
    cr_assert_gt(faults_end(), 0);
    fixture_expect_log("[crit]", "", 0);
    fixture_stop();
}

// The answer comes when nobody waits for it any more.
Test(open, clients_that_leave_while_the_ring_opens, .timeout = 60)
{
    scenes_start(NULL);
    fault_order(&(struct fault){.calls = FAULT_OPENAT2, .err = EAGAIN});
    for (unsigned i = 0; i < 500; i++) {
        int fd = client_open();
        client_send(fd, scene_find(i % 3 == 0 ? "pipelined" : "small")->request);
        client_leave(fd, i + 1);
    }
    fixture_settle();
    cr_assert_gt(faults_end(), 0);
    fixture_stop();
}

Test(open, error_page_that_cannot_be_opened_either, .timeout = 60)
{
    scenes_start("error_page 403 404 500 /medium;");
    fault_order(&(struct fault){.calls = FAULT_OPENAT2, .err = EMFILE});
    expect_page("500 Internal Server Error");
    cr_assert_geq(faults_end(), 2);
    fixture_stop();
}

Test(open, try_files_and_index_survive_failing_opens, .timeout = 60)
{
    static const char *const paths[] = {"/try/", "/", "/sub"};
    char text[128];

    scenes_start("location /try/ { try_files $uri $uri/ /small =404; }");
    for (size_t i = 0; i < array_len(paths); i++) {
        for (unsigned n = 0; n < 8; n++) {
            fault_order(&(struct fault){.calls = FAULT_OPENAT2 | FAULT_FSTAT, .skip = n / 2,
                                        .count = 1, .err = n % 2 == 0 ? EMFILE : EAGAIN});
            snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", paths[i]);
            struct bytes got = client_fetch(text);
            cr_assert_gt(got.n, 100);
            cr_assert_eq(memcmp(got.p, "HTTP/1.1 ", 9), 0);
            bytes_free(&got);
            faults_end();
        }
    }
    fixture_stop();
}

// A policy for symbolic links opens each component of the path by itself: a failure at any of them
// may leave none of the others open (fixture_stop() counts).
Test(open, every_step_of_a_symlink_policy_may_fail, .timeout = 60)
{
    static const int errs[] = {EMFILE, EIO, ENOENT, EACCES, EAGAIN};
    unsigned n, hits;

    scenes_start("disable_symlinks if_not_owner;");
    for (size_t i = 0; i < array_len(errs); i++) {
        for (n = 0, hits = 1; hits != 0; n++) {
            fault_order(&(struct fault){.calls = FAULT_OPENAT2 | FAULT_FSTAT, .skip = n,
                                        .count = 1, .err = errs[i]});
            struct bytes got = client_fetch(request);
            hits = faults_end();
            cr_assert_eq(memcmp(got.p, "HTTP/1.1 ", 9), 0);
            bytes_free(&got);
            cr_assert_lt(n, 100);
        }
        cr_assert_gt(n, 2);
        scene_play(scene_find("small"));
    }
    fixture_stop();
}

// `if` may exchange the location before another look-up waits: what was run before the wait must
// not run again, and the program that met the `if` goes on (it once went on with the `if`'s own).
Test(open, waiting_at_every_look_up_changes_no_answer, .timeout = 60)
{
    static const char *const paths[] = {
        "/if/x", "/if/x?q=1", "/try/small", "/try/none", "/try/dir", "/index/", "/index/deep/",
        "/ifconf/small", "/none", "/small", "/errors/none",
    };

    scenes_start(
        "location /if/ { set $x 1; if ($arg_q) { set $x 2; set $x \"$x-3\"; }"
        " if (-f $document_root/small) { set $file yes; set $x \"$x-4\"; }"
        " if (!-e $document_root/none) { set $missing yes; }"
        " if (-d $document_root) { set $dir yes; }"
        " return 200 \"$x $file $missing $dir\"; }"
        "location /try/ { try_files /none /more/none /small =404; }"
        "location /index/ { index none small-not-there index.none; }"
        "location /ifconf/ { if (-f $document_root/small) { add_header X-In yes; }"
        " rewrite ^ /small break; }"
        "location /errors/ { error_page 404 /small; }");
    for (size_t i = 0; i < array_len(paths); i++) {
        char text[200];
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                 paths[i]);
        struct bytes expected = client_fetch(text);
        fault_order(&(struct fault){.calls = FAULT_OPENAT2, .err = EAGAIN});
        struct bytes got = client_fetch(text);
        faults_end();
        bytes_normalise(&expected);
        bytes_normalise(&got);
        bytes_expect(&got, &expected, paths[i]);
        cr_assert_gt(got.n, 0);
        bytes_free(&got);
        bytes_free(&expected);
    }
    fixture_stop();
}
