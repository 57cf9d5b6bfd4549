"""An expression that can be evaluated."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from engine.objects.cel.check import check_bool, check_calls, check_condition
from engine.objects.cel.errors import CelError, CostError, EvaluationError
from engine.objects.cel.evaluate import Evaluation
from engine.objects.cel.parser import parse
from engine.objects.cel.tree import Node

COST_LIMIT: Final = 50_000
"""Steps of one evaluation; a step takes about a microsecond.  A condition of ten takes 150."""
Spent: TypeAlias = Callable[[int], None]
_SHOWN: Final = 200  # characters of an expression that a message quotes


@dataclass(frozen=True, slots=True)
class Program:
    """A parsed expression."""

    text: str
    tree: Node

    def value(
        self, variables: Mapping[str, Any], limit: int = COST_LIMIT, spent: Spent | None = None
    ) -> Any:
        """The value, as engine.objects.cel.values describes it.

        spent: is told how many steps it took, whatever came of it.
        Raises CelError: with the expression, and why and where it has none; CostError if that would
        take too long to find out.
        """
        evaluation = Evaluation(variables, limit)
        try:
            return evaluation.value(self.tree)
        except CostError as error:
            raise CostError(self._without_value(str(error))) from None
        except EvaluationError as error:
            reason = error.shown(self.text)
        except RecursionError:
            reason = "the data is nested too deep"
        finally:
            if spent is not None:
                spent(evaluation.steps)
        raise CelError(self._without_value(reason))

    def _without_value(self, reason: str) -> str:
        return f"failed to evaluate the CEL expression '{self.text[:_SHOWN]}': {reason}"

    def is_true(self, variables: Mapping[str, Any], spent: Spent | None = None) -> bool:
        """The value, a bool.  Raises CelError if it is none."""
        found = self.value(variables, spent=spent)
        if isinstance(found, bool):
            return found
        raise CelError(f"failed to evaluate CEL expression as boolean: '{self.text[:_SHOWN]}'")


def parsed(
    text: str, variables: Collection[str] | None = None, *, is_condition: bool = False
) -> Program:
    """The expression.

    variables: the only ones there are, each a map; then the value must be a bool.  None: any
    variables, any value.   is_condition: of any variables, but nothing that never is a bool.
    Raises CelError: what is wrong, and where.
    """
    return _parsed(text, None if variables is None else tuple(variables), is_condition)


@lru_cache(maxsize=1024)
def _parsed(text: str, variables: tuple[str, ...] | None, is_condition: bool) -> Program:
    try:
        tree = parse(text)
        check_calls(text, tree)
        if variables is not None:
            check_bool(text, tree, variables)
        elif is_condition:
            check_condition(text, tree)
    except CelError as error:
        raise CelError(f"failed to parse the CEL expression '{text[:_SHOWN]}': {error}") from None
    return Program(text, tree)
