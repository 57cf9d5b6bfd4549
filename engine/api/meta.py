"""What all kinds share: metadata, conditions, references, and the names of annotations and labels.

Instants are aware datetimes, durations float seconds (api/duration.py).  A field that an object
may leave out has the value that stands for "absent" (empty text, empty tuple, None), and is left
out again when written.  The string under a field is its description in the CRD.

Source: flux-behaviour 1.1-1.5 and 1.10; fluxcd/pkg apis/meta; metav1.ObjectMeta and Condition.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, Struct, field

from engine.objects.ref import Object

# Who we are to Flux's clients.
FINALIZER = "finalizers.fluxcd.io"
RECONCILE_GROUP = "reconcile.fluxcd.io"
SOURCE_GROUP = "source.toolkit.fluxcd.io"
KUSTOMIZE_GROUP = "kustomize.toolkit.fluxcd.io"
HELM_GROUP = "helm.toolkit.fluxcd.io"
NOTIFICATION_GROUP = "notification.toolkit.fluxcd.io"

# A request to us: an annotation of our own objects, an opaque token.
REQUESTED_AT = f"{RECONCILE_GROUP}/requestedAt"

# Ownership: labels of what a Kustomization applied.
KUSTOMIZE_OWNER_NAME = f"{KUSTOMIZE_GROUP}/name"
KUSTOMIZE_OWNER_NAMESPACE = f"{KUSTOMIZE_GROUP}/namespace"

# Wishes of managed objects: labels or annotations, values below.
RECONCILE = f"{KUSTOMIZE_GROUP}/reconcile"
SSA = f"{KUSTOMIZE_GROUP}/ssa"
FORCE = f"{KUSTOMIZE_GROUP}/force"
PRUNE = f"{KUSTOMIZE_GROUP}/prune"
SUBSTITUTE = f"{KUSTOMIZE_GROUP}/substitute"
DECRYPT = f"{KUSTOMIZE_GROUP}/decrypt"

# Values of those; compare with `has_mark`, which ignores case.
ENABLED = "enabled"
DISABLED = "disabled"
SSA_IGNORE = "Ignore"
SSA_IF_NOT_PRESENT = "IfNotPresent"
SSA_MERGE = "Merge"

# What older tools left on managed objects and an apply removes.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LEGACY_ANNOTATIONS = (
    f"{KUSTOMIZE_GROUP}/checksum",
    "fluxcd.io/sync-checksum",
    LAST_APPLIED,
)
LEGACY_LABELS = ("fluxcd.io/sync-gc-mark",)

# Types of conditions.
READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
HEALTHY = "Healthy"
ARTIFACT_IN_STORAGE = "ArtifactInStorage"
ARTIFACT_OUTDATED = "ArtifactOutdated"
FETCH_FAILED = "FetchFailed"
INCLUDE_UNAVAILABLE = "IncludeUnavailable"
SOURCE_VERIFIED = "SourceVerified"
STORAGE_OPERATION_FAILED = "StorageOperationFailed"

# Reasons that are not failures; those are the class names in engine/errors.py.
SUCCEEDED = "Succeeded"
FAILED = "Failed"
PROGRESSING = "Progressing"
PROGRESSING_WITH_RETRY = "ProgressingWithRetry"
SUSPENDED = "Suspended"
RECONCILIATION_SUCCEEDED = "ReconciliationSucceeded"

MESSAGE_LIMIT = 32768
"""Characters of a condition's message; longer ones are cut and end in `...`."""

# Constrained types that several kinds use.
Int64: TypeAlias = Annotated[int, Meta(extra_json_schema={"format": "int64"})]
Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]
ObjectName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=253)]
NamespaceName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=63)]


class Rule(Struct, frozen=True):
    """A CEL validation that the API server runs (`x-kubernetes-validations`)."""

    rule: str
    message: str


class Model(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of an object of ours: immutable, camelCase in JSON, absent where equal to default."""

    rules: ClassVar[tuple[Rule, ...]] = ()
    """CEL rules of this part in the CRD."""


class OwnerReference(Model, frozen=True, kw_only=True):
    """The object on whose behalf another exists."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(Model, frozen=True, kw_only=True):
    """The part of `metadata` that the engine reads; it never writes it back whole."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()
    creation_timestamp: Instant | None = None
    deletion_timestamp: Instant | None = None


class Condition(Model, frozen=True, kw_only=True):
    """One aspect of the state of an object."""

    type: Annotated[
        str,
        Meta(
            max_length=316,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]
    """The aspect, such as Ready, Reconciling, Stalled or Healthy."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[
        str,
        Meta(min_length=1, max_length=1024, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """One word that says why, for programs."""
    message: Annotated[str, Meta(max_length=MESSAGE_LIMIT)]
    """The same for people; may be empty."""
    last_transition_time: Instant
    """When status, reason or message last changed."""
    observed_generation: Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})] = 0
    """The generation of the object that this was said about."""


class LocalReference(Model, frozen=True, kw_only=True):
    """An object in the same namespace, by name."""

    name: str
    """Name of the object."""


class KindReference(Model, frozen=True, kw_only=True):
    """An object of any kind, in this namespace unless another is named."""

    api_version: str = ""
    """API version of the object; empty means the one this engine serves."""
    kind: str
    """Kind of the object."""
    name: str
    """Name of the object."""
    namespace: str = ""
    """Namespace of the object; empty means the namespace of this one."""


class ReconcileStatus(Model, frozen=True, kw_only=True):
    """What the status of each reconciled kind holds."""

    observed_generation: Int64 = 0
    """The last generation that was reconciled to its end; -1 before the first time."""
    conditions: tuple[Condition, ...] = ()
    """State of the object: Ready sums it up."""
    last_handled_reconcile_at: str = ""
    """The last `reconcile.fluxcd.io/requestedAt` that was acted on."""


def has_mark(obj: Object, key: str, value: str) -> bool:
    """Whether a label or an annotation `key` of `obj` has `value`, in any case.

    Source: fluxcd/pkg ssa/utils AnyInMetadata.
    """
    metadata = obj["metadata"]
    for where in ("labels", "annotations"):  # plain, as it is asked a dozen times for each object
        marks = metadata.get(where)
        mark = marks.get(key) if marks else None
        if isinstance(mark, str) and mark.lower() == value.lower():
            return True
    return False
