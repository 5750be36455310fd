// SPDX-License-Identifier: Apache-2.0
//
// A copy while somebody is in the middle of one long write(2). The times of the file moved when it
// began; if the copy went on, it would hold old bytes under an identity that stays right
// when the new ones have come.
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "test/unit/lib/file/replica_fixture.h"

TestSuite(replica_writer, .init = store_up, .fini = store_down, .timeout = 60);

static int faults;   // of the writer's buffer, from its second page on
static char *buffer; // version 2 of the file
static char *source; // the same, which the faults are answered from
static int fd;

static bool make_stalling_buffer(void)
{
    struct uffdio_api api = {.api = UFFD_API};

    faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    if (faults < 0)
        return false;
    cr_assert_eq(ioctl(faults, UFFDIO_API, &api), 0);
    buffer = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    source = malloc(CHUNK);
    fill(source, CHUNK, 0, 2);
    memcpy(buffer, source, PAGE);
    struct uffdio_register missing = {
        .range = {(uintptr_t)buffer + PAGE, CHUNK - PAGE},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    cr_assert_eq(ioctl(faults, UFFDIO_REGISTER, &missing), 0);
    return true;
}

static void answer_faults(void)
{
    struct uffdio_copy rest = {
        .dst = (uintptr_t)buffer + PAGE,
        .src = (uintptr_t)source + PAGE,
        .len = CHUNK - PAGE,
    };

    cr_assert_eq(ioctl(faults, UFFDIO_COPY, &rest), 0);
}

static void *write_slowly(void *arg)
{
    (void)arg;
    cr_assert_eq(pwrite(fd, buffer, CHUNK, 0), (ssize_t)CHUNK);
    return NULL;
}

static void *copy(void *arg)
{
    (void)arg;
    work();
    return NULL;
}

// On some file systems readers wait for writers.
static bool is_under_way(void)
{
    uint64_t word = 0;
    struct iovec iov = {&word, sizeof(word)};

    return preadv2(fd, &iov, 1, 8, RWF_NOWAIT) < 0 || word == word_at(8, 2);
}

Test(replica_writer, a_copy_waits_for_a_write_under_way)
{
    pthread_t writer, copier;
    struct replica_hit hit;

    if (!make_stalling_buffer())
        skip_test("no userfaultfd(2) here");
    fd = make_file("f", CHUNK, 1);
    make_store(2);
    cr_assert_eq(pthread_create(&writer, NULL, write_slowly, NULL), 0);
    usleep(200000);
    cr_assert(is_under_way());
    want(fd, 0, REPLICA_FREQUENT);
    cr_assert_eq(pthread_create(&copier, NULL, copy, NULL), 0);
    usleep(200000);
    cr_expect_eq(replica_counts(store).admitted, 0, "copied in the middle of a write");
    answer_faults();
    pthread_join(writer, NULL);
    pthread_join(copier, NULL);
    cr_assert(get(fd, 0, CHUNK, &hit));
    check_hit(&hit, 0, 2);
    replica_put(store, &hit, 0);
    close(faults);
    close(fd);
    munmap(buffer, CHUNK);
    free(source);
}
