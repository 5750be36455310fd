// SPDX-License-Identifier: Apache-2.0
//
// Units over TLS without the kernel: parts of many of them are put together in memory that stays in
// the cache, and sealed into full records. A batch is sealed before it is sent; how large it is
// follows the reader.
#include <errno.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/tls/tls.h"
#include "server/conn/protocol.h"
#include "server/request/request.h"
#include "server/transport/records.h"
#include "server/transport/units_priv.h"
#include "server/worker.h"

#define PART_MAX (64u << 10) // bytes between page cache and records: stays in the cache

// ssl_buffer_size of the server that the name chose.
static size_t record_size(const struct units *us)
{
    const struct server_conf *server = us->c->tls_server;

    if (server == NULL && us->u->request != NULL)
        server = us->u->request->server;
    int64_t size = server != NULL ? server->tls.buffer_size : 0;
    return size > 0 && size < TLS_RECORD_MAX ? (size_t)size : TLS_RECORD_MAX;
}

// A part is a whole number of records, but where the units end.
static enum transport_result seal_part(struct units *us, size_t wanted, int *read, size_t *sealed)
{
    struct conn *c = us->c;
    struct gathered g;
    size_t record = record_size(us);
    size_t records = (min_of(wanted, (size_t)PART_MAX) + record - 1) / record;

    units_gather(us, &g, c->worker->scratch, records * record, UINT32_MAX);
    int rc = g.len != 0 ? tls_seal(c->tls, g.p, g.len, record) : 0;
    *sealed = rc == 0 ? g.len : 0;
    units_settle(us, &g, *sealed);
    *read = g.read;
    return rc == 0 ? TRANSPORT_DONE : units_not_sent(us, -rc, "SSL_write()");
}

static enum transport_result seal_batch(struct units *us, int *read)
{
    size_t batch = max_of(us->c->batch, RECORD_BATCH_MIN), total = 0, sealed;
    enum transport_result rc = TRANSPORT_DONE;

    while (rc == TRANSPORT_DONE && *read > 0 && us->n != 0 && total < batch) {
        rc = seal_part(us, batch - total, read, &sealed);
        total += sealed;
    }
    return rc;
}

static enum transport_result flush(struct units *us)
{
    struct conn *c = us->c;
    enum transport_result rc = records_flush_batch(c);

    if (rc == TRANSPORT_ERROR && c->request == NULL)
        conn_log(c, LOG_LEVEL_INFO, errno, "send() failed");
    return rc;
}

enum transport_result units_send_userspace(struct units *us)
{
    const struct tls_output *out = &us->c->tls->out;
    // A few records that wait (tickets, a KeyUpdate) go out with what comes now.
    bool together = us->n != 0 && out->len - out->off < RECORD_BATCH_MIN;
    int read = 1;

    for (;;) {
        enum transport_result rc = together ? TRANSPORT_DONE : flush(us);
        together = false;
        if (rc != TRANSPORT_DONE)
            return rc;
        if (read <= 0)
            return units_stopped(us, read);
        if (us->n == 0)
            return TRANSPORT_DONE;
        rc = seal_batch(us, &read);
        if (rc != TRANSPORT_DONE)
            return rc;
    }
}
