"""The fields that kustomize's transformers know by themselves, as data.

Facts from kustomize api/internal/konfig/builtinpluginconsts, arranged by where a kind has its pod
template; each table is what `configurations` files extend.
"""

from collections.abc import Iterable, Mapping

from engine.render.kustomize.model.fields import FieldSpec
from engine.render.kustomize.model.ids import Gvk

_APPS_V1: Mapping[str, Gvk] = {
    "ReplicationController": Gvk(version="v1", kind="ReplicationController"),
    "Deployment": Gvk(kind="Deployment"),
    "ReplicaSet": Gvk(kind="ReplicaSet"),
    "DaemonSet": Gvk(kind="DaemonSet"),
    "StatefulSet": Gvk(group="apps", kind="StatefulSet"),
    "Job": Gvk(group="batch", kind="Job"),
}
"""Kinds with their pod template in spec.template, as labels tell them apart."""
_CRON_JOB = Gvk(group="batch", kind="CronJob")

TEMPLATES: Mapping[str, str] = {
    "Pod": "",
    "PodTemplate": "template/",
    "Deployment": "spec/template/",
    "ReplicaSet": "spec/template/",
    "DaemonSet": "spec/template/",
    "StatefulSet": "spec/template/",
    "Job": "spec/template/",
    "CronJob": "spec/jobTemplate/spec/template/",
}
"""Where a kind keeps the pod that it makes."""


def _metadata(key: str, kinds: Iterable[Gvk]) -> tuple[FieldSpec, ...]:
    """`metadata.<key>` of every object, and of the templates in it."""
    return (
        FieldSpec(f"metadata/{key}", create=True),
        *(FieldSpec(f"spec/template/metadata/{key}", kind, create=True) for kind in kinds),
        FieldSpec(f"spec/jobTemplate/metadata/{key}", _CRON_JOB, create=True),
        FieldSpec(f"spec/jobTemplate/spec/template/metadata/{key}", _CRON_JOB, create=True),
    )


def _affinity(gvk: Gvk) -> Iterable[FieldSpec]:
    for kind in ("podAffinity", "podAntiAffinity"):
        base = f"spec/template/spec/affinity/{kind}/"
        for term in ("preferred", "required"):
            between = "podAffinityTerm/" if term == "preferred" else ""
            rule = f"{term}DuringSchedulingIgnoredDuringExecution/"
            yield FieldSpec(f"{base}{rule}{between}labelSelector/matchLabels", gvk)
    yield FieldSpec("spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels", gvk)


_NETWORK_POLICY = Gvk(group="networking.k8s.io", kind="NetworkPolicy")
_SELECTORS = (
    FieldSpec("spec/selector", Gvk(version="v1", kind="Service"), create=True),
    FieldSpec("spec/selector", _APPS_V1["ReplicationController"], create=True),
    FieldSpec("spec/selector/matchLabels", _APPS_V1["Deployment"], create=True),
    *_affinity(Gvk(group="apps", kind="Deployment")),
    FieldSpec("spec/selector/matchLabels", _APPS_V1["ReplicaSet"], create=True),
    FieldSpec("spec/selector/matchLabels", _APPS_V1["DaemonSet"], create=True),
    FieldSpec("spec/selector/matchLabels", _APPS_V1["StatefulSet"], create=True),
    *_affinity(Gvk(group="apps", kind="StatefulSet")),
    FieldSpec("spec/selector/matchLabels", _APPS_V1["Job"]),
    FieldSpec("spec/jobTemplate/spec/selector/matchLabels", _CRON_JOB),
    FieldSpec("spec/selector/matchLabels", Gvk(group="policy", kind="PodDisruptionBudget")),
    FieldSpec("spec/podSelector/matchLabels", _NETWORK_POLICY),
    FieldSpec("spec/ingress/from/podSelector/matchLabels", _NETWORK_POLICY),
    FieldSpec("spec/egress/to/podSelector/matchLabels", _NETWORK_POLICY),
)

NAMES = (FieldSpec("metadata/name"),)
TEMPLATE_LABELS = _metadata("labels", _APPS_V1.values())
CLAIM_LABELS = (
    FieldSpec("spec/volumeClaimTemplates[]/metadata/labels", _APPS_V1["StatefulSet"], create=True),
)
COMMON_LABELS = (*_SELECTORS, *TEMPLATE_LABELS, *CLAIM_LABELS)
COMMON_ANNOTATIONS = _metadata(
    "annotations", (*list(_APPS_V1.values())[:4], Gvk(kind="StatefulSet"), _APPS_V1["Job"])
)
NAMESPACE = (
    FieldSpec("metadata/name", Gvk(kind="Namespace"), create=True),
    FieldSpec(
        "spec/service/namespace",
        Gvk(group="apiregistration.k8s.io", kind="APIService"),
        create=True,
    ),
    FieldSpec(
        "spec/conversion/webhook/clientConfig/service/namespace",
        Gvk(group="apiextensions.k8s.io", kind="CustomResourceDefinition"),
    ),
)
IMAGES = tuple(
    FieldSpec(f"{spec}/{field}", create=True)
    for spec in ("spec", "spec/template/spec")
    for field in ("containers[]/image", "initContainers[]/image", "volumes[]/image/reference")
)
REPLICAS = tuple(
    FieldSpec("spec/replicas", Gvk(kind=kind), create=True)
    for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")
)


def _variables() -> Iterable[FieldSpec]:
    container = ("args", "command", "env/value", "volumeMounts/mountPath")
    for kind, template in TEMPLATES.items():
        if kind == "PodTemplate":
            continue
        for containers in ("containers", "initContainers"):
            for field in container:
                yield FieldSpec(f"{template}spec/{containers}/{field}", Gvk(kind=kind))
    for kind in ("DaemonSet", "Deployment", "Job", "ReplicaSet"):
        yield FieldSpec("spec/template/spec/volumes/nfs/server", Gvk(kind=kind))
    for kind, path in _OTHER_VARIABLES:
        yield FieldSpec(path, Gvk(kind=kind))


_OTHER_VARIABLES = (
    ("CronJob", "spec/jobTemplate/spec/template/volumes/nfs/server"),
    ("Deployment", "spec/template/metadata/annotations"),
    ("Ingress", "spec/rules/host"),
    ("Ingress", "spec/tls/hosts"),
    ("Ingress", "spec/tls/secretName"),
    ("Pod", "spec/volumes/nfs/server"),
    ("Service", "spec/ports/port"),
    ("Service", "spec/ports/targetPort"),
    ("StatefulSet", "spec/volumeClaimTemplates/spec/nfs/server"),
    ("PersistentVolume", "spec/nfs/server"),
    ("", "metadata/labels"),
    ("", "metadata/annotations"),
)
VARIABLES = tuple(_variables())
