"""Strategic merge as kustomize does it: a patch laid over a resource.

Unlike the API server's (`engine.objects.strategic`) it prepends new list elements, matches elements
by all of a list's map keys, and also tidies the parts of the resource that the patch does not
mention (a null that stood there stays).  Source: kyaml yaml/merge2, yaml/walk.
"""

from typing import Any, Final

from engine.objects.strategic import DIRECTIVE
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.keys import commented, is_blank
from engine.render.kustomize.model.scalars import copied, described, placed
from engine.render.kustomize.model.schemas import Schemas
from engine.render.kustomize.model.shapes import Shape
from engine.render.kustomize.model.shared import Replacements
from engine.render.kustomize.transform.keyed import Keyed


class _Mark:
    """A value that no document can hold."""


MISSING: Final = _Mark()
"""There is no such field; as a result, it is to be removed."""
_KEPT_NULL: Final = _Mark()
"""A null of the resource that the patch leaves alone; it stays if it is written out."""
_SCALARS: Final = (str, int, float)
"""All but null, which is tidied: the types that remember a spelling derive from these."""


def merge(target: dict[str, Any], patch: dict[str, Any], schemas: Schemas) -> dict[str, Any]:
    """`target`, changed in place; empty if the patch deletes it.  Raises KustomizeError."""
    merge_of = _Merge(schemas)
    merged = merge_of.walk(target, copied(patch), None, ())
    if not isinstance(merged, dict):
        return {}
    merge_of.replaced.spread(target)
    return target  # also if all of it was to be replaced: kustomize forgets that one


class _Merge:
    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self.replaced = Replacements()

    def walk(self, dest: Any, patch: Any, schema: Shape | None, path: tuple[str, ...]) -> Any:
        """The merged value, MISSING or _KEPT_NULL."""
        schema = schema or self._schemas.shape(dest) or self._schemas.shape(patch)
        form = _common_form(dest, patch, path)
        if form is list:
            return self._walk_list(dest, patch, schema, path)
        if form is dict:
            return self._walk_map(dest, patch, schema, path)
        if patch is MISSING or patch is None:
            return dest if patch is MISSING else None
        return self.replaced.put(dest, patch if dest is MISSING else placed(dest, patch))

    def _walk_map(self, dest: Any, patch: Any, schema: Shape | None, path: tuple[str, ...]) -> Any:
        merged = _map_to_fill(dest, patch, path)
        if not isinstance(merged, dict):
            return merged
        source = patch if isinstance(patch, dict) else {}
        said = {**commented(source), **commented(merged)}
        for key in sorted([*merged, *(key for key in source if key not in merged)]):
            old, new = merged.get(key, MISSING), source.get(key, MISSING)
            if new is MISSING and isinstance(old, _SCALARS):
                continue  # the patch leaves it alone, and so does tidying
            inside = schema.property(key) if schema else None
            if key in said:
                inside = self._schemas.described(said[key])
            value = self.walk(old, new, inside, (*path, key))
            is_blank_null = value is _KEPT_NULL and is_blank(key)
            if value is MISSING or value is None or is_blank_null:
                merged.pop(key, None)
            else:
                merged[key] = None if value is _KEPT_NULL else value
        return merged

    def _walk_list(self, dest: Any, patch: Any, schema: Shape | None, path: tuple[str, ...]) -> Any:
        if schema is None or "merge" not in schema.patch_strategy.split(","):
            return dest if patch is MISSING else patch
        merged = _list_to_fill(dest, patch, path)
        if not isinstance(merged, list):
            return merged
        elements = schema.items
        keys = schema.list_map_keys or (schema.patch_merge_key,)
        keyed = Keyed(keys, (merged, patch if isinstance(patch, list) else None))
        return keyed.merged(lambda old, new: self._element(old, new, elements, path))

    def _element(self, old: Any, new: Any, schema: Shape | None, path: tuple[str, ...]) -> Any:
        """The merged element, None if it is to go; `old` or `new` is None where there is none."""
        value = self.walk(
            MISSING if old is None else old, MISSING if new is None else new, schema, (*path, "[]")
        )
        return None if value is MISSING or value is _KEPT_NULL or value == {} else value


def _common_form(dest: Any, patch: Any, path: tuple[str, ...]) -> type:
    """dict, list or str (any scalar); dict where both are null or missing."""
    has_dest = dest is not MISSING and dest is not None
    form = _form(dest) if has_dest else dict
    if patch is MISSING or patch is None:
        return form
    wanted = _form(patch)
    if has_dest and wanted is not form:
        raise KustomizeError(
            f"patch field {'.'.join(path)!r}: wrong node kind: "
            f"expected {described(dest)} but got {described(patch)}"
        )
    return wanted


def _form(value: Any) -> type:
    return type(value) if isinstance(value, (dict, list)) else str


def _map_to_fill(dest: Any, patch: Any, path: tuple[str, ...]) -> Any:
    """The map that the fields are merged into, or the result if there are no fields."""
    if dest is MISSING or dest is None:
        if isinstance(patch, dict) and patch.get(DIRECTIVE) == "delete":
            return MISSING
        if isinstance(patch, dict) and patch.get(DIRECTIVE) in ("merge", "replace"):
            del patch[DIRECTIVE]
        return _KEPT_NULL if patch is MISSING and dest is None else patch
    if patch is None:
        return MISSING
    return _directed(
        dest, patch, patch.pop(DIRECTIVE, "merge") if patch is not MISSING else "merge", path
    )


def _list_to_fill(dest: Any, patch: Any, path: tuple[str, ...]) -> Any:
    if dest is MISSING or dest is None:
        return patch
    if patch is None:
        return MISSING
    if patch is MISSING:
        return dest
    return _directed(dest, patch, _taken_directive(patch), path)


def _taken_directive(patch: list[Any]) -> str:
    """The directive of the list as a whole, `- $patch: replace`, which is taken out."""
    first = next((item for item in patch if isinstance(item, dict) and DIRECTIVE in item), None)
    if first is None or len(first) > 1:
        return "merge"
    directive = str(first[DIRECTIVE])
    patch[:] = [
        item
        for item in patch
        if item not in (None, {})
        and not (isinstance(item, dict) and item.get(DIRECTIVE) == directive)
    ]
    return directive


def _directed(dest: Any, patch: Any, directive: str, path: tuple[str, ...]) -> Any:
    if directive == "delete":
        return MISSING
    if directive == "replace":
        return patch
    if directive == "merge":
        return dest
    raise KustomizeError(f"patch field {'.'.join(path)!r}: unknown patch strategy {directive!r}")
