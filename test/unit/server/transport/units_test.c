// SPDX-License-Identifier: Apache-2.0
//
// Units over a real connection on which every cut happens that a socket can make. Then the bytes on
// the other side are the units', and what did not go is still a unit.
#include <poll.h>
#include <pthread.h>

#include "test/unit/server/transport/units_fixture.h"

TestSuite(units, .init = setup, .fini = teardown, .timeout = 60);

// After `cut` bytes the socket is full. The next call goes on from there.
static void send_cut(size_t cut)
{
    uint64_t taken = f->conn.taken;
    size_t from = 0;

    budget = cut;
    cr_assert_eq(send_from(&from), TRANSPORT_AGAIN, "%zu", cut);
    cr_assert_eq(all_left(from), total - cut);
    cr_assert_eq(f->conn.taken - taken, cut);
    budget = ALL_OF_IT;
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    cr_assert_eq(from, nunits);
    cr_assert_eq(f->conn.taken - taken, total);
    check_received();
}

Test(units, plain_every_cut_of_small_frames)
{
    add_small();
    for (size_t cut = 0; cut < total; cut++) {
        add_small();
        send_cut(cut);
        // The PING's answer is nobody's.
        cr_assert_eq(f->r->response.sent_bytes, total - FRAME_HEADER - 8);
    }
}

Test(units, kernel_every_cut_around_a_file_frame)
{
    f->conn.transport = &transport_kernel;
    for (size_t cut = 0; cut < 41000; cut += cut < 120 ? 1 : 977) {
        add_small();
        add(f->r, 3, 100, 20000);
        add(f->r, 0, 20100, 20000);
        send_cut(cut);
    }
}

Test(units, a_byte_at_a_time)
{
    const struct transport *const both[] = {&transport_plain, &transport_kernel};

    for (size_t i = 0; i < array_len(both); i++) {
        enum transport_result rc;
        size_t from = 0, turns = 0;
        f->conn.transport = both[i];
        add_small();
        add(f->r, 2, 7, 16000);
        do {
            budget = 1;
            rc = send_from(&from);
            turns++;
            cr_assert_eq(all_left(from), total - turns);
        } while (rc == TRANSPORT_AGAIN);
        cr_assert_eq(rc, TRANSPORT_DONE);
        cr_assert_eq(turns, total);
        check_received();
        budget = ALL_OF_IT;
    }
}

Test(units, many_streams_go_in_few_sends)
{
    size_t from = 0;

    begin();
    for (unsigned i = 0; i < 100; i++) {
        add(f->r, 50, 0, 0);
        add(f->r, 0, i * 1000, 1024);
    }
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    cr_assert_leq(ncalls, 2);
    check_received();
    f->conn.transport = &transport_kernel;
    add_small();
    from = 0;
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    cr_assert_eq(ncalls, 1);
    check_received();
}

Test(units, plain_sends_large_bodies_in_batches)
{
    size_t from = 0;

    begin();
    add_frames(64, 16384);
    budget = ALL_OF_IT;
    enum transport_result rc;
    while ((rc = send_from(&from)) == TRANSPORT_AGAIN)
        check(ncalls < 100);
    cr_assert_eq(rc, TRANSPORT_DONE);
    for (size_t i = 0; i + 1 < ncalls; i++)
        cr_assert_eq(calls[i].name, 's');
    check_received();
}

// 9 + 16375 bytes: a header that keeps the record open, and a sendfile that fills and ends it.
Test(units, kernel_makes_a_frame_one_record)
{
    size_t from = 0;

    f->conn.transport = &transport_kernel;
    add_small();
    add_frames(3, 16375);
    add(f->r, 20, 0, 0);
    add(f->r, 0, 0, 700);
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    cr_assert_eq(ncalls, 8);
    cr_assert(calls[0].name == 's' && (calls[0].flags & MSG_MORE) == 0);
    for (size_t i = 1; i < 7; i += 2) {
        cr_assert(calls[i].name == 'm' && calls[i].asked == 9 && (calls[i].flags & MSG_MORE) != 0);
        cr_assert(calls[i + 1].name == 'f' && calls[i + 1].asked == 16375);
    }
    cr_assert(calls[7].name == 's' && (calls[7].flags & MSG_MORE) == 0);
    cr_assert_eq(calls[7].asked, 9 + 20 + 9 + 700);
    check_received();
}

struct slow {
    int fd;
    size_t n;
};

static void *read_slowly(void *arg)
{
    struct slow *s = arg;
    ssize_t got;

    while (s->n < total && (got = read(s->fd, received + s->n, min_of(total - s->n, 3001u))) > 0) {
        s->n += (size_t)got;
        if (s->n % 7 == 0)
            usleep(100);
    }
    return NULL;
}

static void send_to_slow(void)
{
    struct slow s = {.fd = f->client};
    struct pollfd room = {.fd = f->conn.fd, .events = POLLOUT};
    int size = 4096;
    pthread_t reader;
    size_t from = 0;
    enum transport_result rc;

    setsockopt(f->conn.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(f->client, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    cr_assert_eq(pthread_create(&reader, NULL, read_slowly, &s), 0);
    while ((rc = send_from(&from)) == TRANSPORT_AGAIN)
        cr_assert_eq(poll(&room, 1, 10000), 1);
    cr_assert_eq(rc, TRANSPORT_DONE);
    pthread_join(reader, NULL);
    cr_assert_eq(s.n, total);
}

// What a full socket did not take is read again; reading follows what it takes.
Test(units, plain_to_a_slow_reader_reads_little_in_vain)
{
    begin();
    add_frames(8, 16384);
    send_to_slow();
    cr_assert_eq(memcmp(received, expected, total), 0);
    cr_assert_lt(bytes_read, 16 * total);
    cr_assert_leq(f->worker->nrecord_buffers, 1, "nobody holds a buffer");
}

Test(units, kernel_to_a_slow_reader)
{
    f->conn.transport = &transport_kernel;
    begin();
    add_frames(8, 16375);
    send_to_slow();
    cr_assert_eq(memcmp(received, expected, total), 0);
}

Test(units, a_file_that_became_shorter_ends_the_connection)
{
    const struct transport *const both[] = {&transport_plain, &transport_kernel};

    cr_assert_eq(ftruncate(file.fd, 40000), 0);
    for (size_t i = 0; i < array_len(both); i++) {
        size_t from = 0;
        f->conn.transport = both[i];
        // sendfile is not held up by a look that finds no byte there.
        f->r->response.fetched_to = FILE_SIZE;
        log_text[0] = '\0';
        begin();
        add(f->r, 0, 0, 20000);
        add(f->r, 0, 20000, 20000);
        size_t good = total;
        add(f->r, 0, 40000, 20000);
        cr_assert_eq(send_from(&from), TRANSPORT_ERROR);
        cr_assert_eq(from, 2);
        cr_assert_not_null(strstr(log_text, "file was truncated while it was being sent"));
        // Over plain TCP the header of what is not there is not said at all.
        if (both[i] == &transport_plain)
            cr_assert_eq(f->conn.taken, good);
        total = f->conn.taken - (i == 0 ? 0 : good);
        if (i == 0)
            check_received();
    }
}

// Not even the header of a frame goes before its bytes are there; what stands before it does. The
// file system never says that they are.
static void try_cold(const struct transport *transport, int error)
{
    size_t from = 0;

    f->conn.transport = transport;
    f->r->response.fetched_from = f->r->response.fetched_to = 0;
    cold_from = 40000;
    cold_error = error;
    begin();
    uint64_t taken = f->conn.taken;
    add(f->r, 0, 0, 20000);
    add(f->r, 0, 20000, 20000);
    size_t warm = total;
    add(f->r, 0, 40000, 20000);
    add(NULL, 8, 0, 0);
    cr_assert_eq(send_from(&from), TRANSPORT_FILE);
    cr_assert_eq(from, 2);
    cr_assert_eq(f->conn.taken - taken, warm);
    wait_for_fetch();
    cr_assert_eq(f->r->response.fetched_from, 40000, "the unit's, wherever the body stands");
    cr_assert_geq(f->r->response.fetched_to, 60000);
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    check_received();
}

Test(units, what_is_not_resident_is_fetched_first)
{
    open_ring();
    try_cold(&transport_plain, EAGAIN);
    try_cold(&transport_plain, EOPNOTSUPP);
    try_cold(&transport_kernel, EAGAIN);
    try_cold(&transport_kernel, EOPNOTSUPP);
    ring_destroy(&f->worker->ring);
}

Test(units, residency_that_ends_in_mid_frame_cuts_it_there)
{
    size_t from = 0;

    open_ring();
    cold_from = 1000;
    begin();
    add(f->r, 0, 0, 5000);
    cr_assert_eq(send_from(&from), TRANSPORT_FILE);
    cr_assert_eq(from, 0);
    cr_assert(units[0].at == FRAME_HEADER && units[0].off == 1000 && units[0].len == 4000);
    // The fetch of another part is under way already: this one has to wait for it.
    cr_assert_eq(send_from(&from), TRANSPORT_FILE);
    wait_for_fetch();
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    check_received();
    ring_destroy(&f->worker->ring);
}

static off_t lowest;

static ssize_t note_lowest(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
    lowest = min_of(lowest, off);
    return fake_preadv2(fd, iov, count, off, flags);
}

// Ranges may be asked for in any order: that one was found says nothing of what lies before it.
Test(units, kernel_looks_for_each_of_several_ranges_before_sendfile)
{
    size_t from = 0;

    f->conn.transport = &transport_kernel;
    fake.preadv2 = note_lowest;
    lowest = FILE_SIZE;
    begin();
    add(f->r, 0, 600000, 20000);
    add(f->r, 0, 100000, 20000);
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    cr_assert_leq(lowest, 120000);
    check_received();
}

static void try_error(struct request *r, int error, enum transport_result rc, const char *line)
{
    size_t from = 0;

    log_text[0] = '\0';
    send_error = error;
    begin();
    add(r, 8, 0, 0);
    cr_assert_eq(send_from(&from), rc);
    cr_assert_eq(from, 0);
    cr_assert_eq(all_left(0), total);
    if (line == NULL)
        cr_assert_str_empty(log_text);
    else
        cr_assert_not_null(strstr(log_text, line), "%s", log_text);
}

Test(units, what_a_failed_send_means)
{
    try_error(f->r, ENOBUFS, TRANSPORT_RETRY, NULL);
    try_error(NULL, ENOMEM, TRANSPORT_RETRY, NULL);
    try_error(NULL, EINTR, TRANSPORT_AGAIN, NULL);
    try_error(f->r, EPIPE, TRANSPORT_ERROR, "[info]");
    try_error(NULL, ECONNRESET, TRANSPORT_ERROR, "send() failed (104");
    try_error(NULL, EBADF, TRANSPORT_ERROR, "[crit]");
}
