"""Health as a Kustomization's own CEL expressions say it, and what is wrong with an expression.

Source: flux-behaviour 1.7 and 4.4 step 2; fluxcd/pkg runtime/cel (status evaluator and reader).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.api.applier import HealthCheckExpression
from engine.api.kustomize import Kustomization
from engine.errors import InvalidCELExpression
from engine.objects.cel import CelError, Program, parsed
from engine.objects.kstatus import Health, Status
from engine.objects.ref import Object, Ref

Kind = tuple[str, str]
"""Group and kind; the kind is "" where all of the group are meant."""

_MOST_KINDS = 200
_MOST_TEXT = 64 * 1024  # characters; to parse them takes some 0.3 s
_DEAR = 2_000  # steps from which on an evaluation counts; a condition of ten takes 150
_MOST_STEPS = 1_000_000  # of such evaluations: some seconds of work that nobody shares
_FAILED = "Reconciliation failed terminally due to configuration error"


def invalid(problem: str) -> InvalidCELExpression:
    """The failure that ends in Stalled."""
    return InvalidCELExpression(f"{_FAILED}: {problem}")


@dataclass(frozen=True, slots=True)
class HealthExpressions:
    """The expressions of `spec.healthCheckExprs`: {kind: (status, when it holds), in order}."""

    of_kinds: Mapping[Kind, tuple[tuple[Status, Program], ...]]
    _spent: Counter[str] = field(default_factory=Counter, compare=False)
    """Steps of dear evaluations of an expression; it is not tried for ever."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.of_kinds)

    def judges(self, ref: Ref) -> bool:
        """Whether they say how that object is, in place of the rules that hold for all kinds."""
        return (ref.group, ref.kind) in self.of_kinds or (ref.group, "") in self.of_kinds

    def health(self, obj: Object) -> Health:
        """How the object is; Unknown where an expression has no value for it."""
        ref = Ref.of(obj)
        of_group = self.of_kinds.get((ref.group, ""), ())
        if _is_outdated(obj):
            return Health(Status.IN_PROGRESS, "its newest generation is not observed yet")
        try:
            for status, holds in self.of_kinds.get((ref.group, ref.kind), of_group):
                if self._is_true(holds, obj):
                    return Health(status, f"by the expression '{holds.text}'")
        except CelError as error:
            if ref.kind == "Secret":  # the reason may quote a value
                return Health(Status.UNKNOWN, "a health expression has no value for it")
            return Health(Status.UNKNOWN, str(error))
        return Health(Status.IN_PROGRESS, "no health expression holds")

    def _is_true(self, program: Program, obj: Object) -> bool:
        """Whether it holds.  Raises CelError; at once if it has taken too long too often."""
        text = program.text
        if self._spent[text] >= _MOST_STEPS:
            raise CelError(
                f"the CEL expression '{text[:200]}' took more than {_MOST_STEPS:,} steps in all"
            )

        def spent(steps: int) -> None:
            self._spent[text] += steps if steps >= _DEAR else 0

        return program.is_true(obj, spent)


def health_expressions(ks: Kustomization) -> HealthExpressions:
    """The expressions, parsed.  Raises InvalidCELExpression, naming the first that is none."""
    _check_size(ks)
    found: dict[Kind, tuple[tuple[Status, Program], ...]] = {}
    for index, check in enumerate(ks.spec.health_check_exprs):
        kind = check.api_version.rpartition("/")[0], check.kind
        if kind in found:
            name = ".".join(filter(None, reversed(kind)))
            raise invalid(
                f"duplicate custom health check for GroupKind {name} at healthchecks[{index}]"
            )
        found[kind] = tuple(_programs(check, index))
    return HealthExpressions(found)


def _check_size(ks: Kustomization) -> None:
    """Raises InvalidCELExpression for more than can be parsed while all others wait."""
    checks = ks.spec.health_check_exprs
    size = sum(len(each.current) + len(each.in_progress) + len(each.failed) for each in checks)
    if len(checks) > _MOST_KINDS or size > _MOST_TEXT:
        raise invalid(
            f"healthCheckExprs has more than {_MOST_KINDS} kinds, or {_MOST_TEXT // 1024} KiB of "
            "expressions: split the Kustomization"
        )


def checked(ks: Kustomization) -> list[Ref]:
    """The objects that `spec.healthChecks` names."""
    return [
        Ref(
            (check.api_version or "apps/v1").rpartition("/")[0],
            check.kind,
            check.namespace,
            check.name,
        )
        for check in ks.spec.health_checks
    ]


def _programs(check: HealthCheckExpression, index: int) -> list[tuple[Status, Program]]:
    where = f"failed to create custom status evaluator for healthchecks[{index}]"
    if not check.current:
        raise invalid(f"{where}: expression Current not specified")
    texts = {
        "InProgress": (Status.IN_PROGRESS, check.in_progress),
        "Failed": (Status.FAILED, check.failed),
        "Current": (Status.CURRENT, check.current),
    }
    found: list[tuple[Status, Program]] = []
    for name, (status, text) in texts.items():
        try:
            if text:
                found.append((status, parsed(text, is_condition=True)))
        except CelError as error:
            raise invalid(f"{where}: failed to parse the expression {name}: {error}") from error
    return found


def _is_outdated(obj: Object) -> bool:
    """Whether the status is about an older generation; a text in that field says nothing."""
    status = obj.get("status")
    observed = status.get("observedGeneration") if isinstance(status, Mapping) else None
    generation = obj["metadata"].get("generation")
    return isinstance(observed, int) and isinstance(generation, int) and observed != generation


def is_ready_by(text: str, own: Object, dependency: Object) -> bool:
    """Whether a `readyExpr` holds.  Raises InvalidCELExpression; CelError if it has no value."""
    name = dependency["metadata"]["name"]
    try:
        program = parsed(text, ("self", "dep"))
    except CelError as error:
        raise invalid(f"failed to evaluate dependency {name}: {error}") from error
    return program.is_true({"self": own, "dep": dependency})
