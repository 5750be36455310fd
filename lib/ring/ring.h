// SPDX-License-Identifier: Apache-2.0
//
// The event loop: one io_uring for each worker thread (io_uring(7)), created and used by that
// thread alone. Each turn: submit what was prepared, wait, collect all completions, then dispatch
// them, then fire timers, then deliver mail, then run the turn hooks. Functions return 0 or -errno.
#pragma once

#include <liburing.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/base/list.h"
#include "lib/ring/op.h"
#include "lib/ring/timer.h"

#define RING_ENTRIES 1024     // submission queue; the completion queue has four times as many
#define RING_COLLECT_MAX 256  // completions taken in one turn
#define RING_BUFFER_COUNT 256 // receive buffers, a power of two
#define RING_BUFFER_SIZE 4096 // bytes each

// What the kernel was found to have; probed once, named in the start-up line.
struct ring_features {
    bool defer_taskrun;    // IORING_SETUP_DEFER_TASKRUN, 6.1
    bool msg_ring;         // IORING_OP_MSG_RING, 5.18
    bool recv_multishot;   // 6.0
    bool accept_multishot; // 5.19
    bool cachestat;        // cachestat(2), 6.5 (probed here so that one line tells all)
};

// A hook run once in each turn, before the ring submits and sleeps.
struct ring_hook {
    struct list node;
    void (*run)(struct ring_hook *hook);
};

// A message to a ring from any thread. The sender owns it until `deliver` runs on the target's
// thread; mail of one sender arrives in the order it was posted.
struct ring_mail {
    struct ring_mail *next;
    void (*deliver)(struct ring_mail *mail);
};

struct ring {
    uint32_t magic;
    struct io_uring uring;
    struct ring_features features;
    struct wheel wheel;
    struct list hooks;
    struct io_uring_buf_ring *buffers; // provided buffer group 0
    char *buffer_memory;               // RING_BUFFER_COUNT * RING_BUFFER_SIZE
    struct ring_mail *_Atomic inbox;   // MPSC stack; reversed when taken
    int wake_fd;                       // eventfd that another thread writes
    uint64_t wake_value;
    struct op wake_op;
    bool stopping;
    bool awake; // the next turn does not sleep
};

// Made on the thread that will run it. When the kernel refuses, `why` (at least 256 bytes) says
// which of sysctl, seccomp or memlock did and how to cure it.
must_check int ring_init(struct ring *r, char *why, size_t why_size);
// On the ring's own thread. Operations still in flight are cancelled without their callbacks, and
// waited for up to a second. NULL and a ring that ring_init() refused are allowed.
void ring_destroy(struct ring *r);

// Runs until ring_stop(). 0, or -errno when the ring itself fails.
must_check int ring_run(struct ring *r);
// One turn. `wait` false: does not sleep.
must_check int ring_turn(struct ring *r, bool wait);
void ring_stop(struct ring *r); // on the ring's own thread

// For whoever has work left that no completion will announce (a connection that used up its
// quantum): the next turn polls instead of sleeping.
static inline void ring_stay_awake(struct ring *r)
{
    r->awake = true;
}

// Where the kernel's threads of this ring run (io-wq: what cannot be done without blocking, such as
// opening a file or a read whose file system has no asynchronous way), and how many of each kind
// there may be, for files and for the rest; 0: as many as the kernel thinks fit. Otherwise they may
// run anywhere in the process's cpuset, and pages that they read land on the node of that place. On
// the ring's own thread, right after ring_init(): threads that are there already stay where they
// are. From Linux 6.2 on they also keep to the CPUs that this thread is bound to. -EINVAL for CPUs
// outside of the cpuset, or another -errno; the ring works all the same, so log it and go on.
must_check int ring_place(struct ring *r, const cpu_set_t *cpus, unsigned max_workers);

// A hook may take itself off its list (list_remove) while it runs, but no other hook.
void ring_add_hook(struct ring *r, struct ring_hook *hook);

// "io_uring: single_issuer defer_taskrun multishot_accept ...": for the start-up log line.
void ring_describe(const struct ring_features *f, char *out, size_t size);

// Submissions. The op must not be in flight. -EBUSY when the queue is full and cannot be emptied.
// A multishot operation may end after any completion (one without IORING_CQE_F_MORE), also a
// successful one: look at op_in_flight() and arm it again.
//
// Multishot; the accepted sockets are SOCK_NONBLOCK | SOCK_CLOEXEC.
must_check int ring_accept(struct ring *r, struct op *op, int listen_fd);
// Multishot with a provided buffer: when IORING_CQE_F_BUFFER is set in flags, ring_buffer() gives
// the bytes, and ring_buffer_return() must follow in the same callback. Ends with -ENOBUFS when the
// buffers ran out (arm it again), 0 at the end of the stream.
must_check int ring_recv(struct ring *r, struct op *op, int fd);
// One shot; POLLIN, POLLOUT, ... (poll(2)), and the result has what became true.
must_check int ring_poll(struct ring *r, struct op *op, int fd, unsigned events);
// preadv2(2) and pwritev2(2) of one buffer, which must live until completion; bytes from `off`.
must_check int ring_read(struct ring *r, struct op *op, int fd, void *buf, unsigned len,
                         uint64_t off);
// off (uint64_t)-1: at the file position (append).
must_check int ring_write(struct ring *r, struct op *op, int fd, const void *buf, unsigned len,
                          uint64_t off);
// openat2(2). `path` and `how` must live until completion; the result is a descriptor.
must_check int ring_openat2(struct ring *r, struct op *op, int dir_fd, const char *path,
                            struct open_how *how);
// posix_fadvise(2) on `len` bytes from `off`. Done by the kernel's threads where it may wait.
must_check int ring_fadvise(struct ring *r, struct op *op, int fd, uint64_t off, uint64_t len,
                            int advice);
// What was prepared goes to the kernel at once, not with the next turn: for what must be on its way
// before something else happens in this turn. A system call.
void ring_submit(struct ring *r);
// Asks for cancellation: the op completes by itself, with -ECANCELED or what it had. Not an error
// when the op is not in flight.
void ring_cancel(struct ring *r, struct op *op);

// The first byte of a completion's buffer, which has `res` of them.
static inline char *ring_buffer(struct ring *r, uint32_t flags)
{
    return r->buffer_memory + (size_t)(flags >> IORING_CQE_BUFFER_SHIFT) * RING_BUFFER_SIZE;
}
// Gives the buffer of a completion back to the kernel; its bytes are gone then.
void ring_buffer_return(struct ring *r, uint32_t flags);

// Thread-safe. `from` is the caller's own ring (MSG_RING is used then, at the end of its turn) or
// NULL (eventfd). `to` must outlive the posting, and with `from` the sender's next turn.
void ring_post(struct ring *from, struct ring *to, struct ring_mail *mail);
