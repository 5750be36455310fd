// SPDX-License-Identifier: Apache-2.0
//
// Dropping behind: which ranges go when, and on real files what is left in the page cache.
#include <linux/sockios.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "lib/file/drop.h"
#include "test/unit/lib/file/pages_fixture.h"

#define SIZE (16 * MIB)
#define PART (256u << 10)

static struct drop_behind d;
static struct drop_range r;

// What a server has its ring do.
static void advise(int fd, const struct drop_range *range)
{
    // A length of 0 would mean all up to the end.
    if (range->to > range->from)
        (void)posix_fadvise(fd, (off_t)range->from, (off_t)(range->to - range->from),
                            POSIX_FADV_DONTNEED);
}

static void drop_sent(struct drop_behind *behind, int fd, uint64_t sent)
{
    struct drop_range range;

    while (drop_due(behind, sent, &range))
        advise(fd, &range);
}

static void drop_end(struct drop_behind *behind, int fd, uint64_t size)
{
    struct drop_range range;

    while (drop_rest(behind, size, &range))
        advise(fd, &range);
}

static void expect_range(uint64_t from, uint64_t to)
{
    cr_expect_eq(r.from, from, "from %llu", (unsigned long long)r.from);
    cr_expect_eq(r.to, to, "to %llu", (unsigned long long)r.to);
}

// ---- What is due.

Test(drop, nothing_was_fetched)
{
    cr_expect_not(drop_due(&d, 1ull << 40, &r));
    cr_expect_not(drop_rest(&d, 1ull << 40, &r));
}

Test(drop, trails_the_lag_in_whole_steps)
{
    drop_fetched(&d, 0, 100 * MIB);
    cr_expect_not(drop_due(&d, 0, &r));
    cr_expect_not(drop_due(&d, DROP_LAG + DROP_STEP - 1, &r));
    cr_assert(drop_due(&d, DROP_LAG + DROP_STEP, &r));
    expect_range(0, DROP_STEP);
    cr_expect_not(drop_due(&d, DROP_LAG + 2 * DROP_STEP - 1, &r));
    cr_assert(drop_due(&d, DROP_LAG + 5 * DROP_STEP + 3, &r));
    expect_range(DROP_STEP, 5 * DROP_STEP);
    cr_assert(drop_rest(&d, 100 * MIB, &r));
    expect_range(5 * DROP_STEP - DROP_AGAIN, 100 * MIB);
    cr_expect_not(drop_rest(&d, 100 * MIB, &r));
}

Test(drop, what_was_resident_between_is_left_alone)
{
    drop_fetched(&d, 0, MIB);
    drop_fetched(&d, MIB, MIB);
    drop_fetched(&d, 3 * MIB, MIB);
    cr_assert(drop_due(&d, 100 * MIB, &r));
    expect_range(0, 2 * MIB);
    cr_assert(drop_due(&d, 100 * MIB, &r));
    expect_range(3 * MIB, 4 * MIB);
    cr_expect_not(drop_due(&d, 100 * MIB, &r));
}

Test(drop, fetching_the_same_again_is_one_range)
{
    drop_fetched(&d, MIB, MIB);
    drop_fetched(&d, MIB, MIB / 2);
    drop_fetched(&d, MIB + MIB / 2, MIB);
    cr_expect_eq(d.count, 1);
    cr_assert(drop_rest(&d, 100 * MIB, &r));
    expect_range(MIB, 2 * MIB + MIB / 2);
}

Test(drop, goes_on_where_a_range_was_taken_off)
{
    drop_fetched(&d, 0, DROP_STEP);
    cr_assert(drop_due(&d, DROP_LAG + DROP_STEP, &r));
    drop_fetched(&d, DROP_STEP, DROP_STEP);
    cr_assert(drop_due(&d, DROP_LAG + 2 * DROP_STEP, &r));
    expect_range(DROP_STEP, 2 * DROP_STEP);
}

Test(drop, with_too_many_gaps_the_oldest_range_stays_cached)
{
    for (uint64_t i = 0; i <= DROP_RANGES; i++)
        drop_fetched(&d, 2 * i * MIB, MIB);
    for (uint64_t i = 1; i <= DROP_RANGES; i++) {
        cr_assert(drop_rest(&d, 100 * MIB, &r));
        expect_range(2 * i * MIB, (2 * i + 1) * MIB);
    }
    cr_expect_not(drop_rest(&d, 100 * MIB, &r));
}

Test(drop, whole_pages_go_and_the_end_of_the_file)
{
    drop_fetched(&d, 5000, 5000);
    cr_assert(drop_rest(&d, 100000, &r));
    expect_range(4096, 12288);
    drop_fetched(&d, 5000, 5000);
    cr_assert(drop_rest(&d, 10000, &r));
    expect_range(4096, 10000);
    drop_fetched(&d, 5000, 5000);
    cr_assert(drop_rest(&d, 100, &r), "the file has become shorter");
    expect_range(4096, 4096);
}

Test(drop, lengths_that_make_no_sense)
{
    drop_fetched(&d, 0, 0);
    drop_fetched(&d, UINT64_MAX - 1, 10);
    cr_expect_eq(d.count, 0);
}

// ---- Real files.

static int fd;

static void setup(void)
{
    make_dir();
    fd = make_file("f", SIZE + 1234, 1);
    d = (struct drop_behind){0};
}

static void teardown(void)
{
    close(fd);
    remove_dir();
}

TestSuite(drop_pages, .init = setup, .fini = teardown, .timeout = 60);

static void read_part(uint64_t off, size_t n)
{
    static char bytes[PART];

    cr_assert_eq(pread(fd, bytes, n, (off_t)off), (ssize_t)n);
}

// How far the kernel reads ahead is the disk's affair: with this, not at all.
static void read_nothing_ahead(void)
{
    cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
}

// As a response does whose every part had to be fetched. The most pages that were ever there.
static unsigned transfer(uint64_t from, uint64_t to)
{
    unsigned most = 0;

    for (uint64_t off = from; off < to; off += PART) {
        size_t n = (size_t)min_of(to - off, (uint64_t)PART);
        read_part(off, n);
        drop_fetched(&d, off, n);
        drop_sent(&d, fd, off + n);
        most = max_of(most, resident(fd, 0, SIZE));
    }
    return most;
}

// Pages that a cold file's transfer leaves. One that the kernel holds for a moment stays, as
// POSIX_FADV_DONTNEED is only advice: what is there after each of three transfers is ours.
static unsigned leaves(uint64_t from, uint64_t to, unsigned *most)
{
    unsigned left = 1;

    for (int i = 0; i < 3 && left != 0; i++) {
        evict_file(fd);
        d = (struct drop_behind){0};
        *most = transfer(from, to);
        drop_end(&d, fd, SIZE + 1234);
        left = resident(fd, 0, SIZE + 1234);
    }
    return left;
}

Test(drop_pages, a_cold_file_leaves_nothing)
{
    unsigned most;

    read_nothing_ahead();
    cr_expect_eq(leaves(0, SIZE + 1234, &most), 0);
    cr_expect_leq(most, (DROP_LAG + DROP_STEP) / PAGE, "%u pages at the most", most);
}

Test(drop_pages, a_cold_file_that_was_read_ahead_leaves_nothing)
{
    unsigned most;

    cr_expect_eq(leaves(0, SIZE + 1234, &most), 0);
}

Test(drop_pages, a_range_in_the_middle_leaves_nothing)
{
    unsigned most;

    read_nothing_ahead();
    cr_expect_eq(leaves(3 * MIB + 100, 12 * MIB + 77, &most), 0);
}

Test(drop_pages, what_was_resident_before_stays)
{
    unsigned before = resident(fd, 0, SIZE);

    cr_assert_eq(before, SIZE / PAGE);
    for (uint64_t off = 0; off < SIZE; off += PART) {
        read_part(off, PART);
        drop_sent(&d, fd, off + PART);
    }
    drop_end(&d, fd, SIZE);
    cr_expect_eq(resident(fd, 0, SIZE), before);
}

Test(drop_pages, of_a_file_that_was_half_there_that_half_stays)
{
    unsigned half = SIZE / 2 / PAGE;

    cr_assert_eq(posix_fadvise(fd, SIZE / 2, 0, POSIX_FADV_DONTNEED), 0);
    if (resident(fd, SIZE / 2, SIZE / 2) != 0 || resident(fd, 0, SIZE / 2) != half)
        skip_test("the kernel keeps pages in larger pieces here");
    transfer(SIZE / 2, SIZE + 1234);
    drop_end(&d, fd, SIZE + 1234);
    cr_expect_eq(resident(fd, 0, SIZE / 2), half);
    cr_expect_eq(resident(fd, SIZE / 2, SIZE / 2), 0);
}

// ---- Sockets.

static void *receive(void *arg)
{
    static char bytes[PART];
    int socket = *(int *)arg;
    uint64_t off = 0;

    while (off < SIZE) {
        size_t n = (size_t)min_of(SIZE - off, (uint64_t)PART);
        cr_assert_eq(recv(socket, bytes, n, MSG_WAITALL), (ssize_t)n);
        check_bytes(bytes, n, off, 1);
        off += n;
    }
    return NULL;
}

static void connect_pair(int pair[2])
{
    struct sockaddr_storage addr = {.ss_family = AF_INET};
    socklen_t len = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(bind(listener, (struct sockaddr *)&addr, 16), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(pair[0], (struct sockaddr *)&addr, len), 0);
    pair[1] = accept(listener, NULL, NULL);
    cr_assert_geq(pair[1], 0);
    close(listener);
}

static void await_acknowledged(int socket)
{
    int queued = 1;

    for (int i = 0; i < 500 && queued != 0; i++) {
        cr_assert_eq(ioctl(socket, SIOCOUTQ, &queued), 0);
        usleep(10000);
    }
    cr_assert_eq(queued, 0);
}

Test(drop_pages, sent_by_sendfile_and_received)
{
    pthread_t reader;
    int pair[2];
    off_t off = 0;

    evict_file(fd);
    connect_pair(pair);
    cr_assert_eq(pthread_create(&reader, NULL, receive, &pair[1]), 0);
    while (off < (off_t)SIZE) {
        uint64_t from = (uint64_t)off;
        ssize_t n = sendfile(pair[0], fd, &off, PART);
        cr_assert_gt(n, 0);
        drop_fetched(&d, from, (uint64_t)n);
        drop_sent(&d, fd, (uint64_t)off);
    }
    pthread_join(reader, NULL);
    await_acknowledged(pair[0]);
    drop_end(&d, fd, SIZE + 1234);
    // The kernel frees what a socket has sent when it next has to do with the network.
    unsigned left = resident(fd, 0, SIZE);
    cr_expect_leq(left, (DROP_LAG + DROP_STEP) / PAGE, "%u pages", left);
    close(pair[0]);
    close(pair[1]);
}

// Pages in a socket's queue stay, and are what they were.
Test(drop_pages, what_nobody_has_received_yet_is_not_lost)
{
    static char bytes[64 << 10];
    int pair[2];
    off_t off = 0;

    evict_file(fd);
    connect_pair(pair);
    cr_assert_eq(sendfile(pair[0], fd, &off, sizeof(bytes)), (ssize_t)sizeof(bytes));
    drop_fetched(&d, 0, sizeof(bytes));
    drop_end(&d, fd, SIZE + 1234);
    cr_assert_eq(recv(pair[1], bytes, sizeof(bytes), MSG_WAITALL), (ssize_t)sizeof(bytes));
    check_bytes(bytes, sizeof(bytes), 0, 1);
    close(pair[0]);
    close(pair[1]);
}
