// SPDX-License-Identifier: Apache-2.0
#include "server/log/log_writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/clock.h"
#include "server/config/http_conf.h"
#include "server/log/log_paths.h"
#include "server/worker.h"

static struct http_conf http = {.log_path_caches = 1};
static struct config config = {.http = &http};
static struct stats stats;
static struct worker *w;
static struct ring_hook hook;
static struct log_file file_a = {.index = 0, .fd = -1}, file_b = {.index = 1, .fd = -1};
static struct log_use use_b = {.file = &file_b, .level = LOG_LEVEL_INFO};
static char dir[64], path[128], path_b[128];

static void run_hook(struct ring_hook *h)
{
    (void)h;
    log_writers_turn(w);
}

static int open_log(const char *name)
{
    return open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static void set_up(void)
{
    char why[256];

    strcpy(dir, "/tmp/millrace-writer-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a.log", dir);
    snprintf(path_b, sizeof(path_b), "%s/b.log", dir);
    file_a.path = path;
    file_b.path = path_b;
    file_a.fd = open_log(path);
    file_b.fd = open_log(path_b);
    list_init(&config.log_files);
    list_append(&config.log_files, &file_a.node);
    list_append(&config.log_files, &file_b.node);
    config.main.error_log = &use_b;
    w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
    memset(w, 0, sizeof(*w));
    w->config = &config;
    w->stats = &stats;
    int rc = ring_init(&w->ring, why, sizeof(why));
    cr_assert_eq(rc, 0, "%s", why);
    cr_assert_eq(log_writers_init(w), 0);
    hook.run = run_hook;
    ring_add_hook(&w->ring, &hook);
}

static void tear_down(void)
{
    char command[128];

    log_writers_finish(w);
    cr_assert_null(w->logs);
    ring_destroy(&w->ring);
    free(w);
    close(file_a.fd);
    close(file_b.fd);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(log_writer, .init = set_up, .fini = tear_down, .timeout = 30);

static char content[4 << 20];

static const char *read_file(const char *name)
{
    FILE *f = fopen(name, "r");
    size_t n = f != NULL ? fread(content, 1, sizeof(content) - 1, f) : 0;

    if (f != NULL)
        fclose(f);
    content[n] = '\0';
    return content;
}

static void turns(int n)
{
    while (n-- > 0) {
        ring_stay_awake(&w->ring);
        cr_assert_eq(ring_turn(&w->ring, true), 0);
        usleep(1000);
    }
}

// A loaded machine takes its time over files that are opened on the ring.
#define eventually(condition)                       \
    do {                                            \
        for (int i_ = 0; i_ < 400 && !(condition); i_++) \
            turns(5);                               \
        cr_assert(condition);                       \
    } while (0)

static void add(const char *line)
{
    log_writer_add(w, &file_a, line, strlen(line), 0, 0);
}

Test(log_writer, lines_are_there_after_a_turn)
{
    add("one\n");
    add("two\n");
    cr_assert_str_eq(read_file(path), "");
    turns(20);
    cr_assert_str_eq(read_file(path), "one\ntwo\n");
}

Test(log_writer, buffered_lines_wait_until_the_buffer_is_full)
{
    log_writer_add(w, &file_a, "12345678\n", 9, 20, 0);
    log_writer_add(w, &file_a, "abcdefgh\n", 9, 20, 0);
    turns(10);
    cr_assert_str_eq(read_file(path), "");
    log_writer_add(w, &file_a, "full\n", 5, 20, 0);
    turns(20);
    cr_assert_str_eq(read_file(path), "12345678\nabcdefgh\nfull\n");
}

Test(log_writer, buffered_lines_go_out_when_flush_is_over)
{
    log_writer_add(w, &file_a, "late\n", 5, 1 << 16, 50);
    turns(5);
    cr_assert_str_eq(read_file(path), "");
    for (int i = 0; i < 200 && read_file(path)[0] == '\0'; i++)
        turns(5);
    cr_assert_str_eq(content, "late\n");
}

Test(log_writer, finish_writes_what_is_buffered)
{
    log_writer_add(w, &file_a, "last\n", 5, 1 << 16, 60000);
    log_writers_finish(w);
    cr_assert_str_eq(read_file(path), "last\n");
}

Test(log_writer, order_is_kept_while_one_buffer_is_in_flight)
{
    char line[32];
    const char *p;
    int i;

    for (i = 0; i < 5000; i++) {
        snprintf(line, sizeof(line), "line %d\n", i);
        add(line);
        if (i % 7 == 0)
            cr_assert_eq(ring_turn(&w->ring, false), 0);
    }
    log_writers_finish(w);
    p = read_file(path);
    for (i = 0; i < 5000; i++) {
        int n = snprintf(line, sizeof(line), "line %d\n", i);
        cr_assert_eq(strncmp(p, line, (size_t)n), 0, "line %d is missing or out of order", i);
        p += n;
    }
    cr_assert_eq(*p, '\0');
    cr_assert_eq(stats.log_lines_dropped, 0);
}

// The alert goes to the error log (file b), once a minute.
static int alerts(void)
{
    int n = 0;

    for (const char *p = read_file(path_b); (p = strstr(p, "[alert]")) != NULL; p++)
        n++;
    return n;
}

static void fill_disk(struct log_file *f)
{
    int full = open("/dev/full", O_WRONLY | O_APPEND);

    cr_assert_geq(full, 0);
    cr_assert_geq(dup2(full, f->fd), 0);
    close(full);
}

Test(log_writer, full_disk_drops_and_counts_lines_and_alerts_once)
{
    fill_disk(&file_a);
    add("1\n2\n");
    turns(20);
    cr_assert_eq(stats.log_lines_dropped, 2);
    add("3\n");
    turns(20);
    cr_assert_eq(stats.log_lines_dropped, 3);
    turns(20);
    cr_assert_eq(alerts(), 1);
    cr_assert_not_null(strstr(content, "a.log\" failed"));
    cr_assert_not_null(strstr(content, "(28: No space left on device)"));
}

Test(log_writer, lines_go_on_when_the_disk_has_room_again)
{
    int good = open_log(path);

    fill_disk(&file_a);
    add("lost\n");
    turns(20);
    cr_assert_geq(dup2(good, file_a.fd), 0);
    close(good);
    add("kept\n");
    turns(20);
    cr_assert_str_eq(read_file(path), "kept\n");
    cr_assert_eq(stats.log_lines_dropped, 1);
}

Test(log_writer, full_disk_of_the_error_log_itself_is_only_counted)
{
    fill_disk(&file_b);
    log_error(0, "nobody will read this");
    turns(20);
    log_error(0, "nor this");
    turns(20);
    cr_assert_eq(stats.log_lines_dropped, 2);
}

Test(log_writer, more_than_may_be_held_is_dropped)
{
    static char line[1000];
    int lines = LOG_PENDING_MAX / (int)sizeof(line) + 5;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < lines; i++)
        log_writer_add(w, &file_a, line, sizeof(line), 0, 0);
    int64_t dropped = stats.log_lines_dropped;
    cr_assert_eq(dropped, lines - LOG_PENDING_MAX / (int)sizeof(line));
    log_writers_finish(w);
    cr_assert_eq(strlen(read_file(path)), (size_t)(lines - dropped) * sizeof(line));
    cr_assert_eq(alerts(), 1);
}

Test(log_writer, a_slow_disk_keeps_lines_until_it_takes_them)
{
    int ends[2];
    char buf[64 << 10];
    size_t total = 0;
    ssize_t n;

    cr_assert_eq(pipe(ends), 0);
    cr_assert_geq(dup2(ends[1], file_a.fd), 0);
    close(ends[1]);
    for (int i = 0; i < 20000; i++)
        add("a line of 20 bytes.\n");
    turns(10);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 1000 && total < 400000; i++) {
        while ((n = read(ends[0], buf, sizeof(buf))) > 0)
            total += (size_t)n;
        turns(1);
    }
    cr_assert_eq(total, 400000);
    cr_assert_eq(stats.log_lines_dropped, 0);
    close(ends[0]);
}

Test(log_writer, error_lines_go_through_the_ring_and_obey_levels)
{
    log_error(ENOENT, "open() \"x\" failed");
    log_write(LOG_LEVEL_DEBUG, 0, 0, "not asked for");
    turns(20);
    cr_assert_not_null(strstr(read_file(path_b), "open() \"x\" failed (2: No such file"));
    cr_assert_null(strstr(content, "not asked for"));
}

// Who has got an answer looks for its line in the error log.
Test(log_writer, error_line_is_on_its_way_before_the_turn_ends)
{
    log_error(0, "at once");
    for (int i = 0; i < 2000 && read_file(path_b)[0] == '\0'; i++)
        usleep(1000);
    cr_assert_not_null(strstr(content, "at once"));
}

Test(log_writer, a_location_may_have_its_own_error_log)
{
    struct log_use both[2] = {{.file = &file_a, .level = LOG_LEVEL_CRIT, .next = &both[1]},
                              {.file = &file_b, .level = LOG_LEVEL_ERROR}};

    log_writers_use(w, both);
    log_error(0, "only b");
    log_crit(0, "a and b");
    log_writers_use(w, NULL);
    log_info(0, "main");
    log_writers_use(w, both);
    log_info(0, "nowhere");
    log_writers_use(w, &use_b);
    turns(20);
    cr_assert_not_null(strstr(read_file(path), "a and b"));
    cr_assert_null(strstr(content, "only b"));
    cr_assert_not_null(strstr(read_file(path_b), "only b"));
    cr_assert_not_null(strstr(content, "a and b"));
    cr_assert_not_null(strstr(content, "main"));
    cr_assert_null(strstr(content, "nowhere"));
}

static const char *in_dir(const char *name)
{
    static char full[160];

    snprintf(full, sizeof(full), "%s/%s", dir, name);
    return full;
}

Test(log_writer, paths_are_opened_when_they_are_first_used)
{
    log_writer_add_path(w, NULL, in_dir("p1"), "one\n", 4);
    log_writer_add_path(w, NULL, in_dir("p2"), "two\n", 4);
    log_writer_add_path(w, NULL, in_dir("p1"), "three\n", 6);
    turns(30);
    cr_assert_str_eq(read_file(in_dir("p1")), "one\nthree\n");
    cr_assert_str_eq(read_file(in_dir("p2")), "two\n");
}

Test(log_writer, path_that_cannot_be_opened_is_named_and_tried_again)
{
    log_writer_add_path(w, NULL, in_dir("no/such"), "lost\n", 5);
    turns(30);
    cr_assert_not_null(strstr(read_file(path_b), "[crit]"));
    cr_assert_not_null(strstr(content, "no/such\" failed (2: No such file or directory)"));
    cr_assert_eq(stats.log_lines_dropped, 1);
    cr_assert_eq(mkdir(in_dir("no"), 0755), 0);
    log_writer_add_path(w, NULL, in_dir("no/such"), "kept\n", 5);
    turns(30);
    cr_assert_str_eq(read_file(in_dir("no/such")), "kept\n");
}

Test(log_writer, paths_are_opened_anew_after_reopen)
{
    char moved[160];

    log_writer_add_path(w, NULL, in_dir("p"), "old\n", 4);
    turns(30);
    strcpy(moved, in_dir("p.1"));
    cr_assert_eq(rename(in_dir("p"), moved), 0);
    log_writers_reopen(w);
    log_writer_add_path(w, NULL, in_dir("p"), "new\n", 4);
    turns(30);
    cr_assert_str_eq(read_file(moved), "old\n");
    cr_assert_str_eq(read_file(in_dir("p")), "new\n");
}

static int open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

Test(log_writer, many_paths_do_not_use_up_descriptors_and_lose_no_line)
{
    char name[32];
    int before = open_descriptors();

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(name, sizeof(name), "many%d", i);
            log_writer_add_path(w, NULL, in_dir(name), "x\n", 2);
        }
        turns(60);
        eventually(open_descriptors() - before <= 32);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        cr_assert_str_eq(read_file(in_dir(name)), "x\nx\n");
    }
    log_writers_finish(w);
    cr_assert_eq(open_descriptors(), before);
}

Test(log_writer, fifo_without_a_reader_does_not_stop_the_worker)
{
    cr_assert_eq(mkfifo(in_dir("fifo"), 0600), 0);
    log_writer_add_path(w, NULL, in_dir("fifo"), "x\n", 2);
    turns(30);
    cr_assert_eq(stats.log_lines_dropped, 1);
}

static struct log_path_policy few = {.index = 1, .max = 2, .inactive_ms = 60000,
                                     .valid_ms = 60000, .min_uses = 2};

static void add_few(const char *name, const char *line)
{
    log_writer_add_path(w, &few, in_dir(name), line, strlen(line));
}

Test(log_writer, path_stays_open_only_once_it_is_used_often_enough)
{
    char moved[160];
    int before = open_descriptors();

    add_few("p", "1\n");
    eventually(strcmp(read_file(in_dir("p")), "1\n") == 0);
    eventually(open_descriptors() == before);
    add_few("p", "2\n");
    eventually(strcmp(read_file(in_dir("p")), "1\n2\n") == 0);
    cr_assert_eq(open_descriptors(), before + 1);
    strcpy(moved, in_dir("p.1"));
    cr_assert_eq(rename(in_dir("p"), moved), 0);
    add_few("p", "3\n");
    eventually(strcmp(read_file(moved), "1\n2\n3\n") == 0);
}

Test(log_writer, path_used_longest_ago_makes_room)
{
    char name[2] = "a";
    int before = open_descriptors();

    for (int i = 0; i < 6; i++) {
        name[0] = (char)('a' + i / 2);
        add_few(name, "x\n");
        eventually(strcmp(read_file(in_dir(name)), i % 2 == 0 ? "x\n" : "x\nx\n") == 0);
    }
    eventually(open_descriptors() == before + 2);
    cr_assert_eq(unlink(in_dir("a")), 0);
    add_few("a", "new\n");
    eventually(strcmp(read_file(in_dir("a")), "new\n") == 0);
}

Test(log_writer, path_not_used_for_long_gives_its_descriptor_back)
{
    int before = open_descriptors();

    few.inactive_ms = 1;
    few.min_uses = 1;
    add_few("p", "1\n");
    eventually(strcmp(read_file(in_dir("p")), "1\n") == 0);
    cr_assert_eq(open_descriptors(), before + 1);
    usleep(2000);
    clock_update();
    add_few("q", "1\n");
    eventually(strcmp(read_file(in_dir("q")), "1\n") == 0);
    cr_assert_eq(open_descriptors(), before + 1);
}

Test(log_writer, path_is_opened_anew_when_it_is_not_valid_any_more)
{
    few.valid_ms = 1;
    few.min_uses = 1;
    add_few("p", "old\n");
    eventually(strcmp(read_file(in_dir("p")), "old\n") == 0);
    cr_assert_eq(unlink(in_dir("p")), 0);
    usleep(2000);
    clock_update();
    add_few("p", "new\n");
    eventually(strcmp(read_file(in_dir("p")), "new\n") == 0);
}

// All members of a compressed log, one after the other; *members of them.
static const char *gunzip(const char *name, int *members)
{
    static char plain[4 << 20];
    z_stream z = {.next_out = (Bytef *)plain, .avail_out = sizeof(plain) - 1};
    int rc = Z_STREAM_END;

    FILE *f = fopen(name, "r");
    cr_assert_not_null(f);
    z.avail_in = (uInt)fread(content, 1, sizeof(content), f);
    fclose(f);
    z.next_in = (Bytef *)content;
    cr_assert_eq(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    for (*members = 0; z.avail_in != 0; ++*members) {
        rc = inflate(&z, Z_FINISH);
        cr_assert_eq(rc, Z_STREAM_END, "member %d is broken: %d", *members, rc);
        inflateReset(&z);
    }
    inflateEnd(&z);
    *z.next_out = '\0';
    return plain;
}

Test(log_writer, compressed_lines_are_one_member_for_each_flush)
{
    int members;

    file_a.gzip = 1;
    file_a.gzip_buffer = 20;
    log_writer_add(w, &file_a, "12345678\n", 9, 20, 0);
    turns(10);
    cr_assert_str_eq(read_file(path), "");
    log_writer_add(w, &file_a, "abcdefgh\n", 9, 20, 0);
    log_writer_add(w, &file_a, "full\n", 5, 20, 0);
    turns(20);
    cr_assert_str_eq(gunzip(path, &members), "12345678\nabcdefgh\nfull\n");
    cr_assert_eq(members, 1);
    log_writer_add(w, &file_a, "last\n", 5, 20, 0);
    log_writers_finish(w);
    cr_assert_str_eq(gunzip(path, &members), "12345678\nabcdefgh\nfull\nlast\n");
    cr_assert_eq(members, 2);
}

Test(log_writer, compressed_lines_keep_their_order_and_none_is_lost)
{
    char line[64];
    int members;

    file_a.gzip = 6;
    file_a.gzip_buffer = 1000;
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(line, sizeof(line), "line %d %x\n", i, (unsigned)i * 2654435761u);
        log_writer_add(w, &file_a, line, (size_t)n, 1000, 0);
        if (i % 70 == 0)
            turns(1);
    }
    log_writers_finish(w);
    const char *p = gunzip(path, &members);
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(line, sizeof(line), "line %d %x\n", i, (unsigned)i * 2654435761u);
        cr_assert_eq(strncmp(p, line, (size_t)n), 0, "line %d is missing or out of order", i);
        p += n;
    }
    cr_assert_eq(*p, '\0');
    cr_assert_gt(members, 10);
    cr_assert_eq(stats.log_lines_dropped, 0);
}

Test(log_writer, full_disk_counts_lines_that_were_compressed)
{
    file_a.gzip = 1;
    file_a.gzip_buffer = 1000;
    fill_disk(&file_a);
    for (int i = 0; i < 3; i++)
        log_writer_add(w, &file_a, "lost\n", 5, 12, 0);
    turns(20);
    cr_assert_eq(stats.log_lines_dropped, 3);
}
