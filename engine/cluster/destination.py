"""Where a notification goes: a Provider with all that its Secrets say.

Source: flux-behaviour 6.3; notification-controller internal/notifier factory.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.cluster.outbound import DIRECT, Route
from engine.objects.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A service to be told; what is not said is empty.

    username: of the Secret, else of the spec.   status: under which name a commit is marked, ""
    for types that mark none.   secret: all data of the Secret.
    """

    provider: Ref
    address: str = field(default="", repr=False)
    channel: str = field(default="", repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    status: str = ""
    secret: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    route: Route = DIRECT
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What no message may show: the values of its Secrets, and its address."""


class Undelivered(Exception):  # noqa: N818 - says what happened, like a Failure
    """A service was not told, and may be asked again: why, and neither a secret nor an address."""

    def __init__(self, message: str, *, after: float = 0.0) -> None:
        """after: seconds that the service asks to wait."""
        super().__init__(message)
        self.after = after


class Undeliverable(Undelivered):
    """A service cannot be told: trying again is useless until somebody changes something."""
