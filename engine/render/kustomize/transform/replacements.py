"""Values copied from one resource's field to fields of others.

Source: kustomize api/filters/replacement.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from engine.objects.patch import MAX_NODES, size_of
from engine.render.kustomize.config.kustomization import (
    FieldOptions,
    Replacement,
    Selector,
    Source,
    Target,
)
from engine.render.kustomize.config.typed import decode
from engine.render.kustomize.errors import KustomizeError, at, bounded, collected
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.ids import Gvk, Id
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import Misfit, Quoted, Untyped, copied, like, text_of
from engine.render.kustomize.model.shared import Replacements
from engine.render.kustomize.transform.nearby import near_field, near_resource
from engine.render.kustomize.transform.paths import Found, find, look_up, split_smart
from engine.render.kustomize.transform.selectors import Pattern, pattern_of, selector_test
from engine.render.kustomize.transform.structured import put_inside

_DEFAULT_FIELD = "metadata.name"
_ANNOTATIONS = ["metadata", "annotations"]


class ReplacementStep:
    """The `replacements` of a kustomization, those in files read in."""

    def __init__(self, replacements: Sequence[Replacement], loader: Loader) -> None:
        """Raises KustomizeError for a file that holds something else."""
        read = collected(
            ((i,), partial(_with_files, entry, loader)) for i, entry in enumerate(replacements)
        )
        self._replacements = [((i,), item) for i, items in enumerate(read) for item in items]

    def __call__(self, resources: ResMap) -> None:
        """Copy all values, in order.  Raises KustomizeError if a field or resource is missing."""
        for entry, replacement in self._replacements:
            with at(*entry):
                _copy(resources, replacement)
        resources.touch()


def _copy(resources: ResMap, replacement: Replacement) -> None:
    if replacement.targets is None or (
        replacement.source is None and replacement.source_value is None
    ):
        raise KustomizeError("replacements must specify a source and at least one target")
    value = _value(resources, replacement)
    for target in replacement.targets:
        _replace(resources, target, value)


def _with_files(entry: Replacement, loader: Loader) -> list[Replacement]:
    if not entry.path:
        return [entry]
    if entry.source is not None or entry.targets:
        raise KustomizeError("cannot specify both path and inline replacement")
    file = loader.join(entry.path)
    content = read_one(loader.read(entry.path), file)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise KustomizeError(f"{file}: unsupported replacement: a list or a map was expected")
    items = [
        decode(Replacement, item, f"{file}: invalid replacement", any_scalar=True)
        for item in content
    ]
    return [msgspec.structs.replace(item, path="") for item in items]


def _value(resources: Iterable[Resource], replacement: Replacement) -> Any:
    source = replacement.source
    if source is None:
        return replacement.source_value
    if replacement.source_value is not None:
        raise KustomizeError("value and resource selectors are mutually exclusive")
    path = source.field_path or _DEFAULT_FIELD
    resource = _source(resources, source)
    value = look_up(resource.obj, split_smart(path))
    if value is None or value in ({}, []):
        raise KustomizeError(
            f"fieldPath `{path}` is missing for replacement source {resource.id} "
            f"({resource.position}){near_field(resource.obj, split_smart(path))}"
        )
    if size_of(value) > MAX_NODES:
        raise KustomizeError(f"fieldPath `{path}` of {resource.id} has more than {MAX_NODES} nodes")
    return _refined(value, source.options)


def _source(resources: Iterable[Resource], source: Source) -> Resource:
    resources = list(resources)
    found = [r for r in resources if any(_is_source(id_, source) for id_ in r.ids)]
    if len(found) == 1:
        return found[0]
    names = " ".join(filter(None, (source.kind, source.namespace, source.name)))
    described = repr(names) if names else "that names no object"
    if found:
        ids = ", ".join(str(resource.id) for resource in found[:3])
        more = ", ..." if len(found) > 3 else ""
        fix = "" if source.kind and source.name else ": name its `kind` and `name`"
        raise KustomizeError(
            f"multiple matches for replacement source {described}: {ids}{more}{fix}"
        )
    gvk = Gvk(source.group, source.version, source.kind)
    near = near_resource(Id(gvk, source.name, source.namespace, False), resources)
    raise KustomizeError(f"nothing selected by replacement source {described}{near}")


def _is_source(id_: Id, source: Source) -> bool:
    if not id_.gvk.is_selected_by(Gvk(source.group, source.version, source.kind)):
        return False
    if source.name not in ("", id_.name):
        return False
    # Scope does not count here: what has no namespace is as good as in "default".
    return source.namespace in ("", id_.namespace or "default")


def _refined(value: Any, options: FieldOptions | None) -> Any:
    if options is None or not options.delimiter:
        return value
    if isinstance(value, (dict, list)):
        raise KustomizeError("delimiter option can only be used with scalars")
    parts = text_of(value).split(options.delimiter)
    if not 0 <= options.index < len(parts):
        raise KustomizeError(
            f"options.index {options.index} is out of bounds for a value of {len(parts)} parts"
        )
    part = parts[options.index]
    try:
        return like(value, part)
    except Misfit:  # it counts as text wherever there is a scalar already
        return part


def _replace(resources: Iterable[Resource], target: Target, value: Any) -> None:
    if target.select is None:
        raise KustomizeError("target must specify resources to select")
    selected = pattern_of(target.select)
    rejected = [pattern_of(item) for item in target.reject if _has_id(item)]
    tests = [_tests(item) for item in (target.select, *target.reject)]
    for resource in resources:
        if not all(test(resource) for test in tests[0]):
            continue
        named = zip(target.reject, tests[1:], strict=True)
        if any(_has_labels(item) and all(t(resource) for t in ts) for item, ts in named):
            continue
        ids = resource.ids
        if any(_matches(pattern, id_) for pattern in rejected for id_ in ids):
            continue
        if any(_matches(selected, id_) for id_ in ids):
            for path in target.field_paths or [_DEFAULT_FIELD]:
                try:
                    _put(resource, path, value, target.options or FieldOptions())
                except Misfit:  # kustomize notices only in what it puts out
                    if not resource.is_local:
                        raise


def _matches(pattern: Pattern, id_: Id) -> bool:
    return (
        pattern.matches_gvk(id_.gvk)
        and pattern.matches_name(id_.name)
        and pattern.matches_namespace(id_.namespace)
    )


def _has_id(selector: Selector) -> bool:
    fields = (selector.group, selector.version, selector.kind, selector.name, selector.namespace)
    return any(fields)


def _has_labels(selector: Selector) -> bool:
    return bool(selector.label_selector or selector.annotation_selector)


def _tests(selector: Selector) -> Any:
    labels = selector_test(selector.label_selector)
    annotations = selector_test(selector.annotation_selector)
    return (lambda r: labels(r.labels)), (lambda r: annotations(r.annotations))


def _put(resource: Resource, path: str, value: Any, options: FieldOptions) -> None:
    replaced = Replacements()

    def write(found: Found) -> None:
        new = _written(found.value, value, options, is_text=parts[:-1] == _ANNOTATIONS)
        found.set(replaced.put(found.value, new))

    create = _form(value) if options.create else None
    parts = split_smart(path)
    try:
        if put_inside(resource.obj, parts, write, create):
            return
        fields = find(resource.obj, parts, create)
    except KustomizeError as error:
        raise KustomizeError(_unfound(resource, path, create) + f": {error}") from error
    if not fields:
        raise KustomizeError(_unfound(resource, path, create))
    for field in fields:
        write(field)
    replaced.spread(resource.obj)


def _unfound(resource: Resource, path: str, create: type | None) -> str:
    what = "find or create" if create else "find"
    return (
        f"unable to {what} field {path!r} in replacement target {resource.id} ({resource.position})"
        + near_field(resource.obj, split_smart(path))
    )


def _form(value: Any) -> type:
    return type(value) if isinstance(value, (dict, list)) else Untyped


def _written(old: Any, value: Any, options: FieldOptions, *, is_text: bool) -> Any:
    """What the field is to hold: anything but a scalar is replaced whole, a scalar keeps its type.

    A map or list is no text: nothing is left of it where there is a scalar already.
    is_text: the field is an annotation, whatever it held: kustomize writes all of them as text.
    """
    if options.delimiter:
        if isinstance(old, (dict, list)):
            raise KustomizeError("delimiter option can only be used with scalars")
        parts = text_of(old).split(options.delimiter) if old is not None else [""]
        text = text_of(value)
        if options.index < 0:
            parts.insert(0, text)
        elif options.index >= len(parts):
            parts.append(text)
        else:
            parts[options.index] = text
        value = bounded(options.delimiter.join(parts))
    if isinstance(old, (dict, list)):
        return copied(value)
    text = text_of(value)
    return text if is_text and not isinstance(old, Quoted) else like(old, text)
