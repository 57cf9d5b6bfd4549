"""Whether everything that a Kustomization depends on is ready, judged from what is known.

Source: flux-behaviour 4.4 step 6.
"""

from engine.api.applier import DependencyReference
from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import KUSTOMIZE_GROUP
from engine.errors import AccessDenied, DependencyNotReady
from engine.objects.cel import CelError
from engine.objects.ref import Object, Ref
from engine.reconcile.access import horizon_of
from engine.reconcile.expressions import is_ready_by
from engine.reconcile.outcome import is_ready
from engine.reconcile.references import source_named
from engine.reconcile.run import Run
from engine.reconcile.sources import Source


def dependency_ref(wanted: DependencyReference, namespace: str) -> Ref:
    """The Kustomization that an entry of `spec.dependsOn` names."""
    return Ref(KUSTOMIZE_GROUP, "Kustomization", wanted.namespace or namespace, wanted.name)


def ready_dependencies(ks: Kustomization, source: Source, run: Run) -> None:
    """Raises DependencyNotReady for the first dependency, in order, that is not ready.

    Its Ready event wakes this Kustomization; the retry is only a safety net.
    Raises InvalidCELExpression for a `readyExpr` that is none, AccessDenied for one that would
    read an object of another namespace where that is forbidden.
    """
    horizon = horizon_of(run.given, run.engine.settings.default_service_account)
    for wanted in ks.spec.depends_on:
        ref = dependency_ref(wanted, ks.metadata.namespace)
        _check_reach(wanted, ref, run)
        problem = _problem(wanted, ref, source, run)
        if problem and horizon not in ("", ref.namespace):
            problem = _not_ready(ref)  # whether it is there at all is not for a tenant to know
        cycle = problem and run.engine.triggers.cycle(run.turn.key, ref)
        if cycle:
            problem += (
                f": dependency cycle {_seen_from(horizon, cycle)}: none of them can become ready "
                "before the others; take one of these dependencies out of spec.dependsOn"
            )
        if problem:
            pause = run.engine.settings.requeue_dependency
            text = f"Dependencies do not meet ready condition, retrying in {format_duration(pause)}"
            raise DependencyNotReady(problem, retry_after=pause, told=text)


def _check_reach(wanted: DependencyReference, ref: Ref, run: Run) -> None:
    """Raises AccessDenied for an expression about another namespace, if that is forbidden.

    Bit by bit it would tell all of that object.  Whether that is Ready may be asked, as in Flux.
    """
    is_far = ref.namespace != run.turn.key.namespace
    if wanted.ready_expr and is_far and run.engine.settings.no_cross_namespace_refs:
        raise AccessDenied(
            f"can't access '{ref}' by the readyExpr of a dependency, cross-namespace references "
            "have been blocked: leave out readyExpr, or depend on a Kustomization of "
            f"'{run.turn.key.namespace}'"
        )


def _seen_from(horizon: str, cycle: str) -> str:
    """The cycle, unless it leads through namespaces that a tenant is to know nothing of."""
    is_near = all(each.startswith(f"{horizon}/") for each in cycle.split(" -> "))
    return cycle if is_near or not horizon else "through other namespaces"


def _not_ready(ref: Ref) -> str:
    return f"dependency '{ref.namespace}/{ref.name}' is not ready"


def _problem(wanted: DependencyReference, ref: Ref, source: Source, run: Run) -> str:
    name = f"dependency '{ref.namespace}/{ref.name}'"
    obj = run.engine.mirror.get(ref)
    if obj is None:
        return f'{name} not found: kustomizations.{ref.group} "{ref.name}" not found'
    if wanted.ready_expr:
        problem = _problem_by(wanted.ready_expr, name, obj, run)
        if problem or not run.engine.settings.additive_cel_dependency_check:
            return problem
    if not is_ready(obj):
        return _not_ready(ref)
    if _has_source(obj, source.ref):
        applied = (obj.get("status") or {}).get("lastAppliedRevision")
        if applied != source.revision:
            return f"{name} revision is not up to date"
    return ""


def _problem_by(expression: str, name: str, obj: Object, run: Run) -> str:
    """What its `readyExpr` says.  Raises InvalidCELExpression."""
    try:
        is_met = is_ready_by(expression, run.given, obj)
    except CelError as error:
        return f"{name}: {error}"
    return "" if is_met else f"{name} is not ready according to readyExpr eval"


def _has_source(obj: Object, ref: Ref) -> bool:
    wanted = source_named(obj)  # "" where it is malformed, which is for its own run to say
    return (wanted.kind, wanted.namespace, wanted.name) == (ref.kind, ref.namespace, ref.name)
