"""CEL, the expressions in which Kubernetes users write conditions; safe for anybody's text.

Size and nesting of a text are bounded before it is parsed, the cost of an evaluation while it runs.
Source: cel-spec langdef.md; extensions and messages as cel-go with Flux's options (strings, sets,
encoders, optional values, numbers of different types compared; flux-behaviour 1.7).
"""

from engine.objects.cel.errors import CelError, CostError
from engine.objects.cel.program import COST_LIMIT, Program, parsed

__all__ = ["COST_LIMIT", "CelError", "CostError", "Program", "parsed"]
