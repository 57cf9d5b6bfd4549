"""What must hold of every object of a build, before anything relies on it.

An object that cannot be identified is an error here and is never left out: one that was applied
before would be pruned.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.objects.ref import Object
from engine.objects.yaml_read import MAX_DEPTH


def problem_of(obj: Object) -> str:
    """What is wrong with the object's identity or metadata, "" if nothing is."""
    return next(_problems(obj), "")


def _problems(obj: Object) -> Iterator[str]:
    if _is_too_deep(obj):
        yield f"it is nested too deep: more than {MAX_DEPTH} levels"
        return
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping):
        yield "metadata is missing" if metadata is None else "metadata must be a map of fields"
        return
    yield from _text("apiVersion", obj.get("apiVersion"))
    yield from _text("kind", obj.get("kind"))
    yield from _text("metadata.name", metadata.get("name"))
    if metadata.get("namespace") not in (None, ""):
        yield from _text("metadata.namespace", metadata["namespace"])
    for key in ("labels", "annotations"):
        if not isinstance(metadata.get(key), Mapping | None):
            yield f"metadata.{key} must be a map of texts"
    if obj.get("kind") == "Secret" and not isinstance(obj.get("data"), Mapping | None):
        yield "data must be a map of texts"


def _is_too_deep(obj: Object) -> bool:
    """Whether it is deeper than a manifest may be: patches can make it so.

    Level by level, as what is below would exhaust the interpreter's stack, each version's at
    another depth.
    """
    level: list[Any] = [obj]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for each in level
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True


def _text(field: str, value: Any) -> Iterator[str]:
    if value is None or value == "":
        yield f"{field} is missing"
    elif not isinstance(value, str):
        yield f"{field} must be text: put it in quotes"
