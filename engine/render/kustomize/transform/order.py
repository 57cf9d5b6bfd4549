"""The order in which resources are put out.

Source: kustomize api/internal/builtins/SortOrderTransformer.go.
"""

from functools import cmp_to_key

from engine.render.kustomize.config.kustomization import LegacySortOptions, SortOptions
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.ids import Gvk
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource

_FIRST = (
    *("Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount"),
    *("PodSecurityPolicy", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"),
    *("ConfigMap", "Secret", "Endpoints", "Service", "LimitRange", "PriorityClass"),
    *("PersistentVolume", "PersistentVolumeClaim", "Deployment", "StatefulSet", "CronJob"),
    "PodDisruptionBudget",
)
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANKS = {
    **{kind: i - len(_FIRST) for i, kind in enumerate(_FIRST)},
    **{kind: i + 1 for i, kind in enumerate(_LAST)},
}
LEGACY = SortOptions("legacy", LegacySortOptions(_FIRST, _LAST))


def sort_key(gvk: Gvk) -> tuple[int, str]:
    """What field specifications are sorted by."""
    return _RANKS.get(gvk.kind, 0), _gvk_key(gvk)


def sort_resources(resources: ResMap, options: SortOptions) -> None:
    """Sort as asked.  Raises KustomizeError for options that make no sense, or a repeated id."""
    if options.order not in ("fifo", "legacy"):
        raise KustomizeError("the field 'sortOptions.order' must be one of [fifo, legacy]")
    if options.order == "fifo":
        if options.legacy_sort_options is not None:
            raise KustomizeError(
                "the field 'sortOptions.legacySortOptions' is set but the selected sort order is "
                "'fifo', not 'legacy'"
            )
        return
    legacy = options.legacy_sort_options or LEGACY.legacy_sort_options or LegacySortOptions()
    ranks = {kind: i - len(legacy.order_first) for i, kind in enumerate(legacy.order_first)}
    ranks.update({kind: i + 1 for i, kind in enumerate(legacy.order_last)})

    def compare(one: Resource, other: Resource) -> int:
        return _compare(one, other, ranks)

    resources.keep(sorted(resources, key=cmp_to_key(compare)))
    resources.check_ids()


def _compare(one: Resource, other: Resource, ranks: dict[str, int]) -> int:
    mine, theirs = one.gvk, other.gvk
    if mine == theirs:
        return _sign(_name_key(one), _name_key(other))
    by_rank = ranks.get(mine.kind, 0) - ranks.get(theirs.kind, 0)
    if by_rank:
        return by_rank
    are_namespaces = mine.kind == theirs.kind == "Namespace"
    if are_namespaces and "" in (mine.group, theirs.group):
        return _sign(_gvk_key(theirs), _gvk_key(mine))
    return _sign(_gvk_key(mine), _gvk_key(theirs))


def _sign(one: str, other: str) -> int:
    """By code point, which orders UTF-8 as its bytes do."""
    return (one > other) - (one < other)


def _gvk_key(gvk: Gvk) -> str:
    return "_".join((gvk.group or "~G", gvk.version or "~V", gvk.kind or "~K"))


def _name_key(resource: Resource) -> str:
    parts = (str(resource.gvk), resource.namespace or "~X", resource.name or "~N")
    return "|".join(parts)
