"""What Kustomization and HelmRelease share: dependencies, patches, health checks, inventory.

Source: flux-behaviour 1.9, 1.10, 4.1, 4.2 and 5.1.
"""

from collections.abc import Mapping
from typing import ClassVar

from msgspec import field

from engine.api.meta import LocalReference, Model, Rule


class DependencyReference(Model, frozen=True, kw_only=True):
    """An object of the same kind that must be ready first."""

    name: str
    """Name of the object that must be ready first."""
    namespace: str = ""
    """Its namespace; empty means the namespace of this object."""
    ready_expr: str = ""
    """CEL expression of `self` and `dep` that decides readiness instead of the Ready condition."""


class Selector(Model, frozen=True, kw_only=True):
    """Objects by identity and labels; what is empty matches all."""

    group: str = ""
    """API group, as an anchored regular expression."""
    version: str = ""
    """API version, as an anchored regular expression."""
    kind: str = ""
    """Kind, as an anchored regular expression."""
    name: str = ""
    """Name, as an anchored regular expression."""
    namespace: str = ""
    """Namespace, as an anchored regular expression."""
    label_selector: str = ""
    """Label selector in the syntax of kubectl."""
    annotation_selector: str = ""
    """The same syntax, for annotations."""


class Patch(Model, frozen=True, kw_only=True):
    """A change to objects of the build."""

    patch: str
    """Strategic merge or JSON 6902 patch, as YAML text."""
    target: Selector | None = None
    """The objects to change; absent for a strategic merge patch that names its object."""


class Image(Model, frozen=True, kw_only=True):
    """What to run instead of a container image."""

    name: str
    """Image name as the manifests have it, without tag."""
    new_name: str = ""
    """Name to use instead."""
    new_tag: str = ""
    """Tag to use instead."""
    digest: str = ""
    """Digest to use; wins over the tag."""


class CommonMetadata(Model, frozen=True, kw_only=True):
    """Labels and annotations for each object, over its own; selectors stay as they are."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels to set."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations to set."""


class HealthCheckExpression(Model, frozen=True, kw_only=True):
    """How to read the health of a custom kind: CEL over the fields of the live object."""

    api_version: str
    """API version of the kind."""
    kind: str = ""
    """The kind; empty means all kinds of the group."""
    current: str
    """True when the object is healthy."""
    in_progress: str = ""
    """True while it is on its way; tried first."""
    failed: str = ""
    """True when it failed; tried second."""


class IgnoreRule(Model, frozen=True, kw_only=True):
    """Fields in which live objects may differ."""

    paths: tuple[str, ...]
    """JSON pointers to the fields."""
    target: Selector | None = None
    """The objects meant; absent means all."""


class KubeConfigSecret(Model, frozen=True, kw_only=True):
    """A Secret with a kubeconfig."""

    name: str
    """Name of the Secret."""
    key: str = ""
    """Key of the kubeconfig; empty means `value`, then `value.yaml`."""


class KubeConfig(Model, frozen=True, kw_only=True):
    """The remote cluster to work on, and how to get in."""

    secret_ref: KubeConfigSecret | None = None
    """A kubeconfig with its credentials inside."""
    config_map_ref: LocalReference | None = None
    """A ConfigMap that says how to log in with a workload identity."""

    rules: ClassVar[tuple[Rule, ...]] = tuple(
        Rule(
            rule,
            "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef"
            " must be specified",
        )
        for rule in (
            "has(self.configMapRef) || has(self.secretRef)",
            "!has(self.configMapRef) || !has(self.secretRef)",
        )
    )


class InventoryEntry(Model, frozen=True, kw_only=True):
    """One object that was applied."""

    id: str
    """`<namespace>_<name>_<group>_<kind>`."""
    v: str
    """API version without the group."""


class Inventory(Model, frozen=True, kw_only=True):
    """All objects that were applied and are looked after."""

    entries: tuple[InventoryEntry, ...]
    """The objects, in the order in which they are applied."""
