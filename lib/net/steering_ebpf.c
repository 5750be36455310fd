// SPDX-License-Identifier: Apache-2.0
//
// Steering with privilege: an eBPF program and its tables (bpf(2)), without a library, for the
// program is some thirty instructions. It looks the CPU up, then the CPU's node, and sends to a
// socket out of a table of sockets, so that no index can point at another one by accident.
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/net/steering_priv.h"

#define VERDICT_MAX (64 << 10) // bytes of what the verifier says

// The kernel wants every byte that it doesn't look at to be zero, and initialising a union's member
// leaves those beside it open: so each of these is cleared first.
static int call_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
    long rc = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

    return rc >= 0 ? (int)rc : -errno;
}

static int make_map(enum bpf_map_type type, unsigned entries, unsigned value_size, const char *name,
                    int *fd)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.map_type = type;
    attr.key_size = sizeof(uint32_t);
    attr.value_size = value_size;
    attr.max_entries = max_of(entries, 1u);
    snprintf(attr.map_name, sizeof(attr.map_name), "%s", name);
    *fd = call_bpf(BPF_MAP_CREATE, &attr);
    return min_of(*fd, 0);
}

static int set_entry(int map, uint32_t key, const void *value)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.map_fd = (uint32_t)map;
    attr.key = (uintptr_t)&key;
    attr.value = (uintptr_t)value;
    attr.flags = BPF_ANY;
    return call_bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

// A table is zeroed when it is made, and a slot of no sockets is what the program takes for no
// answer.
static int fill_slots(int map, const struct steering_slot *slots, unsigned n)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < n; i++) {
        if (slots[i].first != STEERING_ANYWHERE)
            rc = set_entry(map, i, &slots[i]);
    }
    return rc;
}

// Registers, as bpf(2) and the kernel's calling convention have them: r0 is a result, r1-r5 are
// arguments and lost in a call, r6-r9 stay, r10 is the end of the stack.
enum { R0, R1, R2, R3, R4, CONTEXT = 6, FIRST, COUNT, STACK = 10 };

#define KEY (-4) // on the stack: the key of a look-up

#define MOVE(to, from) INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define SET(to, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value)
#define ADD(to, value) INSN(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value)
#define ADD_REG(to, from) INSN(BPF_ALU64 | BPF_ADD | BPF_X, to, from, 0, 0)
#define MULTIPLY(to, from) INSN(BPF_ALU64 | BPF_MUL | BPF_X, to, from, 0, 0)
#define SHIFT_RIGHT(to, bits) INSN(BPF_ALU64 | BPF_RSH | BPF_K, to, 0, 0, bits)
#define LOAD(size, to, from, offset) INSN(BPF_LDX | BPF_MEM | (size), to, from, offset, 0)
#define STORE(size, to, offset, from) INSN(BPF_STX | BPF_MEM | (size), to, from, offset, 0)
#define CALL(helper) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##helper)
#define JUMP_IF_ZERO(reg) INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, 0, 0)
#define JUMP_IF_NOT_ZERO(reg) INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, 0)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
// The address of a map takes two.
#define MAP(to, fd)                                                       \
    INSN(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define INSN(code_, to, from, offset, value)                              \
    {.code = (code_), .dst_reg = (to), .src_reg = (from), .off = (offset), .imm = (value)}

struct program {
    struct bpf_insn at[48];
    unsigned n;
};

static void emit(struct program *p, const struct bpf_insn *insns, size_t n)
{
    check(p->n + n <= array_len(p->at));
    memcpy(&p->at[p->n], insns, n * sizeof(*insns));
    p->n += (unsigned)n;
}

#define EMIT(p, ...)                                                      \
    emit((p), (const struct bpf_insn[]){__VA_ARGS__},                     \
         array_len(((const struct bpf_insn[]){__VA_ARGS__})))

// The jump that was emitted as the `at`-th goes to where the program is now.
static void land(struct program *p, unsigned at)
{
    p->at[at].off = (int16_t)(p->n - at - 1);
}

// With the key in r0: FIRST and COUNT are the slot's. COUNT is zero where there is none.
static void emit_look_up(struct program *p, int map)
{
    EMIT(p, STORE(BPF_W, STACK, KEY, R0), SET(COUNT, 0), MOVE(R2, STACK), ADD(R2, KEY),
         MAP(R1, map), CALL(map_lookup_elem), JUMP_IF_ZERO(R0));
    unsigned missing = p->n - 1;
    EMIT(p, LOAD(BPF_H, FIRST, R0, offsetof(struct steering_slot, first)),
         LOAD(BPF_H, COUNT, R0, offsetof(struct steering_slot, count)));
    land(p, missing);
}

static void build(struct program *p, const struct steering_ebpf *e)
{
    // FIRST has a value on every path, also on those that COUNT rules out: without CAP_PERFMON the
    // verifier of Linux 6.1 follows them, as a processor might that speculates.
    EMIT(p, MOVE(CONTEXT, R1), SET(FIRST, 0), CALL(get_smp_processor_id));
    emit_look_up(p, e->by_cpu);
    EMIT(p, JUMP_IF_NOT_ZERO(COUNT));
    unsigned have_slot = p->n - 1;
    EMIT(p, CALL(get_numa_node_id));
    emit_look_up(p, e->by_node);
    EMIT(p, JUMP_IF_ZERO(COUNT));
    unsigned no_slot = p->n - 1;
    land(p, have_slot);
    // The kernel's hash of the flow has 32 bits; their share of the range is one of the sockets.
    EMIT(p, LOAD(BPF_W, R0, CONTEXT, offsetof(struct sk_reuseport_md, hash)), MULTIPLY(R0, COUNT),
         SHIFT_RIGHT(R0, 32), ADD_REG(R0, FIRST), STORE(BPF_W, STACK, KEY, R0));
    // Where this fails (the socket was closed), nothing is chosen and the kernel's hash decides.
    EMIT(p, MOVE(R1, CONTEXT), MAP(R2, e->sockets), MOVE(R3, STACK), ADD(R3, KEY), SET(R4, 0),
         CALL(sk_select_reuseport));
    land(p, no_slot);
    EMIT(p, SET(R0, SK_PASS), EXIT());
}

// The verifier's words are many lines; the last ones have the reason.
static void log_verdict(int rc, char *verdict)
{
    char *rest = verdict;

    log_write(LOG_LEVEL_DEBUG, 0, -rc, "the kernel refused the steering program");
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (*line != '\0')
            log_write(LOG_LEVEL_DEBUG, 0, 0, "steering program: %s", line);
    }
}

static int load(const struct program *p)
{
    union bpf_attr attr;
    char *verdict;
    int rc;

    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_SK_REUSEPORT;
    attr.insns = (uintptr_t)p->at;
    attr.insn_cnt = p->n;
    attr.license = (uintptr_t) "Apache-2.0";
    snprintf(attr.prog_name, sizeof(attr.prog_name), "steering");
    rc = call_bpf(BPF_PROG_LOAD, &attr);
    if (rc >= 0 || rc == -EPERM || !log_wants(LOG_LEVEL_DEBUG))
        return rc;
    // Once more, to hear why.
    verdict = calloc(1, VERDICT_MAX);
    if (verdict == NULL)
        return rc;
    attr.log_buf = (uintptr_t)verdict;
    attr.log_size = VERDICT_MAX;
    attr.log_level = 1;
    rc = call_bpf(BPF_PROG_LOAD, &attr);
    if (rc < 0)
        log_verdict(rc, verdict);
    free(verdict);
    return rc;
}

int steering_ebpf_open(struct steering_ebpf *e, unsigned nfds, const struct steering_plan *plan)
{
    struct program p = {.n = 0};
    int rc;

    *e = (struct steering_ebpf){-1, -1, -1, -1, 0};
    rc = make_map(BPF_MAP_TYPE_ARRAY, plan->ncpus, sizeof(struct steering_slot), "steer_cpu",
                  &e->by_cpu);
    if (rc == 0)
        rc = make_map(BPF_MAP_TYPE_ARRAY, plan->nnodes, sizeof(struct steering_slot), "steer_node",
                      &e->by_node);
    if (rc == 0)
        rc = make_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, nfds, sizeof(uint64_t), "steer_socket",
                      &e->sockets);
    if (rc == 0)
        rc = fill_slots(e->by_cpu, plan->by_cpu, plan->ncpus);
    if (rc == 0)
        rc = fill_slots(e->by_node, plan->by_node, plan->nnodes);
    if (rc == 0) {
        build(&p, e);
        e->program = load(&p);
        rc = min_of(e->program, 0);
    }
    if (rc != 0)
        steering_ebpf_close(e);
    return rc;
}

int steering_ebpf_add(struct steering_ebpf *e, const int *fds, unsigned nfds)
{
    for (; e->added < nfds; e->added++) {
        uint64_t value = (uint64_t)fds[e->added];
        int rc = set_entry(e->sockets, e->added, &value);

        if (rc != 0)
            return rc;
    }
    return 0;
}

int steering_ebpf_attach(const struct steering_ebpf *e, int fd)
{
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &e->program,
                      sizeof(e->program)) == 0 ? 0 : -errno;
}

void steering_ebpf_close(struct steering_ebpf *e)
{
    const int fds[] = {e->by_cpu, e->by_node, e->sockets, e->program};

    for (size_t i = 0; i < array_len(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    *e = (struct steering_ebpf){-1, -1, -1, -1, 0};
}
