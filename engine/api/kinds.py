"""The kinds that the engine serves: what each is called, and which model it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from engine.api.bucket import Bucket
from engine.api.chart import HelmChart, HelmRepository
from engine.api.helm import HelmRelease
from engine.api.kustomize import Kustomization
from engine.api.meta import (
    HELM_GROUP,
    KUSTOMIZE_GROUP,
    NOTIFICATION_GROUP,
    SOURCE_GROUP,
    Model,
)
from engine.api.notification import Alert, Provider, Receiver
from engine.api.oci import OCIRepository
from engine.api.source import ExternalArtifact, GitRepository


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"


_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
_STATUS = Column("Status", '.status.conditions[?(@.type=="Ready")].message')


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of ours; all are namespaced."""

    group: str
    version: str
    model: type[Model]
    plural: str
    category: str
    short_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = (_AGE, _READY, _STATUS)

    controller: str = ""
    """The Flux controller in whose name statuses and events are written; "" = nobody's."""

    reconciled: bool = True
    """False: static to us, or made by somebody else; no status of it is ours to write."""

    @property
    def name(self) -> str:
        """The kind, as in `kind:`."""
        return self.model.__name__

    @property
    def api_version(self) -> str:
        """Group and version, as in `apiVersion:`."""
        return f"{self.group}/{self.version}"

    @property
    def has_status(self) -> bool:
        """Whether there is a status, and so a status subresource."""
        return "status" in self.model.__struct_fields__

    @property
    def status_manager(self) -> str:
        """The field manager of status writes.

        Source: flux-behaviour 1.3: kustomize-controller alone has a prefix.
        """
        prefix = "gotk-" if self.group == KUSTOMIZE_GROUP else ""
        return prefix + self.controller


_SOURCES = "fluxcd-sources"
_APPLIERS = "fluxcd-appliers"
_NOTIFICATIONS = "fluxcd-notifications"

_ALL = (
    Kind(
        group=SOURCE_GROUP,
        version="v1",
        model=GitRepository,
        plural="gitrepositories",
        category=_SOURCES,
        short_names=("gitrepo",),
        columns=(Column("URL", ".spec.url"), _AGE, _READY, _STATUS),
        controller="source-controller",
    ),
    Kind(
        group=SOURCE_GROUP,
        version="v1",
        model=OCIRepository,
        plural="ocirepositories",
        category=_SOURCES,
        short_names=("ocirepo",),
        columns=(Column("URL", ".spec.url"), _READY, _STATUS, _AGE),
        controller="source-controller",
    ),
    Kind(
        group=SOURCE_GROUP,
        version="v1",
        model=Bucket,
        plural="buckets",
        category=_SOURCES,
        columns=(Column("Endpoint", ".spec.endpoint"), _AGE, _READY, _STATUS),
        controller="source-controller",
    ),
    Kind(
        group=SOURCE_GROUP,
        version="v1",
        model=HelmRepository,
        plural="helmrepositories",
        category=_SOURCES,
        short_names=("helmrepo",),
        columns=(Column("URL", ".spec.url"), _AGE, _READY, _STATUS),
        controller="source-controller",
    ),
    Kind(
        group=SOURCE_GROUP,
        version="v1",
        model=HelmChart,
        plural="helmcharts",
        category=_SOURCES,
        short_names=("hc",),
        columns=(
            Column("Chart", ".spec.chart"),
            Column("Version", ".spec.version"),
            Column("Source Kind", ".spec.sourceRef.kind"),
            Column("Source Name", ".spec.sourceRef.name"),
            _AGE,
            _READY,
            _STATUS,
        ),
        controller="source-controller",
    ),
    Kind(
        group=SOURCE_GROUP,
        version="v1",
        model=ExternalArtifact,
        plural="externalartifacts",
        category=_SOURCES,
        short_names=("ea",),
        columns=(_AGE, _READY, _STATUS, Column("Source", ".spec.sourceRef.name")),
        reconciled=False,
    ),
    Kind(
        group=KUSTOMIZE_GROUP,
        version="v1",
        model=Kustomization,
        plural="kustomizations",
        category=_APPLIERS,
        short_names=("ks",),
        controller="kustomize-controller",
    ),
    Kind(
        group=HELM_GROUP,
        version="v2",
        model=HelmRelease,
        plural="helmreleases",
        category=_APPLIERS,
        short_names=("hr",),
        controller="helm-controller",
    ),
    Kind(
        group=NOTIFICATION_GROUP,
        version="v1beta3",
        model=Provider,
        plural="providers",
        category=_NOTIFICATIONS,
        columns=(_AGE,),
        controller="notification-controller",
        reconciled=False,
    ),
    Kind(
        group=NOTIFICATION_GROUP,
        version="v1beta3",
        model=Alert,
        plural="alerts",
        category=_NOTIFICATIONS,
        columns=(_AGE,),
        controller="notification-controller",
        reconciled=False,
    ),
    Kind(
        group=NOTIFICATION_GROUP,
        version="v1",
        model=Receiver,
        plural="receivers",
        category=_NOTIFICATIONS,
        controller="notification-controller",
    ),
)

KINDS: Mapping[tuple[str, str], Kind] = MappingProxyType(
    {(kind.group, kind.name): kind for kind in _ALL}
)
"""By group and kind, in the order of the documentation: sources, appliers, notifications."""
