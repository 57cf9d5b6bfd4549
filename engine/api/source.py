"""Where desired state comes from: Git repositories, and artifacts that others make.

Source: flux-behaviour 1.5, 3.4 and 3.9.  The other sources: api/oci.py, bucket.py and chart.py.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, field

from engine.api.duration import Interval, Timeout
from engine.api.meta import (
    Condition,
    Instant,
    Int64,
    KindReference,
    LocalReference,
    Model,
    ObjectMeta,
    ReconcileStatus,
    Rule,
)

SourceTimeout: TypeAlias = Annotated[Timeout, Meta(extra_json_schema={"default": "60s"})]
CloudName: TypeAlias = Literal["generic", "aws", "azure", "gcp"]
CloudProvider: TypeAlias = Annotated[CloudName, Meta(extra_json_schema={"default": "generic"})]

DEFAULT_TIMEOUT = Timeout(60)


class Artifact(Model, frozen=True, kw_only=True):
    """A revision of a source, fetched and served as one file."""

    digest: Annotated[str, Meta(pattern=r"^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$")]
    """Digest of the file, as `algorithm:hex`."""
    last_update_time: Instant
    """When the file was stored."""
    path: str
    """Path of the file below the root of the store."""
    revision: str
    """Revision of the source, such as `main@sha1:<commit>`."""
    url: str
    """Address that serves the file inside the cluster."""
    size: Int64 | None = None
    """Bytes of the file."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What upstream says about the revision, such as OCI annotations."""


class SourceStatus(ReconcileStatus, frozen=True, kw_only=True):
    """What the status of each fetched source holds."""

    artifact: Artifact | None = None
    """The last revision that was stored."""


class GitRef(Model, frozen=True, kw_only=True):
    """The revision to follow: commit wins over name, tag, semver and branch, in this order."""

    branch: str = ""
    """Branch to follow; `master` when nothing else is given."""
    tag: str = ""
    """Tag to follow."""
    semver: str = ""
    """Range of versions; the newest tag in it is taken."""
    name: str = ""
    """Full name of a reference, such as `refs/pull/1/head`."""
    commit: str = ""
    """Commit to stay at; with `branch`, one of that branch."""


class GitVerification(Model, frozen=True, kw_only=True):
    """Which signatures a revision must carry."""

    mode: Annotated[
        Literal["head", "HEAD", "Tag", "TagAndHEAD"], Meta(extra_json_schema={"default": "HEAD"})
    ] = "HEAD"
    """What must be signed: the commit, the tag or both."""
    secret_ref: LocalReference
    """Secret with the public keys that are trusted."""


class GitInclude(Model, frozen=True, kw_only=True):
    """Files of another GitRepository, put into this one."""

    repository: LocalReference
    """The other GitRepository, in the same namespace."""
    from_path: str = ""
    """Folder to take; empty means its root."""
    to_path: str = ""
    """Folder to put it in; empty means one with the name of the other GitRepository."""


class GitRepositorySpec(Model, frozen=True, kw_only=True):
    """Which repository to follow, at what revision and with which credentials."""

    url: Annotated[str, Meta(pattern="^(http|https|ssh)://.*$")]
    """Address of the repository, over HTTP or SSH."""
    interval: Interval
    """Time between two looks at the repository when nothing announces a change."""
    timeout: SourceTimeout = DEFAULT_TIMEOUT
    """Longest time that fetching may take."""
    ref: GitRef | None = None
    """The revision to follow; absent means branch `master`."""
    secret_ref: LocalReference | None = None
    """Secret with the credentials."""
    provider: Literal["generic", "aws", "azure", "github"] = "generic"
    """Who logs in: `generic` takes what the Secret has, the others ask their cloud or app."""
    service_account_name: str = ""
    """ServiceAccount whose workload identity logs in."""
    verify: GitVerification | None = None
    """Signatures to demand."""
    proxy_secret_ref: LocalReference | None = None
    """Secret with the address and credentials of a proxy."""
    ignore: str | None = None
    """Patterns of files to leave out, as in .gitignore; replaces the built-in ones."""
    suspend: bool = False
    """Whether to stop fetching until further notice."""
    recurse_submodules: bool = False
    """Whether submodules are fetched too."""
    include: tuple[GitInclude, ...] = ()
    """Files of other repositories to put into this one."""
    sparse_checkout: tuple[str, ...] = ()
    """Folders to keep; empty means all."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.serviceAccountName) || (has(self.provider) &&"
            " (self.provider == 'azure' || self.provider == 'aws'))",
            "serviceAccountName can only be set when provider is 'azure' or 'aws'",
        ),
    )


class GitRepositoryStatus(SourceStatus, frozen=True, kw_only=True):
    """What was fetched, and the settings it was made with."""

    included_artifacts: tuple[Artifact, ...] = ()
    """Artifacts of the included repositories, in their order."""
    observed_ignore: str | None = None
    """`ignore` of the current artifact."""
    observed_recurse_submodules: bool = False
    """`recurseSubmodules` of the current artifact."""
    observed_include: tuple[GitInclude, ...] = ()
    """`include` of the current artifact."""
    observed_sparse_checkout: tuple[str, ...] = ()
    """`sparseCheckout` of the current artifact."""
    source_verification_mode: str | None = None
    """`verify.mode` that the current artifact passed."""


class GitRepository(Model, frozen=True, kw_only=True):
    """A Git repository, followed at a branch, tag, version range, reference or commit."""

    metadata: ObjectMeta
    spec: GitRepositorySpec
    """What to follow."""
    status: GitRepositoryStatus = GitRepositoryStatus(observed_generation=-1)
    """What was fetched."""


class ExternalArtifactSpec(Model, frozen=True, kw_only=True):
    """Who makes the artifact."""

    source_ref: KindReference | None = None
    """The object of which the artifact is made."""


class ExternalArtifactStatus(Model, frozen=True, kw_only=True):
    """The artifact; written by whoever makes it."""

    artifact: Artifact | None = None
    """The last revision that was stored."""
    conditions: tuple[Condition, ...] = ()
    """State of the object: Ready sums it up."""


class ExternalArtifact(Model, frozen=True, kw_only=True):
    """An artifact that another controller makes."""

    metadata: ObjectMeta
    spec: ExternalArtifactSpec = ExternalArtifactSpec()
    """Who makes it."""
    status: ExternalArtifactStatus = ExternalArtifactStatus()
    """What was made."""
