// SPDX-License-Identifier: Apache-2.0
//
// limit_req, then limit_conn: a request that waits for its turn is not yet one of the connections.
#include "server/limits/limit_conn.h"
#include "server/limits/limit_req.h"
#include "server/phases/phases.h"

int phase_limit(struct request *r)
{
    int rc = limit_req(r);

    return rc == PHASE_NEXT ? limit_conn(r) : rc;
}
