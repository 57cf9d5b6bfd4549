"""Who asks for which credential, and what is given: the words of identities.

Source: flux-behaviour 8; fluxcd/pkg auth (Options, Token, RESTConfig).
"""

import hashlib
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.cluster.outbound import DIRECT, Route


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The Kubernetes identity that an object acts as towards clouds."""

    namespace: str
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """As read from the cluster: which role it is in which cloud.  `Context.token` fills it in."""


class Purpose(StrEnum):
    """What a token is asked for."""

    KEYS = "keys"  #: key services
    CLUSTER = "cluster"  #: the API server of another cluster
    GIT = "git"  #: a Git host

    def operation(self, provider: str) -> str:
        """Flux's word for it, in metrics (flux-behaviour 9.3)."""
        if self is Purpose.KEYS:
            return "decrypt_with_" + ("vault" if provider == "generic" else provider)
        return "fetch_kubeconfig" if self is Purpose.CLUSTER else "reconcile"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token is to be good for."""

    purpose: Purpose
    resource: str = ""
    """KEYS: the key (ARN, resource id, URL).  CLUSTER: the cluster's full name in its cloud (key
    `cluster` of the ConfigMap).  GIT: the repository's URL."""
    address: str = ""
    """CLUSTER: key `address` of the ConfigMap."""
    audiences: tuple[str, ...] = ()
    """CLUSTER: key `audiences` of the ConfigMap, provider `generic`; KEYS: a Vault's address."""
    ca: bytes = b""
    """CLUSTER: key `ca.crt` of the ConfigMap."""
    role: str = ""
    """KEYS, provider `aws`: the role to assume with what one has."""
    secret: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The credential to start from, by Flux's key: KEYS: `sops.aws-kms`, `sops.azure-kv` or
    `sops.gcp-kms`; GIT, provider `github`: the data of the Secret with the App's key."""
    route: Route = DIRECT

    @property
    def key(self) -> Hashable:
        """All that tells this scope from another; of the secret a digest."""
        digest = hashlib.sha256()
        for name, value in sorted(self.secret.items()):
            digest.update(b"%d:%b%d:%b" % (len(name), name.encode(), len(value), value))
        plain = self.purpose, self.resource, self.address, self.audiences, self.role, self.ca
        return *plain, digest.digest(), self.route


@dataclass(frozen=True, slots=True)
class Token:
    """A credential that ends by itself."""

    secret: str = field(repr=False)
    """Bearer token; password if there is a `user`; AWS: the secret access key."""
    user: str = ""
    """GIT: user name, "" if `secret` is a bearer token.  AWS: the access key id."""
    session: str = field(default="", repr=False)
    """AWS: the session token."""
    expires_at: float = math.inf
    """Seconds since 1970."""
    address: str = ""
    """CLUSTER: URL of the API server."""
    ca: bytes = field(default=b"", repr=False)
    """CLUSTER: PEM, b"" where the system's authorities decide."""
