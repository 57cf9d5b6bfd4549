"""Who goes first, in the queue and at the API server's door."""

from enum import IntEnum


class Priority(IntEnum):
    """Lower goes first; equal ones in the order of their arrival."""

    LEASE = 0
    """What allows the engine to write at all."""

    MANUAL = 1
    """A person or a webhook waits for it."""

    DRIFT = 2
    """The cluster is not as Git says."""

    INTERVAL = 3
    """A regular look; nobody waits."""

    STATUS = 4
    """A status that says nothing new but a revision."""
