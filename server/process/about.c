// SPDX-License-Identifier: Apache-2.0
//
// The arguments after "configure arguments:" are how tools find out what a server of nginx's
// language can do: nginx's optional modules that we have are named with --with-, its default
// modules that we don't have with --without-, and what is in neither list is as nginx has it.
#include "server/process/about.h"

#include <hwloc.h>
#include <liburing.h>
#include <llhttp.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/compiler.h"
#include "version.h"

static const char *const with[] = {"http_ssl_module", "http_stub_status_module",
                                         "http_v2_module"};

static const char *const without[] = {
    "http_ssi_module",
    "http_userid_module",
    "http_auth_basic_module",
    "http_mirror_module",
    "http_autoindex_module",
    "http_split_clients_module",
    "http_referer_module",
    "http_proxy_module",
    "http_fastcgi_module",
    "http_uwsgi_module",
    "http_scgi_module",
    "http_grpc_module",
    "http_tunnel_module",
    "http_memcached_module",
    "http_empty_gif_module",
    "http_browser_module",
    "http_upstream_hash_module",
    "http_upstream_ip_hash_module",
    "http_upstream_least_conn_module",
    "http_upstream_least_time_module",
    "http_upstream_random_module",
    "http_upstream_keepalive_module",
    "http_upstream_sticky_module",
    "http_upstream_zone_module",
    "http-cache",
    "mail_pop3_module",
    "mail_imap_module",
    "mail_smtp_module",
};

static void print_usage(void)
{
    fprintf(stderr,
            "Usage: millrace [-?hvVtTq] [-s signal] [-p prefix]\n"
            "                [-e filename] [-c filename] [-g directives]\n"
            "       millrace --topology [--json] [--root directory] [-c filename]\n"
            "       millrace --status [--once] [--interval seconds] [--json] [-c filename]\n"
            "       millrace --doctor [--apply | --undo] [--json] [--root directory]\n"
            "       millrace --egress-rules [--apply | --undo] [--json]\n"
            "\n"
            "Options:\n"
            "  -?,-h         : this help\n"
            "  -v            : show version and exit\n"
            "  -V            : show version and configure options then exit\n"
            "  -t            : test configuration and exit\n"
            "  -T            : test configuration, dump it and exit\n"
            "  -q            : suppress non-error messages during configuration testing\n"
            "  -s signal     : send signal to a master process: stop, quit, reopen, reload\n"
            "  -p prefix     : set prefix path (default: " MILLRACE_PREFIX ")\n"
            "  -e filename   : set error log file (default: " MILLRACE_ERROR_LOG_PATH ")\n"
            "  -c filename   : set configuration file (default: " MILLRACE_CONF_PATH ")\n"
            "  -g directives : set global directives out of configuration file\n"
            "  --topology    : show the machine, the silos and how connections are steered\n"
            "  --status      : show the counters of a running server\n"
            "  --doctor      : look for what defeats locality or speed on this machine\n"
            "  --egress-rules: show the tc rules that egress_mark needs\n"
            "  --json        : as JSON, for programs\n"
            "  --root dir    : another machine, captured below this directory\n"
            "  --apply       : run the commands that are shown; --undo takes them back\n"
            "\n");
}

// "built with X", and what it runs with when that is another one.
static void print_library(const char *built, const char *running)
{
    if (strcmp(built, running) == 0)
        fprintf(stderr, "built with %s\n", built);
    else
        fprintf(stderr, "built with %s (running with %s)\n", built, running);
}

static void print_libraries(void)
{
    char built[64], running[64], pcre2[64] = "?";
    unsigned hwloc = hwloc_get_api_version();

    print_library(OPENSSL_VERSION_TEXT, OpenSSL_version(OPENSSL_VERSION));
    snprintf(built, sizeof(built), "liburing %d.%d", IO_URING_VERSION_MAJOR,
             IO_URING_VERSION_MINOR);
    snprintf(running, sizeof(running), "liburing %d.%d", io_uring_major_version(),
             io_uring_minor_version());
    print_library(built, running);
    fprintf(stderr, "built with llhttp %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
            LLHTTP_VERSION_PATCH);
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    fprintf(stderr, "built with PCRE2 %d.%d (running with %s)\n", PCRE2_MAJOR, PCRE2_MINOR, pcre2);
    snprintf(running, sizeof(running), "zlib %s", zlibVersion());
    print_library("zlib " ZLIB_VERSION, running);
    fprintf(stderr, "built with hwloc API %u.%u (running with %u.%u)\n", HWLOC_API_VERSION >> 16,
            HWLOC_API_VERSION >> 8 & 0xff, hwloc >> 16, hwloc >> 8 & 0xff);
}

static void print_arguments(void)
{
    fprintf(stderr, "configure arguments: --prefix=%s --conf-path=%s --error-log-path=%s "
                    "--pid-path=%s",
            MILLRACE_PREFIX, MILLRACE_CONF_PATH, MILLRACE_ERROR_LOG_PATH, MILLRACE_PID_PATH);
    for (size_t i = 0; i < array_len(with); i++)
        fprintf(stderr, " --with-%s", with[i]);
    for (size_t i = 0; i < array_len(without); i++)
        fprintf(stderr, " --without-%s", without[i]);
    fprintf(stderr, "\n");
}

void about_print(bool help, bool configure)
{
    fprintf(stderr, "millrace version: millrace/%s\n", MILLRACE_VERSION);
    if (help)
        print_usage();
    if (!configure)
        return;
    // certbot and others look for this line to learn which language the configuration speaks.
    fprintf(stderr, "nginx version: nginx/%s\n", MILLRACE_NGINX_VERSION);
    fprintf(stderr, "built by %s\n", MILLRACE_COMPILER);
    print_libraries();
    fprintf(stderr, "TLS SNI support enabled\n");
    print_arguments();
}
