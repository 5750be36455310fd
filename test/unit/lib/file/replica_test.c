// SPDX-License-Identifier: Apache-2.0
//
// The replica store on real files: what is copied, what is given up, and that a stale byte is never
// to be had. Times of files are ten seconds older than they are; the test of settling itself looks
// at the true ones.
#include <poll.h>
#include <time.h>

#include "test/unit/lib/file/replica_fixture.h"

TestSuite(replica, .init = store_up, .fini = store_down, .timeout = 60);

Test(replica, a_chunk_is_copied_when_it_was_sent_often_enough)
{
    int fd = make_file("f", 3 * CHUNK, 1);
    struct replica_hit hit;

    make_store(4);
    want(fd, 1, REPLICA_FREQUENT - 1);
    cr_expect_not(replica_work(store));
    want(fd, 1, 1);
    cr_expect(replica_work(store));
    cr_expect_not(replica_work(store));
    cr_expect_eq(replica_counts(store).admitted, 1);
    cr_expect_eq(replica_counts(store).held, CHUNK);
    cr_expect_not(is_there(fd, 0));
    cr_expect_not(is_there(fd, 2));
    cr_assert(get(fd, CHUNK, 3 * CHUNK, &hit));
    cr_expect_eq(hit.len, CHUNK, "a hit ends with its chunk");
    check_hit(&hit, CHUNK, 1);
    replica_put(store, &hit, hit.len);
    close(fd);
}

Test(replica, parts_of_a_chunk_are_found_where_they_are)
{
    int fd = make_file("f", 2 * CHUNK + 5001, 1);
    struct replica_hit hit;

    make_store(4);
    admit(fd, 2);
    cr_expect_eq(replica_counts(store).held, 5001, "the last chunk is short");
    cr_assert(get(fd, 2 * CHUNK + 4096, UINT64_MAX, &hit));
    cr_expect_eq(hit.len, 905);
    check_hit(&hit, 2 * CHUNK + 4096, 1);
    replica_put(store, &hit, 0);
    cr_assert(get(fd, 2 * CHUNK + 8, 16, &hit));
    cr_expect_eq(hit.len, 16);
    check_hit(&hit, 2 * CHUNK + 8, 1);
    replica_put(store, &hit, 0);
    cr_expect_not(get(fd, 2 * CHUNK + 5001, 1, &hit));
    cr_expect_not(get(fd, 2 * CHUNK, 0, &hit));
    cr_expect_not(get(fd, 100 * CHUNK, 1, &hit));
    close(fd);
}

Test(replica, parts_count_by_their_share_of_the_chunk)
{
    int fd = make_file("f", CHUNK, 1);
    struct replica_file id = identity(fd);
    unsigned calls = 0;

    make_store(1);
    for (int i = 0; i < 200; i++)
        replica_want(store, &id, fd, 0, 1);
    cr_expect_not(replica_work(store), "200 bytes are not a chunk");
    while (!replica_work(store) && calls++ < 1000)
        replica_want(store, &id, fd, CHUNK / 2, CHUNK / 16);
    cr_expect_gt(calls, REPLICA_FREQUENT);
    cr_expect_lt(calls, 500, "three times a chunk are 48 sixteenths, more or less");
    cr_expect_eq(replica_counts(store).admitted, 1);
    close(fd);
}

Test(replica, orders_wake_the_background_thread)
{
    int fd = make_file("f", CHUNK, 1);

    make_store(1);
    struct pollfd p = {.fd = replica_orders_fd(store), .events = POLLIN};
    cr_expect_eq(poll(&p, 1, 0), 0);
    want(fd, 0, REPLICA_FREQUENT);
    cr_expect_eq(poll(&p, 1, 0), 1);
    work();
    cr_expect_eq(poll(&p, 1, 0), 0);
    close(fd);
}

// ---- Stale bytes.

static void expect_gone(int fd, uint64_t chunks)
{
    for (uint64_t i = 0; i < chunks; i++)
        cr_expect_not(is_there(fd, i), "chunk %u", (unsigned)i);
    work();
    cr_expect_eq(replica_counts(store).stale, chunks);
    cr_expect_eq(replica_counts(store).held, 0);
}

static int admitted_file(uint64_t chunks)
{
    int fd = make_file("f", chunks * CHUNK, 1);

    make_store((unsigned)chunks + 1);
    for (uint64_t i = 0; i < chunks; i++)
        admit(fd, i);
    usleep(TICK_US);
    return fd;
}

Test(replica, rewritten_in_place)
{
    int fd = admitted_file(3);
    struct replica_hit hit;

    write_version(fd, 3 * CHUNK, 2);
    expect_gone(fd, 3);
    admit(fd, 0);
    cr_assert(get(fd, 0, CHUNK, &hit));
    check_hit(&hit, 0, 2);
    replica_put(store, &hit, 0);
    close(fd);
}

Test(replica, one_byte_written_elsewhere_in_the_file)
{
    int fd = admitted_file(2);

    cr_assert_eq(pwrite(fd, "x", 1, (off_t)(2 * CHUNK - 1)), 1);
    expect_gone(fd, 2);
    close(fd);
}

Test(replica, the_first_mismatch_drops_all_of_the_file)
{
    int fd = admitted_file(4);

    cr_assert_eq(pwrite(fd, "x", 1, 0), 1);
    cr_expect_not(is_there(fd, 3));
    work();
    cr_expect_eq(replica_counts(store).stale, 4);
    cr_expect_eq(replica_counts(store).held, 0);
    close(fd);
}

Test(replica, truncated)
{
    int fd = admitted_file(2);

    cr_assert_eq(ftruncate(fd, (off_t)CHUNK + 1), 0);
    expect_gone(fd, 2);
    close(fd);
}

Test(replica, truncated_and_grown_again)
{
    int fd = admitted_file(2);

    cr_assert_eq(ftruncate(fd, 1), 0);
    cr_assert_eq(ftruncate(fd, (off_t)(2 * CHUNK)), 0);
    expect_gone(fd, 2);
    close(fd);
}

// The size is the same and so is the mtime, which anybody may set; the ctime moves all the same.
Test(replica, rewritten_and_its_mtime_set_back)
{
    int fd = admitted_file(2);
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    write_version(fd, 2 * CHUNK, 2);
    cr_assert_eq(futimens(fd, times), 0);
    expect_gone(fd, 2);
    close(fd);
}

Test(replica, replaced_by_rename)
{
    int old = admitted_file(1), new = make_file("new", CHUNK, 2);
    char from[128], to[128];
    struct replica_hit hit;

    snprintf(from, sizeof(from), "%s/new", dir);
    snprintf(to, sizeof(to), "%s/f", dir);
    cr_assert_eq(rename(from, to), 0);
    cr_expect_not(is_there(new, 0));
    admit(new, 0);
    cr_assert(get(new, 0, CHUNK, &hit));
    check_hit(&hit, 0, 2);
    replica_put(store, &hit, 0);
    close(old);
    close(new);
}

Test(replica, an_inode_number_used_again_is_another_file)
{
    int fd = admitted_file(1);
    struct replica_file id = identity(fd);
    struct replica_hit hit;

    id.ctime_ns++;
    cr_expect_not(replica_get(store, &id, 0, 1, &hit));
    cr_expect_eq(replica_counts(store).stale, 1);
    close(fd);
}

Test(replica, who_kept_an_old_identity_drops_nothing)
{
    int fd = admitted_file(1);
    struct replica_file old = identity(fd);
    struct replica_hit hit;

    write_version(fd, CHUNK, 2);
    cr_expect_not(is_there(fd, 0));
    work();
    admit(fd, 0);
    cr_expect_not(replica_get(store, &old, 0, CHUNK, &hit));
    for (int i = 0; i < 10; i++)
        replica_want(store, &old, fd, 0, CHUNK);
    work();
    cr_expect(is_there(fd, 0));
    cr_expect_eq(replica_counts(store).stale, 1);
    close(fd);
}

static unsigned looks;

static void write_at_second_look(int fd)
{
    (void)fd;
    if (++looks == 2) {
        char path[128];

        snprintf(path, sizeof(path), "%s/f", dir);
        int f = open(path, O_WRONLY);
        cr_assert_eq(pwrite(f, "x", 1, 9), 1);
        close(f);
    }
}

Test(replica, changed_while_it_was_copied)
{
    int fd = make_file("f", CHUNK, 1);

    make_store(2);
    usleep(TICK_US);
    want(fd, 0, REPLICA_FREQUENT);
    looks = 0;
    before_fstat = write_at_second_look;
    work();
    before_fstat = NULL;
    cr_assert_eq(looks, 2, "once before the copy and once after it");
    cr_expect_eq(replica_counts(store).admitted, 0);
    cr_expect_eq(replica_counts(store).failed, 1);
    cr_expect_not(is_there(fd, 0));
    close(fd);
}

Test(replica, changed_between_order_and_copy)
{
    int fd = make_file("f", CHUNK, 1);

    make_store(2);
    usleep(TICK_US);
    want(fd, 0, REPLICA_FREQUENT);
    cr_assert_eq(pwrite(fd, "x", 1, 9), 1);
    work();
    cr_expect_eq(replica_counts(store).admitted, 0);
    cr_expect_eq(replica_counts(store).refused, 1);
    close(fd);
}

// A change within the grain of the clock leaves no trace.
Test(replica, a_file_that_has_not_settled_is_not_copied)
{
    int fd = make_file("f", CHUNK, 1);
    struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    make_store(2);
    fake.fstat = fstat;
    cr_assert_eq(futimens(fd, long_ago), 0);
    want(fd, 0, REPLICA_FREQUENT);
    work();
    cr_expect_eq(replica_counts(store).refused, 1);
    cr_expect_eq(replica_counts(store).admitted, 0);
    for (int i = 0; i < 60 && replica_counts(store).admitted == 0; i++) {
        usleep(100000);
        want(fd, 0, 1);
        work();
    }
    cr_expect_eq(replica_counts(store).admitted, 1, "it has settled");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    cr_expect_geq(now.tv_sec - identity(fd).ctime_s, REPLICA_SETTLED_S);
    close(fd);
}

// ---- Eviction.

Test(replica, a_pinned_copy_stays_until_it_is_put_back)
{
    int fd = admitted_file(1);
    struct replica_hit hit;

    cr_assert(get(fd, 0, CHUNK, &hit));
    write_version(fd, CHUNK, 2);
    cr_expect_not(is_there(fd, 0));
    work();
    cr_expect_eq(replica_counts(store).held, CHUNK);
    check_hit(&hit, 0, 1);
    replica_put(store, &hit, 0);
    work();
    cr_expect_eq(replica_counts(store).held, 0);
    close(fd);
}

Test(replica, what_is_pinned_is_no_victim)
{
    int fd = make_file("f", 2 * CHUNK, 1);
    struct replica_hit hit;

    make_store(1);
    admit(fd, 0);
    cr_assert(get(fd, 0, CHUNK, &hit));
    want(fd, 1, 12);
    work();
    cr_expect_eq(replica_counts(store).evicted, 0);
    cr_expect_eq(replica_counts(store).refused, 1);
    check_hit(&hit, 0, 1);
    replica_put(store, &hit, 0);
    close(fd);
}

Test(replica, the_more_frequent_takes_the_place_of_the_less_frequent)
{
    int fd = make_file("f", 3 * CHUNK, 1);

    make_store(2);
    admit(fd, 0);
    admit(fd, 1);
    want(fd, 1, 4);
    want(fd, 2, REPLICA_FREQUENT);
    work();
    cr_expect_eq(replica_counts(store).refused, 1, "no more frequent than the least frequent");
    usleep(2100000);
    want(fd, 2, 1);
    work();
    cr_expect_eq(replica_counts(store).evicted, 1);
    cr_expect(is_there(fd, 2));
    cr_expect(is_there(fd, 1));
    cr_expect_not(is_there(fd, 0));
    cr_expect_eq(replica_counts(store).held, 2 * CHUNK);
    close(fd);
}

// A connection over loopback whose far end nobody reads yet.
static void connect_pair(int pair[2])
{
    struct sockaddr_storage addr = {.ss_family = AF_INET};
    socklen_t len = sizeof(addr);
    int size = 4 << 20, listener = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&addr, 16), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    cr_assert_eq(connect(pair[0], (struct sockaddr *)&addr, len), 0);
    pair[1] = accept(listener, NULL, NULL);
    cr_assert_geq(pair[1], 0);
    close(listener);
}

static void receive(int socket, char *p, size_t n)
{
    cr_assert_eq(recv(socket, p, n, MSG_WAITALL), (ssize_t)n);
}

// sendfile has put references to the pages into the queue, so the slot gets new pages.
Test(replica, bytes_queued_on_a_socket_outlive_their_copy)
{
    static char bytes[256 << 10];
    int a = make_file("a", CHUNK, 1), b = make_file("b", CHUNK, 2), pair[2];
    struct replica_hit hit, again;

    make_store(1);
    admit(a, 0);
    connect_pair(pair);
    cr_assert(get(a, 0, sizeof(bytes), &hit));
    off_t off = (off_t)hit.off;
    cr_assert_eq(sys->sendfile(pair[0], hit.fd, &off, hit.len), (ssize_t)hit.len);
    replica_put(store, &hit, 0);
    want(b, 0, REPLICA_FREQUENT);
    work();
    usleep(2100000);
    want(b, 0, REPLICA_FREQUENT);
    work();
    cr_assert_eq(replica_counts(store).evicted, 1);
    cr_assert(get(b, 0, sizeof(bytes), &again));
    cr_expect_eq(again.off, hit.off, "the same slot");
    check_hit(&again, 0, 2);
    replica_put(store, &again, 0);
    receive(pair[1], bytes, sizeof(bytes));
    check_bytes(bytes, sizeof(bytes), 0, 1);
    close(pair[0]);
    close(pair[1]);
    close(a);
    close(b);
}

Test(replica, what_is_given_up_gives_its_memory_back)
{
    int fd = admitted_file(2);
    struct replica_hit hit;
    struct stat st;

    cr_assert(get(fd, 0, 1, &hit));
    replica_put(store, &hit, 0);
    cr_assert_eq(fstat(hit.fd, &st), 0);
    cr_expect_eq((uint64_t)st.st_blocks * 512, 2 * CHUNK);
    cr_assert_eq(ftruncate(fd, 0), 0);
    cr_expect_not(is_there(fd, 0));
    work();
    cr_assert_eq(fstat(hit.fd, &st), 0);
    cr_expect_eq(st.st_blocks, 0);
    close(fd);
}

// ---- Orders.

Test(replica, wishes_beyond_the_queue_are_lost)
{
    int fd = make_file("f", CHUNK, 1);

    cr_assert_eq(ftruncate(fd, (off_t)(100 * CHUNK)), 0);
    make_store(128);
    unsigned before = count_fds();
    for (uint64_t i = 0; i < 100; i++)
        want(fd, i, REPLICA_FREQUENT);
    cr_expect_eq(replica_counts(store).lost, 36);
    cr_expect_eq(count_fds(), before + 64);
    work();
    cr_expect_eq(replica_counts(store).admitted, 64);
    cr_expect_eq(count_fds(), before);
    close(fd);
}

Test(replica, what_is_ordered_is_not_ordered_again)
{
    int fd = make_file("f", CHUNK, 1);

    make_store(2);
    want(fd, 0, 100);
    cr_expect(replica_work(store));
    cr_expect_not(replica_work(store));
    cr_expect_eq(replica_counts(store).lost, 0);
    close(fd);
}

Test(replica, orders_that_nobody_did_are_freed_with_the_store)
{
    int fd = make_file("f", CHUNK, 1);

    make_store(2);
    want(fd, 0, REPLICA_FREQUENT);
    close(fd); // teardown counts
}

Test(replica, stores_that_cannot_be)
{
    struct replica_plan small = {.node = 0, .bytes = CHUNK - 1};
    struct replica_plan nowhere = {.node = 1000, .bytes = CHUNK};

    cr_expect_eq(replica_store_make(&store, &small), -EINVAL);
    cr_expect_eq(replica_store_make(&store, &nowhere), -EINVAL);
    replica_store_free(NULL);
}
