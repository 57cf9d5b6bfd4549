"""What a kind looks like to structured merge: atomic or granular, sets, keyed lists, fields.

A type may allow several forms at once (an "untyped" one allows all three); the value decides.
Source: sigs.k8s.io/structured-merge-diff v6, schema.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

ATOMIC = "atomic"
ASSOCIATIVE = "associative"
UNTYPED_ATOMIC = "__untyped_atomic_"
UNTYPED_DEDUCED = "__untyped_deduced_"


class TypeMismatch(ValueError):  # noqa: N818 - pairs with Conflict: both name what was found
    """A value does not conform to its type, or the type itself is broken; `problems` lists all."""

    def __init__(self, *problems: str) -> None:
        """problems: each `path: text`, or only a text where the whole object is meant."""
        super().__init__(problems[0] if len(problems) == 1 else "\n  ".join(("errors:", *problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class TypeRef:
    """A type by name or written in place."""

    name: str | None = None
    inlined: "Atom | None" = None
    relationship: str | None = None  #: overrides that of the map or list referred to


@dataclass(frozen=True, slots=True)
class Field:
    """A declared field of a map; `default` counts where a list's key is left out."""

    type: TypeRef
    default: Any = None


@dataclass(frozen=True, slots=True)
class MapType:
    """Declared fields, and the type of all others (None: there may be no others)."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    element: TypeRef | None = None
    relationship: str = ""

    def type_of(self, name: str) -> TypeRef | None:
        """The type of a field, None if there may be no such field."""
        declared = self.fields.get(name)
        return self.element if declared is None else declared.type


@dataclass(frozen=True, slots=True)
class ListType:
    """Associative lists are sets, or maps in disguise if they have keys."""

    element: TypeRef | None = None
    relationship: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Atom:
    """The forms that a value may have; scalar: numeric, string, boolean or untyped."""

    scalar: str | None = None
    list: ListType | None = None
    map: MapType | None = None
    by_form: "Mapping[type, Atom] | None" = field(init=False, repr=False, compare=False)
    """{type of value: the one form it has}; None where there is only one form anyway."""

    def __post_init__(self) -> None:
        """Lay out the single forms."""
        found: dict[type, Atom] | None = None
        if sum(form is not None for form in (self.scalar, self.list, self.map)) > 1:
            found = {}
            if self.scalar is not None:
                found.update(dict.fromkeys((str, int, float, bool), Atom(self.scalar)))
            if self.list is not None:
                found[list] = Atom(list=self.list)
            if self.map is not None:
                found[dict] = Atom(map=self.map)
        object.__setattr__(self, "by_form", found)


class Schema:
    """Types by name, and by reference."""

    def __init__(
        self, types: Mapping[str, Atom], load: Callable[[str], Atom] | None = None
    ) -> None:
        """load: makes a type that is not in `types` when it is first asked for, or KeyError."""
        self._types = dict(types)
        self._load = load
        self._overridden: dict[int, tuple[TypeRef, Atom]] = {}  # by id, as Atoms hash slowly

    def resolve(self, ref: TypeRef | None) -> Atom:
        """The type referred to; without forms if there is no reference.  Raises TypeMismatch."""
        if ref is None:
            return Atom()
        if ref.relationship is None:
            return self._plain(ref)
        known = self._overridden.get(id(ref))
        if known is None:
            known = self._overridden[id(ref)] = (ref, _overridden(self._plain(ref), ref))
        return known[1]

    def _plain(self, ref: TypeRef) -> Atom:
        if ref.name is None:
            return ref.inlined or Atom()
        atom = self._types.get(ref.name)
        if atom is None:
            try:
                atom = self._types[ref.name] = (self._load or self._types.__getitem__)(ref.name)
            except KeyError as error:
                raise TypeMismatch(f"schema error: no type found matching: {ref.name}") from error
        return atom


def _overridden(atom: Atom, ref: TypeRef) -> Atom:
    relationship = ref.relationship or ""
    if atom.map:
        return replace(atom, map=replace(atom.map, relationship=relationship))
    if atom.list:
        return replace(atom, list=replace(atom.list, relationship=relationship))
    raise TypeMismatch(f"schema error: no type found matching: {ref.name or 'inlined type'}")


def narrowed(atom: Atom, value: Any) -> Atom:
    """The one form that the value has; all of them if it has none of these (or is null)."""
    return atom if atom.by_form is None else atom.by_form.get(type(value), atom)


_ATOMIC_REF = TypeRef(UNTYPED_ATOMIC)
BUILTIN: Mapping[str, Atom] = {
    UNTYPED_ATOMIC: Atom(
        "untyped",
        ListType(_ATOMIC_REF, ATOMIC),
        MapType({}, _ATOMIC_REF, ATOMIC),
    ),
    UNTYPED_DEDUCED: Atom(
        "untyped",
        ListType(_ATOMIC_REF, ATOMIC),
        MapType({}, TypeRef(UNTYPED_DEDUCED), "separable"),
    ),
}
"""Types for what has no schema: maps are granular at the top (deduced) or not at all (atomic)."""


def from_document(document: Mapping[str, Any]) -> Schema:
    """The schema written in structured-merge-diff's own format: `{types: [{name, map, ...}]}`."""
    return Schema({each["name"]: _atom(each) for each in document.get("types") or []})


def _atom(document: Mapping[str, Any]) -> Atom:
    lists, maps = document.get("list"), document.get("map")
    return Atom(
        document.get("scalar"),
        None if lists is None else _list_type(lists),
        None if maps is None else _map_type(maps),
    )


def _list_type(document: Mapping[str, Any]) -> ListType:
    return ListType(
        _ref(document.get("elementType")),
        document.get("elementRelationship") or "",
        tuple(document.get("keys") or ()),
    )


def _map_type(document: Mapping[str, Any]) -> MapType:
    return MapType(
        {
            each["name"]: Field(_ref(each.get("type")) or TypeRef(), each.get("default"))
            for each in document.get("fields") or []
        },
        _ref(document.get("elementType")),
        document.get("elementRelationship") or "",
    )


def _ref(document: Mapping[str, Any] | None) -> TypeRef | None:
    if not document:
        return None
    name = document.get("namedType")
    return TypeRef(
        name, None if name is not None else _atom(document), document.get("elementRelationship")
    )
