// SPDX-License-Identifier: Apache-2.0
//
// Variables that nginx has and that a request here never has a value for: no upstream, no PROXY
// protocol, no body kept, and of TLS what the OpenSSL of today does not tell. Log formats in the
// wild name them, and nginx writes "-" for them on such a request, too.
#include "server/vars/vars_priv.h"

#define NONE(name) {name, vars_get_none, 0, 0, NULL}
#define NONE_PREFIX(name) {name, vars_get_none, 0, VAR_PREFIX, NULL}
#define EMPTY(name) {name, vars_get_empty, 0, 0, NULL}

static const struct var_row rows[] = {
    NONE("proxy_protocol_addr"), NONE("proxy_protocol_port"),
    NONE("proxy_protocol_server_addr"), NONE("proxy_protocol_server_port"),
    NONE_PREFIX("proxy_protocol_tlv_"),
    NONE("request_body"), NONE("request_body_file"),
    NONE("upstream_addr"), NONE("upstream_status"), NONE("upstream_cache_status"),
    NONE("upstream_connect_time"), NONE("upstream_header_time"),
    NONE("upstream_response_time"), NONE("upstream_response_length"),
    NONE("upstream_bytes_received"), NONE("upstream_bytes_sent"),
    NONE_PREFIX("upstream_http_"), NONE_PREFIX("upstream_trailer_"),
    NONE_PREFIX("upstream_cookie_"),
    NONE("ssl_sigalgs"), NONE("ssl_ech_status"), NONE("ssl_ech_outer_server_name"),
    EMPTY("http3"),
};

const struct var_table vars_absent_table = {rows, array_len(rows)};
