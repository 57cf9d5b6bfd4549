"""Which fields hold the name of another resource, as data.

Facts from kustomize api/internal/konfig/builtinpluginconsts/namereference.go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.render.kustomize.config.defaults import TEMPLATES
from engine.render.kustomize.model.fields import FieldSpec
from engine.render.kustomize.model.ids import Gvk


@dataclass(frozen=True, slots=True)
class NameReference:
    """The fields that may name a resource of the kind `target`."""

    target: Gvk
    referrers: tuple[FieldSpec, ...]


_SPEC_OWNERS = (
    *((Gvk(kind=kind), template) for kind, template in TEMPLATES.items() if kind != "Pod"),
    (Gvk(version="v1", kind="Pod"), ""),
)
"""Who holds a pod spec that may name ConfigMaps and Secrets."""
_ENVIRONMENT = tuple(
    f"{containers}/{field}"
    for containers in ("containers", "initContainers")
    for field in ("env/valueFrom/{kind}KeyRef/name", "envFrom/{kind}Ref/name")
)
_TEMPLATED: Mapping[str, str] = {
    "Pod": "",
    "StatefulSet": "spec/template/",
    "Deployment": "spec/template/",
    "ReplicationController": "spec/template/",
    "CronJob": "spec/jobTemplate/spec/template/",
    "Job": "spec/template/",
    "DaemonSet": "spec/template/",
}
"""Who holds a pod spec that may name what the others are about."""


def _in_pods(kind: str, *fields: str) -> Iterable[FieldSpec]:
    """Fields of a pod spec that may name a ConfigMap or Secret."""
    for gvk, template in _SPEC_OWNERS:
        for field in (*_ENVIRONMENT, f"volumes/projected/sources/{kind}/name", *fields):
            yield FieldSpec(f"{template}spec/{field.format(kind=kind)}", gvk)


def _in_templates(field: str) -> Iterable[FieldSpec]:
    for kind, template in _TEMPLATED.items():
        yield FieldSpec(f"{template}spec/{field}", Gvk(kind=kind))


def _of(kind: str, *paths: str, group: str = "", version: str = "") -> Iterable[FieldSpec]:
    for path in paths:
        yield FieldSpec(path, Gvk(group, version, kind))


_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
_ANNOTATION = "metadata/annotations/"
_SCALED = tuple(_of("HorizontalPodAutoscaler", "spec/scaleTargetRef/name"))

NAME_REFERENCES: tuple[NameReference, ...] = (
    *(
        NameReference(Gvk(kind=kind), _SCALED)
        for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")
    ),
    NameReference(
        Gvk(version="v1", kind="ConfigMap"),
        (
            *_in_pods("configMap", "volumes/configMap/name"),
            *_of("Node", "spec/configSource/configMap"),
            *_of("Role", "rules/resourceNames"),
            *_of("ClusterRole", "rules/resourceNames"),
            *_of("Ingress", _ANNOTATION + r"nginx.ingress.kubernetes.io\/fastcgi-params-configmap"),
        ),
    ),
    NameReference(
        Gvk(version="v1", kind="Secret"),
        (
            *_in_pods("secret", "volumes/secret/secretName", "imagePullSecrets/name"),
            *_of(
                "Ingress",
                "spec/tls/secretName",
                _ANNOTATION + r"ingress.kubernetes.io\/auth-secret",
                _ANNOTATION + r"nginx.ingress.kubernetes.io\/auth-secret",
                _ANNOTATION + r"nginx.ingress.kubernetes.io\/auth-tls-secret",
            ),
            *_of("ServiceAccount", "imagePullSecrets/name"),
            *_of(
                "StorageClass",
                "parameters/secretName",
                "parameters/adminSecretName",
                "parameters/userSecretName",
                "parameters/secretRef",
            ),
            *_of("Role", "rules/resourceNames"),
            *_of("ClusterRole", "rules/resourceNames"),
            *_of(
                "Service",
                "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
                group="serving.knative.dev",
                version="v1",
            ),
            *_of("PersistentVolume", "spec/azureFile/secretName"),
        ),
    ),
    NameReference(
        Gvk(version="v1", kind="Service"),
        (
            *_of("StatefulSet", "spec/serviceName", group="apps"),
            *_of(
                "Ingress",
                "spec/rules/http/paths/backend/serviceName",
                "spec/backend/serviceName",
                "spec/rules/http/paths/backend/service/name",
                "spec/defaultBackend/service/name",
            ),
            *_of("APIService", "spec/service/name", group="apiregistration.k8s.io"),
            *_of(
                "ValidatingWebhookConfiguration", "webhooks/clientConfig/service", group=_ADMISSION
            ),
            *_of("MutatingWebhookConfiguration", "webhooks/clientConfig/service", group=_ADMISSION),
        ),
    ),
    NameReference(Gvk(_RBAC, "", "Role"), tuple(_of("RoleBinding", "roleRef/name", group=_RBAC))),
    NameReference(
        Gvk(_RBAC, "", "ClusterRole"),
        (
            *_of("RoleBinding", "roleRef/name", group=_RBAC),
            *_of("ClusterRoleBinding", "roleRef/name", group=_RBAC),
        ),
    ),
    NameReference(
        Gvk(version="v1", kind="ServiceAccount"),
        (
            *_of("RoleBinding", "subjects", group=_RBAC),
            *_of("ClusterRoleBinding", "subjects", group=_RBAC),
            *_in_templates("serviceAccountName"),
        ),
    ),
    NameReference(
        Gvk(version="v1", kind="PersistentVolumeClaim"),
        tuple(_in_templates("volumes/persistentVolumeClaim/claimName")),
    ),
    NameReference(
        Gvk(version="v1", kind="PersistentVolume"),
        (
            *_of("PersistentVolumeClaim", "spec/volumeName"),
            *_of("ClusterRole", "rules/resourceNames"),
        ),
    ),
    NameReference(
        Gvk("storage.k8s.io", "v1", "StorageClass"),
        (
            *_of("PersistentVolume", "spec/storageClassName"),
            *_of("PersistentVolumeClaim", "spec/storageClassName"),
            *_of("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
        ),
    ),
    NameReference(
        Gvk("scheduling.k8s.io", "v1", "PriorityClass"),
        tuple(_in_templates("priorityClassName")),
    ),
    # The group is written so there too: it matches nothing, and neither does it here.
    NameReference(
        Gvk("networking.k8s.io/v1", "v1", "IngressClass"),
        tuple(_of("Ingress", "spec/ingressClassName")),
    ),
    NameReference(
        Gvk(_ADMISSION, "", "ValidatingAdmissionPolicy"),
        tuple(_of("ValidatingAdmissionPolicyBinding", "spec/policyName", group=_ADMISSION)),
    ),
)
