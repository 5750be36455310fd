// SPDX-License-Identifier: Apache-2.0
//
// What a connection holds whose client has asked for a hundred bodies and takes none of them. Both
// sessions of nghttp2 count what they allocate, so what is left is ours; what waits in the worker's
// pools for the next request is nobody's.
#include <malloc.h>

#include "server/bounds.h"
#include "test/unit/server/http2/peer_ask.h"

#define STREAMS 100
#ifdef __SANITIZE_THREAD__
#define OURS_MAX (128 << 10) // its allocator rounds up, and counts so
#else
#define OURS_MAX (64u << 10) // bytes
#endif

static size_t counted; // bytes that the sessions hold

static void *count_malloc(size_t n, void *data)
{
    void *p = malloc(n);

    (void)data;
    counted += p != NULL ? malloc_usable_size(p) : 0;
    return p;
}

static void count_free(void *p, void *data)
{
    (void)data;
    counted -= p != NULL ? malloc_usable_size(p) : 0;
    free(p);
}

static void *count_calloc(size_t n, size_t size, void *data)
{
    void *p = calloc(n, size);

    (void)data;
    counted += p != NULL ? malloc_usable_size(p) : 0;
    return p;
}

static void *count_realloc(void *p, size_t n, void *data)
{
    (void)data;
    counted -= p != NULL ? malloc_usable_size(p) : 0;
    p = realloc(p, n);
    counted += p != NULL ? malloc_usable_size(p) : 0;
    return p;
}

static nghttp2_mem counting = {NULL, count_malloc, count_free, count_calloc, count_realloc};

// In place of the library's own, for the server and for the peer.
int nghttp2_session_server_new2(nghttp2_session **session,
                                const nghttp2_session_callbacks *callbacks, void *data,
                                const nghttp2_option *option)
{
    return nghttp2_session_server_new3(session, callbacks, data, option, &counting);
}

int nghttp2_session_client_new2(nghttp2_session **session,
                                const nghttp2_session_callbacks *callbacks, void *data,
                                const nghttp2_option *option)
{
    return nghttp2_session_client_new3(session, callbacks, data, option, &counting);
}

__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

static int64_t ours(void)
{
    const struct worker *w = host.worker;
    size_t all = __sanitizer_get_current_allocated_bytes != NULL
                     ? __sanitizer_get_current_allocated_bytes()
                     : mallinfo2().uordblks;
    size_t pools = w->nfree_requests * sizeof(struct request) + w->chunks.count * ARENA_CHUNK +
                   w->http2.nfree_outs * sizeof(struct http2_out) +
                   w->nrecord_buffers * (size_t)RECORD_BUFFER;

    return (int64_t)(all - pools - counted);
}

static struct peer p;

static void setup(void)
{
    host_open("", peer_sizes, array_len(peer_sizes));
    host.cap = 1 << 20;
    host.wire = malloc(host.cap);
}

static void teardown(void)
{
    peer_close(&p);
    peer_end();
}

TestSuite(http2_memory, .init = setup, .fini = teardown, .timeout = 60);

static void ask(const nghttp2_nv *more, size_t n)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        struct peer_stream *s = peer_ask(&p, "GET", "/1048576", more, n);
        s->size = s->expected = 1 << 20;
        peer_run(&p);
        cr_assert(s->headed && s->got == 0);
    }
}

// Bytes that the connection holds, right away in *fresh.
static int64_t blocked(const nghttp2_nv *more, size_t n, int64_t *fresh)
{
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    int64_t before = ours();

    peer_open(&p, &window, 1);
    peer_run(&p);
    ask(more, n);
    cr_assert_null(p.conn->http2->out);
    *fresh = ours() - before;
    usleep((HTTP2_PARK_MS + 200) * 1000);
    host_turn();
    list_each (node, &p.conn->http2->streams)
        cr_assert_null(container_of(node, struct http2_stream, node)->request);
    return ours() - before;
}

static void check_bodies(void)
{
    cr_assert_eq(nghttp2_session_set_local_window_size(p.session, 0, 0, INT32_MAX), 0);
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};
    cr_assert_eq(nghttp2_submit_settings(p.session, 0, &window, 1), 0);
    peer_finish(&p);
}

Test(http2_memory, a_hundred_blocked_streams_hold_64_kib_at_most)
{
    int64_t fresh, parked = blocked(NULL, 0, &fresh);

    cr_log_info("%d bytes, %d until they were parked", (int)parked, (int)fresh);
    cr_assert_leq(parked, OURS_MAX, "%d bytes", (int)parked);
    check_bodies();
}

// Its fields are kept, for the log.
Test(http2_memory, a_browsers_head_costs_what_it_has_and_no_more)
{
    nghttp2_nv more[] = {
        NV("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        NV("accept", "*/*"), NV("accept-language", "en-US,en;q=0.5"),
        NV("accept-encoding", "gzip, deflate, br, zstd"), NV("referer", "https://example.com/"),
        NV("origin", "https://example.com"), NV("sec-fetch-dest", "empty"),
        NV("sec-fetch-mode", "cors"), NV("sec-fetch-site", "same-origin"),
        NV("priority", "u=4"), NV("te", "trailers"),
    };
    size_t bytes = 0;
    int64_t fresh, parked = blocked(more, array_len(more), &fresh);

    for (size_t i = 0; i < array_len(more); i++)
        bytes += more[i].namelen + more[i].valuelen + 8;
    cr_log_info("%d bytes, %d until they were parked", (int)parked, (int)fresh);
    cr_assert_leq(parked, OURS_MAX + STREAMS * bytes, "%d bytes", (int)parked);
    check_bodies();
}
