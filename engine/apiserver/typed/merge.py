"""Merge an applied configuration into a live value.

Nothing is removed; where both have a leaf, the configuration's wins; items of a list that only
one side has keep their neighbours.  What stays as it is, is live's own value and no copy: then
comparing the two costs nothing.
Source: sigs.k8s.io/structured-merge-diff v6, typed/merge.go.
"""

from collections import deque
from operator import is_
from typing import Any

from engine.apiserver.typed.compare import ABSENT, check_scalars, equal, forms
from engine.apiserver.typed.schema import (
    ATOMIC,
    Atom,
    ListType,
    MapType,
    Schema,
    TypeMismatch,
    TypeRef,
)
from engine.apiserver.typed.validate import item_element, no_form
from engine.objects.field_path import Path, field_element, path_text


def merge(schema: Schema, ref: TypeRef, live: Any, config: Any) -> Any:
    """The merged value, sharing what is unchanged; None if nothing is left.

    live: may hold an item of an associative list twice, config may not.  Raises TypeMismatch.
    """
    merged = _Merge(schema).visit((), ref, live, config)
    return None if merged is ABSENT else merged


class _Merge:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def visit(self, path: Path, ref: TypeRef | None, live: Any, config: Any) -> Any:
        if config is ABSENT or (type(config) is str and live == config):
            return live
        merged: Any = ABSENT
        for atom in forms(self._schema, ref, live, config):
            merged = self._in_form(path, ref, atom, (live, config))
        return merged

    def _in_form(self, path: Path, ref: TypeRef | None, atom: Atom, pair: tuple[Any, Any]) -> Any:
        live, config = pair
        if atom.map:
            left, right = (v if isinstance(v, dict) else {} for v in pair)
            if atom.map.relationship != ATOMIC and (left or right):
                return self._maps(path, atom.map, left, right)
        elif atom.scalar:
            check_scalars(atom.scalar, path, live, config)
        elif atom.list:
            lefts, rights = (v if isinstance(v, list) else [] for v in pair)
            if atom.list.relationship != ATOMIC and (lefts or rights):
                return _Lists(self, path, atom.list, lefts, rights).merged()
        else:
            raise no_form(ref)
        # Leaves, also empty containers: so null, {} and nothing stay apart.
        return live if type(live) is type(config) and equal(live, config) else config

    def _maps(self, path: Path, of: MapType, live: dict[str, Any], config: dict[str, Any]) -> Any:
        out = {}
        for name in live | config:
            merged = self.visit(
                (*path, field_element(name)),
                of.type_of(name),
                live.get(name, ABSENT),
                config.get(name, ABSENT),
            )
            if merged is not ABSENT:
                out[name] = merged
        if len(out) == len(live) and all(map(is_, out.values(), live.values())):
            return live or ABSENT
        return out or ABSENT

    def index(
        self, path: Path, of: ListType, items: list[Any], *, twice: bool
    ) -> tuple[list[str], dict[str, Any]]:
        """The elements in order, and the item of each (null where it is there twice)."""
        elements: list[str] = []
        found: dict[str, Any] = {}
        for i, item in enumerate(items):
            try:
                element = item_element(self._schema, of, item)
            except TypeMismatch as error:
                raise TypeMismatch(f"{path_text(path)}: element {i}: {error}") from error
            if element in found and not twice:
                key = path_text((element,))
                raise TypeMismatch(f"{path_text(path)}: duplicate entries for key {key}")
            found[element] = None if element in found else item
            elements.append(element)
        return elements, found


class _Lists:
    """The merge of two associative lists: both are walked at once, the config's order leading."""

    def __init__(
        self, merge: _Merge, path: Path, of: ListType, live: list[Any], config: list[Any]
    ) -> None:
        self._merge = merge
        self._path = path
        self._of = of
        self._live = live
        self._rights, self._config_at = merge.index(path, of, config, twice=False)
        self._lefts, self._live_at = merge.index(path, of, live, twice=True)
        # The shared items in the config's order: live's walk waits for the next of them.
        self._shared = deque(e for e in self._rights if e in self._live_at)
        self._done: set[str] = set()
        self._out: list[Any] = []

    def merged(self) -> Any:
        i = j = 0
        while i < len(self._lefts) or j < len(self._rights):
            if i < len(self._lefts):
                left = self._lefts[i]
                if j < len(self._rights):
                    if left == self._rights[j]:
                        self._take(left)
                        i, j = i + 1, j + 1
                        continue
                    if left in self._config_at and self._shared and self._shared[0] != left:
                        i += 1  # shared, but its turn comes elsewhere
                        continue
                if left not in self._config_at:
                    self._add(left, self._live[i], ABSENT)
                    i += 1
                    continue
                if left in self._done:
                    i += 1
            if j < len(self._rights):
                self._take(self._rights[j])
                j += 1
        if len(self._out) == len(self._live) and all(map(is_, self._out, self._live)):
            return self._live or ABSENT
        return self._out or ABSENT

    def _take(self, element: str) -> None:
        """Put the config's item, merged with live's if there is one."""
        self._done.add(element)
        self._add(element, self._live_at.get(element, ABSENT), self._config_at[element])
        if self._shared and self._shared[0] == element:
            self._shared.popleft()

    def _add(self, element: str, live: Any, config: Any) -> None:
        merged = self._merge.visit((*self._path, element), self._of.element, live, config)
        if merged is not ABSENT:
            self._out.append(merged)
