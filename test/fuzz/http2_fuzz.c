// SPDX-License-Identifier: Apache-2.0
//
// Frames in, responses out: what a client says reaches a connection of a worker in pieces, files
// are served, and everything that comes out is judged (http2_judge.h): frames are well-formed,
// no DATA goes beyond a window, nothing comes on a stream that has ended, header blocks can be
// read. At the end nothing is left. The first byte says what there is of files, the second in which
// pieces bytes come, the third how much the socket takes; the rest follows the preface.
#include "server/http2/http2.h"
#include "test/fuzz/http2_judge_frames.h"
#include "test/unit/server/http2/host_life.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAW_PREFACE 1 // bits of the first byte
#define COLD_OPENS 2
#define COLD_READS 4
#define DRAINS 8
#define PARKS 16

static struct judge judge;

// Bytes of the server's.
static void judge_judges(struct judge *j, const char *bytes, size_t n)
{
    while (n != 0) {
        size_t want = 9;
        if (j->nframe >= 9)
            want += judge_number(j->frame, 3);
        check(want <= sizeof(j->frame));
        size_t part = want - j->nframe < n ? want - j->nframe : n;
        memcpy(j->frame + j->nframe, bytes, part);
        j->nframe += part;
        bytes += part;
        n -= part;
        if (j->nframe >= 9 && j->nframe == 9 + judge_number(j->frame, 3)) {
            judge_frame(j, j->frame, j->nframe - 9);
            j->nframe = 0;
        }
    }
}

static void judge_begin(struct judge *j)
{
    memset(j, 0, sizeof(*j));
    j->window = 65535;
    j->goaway = INT32_MAX;
    for (size_t i = 0; i < JUDGE_STREAMS; i++)
        j->streams[i].length = UINT64_MAX;
    check(nghttp2_hd_inflate_new(&j->inflater) == 0);
}

// `whole`: the server had the opportunity to end its last frame.
static void judge_end(struct judge *j, bool whole)
{
    check(!whole || j->nframe == 0);
    nghttp2_hd_inflate_del(j->inflater);
}

static void begin(void)
{
    static const uint64_t sizes[] = {0, 1, 1000, 20000, 70000};
    static bool begun;

    if (begun)
        return;
    begun = true;
    host_open("location = /text { return 200 \"some text\"; }"
              "location = /tail { return 200 body; add_trailer X-Last end; }"
              "location = /away { return 302 /there; } location = /408 { return 408; }"
              "location /rated/ { rewrite ^/rated(.*)$ $1 break; limit_rate 10m; }"
              "location /small/ { rewrite ^/small(.*)$ $1 break; http2_chunk_size 100; }"
              "client_max_body_size 1000; large_client_header_buffers 4 1k; max_headers 20;",
              sizes, array_len(sizes));
    atexit(host_close);
}

static void look(void)
{
    judge_judges(&judge, host.wire, host.nwire);
    host.nwire = 0;
}

// How much room comes each time; a socket that never had any would say nothing of interest.
static void make_room(uint8_t how)
{
    host.room = how == 0 ? SIZE_MAX : host_random(1u << (how % 18)) + 1;
}

static bool say(uint64_t number, struct conn *c, const uint8_t *p, size_t n, const uint8_t *how)
{
    bool parks = (how[-1] & PARKS) != 0;

    while (n != 0 && host_has(number)) {
        size_t part = how[0] == 0 ? n : host_random(how[0] * 4u) + 1;
        part = min_of(part, n);
        judge_hears(&judge, p, part);
        if (!host_receive(c, p, part))
            return false;
        p += part;
        n -= part;
        look();
        if (parks && host_has(number))
            host_park(c);
        make_room(how[1]);
        check(ring_turn(&host.worker->ring, false) == 0);
        look();
    }
    return true;
}

static struct conn *open_connection(bool raw, int *peer)
{
    struct conn *c = host_connect(peer);

    conn_enter(c);
    http2_begin(c);
    conn_leave(c);
    if (!raw)
        host_receive(c, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    return c;
}

static void drain(struct conn *c)
{
    conn_enter(c);
    conn_drain(c);
    conn_leave(c);
}

static void finish(struct conn *c, uint64_t number)
{
    bool whole = false;

    host.room = SIZE_MAX;
    host.cold_reads = 0;
    host_turn();
    look();
    if (host_has(number)) {
        whole = c->http2->out == NULL;
        conn_close(c);
        host_wait(number);
        look();
    }
    judge_end(&judge, whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int peer;

    begin();
    if (size < 3)
        return 0;
    bool raw = (data[0] & RAW_PREFACE) != 0;
    host.seed = data[1];
    host.cold_opens = (data[0] & COLD_OPENS) != 0;
    host.cold_reads = (data[0] & COLD_READS) != 0 ? 40 : 0;
    make_room(data[2]);
    judge_begin(&judge);
    struct conn *c = open_connection(raw, &peer);
    uint64_t number = c->number;
    size_t magic = raw ? min_of(size - 3, (size_t)NGHTTP2_CLIENT_MAGIC_LEN) : 0;
    if (raw && host_has(number))
        host_receive(c, data + 3, magic);
    (void)say(number, c, data + 3 + magic, size - 3 - magic, data + 1);
    if ((data[0] & DRAINS) != 0 && host_has(number))
        drain(c);
    finish(c, number);
    check(host.worker->nconns == 0 && host.worker->files.opening == 0);
    close(peer);
    return 0;
}
