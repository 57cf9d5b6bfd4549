"""The functions and operators of CEL by name, each for the types that it takes.

`Function.overloads`: (types of the arguments, type of the result, what it does).  Type "dyn" takes
all.  What is done is told the cost first: `run(spend, *arguments)`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.objects.cel import formats, strings, times
from engine.objects.cel import operators as op
from engine.objects.cel.errors import EvaluationError
from engine.objects.cel.values import NONE, NUMBERS, TYPES, Optional, Spend, Type, equal, type_of

Run = Callable[..., Any]
Overload = tuple[tuple[str, ...], str, Run]

GLOBAL, MEMBER, BOTH = "global", "member", "both"


@dataclass(frozen=True, slots=True)
class Function:
    """style: whether it is called `f(x)`, `x.f()`, or either."""

    style: str
    overloads: tuple[Overload, ...]


def find(function: Function, kinds: Sequence[str]) -> Overload | None:
    """The overload for arguments of these types; "dyn" among them fits all."""
    for overload in function.overloads:
        wanted = overload[0]
        if len(wanted) == len(kinds) and all(map(_fits, wanted, kinds)):
            return overload
    return None


def _fits(wanted: str, kind: str) -> bool:
    return wanted == kind or "dyn" in (wanted, kind)


def _size(spend: Spend, value: Any) -> int:
    return len(value)


def _type(spend: Spend, value: Any) -> Type:
    names = {"duration": "google.protobuf.Duration", "timestamp": "google.protobuf.Timestamp"}
    name = type_of(value)
    return TYPES.get(names.get(name, name)) or Type(name)


def _in(spend: Spend, value: Any, container: Any) -> bool:
    if isinstance(container, Mapping):
        return op.is_key_of(value, container)
    return any(equal(value, each, spend) for each in container)


def _add_lists(spend: Spend, left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    spend(len(left) + len(right))
    return [*left, *right]


def _contains_all(spend: Spend, whole: Sequence[Any], part: Sequence[Any]) -> bool:
    return all(_in(spend, each, whole) for each in part)


def _equivalent(spend: Spend, one: Sequence[Any], other: Sequence[Any]) -> bool:
    return _contains_all(spend, one, other) and _contains_all(spend, other, one)


def _intersects(spend: Spend, one: Sequence[Any], other: Sequence[Any]) -> bool:
    return any(_in(spend, each, one) for each in other)


def _value(spend: Spend, optional: Optional) -> Any:
    if not optional.is_present:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def _non_zero(spend: Spend, value: Any) -> Optional:
    is_zero = value is None or (type_of(value) != "timestamp" and not value)
    return NONE if is_zero else Optional(True, value)


def _or(spend: Spend, optional: Optional, other: Any) -> Any:
    return optional if optional.is_present else other


def _or_value(spend: Spend, optional: Optional, other: Any) -> Any:
    return optional.value if optional.is_present else other


def _unwrapped(spend: Spend, optionals: Iterable[Any]) -> list[Any]:
    found = list(optionals)
    spend(len(found))
    return [each.value for each in found if isinstance(each, Optional) and each.is_present]


def _first(spend: Spend, items: Sequence[Any]) -> Optional:
    return Optional(True, items[0]) if items else NONE


def _last(spend: Spend, items: Sequence[Any]) -> Optional:
    return Optional(True, items[-1]) if items else NONE


def _comparisons(name: str) -> Iterator[Overload]:
    run = op.comparison(name)
    for left in NUMBERS:
        yield from (((left, right), "bool", run) for right in NUMBERS)
    for kind in ("bool", "string", "bytes", "timestamp", "duration"):
        yield (kind, kind), "bool", run


def _numeric(name: str, kinds: Iterable[str]) -> list[Overload]:
    return [((kind, kind), kind, op.arithmetic(name, kind)) for kind in kinds]


def _times(name: str) -> list[Overload]:
    triples = [("timestamp", "duration", "timestamp"), ("duration", "duration", "duration")]
    if name == "_+_":
        triples.append(("duration", "timestamp", "timestamp"))
    else:
        triples.append(("timestamp", "timestamp", "duration"))
    return [((a, b), result, times.arithmetic(name)) for a, b, result in triples]


def _of(style: str, *overloads: Overload) -> Function:
    return Function(style, overloads)


_ANY: Final = ("dyn", "dyn")
_LISTS: Final = ("list", "list")
_INT_UINT: Final = ("int", "uint")

FUNCTIONS: Final[dict[str, Function]] = {
    "_+_": _of(
        GLOBAL,
        *_numeric("_+_", NUMBERS),
        (("string", "string"), "string", op.concatenated),
        (("bytes", "bytes"), "bytes", op.concatenated),
        (_LISTS, "list", _add_lists),
        *_times("_+_"),
    ),
    "_-_": _of(GLOBAL, *_numeric("_-_", NUMBERS), *_times("_-_")),
    "_*_": _of(GLOBAL, *_numeric("_*_", NUMBERS)),
    "_/_": _of(GLOBAL, *_numeric("_/_", NUMBERS)),
    "_%_": _of(GLOBAL, *_numeric("_%_", _INT_UINT)),
    "-_": _of(GLOBAL, *(((k,), k, op.negated) for k in ("int", "double", "duration"))),
    "!_": _of(GLOBAL, (("bool",), "bool", lambda _, value: not value)),
    "_==_": _of(GLOBAL, (_ANY, "bool", lambda spend, a, b: equal(a, b, spend))),
    "_!=_": _of(GLOBAL, (_ANY, "bool", lambda spend, a, b: not equal(a, b, spend))),
    **{name: _of(GLOBAL, *_comparisons(name)) for name in ("_<_", "_<=_", "_>_", "_>=_")},
    "@in": _of(GLOBAL, (("dyn", "list"), "bool", _in), (("dyn", "map"), "bool", _in)),
    "size": _of(BOTH, *(((k,), "int", _size) for k in ("string", "bytes", "list", "map"))),
    "type": _of(GLOBAL, (("dyn",), "type", _type)),
    "dyn": _of(GLOBAL, (("dyn",), "dyn", lambda _, value: value)),
    "sets.contains": _of(GLOBAL, (_LISTS, "bool", _contains_all)),
    "sets.equivalent": _of(GLOBAL, (_LISTS, "bool", _equivalent)),
    "sets.intersects": _of(GLOBAL, (_LISTS, "bool", _intersects)),
    "optional.of": _of(GLOBAL, (("dyn",), "optional_type", lambda _, v: Optional(True, v))),
    "optional.ofNonZeroValue": _of(GLOBAL, (("dyn",), "optional_type", _non_zero)),
    "optional.none": _of(GLOBAL, ((), "optional_type", lambda _: NONE)),
    "optional.unwrap": _of(GLOBAL, (("list",), "list", _unwrapped)),
    "unwrapOpt": _of(MEMBER, (("list",), "list", _unwrapped)),
    "hasValue": _of(MEMBER, (("optional_type",), "bool", lambda _, o: o.is_present)),
    "value": _of(MEMBER, (("optional_type",), "dyn", _value)),
    "or": _of(MEMBER, (("optional_type", "optional_type"), "optional_type", _or)),
    "orValue": _of(MEMBER, (("optional_type", "dyn"), "dyn", _or_value)),
    "first": _of(MEMBER, (("list",), "optional_type", _first)),
    "last": _of(MEMBER, (("list",), "optional_type", _last)),
    **{
        name: _of(GLOBAL, *(((kind,), name, op.conversion(name, kind)) for kind in kinds))
        for name, kinds in op.CONVERSIONS.items()
    },
    **{name: _of(MEMBER, *overloads) for name, overloads in strings.MEMBERS.items()},
    **{name: _of(GLOBAL, *overloads) for name, overloads in strings.GLOBALS.items()},
    "format": _of(MEMBER, (("string", "list"), "string", formats.formatted)),
    "matches": _of(BOTH, (("string", "string"), "bool", strings.matches)),
    **{name: _of(MEMBER, *overloads) for name, overloads in times.MEMBERS.items()},
}
