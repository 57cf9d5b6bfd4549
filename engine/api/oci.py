"""OCIRepository: desired state from an artifact in a container registry.

Source: flux-behaviour 3.5.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from engine.api.duration import Interval
from engine.api.meta import LocalReference, Model, ObjectMeta
from engine.api.source import DEFAULT_TIMEOUT, CloudProvider, SourceStatus, SourceTimeout

# The CRD both demands a provider of signatures and gives it a default.
SignatureProvider: TypeAlias = Annotated[
    Literal["cosign", "notation"],
    Meta(extra_json_schema={"default": "cosign"}, extra={"required": True}),
]


class OCIRef(Model, frozen=True, kw_only=True):
    """The artifact to follow: digest wins over semver, and semver over tag."""

    digest: str = ""
    """Digest to stay at."""
    semver: str = ""
    """Range of versions; the newest tag in it is taken."""
    semver_filter: str = ""
    """Regular expression that tags must match before `semver` looks at them."""
    tag: str = ""
    """Tag to follow; `latest` when nothing else is given."""


class LayerSelector(Model, frozen=True, kw_only=True):
    """Which layer holds the content, and what it is."""

    media_type: str = ""
    """Media type of the layer; the first such layer is taken, or the first of all if empty."""
    operation: Literal["extract", "copy"] = "extract"
    """`extract` unpacks the layer as a tar archive, `copy` keeps it as it is."""


class OIDCIdentity(Model, frozen=True, kw_only=True):
    """Who may have signed without a key."""

    issuer: str
    """Regular expression for the issuer of the certificate's identity."""
    subject: str
    """Regular expression for the identity itself."""


class ChartVerification(Model, frozen=True, kw_only=True):
    """Which signatures an artifact in a registry must carry."""

    provider: SignatureProvider = "cosign"
    """The format of signatures."""
    secret_ref: LocalReference | None = None
    """Secret with the public keys that are trusted; absent means keyless signatures."""
    match_oidc_identity: tuple[OIDCIdentity, ...] = field(default=(), name="matchOIDCIdentity")
    """Identities of which one must have signed without a key."""


class OCIVerification(ChartVerification, frozen=True, kw_only=True):
    """Which signatures an artifact in a registry must carry."""

    trusted_root_secret_ref: LocalReference | None = None
    """Secret with the trusted root of a signing service of one's own."""


class OCIRepositorySpec(Model, frozen=True, kw_only=True):
    """Which artifact to follow and with which credentials."""

    url: Annotated[str, Meta(pattern="^oci://.*$")]
    """Address of the repository in its registry, without tag."""
    interval: Interval
    """Time between two looks at the registry when nothing announces a change."""
    timeout: SourceTimeout = DEFAULT_TIMEOUT
    """Longest time that fetching may take."""
    ref: OCIRef | None = None
    """The artifact to follow; absent means tag `latest`."""
    layer_selector: LayerSelector | None = None
    """The layer to take; absent means the first, unpacked."""
    provider: CloudProvider = "generic"
    """Who logs in: `generic` takes what the Secret has, the others ask their cloud."""
    secret_ref: LocalReference | None = None
    """Secret with the registry's credentials."""
    service_account_name: str = ""
    """ServiceAccount whose image pull secrets, or whose workload identity, log in."""
    cert_secret_ref: LocalReference | None = None
    """Secret with a client certificate or the registry's certificate authority."""
    proxy_secret_ref: LocalReference | None = None
    """Secret with the address and credentials of a proxy."""
    verify: OCIVerification | None = None
    """Signatures to demand."""
    ignore: str | None = None
    """Patterns of files to leave out, as in .gitignore; replaces the built-in ones."""
    insecure: bool = False
    """Whether to talk to the registry without TLS."""
    suspend: bool = False
    """Whether to stop fetching until further notice."""


class OCIRepositoryStatus(SourceStatus, frozen=True, kw_only=True):
    """What was fetched, and the settings it was made with."""

    url: str = ""
    """Address that always serves the newest artifact."""
    observed_ignore: str | None = None
    """`ignore` of the current artifact."""
    observed_layer_selector: LayerSelector | None = None
    """`layerSelector` of the current artifact."""


class OCIRepository(Model, frozen=True, kw_only=True):
    """A repository of a container registry, followed at a tag, version range or digest."""

    metadata: ObjectMeta
    spec: OCIRepositorySpec
    """What to follow."""
    status: OCIRepositoryStatus = OCIRepositoryStatus(observed_generation=-1)
    """What was fetched."""
