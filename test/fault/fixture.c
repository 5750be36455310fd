// SPDX-License-Identifier: Apache-2.0
//
// Does for one worker what master and silo do for many: loads, opens, listens, starts, stops.
#include "test/fault/fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/net/listener.h"
#include "server/config/config.h"
#include "server/config/http_conf.h"
#include "server/process/stats.h"
#include "server/tls/cache_zones.h"
#include "server/tls/contexts.h"
#include "server/worker.h"
#include "test/fault/certificate.h"
#include "test/fault/faults.h"
#include "test/unit/support/descriptors.h"

#define SETTLE_MS 10000

// Only AddressSanitizer has it.
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

static struct {
    char dir[128]; // with its last slash
    struct config *config;
    struct worker *worker;
    struct worker_setup setup;
    struct listen_conf *listen;
    uint64_t connections;
    pthread_t thread;
    sem_t ready;
    int result, listen_fd, log_fd;
    unsigned fds_before, fds_running;
    int64_t connected;
    enum fixture_tls tls;
} f;

uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void sleep_ms(unsigned ms)
{
    usleep(ms * 1000);
}

void fixture_path(const char *name, char *out, size_t size)
{
    snprintf(out, size, "%shtml/%s", f.dir, name);
}

void fixture_file(const char *name, const char *data, size_t n)
{
    struct timespec times[2] = {{.tv_sec = FIXTURE_MODIFIED}, {.tv_sec = FIXTURE_MODIFIED}};
    char path[256];

    fixture_path(name, path, sizeof(path));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, data, n), (ssize_t)n);
    cr_assert_eq(futimens(fd, times), 0);
    close(fd);
}

static void put_folder(FILE *out, const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '@')
            fputs(f.dir, out);
        else
            fputc(*text, out);
    }
}

static void write_tls(FILE *out)
{
    static const char *const versions[] = {"", "TLSv1.2", "TLSv1.3"};

    if (f.tls == FIXTURE_PLAIN)
        return;
    certificate_make(f.dir);
    fprintf(out, "ssl_certificate %sserver.crt; ssl_certificate_key %sserver.key;\n"
                 "ssl_protocols %s;\n", f.dir, f.dir, versions[f.tls]);
}

static void write_config(const struct fixture_setup *s, const char *path)
{
    FILE *out = fopen(path, "we");

    cr_assert_not_null(out);
    fprintf(out, "error_log %serror.log info;\nevents { %s }\n", f.dir,
            s->events != NULL ? s->events : "");
    fprintf(out, "http { server_tokens off; access_log off; default_type text/plain;\n"
                 "server { listen 127.0.0.1:1 %s %s; root %shtml;\n",
            f.tls != FIXTURE_PLAIN ? "ssl" : "", s->listen != NULL ? s->listen : "", f.dir);
    write_tls(out);
    put_folder(out, s->server);
    fprintf(out, "\n}}\n");
    fclose(out);
}

static void make_folder(void)
{
    const char *parent = getenv("TMPDIR");
    char html[160];

    snprintf(f.dir, sizeof(f.dir) - 1, "%s/millrace-fault-XXXXXX", parent ? parent : "/tmp");
    cr_assert_not_null(mkdtemp(f.dir));
    strcat(f.dir, "/");
    snprintf(html, sizeof(html), "%shtml", f.dir);
    cr_assert_eq(mkdir(html, 0755), 0);
}

static void load(const struct fixture_setup *setup)
{
    struct conf_error error;
    const struct log_file *failed;
    char path[160];

    snprintf(path, sizeof(path), "%stest.conf", f.dir);
    write_config(setup, path);
    struct config_source source = {.file = path, .prefix = f.dir};
    cr_assert_eq(config_load(&source, &f.config, &error), 0, "%s", error.text);
    cr_assert_eq(tls_cache_zones_open(f.config->http), 0);
    cr_assert_eq(tls_contexts_open(f.config->http, NULL), 0);
    cr_assert_eq(log_files_open(f.config, false, (unsigned)-1, (unsigned)-1, &failed), 0);
    snprintf(path, sizeof(path), "%serror.log", f.dir);
    f.log_fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(f.log_fd, 0);
}

// The kernel chooses the port; the configuration's own is a placeholder.
static void listen_somewhere(void)
{
    struct sockaddr_in addr;
    socklen_t n = sizeof(addr);
    const char *failed;

    f.listen = f.config->http->listens;
    net_address_set_port(&f.listen->address, 0);
    cr_assert_eq(net_listen(&f.listen->address, &f.listen->options, false, &f.listen_fd, &failed),
                 0, "%s", failed);
    cr_assert_eq(getsockname(f.listen_fd, (struct sockaddr *)&addr, &n), 0);
    net_address_set_port(&f.listen->address, ntohs(addr.sin_port));
}

static void on_ready(struct worker *w, void *ctx)
{
    (void)w;
    (void)ctx;
    sem_post(&f.ready);
}

static void *run(void *ctx)
{
    (void)ctx;
    f.result = worker_run(f.worker, &f.setup, on_ready, NULL);
    log_use(NULL);
    return NULL;
}

void fixture_start(const struct fixture_setup *setup)
{
    f.tls = setup->tls;
    cr_assert_eq(stats_init(), 0); // its descriptor stays
    f.fds_before = count_fds();
    signal(SIGPIPE, SIG_IGN); // sendfile(2) knows no MSG_NOSIGNAL; the program does it too
    faults_install();
    make_folder();
    load(setup);
    listen_somewhere();
    f.worker = aligned_alloc(64, (sizeof(*f.worker) + 63) / 64 * 64);
    memset(f.worker, 0, sizeof(*f.worker));
    f.setup = (struct worker_setup){
        .connection_counter = &f.connections,
        .config = f.config,
        .stats = stats_claim(),
        .listen_fds = &f.listen_fd,
        .listen_confs = &f.listen,
        .nlisteners = 1,
    };
    cr_assert_eq(sem_init(&f.ready, 0, 0), 0);
    cr_assert_eq(pthread_create(&f.thread, NULL, run, NULL), 0);
    sem_wait(&f.ready);
    f.fds_running = count_fds();
}

enum fixture_tls fixture_tls(void)
{
    return f.tls;
}

struct worker *fixture_worker(void)
{
    return f.worker;
}

const struct stats *fixture_stats(void)
{
    return f.setup.stats;
}

uint16_t fixture_port(void)
{
    return net_address_port(&f.listen->address);
}

unsigned fixture_count_log(const char *level, const char *text)
{
    static char log[4 << 20];
    unsigned n = 0;
    ssize_t size = pread(f.log_fd, log, sizeof(log) - 1, 0);
    char *rest = log;

    cr_assert_geq(size, 0);
    log[size] = '\0';
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        n += strstr(line, level) != NULL && strstr(line, text) != NULL;
    return n;
}

void fixture_expect_log(const char *level, const char *text, unsigned times)
{
    uint64_t until = now_ms() + SETTLE_MS;

    while (fixture_count_log(level, text) < times && now_ms() < until)
        sleep_ms(2);
    unsigned n = fixture_count_log(level, text);
    cr_assert_eq(n, times, "%u lines with \"%s\" and \"%s\", %u expected", n, level, text,
                 times);
}

void fixture_connected(void)
{
    f.connected++;
}

int64_t fixture_accepted(void)
{
    return f.setup.stats->accepted;
}

static bool is_quiet(const struct stats *s)
{
    return s->accepted == f.connected && s->active == 0 && s->reading == 0 &&
           s->writing == 0 && s->waiting == 0;
}

void fixture_settle(void)
{
    uint64_t until = now_ms() + SETTLE_MS;
    struct stats sum;

    do {
        stats_sum(&sum);
        if (is_quiet(&sum) && count_fds() == f.fds_running)
            break;
        sleep_ms(2);
    } while (now_ms() < until);
    cr_assert(is_quiet(&sum), "%d of %d accepted, %d active, %d reading, %d writing, %d waiting",
              (int)sum.accepted, (int)f.connected, (int)sum.active, (int)sum.reading,
              (int)sum.writing, (int)sum.waiting);
    cr_assert_eq(count_fds(), f.fds_running, "%u descriptors, %u at the start", count_fds(),
                 f.fds_running);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_stop(void)
{
    faults_end();
    fixture_settle();
    worker_command(f.worker, WORKER_STOP);
    pthread_join(f.thread, NULL);
    cr_assert_eq(f.result, 0);
    cr_assert_eq(f.worker->nconns, 0);
    cr_assert(list_empty(&f.worker->conns) && list_empty(&f.worker->idle));
    cr_assert_eq(f.worker->files.opening, 0);
    // The worker closes it only when it was accepting.
    if (fcntl(f.listen_fd, F_GETFD) >= 0)
        close(f.listen_fd);
    log_files_close(f.config);
    tls_contexts_close(f.config->http);
    tls_cache_zones_close(f.config->http);
    config_free(f.config);
    close(f.log_fd);
    free(f.worker);
    stats_release(f.setup.stats);
    cr_assert_eq(count_fds(), f.fds_before);
    nftw(f.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    if (__lsan_do_recoverable_leak_check != NULL)
        cr_assert_eq(__lsan_do_recoverable_leak_check(), 0);
}

void fixture_stop_well(void)
{
    fixture_expect_log("[crit]", "", 0);
    fixture_expect_log("[alert]", "", 0);
    fixture_stop();
}
