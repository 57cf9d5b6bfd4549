"""Become another program that the kernel ends when the process that started this one ends.

`python mortal.py PARENT PROGRAM ARGUMENT...`.  A fixture's clean-up does not run when pytest is
killed; this setting of Linux survives exec, so no API server outlives the tests that wanted it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h


def main(parent: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(f"the parent process {parent} is gone")
    os.execv(command[0], command)


main(int(sys.argv[1]), sys.argv[2:])
