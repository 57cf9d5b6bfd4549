"""How many files and connections this process may have open."""

import resource
from contextlib import suppress


def allow_all_descriptors() -> None:
    """Raises the limit to the most that the system lets this process have.

    Many systems start programs with 1,024, for the sake of those that use select(2); a fleet of
    some repositories, whose packs are read in place, needs more.   Source: Go does it for each of
    its programs, Flux's controllers among them (os/rlimit.go).
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS: no program may have as many as it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
