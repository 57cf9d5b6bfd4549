"""HelmRepository and HelmChart: where charts come from.

Source: flux-behaviour 3.7 and 3.8.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, field

from engine.api.duration import Interval, Timeout
from engine.api.meta import LocalReference, Model, ObjectMeta, Rule
from engine.api.oci import ChartVerification
from engine.api.source import DEFAULT_TIMEOUT, CloudProvider, SourceStatus

ReconcileStrategy: TypeAlias = Annotated[
    Literal["ChartVersion", "Revision"], Meta(extra_json_schema={"default": "ChartVersion"})
]
ChartRange: TypeAlias = Annotated[str, Meta(extra_json_schema={"default": "*"})]
ChartSourceKind: TypeAlias = Literal["HelmRepository", "GitRepository", "Bucket"]


class NamespaceSelector(Model, frozen=True, kw_only=True):
    """Namespaces by label."""

    match_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that a namespace must have; none means any namespace."""


class AccessFrom(Model, frozen=True, kw_only=True):
    """Who may refer to an object from elsewhere."""

    namespace_selectors: tuple[NamespaceSelector, ...]
    """Namespaces from which one may."""


class HelmRepositorySpec(Model, frozen=True, kw_only=True):
    """Which chart repository to read and with which credentials."""

    url: Annotated[str, Meta(pattern="^(http|https|oci)://.*$")]
    """Address of the repository."""
    type: Literal["default", "oci"] = "default"
    """`oci`: charts are in a container registry, and there is no index to fetch."""
    interval: Interval = Interval(60)
    """Time between two looks at the index; absent means one minute."""
    timeout: Timeout = DEFAULT_TIMEOUT
    """Longest time that fetching may take; absent means one minute."""
    provider: CloudProvider = "generic"
    """Who logs in to a registry: `generic` takes what the Secret has, others ask their cloud."""
    secret_ref: LocalReference | None = None
    """Secret with the credentials."""
    cert_secret_ref: LocalReference | None = None
    """Secret with a client certificate or the repository's certificate authority."""
    pass_credentials: bool = False
    """Whether hosts other than the repository's, where its charts may be, see the credentials."""
    insecure: bool = False
    """Whether to talk to the registry without TLS."""
    suspend: bool = False
    """Whether to stop fetching until further notice."""
    access_from: AccessFrom | None = None
    """Accepted and not looked at."""


class HelmRepositoryStatus(SourceStatus, frozen=True, kw_only=True):
    """What was fetched."""

    url: str = ""
    """Address that always serves the newest index."""


class HelmRepository(Model, frozen=True, kw_only=True):
    """A repository of Helm charts: an index over HTTP, or a container registry."""

    metadata: ObjectMeta
    spec: HelmRepositorySpec
    """What to read."""
    status: HelmRepositoryStatus = HelmRepositoryStatus(observed_generation=-1)
    """What was fetched."""


class ChartSource(Model, frozen=True, kw_only=True):
    """The source that holds a chart."""

    api_version: str = ""
    """API version of the source; empty means the one this engine serves."""
    kind: ChartSourceKind
    """Kind of the source."""
    name: str
    """Name of the source, in the same namespace."""


class HelmChartSpec(Model, frozen=True, kw_only=True):
    """Which chart to take from where."""

    chart: str
    """Name of the chart in a HelmRepository, or its folder in another source."""
    version: ChartRange = "*"
    """Range of versions; the newest in it is taken.  Only a HelmRepository has versions."""
    source_ref: ChartSource
    """The source that holds the chart."""
    interval: Interval
    """Time between two looks at the source when nothing announces a change."""
    reconcile_strategy: ReconcileStrategy = "ChartVersion"
    """What makes a new artifact: a new version of the chart, or any revision of its source."""
    values_files: tuple[str, ...] = ()
    """Files of values, merged in order, that take the place of the chart's own values."""
    ignore_missing_values_files: bool = False
    """Whether absent files of values are passed over."""
    verify: ChartVerification | None = None
    """Signatures to demand; only for a registry."""
    suspend: bool = False
    """Whether to stop until further notice."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
            "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
        ),
    )


class HelmChartStatus(SourceStatus, frozen=True, kw_only=True):
    """What was made, and of what."""

    url: str = ""
    """Address that always serves the newest artifact."""
    observed_chart_name: str = ""
    """Name of the chart in the current artifact."""
    observed_source_artifact_revision: str = ""
    """Revision of the source of which the current artifact was made."""
    observed_values_files: tuple[str, ...] = ()
    """`valuesFiles` of the current artifact."""


class HelmChart(Model, frozen=True, kw_only=True):
    """A Helm chart, taken from a source as one archive."""

    metadata: ObjectMeta
    spec: HelmChartSpec
    """What to take."""
    status: HelmChartStatus = HelmChartStatus(observed_generation=-1)
    """What was made."""
