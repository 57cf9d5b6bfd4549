"""Variables of a Kustomization, from ConfigMaps and Secrets that the repository itself holds."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

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
    return {name: _one_line(value) for name, value in merged.items()}, tuple(unknown)


def secrets_in(ks: Kustomization, cluster: str, values: Values) -> tuple[str, ...]:
    """What the Secrets give that its variables come from, as written and as put into a text."""
    post_build = ks.spec.post_build
    found = (
        value
        for each in (post_build.substitute_from if post_build is not None else ())
        if each.kind == "Secret"
        for value in values.get(
            (cluster, Ref("", each.kind, ks.metadata.namespace, each.name)), {}
        ).values()
        if value != _SEALED
    )
    return tuple(dict.fromkeys(form for value in found for form in (value, _one_line(value))))


def _one_line(value: str) -> str:
    return value.replace("\n", "")


def _values(obj: Object) -> dict[str, str]:
    data, plain = _mapping(obj, "data"), _mapping(obj, "stringData")
    if obj["kind"] == "ConfigMap":
        return {key: str(value) for key, value in data.items()}
    if "sops" in obj:
        return dict.fromkeys([*data, *plain], _SEALED)
    values = {key: _decoded(str(value)) for key, value in data.items()}
    return values | {key: str(value) for key, value in plain.items()}


def _mapping(obj: Object, name: str) -> Mapping[str, Any]:
    """A part of the object; what is wrong with one that is no mapping, its schema says."""
    part = obj.get(name)
    return part if isinstance(part, Mapping) else {}


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode("utf-8", "replace")
    except ValueError:  # also of what is no ASCII
        return _SEALED
