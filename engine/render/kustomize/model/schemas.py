"""What kustomize knows of kinds: which have no namespace, and how their lists merge.

kustomize carries the OpenAPI of Kubernetes 1.21, and what it does not know it treats differently,
so the newer table of `engine.objects.schema` is narrowed to that release here.  A kustomization may
bring its own OpenAPI document, which takes the built-in one's place for merging.
Source: kyaml openapi/openapi.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from engine.objects.schema import Schema, kind_schema
from engine.render.kustomize.model.ids import Gvk
from engine.render.kustomize.model.scalars import text_of

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
_YOUNGER = {"schedulingGates", "resourceClaims"}
"""Fields with merge keys that Kubernetes 1.21 did not have."""


class Shape(Protocol):
    """As much of a type as merging needs; `engine.objects.schema.Schema` is one."""

    @property
    def patch_strategy(self) -> str:
        """`merge`, `retainKeys`, `merge,retainKeys` or empty."""
        ...

    @property
    def patch_merge_key(self) -> str:
        """The field that tells a list's elements apart, empty for scalars."""
        ...

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """The fields that tell them apart where it takes several."""
        ...

    @property
    def items(self) -> "Shape | None":
        """What a list holds."""
        ...

    def property(self, name: str) -> "Shape | None":
        """What a map holds there."""
        ...


class Schemas(Protocol):
    """What a build knows of kinds."""

    def is_cluster_scoped(self, api_version: str, kind: str) -> bool:
        """True only if the kind is known to have no namespace."""
        ...

    def shape(self, obj: Any) -> Shape | None:
        """The type of an object, None if it says none or one that is not known."""
        ...


class BuiltInSchemas:
    """The kinds of Kubernetes 1.21."""

    def is_cluster_scoped(self, api_version: str, kind: str) -> bool:
        """True only if the kind is known to have no namespace."""
        return _is_cluster_scoped(api_version, kind)

    def shape(self, obj: Any) -> Shape | None:
        """The type of an object, None if it says none or one that is not known."""
        gvk = _gvk(obj)
        if gvk is None or not _is_known(gvk):
            return None
        schema = kind_schema(gvk.group, gvk.version, gvk.kind)
        return _Narrowed.of(schema or kind_schema(gvk.group, "v1", gvk.kind))


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """A schema without the fields that are too young."""

    schema: Schema

    @classmethod
    def of(cls, schema: Schema | None) -> "_Narrowed | None":
        return None if schema is None else cls(schema)

    @property
    def patch_strategy(self) -> str:
        return self.schema.patch_strategy

    @property
    def patch_merge_key(self) -> str:
        return self.schema.patch_merge_key

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        return self.schema.list_map_keys

    @property
    def items(self) -> "_Narrowed | None":
        return self.of(self.schema.items)

    def property(self, name: str) -> "_Narrowed | None":
        return None if name in _YOUNGER else self.of(self.schema.property(name))


class OpenApiSchemas:
    """The kinds of an OpenAPI v2 document that the kustomization names.

    Scopes of built-in kinds stay known; how they merge only if asked for.
    """

    def __init__(self, document: Mapping[str, Any], *, keeps_built_in: bool = False) -> None:
        """document: an OpenAPI document with `definitions`."""
        self._keeps_built_in = keeps_built_in
        definitions = document.get("definitions")
        self._definitions = definitions if isinstance(definitions, dict) else {}
        self._built_in = BuiltInSchemas()
        self._kinds: dict[Gvk, Mapping[str, Any]] = {}
        for node in self._definitions.values():
            for gvk in _declared(node):
                self._kinds[gvk] = node

    def is_cluster_scoped(self, api_version: str, kind: str) -> bool:
        """True only if the kind is known to have no namespace."""
        return self._built_in.is_cluster_scoped(api_version, kind)

    def shape(self, obj: Any) -> Shape | None:
        """The type of an object, None if it is not known."""
        gvk = _gvk(obj)
        node = self._kinds.get(gvk) if gvk else None
        if node is not None:
            return _Node(node, self._definitions)
        return self._built_in.shape(obj) if self._keeps_built_in else None


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of an OpenAPI v2 document."""

    node: Mapping[str, Any]
    definitions: Mapping[str, Any] = field(repr=False)

    @property
    def patch_strategy(self) -> str:
        return str(self.node.get("x-kubernetes-patch-strategy", ""))

    @property
    def patch_merge_key(self) -> str:
        return str(self.node.get("x-kubernetes-patch-merge-key", ""))

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        return tuple(self.node.get("x-kubernetes-list-map-keys", ()))

    @property
    def items(self) -> "_Node | None":
        return self._resolved(self.node.get("items")) if self.node.get("type") == "array" else None

    def property(self, name: str) -> "_Node | None":
        properties = self.node.get("properties")
        known = properties if isinstance(properties, dict) else {}
        return self._resolved(known.get(name, self.node.get("additionalProperties")))

    def _resolved(self, node: Any) -> "_Node | None":
        for _ in range(len(self.definitions) + 1):
            if not isinstance(node, dict) or "$ref" not in node:
                break
            node = self.definitions.get(str(node["$ref"]).removeprefix("#/definitions/"))
        else:  # it refers to itself
            return None
        return _Node(node, self.definitions) if isinstance(node, dict) else None


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
