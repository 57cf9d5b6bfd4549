"""In which order objects are applied: groups that wait for each other, kinds inside a group.

Source: fluxcd/pkg ssa (stages and kind order of server-side apply).
"""

from collections.abc import Iterable
from enum import IntEnum

from engine.objects.ref import Ref


class Group(IntEnum):
    """What is applied together; a group starts when the one before is ready."""

    DEFINITIONS = 1
    CLASSES = 2
    CUSTOM = 3
    REST = 4


_DEFINITIONS = {
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("", "Namespace"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
}

_FIRST = (
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
)
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

_RANK = {kind: rank for rank, kind in enumerate(_FIRST)}
_OTHER = len(_FIRST)
_RANK |= {kind: _OTHER + 1 + rank for rank, kind in enumerate(_LAST)}


def group_of(ref: Ref, custom: frozenset[str] = frozenset()) -> Group:
    """The group in which `ref` is applied; custom: `group/Kind` of the custom stage."""
    if (ref.group, ref.kind) in _DEFINITIONS:
        return Group.DEFINITIONS
    if ref.kind.endswith("Class"):
        return Group.CLASSES
    if f"{ref.group}/{ref.kind}" in custom:
        return Group.CUSTOM
    return Group.REST


def rank_of(ref: Ref) -> tuple[int, str, str]:
    """Objects of one rank may be written together; kinds without a fixed place come by name."""
    rank = _RANK.get(ref.kind, _OTHER)
    return (rank, ref.group, ref.kind) if rank == _OTHER else (rank, "", "")


def order_of(
    ref: Ref, custom: frozenset[str] = frozenset()
) -> tuple[Group, tuple[int, str, str], str, str]:
    """Sort key of the whole order: group, rank, namespace, name."""
    return (group_of(ref, custom), rank_of(ref), ref.namespace, ref.name)


def deletion_order(refs: Iterable[Ref]) -> list[Ref]:
    """The reverse of the order of applying."""
    return sorted(refs, key=order_of, reverse=True)
