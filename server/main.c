// SPDX-License-Identifier: Apache-2.0
//
// millrace: an origin server for video. Options, the configuration, and then whatever they ask
// for: an answer, a test, a signal to a running master, or the process tree.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/process/about.h"
#include "server/process/cmdline.h"
#include "server/config/config.h"
#include "server/process/fd_list.h"
#include "server/process/generation.h"
#include "server/process/master.h"
#include "server/process/pidfile.h"
#include "server/process/proctitle.h"
#include "server/process/report.h"
#include "server/process/signals.h"
#include "server/report/commands.h"
#include "server/report/topology.h"

static char **copy_words(int argc, char *const *argv)
{
    char **copy = calloc((size_t)argc + 1, sizeof(*copy));

    for (int i = 0; copy != NULL && i < argc; i++) {
        copy[i] = strdup(argv[i]);
        if (copy[i] == NULL)
            return NULL;
    }
    return copy;
}

static void free_words(char **words)
{
    for (char **w = words; w != NULL && *w != NULL; w++)
        free(*w);
    free(words);
}

// -T: every file that was read, as it was read.
static void dump(const struct config *config)
{
    for (const struct conf_file *f = config->tree.files; f != NULL; f = f->next) {
        printf("# configuration file %s:\n", f->path);
        fwrite(f->text.p, 1, f->text.n, stdout);
        printf("\n");
    }
}

// -t and -T: does what a start would, short of starting.
static int run_test(const struct cmdline *c, const struct config_source *source,
                    struct config *config)
{
    struct log_sink *before = log_current();
    struct listeners listeners;
    struct generation g;
    int code = 0;

    if (!c->quiet)
        fprintf(stderr, "millrace: the configuration file %s syntax is ok\n", source->file);
    listeners_init(&listeners);
    if (generation_make(&g, config, source->prefix, &listeners, NULL, GENERATION_TEST) != 0)
        return 1;
    log_use(before);
    if (!c->quiet)
        fprintf(stderr, "millrace: configuration file %s test is successful\n", source->file);
    if (c->dump)
        dump(g.config);
    generation_free(&g);
    if (fflush(stdout) != 0)
        code = 1;
    return code;
}

// -s: to the master that the configuration's pid file names.
static int run_signal(const char *word, const struct config_source *source, struct config *config)
{
    char *path = generation_pid_path(config, source->prefix);
    char text[32];
    pid_t pid;
    int rc;

    if (path == NULL)
        return 1;
    log_notice(0, "signal process started");
    rc = pidfile_read(path, &pid, text, sizeof(text));
    if (rc == -EINVAL) {
        text[strcspn(text, "\r\n")] = '\0';
        report(LOG_LEVEL_ERROR, 0, "invalid PID number \"%s\" in \"%s\"", text, path);
    } else if (rc != 0) {
        report(LOG_LEVEL_ERROR, -rc, "open() \"%s\" failed", path);
    } else if (kill(pid, signal_by_name(word)) != 0) {
        rc = -errno;
        report(LOG_LEVEL_ALERT, -rc, "kill(%d, %d) failed", pid, signal_by_name(word));
    }
    free(path);
    return rc != 0;
}

static int run(const struct cmdline *c, struct master_setup *setup)
{
    struct conf_error error = {.err = 0};
    struct config *config;
    int code;

    if (config_load(&setup->source, &config, &error) != 0) {
        report(LOG_LEVEL_EMERG, 0, "%s", error.text);
        code = 1;
    } else if (c->test) {
        code = run_test(c, &setup->source, config);
    } else if (c->signal != NULL) {
        code = run_signal(c->signal, &setup->source, config);
        config_free(config);
    } else {
        code = master_run(setup, config);
    }
    if (c->test && code != 0)
        fprintf(stderr, "millrace: configuration file %s test failed\n", setup->source.file);
    return code;
}

// `words` is the command line, copied: the title of the process overwrites the original, and a
// reload needs it again.
static int start(const struct cmdline *c, int argc, char *const *words)
{
    struct master_setup setup = {
        .argc = argc,
        .argv = words,
        .environment = environ,
        .inherited = getenv(FD_LIST_VARIABLE),
    };
    struct cmdline_paths paths;
    int code;

    if (cmdline_resolve(c, &paths) != 0)
        return 1;
    setup.source = (struct config_source){
        .file = paths.conf_file,
        .prefix = paths.prefix,
        .globals = c->globals,
        .error_log = paths.error_log,
        .test = c->test && !c->quiet,
    };
    report_open_first_log(paths.error_log);
    code = run(c, &setup);
    log_use(NULL);
    report_started();
    cmdline_paths_free(&paths);
    return code;
}

// What a long option asks for instead of serving. The log stays standard error.
static int command(const struct cmdline *c)
{
    typedef int run_command(const struct cmdline *c, const struct cmdline_paths *paths);
    static run_command *const commands[CMD_MODES] = {
        [CMD_TOPOLOGY] = topology_command,
        [CMD_STATUS] = command_status,
        [CMD_DOCTOR] = command_doctor,
        [CMD_EGRESS_RULES] = command_egress_rules,
    };
    struct cmdline_paths paths;

    if (cmdline_resolve(c, &paths) != 0)
        return 1;
    int code = commands[c->mode](c, &paths);
    cmdline_paths_free(&paths);
    return code;
}

static int answer(int argc, char *const *words)
{
    struct cmdline c;
    char why[256];

    if (cmdline_parse(argc, words, &c, why, sizeof(why)) != 0) {
        fprintf(stderr, "millrace: %s\n", why);
        return 1;
    }
    if (c.version)
        about_print(c.help, c.configure);
    if (c.version && !c.test)
        return 0;
    if (c.mode != CMD_SERVE)
        return command(&c);
    return start(&c, argc, words);
}

// With one of the three closed, a socket of ours would get its number, and messages would go there.
static bool open_standard_files(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int main(int argc, char **argv)
{
    if (!open_standard_files())
        return 1;
    char **words = copy_words(argc, argv);
    int code = 1;

    if (words != NULL && proctitle_init(argc, argv) == 0)
        code = answer(argc, words);
    else
        log_stderr(LOG_LEVEL_EMERG, ENOMEM, "start failed");
    free_words(words);
    return code;
}
