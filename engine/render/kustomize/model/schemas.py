"""What kustomize knows of kinds: which have no namespace, and how their lists merge.

kustomize carries the OpenAPI of Kubernetes 1.21, and what it does not know it treats differently,
so the newer table of `engine.objects.schema` is narrowed to that release here.  A kustomization may
bring its own OpenAPI document, which takes the built-in one's place for merging.
Source: kyaml openapi/openapi.go.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from engine.objects.schema import kind_schema
from engine.render.kustomize.model.ids import Gvk
from engine.render.kustomize.model.scalars import text_of
from engine.render.kustomize.model.shapes import Shape, Types, fields_of

_VERSIONS: Mapping[str, str] = {
    "": "v1",
    "admissionregistration.k8s.io": "v1 v1beta1",
    "apiextensions.k8s.io": "v1 v1beta1",
    "apiregistration.k8s.io": "v1 v1beta1",
    "apps": "v1",
    "autoscaling": "v1 v2beta1 v2beta2",
    "batch": "v1 v1beta1",
    "certificates.k8s.io": "v1 v1beta1",
    "coordination.k8s.io": "v1 v1beta1",
    "discovery.k8s.io": "v1 v1beta1",
    "events.k8s.io": "v1 v1beta1",
    "extensions": "v1beta1",
    "flowcontrol.apiserver.k8s.io": "v1beta1",
    "networking.k8s.io": "v1 v1beta1",
    "node.k8s.io": "v1 v1beta1",
    "policy": "v1 v1beta1",
    "rbac.authorization.k8s.io": "v1 v1beta1",
    "scheduling.k8s.io": "v1 v1beta1",
    "storage.k8s.io": "v1 v1beta1",
}
"""The groups and versions of Kubernetes 1.21."""

_CLUSTER_SCOPED: Mapping[str, str] = {
    "": "ComponentStatus Namespace Node NodeProxyOptions PersistentVolume",
    "admissionregistration.k8s.io": (
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration"
        " ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding"
    ),
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "certificates.k8s.io": "CertificateSigningRequest",
    "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io": "IngressClass",
    "node.k8s.io": "RuntimeClass",
    "policy": "PodSecurityPolicy",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "scheduling.k8s.io": "PriorityClass",
    "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment",
}
_V1_ONLY = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "CSINode"}
_V1BETA1_ONLY = {"PodSecurityPolicy"}


class Schemas(Protocol):
    """What a build knows of kinds."""

    def is_cluster_scoped(self, api_version: str, kind: str) -> bool:
        """True only if the kind is known to have no namespace."""
        ...

    def shape(self, obj: Any) -> Shape | None:
        """The type of an object, None if it says none or one that is not known."""
        ...

    def described(self, node: Mapping[str, Any]) -> Shape | None:
        """The type that an OpenAPI node describes, which may refer to others."""
        ...


class BuiltInSchemas:
    """The kinds of Kubernetes 1.21."""

    def is_cluster_scoped(self, api_version: str, kind: str) -> bool:
        """True only if the kind is known to have no namespace."""
        return _is_cluster_scoped(api_version, kind)

    def shape(self, obj: Any) -> Shape | None:
        """The type of an object, None if it says none or one that is not known."""
        gvk = _gvk(obj)
        return None if gvk is None else _of_kind(gvk, _BUILT_IN)

    def described(self, node: Mapping[str, Any]) -> Shape | None:
        """The type that an OpenAPI node describes, which may refer to others."""
        return _BUILT_IN.described(node)


class OpenApiSchemas:
    """The kinds of an OpenAPI v2 document that the kustomization names.

    Scopes of built-in kinds stay known; how they merge only if asked for.
    """

    def __init__(self, document: Mapping[str, Any], *, keeps_built_in: bool = False) -> None:
        """document: an OpenAPI document with `definitions`, and `paths` that tell scopes."""
        self._types = Types(fields_of(document.get("definitions")), keeps_built_in=keeps_built_in)
        self._kinds: dict[Gvk, Mapping[str, Any]] = {}
        for node in self._types.definitions.values():
            for gvk in _declared(node):
                self._kinds[gvk] = node
        self._cluster_scoped = _cluster_scoped(fields_of(document.get("paths")))

    def is_cluster_scoped(self, api_version: str, kind: str) -> bool:
        """True only if the kind is known to have no namespace."""
        if is_listed(api_version, kind):
            return _is_cluster_scoped(api_version, kind)
        return Gvk.of(api_version, kind) in self._cluster_scoped

    def shape(self, obj: Any) -> Shape | None:
        """The type of an object, None if it is not known."""
        gvk = _gvk(obj)
        if gvk is None:
            return None
        node = self._kinds.get(gvk)
        return _of_kind(gvk, self._types) if node is None else self._types.described(node)

    def described(self, node: Mapping[str, Any]) -> Shape | None:
        """The type that an OpenAPI node describes, which may refer to others."""
        return self._types.described(node)


_BUILT_IN = Types({}, keeps_built_in=True)


def _cluster_scoped(paths: Mapping[str, Any]) -> frozenset[Gvk]:
    """The kinds that can be got, but by no path that has a namespace in it."""
    scopes: dict[Gvk, bool] = {}
    for path, methods in paths.items():
        got = fields_of(fields_of(methods).get("get")).get("x-kubernetes-group-version-kind")
        for gvk in _declared({"x-kubernetes-group-version-kind": [got]}):
            scopes[gvk] = scopes.get(gvk, True) and "namespaces/{namespace}" not in path
    return frozenset(gvk for gvk, is_cluster in scopes.items() if is_cluster)


@lru_cache(maxsize=1000)
def is_listed(api_version: str, kind: str) -> bool:
    """Whether kustomize has the kind's scope in a table: that of the kinds of Kubernetes 1.21."""
    gvk = Gvk.of(api_version, kind)
    if not api_version or not _is_known(gvk):
        return False
    return kind_schema(gvk.group, gvk.version, kind) is not None or _is_cluster_scoped(
        api_version, kind
    )


@lru_cache(maxsize=1000)
def _is_cluster_scoped(api_version: str, kind: str) -> bool:
    gvk = Gvk.of(api_version, kind)
    if kind not in _CLUSTER_SCOPED.get(gvk.group, "").split() or not _is_known(gvk):
        return False
    return kind not in {"v1": _V1BETA1_ONLY, "v1beta1": _V1_ONLY}.get(gvk.version, set())


def _of_kind(gvk: Gvk, types: Types) -> Shape | None:
    """A built-in kind; an old version merges like the one that replaced it."""
    if not _is_known(gvk):
        return None
    found = types.of_kind(gvk.group, gvk.version, gvk.kind)
    return found or types.of_kind(gvk.group, "v1", gvk.kind)


def _gvk(obj: Any) -> Gvk | None:
    if not isinstance(obj, dict) or "kind" not in obj or "apiVersion" not in obj:
        return None
    return Gvk.of(text_of(obj["apiVersion"]), text_of(obj["kind"]))


def _is_known(gvk: Gvk) -> bool:
    return gvk.version in _VERSIONS.get(gvk.group, "").split()


def _declared(node: Any) -> list[Gvk]:
    declared = node.get("x-kubernetes-group-version-kind") if isinstance(node, dict) else None
    return [
        Gvk(str(item.get("group") or ""), str(item["version"]), str(item["kind"]))
        for item in declared or []
        if isinstance(item, dict) and "version" in item and "kind" in item
    ]
