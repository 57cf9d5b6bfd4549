"""What can be said about an expression without evaluating it: unknown names, types that never fit.

Less strict than cel-go, which also knows the types of items of lists and maps: what is let pass
here is found when it is evaluated.
"""

from collections.abc import Callable, Collection
from typing import Any

from engine.objects.cel.errors import TextError
from engine.objects.cel.functions import BOTH, FUNCTIONS, GLOBAL, MEMBER, find
from engine.objects.cel.tree import (
    Call,
    Choice,
    Comprehension,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Name,
    Node,
    Select,
    nodes,
)
from engine.objects.cel.values import NUMBERS, TYPES, type_of

_DYN = "dyn"
_SHOWN = {"map": "map(string, dyn)", "list": "list(dyn)", "optional_type": "optional_type(dyn)"}


def check_calls(text: str, root: Node) -> None:
    """Raises TextError for a function that does not exist, or not in this way."""
    for _, node in nodes(root):
        if isinstance(node, Call):
            _check_call(text, node)


def _check_call(text: str, node: Call) -> None:
    function = FUNCTIONS.get(node.name)
    style = MEMBER if node.is_member else GLOBAL
    if function is None or function.style not in (style, BOTH):
        raise TextError(f"undeclared reference to '{node.name}'", text, node.at)
    counts = {len(wanted) for wanted, _, _ in function.overloads}
    if len(node.args) not in counts:
        raise TextError(
            f"found no matching overload for '{node.name}' applied to "
            f"{len(node.args) - node.is_member} arguments",
            text,
            node.at,
        )


def check_bool(text: str, root: Node, variables: Collection[str]) -> None:
    """Raises TextError unless the value may be a bool.

    variables: those that there are; each a map of which nothing more is known.
    """
    kind = _Types(text, dict.fromkeys(variables, "map")).of(root)
    is_field = isinstance(root, Select | Index | Name)
    if kind != "bool" and (kind != _DYN or is_field):
        hint = "; compare it, as in `== true`" if kind == _DYN else ""
        raise TextError(
            f"CEL expression output type mismatch: expected bool, got {_shown(kind)}{hint}",
            text,
            root.at,
        )


def check_condition(text: str, root: Node) -> None:
    """Raises TextError where a value can never come about, or the whole can never be a bool.

    Any name may be a variable.  What only looks odd is let pass: a text is never equal to a number,
    and evaluating says so.
    """
    kind = _Types(text, {}, is_open=True).of(root)
    if kind not in (_DYN, "bool"):
        raise TextError(
            f"CEL expression output type mismatch: expected bool, got {_shown(kind)}", text, root.at
        )


class _Types:
    """The types of nodes, `dyn` where only evaluating tells."""

    def __init__(self, text: str, variables: dict[str, str], *, is_open: bool = False) -> None:
        """is_open: any name may be a variable, and what can be evaluated is let pass."""
        self._text, self._variables, self._is_open = text, variables, is_open

    def of(self, node: Node) -> str:
        """Raises TextError where types do not fit."""
        return _BY_CLASS[type(node)](self, node)

    def literal(self, node: Literal) -> str:
        return type_of(node.value)

    def name(self, node: Name) -> str:
        if node.name in self._variables:
            return self._variables[node.name]
        if node.name in TYPES:
            return "type"
        if self._is_open:
            return _DYN
        known = ", ".join(f"'{each}'" for each in sorted(self._variables))
        raise TextError(
            f"undeclared reference to '{node.name}'; known here: {known}", self._text, node.at
        )

    def select(self, node: Select) -> str:
        kind = self.of(node.operand)
        if kind not in (_DYN, "map", "optional_type"):
            raise TextError(f"type '{kind}' does not support field selection", self._text, node.at)
        if node.is_test:
            return "bool"
        return "optional_type" if node.is_optional or kind == "optional_type" else _DYN

    def index(self, node: Index) -> str:
        kind, key = self.of(node.operand), self.of(node.key)
        is_list_key = kind != "list" or key in (_DYN, *NUMBERS)
        if kind not in (_DYN, "map", "list", "optional_type") or not is_list_key:
            raise self._no_overload("_[_]", (kind, key), node.at)
        return "optional_type" if node.is_optional or kind == "optional_type" else _DYN

    def call(self, node: Call) -> str:
        kinds = [self.of(arg) for arg in node.args]
        overload = find(FUNCTIONS[node.name], kinds)
        is_equality = node.name in ("_==_", "_!=_")
        is_odd = is_equality and not self._is_open and not _are_alike(kinds[0], kinds[1])
        if overload is None or is_odd:
            raise self._no_overload(node.name, kinds, node.at)
        if node.name == "orValue":
            return kinds[1]
        return _DYN if _DYN in kinds and _is_open(node.name, kinds) else overload[1]

    def _no_overload(self, name: str, kinds: Collection[str], at: int) -> TextError:
        shown = ", ".join(map(_shown, kinds))
        return TextError(
            f"found no matching overload for '{name}' applied to '({shown})'", self._text, at
        )

    def logic(self, node: Logic) -> str:
        for term in node.terms:
            if self.of(term) not in (_DYN, "bool"):
                raise self._no_overload("_||_" if node.is_or else "_&&_", [self.of(term)], term.at)
        return "bool"

    def choice(self, node: Choice) -> str:
        kinds = [self.of(each) for each in (node.condition, node.yes, node.no)]
        are_alike = _are_alike(kinds[1], kinds[2])
        if kinds[0] not in (_DYN, "bool") or not (are_alike or self._is_open):
            raise self._no_overload("_?_:_", kinds, node.at)
        if not are_alike:
            return _DYN
        return kinds[2] if kinds[1] == _DYN else kinds[1]

    def list_of(self, node: ListOf) -> str:
        for item, _ in node.items:
            self.of(item)
        return "list"

    def map_of(self, node: MapOf) -> str:
        for key, value, _ in node.entries:
            self.of(key)
            self.of(value)
        return "map"

    def comprehension(self, node: Comprehension) -> str:
        kind = self.of(node.target)
        is_optional = node.macro in ("optMap", "optFlatMap")
        if kind not in (_DYN, *(("optional_type",) if is_optional else ("list", "map"))):
            raise TextError(
                f"expression of type '{_shown(kind)}' cannot be range of a comprehension "
                "(must be list, map, or dynamic)",
                self._text,
                node.target.at,
            )
        variables = {**self._variables, node.variable: _DYN}
        inner = _Types(self._text, variables, is_open=self._is_open)
        bodies = [each for each in (node.condition, node.body) if each is not None]
        kinds = [inner.of(each) for each in bodies]
        tests = kinds[:-1] if node.macro in ("map", "optMap", "optFlatMap") else kinds
        for kind in tests:
            if kind not in (_DYN, "bool"):
                raise self._no_overload(node.macro, [kind], bodies[0].at)
        if node.macro in ("all", "exists", "exists_one"):
            return "bool"
        return "optional_type" if is_optional else "list"


def _is_open(name: str, kinds: list[str]) -> bool:
    """Whether overloads for these types have several results."""
    results = {
        result
        for wanted, result, _ in FUNCTIONS[name].overloads
        if len(wanted) == len(kinds)
        and all(
            kind in (want, _DYN) or want == _DYN for want, kind in zip(wanted, kinds, strict=True)
        )
    }
    return len(results) > 1


def _are_alike(one: str, other: str) -> bool:
    """Whether values of the two types may be equal."""
    return (
        one == other
        or bool({_DYN, "null_type"} & {one, other})
        or (one in NUMBERS and other in NUMBERS)
    )


def _shown(kind: str) -> str:
    return _SHOWN.get(kind, "null" if kind == "null_type" else kind)


_BY_CLASS: dict[type[Any], Callable[[_Types, Any], str]] = {
    Literal: _Types.literal,
    Name: _Types.name,
    Select: _Types.select,
    Index: _Types.index,
    Call: _Types.call,
    Logic: _Types.logic,
    Choice: _Types.choice,
    ListOf: _Types.list_of,
    MapOf: _Types.map_of,
    Comprehension: _Types.comprehension,
}
