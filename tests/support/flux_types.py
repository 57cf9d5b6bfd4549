"""Would Go decode this status into Flux's types?  One wrong type, and no command of the CLI works.

A type is a dict (a struct: {field: type}), a list (a slice of its only item) or a name of `FORMS`;
`*` after a name: the field must be there.
Source: fluxcd apis (kustomize and source v1, meta), metav1.Condition; encoding/json.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from engine.objects.ref import Object

Type: TypeAlias = dict[str, "Type"] | list["Type"] | str

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"  # time.RFC3339
_SECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"  # as metav1.Time writes it
_DURATION = r"[-+]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+|0"  # time.ParseDuration
_REASON = r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_DIGEST = r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+"
FORMS = {
    "string": r"(?s).*",
    "time": _TIME,
    "seconds": _SECONDS,
    "duration": _DURATION,
    "reason": _REASON,
    "digest": _DIGEST,
    "status": "True|False|Unknown",
}

CONDITION: Type = {
    "type": "string*",
    "status": "status*",
    "reason": "reason*",
    "message": "string*",
    "lastTransitionTime": "seconds*",
    "observedGeneration": "int64*",  # optional in Go, but Flux always sets it
}
ARTIFACT: Type = {
    "digest": "digest*",
    "lastUpdateTime": "time*",
    "path": "string*",
    "revision": "string*",
    "url": "string*",
    "size": "int64",
    "metadata": "map",
}
SNAPSHOT: Type = {
    "digest": "digest*",
    "firstReconciled": "time*",
    "lastReconciled": "time*",
    "lastReconciledDuration": "duration*",
    "lastReconciledStatus": "string*",
    "totalReconciliations": "int64*",
    "metadata": "map",
}
COMMON: dict[str, Type] = {
    "conditions": [CONDITION],
    "lastHandledReconcileAt": "string",
    "observedGeneration": "int64",
}
STATUS: dict[str, Type] = {
    "Kustomization": {
        **COMMON,
        "lastAppliedRevision": "string",
        "lastAppliedOriginRevision": "string",
        "lastAttemptedRevision": "string",
        "inventory": {"entries": [{"id": "string*", "v": "string*"}]},
        "history": [SNAPSHOT],
    },
    "GitRepository": {
        **COMMON,
        "artifact": ARTIFACT,
        "includedArtifacts": [ARTIFACT],
        "observedIgnore": "string",
        "observedInclude": [{"repository": {"name": "string*"}, "fromPath": "string"}],
        "observedRecurseSubmodules": "bool",
        "observedSparseCheckout": ["string"],
        "sourceVerificationMode": "string",
    },
}


def misfits(obj: Object) -> list[str]:
    """What of an object's status would not fit, a line each; nothing if all does."""
    return list(_misfits(obj.get("status") or {}, STATUS[obj["kind"]], "status"))


def _misfits(value: Any, wanted: Type, path: str) -> Iterator[str]:
    if isinstance(wanted, dict):
        yield from _of_struct(value, wanted, path)
    elif isinstance(wanted, list):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _misfits(item, wanted[0], f"{path}[{index}]")
        else:
            yield f"{path}: {value!r} is no list"
    elif not _fits(value, wanted.rstrip("*")):
        yield f"{path}: {value!r} is no {wanted.rstrip('*')}"


def _of_struct(value: Any, fields: dict[str, Type], path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    for name in value.keys() - fields.keys():
        yield f"{path}.{name}: Flux has no such field"
    for name, wanted in fields.items():
        if name in value:
            yield from _misfits(value[name], wanted, f"{path}.{name}")
        elif isinstance(wanted, str) and wanted.endswith("*"):
            yield f"{path}.{name}: missing"


def _fits(value: Any, name: str) -> bool:
    if name == "int64":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "bool":
        return isinstance(value, bool)
    if name == "map":
        return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    return isinstance(value, str) and re.fullmatch(FORMS[name], value) is not None
