"""HelmRelease: a chart, installed and kept as its spec says.

Source: flux-behaviour 5.1 and 5.3; the actions of 5.2 are in api/helm_action.py.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

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
from engine.api.chart import ChartRange, ChartSourceKind, ReconcileStrategy
from engine.api.duration import Duration, Interval
from engine.api.helm_action import ChartTest, Install, Rollback, Uninstall, Upgrade
from engine.api.meta import (
    Instant,
    Int64,
    LocalReference,
    Model,
    NamespaceName,
    ObjectMeta,
    ObjectName,
    ReconcileStatus,
    Rule,
)
from engine.api.oci import SignatureProvider


class TemplateSource(Model, frozen=True, kw_only=True):
    """The source that holds the chart."""

    api_version: str = ""
    """API version of the source; empty means the one this engine serves."""
    kind: ChartSourceKind
    """Kind of the source."""
    name: ObjectName
    """Name of the source."""
    namespace: NamespaceName = ""
    """Namespace of the source; empty means the namespace of this object."""


class TemplateVerification(Model, frozen=True, kw_only=True):
    """Which signatures the chart must carry."""

    provider: SignatureProvider = "cosign"
    """The format of signatures."""
    secret_ref: LocalReference | None = None
    """Secret with the public keys that are trusted; absent means keyless signatures."""


class ChartTemplateSpec(Model, frozen=True, kw_only=True):
    """Which chart to take from where."""

    chart: Annotated[str, Meta(min_length=1, max_length=2048)]
    """Name of the chart in a HelmRepository, or its folder in another source."""
    version: ChartRange = "*"
    """Range of versions; the newest in it is taken.  Only a HelmRepository has versions."""
    source_ref: TemplateSource
    """The source that holds the chart."""
    interval: Interval | None = None
    """Time between two looks at the source; absent means `spec.interval`."""
    reconcile_strategy: ReconcileStrategy = "ChartVersion"
    """What makes a new release: a new version of the chart, or any revision of its source."""
    values_files: tuple[str, ...] = ()
    """Files of values, merged in order, that take the place of the chart's own values."""
    ignore_missing_values_files: bool = False
    """Whether absent files of values are passed over."""
    verify: TemplateVerification | None = None
    """Signatures to demand."""


class ChartTemplate(Model, frozen=True, kw_only=True):
    """The HelmChart to make for this release."""

    metadata: CommonMetadata | None = None
    """Labels and annotations of the HelmChart."""
    spec: ChartTemplateSpec
    """Spec of the HelmChart."""


class ChartReference(Model, frozen=True, kw_only=True):
    """An object that has the chart as its artifact."""

    api_version: str = ""
    """API version of the object; empty means the one this engine serves."""
    kind: Literal["OCIRepository", "HelmChart", "ExternalArtifact"]
    """Kind of the object."""
    name: ObjectName
    """Name of the object."""
    namespace: NamespaceName = ""
    """Namespace of the object; empty means the namespace of this one."""


class ValuesReference(Model, frozen=True, kw_only=True):
    """Values from a ConfigMap or Secret."""

    kind: Literal["Secret", "ConfigMap"]
    """Secret or ConfigMap."""
    name: ObjectName
    """Name of the object, in the namespace of this one."""
    values_key: Annotated[str, Meta(max_length=253, pattern=r"^[\-._a-zA-Z0-9]+$")] = "values.yaml"
    """Key to read; `values.yaml` when absent."""
    target_path: Annotated[
        str, Meta(max_length=250, pattern=r"^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$")
    ] = ""
    """Place in the values to put the content at; empty means that it is a file of values."""
    optional: bool = False
    """Whether the object or its key may be absent."""
    literal: bool = False
    """Whether the content is put at `targetPath` as it is, commas and braces included."""


class KustomizeRenderer(Model, frozen=True, kw_only=True):
    """Changes as kustomize makes them."""

    patches: tuple[Patch, ...] = ()
    """Changes to the objects."""
    images: tuple[Image, ...] = ()
    """Container images to run instead of those of the chart."""


class PostRenderer(Model, frozen=True, kw_only=True):
    """A change to what the chart renders, before it is applied."""

    kustomize: KustomizeRenderer | None = None
    """Changes as kustomize makes them."""


class DriftDetection(Model, frozen=True, kw_only=True):
    """What to do about changes that others make."""

    mode: Literal["enabled", "warn", "disabled"] = "disabled"
    """Correct them, only tell of them, or do not look."""
    ignore: tuple[IgnoreRule, ...] = ()
    """Fields that others may change."""


class WaitStrategy(Model, frozen=True, kw_only=True):
    """How to find out whether a release is ready."""

    name: Literal["poller", "legacy"]
    """`poller` reads health as for a Kustomization, `legacy` as Helm does."""


class HelmReleaseSpec(Model, frozen=True, kw_only=True):
    """Which chart to install with which values, and what to do when that fails."""

    interval: Interval
    """Time between two checks when nothing happens."""
    chart: ChartTemplate | None = None
    """The HelmChart to make for this release; or use `chartRef`."""
    chart_ref: ChartReference | None = None
    """The object that has the chart; or use `chart`."""
    suspend: bool = False
    """Whether to leave everything as it is until further notice."""
    release_name: Annotated[str, Meta(min_length=1, max_length=53)] = ""
    """Name of the release; by default made of target namespace and name."""
    target_namespace: NamespaceName = ""
    """Namespace to install in; empty means the namespace of this object."""
    storage_namespace: NamespaceName = ""
    """Namespace for Helm's own records; empty means the namespace of this object."""
    depends_on: tuple[DependencyReference, ...] = ()
    """HelmReleases that must be ready first."""
    timeout: Interval | None = None
    """Longest time of an action that sets none of its own; absent means five minutes."""
    max_history: int = 5
    """Releases that Helm keeps; 0 means all."""
    service_account_name: ObjectName = ""
    """ServiceAccount to act as, in the namespace of this object."""
    kube_config: KubeConfig | None = None
    """The remote cluster to install in; absent means this one."""
    persistent_client: bool = True
    """Whether one client serves the whole reconcile; false for charts that make kinds in hooks."""
    drift_detection: DriftDetection | None = None
    """What to do about changes that others make; absent means nothing."""
    install: Install | None = None
    """How to install."""
    upgrade: Upgrade | None = None
    """How to upgrade."""
    test: ChartTest | None = None
    """Whether and how to run the chart's tests."""
    rollback: Rollback | None = None
    """How to roll back."""
    uninstall: Uninstall | None = None
    """How to uninstall."""
    values: Any = None
    """Values for the chart; they win over those of `valuesFrom`."""
    values_from: tuple[ValuesReference, ...] = ()
    """Where more values come from; later ones win."""
    common_metadata: CommonMetadata | None = None
    """Labels and annotations for all objects."""
    post_renderers: tuple[PostRenderer, ...] = ()
    """Changes to what the chart renders, in order."""
    post_render_strategy: Literal["nohooks", "combined", "separate"] = "combined"
    """Whether hooks are changed too, and if so with the rest or on their own."""
    wait_strategy: WaitStrategy | None = None
    """How to find out whether a release is ready."""
    health_check_exprs: tuple[HealthCheckExpression, ...] = ()
    """How to read the health of custom kinds."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.chart) && !has(self.chartRef)) || (!has(self.chart) && has(self.chartRef))",
            "either chart or chartRef must be set",
        ),
    )


class HookRun(Model, frozen=True, kw_only=True):
    """How one of the chart's tests went."""

    last_started: Instant | None = None
    """When it last began."""
    last_completed: Instant | None = None
    """When it last ended."""
    phase: str = ""
    """How it ended."""


class ReleaseSnapshot(Model, frozen=True, kw_only=True):
    """A release as it was when the engine last acted on it."""

    api_version: str = ""
    """Version of the form in which `digest` was taken."""
    digest: str
    """Digest of Helm's record of the release."""
    name: str
    """Name of the release."""
    namespace: str
    """Namespace of the release."""
    version: int
    """Number of the release, counted up by Helm."""
    status: str
    """Helm's word for its state, such as `deployed`."""
    action: str = ""
    """The action that led there, such as `upgrade`."""
    chart_name: str
    """Name of the chart."""
    chart_version: str
    """Version of the chart."""
    app_version: str = ""
    """Version of what the chart installs."""
    config_digest: str
    """Digest of the values."""
    first_deployed: Instant
    """When a release of this name was first installed."""
    last_deployed: Instant
    """When this one was installed."""
    deleted: Instant | None = None
    """When it was uninstalled."""
    test_hooks: Mapping[str, HookRun] = field(default_factory=dict)
    """How the chart's tests went, by name."""
    oci_digest: str = ""
    """Digest of the artifact in the registry that held the chart."""


class HelmReleaseStatus(ReconcileStatus, frozen=True, kw_only=True):
    """What was installed, and how it went."""

    helm_chart: str = ""
    """The HelmChart made for this release, as `namespace/name`."""
    storage_namespace: NamespaceName = ""
    """Namespace of Helm's records of the current release."""
    history: tuple[ReleaseSnapshot, ...] = ()
    """The last releases, newest first."""
    inventory: Inventory | None = None
    """Objects of the current release."""
    last_attempted_generation: Int64 = 0
    """Generation of this object that was last tried."""
    last_attempted_revision: str = ""
    """Version of the chart that was last tried."""
    last_attempted_revision_digest: str = ""
    """Digest of the artifact that was last tried, where the chart is in a registry."""
    last_attempted_config_digest: str = ""
    """Digest of the values that were last tried."""
    last_attempted_release_action: Literal["install", "upgrade"] | None = None
    """What was last tried."""
    last_attempted_release_action_duration: Duration | None = None
    """How long that took."""
    failures: Int64 = 0
    """Failures in a row."""
    install_failures: Int64 = 0
    """Failed installs in a row."""
    upgrade_failures: Int64 = 0
    """Failed upgrades in a row."""
    observed_post_renderers_digest: str = ""
    """Digest of `postRenderers` of the current release."""
    observed_common_metadata_digest: str = ""
    """Digest of `commonMetadata` of the current release."""
    last_handled_force_at: str = ""
    """The last `reconcile.fluxcd.io/forceAt` that was acted on."""
    last_handled_reset_at: str = ""
    """The last `reconcile.fluxcd.io/resetAt` that was acted on."""
    last_attempted_values_checksum: str = ""
    """No longer written."""
    last_release_revision: int = 0
    """No longer written."""


class HelmRelease(Model, frozen=True, kw_only=True):
    """A Helm chart, installed and kept as wanted."""

    metadata: ObjectMeta
    spec: HelmReleaseSpec
    """What is wanted."""
    status: HelmReleaseStatus = HelmReleaseStatus(observed_generation=-1)
    """What was done."""
