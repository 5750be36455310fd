// SPDX-License-Identifier: Apache-2.0
//
// Steering without privilege: a classic BPF program (Documentation/networking/filter.rst) whose
// result is the place of a socket in the group. It has no tables, so the plan is its code: a binary
// search for the run of CPUs that this one belongs to, and the answer of that run.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/net/steering_priv.h"

#define NO_SOCKET UINT32_MAX // beyond every group: the kernel's hash decides
#define FAR 255              // a conditional jump reaches so many instructions

// A jump to a block that is not placed yet has this in its distance, with the block's number.
#define UNPLACED UINT32_C(0x80000000)

enum answer {
    ANSWER_HASH,   // the kernel's
    ANSWER_SOCKET, // always `value`
    ANSWER_SHIFT,  // the CPU's own number plus `value`, modulo 2^32
    ANSWER_SPREAD, // one of a slot's sockets; `value` is the number of the block that does it
};

// CPUs with one answer, from the end of the run before.
struct run {
    enum answer answer;
    uint32_t value;
    unsigned end;
};

struct builder {
    struct sock_filter *out;
    unsigned n;
    bool full;
    struct run *runs; // each of them, and of the slots, has room for one per CPU and one more
    unsigned nruns;
    struct steering_slot *spread; // what the blocks are for
    unsigned nspread;
};

// Silos have many CPUs and one slot, so that a block is shared by their runs.
static uint32_t spread_block(struct builder *b, struct steering_slot slot)
{
    for (unsigned i = 0; i < b->nspread; i++) {
        if (b->spread[i].first == slot.first && b->spread[i].count == slot.count)
            return i;
    }
    b->spread[b->nspread] = slot;
    return b->nspread++;
}

static struct run answer_of(struct builder *b, struct steering_slot slot, unsigned cpu)
{
    if (slot.first == STEERING_ANYWHERE)
        return (struct run){ANSWER_HASH, NO_SOCKET, cpu + 1};
    if (slot.count == 1)
        return (struct run){ANSWER_SOCKET, slot.first, cpu + 1};
    return (struct run){ANSWER_SPREAD, spread_block(b, slot), cpu + 1};
}

// Takes the next CPU into the last run, if its answer allows that.
static bool extend(struct builder *b, const struct run *next)
{
    struct run *last = &b->runs[b->nruns - 1];
    unsigned begin = b->nruns > 1 ? b->runs[b->nruns - 2].end : 0, cpu = next->end - 1;

    if (next->answer == last->answer && next->value == last->value) {
        last->end = next->end;
        return true;
    }
    if (next->answer != ANSWER_SOCKET)
        return false;
    // CPUs and sockets that count on together, as they do where a worker is bound to each CPU.
    if (last->answer == ANSWER_SOCKET && last->end - begin == 1 && next->value == last->value + 1)
        *last = (struct run){ANSWER_SHIFT, next->value - cpu, cpu};
    if (last->answer != ANSWER_SHIFT || next->value - cpu != last->value)
        return false;
    last->end = next->end;
    return true;
}

static void find_runs(struct builder *b, const struct steering_plan *plan)
{
    static const struct steering_slot anywhere = {STEERING_ANYWHERE, 0};

    for (unsigned cpu = 0; cpu <= plan->ncpus; cpu++) {
        struct run next = answer_of(b, cpu < plan->ncpus ? plan->by_cpu[cpu] : anywhere, cpu);

        if (b->nruns == 0 || !extend(b, &next))
            b->runs[b->nruns++] = next;
    }
}

static void emit(struct builder *b, uint16_t code, uint32_t k)
{
    if (b->n == BPF_MAXINSNS)
        b->full = true;
    else
        b->out[b->n++] = (struct sock_filter){.code = code, .k = k};
}

static void emit_answer(struct builder *b, const struct run *run)
{
    switch (run->answer) {
    case ANSWER_HASH:
    case ANSWER_SOCKET:
        emit(b, BPF_RET | BPF_K, run->value);
        break;
    case ANSWER_SHIFT:
        emit(b, BPF_ALU | BPF_ADD | BPF_K, run->value);
        emit(b, BPF_RET | BPF_A, 0);
        break;
    case ANSWER_SPREAD:
        emit(b, BPF_JMP | BPF_JA, UNPLACED | run->value);
        break;
    }
}

// The jump at `at` is over what was emitted since, taken when the CPU is `from` or a later one.
static void close_jump(struct builder *b, unsigned at, unsigned from)
{
    unsigned distance = b->n - at - 1;
    struct sock_filter jump = {.code = BPF_JMP | BPF_JGE | BPF_K, .k = from};

    if (distance <= FAR) {
        jump.jt = (uint8_t)distance;
        b->out[at] = jump;
        return;
    }
    // The long way: the other case jumps over a jump without condition. What was emitted moves by
    // one, and jumps within it stay right as they are relative.
    emit(b, 0, 0);
    if (b->full)
        return;
    memmove(&b->out[at + 2], &b->out[at + 1], distance * sizeof(*b->out));
    jump.jf = 1;
    b->out[at] = jump;
    b->out[at + 1] = (struct sock_filter){.code = BPF_JMP | BPF_JA, .k = distance};
}

// The CPU's number is in A, and known to be in one of these runs.
static void emit_search(struct builder *b, unsigned first, unsigned end)
{
    unsigned middle = first + (end - first) / 2, at = b->n;

    if (end - first == 1) {
        emit_answer(b, &b->runs[first]);
        return;
    }
    emit(b, BPF_JMP | BPF_JGE | BPF_K, 0);
    emit_search(b, first, middle);
    if (b->full)
        return;
    close_jump(b, at, b->runs[middle - 1].end);
    emit_search(b, middle, end);
}

// The flow's hash picks one of the slot's sockets. The upper half of it does, because the network
// card chose its queue, and with it this CPU, by the lower bits: among the flows of one CPU those
// are all alike. A card that gives no hash leaves zero, and then chance decides.
static void emit_spread(struct builder *b, struct steering_slot slot)
{
    emit(b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RXHASH));
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0);
    if (!b->full)
        b->out[b->n - 1].jf = 1;
    emit(b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
    emit(b, BPF_ALU | BPF_RSH | BPF_K, 16);
    emit(b, BPF_ALU | BPF_MUL | BPF_K, slot.count);
    emit(b, BPF_ALU | BPF_RSH | BPF_K, 16);
    emit(b, BPF_ALU | BPF_ADD | BPF_K, slot.first);
    emit(b, BPF_RET | BPF_A, 0);
}

static void emit_blocks(struct builder *b)
{
    unsigned search = b->n;

    for (unsigned i = 0; i < b->nspread; i++) {
        unsigned block = b->n;

        emit_spread(b, b->spread[i]);
        for (unsigned at = 0; at < search; at++) {
            struct sock_filter *jump = &b->out[at];

            if (jump->code == (BPF_JMP | BPF_JA) && jump->k == (UNPLACED | i))
                jump->k = block - at - 1;
        }
    }
}

int steering_classic_build(const struct steering_plan *plan, struct sock_filter out[BPF_MAXINSNS],
                           unsigned *count)
{
    struct builder b = {.out = out};
    int rc = -ENOMEM;

    b.runs = calloc((size_t)plan->ncpus + 1, sizeof(*b.runs));
    b.spread = calloc((size_t)plan->ncpus + 1, sizeof(*b.spread));
    if (b.runs == NULL || b.spread == NULL)
        goto out;
    find_runs(&b, plan);
    emit(&b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_CPU));
    emit_search(&b, 0, b.nruns);
    if (!b.full)
        emit_blocks(&b);
    *count = b.n;
    rc = b.full ? -E2BIG : 0;
out:
    free(b.runs);
    free(b.spread);
    return rc;
}

int steering_classic_attach(int fd, const struct steering_plan *plan)
{
    struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code));
    struct sock_fprog program = {.filter = code};
    unsigned count = 0;
    int rc = code != NULL ? steering_classic_build(plan, code, &count) : -ENOMEM;

    check(count <= BPF_MAXINSNS);
    program.len = (unsigned short)count;
    if (rc == 0 && setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                              sizeof(program)) != 0)
        rc = -errno;
    free(code);
    return rc;
}
