// SPDX-License-Identifier: Apache-2.0
//
// The loop itself: setting the ring up and taking it down, and its turn. A turn enters the kernel
// once at most, and takes completions out of the shared queue before it runs any callback, so that
// callbacks never nest and the kernel has room again at once.
#include "lib/ring/ring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/ring/ring_priv.h"

#define BUFFER_MEMORY ((size_t)RING_BUFFER_COUNT * RING_BUFFER_SIZE)
#define DESTROY_PATIENCE_MS 1000 // for reads that a kernel worker has in its hands

_Static_assert((RING_BUFFER_COUNT & (RING_BUFFER_COUNT - 1)) == 0, "a power of two");
_Static_assert(_Alignof(struct op) > RING_TAG_MASK, "the tags fit under an op's address");
_Static_assert(_Alignof(struct ring) > RING_TAG_MASK, "the tags fit under a ring's address");

struct completion {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};

// The best set of flags that the kernel takes. DEFER_TASKRUN runs the kernel's part of a completion
// only when the loop waits, and never as an interruption of a callback.
static int open_uring(struct ring *r)
{
    static const unsigned ways[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_COOP_TASKRUN,
        0,
    };
    int rc = -EINVAL;

    for (size_t i = 0; i < array_len(ways) && rc == -EINVAL; i++) {
        struct io_uring_params p = {
            .flags = ways[i] | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
            .cq_entries = 4 * RING_ENTRIES,
        };

        rc = io_uring_queue_init_params(RING_ENTRIES, &r->uring, &p);
        r->features.defer_taskrun = rc == 0 && (p.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    }
    return rc;
}

static int open_buffers(struct ring *r)
{
    int rc = 0;
    // Populated here: the pages are on the thread's own node, and no receive waits for a fault.
    void *memory = mmap(NULL, BUFFER_MEMORY, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (memory == MAP_FAILED)
        return -errno;
    r->buffer_memory = memory;
    r->buffers = io_uring_setup_buf_ring(&r->uring, RING_BUFFER_COUNT, RING_BUFFER_GROUP, 0, &rc);
    if (r->buffers == NULL)
        return rc;
    for (int i = 0; i < RING_BUFFER_COUNT; i++)
        io_uring_buf_ring_add(r->buffers, r->buffer_memory + (size_t)i * RING_BUFFER_SIZE,
                              RING_BUFFER_SIZE, (unsigned short)i,
                              io_uring_buf_ring_mask(RING_BUFFER_COUNT), i);
    io_uring_buf_ring_advance(r->buffers, RING_BUFFER_COUNT);
    return 0;
}

// After the memory that operations point at is out of the kernel's hands, in any stage of opening.
static void close_all(struct ring *r)
{
    if (r->buffers != NULL)
        io_uring_free_buf_ring(&r->uring, r->buffers, RING_BUFFER_COUNT, RING_BUFFER_GROUP);
    if (r->buffer_memory != NULL)
        munmap(r->buffer_memory, BUFFER_MEMORY);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    io_uring_queue_exit(&r->uring);
    r->magic = 0;
}

static int open_rest(struct ring *r, const char **step)
{
    int rc;

    // Saves looking the descriptor up in each enter; only an optimisation.
    (void)io_uring_register_ring_fd(&r->uring);

    *step = "probing the ring";
    rc = ring_probe(r);
    if (rc < 0)
        return rc;
    *step = "registering receive buffers";
    rc = open_buffers(r);
    if (rc < 0)
        return rc;
    *step = "eventfd()";
    return ring_mailbox_init(r);
}

int ring_init(struct ring *r, char *why, size_t why_size)
{
    const char *step = NULL;
    int rc;

    memset(r, 0, sizeof(*r));
    r->wake_fd = -1;
    list_init(&r->hooks);
    rc = open_uring(r);
    if (rc < 0) {
        struct ring_refusal facts;

        ring_refusal_gather(&facts, -rc);
        ring_refusal_explain(&facts, why, why_size);
        return rc;
    }
    r->magic = RING_MAGIC;
    rc = open_rest(r, &step);
    if (rc < 0) {
        snprintf(why, why_size, "io_uring: %s failed (%d: %s)", step, -rc, strerror(-rc));
        close_all(r);
        return rc;
    }
    clock_update();
    wheel_init(&r->wheel, clock_mono_ms());
    ring_mailbox_arm(r);
    return 0;
}

// Closing a ring cancels in the background, when the memory may be gone already: so cancel first,
// until nothing is found any more.
static void cancel_all(struct ring *r)
{
    struct io_uring_sync_cancel_reg all = {
        .fd = -1,
        .flags = IORING_ASYNC_CANCEL_ANY,
    };
    const struct timespec nap = {.tv_nsec = 1000000};

    for (int ms = 0; ms < DESTROY_PATIENCE_MS; ms++) {
        if (io_uring_register_sync_cancel(&r->uring, &all) <= 0)
            break;
        (void)io_uring_get_events(&r->uring);
        io_uring_cq_advance(&r->uring, io_uring_cq_ready(&r->uring));
        nanosleep(&nap, NULL);
    }
}

void ring_destroy(struct ring *r)
{
    if (r == NULL || r->magic != RING_MAGIC)
        return;
    cancel_all(r);
    close_all(r);
}

int ring_place(struct ring *r, const cpu_set_t *cpus, unsigned max_workers)
{
    unsigned limits[2] = {max_workers, max_workers}; // bounded and unbounded work; 0 is "as it is"
    int rc;

    check_magic(r, RING_MAGIC);
    rc = io_uring_register_iowq_aff(&r->uring, sizeof(*cpus), cpus);
    return rc == 0 && max_workers != 0 ? io_uring_register_iowq_max_workers(&r->uring, limits)
                                       : rc;
}

void ring_add_hook(struct ring *r, struct ring_hook *hook)
{
    list_append(&r->hooks, &hook->node);
    r->awake = true; // it runs once before the first sleep
}

void ring_stop(struct ring *r)
{
    r->stopping = true;
}

static bool may_sleep(struct ring *r)
{
    return !r->awake && !r->stopping && io_uring_cq_ready(&r->uring) == 0 &&
           ring_mailbox_empty(r);
}

// Errors that pass are 0: the turn goes on and the next one tries again.
static int entered(struct ring *r, int rc)
{
    if (likely(rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EAGAIN))
        return 0;
    if (rc != -EBUSY)
        return rc;
    // Completions that found no room wait in the kernel, which takes nothing new until they have
    // been fetched.
    rc = io_uring_get_events(&r->uring);
    return rc == -EINTR || rc == -EBUSY || rc == -EAGAIN ? 0 : min_of(rc, 0);
}

static int submit_and_poll(struct ring *r)
{
    if (io_uring_sq_ready(&r->uring) == 0 && io_uring_cq_ready(&r->uring) != 0)
        return 0;
    return entered(r, io_uring_submit_and_get_events(&r->uring));
}

static int submit_and_sleep(struct ring *r)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec timeout;
    int64_t ms = wheel_next(&r->wheel);

    timeout.tv_sec = ms / 1000;
    timeout.tv_nsec = ms % 1000 * 1000000;
    return entered(r, io_uring_submit_and_wait_timeout(&r->uring, &cqe, 1,
                                                       ms < 0 ? NULL : &timeout, NULL));
}

static unsigned collect(struct ring *r, struct completion *done)
{
    unsigned n = 0, head;
    struct io_uring_cqe *cqe;

    io_uring_for_each_cqe(&r->uring, head, cqe)
    {
        if (n == RING_COLLECT_MAX)
            break;
        done[n++] = (struct completion){cqe->user_data, cqe->res, cqe->flags};
    }
    io_uring_cq_advance(&r->uring, n);
    return n;
}

static void dispatch_tagged(const struct completion *c)
{
    switch (c->user_data & RING_TAG_MASK) {
    case RING_UNSENT:
        ring_wake_by_eventfd((struct ring *)(uintptr_t)(c->user_data & ~RING_TAG_MASK));
        break;
    case RING_WAKE: // its purpose was to end the sleep
        break;
    default:
        check(c->user_data == RING_IGNORE);
    }
}

static void dispatch(const struct completion *done, unsigned n)
{
    for (const struct completion *c = done; c < done + n; c++) {
        struct op *op = (struct op *)(uintptr_t)c->user_data;

        if (unlikely(op == NULL || (c->user_data & RING_TAG_MASK) != 0)) {
            dispatch_tagged(c);
            continue;
        }
        check_magic(op, OP_MAGIC);
        check(op->in_flight);
        op->in_flight = (c->flags & IORING_CQE_F_MORE) != 0;
        op->done(op, c->res, c->flags);
    }
}

static void run_hooks(struct ring *r)
{
    list_each_safe(node, &r->hooks)
    {
        struct ring_hook *hook = container_of(node, struct ring_hook, node);

        hook->run(hook);
    }
}

int ring_turn(struct ring *r, bool wait)
{
    struct completion done[RING_COLLECT_MAX];
    struct list due;
    unsigned n;
    int rc;

    check_magic(r, RING_MAGIC);
    rc = wait && may_sleep(r) ? submit_and_sleep(r) : submit_and_poll(r);
    if (unlikely(rc < 0))
        return rc;
    r->awake = false;
    clock_update();
    n = collect(r, done);
    // The wheel's `now` moves before callbacks arm timers by it; what is due fires after them, so
    // that data which came together with its timeout wins.
    list_init(&due);
    wheel_collect(&r->wheel, clock_mono_ms(), &due);
    dispatch(done, n);
    wheel_fire(&due);
    ring_mailbox_deliver(r);
    run_hooks(r);
    ring_mailbox_arm(r);
    return 0;
}

int ring_run(struct ring *r)
{
    int rc = 0;

    while (rc == 0 && !r->stopping)
        rc = ring_turn(r, true);
    // Cancellations and wakes for other rings that the last turn prepared.
    return rc == 0 ? entered(r, io_uring_submit(&r->uring)) : rc;
}
