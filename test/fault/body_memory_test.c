// SPDX-License-Identifier: Apache-2.0
//
// Bodies that a filter takes into memory: the page cache doesn't have them, the disk fails, the
// file changes, or the client goes away while the request waits for them.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "test/fault/client.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"

#define SIZE (200u << 10)
#define REQUEST(path)                                                        \
    "GET " path " HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n"

static char text[SIZE];

static void start(void)
{
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i * i % 23);
    fixture_start(&(struct fixture_setup){
        .server = "gzip on; gzip_types *;"
                  "location = /again { error_page 404 /file; root @none; }"});
    fixture_file("file", text, SIZE);
}

// One compressed response off the front of `b`.
static void expect_compressed(struct bytes *b, size_t *at)
{
    static char plain[SIZE + 1];
    z_stream z = {.next_out = (Bytef *)plain, .avail_out = sizeof(plain)};

    char *head = b->p + *at, *body = memmem(head, b->n - *at, "\r\n\r\n", 4);
    cr_assert_not_null(body, "no answer at %zu of %zu bytes", *at, b->n);
    cr_assert_not_null(memmem(head, (size_t)(body - head), "Content-Encoding: gzip", 22));
    body += 4;
    z.next_in = (Bytef *)body;
    z.avail_in = (uInt)(b->n - (size_t)(body - b->p));
    cr_assert_eq(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    cr_assert_eq(z.total_out, SIZE);
    cr_assert_arr_eq(plain, text, SIZE);
    *at = (size_t)((char *)z.next_in - b->p);
    inflateEnd(&z);
}

// Pipelined, so that a wait in the middle of a connection is seen, too; the error page is a file.
static void ask_all(void)
{
    size_t at = 0;
    struct bytes got = client_fetch(REQUEST("/file") "\r\n" REQUEST("/again") "\r\n"
                                    REQUEST("/file") "Connection: close\r\n\r\n");

    for (int i = 0; i < 3; i++)
        expect_compressed(&got, &at);
    cr_assert_eq(at, got.n);
    bytes_free(&got);
}

static void ask_under(const struct fault *fault)
{
    start();
    fault_order(fault);
    ask_all();
    cr_assert_gt(faults_end(), 0);
    fixture_stop_well();
}

Test(body_memory, never_resident_is_read_by_the_ring, .timeout = 60)
{
    ask_under(&(struct fault){.calls = FAULT_PREADV2, .err = EAGAIN});
}

Test(body_memory, file_system_without_rwf_nowait, .timeout = 60)
{
    ask_under(&(struct fault){.calls = FAULT_PREADV2, .err = EOPNOTSUPP});
}

Test(body_memory, residency_that_ends_in_the_middle, .timeout = 60)
{
    ask_under(&(struct fault){.calls = FAULT_PREADV2, .most = 4000});
}

Test(body_memory, misses_at_every_read, .timeout = 60)
{
    struct fault shorter = {.calls = FAULT_PREADV2, .most = 30000};
    unsigned hits = 1;

    start();
    for (unsigned n = 0; hits != 0; n++) {
        faults_order(&(struct fault){.calls = FAULT_PREADV2, .skip = n, .count = 1,
                                     .err = EAGAIN}, &shorter);
        ask_all();
        hits = faults_end();
    }
    fixture_stop();
}

static void expect_500(const char *level, const char *line)
{
    struct bytes got = client_fetch(REQUEST("/file") "Connection: close\r\n\r\n");

    cr_assert(got.n > 12 && memcmp(got.p, "HTTP/1.1 500", 12) == 0);
    cr_assert_null(memmem(got.p, got.n, "gzip", 4));
    bytes_free(&got);
    faults_end();
    fixture_expect_log(level, line, 1);
}

Test(body_memory, disk_error_is_500_and_the_next_request_is_well, .timeout = 60)
{
    start();
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .err = EIO});
    expect_500("[crit]", "reading a file to be changed failed (5: Input/output error)");
    ask_all();
    fixture_stop();
}

static void shorten(void)
{
    char path[256];

    fixture_path("file", path, sizeof(path));
    cr_assert_eq(truncate(path, 1000), 0);
}

static void truncated_under(int err)
{
    start();
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .count = 1, .err = err, .act = shorten});
    expect_500("[alert]", "file was truncated while it was being read");
    fixture_file("file", text, SIZE);
    ask_all();
    fixture_stop();
}

Test(body_memory, truncated_file_is_500, .timeout = 60)
{
    truncated_under(0);
}

Test(body_memory, file_truncated_before_a_read_on_the_ring_is_500, .timeout = 60)
{
    truncated_under(EAGAIN);
}

// The memory that the kernel reads into must outlive the client.
Test(body_memory, clients_that_go_while_the_ring_reads, .timeout = 60)
{
    start();
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .err = EAGAIN});
    for (int i = 0; i < 500; i++) {
        int fd = client_open();
        client_send(fd, REQUEST("/file") "\r\n");
        if (i % 3 == 0)
            sleep_ms(1);
        client_leave(fd, (unsigned)i);
    }
    fixture_settle();
    faults_end();
    ask_all();
    fixture_stop();
}
