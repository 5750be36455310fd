// SPDX-License-Identifier: Apache-2.0
#include "server/report/command.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int spawn(const char *path, const char *const *argv, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return -rc;
    rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (rc == 0) // the interface has no const, but changes nothing
        rc = posix_spawnp(pid, path, &actions, NULL, (char *const *)(const void *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

static int find_and_spawn(const char *const *argv, int output, pid_t *pid)
{
    static const char *const folders[] = {"/usr/sbin", "/sbin"};
    int rc = spawn(argv[0], argv, output, pid);
    char path[256];

    for (size_t i = 0; rc == -ENOENT && i < array_len(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", folders[i], argv[0]);
        rc = spawn(path, argv, output, pid);
    }
    return rc;
}

// To the end, so that the command never waits for us.
static void read_all(int fd, char *said, size_t size)
{
    char rest[512];
    size_t used = 0;
    ssize_t n;

    do {
        size_t room = size - 1 - used;
        n = room > 0 ? read(fd, said + used, room) : read(fd, rest, sizeof(rest));
        if (n > 0 && room > 0)
            used += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    while (used > 0 && (said[used - 1] == '\n' || said[used - 1] == ' '))
        used--;
    said[used] = '\0';
}

int command_run(const char *const *argv, char *said, size_t size, int *status)
{
    int pipe_fds[2], rc, how = 0;
    pid_t pid;

    said[0] = '\0';
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return -errno;
    rc = find_and_spawn(argv, pipe_fds[1], &pid);
    close(pipe_fds[1]);
    if (rc == 0)
        read_all(pipe_fds[0], said, size);
    close(pipe_fds[0]);
    if (rc != 0)
        return rc;
    while (waitpid(pid, &how, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    *status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    return 0;
}

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./:+,=@%-", c) != NULL);
}

static void print_escaped(const char *word, size_t n, FILE *out)
{
    fputs("$'", out);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i];

        if (c == '\t')
            fputs("\\t", out);
        else if (c < 0x20 || c >= 0x7f)
            fprintf(out, "\\x%02x", c);
        else if (c == '\'' || c == '\\')
            fprintf(out, "\\%c", c);
        else
            fputc(c, out);
    }
    fputc('\'', out);
}

void command_print_word(const char *word, size_t n, FILE *out)
{
    bool plain = n > 0, simple = true;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i];

        plain = plain && is_plain(c);
        simple = simple && c >= 0x20 && c < 0x7f && c != '\'';
    }
    if (plain)
        fprintf(out, "%.*s", (int)n, word);
    else if (simple)
        fprintf(out, "'%.*s'", (int)n, word);
    else
        print_escaped(word, n, out);
}

void command_print_words(const char *const *argv, FILE *out)
{
    for (size_t i = 0; argv[i] != NULL; i++) {
        if (i > 0)
            putc(' ', out);
        command_print_word(argv[i], strlen(argv[i]), out);
    }
    putc('\n', out);
}
