"""CustomResourceDefinitions: given a status, and turned into resources.

Source: apiextensions-apiserver controller/status and controller/establish.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.apiserver.kinds.resources import Column, Resource, Resources, ScalePaths, Subresource
from engine.objects.ref import Object

KEY = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def resources_of(obj: Object) -> list[Resource]:
    """A resource for every version that is served."""
    spec, accepted = obj["spec"], obj["spec"]["names"]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    return [
        _resource(spec, accepted, version, storage)
        for version in spec["versions"]
        if version.get("served")
    ]


def _resource(
    spec: Mapping[str, Any], names: Mapping[str, Any], version: Mapping[str, Any], storage: str
) -> Resource:
    kind, subresources = names["kind"], version.get("subresources") or {}
    found = {}
    if "status" in subresources:
        found["status"] = Subresource("status", spec["group"], version["name"], kind)
    if subresources.get("scale"):
        found["scale"] = Subresource("scale", "autoscaling", "v1", "Scale")
    warning = f"{spec['group']}/{version['name']} {kind} is deprecated"
    return Resource(
        group=spec["group"],
        version=version["name"],
        kind=kind,
        plural=names["plural"],
        singular=names.get("singular") or kind.lower(),
        namespaced=spec["scope"] == "Namespaced",
        storage=storage,
        list_kind=names.get("listKind") or f"{kind}List",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=found,
        schema=_schema(version),
        custom=True,
        columns=tuple(map(_column, version.get("additionalPrinterColumns") or ())),
        selectable=tuple(
            each["jsonPath"].lstrip(".") for each in version.get("selectableFields") or ()
        ),
        scale=_scale(subresources.get("scale")),
        deprecation=version.get("deprecationWarning") or warning
        if version.get("deprecated")
        else "",
    )


def _schema(version: Mapping[str, Any]) -> dict[str, Any]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return {"type": "object", **schema}


def _column(column: Mapping[str, Any]) -> Column:
    return Column(
        name=column["name"],
        type=column.get("type") or "string",
        path=column["jsonPath"],
        description=column.get("description") or "",
        format=column.get("format") or "",
        priority=column.get("priority") or 0,
    )


def _scale(scale: Mapping[str, Any] | None) -> ScalePaths | None:
    if not scale:
        return None
    paths = (scale.get(f"{name}Path") or "" for name in _SCALE_PATHS)
    steps = [tuple(filter(None, path.split("."))) for path in paths]
    return ScalePaths(*steps)


_SCALE_PATHS = ("specReplicas", "statusReplicas", "labelSelector")


def status_of(obj: Object, resources: Resources, now: str) -> dict[str, Any]:
    """The status that the server gives a CRD: names, conditions, versions stored."""
    spec, status = obj["spec"], obj.get("status") or {}
    taken = _conflict(spec, resources)
    old = {each["type"]: each for each in status.get("conditions") or ()}
    if taken:
        names = ("NamesAccepted", "False", *taken)
        established = ("Established", "False", "NotAccepted", "not all names are accepted")
    else:
        names = ("NamesAccepted", "True", "NoConflicts", "no conflicts found")
        text = "the initial names have been accepted"
        established = ("Established", "True", "InitialNamesAccepted", text)
    fresh = [_condition(old, row, now) for row in (names, established)]
    kept = [each for kind, each in old.items() if kind not in ("NamesAccepted", "Established")]
    storage = [version["name"] for version in spec["versions"] if version.get("storage")]
    stored = list(status.get("storedVersions") or ())
    return {
        **status,
        "acceptedNames": status.get("acceptedNames", {}) if taken else spec["names"],
        "conditions": [*fresh, *kept],
        "storedVersions": [*stored, *(name for name in storage if name not in stored)],
    }


def _condition(
    old: Mapping[str, Mapping[str, Any]], row: tuple[str, ...], now: str
) -> dict[str, Any]:
    kind, status, reason, message = row
    before = old.get(kind)
    since = before["lastTransitionTime"] if before and before["status"] == status else now
    return {
        "lastTransitionTime": since,
        "message": message,
        "reason": reason,
        "status": status,
        "type": kind,
    }


def _conflict(spec: Mapping[str, Any], resources: Iterable[Resource]) -> tuple[str, str] | None:
    """The reason and message if another resource of the group has one of the names."""
    names = spec["names"]
    for other in resources:
        if other.group != spec["group"] or other.plural == names["plural"]:
            continue
        taken = {other.plural, other.singular, *other.short_names}
        for field, name in (("Singular", names.get("singular")), ("Kind", names["kind"])):
            if name in (taken if field == "Singular" else (other.kind, other.list_kind)):
                return f"{field}Conflict", f'"{name}" is already in use'
        for name in names.get("shortNames") or ():
            if name in taken:
                return "ShortNamesConflict", f'"{name}" is already in use'
    return None


def is_established(obj: Object) -> bool:
    """Whether the CRD's resources are served."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def with_terminating(obj: Object, now: str) -> dict[str, Any]:
    """The CRD with the condition that its objects are being deleted."""
    status = dict(obj.get("status") or {})
    others = [each for each in status.get("conditions") or () if each["type"] != "Terminating"]
    row = (
        "Terminating",
        "True",
        "InstanceDeletionInProgress",
        "CustomResource deletion is in progress",
    )
    status["conditions"] = [*others, _condition({}, row, now)]
    return {**obj, "status": status}
