"""`lockstep build --explain`: where an object, or one field of it, comes from."""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from engine.cli.problems import Problem
from engine.render.explanation import ABSENT, Edit, Explained, Field

_VALUE = 80  # characters of a value that a line shows
_NEAREST = 5  # suggestions in a message


def explanation(explained: Sequence[Explained], target: str, form: str) -> str:
    """What to print of `KIND[.GROUP]/[NAMESPACE/]NAME[.FIELD]`.  Raises Problem if it is not there.

    form: "json", else for people.
    """
    each, path = _found(explained, target)
    fields = _fields(each, path)
    if form == "json":
        return json.dumps(_as_json(each, fields), indent=2, ensure_ascii=False) + "\n"
    lines = (line for field in fields for line in _lines(field))
    return "\n".join([*_head(each), "", *lines]) + "\n"


def _found(explained: Sequence[Explained], target: str) -> tuple[Explained, str]:
    """The object that is meant, and the path of the field in it, "" for all of it."""
    matches = [(each, name) for each in explained for name in _names(each) if _fits(target, name)]
    longest = max((_name_length(name) for _, name in matches), default=0)
    chosen = {id(e): (e, name) for e, name in matches if _name_length(name) == longest}
    whole = [pair for pair in matches if pair[1].lower() == _whole(pair[0]).lower()]
    exact = [pair for pair in whole if id(pair[0]) in chosen]
    found = exact if len(exact) == 1 else list(chosen.values())
    if len(found) == 1:
        each, name = found[0]
        return each, target[len(name) :]
    if found:
        listed = ", ".join(_whole(each) for each, _ in found)
        raise Problem(f"'{target}' could be any of: {listed}")
    raise Problem(f"the build has no object '{target}'{_near_objects(explained, target)}")


def _names(each: Explained) -> Iterator[str]:
    """What the object may be called, the shortest first."""
    ref = each.ref
    kinds = (ref.kind, f"{ref.kind}.{ref.group}") if ref.group else (ref.kind,)
    for kind in kinds:
        yield f"{kind}/{ref.name}"
        if ref.namespace:
            yield f"{kind}/{ref.namespace}/{ref.name}"


def _whole(each: Explained) -> str:
    """What nothing else is called."""
    *_, name = _names(each)
    return name


def _name_length(name: str) -> int:
    return len(name.rpartition("/")[2])


def _fits(target: str, name: str) -> bool:
    """Whether the target begins with the name; kinds may be written in lower case."""
    kind, _, rest = name.partition("/")
    wanted, _, more = target.partition("/")
    return (
        wanted.lower() == kind.lower()
        and more.startswith(rest)
        and more[len(rest) : len(rest) + 1] in ("", ".", "[")
    )


def _near_objects(explained: Sequence[Explained], target: str) -> str:
    names = [name for each in explained for name in _names(each)]
    near = difflib.get_close_matches(target, dict.fromkeys(names), _NEAREST, 0.5)
    return f"; near it: {', '.join(near)}" if near else ""


def _fields(each: Explained, path: str) -> list[Field]:
    """The field, or all below it.  Raises Problem if there is none."""
    wanted = path.replace("[name=", "[")
    fields = [field for field in each.fields if _is_at(field.path, wanted)]
    if fields or not wanted:
        return fields
    every = [field.path for field in each.fields]
    near = difflib.get_close_matches(wanted, every, _NEAREST, 0.5)
    suggested = f"; near it: {', '.join(near)}" if near else ""
    raise Problem(f"{_whole(each)} has no field '{path}'{suggested}")


def _is_at(path: str, wanted: str) -> bool:
    return path.startswith(wanted) and path[len(wanted) : len(wanted) + 1] in ("", ".", "[")


def _head(each: Explained) -> Iterator[str]:
    yield _whole(each)
    number = f", document {each.document}" if each.document else ""
    yield f"  from   {each.origin or 'no file'}{number}"
    for index, layer in enumerate(each.layers):
        place = f"{layer.place}: " if layer.place else ""
        yield f"  {'' if index else 'layers':6} {place}{layer.entry}"


def _lines(field: Field) -> Iterator[str]:
    value = "removed" if field.value is ABSENT else shown(field.value)
    if not field.edits:
        yield f"{field.path}: {value}  ({field.place or 'no file'})"
        return
    yield f"{field.path}: {value}"
    if field.place:
        yield f"    {field.place}: {shown(field.before)}"
    yield from (f"    {_edit(edit)}" for edit in field.edits)


def _edit(edit: Edit) -> str:
    """`apps/patch.yaml:9: patches[0] (apps/kustomization.yaml:10): 1 -> 3`."""
    place = f"{edit.place}: " if edit.place else ""
    asked = f" ({edit.by.place})" if edit.by.place not in ("", edit.place) else ""
    return f"{place}{edit.by.entry}{asked}: {_change(edit)}"


def _change(edit: Edit) -> str:
    if edit.old is ABSENT:
        return shown(edit.new)
    return f"{shown(edit.old)} -> {'removed' if edit.new is ABSENT else shown(edit.new)}"


def shown(value: Any) -> str:
    """JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}..."


def _as_json(each: Explained, fields: Sequence[Field]) -> dict[str, Any]:
    ref = each.ref
    return {
        "object": {
            "group": ref.group,
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
        },
        "file": each.file,
        "line": each.line,
        "document": each.document,
        "layers": [{"place": layer.place, "entry": layer.entry} for layer in each.layers],
        "fields": [_field_as_json(field) for field in fields],
    }


def _field_as_json(field: Field) -> dict[str, Any]:
    """A value that is absent is left out."""
    manifest = {"place": field.place, "value": field.before}
    return {
        "path": field.path,
        **_given(value=field.value),
        "setAt": field.set_at,
        **({"manifest": _given(**manifest)} if field.place else {}),
        "edits": [
            {
                "kind": edit.by.kind,
                "entry": edit.by.entry,
                "entryAt": edit.by.place,
                "place": edit.place,
                **_given(old=edit.old, new=edit.new),
            }
            for edit in field.edits
        ],
    }


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not ABSENT}
