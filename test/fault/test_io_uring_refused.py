# SPDX-License-Identifier: Apache-2.0
"""A kernel that refuses io_uring, as containers do: a clear message with the cure, exit 1."""

import ctypes
import errno
import subprocess

import pytest

IO_URING_SETUP = 425  # the same on every architecture
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
ALLOW_ALL, RETURN_ERRNO = 0x7FFF0000, 0x00050000
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte),
                ("k", ctypes.c_uint)]


class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]


def refuse(error):
    """For preexec_fn: io_uring_setup fails from here on."""
    code = (Instruction * 4)((LOAD_WORD, 0, 0, 0), (JUMP_EQUAL, 0, 1, IO_URING_SETUP),
                             (RETURN, 0, 0, RETURN_ERRNO | error), (RETURN, 0, 0, ALLOW_ALL))
    program = Program(4, code)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0


@pytest.mark.millrace_only
@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
@pytest.mark.parametrize("extra", [["-g", "daemon off;"], []], ids=["foreground", "daemon"])
def test_refusal_names_the_cause_and_the_cure(prepare, error, extra):
    server = prepare(http="server { listen 127.0.0.1:@PORT@; return 200 x; }")
    done = subprocess.run(server.command(*extra), capture_output=True, text=True, timeout=20,
                          preexec_fn=lambda: refuse(error))
    assert done.returncode == 1, done.stderr
    assert "[emerg]" in done.stderr and "io_uring" in done.stderr, done.stderr
    if error == errno.EPERM:
        assert "seccomp" in done.stderr, done.stderr
    assert not server.path("nginx.pid").exists()
    with pytest.raises(ConnectionRefusedError):
        server.client()
