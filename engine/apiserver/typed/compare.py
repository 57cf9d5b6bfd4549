"""What changed between two values of one type.

Source: sigs.k8s.io/structured-merge-diff v6, typed/compare.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from engine.apiserver.typed.schema import (
    ATOMIC,
    Atom,
    ListType,
    MapType,
    Schema,
    TypeMismatch,
    TypeRef,
    narrowed,
)
from engine.apiserver.typed.validate import item_element, no_form, scalar_problem
from engine.objects.field_path import Path, field_element, path_text
from engine.objects.fields import FieldSet


class _Absent:
    """Nothing at all, where None is a null that somebody wrote."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Comparison:
    """No path is in more than one of the three."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    def without(self, fields: FieldSet | None) -> "Comparison":
        """The same with these fields, and what is below them, left out."""
        if not fields:
            return self
        return Comparison(
            self.added.without(fields), self.modified.without(fields), self.removed.without(fields)
        )

    @property
    def changed(self) -> FieldSet:
        """What the new value brings: added or modified."""
        return self.modified.union(self.added)


def compare(schema: Schema, ref: TypeRef, old: Any, new: Any) -> Comparison:
    """The paths that `new` adds, modifies and removes.  Raises TypeMismatch."""
    walk = _Compare(schema)
    walk.visit((), ref, old, new)
    return Comparison(*map(FieldSet.of, (walk.added, walk.modified, walk.removed)))


def equal(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same; 1 is 1.0 but never true."""
    if a is b:
        return True
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and a.keys() == b.keys()
            and all(equal(v, b[k]) for k, v in a.items())
        )
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return bool(a == b)


def forms(schema: Schema, ref: TypeRef | None, old: Any, new: Any) -> Iterable[Atom]:
    """In which forms two values are to be looked at: one, or two where they differ in form."""
    atom = schema.resolve(ref)
    if atom.by_form is None:
        return (atom,)
    left = atom if old is ABSENT else narrowed(atom, old)
    right = atom if new is ABSENT else narrowed(atom, new)
    if new is ABSENT:
        return (left,)
    if old is ABSENT or left is right:
        return (right,)
    return (left, right)


def check_scalars(scalar: str, path: Path, old: Any, new: Any) -> None:
    """Raise TypeMismatch if neither of the two is such a scalar."""
    sides = (None if value is ABSENT else scalar_problem(scalar, value) for value in (old, new))
    problems = [problem for problem in sides if problem]
    if len(problems) == 2:
        place = path_text(path)
        raise TypeMismatch(f"{place}: lhs: {problems[0]}", f"{place}: rhs: {problems[1]}")


class _Compare:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.added: list[Path] = []
        self.modified: list[Path] = []
        self.removed: list[Path] = []

    def visit(self, path: Path, ref: TypeRef | None, old: Any, new: Any) -> None:
        if old is new:
            return
        leaf = False
        for atom in forms(self._schema, ref, old, new):
            leaf = self._in_form(path, ref, atom, (old, new))
        if leaf:
            return
        if old is ABSENT:
            self.added.append(path)
        elif new is ABSENT:
            self.removed.append(path)

    def _in_form(self, path: Path, ref: TypeRef | None, atom: Atom, pair: tuple[Any, Any]) -> bool:
        """Compare two values in one form; whether they were taken as a leaf."""
        old, new = pair
        if atom.map:
            before, after = (v if isinstance(v, dict) else {} for v in pair)
            if atom.map.relationship != ATOMIC and (before or after):
                self._in_maps(path, atom.map, before, after)
                return False
        elif atom.scalar:
            check_scalars(atom.scalar, path, old, new)
        elif atom.list:
            earlier, later = (v if isinstance(v, list) else [] for v in pair)
            if atom.list.relationship != ATOMIC and (earlier or later):
                self._in_lists(path, atom.list, earlier, later)
                return False
        else:
            raise no_form(ref)
        self._leaf(path, old, new)
        return True

    def _leaf(self, path: Path, old: Any, new: Any) -> None:
        if old is ABSENT:
            self.added.append(path)
        elif new is ABSENT:
            self.removed.append(path)
        elif not equal(old, new):
            self.modified.append(path)

    def _in_maps(self, path: Path, of: MapType, old: dict[str, Any], new: dict[str, Any]) -> None:
        for name in old | new:
            below = (*path, field_element(name))
            self.visit(below, of.type_of(name), old.get(name, ABSENT), new.get(name, ABSENT))

    def _in_lists(self, path: Path, of: ListType, old: list[Any], new: list[Any]) -> None:
        before, after = self._by_element(path, of, old), self._by_element(path, of, new)
        for element in before | after:
            self._items((*path, element), of, before.get(element, []), after.get(element, []))

    def _by_element(self, path: Path, of: ListType, items: list[Any]) -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {}
        for i, item in enumerate(items):
            try:
                out.setdefault(item_element(self._schema, of, item), []).append(item)
            except TypeMismatch as error:
                raise TypeMismatch(f"{path_text(path)}: element {i}: {error}") from error
        return out

    def _items(self, path: Path, of: ListType, old: list[Any], new: list[Any]) -> None:
        """Compare the items at one place; several there count as one atomic thing."""
        first = (old[0] if old else ABSENT, new[0] if new else ABSENT)
        if len(old) <= 1 and len(new) <= 1:
            self.visit(path, of.element, *first)
        elif len(old) > 1 and len(new) > 1:
            if not equal(old, new):
                self.modified.append(path)
        elif len(old) > 1:
            if new:
                self.visit(path, of.element, ABSENT, first[1])
            self.removed.append(path)
        else:
            if old:
                self.visit(path, of.element, first[0], ABSENT)
            self.added.append(path)
