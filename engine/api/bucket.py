"""Bucket: desired state from the files of an object store.

Source: flux-behaviour 3.6.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from engine.api.duration import Interval
from engine.api.meta import LocalReference, Model, ObjectMeta, Rule
from engine.api.source import DEFAULT_TIMEOUT, CloudName, SourceStatus, SourceTimeout

# Flux's order is spelled out: `typing` takes Literals that differ in order for the same.
BucketProvider: TypeAlias = Annotated[
    CloudName,
    Meta(extra_json_schema={"default": "generic", "enum": ["generic", "aws", "gcp", "azure"]}),
]


class TokenService(Model, frozen=True, kw_only=True):
    """A service that gives out temporary credentials (STS)."""

    provider: Literal["aws", "ldap"]
    """What kind of service it is."""
    endpoint: Annotated[str, Meta(pattern="^(http|https)://.*$")]
    """Address of the service."""
    secret_ref: LocalReference | None = None
    """Secret with the credentials for the service."""
    cert_secret_ref: LocalReference | None = None
    """Secret with a client certificate or the certificate authority of the service."""


class BucketSpec(Model, frozen=True, kw_only=True):
    """Which bucket to follow and with which credentials."""

    bucket_name: str
    """Name of the bucket."""
    endpoint: str
    """Address of the object store, without scheme."""
    interval: Interval
    """Time between two looks at the bucket."""
    timeout: SourceTimeout = DEFAULT_TIMEOUT
    """Longest time that fetching may take."""
    provider: BucketProvider = "generic"
    """The object store's interface; `generic` is any that talks S3."""
    region: str = ""
    """Region of the bucket."""
    prefix: str = ""
    """Start of the names of the files to fetch; empty means all."""
    sts: TokenService | None = None
    """Where temporary credentials come from."""
    secret_ref: LocalReference | None = None
    """Secret with the credentials."""
    service_account_name: str = ""
    """ServiceAccount whose workload identity logs in."""
    cert_secret_ref: LocalReference | None = None
    """Secret with a client certificate or the object store's certificate authority."""
    proxy_secret_ref: LocalReference | None = None
    """Secret with the address and credentials of a proxy."""
    ignore: str | None = None
    """Patterns of files to leave out, as in .gitignore."""
    insecure: bool = False
    """Whether to talk to the object store without TLS."""
    suspend: bool = False
    """Whether to stop fetching until further notice."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.provider == 'aws' || self.provider == 'generic' || !has(self.sts)",
            "STS configuration is only supported for the 'aws' and 'generic' Bucket providers",
        ),
        Rule(
            "self.provider != 'aws' || !has(self.sts) || self.sts.provider == 'aws'",
            "'aws' is the only supported STS provider for the 'aws' Bucket provider",
        ),
        Rule(
            "self.provider != 'generic' || !has(self.sts) || self.sts.provider == 'ldap'",
            "'ldap' is the only supported STS provider for the 'generic' Bucket provider",
        ),
        Rule(
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.secretRef)",
            "spec.sts.secretRef is not required for the 'aws' STS provider",
        ),
        Rule(
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.certSecretRef)",
            "spec.sts.certSecretRef is not required for the 'aws' STS provider",
        ),
        Rule(
            "self.provider != 'generic' || !has(self.serviceAccountName)",
            "ServiceAccountName is not supported for the 'generic' Bucket provider",
        ),
        Rule(
            "!has(self.secretRef) || !has(self.serviceAccountName)",
            "cannot set both .spec.secretRef and .spec.serviceAccountName",
        ),
    )


class BucketStatus(SourceStatus, frozen=True, kw_only=True):
    """What was fetched, and the settings it was made with."""

    url: str = ""
    """Address that always serves the newest artifact."""
    observed_ignore: str | None = None
    """`ignore` of the current artifact."""


class Bucket(Model, frozen=True, kw_only=True):
    """A bucket of an object store."""

    metadata: ObjectMeta
    spec: BucketSpec
    """What to follow."""
    status: BucketStatus = BucketStatus(observed_generation=-1)
    """What was fetched."""
