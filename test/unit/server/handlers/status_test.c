// SPDX-License-Identifier: Apache-2.0
//
// The status page's two forms. That a parser takes the whole of them, test/http/test_status.py
// shows; here it is about what stands where, and names that nobody should give an interface.
#include "server/handlers/status.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/process/stats_view.h"

static struct stats_snapshot *blank(void)
{
    struct stats_snapshot *s = stats_snapshot_new();

    cr_assert_not_null(s);
    memset((void *)s, 0, sizeof(*s));
    return s;
}

static struct stats_snapshot *two_silos(void)
{
    struct stats_snapshot *s = blank();

    s->nsilos = 2;
    s->nnodes = 2;
    s->nmembers = 1;
    s->started = 1000;
    s->taken = 1060;
    s->master = 42;
    s->silo[0] = (struct stats_silo_info){.cpus = "0-3", .node = 0, .state = STATS_SILO_UP,
                                          .pid = 43, .workers = 4};
    s->silo[1] = (struct stats_silo_info){.cpus = "4-7", .node = -1,
                                          .state = STATS_SILO_PAUSING, .restarts = 3};
    strcpy(s->member[0].name, "eth0");
    s->silos[0].requests = 5;
    s->silos[1].requests = 6;
    s->total.requests = 11;
    s->silos[1].active = 2;
    s->silos[1].arrived[1] = 7;
    s->silos[1].arrived[STATS_NODES - 1] = 8;
    s->silos[0].egress_member[0] = 9;
    return s;
}

static char *written(void (*write)(FILE *out, const struct stats_snapshot *s),
                     const struct stats_snapshot *s)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    cr_assert_not_null(out);
    write(out, s);
    cr_assert_eq(fclose(out), 0);
    cr_assert_eq(strlen(text), n, "no NUL in it");
    return text;
}

static void expect_in(const char *text, const char *part)
{
    cr_expect(strstr(text, part) != NULL, "no '%s' in: %.3000s", part, text);
}

static void expect_not_in(const char *text, const char *part)
{
    cr_expect(strstr(text, part) == NULL, "'%s' in: %.3000s", part, text);
}

Test(status_json, has_a_schema_silos_and_members)
{
    struct stats_snapshot *s = two_silos();
    char *text = written(status_write_json, s);

    cr_assert(strncmp(text, "{\"schema\":1,\"server\":\"millrace\",", 32) == 0, "%s", text);
    expect_in(text, "\"pid\":42,\"started\":1000,\"time\":1060,\"total\":{\"accepted\":0,");
    expect_in(text, "{\"silo\":0,\"node\":0,\"cpus\":\"0-3\",\"state\":\"up\",\"pid\":43,"
                    "\"restarts\":0,\"workers\":4,\"counters\":{");
    expect_in(text, "{\"silo\":1,\"node\":null,\"cpus\":\"4-7\",\"state\":\"pausing\","
                    "\"pid\":null,\"restarts\":3,");
    expect_in(text, "\"arrived\":{\"0\":0,\"1\":7,\"unknown\":8}");
    expect_in(text, "\"egress_member\":{\"eth0\":9}");
    expect_in(text, "\"members\":[{\"member\":\"eth0\",\"node\":0}]}\n");
    expect_in(text, "\"crossings_per_byte\":null");
    free(text);
    stats_snapshot_free(s);
}

Test(status_json, crossings_are_divided_by_placed_bytes)
{
    struct stats_snapshot *s = two_silos();

    s->total.bytes_placed = 1000;
    s->total.bytes_unplaced = 5000;
    s->total.cross_disk = 500;
    s->total.cross_nic = 20;
    char *text = written(status_write_json, s);
    expect_in(text, "\"crossings_per_byte\":{\"disk\":0.500000,\"read\":0.000000,"
                    "\"write\":0.000000,\"nic\":0.020000,\"all\":0.520000}");
    free(text);
    stats_snapshot_free(s);
}

Test(status_json, names_are_escaped)
{
    struct stats_snapshot *s = blank();

    s->nmembers = 1;
    strcpy(s->member[0].name, "a\"b\\c\n\x01\xff\x7f");
    char *text = written(status_write_json, s);
    expect_in(text, "{\"member\":\"a\\\"b\\\\c\\u000a\\u0001\\ufffd\\u007f\",\"node\":0}");
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        cr_assert(*p < 0x7f);
    free(text);
    stats_snapshot_free(s);
}

Test(status_json, no_silo_is_an_empty_list)
{
    struct stats_snapshot *s = blank();
    char *text = written(status_write_json, s);

    expect_in(text, "\"silos\":[],\"members\":[]}");
    free(text);
    stats_snapshot_free(s);
}

Test(status_prometheus, counters_end_in_total_and_gauges_do_not)
{
    struct stats_snapshot *s = two_silos();
    char *text = written(status_write_prometheus, s);

    expect_in(text, "# HELP millrace_requests_total requests\n"
                    "# TYPE millrace_requests_total counter\n"
                    "millrace_requests_total{silo=\"0\",node=\"0\"} 5\n"
                    "millrace_requests_total{silo=\"1\",node=\"unknown\"} 6\n# HELP ");
    expect_in(text, "# TYPE millrace_active gauge\n"
                    "millrace_active{silo=\"0\",node=\"0\"} 0\n"
                    "millrace_active{silo=\"1\",node=\"unknown\"} 2\n");
    expect_in(text, "millrace_arrived_total{silo=\"1\",node=\"1\"} 7\n"
                    "millrace_arrived_total{silo=\"1\",node=\"unknown\"} 8\n");
    expect_in(text, "millrace_egress_member_total{silo=\"0\",member=\"eth0\",node=\"0\"} 9\n");
    expect_in(text, "millrace_silo_info{silo=\"0\",node=\"0\",cpus=\"0-3\"} 1\n");
    expect_in(text, "millrace_silo_up{silo=\"0\",node=\"0\"} 1\n"
                    "millrace_silo_up{silo=\"1\",node=\"unknown\"} 0\n");
    expect_in(text, "millrace_silo_restarts_total{silo=\"1\",node=\"unknown\"} 3\n");
    expect_not_in(text, "silo=\"none\"");
    free(text);
    stats_snapshot_free(s);
}

Test(status_prometheus, what_is_of_no_silo_has_a_series_when_there_is_some)
{
    struct stats_snapshot *s = two_silos();

    s->unplaced.requests = 4;
    char *text = written(status_write_prometheus, s);
    expect_in(text, "millrace_requests_total{silo=\"none\",node=\"unknown\"} 4\n");
    expect_not_in(text, "millrace_silo_up{silo=\"none\"");
    free(text);
    stats_snapshot_free(s);
    s = blank();
    text = written(status_write_prometheus, s);
    expect_in(text, "millrace_requests_total{silo=\"none\",node=\"unknown\"} 0\n");
    free(text);
    stats_snapshot_free(s);
}

Test(status_prometheus, all_silos_and_the_rest_have_a_series)
{
    struct stats_snapshot *s = blank();
    unsigned series = 0;

    s->nsilos = STATS_SILOS;
    s->unplaced.requests = 1;
    char *text = written(status_write_prometheus, s);
    for (const char *p = text; (p = strstr(p, "\nmillrace_requests_total{")) != NULL; p++)
        series++;
    cr_assert_eq(series, STATS_SILOS + 1);
    free(text);
    stats_snapshot_free(s);
}

Test(status_prometheus, labels_are_escaped)
{
    struct stats_snapshot *s = blank();

    s->nmembers = 1;
    strcpy(s->member[0].name, "a\"b\\c\n\xff");
    char *text = written(status_write_prometheus, s);
    expect_in(text, "member=\"a\\\"b\\\\c\\n\\\\xff\",node=\"0\"} 0\n");
    free(text);
    stats_snapshot_free(s);
}

Test(status, every_state_has_a_name)
{
    cr_assert_str_eq(status_state_name(STATS_SILO_DRAINING), "draining");
    cr_assert_str_eq(status_state_name(STATS_SILO_GONE), "gone");
    cr_assert_str_eq(status_state_name(99), "unknown", "what another process's memory says");
    cr_assert_str_eq(status_state_name(-1), "unknown");
}
