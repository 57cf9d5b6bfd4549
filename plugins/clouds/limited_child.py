"""The program that runs another one within limits: `limited_child.py SECONDS PROGRAM`.

seconds: of CPU.  A process that reaches a limit ends, whatever it is in the midst of.
"""

import resource
import runpy
import sys

_MEMORY = 96 * 2**20  # bytes; Python and what opens keys take some 40 MiB of them


def main() -> None:
    """Runs the program in this process, which is not what it was afterwards."""
    seconds, program = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # keys and content would be in the dump
    for which, most in ((resource.RLIMIT_DATA, _MEMORY), (resource.RLIMIT_CPU, int(seconds))):
        _, hard = resource.getrlimit(which)
        resource.setrlimit(
            which, (most if hard == resource.RLIM_INFINITY else min(most, hard),) * 2
        )
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
