// SPDX-License-Identifier: Apache-2.0
//
// The main and events contexts, -g, and what a whole file must have.
#include "test/unit/server/directives/load_fixture.h"

#include "lib/topo/topo.h"

Test(main, defaults_are_those_of_nginx)
{
    struct config *c = load_main("events {}");

    cr_assert_eq(c->main.worker_processes, 1);
    cr_assert_eq(c->main.worker_connections, 512);
    cr_assert_eq(c->main.daemon, 1);
    cr_assert_eq(c->main.master_process, 1);
    cr_assert_eq(c->main.worker_shutdown_timeout, 0);
    cr_assert_eq(c->main.silos, SILOS_AUTO);
    cr_assert_eq(c->main.pid.n, 0);
    cr_assert_null(c->http);
    cr_assert_not_null(c->main.error_log);
    cr_assert_eq(c->main.error_log->level, LOG_LEVEL_ERROR);
    config_free(c);
}

Test(main, values_reach_their_fields)
{
    struct config *c = load_main("user www staff; worker_processes auto; worker_rlimit_nofile 99;\n"
                                 "worker_shutdown_timeout 3s; pid run/x.pid; daemon off;\n"
                                 "master_process off; env A; env B=2; silos l3;\n"
                                 "error_log logs/e.log notice; error_log stderr debug_http;\n"
                                 "events { worker_connections 4096; }");

    assert_sv(c->main.user, "www");
    assert_sv(c->main.group, "staff");
    cr_assert_eq(c->main.worker_processes, 0);
    cr_assert_eq(c->main.worker_rlimit_nofile, 99);
    cr_assert_eq(c->main.worker_shutdown_timeout, 3000);
    assert_sv(c->main.pid, "run/x.pid");
    cr_assert_eq(c->main.daemon, 0);
    cr_assert_eq(c->main.master_process, 0);
    cr_assert_str_eq(c->main.env->text, "A");
    cr_assert_str_eq(c->main.env->next->text, "B=2");
    cr_assert_eq(c->main.silos, SILOS_L3);
    cr_assert_eq(c->main.worker_connections, 4096);
    cr_assert_str_eq(c->main.error_log->file->path, FIXTURE_PREFIX "logs/e.log");
    cr_assert_eq(c->main.error_log->level, LOG_LEVEL_NOTICE);
    cr_assert_null(c->main.error_log->next->file->path);
    cr_assert_eq(c->main.error_log->next->level, LOG_LEVEL_DEBUG);
    config_free(c);
}

Test(main, silo_lines_keep_their_order)
{
    struct config *c = load_main("silo cpus=0-1 node=1; silo cpus=2; events {}");
    const struct silo_line *s = c->main.silo_lines;

    cr_assert_eq(CPU_COUNT(&s->cpus), 2);
    cr_assert_eq(s->node, 1);
    cr_assert(CPU_ISSET(2, &s->next->cpus));
    cr_assert_eq(s->next->node, TOPO_NODE_ANY);
    cr_assert_null(s->next->next);
    config_free(c);
}

Test(main, globals_come_before_the_file)
{
    struct config *c = NULL;

    cr_assert_eq(load("events {}", "pid /x.pid; error_log /e.log debug;", &c), 0);
    assert_sv(c->main.pid, "/x.pid");
    cr_assert_str_eq(c->main.error_log->file->path, "/e.log");
    config_free(c);
    cr_assert_eq(load("pid y;\nevents {}", "pid x;", &c), -EINVAL);
    cr_assert_not_null(strstr(load_error.text, "\"pid\" directive is duplicate in /tmp/"));
    cr_assert_eq(load("events {}", "pud x;", &c), -EINVAL);
    cr_assert_str_eq(load_error.text, "unknown directive \"pud\" in command line");
}

Test(main, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"pid x;", "no \"events\" section in configuration", 0},
        {"events {}\nevents {}", "\"events\" directive is duplicate in ", 2},
        {"events {}\nhttp {}\nhttp {}", "\"http\" directive is duplicate in ", 3},
        {"events {}\nserver {}", "\"server\" directive is not allowed here in ", 2},
        {"events {}\nbogus 1;", "unknown directive \"bogus\" in ", 2},
        {"events {}\nworker_processes many;", "\"worker_processes\" directive invalid ", 2},
        {"worker_processes 0;\nevents {}", "\"worker_processes\" directive invalid ", 1},
        {"pid a;\npid b;\nevents {}", "\"pid\" directive is duplicate in ", 2},
        {"events { worker_connections x; }", "invalid number \"x\" in ", 1},
        {"events {}\ndaemon maybe;", "invalid value \"maybe\" in \"daemon\" directive, ", 2},
        {"events", "unexpected end of file, expecting \";\" or \"}\" in ", 1},
        {"events {}\nsilo cpus=0-x;", "\"x\" is not a CPU number in ", 2},
        {"events {}\nsilo node=0;", "\"silo\" must have the \"cpus\" parameter in ", 2},
        {"events {}\nsilo cups=0;", "invalid parameter \"cups=0\" in ", 2},
        {"error_log x loud;\nevents {}", "invalid log level \"loud\" in ", 1},
        {"error_log syslog:server=x;\nevents {}", "\"syslog:\" of the \"error_log\" ", 1},
        {"error_log memory:32m;\nevents {}", "\"memory:\" of the \"error_log\" directive ", 1},
    };

    check_refused(rows, array_len(rows));
}

Test(main, cpu_affinity_has_masks_in_order_or_is_automatic)
{
    struct config *c = load_main("worker_cpu_affinity 0001 \"1 00 10\"; events {}");
    const struct cpu_affinity *a = c->main.cpu_affinity;

    cr_assert(!a->automatic && a->nmasks == 2);
    cr_assert(CPU_COUNT(&a->masks[0]) == 1 && CPU_ISSET(0, &a->masks[0]));
    cr_assert(CPU_COUNT(&a->masks[1]) == 2 && CPU_ISSET(1, &a->masks[1]) &&
              CPU_ISSET(4, &a->masks[1]));
    config_free(c);
    c = load_main("worker_cpu_affinity auto; events {}");
    cr_assert(c->main.cpu_affinity->automatic && c->main.cpu_affinity->nmasks == 0);
    config_free(c);
    c = load_main("worker_cpu_affinity auto 1010; events {}");
    a = c->main.cpu_affinity;
    cr_assert(a->automatic && a->nmasks == 1 && CPU_COUNT(&a->masks[0]) == 2);
    config_free(c);
    c = load_main("events {}");
    cr_assert_null(c->main.cpu_affinity);
    config_free(c);
}

Test(main, cpu_affinity_is_refused_in_nginxs_words)
{
    static const struct refused rows[] = {
        {"worker_cpu_affinity 01;\nworker_cpu_affinity 10;\nevents {}",
         "\"worker_cpu_affinity\" directive is duplicate", 2},
        {"worker_cpu_affinity 01 012;\nevents {}",
         "invalid character \"2\" in \"worker_cpu_affinity\"", 1},
        {"worker_cpu_affinity auto 01 10;\nevents {}",
         "invalid number of arguments in \"worker_cpu_affinity\" directive", 1},
        {"worker_cpu_affinity;\nevents {}",
         "invalid number of arguments in \"worker_cpu_affinity\" directive", 1},
        {"events { worker_cpu_affinity auto; }",
         "\"worker_cpu_affinity\" directive is not allowed here", 1},
    };

    check_refused(rows, array_len(rows));
}
