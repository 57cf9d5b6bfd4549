"""An API server and how to speak to it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.cluster.allowance import Allowance
from engine.cluster.credentials import Credentials, Fixed
from engine.source.addresses import Guarded

MARK = "gitops.lockstep/engine"
"""Tells what the engine writes as a tenant's service account from what the tenant writes himself.

An extra of a user is given by who may impersonate with it, and by nobody else: it is no claim of
the tenant's.  Source: kubernetes.io/docs/reference/access-authn-authz/user-impersonation.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything that a client needs to know about its API server."""

    host: str  #: URL without a slash at its end; may hold a path
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    credentials: Credentials = field(default_factory=Fixed, repr=False)
    namespace: str = ""  #: the context's default; may be empty
    server_name: str = ""  #: the name in the certificate where it is not the host's
    proxy: str = ""  #: URL of an HTTP proxy
    names: Guarded | None = field(default=None, repr=False, compare=False)
    """Judges where names lead; None: they may lead anywhere."""
    headers: Mapping[str, str] = field(default_factory=dict)  #: sent with each request
    mark: str = ""
    """Value of the extra `MARK` that each impersonated request carries; empty: none."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Values of the credentials, which no message may show."""
    identity: str = ""
    """What tells these credentials from the engine's own; empty: they are its own."""
    trust: str = ""
    """What tells the authorities that are trusted from others; empty: the system's, or no TLS."""
    read_timeout: float = 0.0
    """Seconds: the longest silence while reading an answer; 0: `request_timeout`."""
    allowance: Allowance = field(default_factory=Allowance)
    """How much it may say."""
    request_timeout: float = 20.0
    """Seconds: the longest that a write takes, and the longest silence while reading an answer.

    Two mutating webhooks at their default of 10 s fit in; a Lease of 35 s leaves room for it.
    """


def normal_host(server: str) -> str:
    """The URL without a slash at its end."""
    return server.rstrip("/")
