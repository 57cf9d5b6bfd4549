"""Become another program that the kernel ends when the process that started this one ends.

`python mortal.py PARENT PROGRAM ARGUMENT...`.  A fixture's clean-up does not run when pytest is
killed; this setting of Linux survives exec, so no API server outlives the tests that wanted it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h


def die_with(parent: int) -> None:
    """Has the kernel kill this process when its parent ends; exits if it has ended already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(f"the parent process {parent} is gone")


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
