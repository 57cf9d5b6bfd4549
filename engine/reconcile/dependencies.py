"""Whether everything that a Kustomization depends on is ready, judged from what is known.

Source: flux-behaviour 4.4 step 6.
"""

from engine.api.applier import DependencyReference
from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import KUSTOMIZE_GROUP
from engine.errors import DependencyNotReady
from engine.objects.cel import CelError
from engine.objects.ref import Object, Ref
from engine.reconcile.expressions import is_ready_by
from engine.reconcile.outcome import is_ready
from engine.reconcile.run import Run
from engine.reconcile.sources import Source


def dependency_ref(wanted: DependencyReference, namespace: str) -> Ref:
    """The Kustomization that an entry of `spec.dependsOn` names."""
    return Ref(KUSTOMIZE_GROUP, "Kustomization", wanted.namespace or namespace, wanted.name)


def ready_dependencies(ks: Kustomization, source: Source, run: Run) -> None:
    """Raises DependencyNotReady for the first dependency, in order, that is not ready.

    Its Ready event wakes this Kustomization; the retry is only a safety net.
    Raises InvalidCELExpression for a `readyExpr` that is none.
    """
    for wanted in ks.spec.depends_on:
        ref = dependency_ref(wanted, ks.metadata.namespace)
        problem = _problem(wanted, ref, source, run)
        cycle = problem and run.engine.triggers.cycle(run.turn.key, ref)
        if cycle:
            problem += (
                f": dependency cycle {cycle}: none of them can become ready before the others; "
                "take one of these dependencies out of spec.dependsOn"
            )
        if problem:
            pause = run.engine.settings.requeue_dependency
            text = f"Dependencies do not meet ready condition, retrying in {format_duration(pause)}"
            raise DependencyNotReady(problem, retry_after=pause, told=text)


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
        return f"{name} is not ready"
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
    wanted = obj["spec"]["sourceRef"]
    namespace = wanted.get("namespace") or obj["metadata"].get("namespace", "")
    return (wanted["kind"], namespace, wanted["name"]) == (ref.kind, ref.namespace, ref.name)
