"""The value of a tree: a walk over it whose cost is counted and bounded."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.objects.cel.errors import CostError, EvaluationError
from engine.objects.cel.functions import FUNCTIONS, find
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
)
from engine.objects.cel.values import (
    NONE,
    TYPES,
    Optional,
    has,
    is_key,
    lookup,
    shown,
    type_of,
)


class Evaluation:
    """One walk over a tree."""

    def __init__(self, variables: Mapping[str, Any], limit: int) -> None:
        """limit: of the cost; a node costs 1, and what reads or makes much costs more."""
        self._variables = dict(variables)
        self._left = self._limit = limit

    @property
    def steps(self) -> int:
        """What was spent so far."""
        return self._limit - max(self._left, 0)

    def spend(self, cost: int) -> None:
        """Raises CostError once all is spent."""
        self._left -= cost
        if self._left < 0:
            raise CostError(f"the evaluation takes more than {self._limit} steps")

    def value(self, node: Node) -> Any:
        """The value of a node.  Raises EvaluationError, CostError."""
        self.spend(1)
        try:
            return _BY_CLASS[type(node)](self, node)
        except EvaluationError as error:
            if error.at is None:
                error.at = node.at
            raise

    def literal(self, node: Literal) -> Any:
        """A value that stands in the text."""
        return node.value

    def name(self, node: Name) -> Any:
        """A variable, else a type."""
        found = self._variables.get(node.name, self)
        if found is self:
            found = TYPES.get(node.name, self)
        if found is self:
            raise EvaluationError(f"no such attribute(s): {node.name}")
        return found

    def select(self, node: Select) -> Any:
        """A field, or whether there is one."""
        operand = self.value(node.operand)
        if node.is_test:
            if isinstance(operand, Optional):
                return operand.is_present and has(operand.value, node.field)
            return isinstance(operand, Mapping) and node.field in operand
        return self._chosen(operand, node.field, is_optional=node.is_optional)

    def index(self, node: Index) -> Any:
        """An element."""
        operand = self.value(node.operand)
        return self._chosen(operand, self.value(node.key), is_optional=node.is_optional)

    def _chosen(self, operand: Any, key: Any, *, is_optional: bool) -> Any:
        if isinstance(operand, Optional):
            is_optional = True
            if not operand.is_present:
                return NONE
            operand = operand.value
        if not is_optional:
            return lookup(operand, key)
        return Optional(True, lookup(operand, key)) if has(operand, key) else NONE

    def call(self, node: Call) -> Any:
        """What a function or an operator makes of its arguments."""
        args = [self.value(arg) for arg in node.args]
        kinds = [type_of(arg) for arg in args]
        overload = find(FUNCTIONS[node.name], kinds)
        if overload is None:
            raise EvaluationError(f"no such overload: {node.name}({', '.join(kinds)})")
        return overload[2](self.spend, *args)

    def logic(self, node: Logic) -> bool:
        """`||` and `&&`: a term that decides makes up for one that has no value."""
        return _decided(map(self._tried, node.terms), wanted=node.is_or)

    def _tried(self, node: Node) -> bool | EvaluationError:
        try:
            return _bool(self.value(node))
        except EvaluationError as error:
            return error

    def choice(self, node: Choice) -> Any:
        """Only one of the two is evaluated."""
        return self.value(node.yes if _bool(self.value(node.condition)) else node.no)

    def list_of(self, node: ListOf) -> list[Any]:
        """The items; of optional ones those that are present."""
        found = ((self.value(item), is_optional) for item, is_optional in node.items)
        return [
            _optional(value).value if is_optional else value
            for value, is_optional in found
            if not is_optional or _optional(value).is_present
        ]

    def map_of(self, node: MapOf) -> dict[Any, Any]:
        """The entries; of optional ones those that are present."""
        found: dict[Any, Any] = {}
        for key_node, value_node, is_optional in node.entries:
            key, value = self.value(key_node), self.value(value_node)
            if not is_key(key):
                raise EvaluationError(f"unsupported key type: {type_of(key)}")
            if key in found:
                raise EvaluationError(f"repeated key: {shown(key)}")
            if not is_optional:
                found[key] = value
            elif _optional(value).is_present:
                found[key] = value.value
        return found

    def comprehension(self, node: Comprehension) -> Any:
        """What a macro makes of a list or of the keys of a map."""
        target = self.value(node.target)
        if node.macro in ("optMap", "optFlatMap"):
            return self._mapped(node, _optional(target))
        if type_of(target) not in ("list", "map"):
            raise EvaluationError(f"no such overload: {node.macro}({type_of(target)})")
        before = self._variables.get(node.variable, self)
        try:
            return self._folded(node, iter(target))
        finally:
            self._restore(node.variable, before)

    def _folded(self, node: Comprehension, items: Iterator[Any]) -> Any:
        if node.macro in ("all", "exists"):
            found = (self._tried_with(node, item) for item in items)
            return _decided(found, wanted=node.macro == "exists")
        if node.macro == "exists_one":
            tests = [_bool(self._body(node.body, node.variable, item)) for item in items]
            return sum(tests) == 1
        test = node.body if node.macro == "filter" else node.condition
        kept = (
            item for item in items if test is None or _bool(self._body(test, node.variable, item))
        )
        if node.macro == "filter":
            return list(kept)
        return [self._body(node.body, node.variable, item) for item in kept]

    def _tried_with(self, node: Comprehension, item: Any) -> bool | EvaluationError:
        self._variables[node.variable] = item
        return self._tried(node.body)

    def _body(self, body: Node, variable: str, item: Any) -> Any:
        self._variables[variable] = item
        return self.value(body)

    def _mapped(self, node: Comprehension, target: Optional) -> Optional:
        if not target.is_present:
            return NONE
        before = self._variables.get(node.variable, self)
        try:
            found = self._body(node.body, node.variable, target.value)
        finally:
            self._restore(node.variable, before)
        return Optional(True, found) if node.macro == "optMap" else _optional(found)

    def _restore(self, variable: str, before: Any) -> None:
        if before is self:
            self._variables.pop(variable, None)
        else:
            self._variables[variable] = before


def _decided(found: Iterator[bool | EvaluationError], *, wanted: bool) -> bool:
    """`wanted` if anything is, else the first error, else not."""
    problem: EvaluationError | None = None
    for each in found:
        if each is wanted:
            return wanted
        if isinstance(each, EvaluationError):
            problem = problem or each
    if problem is not None:
        raise problem
    return not wanted


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise EvaluationError(f"no such overload: {type_of(value)} where a bool is wanted")


def _optional(value: Any) -> Optional:
    if isinstance(value, Optional):
        return value
    raise EvaluationError(f"no such overload: {type_of(value)} where an optional is wanted")


_BY_CLASS: dict[type[Any], Callable[[Evaluation, Any], Any]] = {
    Literal: Evaluation.literal,
    Name: Evaluation.name,
    Select: Evaluation.select,
    Index: Evaluation.index,
    Call: Evaluation.call,
    Logic: Evaluation.logic,
    Choice: Evaluation.choice,
    ListOf: Evaluation.list_of,
    MapOf: Evaluation.map_of,
    Comprehension: Evaluation.comprehension,
}
