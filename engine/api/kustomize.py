"""Kustomization: a folder of manifests, built and applied.

Source: flux-behaviour 4.1 and 4.2.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from engine.api.applier import (
    CommonMetadata,
    DependencyReference,
    HealthCheckExpression,
    IgnoreRule,
    Image,
    Inventory,
    KubeConfig,
    Patch,
)
from engine.api.duration import Duration, Interval
from engine.api.meta import (
    Instant,
    Int64,
    LocalReference,
    Model,
    NamespaceName,
    ObjectMeta,
    ObjectName,
    ReconcileStatus,
)

Affix: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
DeletionPolicy: TypeAlias = Literal["MirrorPrune", "Delete", "WaitForTermination", "Orphan"]

MIN_TIMEOUT = 30.0
"""Seconds; the shortest time that health checks are given, and what `interval` is shortened by."""


class SourceReference(Model, frozen=True, kw_only=True):
    """The source of the manifests."""

    api_version: str = ""
    """API version of the source; empty means the one this engine serves."""
    kind: Literal["OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"]
    """Kind of the source."""
    name: str
    """Name of the source."""
    namespace: str = ""
    """Namespace of the source; empty means the namespace of this object."""


class HealthCheck(Model, frozen=True, kw_only=True):
    """An object to wait for."""

    api_version: str = ""
    """API version of the object; empty means apps/v1."""
    kind: str
    """Kind of the object."""
    name: str
    """Name of the object."""
    namespace: str = ""
    """Namespace of the object; empty for cluster-scoped kinds."""


class SubstituteReference(Model, frozen=True, kw_only=True):
    """A ConfigMap or Secret whose keys are variables."""

    kind: Literal["Secret", "ConfigMap"]
    """Secret or ConfigMap."""
    name: ObjectName
    """Name of the object, in the namespace of this one."""
    optional: Annotated[bool, Meta(extra_json_schema={"default": False})] = False
    """Whether it may be absent: then it has no variables."""


class PostBuild(Model, frozen=True, kw_only=True):
    """Variables to put into the built manifests."""

    substitute: Mapping[str, str] = field(default_factory=dict)
    """Variables by name; they win over those of `substituteFrom`."""
    substitute_from: tuple[SubstituteReference, ...] = ()
    """Where more variables come from; later ones win."""
    substitute_strategy: Literal["WithVariables", "Always"] = "WithVariables"
    """Always: also put defaults in when there are no variables at all."""


class Decryption(Model, frozen=True, kw_only=True):
    """How to read encrypted files and Secrets."""

    provider: Literal["sops"]
    """The format of encrypted content."""
    secret_ref: LocalReference | None = None
    """Secret with the private keys or the credentials of a key service."""
    service_account_name: str = ""
    """ServiceAccount that is known to the key service, where the Secret names no identity."""


class KustomizationSpec(Model, frozen=True, kw_only=True):
    """What to build, how to apply it, and when it counts as done."""

    interval: Interval
    """Time between two checks when nothing happens."""
    retry_interval: Interval | None = None
    """Time until the next try after a failure; absent means `interval`."""
    timeout: Interval | None = None
    """Longest wait for health and for deletions; absent means 30s less than `interval`."""
    source_ref: SourceReference
    """Where the manifests come from."""
    path: str = ""
    """Folder of the source to build; empty means its root."""
    prune: bool
    """Whether objects that left the source are deleted."""
    deletion_policy: DeletionPolicy = "MirrorPrune"
    """What becomes of the objects when this one is deleted; by default as `prune` says."""
    depends_on: tuple[DependencyReference, ...] = ()
    """Kustomizations that must be ready first."""
    suspend: bool = False
    """Whether to leave everything as it is until further notice."""
    wait: bool = False
    """Whether all applied objects must become healthy; `healthChecks` is then not read."""
    health_checks: tuple[HealthCheck, ...] = ()
    """Objects that must become healthy."""
    health_check_exprs: tuple[HealthCheckExpression, ...] = ()
    """How to read the health of custom kinds."""
    force: Annotated[bool, Meta(extra_json_schema={"default": False})] = False
    """Whether to delete and create anew what cannot be changed in place."""
    target_namespace: NamespaceName = ""
    """Namespace to set on all objects."""
    name_prefix: Affix = ""
    """Text to put before all names."""
    name_suffix: Affix = ""
    """Text to put after all names."""
    common_metadata: CommonMetadata | None = None
    """Labels and annotations for all objects."""
    patches: tuple[Patch, ...] = ()
    """Changes to the built objects."""
    images: tuple[Image, ...] = ()
    """Container images to run instead of those in the manifests."""
    components: tuple[str, ...] = ()
    """Folders of kustomize components to include, relative to `path`."""
    ignore_missing_components: bool = False
    """Whether a component whose folder is absent is left out instead of failing the build."""
    build_metadata: tuple[Literal["originAnnotations", "transformerAnnotations"], ...] = ()
    """Annotations that tell where an object came from and what changed it."""
    post_build: PostBuild | None = None
    """Variables to put in after the build."""
    decryption: Decryption | None = None
    """How to read encrypted content."""
    kube_config: KubeConfig | None = None
    """The remote cluster to apply to; absent means this one."""
    service_account_name: str = ""
    """ServiceAccount to act as, in the namespace of this object."""
    ignore: tuple[IgnoreRule, ...] = ()
    """Fields that others may change without being corrected."""


class Snapshot(Model, frozen=True, kw_only=True):
    """Reconciles with the same content and outcome, counted as one."""

    digest: str
    """Digest of the built manifests."""
    first_reconciled: Instant
    """When this content first had this outcome."""
    last_reconciled: Instant
    """When it last had it."""
    last_reconciled_duration: Duration
    """How long the last one took."""
    last_reconciled_status: str
    """Reason of the Ready condition."""
    total_reconciliations: Int64
    """How often this content had this outcome."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Revision, and origin revision where the source knows it."""


class KustomizationStatus(ReconcileStatus, frozen=True, kw_only=True):
    """What was applied, and how it went."""

    last_applied_revision: str = ""
    """Revision of the source that was last applied with success."""
    last_applied_origin_revision: str = ""
    """The revision from which that one was made, where its artifact says so."""
    last_attempted_revision: str = ""
    """Revision of the source that was last tried."""
    inventory: Inventory | None = None
    """The objects that were applied."""
    history: tuple[Snapshot, ...] = ()
    """The last outcomes, newest first."""


class Kustomization(Model, frozen=True, kw_only=True):
    """Manifests from a source, built with kustomize and applied to a cluster."""

    metadata: ObjectMeta
    spec: KustomizationSpec
    """What is wanted."""
    status: KustomizationStatus = KustomizationStatus(observed_generation=-1)
    """What was done."""

    @property
    def interval(self) -> float:
        """Seconds between two reconciles when nothing happens, before jitter."""
        return self.spec.interval

    @property
    def retry_interval(self) -> float:
        """Seconds until the next try after a failure: exact, without jitter or backoff."""
        return self.spec.interval if self.spec.retry_interval is None else self.spec.retry_interval

    @property
    def timeout(self) -> float:
        """Seconds that health checks and awaited deletions may take; at least 30.

        Source: kustomize-controller api/v1, GetTimeout: the floor also holds for a set timeout.
        """
        asked = self.spec.timeout
        return max(self.interval - MIN_TIMEOUT if asked is None else asked, MIN_TIMEOUT)
