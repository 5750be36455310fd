// SPDX-License-Identifier: Apache-2.0
//
// Into the background, as nginx goes there, except that the first process stays until it is known
// whether the start succeeded.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/process/master_priv.h"
#include "server/process/report.h"

static int detach_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) {
        report(LOG_LEVEL_EMERG, errno, "open(\"/dev/null\") failed");
        return -EIO;
    }
    if (fd > STDERR_FILENO)
        close(fd);
    return 0;
}

int master_become_daemon(struct master *m)
{
    pid_t self = getpid();
    int ends[2];
    char byte;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
        report(LOG_LEVEL_EMERG, errno, "fork() failed");
        return -EIO;
    }
    if (pid > 0) {
        close(ends[1]);
        // Without the clean-up of exit(3): everything in memory is the master's by now.
        _exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
    }
    close(ends[0]);
    m->parent_fd = ends[1];
    m->parent = self;
    m->daemonised = true;
    if (setsid() < 0) {
        report(LOG_LEVEL_EMERG, errno, "setsid() failed");
        return -EIO;
    }
    umask(0);
    return detach_descriptors();
}

void master_tell_starter(struct master *m)
{
    char byte = 1;

    if (m->parent_fd < 0)
        return;
    // It is about to end, and never was an old binary that an upgrade could be taken back to.
    m->parent = 0;
    if (write(m->parent_fd, &byte, 1) != 1)
        log_alert(errno, "write() to the starting process failed");
    close(m->parent_fd);
    m->parent_fd = -1;
}
