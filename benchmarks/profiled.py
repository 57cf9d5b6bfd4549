"""Runs our engine under cProfile: `python -m benchmarks.profiled FILE run ...` writes FILE.

Counted is CPU time, not the time that passes: waiting, and what others do meanwhile, is no cost of
the engine's.  Builds in worker processes are not seen.
"""

import sys
import time
from cProfile import Profile

from engine.cli.main import main

if __name__ == "__main__":
    _, file, *arguments = sys.argv
    sys.argv = ["lockstep", *arguments]
    profile = Profile(time.process_time)
    try:
        profile.runcall(main)
    finally:
        profile.dump_stats(file)
