// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the replica store share: a store, and files that seem ten seconds older than
// they are, so that no test has to wait until one has settled. Included by each test file once.
#pragma once


#include "lib/base/sys.h"
#include "lib/file/replica.h"
#include "test/unit/lib/file/pages_fixture.h"
#include "test/unit/support/descriptors.h"

#define CHUNK ((uint64_t)REPLICA_CHUNK)
#define OLDER_S 10
#define TICK_US 20000 // longer than the grain of the kernel's clock for files

static struct replica_store *store;
static struct sys_calls fake;
static void (*before_fstat)(int fd); // in replica_work()
static unsigned fds_before;

static int older_fstat(int fd, struct stat *st)
{
    if (before_fstat != NULL)
        before_fstat(fd);
    int rc = fstat(fd, st);
    st->st_mtim.tv_sec -= OLDER_S;
    st->st_ctim.tv_sec -= OLDER_S;
    return rc;
}

unused_ok static void make_store(unsigned slots)
{
    struct replica_plan plan = {.node = 0, .bytes = slots * CHUNK, .anywhere = true};

    cr_assert_eq(replica_store_make(&store, &plan), 0);
}

static void store_up(void)
{
    make_dir();
    fake = sys_default;
    fake.fstat = older_fstat;
    sys = &fake;
    before_fstat = NULL;
    fds_before = count_fds();
}

static void store_down(void)
{
    replica_store_free(store);
    cr_expect_eq(count_fds(), fds_before, "a descriptor leaked");
    remove_dir();
}

unused_ok static struct replica_file identity(int fd)
{
    struct stat st;

    cr_assert_eq(sys->fstat(fd, &st), 0);
    return replica_file_of(&st);
}

static void work(void)
{
    while (replica_work(store))
        ;
}

unused_ok static uint64_t chunk_len(const struct replica_file *id, uint64_t chunk)
{
    return min_of(id->size - chunk * CHUNK, CHUNK);
}

unused_ok static void want(int fd, uint64_t chunk, unsigned times)
{
    struct replica_file id = identity(fd);

    while (times-- != 0)
        replica_want(store, &id, fd, chunk * CHUNK, chunk_len(&id, chunk));
}

// As often as it takes, and copied.
unused_ok static void admit(int fd, uint64_t chunk)
{
    uint64_t before = replica_counts(store).admitted;

    want(fd, chunk, REPLICA_FREQUENT);
    work();
    cr_assert_eq(replica_counts(store).admitted, before + 1);
}

unused_ok static bool get(int fd, uint64_t off, uint64_t len, struct replica_hit *hit)
{
    struct replica_file id = identity(fd);

    return replica_get(store, &id, off, len, hit);
}

unused_ok static bool is_there(int fd, uint64_t chunk)
{
    struct replica_hit hit;

    if (!get(fd, chunk * CHUNK, CHUNK, &hit))
        return false;
    replica_put(store, &hit, 0);
    return true;
}

unused_ok static void check_hit(const struct replica_hit *hit, uint64_t off, unsigned version)
{
    static char bytes[REPLICA_CHUNK];

    cr_assert_eq(pread(hit->fd, bytes, hit->len, (off_t)hit->off), (ssize_t)hit->len);
    check_bytes(bytes, hit->len, off, version);
}
