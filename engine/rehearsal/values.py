"""Variables of a Kustomization, from ConfigMaps and Secrets that the repository itself holds."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from engine.api.kustomize import Kustomization
from engine.objects.ref import Object, Ref

Values: TypeAlias = Mapping[tuple[str, Ref], Mapping[str, str]]
"""{(cluster, ConfigMap or Secret): values by key}."""

_SEALED: Final = "sealed"  # stands for a value that only a key shows


def values_of(objects: Iterable[tuple[str, Object]]) -> dict[tuple[str, Ref], Mapping[str, str]]:
    """What all ConfigMaps and Secrets among (cluster, object) hold; the last of a name counts."""
    found: dict[tuple[str, Ref], Mapping[str, str]] = {}
    for cluster, obj in objects:
        if obj.get("apiVersion") != "v1" or obj.get("kind") not in ("ConfigMap", "Secret"):
            continue
        found[cluster, Ref.of(obj)] = _values(obj)
    return found


def variables_of(
    ks: Kustomization, cluster: str, values: Values, given: Mapping[str, str]
) -> tuple[dict[str, str] | None, tuple[str, ...]]:
    """(the variables, None without `postBuild`; ConfigMaps and Secrets that are not known).

    given: in place of those that are not known; the spec's own win, as in the engine.
    """
    post_build = ks.spec.post_build
    if post_build is None:
        return None, ()
    merged: dict[str, str] = {}
    unknown: list[str] = []
    for each in post_build.substitute_from:
        ref = Ref("", each.kind, ks.metadata.namespace, each.name)
        found = values.get((cluster, ref))
        if found is None and not each.optional:
            unknown.append(str(ref))
        merged |= found or {}
    merged |= given
    merged |= post_build.substitute
    return {name: value.replace("\n", "") for name, value in merged.items()}, tuple(unknown)


def _values(obj: Object) -> dict[str, str]:
    data = obj.get("data") if isinstance(obj.get("data"), Mapping) else {}
    if obj["kind"] == "ConfigMap":
        return {key: str(value) for key, value in (data or {}).items()}
    if "sops" in obj:
        plain = obj.get("stringData") or {}
        return dict.fromkeys([*(data or {}), *plain], _SEALED)
    values = {key: _decoded(str(value)) for key, value in (data or {}).items()}
    return values | {key: str(value) for key, value in (obj.get("stringData") or {}).items()}


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode("utf-8", "replace")
    except binascii.Error:
        return _SEALED
